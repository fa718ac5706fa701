"""What people allowed, as this gateway was told: under a step-up an approved change goes through, once.

An approval covers a call as it covers an operation for the judge (`detectors/approvals.py`): exactly this
operation on this target, for its session or one that was delegated from it, by somebody else, after a human
pause, not expired. The judge's own test is asked, so that nobody is held for what it counts as approved.
"""

from collections import OrderedDict

from detectors.approvals import covering, use_up
from detectors.facts import take_in
from detectors.policy import ApprovalSettings
from detectors.steps import step_of, strengthened
from models.event import READS, Approval, Delegation, Operation
from models.registry import EMPTY, Registry
from models.session import SESSIONS_MAX, Session, Workflow
from models.words import Grant

WORKFLOWS_MAX = 10_000


class Approved:
    """Approvals by workflow, bounded: the workflow that was silent longest is forgotten, and asks anew."""

    def __init__(
        self,
        settings: ApprovalSettings | None = None,
        registry: Registry = EMPTY,
        workflows_max: int = WORKFLOWS_MAX,
    ) -> None:
        self._settings = settings or ApprovalSettings()
        self._registry = registry
        self._workflows_max = workflows_max
        self._workflows: OrderedDict[str, Workflow] = OrderedDict()

    def hear(self, fact: Approval | Delegation) -> None:
        """Remember an approval, or who works for whom."""
        workflow = self._workflow(fact.workflow)
        if isinstance(fact, Approval):
            take_in(workflow, fact, self._registry)
            return
        workflow.remember_names(fact.agent, fact.session)
        child = Session(fact.session, fact.agent, parent=fact.parent_session)
        workflow.sessions.setdefault(fact.session, child)  # a session is handed work once
        if len(workflow.sessions) > SESSIONS_MAX:
            del workflow.sessions[next(iter(workflow.sessions))]

    def take(self, call: Operation) -> Grant | None:
        """The approval that covers a call, used up by it; None if there is none, or it needs none."""
        workflow = self._workflow(call.workflow)
        workflow.remember_names(call.session, call.agent, call.principal)
        if call.op_class in READS or not workflow.grants:
            return None
        step = step_of(call, Session(call.session), *strengthened(call))
        grant = covering(workflow, step, self._settings)
        if grant is not None:
            use_up(grant, step)
        return grant

    def give_back(self, grant: Grant) -> None:
        """The call was not made after all."""
        grant.used_by = grant.used_source = grant.used_act = ""

    def __len__(self) -> int:
        return len(self._workflows)

    def _workflow(self, name: str) -> Workflow:
        known = self._workflows.get(name)
        if known is None:
            known = self._workflows[name] = Workflow(name)
            if len(self._workflows) > self._workflows_max:
                self._workflows.popitem(last=False)
        self._workflows.move_to_end(name)
        return known
