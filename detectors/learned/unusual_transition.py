"""A run of operations that honest sessions of this role do not make in this order and rhythm.

The surprise of each step is averaged over the last few; the limit is set on whole honest sessions, held out
from the counting. Known gap: a hijacked agent that only makes its usual calls.
"""

from math import inf

from detectors.detector import Detector
from detectors.thresholds import TransitionSettings
from models.baselines.baseline import Baseline
from models.baselines.transitions import START, averaged, symbol_of
from models.event import OpClass, Operation
from models.finding import Noticed
from models.session import Session, Step, Workflow


class UnusualTransition(Detector):
    """Fires when the session's decayed surprise exceeds what `p_max` of honest sessions reach."""

    name = "unusual_transition"
    counts = True
    listens_to = frozenset(OpClass)
    tags = ("ASI01", "ASI10")

    def __init__(self, settings: TransitionSettings, baseline: Baseline | None) -> None:
        self._settings = settings
        models = baseline.transition_models() if baseline is not None else {}
        limits = baseline.surprise_limits(settings.p_max) if baseline is not None else {}
        self._roles = {role: (model, limits.get(role, inf)) for role, model in models.items()}

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        known = self._roles.get(session.agent_role)
        if known is None:
            return None
        model, limit = known
        symbol = symbol_of(event.operation, event.target_kind)
        before = session.symbol
        if before:
            bits = model.surprise(before, symbol, event.op_class, event.at_ms - session.symbol_ms)
        else:
            bits = model.bits(START, symbol)
        session.symbol = symbol
        session.symbol_ms = event.at_ms
        session.surprise = average = averaged(session.surprise, bits)
        if average <= limit:
            return None
        return Noticed(
            detector=self.name,
            confidence=self._settings.confidence,
            reason=f"{event.operation} brings the surprise of the last operations to {average:.1f} bits; "
            f"all but {self._settings.p_max:.1%} of honest sessions of this role stay below {limit:.1f}",
            evidence=(event.id,),
            grade=event.grade,
            tags=self.tags,
        )
