"""An act that is rather what labelled hijacked sessions do than what honest sessions of the agent do.

It goes by who spoke of the operation, and by the field that its arguments took their values out of: of both
sides, honest and hijacked, it is known how often they do that. Silent unless the baseline was trained with
labels. Known gap: what no labelled hijack did.
"""

from detectors.certainty import certainty
from detectors.detector import Detector
from detectors.learned_thresholds import ResemblanceSettings
from models.baselines.baseline import Baseline
from models.baselines.resemblance import Likeness
from models.baselines.surprise import remember
from models.event import OpClass, Operation
from models.finding import EVIDENCE_MAX, Noticed
from models.session import Session, Step, Workflow


class ResemblesHijack(Detector):
    """Fires when an act resembles hijacks more than all but the budget's share of honest sessions ever do."""

    name = "resembles_hijack"
    by_habit = True
    budgeted = True
    counts = True  # as `unusual_provenance`, with which it shares what it goes by
    listens_to = frozenset(OpClass)
    tags = ("AML.T0051.001", "ASI01", "ASI02")

    def __init__(
        self, settings: ResemblanceSettings, share: float, baseline: Baseline | None, *, alone: bool = False
    ) -> None:
        """`alone`: nobody else remembers of which operation the session's earlier events were."""
        self._settings = settings
        self._share = share
        self._alone = alone
        self._model = baseline.resemblance if baseline is not None else None
        self._expected = baseline.expected if baseline is not None else None

    def concerns(self, event: Operation) -> bool:
        """See `Detector.concerns`."""
        return self._model is not None and (self._alone or bool(event.provenance))

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        model, expected = self._model, self._expected
        if model is None or expected is None:
            return None
        if self._alone:
            remember(session.results, event)
        expectation = expected.by(session, event).surprise
        limit = expectation.limits(self._share).resemblance
        if limit is None:  # a job that is known, or not enough seen
            return None
        found = model.likeness(event, session.results)
        if found.score <= limit:
            return None
        span = (self._settings.confidence, self._settings.confidence_sure)
        sure, often = certainty(expectation, "resemblance", found.score, self._share, span)
        sources = dict.fromkeys(told.source_event for told in event.provenance)
        calls = [call for call in sources if call in session.results and call != event.id]
        return Noticed(
            detector=self.name,
            confidence=sure,
            reason=f"{event.operation} looks like labelled hijacks, {_why(found)}: {found.score:.1f} bits; "
            f"the limit of this job is {limit:.1f}{often}",
            evidence=(event.id, *calls)[:EVIDENCE_MAX],
            grade=event.grade,
            tags=self.tags,
        )


def _why(found: Likeness) -> str:
    """The ratio that says more, in words."""
    if found.leaf is None or found.speaker > found.origin:
        return f"by who spoke of it ({found.speaker:.1f} bits)"
    argument, source, field, _ = found.leaf
    return (
        f"by {argument[:100]} out of {(field or 'a result')[:100]} of {(source or 'an unknown call')[:100]} "
        f"({found.origin:.1f} bits)"
    )
