"""What is remembered of a workflow and its sessions: O(1), bounded, and stored as one value.

A workflow and its sessions live and are stored together. An event changes both, and one value cannot be torn
apart by a crash between two writes (`docs/decisions/0003-state.md`). Structs are arrays on the wire:
a field may be added at the end, with a default, and an older record still loads.
"""

from msgspec import Struct, field

from models.command import Action
from models.event import CredentialKind, Grade, OpClass, Operation, Outcome

SESSIONS_MAX = 64
"""Per workflow; the one that has been silent longest gives way."""

RECENT_IDS_MAX = 32
"""Per session: a duplicate that comes later than this many events is judged again."""

APPROVALS_MAX = 256
"""Per workflow: a plan with more changes than this asks in parts. Those used up give way first."""

MEMORIES_MAX = 8


class Step(Struct, frozen=True, array_like=True, gc=False):
    """One operation, as far as detectors remember it."""

    at_ms: int
    event_id: str
    session: str
    op_class: OpClass
    operation: str
    target: str
    target_kind: str
    system: str
    principal: str
    credential_kind: CredentialKind
    outcome: Outcome
    grade: Grade
    source: str = ""


def step_of(event: Operation) -> Step:
    """What to remember of an operation."""
    return Step(
        event.at_ms,
        event.id,
        event.session,
        event.op_class,
        event.operation,
        event.target,
        event.target_kind,
        event.system,
        event.principal,
        event.credential_kind,
        event.outcome,
        event.grade,
        event.source,
    )


class Register(Struct, frozen=True, array_like=True):
    """A chain matched up to some step: the match that started last, for it has the most time left."""

    start_ms: int
    at_ms: int
    steps: tuple[Step, ...]


class ChainProgress(Struct, array_like=True):
    """Where one chain stands in one workflow.

    `head[k]` is the best match up to step k. `tail` holds the newest steps in event-time order and `base`
    the registers from before them, so that a late step is judged as if it had come in order.
    """

    head: list[Register | None]
    base: list[Register | None]
    tail: list[Step] = field(default_factory=list)
    targets: dict[str, int] = field(default_factory=dict)
    """Targets of the step that the chain binds to, and when they were last seen (ms)."""
    targets_forgotten: bool = False
    """Whether there were more of them than are kept: then it cannot be said which one was never read."""


class Alarm(Struct, frozen=True, array_like=True):
    """What one detector holds against a session; the newest of its findings."""

    confidence: float
    at_ms: int
    grade: Grade
    evidence: tuple[str, ...]


class Grant(Struct, array_like=True):
    """An approval that was given, and the event that used it up."""

    reference: str
    session: str
    operation: str
    target: str
    decided_by: str
    requested_by: str
    requested_ms: int | None
    at_ms: int
    expires_ms: int | None
    used_by: str = ""
    used_source: str = ""
    """Who told of it: another source may tell of the same act again."""


class Session(Struct, array_like=True):
    """One run of one agent instance."""

    id: str
    agent: str = ""
    agent_role: str = ""
    principal: str = ""
    credential: str = ""
    credential_kind: CredentialKind = CredentialKind.UNKNOWN
    parent: str = ""
    started_ms: int = 0
    last_ms: int = 0
    events: int = 0
    unseen: int = 0
    """Events that the baseline had no opinion on: not enough seen."""
    verdict: Action = Action.OBSERVE
    verdict_until_ms: int = 0
    recent_ids: dict[str, str] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)
    """Op class: the newest event's time (ms), then one decayed count a horizon."""
    symbol: str = ""
    """Of an older format, and kept for its place."""
    symbol_ms: int = 0
    surprise: float = 0.0
    """Decayed average of the surprise of operations and pauses, in bits."""
    last_read: Step | None = None
    last_write: Step | None = None
    alarms: dict[str, Alarm] = field(default_factory=dict)
    symbols: list[str] = field(default_factory=list)
    """The newest operations, oldest first: what the next one is expected from."""
    repeats: dict[str, int] = field(default_factory=dict)
    """Operation: how often it came."""
    results: dict[str, str] = field(default_factory=dict)
    """Id of an event: its operation. What later arguments name as their source."""
    origins: float = 0.0
    """Surprise of the newest event's arguments, in bits."""
    repeated: float = 0.0
    """Surprise of the newest event's repeats, in bits."""
    surprised_at: int = 0
    """Events of the session when the surprise was last brought up to date."""


class Workflow(Struct, array_like=True):
    """A delegation tree: sessions that work on one thing, and what only shows across them."""

    id: str
    position: int = -1
    """Kafka offset of the last event folded in: whatever comes again is known by it."""
    last_ms: int = 0
    sessions: dict[str, Session] = field(default_factory=dict)
    chains: dict[str, ChainProgress] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)
    denied: list[Step] = field(default_factory=list)
    done: list[Step] = field(default_factory=list)
    sessions_forgotten: int = 0
