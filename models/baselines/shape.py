"""The shape of a session: what it did so far, in thirteen numbers that know no hour and no names.

Counted as it goes, in a few whole numbers that the session keeps; put together only when the session's class
of risk changes: at its first operation of each class that leaves it with more than before, at its first
denial, and whenever such operations have become four times as many. Documented in `docs/baselines.md`.
"""

from math import log, log2
from typing import Any, Final
from zlib import crc32

from models.event import GAINS, OpClass, Operation, Outcome, SystemKind

COUNTED = (
    OpClass.DISCOVERY,
    OpClass.POLICY_READ,
    OpClass.SECRET_READ,
    OpClass.ROLE_MAPPING,
    OpClass.PRIVILEGE_CHANGE,
    OpClass.TRUST_CHANGE,
    OpClass.CREDENTIAL_MINT,
    OpClass.GUARDRAIL_CHANGE,
    OpClass.EXCHANGE,
)
"""Classes that say something about identity; each has its count at its place."""

LOOKS: Final = frozenset({OpClass.DISCOVERY, OpClass.POLICY_READ})
DENIED: Final = 9
GAINED: Final = 10
KINDS: Final = 11
TARGETS: Final = 12
LOOKED_MS: Final = 13
"""Further places, behind those of the classes: denials; what left it with more; a bit for each kind of
system, and for each target, by a checksum; when it last looked something up."""
NOTHING: Final = (0,) * (LOOKED_MS + 1)

STAGES: Final = frozenset(4**k for k in range(1, 13))
"""So many operations that leave a session with more than before are another class of risk."""

TARGET_BITS: Final = 64
BITS: Final = tuple(1 << place for place in range(TARGET_BITS))
STEPS: Final = 4
"""Features are told in quarters: sessions that are nearly alike are alike, and remembered as one."""
FEATURE_MAX: Final = 24 * STEPS

FEATURES = (
    "look-ups",
    "secret reads",
    "grants",
    "minted credentials",
    "guard rail changes",
    "exchanges",
    "classes of operation",
    "different targets",
    "kinds of system",
    "denied",
    "gains for each look-up",
    "time for each operation",
    "time since the last look-up",
)
"""What the numbers of a vector say, in their order."""

_KIND_BITS: Final = {kind: 1 << place for place, kind in enumerate(SystemKind)}
_PLACES: Final = {op_class: place for place, op_class in enumerate(COUNTED)}

Figures = list[int]
"""What a session keeps; empty before its first operation that counts."""
Vector = tuple[int, ...]
"""Features, in quarters; or how far each is from what is usual, in spreads."""


class Mark:
    """What operations that look alike add."""

    __slots__ = ("denied", "gains", "kind", "looks", "place")

    def __init__(self, place: int, event: Operation) -> None:
        """`place`: of its class."""
        self.place = place
        self.kind = _KIND_BITS[event.system_kind]
        self.gains = event.op_class in GAINS
        self.looks = event.op_class in LOOKS
        self.denied = event.outcome is Outcome.DENIED


def mark_of(event: Operation) -> Mark | None:
    """What an operation adds, by its class, outcome and kind of system; None for what adds nothing.

    A denied attempt is part of the shape; a call that failed with an error says nothing.
    """
    place = _PLACES.get(event.op_class)
    if place is None or event.outcome is Outcome.ERROR:
        return None
    return Mark(place, event)


def take_in(figures: Figures, mark: Mark, event: Operation) -> bool:
    """Count an operation, in place; whether the session's class of risk has changed with it."""
    if not figures:
        figures.extend(NOTHING)
    count = figures[mark.place] + 1
    figures[mark.place] = count
    if not figures[KINDS] & mark.kind:
        figures[KINDS] |= mark.kind
    target = event.target
    if target:
        bit = BITS[crc32(target.encode()) & 63]
        if not figures[TARGETS] & bit:
            figures[TARGETS] |= bit
    if mark.looks:
        at_ms = event.at_ms
        if at_ms > figures[LOOKED_MS]:  # noqa: PLR1730 - on the hot path: a call costs more
            figures[LOOKED_MS] = at_ms
    elif mark.gains:
        gained = figures[GAINED] + 1
        figures[GAINED] = gained
        changed = count == 1 or gained in STAGES
        if not mark.denied:
            return changed
        figures[DENIED] += 1
        return changed or figures[DENIED] == 1
    if mark.denied:
        figures[DENIED] += 1
        return figures[DENIED] == 1
    return False


def vector_of(figures: Figures, started_ms: int, at_ms: int) -> Vector:
    """The shape as it is now: doublings and numbers, each in quarters."""
    looked, asked, read, mapped, changed, trusted, minted, guarded, exchanged, *rest = figures
    denied, gains, kinds, targets, looked_ms = rest
    looks, grants = looked + asked, mapped + changed + trusted
    counted = looks + read + grants + minted + guarded + exchanged  # nothing that is counted is more
    doubled: Any = _DOUBLINGS if counted < len(_DOUBLINGS) else _FURTHER
    looks, gains = doubled[looks], doubled[gains]
    lasted_ms, ago_ms = at_ms - started_ms, at_ms - (looked_ms or started_ms)
    return (
        looks,
        doubled[read],
        doubled[grants],
        doubled[minted],
        doubled[guarded],
        doubled[exchanged],
        STEPS * (DENIED - figures[:DENIED].count(0)),
        _TARGETS[targets.bit_count()],
        STEPS * kinds.bit_count(),
        doubled[denied],
        gains - looks,
        doublings(lasted_ms / 1_000 / counted) if lasted_ms > 0 else 0,
        doublings(ago_ms / 1_000) if ago_ms > 0 else 0,
    )


def doublings(number: float) -> int:
    """log2(1 + number), in quarters."""
    found = round(log2(1.0 + number) * STEPS)
    return found if found < FEATURE_MAX else FEATURE_MAX  # noqa: FURB136 - on the hot path: a call costs more


def different(bits: int) -> float:
    """How many names set so many bits: linear counting (Whang et al. 1990), near enough up to sixty."""
    return TARGET_BITS * log(TARGET_BITS / max(1, TARGET_BITS - bits))


class _Further:
    """In place of the table, for numbers beyond it."""

    def __getitem__(self, number: int) -> int:
        return doublings(number)


_DOUBLINGS: Final = tuple(round(log2(1 + number) * STEPS) for number in range(1_024))
_FURTHER: Final = _Further()
_TARGETS: Final = tuple(doublings(different(bits)) for bits in range(TARGET_BITS + 1))
