"""What is remembered of a workflow and its sessions: O(1), bounded, and stored as one value.

An event changes both, and one value cannot be torn apart by a crash between two writes (decision 3). Structs
are arrays on the wire: a field may be added at the end, with a default, and an older record still loads. None
is part of a cycle (a test holds it), so Python's collector need not know them: `gc=False` makes each smaller.
"""

from functools import lru_cache

from msgspec import Struct, field

from models.command import Action
from models.event import CredentialKind, Grade, OpClass, Outcome
from models.finding import Noticed
from models.words import Grant, Question, Vouched

SESSIONS_MAX = 64
"""Per workflow; the one that has been silent longest gives way."""

ACTS_MAX = 64
"""Per session: a second witness that comes after more acts than this counts as an act of its own."""

RECENT_IDS_MAX = 32
"""Per session: a duplicate that comes later than this many events is judged again."""

NAMES_MAX = 256
"""Per workflow: names of sessions that are remembered no more; the one given up longest ago goes first."""

APPROVALS_MAX = 256
"""Per workflow: a plan with more changes than this asks in parts. Those used up give way first."""

REGISTRATIONS_MAX = 128
"""Per workflow, of those that can vouch for something; the oldest gives way."""

CREDENTIALS_MAX = 8
"""Per session; the one used first gives way."""

MEMORIES_MAX = 8

SKEW_MS_MAX = 2_000
"""Clocks of two sources differ by so much, and one dates an act by its beginning, another by its end."""

WORD_SKEW_MS_MAX = 5_000
"""So much later may somebody's word be dated than the act that it allows."""

ANSWERED_MAX = 32
"""Per session: findings and commands of which is known on whom they rest; the oldest go first."""

STANDING_MAX = 16
"""Per session: ids of commands that a release names as lifted."""


class Step(Struct, frozen=True, array_like=True, gc=False):
    """One operation, as far as detectors remember it."""

    at_ms: int
    event_id: str = ""
    session: str = ""
    op_class: OpClass = OpClass.UNCLASSIFIED
    operation: str = ""
    target: str = ""
    target_kind: str = ""
    system: str = ""
    principal: str = ""
    credential_kind: CredentialKind = CredentialKind.UNKNOWN
    outcome: Outcome = Outcome.OK
    grade: Grade = Grade.OBSERVED
    source: str = ""
    gainers: tuple[str, ...] = ()
    """Who gains, by platform names."""
    granted: tuple[str, ...] = ()
    """What they gain, or who is let in: an approval of the change must name it, or whoever gains."""
    warrant: str = ""
    """What vouched for it when it was judged."""
    act: str = ""
    """Key of the act, as in the event."""
    own: bool = False
    """Whether its session made what it reaches, and took nothing from others (`detectors/making.py`)."""
    thing: str = ""
    """Full id of what was written, where that only says something about the target."""
    admin: bool = False
    """Whether what is gained is administrative: an approval must say so."""


def pause_ms(earlier: Step, later: Step) -> int:
    """From one step to the next; where two sources told of them, their clocks may differ a little."""
    apart_ms = later.at_ms - earlier.at_ms
    if apart_ms < 0 and earlier.source != later.source and -apart_ms <= SKEW_MS_MAX:
        return 0
    return apart_ms


def known_by(said_ms: int, at_ms: int) -> bool:
    """Whether somebody's word was there when an act was: two clocks differ, and one tells whole seconds only.

    Else an agent that acts the moment it is allowed would seem to have acted before. Generous, since a person
    who allows just this act a moment after it has still allowed it.
    """
    return said_ms <= at_ms + WORD_SKEW_MS_MAX


class Register(Struct, frozen=True, array_like=True, gc=False):
    """A chain matched up to some step: the match that started last, for it has the most time left."""

    start_ms: int
    at_ms: int
    steps: tuple[Step, ...]


class ChainProgress(Struct, array_like=True, gc=False):
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


class Hit(Struct, frozen=True, array_like=True, gc=False):
    """One operation, as far as one declared chain remembers it."""

    step: Step
    fills: int
    """Steps of the chain that it may be, one bit each."""
    forbids: int = 0
    """Absences of the chain that it breaks, one bit each."""
    values: tuple[str, ...] = ()
    """What the chain compares: its fields, in the chain's order."""
    act: str = ""
    weight: int = 1
    """How many things the one call touched."""


class Partial(Struct, frozen=True, array_like=True, gc=False):
    """Part of a chain, matched."""

    start_ms: int
    at_ms: int
    hits: tuple[Hit | None, ...]
    """By step; of a counted step the last."""
    key: tuple[str, ...] = ()
    """What later steps are compared with: matches that differ in it do not displace each other."""
    counted: tuple[str, ...] = ()
    """Ids of the newest events of counted steps."""


class Counted(Struct, frozen=True, array_like=True, gc=False):
    """When a counted step last saw one of its things, and the match that it would go on with."""

    at_ms: int
    event_id: str
    before: Partial | None = None


class Registers(Struct, array_like=True, gc=False):
    """How far a chain has got: by which of its steps are done, and by which step is being counted."""

    partials: dict[int, list[Partial]] = field(default_factory=dict)
    counted: dict[int, dict[str, Counted]] = field(default_factory=dict)
    grouped: dict[int, dict[str, dict[str, Counted]]] = field(default_factory=dict)
    """As `counted`, apart for each set of values that `same` or `differs` compares."""


class Track(Struct, array_like=True, gc=False):
    """Where a declared chain stands for one session, agent, principal or workflow; as `ChainProgress`."""

    head: Registers = field(default_factory=Registers)
    base: Registers = field(default_factory=Registers)
    tail: list[Hit] = field(default_factory=list)
    newest_ms: int = 0


class Note(Struct, frozen=True, array_like=True, gc=False):
    """A step of a chain that is followed over workflows, as everybody is told who follows it."""

    workflow: str
    hit: Hit

    @property
    def act(self) -> tuple[str, str, int, str, str]:
        """What it is told of: noted twice, or once more under another workflow, it is one act."""
        step = self.hit.step
        return step.source, step.event_id, step.at_ms, step.operation, step.target


class Noting(Struct, frozen=True, array_like=True, gc=False):
    """A note that the others have to be told of, and that has not been judged with theirs."""

    chain: str
    """Which one, with a digest of what it says: steps of another version are other steps."""
    group: str
    """Whom the chain follows."""
    position: int
    """Of its event in the log."""
    note: Note
    ended: tuple[str, ...] = ()
    """Events that it has completed the chain with by what its own workflow knows."""


class Credit(Struct, frozen=True, array_like=True, gc=False):
    """An act that was asked for, whose answer may be on its way, and what is held against it until then."""

    step: Step
    request: str
    """The question."""
    words: tuple[Noticed, ...]
    plan: str = ""
    """The plan that was asked for, where it is not this one act."""
    acts: tuple[str, ...] = ()
    """Ids of what was done of that plan meanwhile."""


class Alarm(Struct, frozen=True, array_like=True, gc=False):
    """What one detector holds against a session; the newest of its findings."""

    confidence: float
    at_ms: int
    grade: Grade
    evidence: tuple[str, ...]
    credential: str = ""
    """By which the act was done, where its record says so."""


class Session(Struct, array_like=True, gc=False):
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
    recent_ids: dict[str, int | str] = field(default_factory=dict)
    """Source and id of an event: a checksum of what it said, so that another act under it is not hidden."""
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
    run: bool = False
    """Whether a gateway or an agent's telemetry said that it began: a run, rather than an account."""
    acts: list[str] = field(default_factory=list)
    """Keys of its newest acts: who tells of one of them again is a second witness."""
    weakened: list[str] = field(default_factory=list)
    """Guard rails and logins that it weakened."""
    held: dict[str, CredentialKind] = field(default_factory=dict)
    """Credentials that it has used, and their kinds: a stop revokes those that may be."""
    minted: list[str] = field(default_factory=list)
    """Credentials that findings hold against it: they are revoked with their maker."""
    revoked: list[str] = field(default_factory=list)
    """Credentials whose revocation was ordered while the verdict stands."""
    secrets: list[str] = field(default_factory=list)
    """Different secrets that it has read."""
    strayed: list[str] = field(default_factory=list)
    """Targets outside of what it is registered for."""
    secrets_batched: int = 0
    """Secrets read in batches, beside the one that each batch names."""
    own_systems: dict[str, int] = field(default_factory=dict)
    """Systems in which it used an identity of its own, and when last (ms)."""
    networks: dict[str, str] = field(default_factory=dict)
    """Credential: the network it was first used from."""
    stop_done_ms: int = 0
    """When a hook reported its stop done."""
    attested_agent: str = ""
    """Whose session it is by the first attested record of it: a later claim changes nothing."""
    attested_principal: str = ""
    standing: tuple[str, ...] = ()
    """Ids of the newest commands against it: what a release lifts."""
    symbols: tuple[str, ...] = ()
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
    made: list[str] = field(default_factory=list)
    """What it brought into being itself: kind and name."""
    took: dict[str, int] = field(default_factory=dict)
    """Secrets that it has read and did not write itself, and when first (ms)."""
    model: str = ""
    """By which baseline its surprise was measured: bits of two are not to be mixed."""
    peak: float = 0.0
    """The highest score so far, in bits."""
    looked: dict[str, Step] = field(default_factory=dict)
    """Kinds of thing that it has looked up: the newest look-up of each."""
    lasting: Step | None = None
    """The newest lasting credential that it made and nothing vouches for."""
    strange: list[str] = field(default_factory=list)
    """Systems and issuers that were new for its job, and were told of."""
    shape: list[int] = field(default_factory=list)
    """What it did so far, counted: see `models/baselines/shape.py`."""
    answered: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Id of a finding or command against it: the detectors it rests on, for whoever says it was wrong."""
    unmeasured: int = 0
    """Operations that it had done before that baseline began to measure it."""
    unnamed: list[str] = field(default_factory=list)
    """Of `acts`, those of which nobody has said yet what they were, and on what."""
    author: str = ""
    """What kind of person wrote the newest ticket or mail that it opened (`detectors/served.py`)."""

    def answer(self, name: str, detectors: tuple[str, ...]) -> None:
        """Remember on whom a finding or a command rests."""
        self.answered[name] = detectors
        if len(self.answered) > ANSWERED_MAX:
            del self.answered[next(iter(self.answered))]


class Workflow(Struct, array_like=True, gc=False):
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
    registrations: list[Vouched] = field(default_factory=list)
    visited: dict[str, Step] = field(default_factory=dict)
    """What `three_systems` has seen read in this workflow: the newest of each kind."""
    asked: dict[str, int] = field(default_factory=dict)
    """Approval requests and when they were made (ms)."""
    names: tuple[str, ...] = ()
    """Ids, agents and principals of its sessions that are remembered no more, or went by another name."""
    releases: int = 0
    """How many stops were lifted in it: what is ordered after one is not what was ordered before."""
    tracks: dict[str, dict[str, Track]] = field(default_factory=dict)
    """Where declared chains stand: by name, then by whom or what they follow."""
    noted: list[Noting] = field(default_factory=list)
    """What was a step of a chain over workflows, until the others have been told."""
    released_ms: int = 0
    """When a stop was lifted in it last: what was noted before is not held against it any more."""

    questions: dict[str, Question] = field(default_factory=dict)
    """Approval requests that nobody has answered yet, by their reference."""
    credit: Credit | None = None
    """The one act that is given time for its answer to arrive."""

    def remember_names(self, *names: str) -> None:
        """These acted in the workflow, and shall not be taken for outsiders later."""
        known = self.names
        news = [name for name in dict.fromkeys(names) if name and name not in known]
        if news:
            self.names = (*known, *news)[-NAMES_MAX:]

    def owns(self, name: str) -> bool:
        """Whether somebody of that name acts, or has acted, in the workflow."""
        own = called(name)
        return any(called(known) == own for known in self.names) or any(
            own in (called(known.id), called(known.agent), called(known.principal))
            for known in self.sessions.values()
        )


@lru_cache(maxsize=16_384)  # asked of the same names again and again
def called(name: str) -> str:
    """What is left of a name without its path and prefix: a person's session is called like the person."""
    return name.rpartition("/")[2].rpartition(":")[2].casefold()


def remembered(ring: list[str], name: str, at_most: int) -> bool:
    """Keep a name once, and no more than `at_most` names; whether it was new."""
    if name in ring:
        return False
    ring.append(name)
    if len(ring) > at_most:
        del ring[0]
    return True
