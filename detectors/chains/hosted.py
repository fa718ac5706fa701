"""Hosts a declared chain as a detector: what it listens to, whom it follows, and what it says."""

from collections.abc import Callable
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from detectors.chains.conditions import Look, Test
from detectors.chains.counting import groups_max
from detectors.chains.fields import Field, names
from detectors.chains.registers import LATE_MS, Machine
from detectors.chains.shape import Shape, Stage
from detectors.detector import Detector, Inspect
from models.attested import Fact
from models.command import Action
from models.event import Grade, OpClass, Operation, weakest
from models.finding import EVIDENCE_MAX, Noticed
from models.session import Hit, Partial, Session, Step, Track, Workflow

FOLLOWED_MAX = 32
"""Sessions, agents, targets and so on that one chain follows in one workflow; the quietest gives way."""

FOLLOWED_MIN = 8
COUNTED_MAX = 1024
"""A chain that counts to many follows fewer, so that a workflow stays small."""

WEIGHT_MAX = 64
COUNT = Fact.COUNT.value  # a plain text: hashing an enum is slow


class Part(Struct, frozen=True, kw_only=True):
    """A step of a chain or, where it is not, an absence: what an operation of it has to be like."""

    bit: int
    is_step: bool = True
    classes: frozenset[OpClass]
    is_named: Callable[[str], bool] | None = None
    """Whether an operation's name is right; None for any name."""
    looks: tuple[Look, ...] = ()
    """Asked once for all operations that look alike."""
    tests: tuple[Test, ...] = ()
    """Asked of each operation."""
    habit: bool | None = None
    """Whether it has to be a habit of its job, or must be none; None for either."""

    @property
    def asks(self) -> bool:
        """Whether each operation has to be asked, although it looks right."""
        return bool(self.tests) or self.habit is not None

    def may_be(self, event: Operation) -> bool:
        """Whether an operation that looks like this one can be it."""
        return (
            event.op_class in self.classes
            and (self.is_named is None or self.is_named(event.operation))
            and all(look(event) for look in self.looks)
        )


class Hosted(Struct, frozen=True, kw_only=True):
    """A chain, compiled, whatever it was declared in."""

    name: str
    title: str
    parts: tuple[Part, ...]
    shape: Shape
    compared: tuple[Field, ...] = ()
    """Fields whose values are kept and compared: the slots of the shape."""
    scope: Field | None = None
    """Id of whom it follows; None for the workflow."""
    followed: tuple[Field, ...] = ()
    """Fields that have to name the same thing in every step, beside the scope."""
    grades: frozenset[Grade]
    confidence: float
    response: Action
    tags: tuple[str, ...] = ()
    part_of: str = ""
    """Tells apart the chains of one name."""
    exact: bool = False
    """Names are compared to the letter, a call counts once, a claim without a target will do: as in Sigma."""


class Declared(Struct, frozen=True):
    """All that were loaded."""

    chains: tuple[Hosted, ...] = ()
    version: str = ""
    """Digest of the users' files; empty where there are none."""
    remarks: tuple[str, ...] = ()
    """What in the users' files does less than it seems to, with its place."""

    @property
    def within_ms(self) -> int:
        """The longest window."""
        return max((chain.shape.within_ms for chain in self.chains), default=0)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all, each once."""
        return tuple(dict.fromkeys(chain.name for chain in self.chains))


NOTHING = Declared()


class DeclaredChain(Detector):
    """Fires at the operation that completes the chain."""

    def __init__(self, hosted: Hosted, is_habit: Callable[[Operation], bool], late_ms: int = LATE_MS) -> None:
        self.name = hosted.name
        self._is_habit = is_habit
        self.tags = hosted.tags
        self.takes_claims = hosted.exact
        self.listens_to = frozenset().union(*(part.classes for part in hosted.parts))
        self._hosted = hosted
        self._weighs = not hosted.exact and any(stage.distinct is not None for stage in hosted.shape.stages)
        self._grades = hosted.grades
        self._compared = hosted.compared
        self._follows_all = hosted.scope is None and not hosted.followed
        self._track_name = hosted.name + hosted.part_of
        self._machine = Machine(hosted.shape, late_ms)
        self._over_ms = hosted.shape.within_ms + late_ms
        counted = max(_kept(stage, bool(hosted.shape.keys)) for stage in hosted.shape.stages)
        self._followed_max = min(FOLLOWED_MAX, max(FOLLOWED_MIN, COUNTED_MAX // counted))

    def inspector(self, event: Operation) -> Inspect | None:
        """See `Detector.inspector`. What the looks decide, is decided here."""
        if event.grade not in self._grades:
            return None
        parts = [part for part in self._hosted.parts if part.may_be(event)]
        asked = tuple(part for part in parts if part.asks)
        fills = sum(part.bit for part in parts if part.is_step and not part.asks)
        forbids = sum(part.bit for part in parts if not part.is_step and not part.asks)
        return partial(self._inspect, asked, fills, forbids) if parts else None

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        ask = self.inspector(event)
        return ask(session, workflow, event, step) if ask is not None else None

    def _inspect(
        self,
        asked: tuple[Part, ...],
        fills: int,
        forbids: int,
        _session: Session,
        workflow: Workflow,
        event: Operation,
        step: Step,
    ) -> Noticed | None:
        for part in asked:
            if part.habit is not None and self._is_habit(event) is not part.habit:
                continue
            for test in part.tests:
                if not test(workflow, event, step):
                    break
            else:
                if part.is_step:
                    fills |= part.bit
                else:
                    forbids |= part.bit
        return self._follow(workflow, event, step, fills, forbids) if fills or forbids else None

    def _follow(
        self, workflow: Workflow, event: Operation, step: Step, fills: int, forbids: int
    ) -> Noticed | None:
        followed = "" if self._follows_all else self._whom(event)
        if followed is None:
            return None
        if forbids and self._hosted.exact:
            fills = 0  # what a negated rule matches, is no part of a match
        values = tuple([read(event) for read in self._compared]) if self._compared else ()
        hit = Hit(step, fills, forbids, values, event.act, _weight(event) if self._weighs else 1)
        tracks = workflow.tracks.get(self._track_name)
        track = tracks.get(followed) if tracks is not None else None
        if track is None:
            track = self._track(workflow, followed, step.at_ms)
        matches = self._machine.follow(track, hit)
        if not matches:
            return None
        first, *others = sorted(matches, key=_start_ms, reverse=True)
        word = self._noticed(first)
        return replace(word, also=tuple(map(self._noticed, others))) if others else word

    def _whom(self, event: Operation) -> str | None:
        """Which part of the workflow to follow; None where the record does not say it."""
        hosted = self._hosted
        scope = hosted.scope(event) if hosted.scope is not None else ""
        if not hosted.followed:
            return scope or None
        values = [read(event) for read in hosted.followed]
        if not all(values) or (hosted.scope is not None and not scope):
            return None
        if not hosted.exact:
            values = [",".join(sorted(names(value))) or value for value in values]
        return "\0".join((scope, *values))

    def _track(self, workflow: Workflow, followed: str, at_ms: int) -> Track:
        """Begin to follow; what is over, and else the quietest, gives way."""
        tracks = workflow.tracks.get(self._track_name)
        if tracks is None:
            tracks = workflow.tracks[self._track_name] = {}
        for name in [name for name, known in tracks.items() if at_ms - known.newest_ms > self._over_ms]:
            del tracks[name]
        if len(tracks) >= self._followed_max:
            del tracks[min(tracks, key=lambda name: tracks[name].newest_ms)]
        track = tracks[followed] = Track()
        return track

    def _noticed(self, match: Partial) -> Noticed:
        hits = sorted(filter(None, match.hits), key=lambda hit: hit.step.at_ms)
        last = hits[-1].step
        sessions = len({hit.step.session for hit in hits})
        across = "" if sessions == 1 else f" over {sessions} sessions of one workflow"
        told = ", then ".join(hit.step.operation for hit in hits)
        evidence = tuple(dict.fromkeys((*(hit.step.event_id for hit in hits), *match.counted)))
        return Noticed(
            detector=self.name,
            confidence=self._hosted.confidence,
            reason=f"{self._hosted.title}: {told} on {last.target or 'no named target'} "
            f"in {(match.at_ms - match.start_ms) / 1000:.1f} s{across}",
            evidence=evidence[:EVIDENCE_MAX],
            grade=weakest(hit.step.grade for hit in hits),
            tags=self.tags,
            session=last.session,
            act_ms=last.at_ms,
        )


def _kept(stage: Stage, told_apart: bool) -> int:  # noqa: FBT001 - whether anything is compared
    """How many things a step may have counted at a time."""
    return stage.count * groups_max(stage) if told_apart and stage.count > 1 else stage.count


def _weight(event: Operation) -> int:
    """How many things the call touched."""
    count = event.facts.get(COUNT, "")
    return min(int(count), WEIGHT_MAX) if count.isdecimal() else 1


def _start_ms(match: Partial) -> int:
    return match.start_ms
