"""Which technique which detector looks for, as a page: made from the detectors' own tags."""

from collections import defaultdict
from collections.abc import Iterator

from detectors.catalog import Knowledge, detectors
from detectors.policy import Policy
from models.registry import EMPTY
from stream.chain_files import builtin_names
from stream.rule_files import load_declared

COVERAGE_PAGE = "coverage.md"
FRAMEWORKS = (
    ("MITRE ATT&CK", "T"),
    ("MITRE ATLAS", "AML."),
    ("OWASP Agentic", "ASI"),
    ("MAESTRO layers", "L"),
    ("NIST AI RMF", ("GOVERN", "MAP", "MEASURE", "MANAGE")),
)
"""Heading, and how ids begin."""

HEAD = """# Coverage

Which technique which detector looks for, by the detectors' own tags. A tag says what a finding points
to, not that every way of doing it is seen: what each detector misses stands on its page. By `make schema`.
"""


def coverage_page() -> str:
    """The page, as it should be."""
    return HEAD + "".join(f"\n## {heading}\n\n{_table(begin)}" for heading, begin in FRAMEWORKS)


def tagged() -> dict[str, list[str]]:
    """Tag: detectors of the default policy that have it, built in and declared."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for detector in detectors(Policy(), Knowledge(None, EMPTY, load_declared(Policy()))):
        for tag in detector.tags:
            found[tag].append(detector.name)
    return dict(found)


def _table(begin: str | tuple[str, ...]) -> str:
    rows = [
        f"| {tag} | {_linked(names)} |" for tag, names in sorted(tagged().items()) if tag.startswith(begin)
    ]
    return "\n".join(("| id | detectors |", "|---|---|", *rows)) + "\n"


def _linked(names: list[str]) -> str:
    return ", ".join(_links(names))


def _links(names: list[str]) -> Iterator[str]:
    declared = builtin_names()
    for name in sorted(names):
        folder = "chains" if name in declared else "detectors"
        yield f"[`{name}`]({folder}/{name}.md)"
