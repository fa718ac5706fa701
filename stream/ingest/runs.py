"""What is known of a session as a whole: which agent runs, in which workflow, for whom, on whose order."""

from msgspec import Struct
from msgspec.structs import replace

from models.event import AnyEvent, Delegation, Operation, SessionEnd, SessionStart
from models.registry import Registry
from stream.ingest.memory import Table

RUNS_MAX = 200_000


class Run(Struct, frozen=True, array_like=True, gc=False):
    """A session's facts; empty where nobody has said so yet."""

    workflow: str = ""
    agent: str = ""
    agent_role: str = ""
    parent: str = ""
    on_behalf_of: str = ""
    ended: bool = False


UNKNOWN = Run()


class Runs:
    """Facts by session."""

    def __init__(self, registry: Registry) -> None:
        self.table: Table[Run] = Table(Run, RUNS_MAX)
        self._registry = registry

    def of(self, session: str) -> Run:
        """What is known by now."""
        return self.table.get(session) or UNKNOWN

    def learn(self, event: AnyEvent) -> None:
        """From a record that names its own session."""
        known = self.of(event.session)
        run = self._told(known, event)
        if run != known:
            self.table.put(event.session, run)

    def _told(self, known: Run, event: AnyEvent) -> Run:
        match event:
            case SessionStart():
                return self._started(known, event)
            case Operation():
                workflow = event.workflow if event.workflow != event.session else ""
                if known.agent and known.workflow:
                    return known  # nearly every span
                return Run(
                    known.workflow or workflow,
                    known.agent or event.agent,
                    known.agent_role or event.agent_role or self._role(event.agent),
                    known.parent or event.parent_session,
                    known.on_behalf_of or event.on_behalf_of,
                    known.ended,
                )
            case Delegation():
                return replace(known, parent=known.parent or event.parent_session)
            case SessionEnd():
                return replace(known, ended=True)
        return known

    def _started(self, known: Run, event: SessionStart) -> Run:
        """The control plane's word goes before what a span says of itself."""
        workflow = event.workflow if event.workflow != event.session else ""
        agent = event.agent or known.agent
        return Run(
            workflow or known.workflow,
            agent,
            event.agent_role or self._role(agent),
            event.parent_session or known.parent,
            event.on_behalf_of or known.on_behalf_of,
            known.ended,
        )

    def _role(self, agent: str) -> str:
        entered = self._registry.agent(agent)
        return (entered.role or entered.id) if entered is not None else agent
