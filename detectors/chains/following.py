"""Follows one declared chain for everybody in a workflow, and says when it is complete."""

from collections.abc import Callable

from msgspec.structs import replace

from detectors.chains.counting import groups_max
from detectors.chains.fields import names
from detectors.chains.hosted import Hosted, Part
from detectors.chains.joining import NOTED_MAX, noting
from detectors.chains.registers import Machine
from detectors.chains.shape import Stage
from detectors.detector import Inspect
from models.attested import Fact
from models.event import Operation, weakest
from models.finding import EVIDENCE_MAX, Noticed
from models.session import Hit, Partial, Session, Step, Track, Workflow

FOLLOWED_MAX = 32
"""Sessions, agents, targets and so on that one chain follows in one workflow; the quietest gives way."""

FOLLOWED_MIN = 8
COUNTED_MAX = 1024
"""A chain that counts to many follows fewer, so that a workflow stays small."""

WEIGHT_MAX = 64
COUNT = Fact.COUNT.value  # a plain text: hashing an enum is slow


class Follower:
    """One chain. Remembers only in the workflow it is given."""

    def __init__(self, hosted: Hosted, is_habit: Callable[[Operation], bool], late_ms: int) -> None:
        self.name = hosted.name
        self._hosted = hosted
        self._is_habit = is_habit
        self._weighs = not hosted.exact and any(stage.distinct is not None for stage in hosted.shape.stages)
        self._compared = hosted.compared
        self._follows_all = hosted.scope is None and not hosted.followed
        alone = hosted.exact and hosted.scope is None and len(hosted.followed) == 1
        self._by_one = hosted.followed[0] if alone else None
        self._track_name = hosted.name + hosted.part_of
        self.machine = Machine(hosted.shape, late_ms)
        self._noted_as = hosted.joined_as if hosted.crosses else ""
        self._over_ms = hosted.shape.within_ms + late_ms
        counted = max(_kept(stage, bool(hosted.shape.keys)) for stage in hosted.shape.stages)
        self._followed_max = min(FOLLOWED_MAX, max(FOLLOWED_MIN, COUNTED_MAX // counted))

    def inspector(self, asked: tuple[Part, ...], fills: int, forbids: int) -> Inspect:
        """What to call for operations that look alike: they fill and forbid, and more if `asked` hold."""

        def tested(_session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
            return self._tested(asked, fills, forbids, workflow, event, step)

        def known(_session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
            return self.follow(workflow, event, step, fills, forbids)

        return tested if asked else known

    def _tested(
        self,
        asked: tuple[Part, ...],
        fills: int,
        forbids: int,
        workflow: Workflow,
        event: Operation,
        step: Step,
    ) -> Noticed | None:
        """Take in an operation that `fills` steps and `forbids`, and more if the tests of `asked` hold."""
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
        return self.follow(workflow, event, step, fills, forbids) if fills or forbids else None

    def follow(
        self, workflow: Workflow, event: Operation, step: Step, fills: int, forbids: int
    ) -> Noticed | None:
        """Take in what is known to fill or to forbid."""
        followed = "" if self._follows_all else self._whom(event)
        if followed is None:
            return None
        if forbids and self._hosted.exact:
            fills = 0  # what a negated rule matches, is no part of a match
        values = tuple([read(event) for read in self._compared]) if self._compared else ()
        hit = Hit(step, fills, forbids, values, step.act, _weight(event) if self._weighs else 1)
        tracks = workflow.tracks.get(self._track_name)
        track = tracks.get(followed) if tracks is not None else None
        if track is None:
            track = self._track(workflow, followed, step.at_ms)
        matches = self.machine.follow(track, hit)
        if self._noted_as:
            workflow.noted.append(noting(self._noted_as, followed, workflow, hit, matches))
            if len(workflow.noted) > NOTED_MAX:
                del workflow.noted[0]
        if not matches:
            return None
        first, *others = sorted(matches, key=_start_ms, reverse=True)
        word = self._noticed(first)
        return replace(word, also=tuple(map(self._noticed, others))) if others else word

    def _whom(self, event: Operation) -> str | None:
        """Which part of the workflow to follow; None where the record does not say it."""
        if self._by_one is not None:
            value = self._by_one(event)
            return f"\0{value}" if value else None
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
            tags=self._hosted.tags,
            session=last.session,
            act_ms=last.at_ms,
        )


def _kept(stage: Stage, told_apart: bool) -> int:  # noqa: FBT001 - whether anything is compared
    """How many things a step may have counted at a time."""
    return stage.count * groups_max(stage) if told_apart and stage.count > 1 else stage.count


def _weight(event: Operation) -> int:
    """How many things the call touched."""
    count = event.facts.get(COUNT, "") if type(event) is Operation else ""
    return min(int(count), WEIGHT_MAX) if count.isdecimal() else 1


def _start_ms(match: Partial) -> int:
    return match.start_ms
