"""A session that ends where honest sessions of its job go on.

The end is one more symbol of the sequence, and is judged once nothing can come any more: when the session
fell idle. Known gap: it comes an hour late, and what it tells of is over.
"""

from detectors.detector import Detector
from detectors.learned_thresholds import EndingSettings
from models.baselines.baseline import Baseline
from models.command import STOPS
from models.event import AnyEvent, OpClass, Operation, SessionEnd
from models.finding import Noticed
from models.session import Session, Step, Workflow


class UnusualEnding(Detector):
    """Fires when the surprise with the end exceeds what all but the budget's share of honest ones reach."""

    name = "unusual_ending"
    by_habit = True
    counts = True  # as those that measure the sequence
    listens_to = frozenset(OpClass)
    attends = frozenset({SessionEnd})
    tags = ("ASI01", "ASI10")

    def __init__(
        self,
        settings: EndingSettings,
        share: float,
        idle_ms: int,
        baseline: Baseline | None,
        *,
        alone: bool = False,
    ) -> None:
        """`idle_ms`: silent for so long, a session is over. `alone`: nobody else measures its sequence."""
        self._alone = alone
        self._settings = settings
        self._share = share
        self._idle_ms = idle_ms
        self._baseline = baseline

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return self._alone and self._baseline is not None

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if self._baseline is not None:
            self._baseline.expected.by(session, event).surprise.follow(session, event)
        return None

    def attend(self, session: Session, workflow: Workflow, event: AnyEvent) -> Noticed | None:
        """See `Detector.attend`."""
        baseline = self._baseline
        if baseline is None or not self._is_over(session, event):
            return None
        if session.model != baseline.version or session.unmeasured:
            return None  # told before, or another baseline, or none, saw a part of it
        expectation = baseline.surprise.expectation(session.agent, session.agent_role)
        limit, bits = expectation.end_limit(self._share), expectation.ended(session)
        if limit is None or bits <= limit:
            return None
        operation = next(iter(session.symbols[-1:]), "").rpartition("|")[0]
        often = f"{session.events} operations" if session.events > 1 else "one operation"
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"it ended after {often}, {operation} the last, which brings the surprise to {bits:.1f} "
            f"bits; the limit of this job's endings is {limit:.1f}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )

    def _is_over(self, session: Session, event: AnyEvent) -> bool:
        """Whether nothing comes any more, and not since it was stopped."""
        return event.at_ms >= session.last_ms + self._idle_ms and session.verdict not in STOPS
