"""The surprise of a session, event by event: one number in bits, and what it is made of.

    sequence = max(decayed average of operation and pause, repeats)
    score    = max(origins + decayed average, repeats)

Plain sums of bits, no weights. A session is judged by the running maximum; a call that failed scores nothing
once that is known, and is remembered as part of the sequence.
"""

from bisect import bisect_right
from collections.abc import Mapping
from math import log2
from typing import Final, TypeVar

from models.baselines.calibration import Peaks, limit_of, strictest
from models.baselines.cohorts import (
    EVERYBODY,
    JOB_SESSIONS_MIN,
    SESSIONS_MIN,
    ByCohort,
    agent_key,
    job_key,
    levels,
)
from models.baselines.counts import END, GAPS_MS, ORDER, SurpriseCounts
from models.baselines.joint import NO_LIMITS, Backed, Joint, Limits, speaking
from models.baselines.origins import OriginModel
from models.baselines.sequences import MEMORY, SequenceModel, Shared, averaged
from models.event import ERROR, Operation
from models.session import Session

Part = TypeVar("Part")

FRESH: Final = 1.0 - MEMORY

RESULTS_MAX: Final = 64
"""Per session: calls that may still be named as a source. Older ones have no name: one step coarser."""

SYMBOLS_MAX: Final = 64
"""Per session: kinds of operation whose repeats are counted; it is the first ones that repeat."""


class Expectation:
    """What is expected of one cohort: what a session of this agent and role is compared with."""

    __slots__ = (
        *(
            "_agent",
            "_asked",
            "_backed",
            "_counts",
            "_job_sessions",
            "_limits",
            "_model",
            "_names_sources",
            "_origins",
            "_pace",
        ),
        *(
            "_known",
            "_score_limit",
            "_sequences",
            "_symbol",
            "_table",
            "enough_seen",
            "keys",
        ),
    )

    def __init__(
        self, counts: SurpriseCounts, agent: str, role: str, shared: Shared, model: str = ""
    ) -> None:
        """`model`: the version of the baseline."""
        self._model = model
        self.keys = levels(counts.sessions, agent, role)
        counted = tuple(key for key in self.keys if key in counts.cohorts)
        own = [counts.cohorts[key] for key in counted]
        self._origins = OriginModel(shared.everybody, own)
        sequences = SequenceModel(shared, counted)
        self._sequences, self._known, self._table = sequences, sequences.known, sequences.table
        self._pace = shared.pace(counted)
        self._symbol = shared.symbol
        self._counts = counts
        self._limits: dict[float, Limits] = {}
        self._backed: dict[float, list[Backed | None]] = {}
        """By share, too: a session beyond its limit asks with every event."""
        self._asked = -1.0
        """The share for which the limit of the score was asked last, and the limit."""
        self._score_limit: float | None = None
        self._names_sources = any(cohort.arguments for cohort in own)
        self.enough_seen = bool(own) and own[0].sessions >= SESSIONS_MIN
        self._job_sessions = counts.sessions.get(job_key(agent, role), 0)
        self._agent = agent

    def limits(self, share: float) -> Limits:
        """What at most `share` of honest sessions exceed in any score; None is "not enough seen".

        A job seen a few times only has to exceed both what known and what new jobs reach. Looked up once.
        """
        found = self._limits.get(share)
        if found is None:
            found = self._limits[share] = self._limits_of(share)
        return found

    def score_limit(self, share: float) -> float | None:
        """The limit of the score, in bits, looked up once."""
        if share != self._asked:
            self._asked, self._score_limit = share, self.limits(share).score
        return self._score_limit

    def end_limit(self, share: float) -> float | None:
        """What at most `share` of honest sessions reach with their end, in bits: a promise of its own."""
        ended = self._counts.score_with_end
        known = limit_of(ended.known, (EVERYBODY, *self.keys), share)
        new = limit_of(ended.new, (EVERYBODY, agent_key(self._agent)), share)
        return strictest(self._of_job(known, new)) if self.enough_seen else None

    def p_value(self, peaks: Mapping[str, float], share: float) -> float | None:
        """Chance of an honest session to go as far in any score, by those that back a promise of `share`.

        `peaks`: by score, those that were looked at; None is "not enough seen".
        """
        backing = self._backing(share)
        found = [each.p_value(peaks) for each in backing if each is not None]
        return max(found) if self.enough_seen and len(found) == len(backing) else None

    def backing(self, share: float) -> Peaks | None:
        """The held-out peaks behind a limit of the score; None where several are, or not enough were seen."""
        joint = self.joint(share)
        return joint.alone("score") if joint is not None else None

    def joint(self, share: float) -> Joint | None:
        """The same of all scores; of whoever is too small for a limit, the broader cohort's as it stands."""
        found = self._backing(share)
        if not self.enough_seen or len(found) != 1 or found[0] is None:
            return None
        return found[0].joint

    def follow(  # noqa: C901, PLR0912 - on the hot path: calls cost more
        self, session: Session, event: Operation, symbol: str = ""
    ) -> None:
        """Bring the session's surprise up to its newest event, and how far the score ever rose.

        Once per event of the session, however many detectors ask. Changed in place; nothing grows without a
        limit. `symbol`: what the event is called in a sequence, where that is known.
        """
        if session.surprised_at == session.events:
            return
        session.surprised_at = session.events
        if session.model != self._model:
            self._begin_anew(session)
        if not symbol:
            symbol = self._symbol(event.operation, event.target_kind)
        before, at_ms, score = session.symbols, event.at_ms, 0.0
        step: tuple[str, ...] = before + (symbol,)  # noqa: RUF005 - half of what unpacking costs
        if event.outcome is ERROR:
            session.origins = session.repeated = 0.0
            session.symbols = step if len(step) <= ORDER else step[1:]
        else:
            pace, table = self._pace, self._table
            chance, wanted, way, after = self._known.get(step) or self._sequences.worked_out(step)
            session.symbols = after  # one object for all sessions: what is at hand costs least
            if table is not None:  # `SequenceModel.bits`, without the call
                chance = table.chance(step, wanted, way, chance)
            else:
                chance = self._sequences.narrowed(step, chance)
            found = 0.0 - log2(chance)
            if before:  # `Pace.gap_bits` and `Pace.repeat_bits`, without the calls
                row = pace.gaps.get(event.op_class)
                if row is not None:
                    found += row[bisect_right(GAPS_MS, at_ms - session.symbol_ms)]
            score = MEMORY * session.surprise + FRESH * found  # `averaged`, without the call
            session.surprise = score
            if event.provenance:
                session.origins = origins = self._origins.surprise(event, session.results)
                score += origins
            elif session.origins:  # what stays the same is not written again: that costs more than a look
                session.origins = 0.0
            repeats = session.repeats
            times = repeats.get(symbol, 0) + 1
            if times > 1 or len(repeats) < SYMBOLS_MAX:
                repeats[symbol] = times
            first = pace.first.get(symbol)
            if first is not None and times <= len(first):
                repeated = first[times - 1]
            else:
                repeated = pace.repeat_bits(symbol, times)
            if repeated != session.repeated:
                session.repeated = repeated
            if repeated > score:  # noqa: PLR1730 - same
                score = repeated
        session.symbol_ms = at_ms
        if self._names_sources:
            remember(session.results, event)
        if score > session.peak:  # noqa: PLR1730 - same
            session.peak = score

    def _begin_anew(self, session: Session) -> None:
        """Another baseline measured it so far, or none: what it did is context, and no evidence."""
        session.model, session.unmeasured = self._model, session.events - 1
        session.surprise = session.origins = session.repeated = session.peak = 0.0

    def ended(self, session: Session) -> float:
        """The decayed average with the session's end as its last event, in bits."""
        return averaged(session.surprise, self._sequences.bits((*session.symbols, END)))

    def _limits_of(self, share: float) -> Limits:
        backing = self._backing(share) if self.enough_seen else [None]
        found = [each.limits() if each is not None else NO_LIMITS for each in backing]
        limits = Limits(*map(strictest, zip(*found, strict=True)))
        if limits != NO_LIMITS:
            return limits
        pooled = self._counts.together.known.get(EVERYBODY)  # an approval may come before anybody is known
        return Limits(haste=pooled.limits(share).haste) if pooled is not None else NO_LIMITS

    def _backing(self, share: float) -> list[Backed | None]:
        found = self._backed.get(share)
        if found is None:
            together = self._counts.together
            known = speaking(together.known, (EVERYBODY, *self.keys), share)
            new = speaking(together.new, (EVERYBODY, agent_key(self._agent)), share)
            found = self._backed[share] = self._of_job(known, new)
        return found

    def _of_job(self, known: Part | None, new: Part | None) -> list[Part | None]:
        """What counts for a job seen so often."""
        if self._job_sessions >= JOB_SESSIONS_MIN:
            return [known]
        return [known, new] if self._job_sessions else [new]


def remember(results: dict[str, str], event: Operation) -> None:
    """Of which operation the event was, for arguments that name it as their source."""
    results[event.id] = event.operation
    if len(results) > RESULTS_MAX:
        del results[next(iter(results))]


def score_of(session: Session, event: Operation) -> float:
    """Bits of the event that was folded in last; a failed call has none."""
    if event.outcome is ERROR:
        return 0.0
    found, repeated = session.origins + session.surprise, session.repeated
    return found if found > repeated else repeated  # noqa: FURB136 - on the hot path: a call costs more


class SurpriseModel(ByCohort[Expectation]):
    """All expectations, made when first asked for."""

    def __init__(self, counts: SurpriseCounts, version: str = "") -> None:
        super().__init__(counts.sessions)
        self.counts = counts
        self.expectation = self.of
        """What is expected of an agent in a role."""
        self._version = version
        self._shared = Shared(counts.cohorts)
        self.symbol = self._shared.symbol
        """What operations of a kind are called in a sequence."""

    def make(self, agent: str, role: str) -> Expectation:
        """See `ByCohort.make`."""
        return Expectation(self.counts, agent, role, self._shared, self._version)
