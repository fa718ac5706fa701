"""Ranges of a topic as arguments: how they are told, and how they fail. See tests/servers for real ones."""

import sys
from pathlib import Path

import pytest

from models.errors import InputError
from stream.recordings.files import Lines
from stream.recordings.topic_range import asked, at_broker

CHAINBRAKE = str(Path(sys.executable).with_name("chainbrake"))


def test_the_brokers_of_the_settings_are_meant_where_none_is_named() -> None:
    """And never where some are; files are left alone."""
    assert at_broker("kafka://actions?from=3", "a:1,b:2") == "kafka://a:1,b:2/actions?from=3"
    assert at_broker("kafka://c:3/actions", "a:1") == "kafka://c:3/actions"
    assert at_broker("some/file.ndjson", "a:1") == "some/file.ndjson"


def test_an_argument_names_brokers_topic_and_bounds() -> None:
    """Escaped or not."""
    found = asked("kafka://a:1,b:2/x.actions.v1?from=2026-11-16T05:00:00%2B01:00&to=77")
    assert (found.brokers, found.topic) == ("a:1,b:2", "x.actions.v1")
    assert (found.begin, found.end) == ("2026-11-16T05:00:00+01:00", "77")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("kafka://a:1/", "no broker and one topic"),
        ("kafka://a:1/x/y", "no broker and one topic"),
        ("kafka://a:1/x?form=3", "form is not known"),
        ("kafka://a:1/x?from=3&from=4", "told twice"),
        ("kafka://a:1/x?from", "BROKERS/TOPIC"),
    ],
)
def test_what_cannot_be_meant_is_refused(path: str, says: str) -> None:
    """Before any broker is asked."""
    with pytest.raises(InputError, match=says):
        list(Lines([path]))


def test_a_file_may_be_called_like_a_topic(tmp_path: Path) -> None:
    """Only the scheme makes a range."""
    path = tmp_path / "kafka"
    path.write_text("{}\n")
    assert list(Lines([str(path)])) == [b"{}"]
