"""The surprise of a session, event by event: one number in bits, and what it is made of.

    sequence = max(decayed average of operation and pause, repeats)
    score    = max(origins + decayed average, repeats)

Plain sums of bits, no weights. A session is judged by the running maximum; a call that failed scores nothing
once that is known, and is remembered as part of the sequence.
"""

from sys import intern

from msgspec import Struct

from models.baselines.calibration import Calibration, Peaks, narrowest, strictest
from models.baselines.cohorts import (
    EVERYBODY,
    JOB_SESSIONS_MIN,
    SEPARATOR,
    SESSIONS_MIN,
    agent_key,
    job_key,
    levels,
    role_key,
)
from models.baselines.counts import END, ORDER, CohortCounts
from models.baselines.origins import OriginModel
from models.baselines.sequences import MEMORY, Remembered, SequenceModel, averaged
from models.event import Operation, Outcome
from models.session import Session

ERROR = Outcome.ERROR
FRESH = 1.0 - MEMORY

RESULTS_MAX = 64
"""Per session: calls that may still be named as a source. Older ones have no name: one step coarser."""

SYMBOLS_MAX = 64
"""Per session: kinds of operation whose repeats are counted; it is the first ones that repeat."""


class SurpriseCounts(Struct, kw_only=True):
    """What is learned of sequences and origins; part of the artifact."""

    sessions: dict[str, int]
    """Cohort: sessions that taught."""
    cohorts: dict[str, CohortCounts]
    score: Calibration
    score_with_end: Calibration
    sequence: Calibration


class Expectation:
    """What is expected of one cohort: what a session of this agent and role is compared with."""

    def __init__(
        self,
        counts: SurpriseCounts,
        agent: str,
        role: str,
        remembered: Remembered,
        numbers: dict[tuple[str, ...], int],
    ) -> None:
        cohorts = counts.cohorts
        self.keys = levels(counts.sessions, agent, role)
        counted = tuple(key for key in self.keys if key in cohorts)
        own = [cohorts[key] for key in counted]
        number = numbers.setdefault(counted[:-1] or counted, len(numbers))
        everybody = cohorts.get(EVERYBODY, CohortCounts())
        paced = [cohort for cohort in own if cohort.sessions >= SESSIONS_MIN] or own[:1] or [everybody]
        self._origins = OriginModel(everybody, own)
        self._sequences = SequenceModel(everybody, own, paced[-1], remembered, number)
        self._counts = counts
        self._score_limits: dict[float, float | None] = {}
        self._sequence_limits: dict[float, float | None] = {}
        self._names_sources = any(cohort.arguments for cohort in own)
        self.enough_seen = bool(own) and own[0].sessions >= SESSIONS_MIN
        self._job_sessions = counts.sessions.get(job_key(agent, role), 0)
        self._agent = agent

    def limit(self, calibration: Calibration, share: float) -> float | None:
        """What at most `share` of honest sessions exceed, in bits; None is "not enough seen".

        A job seen a few times only has to exceed both what known and what new jobs reach.
        """
        limits = [peaks.limit(share) if peaks else None for peaks in self._peaks(calibration, share)]
        return strictest(limits) if self.enough_seen else None

    def score_limit(self, share: float) -> float | None:
        """The limit of the score, looked up once."""
        try:
            return self._score_limits[share]
        except KeyError:
            found = self._score_limits[share] = self.limit(self._counts.score, share)
            return found

    def sequence_limit(self, share: float) -> float | None:
        """The limit of the sequence alone, looked up once."""
        try:
            return self._sequence_limits[share]
        except KeyError:
            found = self._sequence_limits[share] = self.limit(self._counts.sequence, share)
            return found

    def p_value(self, calibration: Calibration, peak: float, share: float) -> float | None:
        """Chance of an honest session to reach `peak`, from the peaks that back a promise of `share`."""
        backing = self._peaks(calibration, share)
        found = [peaks.p_value(peak) for peaks in backing if peaks is not None]
        return max(found) if self.enough_seen and len(found) == len(backing) else None

    def follow(self, session: Session, event: Operation) -> None:
        """`fold`, once per event however many detectors ask."""
        if session.surprised_at != session.events:
            session.surprised_at = session.events
            self.fold(session, event)

    def fold(self, session: Session, event: Operation) -> None:
        """Bring the session's surprise up to the event. Changed in place; nothing grows without a limit."""
        symbol = intern(f"{event.operation}|{event.target_kind}")  # `symbol_of`, without the call
        symbols, at_ms = session.symbols, event.at_ms
        if event.outcome is ERROR:
            session.origins = session.repeated = 0.0
        else:
            self._score(session, event, symbol)
        if len(symbols) == ORDER:
            del symbols[0]
        symbols.append(symbol)
        session.symbol_ms = at_ms
        if self._names_sources:
            remember(session.results, event)

    def ended(self, session: Session) -> float:
        """The decayed average with the session's end as its last event, in bits."""
        return averaged(session.surprise, self._sequences.bits(session.symbols, END))

    def _score(self, session: Session, event: Operation, symbol: str) -> None:
        sequences = self._sequences
        found = sequences.bits(session.symbols, symbol)
        if session.symbols:
            found += sequences.gap_bits(event.op_class, event.at_ms - session.symbol_ms)
        session.surprise = MEMORY * session.surprise + FRESH * found  # `averaged`, without the call
        session.origins = self._origins.surprise(event, session.results) if event.provenance else 0.0
        repeats = session.repeats
        times = repeats.get(symbol, 0) + 1
        if times > 1 or len(repeats) < SYMBOLS_MAX:
            repeats[symbol] = times
        session.repeated = sequences.repeat_bits(symbol, times)

    def _peaks(self, calibration: Calibration, share: float) -> list[Peaks | None]:
        known = narrowest(calibration.known, (EVERYBODY, *self.keys), share)
        new = narrowest(calibration.new, (EVERYBODY, agent_key(self._agent)), share)
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


def sequence_of(session: Session, event: Operation) -> float:
    """The same without the origins of its arguments."""
    if event.outcome is ERROR:
        return 0.0
    found, repeated = session.surprise, session.repeated
    return found if found > repeated else repeated  # noqa: FURB136 - same


UNSEEN = SEPARATOR
"""Stands for every role that was never seen: no role is called so."""


class SurpriseModel:
    """All expectations, made when first asked for."""

    def __init__(self, counts: SurpriseCounts) -> None:
        self.counts = counts
        self._expectations: dict[tuple[str, str], Expectation] = {}
        self._remembered: Remembered = {}
        self._numbers: dict[tuple[str, ...], int] = {}
        """Cohorts that several expectations share: their number in what is remembered."""

    def expectation(self, agent: str, role: str) -> Expectation:
        """Those of an agent in a role. Whoever was never seen shares those of whoever is nearest to them."""
        known = self._expectations.get((agent, role))
        if known is not None:
            return known
        sessions = self.counts.sessions
        nearest = (
            agent if agent_key(agent) in sessions else "",
            role if not role or role_key(role) in sessions else UNSEEN,
        )
        known = self._expectations.get(nearest)
        if known is None:
            known = self._expectations[nearest] = Expectation(
                self.counts, *nearest, self._remembered, self._numbers
            )
        return known
