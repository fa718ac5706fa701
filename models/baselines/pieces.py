"""A payload read piece by piece, as `write_artifact` writes it: no piece takes long.

Reading a file of ten thousand jobs in one call holds the interpreter for a third of a second, and a worker
with it, though it reads in a thread. Pieces are cut where a cohort or a job ends, by the texts that stand
there. No text inside a string looks so, since its quotes are escaped; and a cut in any other depth leaves
brackets open, so that what is read is what stands in the file, or nothing.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from msgspec import Raw

from models.baselines.surprise_file import PackedSurprise

PIECE_BYTES = 1 << 20
WINDOW_BYTES = 1 << 16

BEGINS = b'{"pace":'
SURPRISE = b',"surprise":'
COHORTS = b',"cohorts":'
TOGETHER = b',"together":'
HABITS = b',"habits":'
SHAPE = b',"shape":'
RESEMBLANCE = b',"resemblance":{"agents":{'
"""In the order in which they stand there, the last one where labels taught."""

COHORT = (b',"role\\u001f', b',"pair\\u001f', b',"agent\\u001f')
"""How every cohort begins but the first, everybody."""

JOB = b'"most_secrets":'
"""The last field of a job's habits."""
JOB_ENDS = re.compile(rb'"most_secrets":\d+}(?=,"(?:[^"\\]|\\.)*":{"sessions":)')

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_surprise = msgspec.json.Decoder(PackedSurprise).decode


class Pieces(NamedTuple):
    """The parts of a payload, cohorts and jobs as they stand in the file."""

    pace: dict[str, Raw]
    surprise: PackedSurprise
    habits: dict[str, Raw]
    shape: bytes
    resemblance: bytes
    """Empty for none."""


def pieces_of(content: bytes, begin: int, end: int) -> Pieces | None:
    """The payload between two places of a file; None where it is not put together as we write it.

    Raises `msgspec.DecodeError` where it looks so, and is not.
    """
    surprise = _found(content, SURPRISE, begin, end)
    cohorts = _found(content, COHORTS, surprise, end)
    together = _found(content, TOGETHER, cohorts, end)
    habits = _found(content, HABITS, together, end)
    labels = content.rfind(RESEMBLANCE, max(habits, begin), end)
    last = labels if labels >= 0 else end - 1
    shape = content.rfind(SHAPE, habits, last)  # a job may have an operation that is called so
    if not content.startswith(BEGINS, begin) or not begin < surprise < cohorts < together < habits < shape:
        return None
    rest = content[surprise + len(SURPRISE) : cohorts] + COHORTS + b"{}" + content[together:habits]
    told = _surprise(rest)
    told.cohorts = _read(content, cohorts + len(COHORTS), together, _cohort_after)
    return Pieces(
        pace=_read(content, begin + len(BEGINS), surprise, _cohort_after),
        surprise=told,
        habits=_read(content, habits + len(HABITS), shape, _job_after),
        shape=content[shape + len(SHAPE) : last],
        resemblance=content[last + RESEMBLANCE.index(b"{") : end - 1] if last == labels else b"",
    )


def _found(content: bytes, told: bytes, begin: int, end: int) -> int:
    """As `find` says, but a piece at a time: it may stand tens of megabytes further on."""
    if begin < 0:
        return begin
    for first in range(begin, end, PIECE_BYTES):
        found = content.find(told, first, min(end, first + PIECE_BYTES + len(told) - 1))
        if found >= 0:
            return found
    return -1


def _read(
    content: bytes, begin: int, end: int, next_after: Callable[[bytes, int, int], int]
) -> dict[str, Raw]:
    """An object, by its members: so many at once as stand in about `PIECE_BYTES`."""
    found: dict[str, Raw] = {}
    whole, begin, end = memoryview(content), begin + 1, end - 1
    while begin < end:
        comma = next_after(content, begin + PIECE_BYTES, end) if end - begin > PIECE_BYTES else end
        found |= _members(b"".join((b"{", whole[begin:comma], b"}")))
        begin = comma + 1
    return found


def _cohort_after(content: bytes, begin: int, end: int) -> int:
    """The comma before the next cohort; the end where there is none."""
    while begin < end:  # window by window: keys are sorted, so those of one kind may all be far behind
        nearest = limit = min(end, begin + WINDOW_BYTES)
        for told in COHORT:
            found = content.find(told, begin, min(end, nearest + len(told) - 1))
            nearest = found if found >= 0 else nearest
        if nearest < limit:
            return nearest
        begin = limit
    return end


def _job_after(content: bytes, begin: int, end: int) -> int:
    """The comma before the next job; the end where there is none."""
    while (begin := content.find(JOB, begin, end)) >= 0:
        ends = JOB_ENDS.match(content, begin, end)
        if ends is not None:
            return ends.end()
        begin += 1
    return end
