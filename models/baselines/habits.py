"""What a job is used to: which operations, on what, for whom.

A habit is counted in sessions, not events: a loop of a thousand calls is one session's word. How odd
something new is depends on how often the job does something new: of n observations (a session that shows
an operation, or a target of it), n1 were of a kind that no other session showed; Good (1953) gives something
never seen the probability n1 / n, here smoothed by half an observation.
"""

import re
from collections.abc import Iterable, Mapping
from math import log2

from msgspec import DecodeError
from msgspec.json import Decoder

from models.attested import Effect, Fact
from models.baselines.habit import TARGETS_MAX, Habit, Places, Sessions
from models.baselines.stored import Lazy
from models.event import Operation

SESSIONS_MIN = 8
"""A job seen in fewer sessions has no habits yet: that is "not enough seen", and vouches for nothing."""

HABIT_SESSIONS_MIN = 2
"""Something is a habit from this many sessions on: once may have been the exception."""

SIBLINGS_MIN = 3
"""A job that did the same to so many targets, alike but for one word, does it for each of a kind."""

WORDS = re.compile(r"([/-])")
WORDS_MAX = 31
OPEN = "\x00"
OTHERS = ""
"""Operations that the job never showed: none is called so."""


class Habits:
    """The habits of every job, ready to be asked on the hot path."""

    def __init__(self, jobs: Mapping[str, Habit]) -> None:
        """Each is read when its job is first asked for: all at once would take half of the time to load."""
        self._told = jobs
        self._jobs: dict[str, Habit | None] = {}
        """By job that was asked for; None of whom too little was seen."""
        self._rooms: dict[str, dict[str, float]] = {}
        """By job and operation: the bits that something new could have at most."""
        self._known_families: dict[tuple[str, str], dict[str, int]] = {}
        self._places: frozenset[str] | None = None
        """Where any job calls from, once that was asked for."""
        self._asked: Operation | None = None
        """The operation whose surprise was asked for last, and that: several detectors ask for it."""
        self._answer: float | None = None

    def _of(self, job: str) -> Habit | None:
        """Of jobs that nobody ever saw, whatever they are called, nothing is kept."""
        known = self._jobs.get(job)
        if known is not None:
            return known
        if job in self._jobs or job not in self._told:
            return None
        habit = self._told.get(job)
        if habit is not None and habit.sessions < SESSIONS_MIN:
            habit = None
        if habit is not None:
            self._rooms[job] = {OTHERS: room_bits(habit.operations)} | {
                operation: room_bits(targets) for operation, targets in habit.targets.items() if targets
            }
        self._jobs[job] = habit
        return habit

    @property
    def unreadable(self) -> int:
        """Jobs that were asked for, and whose habits have the wrong shape: as if never seen."""
        return len(self._told.refused) if isinstance(self._told, Lazy) else 0

    def knows(self, job: str) -> bool:
        """Whether enough of the job was seen to say what is new for it."""
        return self._of(job) is not None

    def is_habit(self, event: Operation) -> bool:
        """Whether the job has done just this, to the same end, in several sessions."""
        habit = self._of(event.agent_role)
        if habit is None:
            return False
        known = habit.targets.get(event.operation)
        if known is not None and known.get(habit_key(event), 0) >= HABIT_SESSIONS_MIN:
            return not _lasts_for_once(habit, event)
        return _same_end(habit, event)

    def serves(self, event: Operation) -> bool:
        """Whether the job takes away on this platform, in this class, from one such target after another."""
        habit = self._of(event.agent_role)
        if habit is None:
            return False
        removed = habit.ends.get(f"{event.system} {event.op_class} {Effect.REMOVES}", {})
        return sum(("@" in key) is ("@" in event.target) for key in removed) >= SIBLINGS_MIN

    def most_secrets(self, job: str) -> int | None:
        """The most different secrets that one session of the job read; None if too little was seen."""
        habit = self._of(job)
        return None if habit is None else habit.most_secrets

    def is_strange(self, event: Operation, bits_min: float) -> bool | None:
        """Whether it is at least so surprising for the job; None if too little was seen to say.

        Too little is also what could not reach `bits_min`, however regular it was; and of one more target of
        a kind that the job serves one by one, nobody can say whether it was added or is none of its own.
        """
        habit = self._of(event.agent_role)
        if habit is None:
            return None
        rooms = self._rooms[event.agent_role]
        if rooms.get(event.operation, rooms[OTHERS]) >= bits_min:
            strange = (self.surprise_bits(event) or 0.0) >= bits_min
            return None if strange and self.is_one_more(event) else strange
        return None

    def is_strange_address(self, event: Operation, bits_min: float) -> bool:
        """Whether a job with places of its own calls from another one."""
        habit = self._of(event.agent_role)
        address = event.facts.get(Fact.ADDRESS, "") if event.facts else ""
        if habit is None or not address or address in habit.addresses or not habit.addresses:
            return False
        return -log2(_new(habit.addresses)) >= bits_min

    def addresses(self, job: str) -> tuple[str, ...]:
        """Where the job calls from."""
        habit = self._of(job)
        return tuple(habit.addresses) if habit is not None else ()

    def is_somebodys(self, address: str) -> bool:
        """Whether any job is known to call from there."""
        if self._places is None:
            self._places = frozenset(address for each in _places(self._told) for address in each)
        return address in self._places

    def strange_place(self, event: Operation, bits_min: float) -> str:
        """The system or issuer of an operation that is so surprising for its job; empty for none."""
        habit = self._of(event.agent_role)
        if habit is None:
            return ""
        if event.system and event.system not in habit.systems and _bits(habit.systems) >= bits_min:
            return f"system {event.system}"
        for issuer in issuers_of(event) if event.facts else ():
            if issuer not in habit.issuers and _bits(habit.issuers) >= bits_min:
                return f"issuer {issuer}"
        return ""

    def is_one_more(self, event: Operation) -> bool:
        """Whether the job does the same, one by one, to several targets that differ in one word."""
        families = self._families(event.agent_role, event.operation)
        return any(families.get(pattern, 0) >= SIBLINGS_MIN for pattern in _patterns(event.target))

    def _families(self, job: str, operation: str) -> dict[str, int]:
        """Counted when first asked for: for all jobs at once it would take most of the time to load."""
        families = self._known_families.get((job, operation))
        if families is None:
            habit = self._of(job)
            targets = habit.targets.get(operation) if habit is not None else None
            if targets is None:
                return {}
            families = self._known_families[job, operation] = _families(targets)
        return families

    def surprise_bits(self, event: Operation) -> float | None:
        """How new this is for its job, in bits: 0 for what it did before; None if too little was seen.

        -log2 of the probability that an operation (or a target of a known operation, by its shape) which this
        job never showed turns up in one more session.
        """
        if event is not self._asked:
            self._answer, self._asked = self._surprise_bits(event), event
        return self._answer

    def _surprise_bits(self, event: Operation) -> float | None:
        habit = self._of(event.agent_role)
        if habit is None:
            return None
        times = habit.operations.get(event.operation, 0)
        if not times:
            return 0.0 if _same_end(habit, event) else -log2(_new(habit.operations))
        targets = habit.targets.get(event.operation, {})
        if not event.target or habit_key(event) in targets or len(targets) >= TARGETS_MAX:
            return 0.0
        shapes = habit.shapes.get(event.operation, {})
        known = shape_of(event.target) in shapes or self.is_one_more(event)
        return -log2(_new(targets)) - (0.0 if known else log2(_new(shapes)))


def _same_end(habit: Habit, event: Operation) -> bool:
    """Whether the job has left just this behind in several sessions, if by other calls.

    Platforms have several for one thing, and which of them a job's client uses is no habit of the job.
    """
    ends = habit.ends.get(end_of(event)) if event.effects else None
    return ends is not None and ends.get(habit_key(event), 0) >= HABIT_SESSIONS_MIN


def _lasts_for_once(habit: Habit, event: Operation) -> bool:
    """Whether what is made lasts, where all that the job ever made so ended soon."""
    if Effect.LONG_LIVED not in event.effects or habit.lasting is None:
        return False
    return event.operation not in habit.lasting


def _places(told: Mapping[str, Habit]) -> Iterable[Iterable[str]]:
    """The addresses of each job; of one that cannot be read, none."""
    if not isinstance(told, Lazy):
        yield from (habit.addresses for habit in told.values())
        return
    decode = Decoder(Places).decode
    for packed in told.packed.values():
        try:
            places = decode(packed)
        except DecodeError:
            continue
        yield places.addresses


def _families(targets: dict[str, Sessions]) -> dict[str, int]:
    """How many known targets are alike but for one word."""
    families: dict[str, int] = {}
    for path in {target.partition("\x00")[0] for target in targets}:
        for pattern in _patterns(path):
            families[pattern] = families.get(pattern, 0) + 1
    return families


def _patterns(path: str) -> list[str]:
    """The name with each of its words left open in turn, wherever it stands; none for a single word."""
    words = WORDS.split(path)
    different = dict.fromkeys(word for word in words[::2] if word)
    if len(words) == 1 or len(words) > WORDS_MAX:
        return []
    return ["".join(OPEN if word == left else word for word in words) for left in different]


def room_bits(seen: dict[str, int]) -> float:
    """How surprising something new could be, had nothing been seen only once."""
    return log2((sum(seen.values()) + 1.0) / 0.5)


def _bits(seen: dict[str, int]) -> float:
    """How surprising something new is; 0 where there never was anything of the kind."""
    return -log2(_new(seen)) if seen and len(seen) < TARGETS_MAX else 0.0


def issuers_of(event: Operation) -> list[str]:
    """Token issuers that it names."""
    told = event.facts.get(Fact.ISSUER, "") if event.facts else ""
    return [issuer.strip() for issuer in told.split(",") if issuer.strip()]


def _new(seen: dict[str, int]) -> float:
    """The chance that the next observation is of a kind never seen (Good 1953, smoothed)."""
    once = sum(1 for sessions in seen.values() if sessions == 1)
    return (once + 0.5) / (sum(seen.values()) + 1.0)


def habit_key(event: Operation) -> str:
    """Target and who gains, in one text."""
    gains = event.facts.get(Fact.BENEFICIARY, "") if event.facts else ""
    return f"{event.target}\x00{gains}" if gains else event.target


def end_of(event: Operation) -> str:
    """What it leaves behind, and where, whatever the call is named."""
    return " ".join((event.system, event.op_class, *sorted(event.effects)))


def shape_of(target: str) -> str:
    """What targets of this kind look like: the last part of the name, digits left out."""
    last = target.rpartition("/")[2]
    return "".join("#" if char.isdigit() else char for char in last)
