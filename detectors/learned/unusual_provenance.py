"""A call whose arguments came from where honest sessions of this job do not take them.

A recipient out of an e-mail's body, where it used to be the user who named it. Known gap: a value that was
rewritten on its way, so that nobody can say where it came from.
"""

from detectors.certainty import certainty
from detectors.detector import Detector
from detectors.learned_thresholds import ProvenanceSettings
from models.baselines.baseline import Baseline
from models.baselines.surprise import score_of
from models.event import OpClass, Operation, Origin
from models.finding import EVIDENCE_MAX, Noticed
from models.session import Session, Step, Workflow


class UnusualProvenance(Detector):
    """Fires when origins and sequence together exceed what the budget's share of honest sessions reach."""

    name = "unusual_provenance"
    by_habit = True
    budgeted = True
    counts = True  # what a second witness tells is not learned from either: folded in twice it would be odd
    listens_to = frozenset(OpClass)
    tags = ("AML.T0051.001", "ASI01", "ASI02")

    def __init__(
        self, settings: ProvenanceSettings, share: float, baseline: Baseline | None, *, alone: bool = True
    ) -> None:
        """`alone`: nobody else keeps the session's surprise up to date with what has no provenance."""
        self._settings = settings
        self._share = share
        self._alone = alone
        self._expected = baseline.expected if baseline is not None else None

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return self._expected is not None and (self._alone or bool(event.provenance))

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if self._expected is None or not (event.provenance or self._alone):
            return None
        expectation = self._expected.by(session, event).surprise
        expectation.follow(session, event)
        if session.origins <= 0.0:
            return None
        found = score_of(session, event)
        limit = expectation.score_limit(self._share)
        if limit is None or found <= limit:
            return None
        span = (self._settings.confidence, self._settings.confidence_sure)
        sure, often = certainty(expectation, "score", found, self._share, span)
        told = [origin for origin in event.provenance if origin.origin is Origin.TOOL]
        names = ", ".join(dict.fromkeys(origin.argument for origin in told))
        sources = dict.fromkeys(origin.source_event for origin in told)
        calls = [call for call in sources if call in session.results]
        return Noticed(
            detector=self.name,
            confidence=sure,
            reason=f"{event.operation} takes {names[:200]} from results: {session.origins:.1f} bits, "
            f"{found:.1f} with its sequence; the limit of this job is {limit:.1f}{often}",
            evidence=(event.id, *calls)[:EVIDENCE_MAX],
            grade=event.grade,
            tags=self.tags,
        )
