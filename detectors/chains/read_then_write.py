"""The chain this project exists for: look, read the rules, read a secret, then change who may what.

Known gap: a chain that skips discovery or policy review, since it knew beforehand. Known gap: steps that were
never classified. Both are pages of their own in `docs/detectors/read_then_write_chain.md`.
"""

from detectors.approvals import covering
from detectors.chains.declared import READ_THEN_WRITE
from detectors.chains.matcher import Matcher
from detectors.detector import Detector
from detectors.policy import ApprovalSettings
from detectors.thresholds import ChainSettings
from models.event import GRANTS, READS, Operation, Outcome, weakest
from models.finding import Noticed
from models.session import ChainProgress, Session, Step, Workflow


class ReadThenWriteChain(Detector):
    """Fires at the change that completes the chain, within one workflow, unless it was approved."""

    name = READ_THEN_WRITE.name
    listens_to = READS | GRANTS
    tags = READ_THEN_WRITE.tags

    def __init__(self, settings: ChainSettings, approvals: ApprovalSettings) -> None:
        self._settings = settings
        self._approvals = approvals
        self._matcher = Matcher(READ_THEN_WRITE, settings.within_ms)

    def inspect(self, session: Session, workflow: Workflow, event: Operation, step: Step) -> Noticed | None:
        """See `Detector.inspect`."""
        if step.own:
            return None
        progress = workflow.chains.get(self.name)
        if progress is None:
            progress = workflow.chains[self.name] = self._matcher.begin()
        best: Noticed | None = None
        for match in self._matcher.follow(progress, step):
            if not match[-1].warrant and covering(workflow, match[-1], self._approvals) is None:
                noticed = self._noticed(match, progress)
                if best is None or noticed.confidence > best.confidence:
                    best = noticed
        return best

    def _noticed(self, match: tuple[Step, ...], progress: ChainProgress) -> Noticed:
        write = match[-1]
        confidence, binding = self._confidence(write, progress)
        sessions = len({step.session for step in match})
        across = "" if sessions == 1 else f" over {sessions} sessions of one workflow"
        seconds = (write.at_ms - match[0].at_ms) / 1000
        steps = ", then ".join(step.operation for step in match)
        return Noticed(
            detector=self.name,
            confidence=confidence,
            reason=f"{steps} on {write.target or 'no named target'} in {seconds:.1f} s{across}, "
            f"not approved; {binding}",
            evidence=tuple(step.event_id for step in match),
            grade=weakest(step.grade for step in match),
            tags=self.tags,
            session=write.session,
            act_ms=write.at_ms,
        )

    def _confidence(self, write: Step, progress: ChainProgress) -> tuple[float, str]:
        if write.outcome is not Outcome.OK:
            return self._settings.confidence_failed, f"the change was answered with {write.outcome}"
        if f"{write.target_kind}\x00{write.target}" in progress.targets:
            return self._settings.confidence_bound, "its target's policies had been read"
        if (
            write.target
            and not progress.targets_forgotten
            and any(key.split("\x00", 1)[0] == write.target_kind != "" for key in progress.targets)
        ):
            return (
                self._settings.confidence_unrelated,
                f"policies had been read of other targets of kind {write.target_kind}",
            )
        return self._settings.confidence, "no policies of targets of its kind had been read"
