"""Times as people write and read them on the command line."""

import re
from datetime import UTC, datetime

from detectors.chains.declaration import milliseconds
from models.errors import InputError

AGO = re.compile(r"[1-9][0-9]{0,5}(s|m|h|d)")


def begin_of(told: str, now_ms: int) -> int:
    """Where a span before now begins, or a time in ISO 8601; ms since the epoch. Raises `InputError`."""
    if AGO.fullmatch(told):
        return max(0, now_ms - milliseconds(told))
    return millis(told, "--since", "no span such as 90m, 12h or 7d, and no time")


def millis(told: str, where: str, otherwise: str) -> int:
    """A time in ISO 8601, UTC if it does not say, in ms since the epoch. Raises `InputError`."""
    try:
        at = datetime.fromisoformat(told.replace(" ", "+"))  # what a shell's user leaves unescaped
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return max(0, round(at.timestamp() * 1000))
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where}: {told!r} is {otherwise} such as 2026-11-16T05:00:00Z") from error


def moment(at_ms: int) -> str:
    """To the second, in UTC; a number that no calendar has stays one."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{at_ms} ms"
