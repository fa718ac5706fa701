"""The page of techniques says what the detectors carry, and nothing else."""

import re

import pytest

from detectors.catalog import NAMES
from stream.configuration.chain_files import builtin_names
from stream.reference.coverage import (
    CATALOGS,
    COVERAGE_PAGE,
    TECHNIQUES,
    catalog_of,
    coverage_page,
    covered,
    tags_of,
)
from tests.test_docs import DOCS


def test_the_committed_page_is_the_generated_one() -> None:
    """A tag that is added or taken away shows in review. Renew with: make schema."""
    assert (DOCS / COVERAGE_PAGE).read_text() == coverage_page()


def test_every_detector_is_on_it_and_carries_something() -> None:
    """Nobody's findings come without a technique that a SIEM can sort by."""
    assert set(tags_of()) == {*NAMES, *builtin_names()}
    assert all(tags_of().values())


@pytest.mark.parametrize("tag", sorted(covered()))
def test_every_tag_is_an_id_with_a_name(tag: str) -> None:
    """An id that no catalog knows would be found by nobody: `stream/reference/coverage.py` names it."""
    assert catalog_of(tag) in CATALOGS
    assert re.fullmatch(
        r"T\d{4}(\.\d{3})?|AML\.T\d{4}(\.\d{3})?|ASI(0[1-9]|10)|L[1-7]|(MAP|MEASURE|MANAGE)-\d\.\d+", tag
    )
    assert TECHNIQUES[tag]


def test_a_technique_without_a_detector_is_named_as_a_gap() -> None:
    """And one with a detector is not."""
    page = coverage_page()
    (gaps,) = re.findall(r"pass through it: (T.*)\.\n", page)
    for tag, names in covered().items():
        if catalog_of(tag) == "T":
            assert (f"{tag} {TECHNIQUES[tag]}" in gaps) is not bool(names)
