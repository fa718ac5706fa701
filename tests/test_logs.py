"""What is kept out of the log, and what is not."""

import logging

import pytest

from models.errors import ChainbrakeError
from stream.logs import NotOnPurpose


def record_of(error: Exception) -> logging.LogRecord:
    """A line that was logged with an exception."""
    told = (type(error), error, error.__traceback__)
    return logging.LogRecord("mode", logging.ERROR, "", 0, "Error while stopping child", (), told)


@pytest.mark.parametrize("error", [ChainbrakeError("said"), RuntimeError("Event loop is closed")])
def test_what_ends_a_process_on_purpose_has_no_traceback(error: Exception) -> None:
    """It is one message; threads of a library that have ended already are nobody's concern."""
    assert not NotOnPurpose().filter(record_of(error))


def test_any_other_error_is_told() -> None:
    """A mistake of ours is never kept back."""
    assert NotOnPurpose().filter(record_of(RuntimeError("Event loop stopped before Future completed.")))
    assert NotOnPurpose().filter(record_of(KeyError("closed")))
    assert NotOnPurpose().filter(logging.LogRecord("stream", logging.ERROR, "", 0, "plain", (), None))
