"""One thing an agent did, or one fact that changes how that is judged. Documented in `docs/event.md`.

Everything that changes a judgement is an event on one ordered log, so a replay of the log gives the same
commands. Field limits are part of the type: msgspec checks them as it decodes, bad input stops at the
door, and the core trusts its types.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from models.attested import Effect, Registered

Name = Annotated[str, Meta(min_length=1, max_length=256)]
Label = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=1024)]
Millis = Annotated[int, Meta(ge=0, le=9_999_999_999_999)]

EVENT_BYTES_MAX = 262_144
"""A larger value is a dead letter: no honest event comes near it."""

ARGUMENTS_MAX = 64
EFFECTS_MAX = 8
FACTS_MAX = 24
TARGETS_MAX = 512
MOVED_MAX = 256
DETECTORS_MAX = 16


class OpClass(StrEnum):
    """What an operation means for identity; the letters are those of the chains in `docs/event.md`."""

    DISCOVERY = "discovery"  # D: identities, roles, secrets listed by name
    POLICY_READ = "policy_read"  # P: what may whom
    SECRET_READ = "secret_read"  # noqa: S105 - a class, no secret; S: secret or credential material read
    ROLE_MAPPING = "role_mapping"  # R: role mapped to a principal
    PRIVILEGE_CHANGE = "privilege_change"  # V: privilege changed
    TRUST_CHANGE = "trust_change"  # T: who may log in or assume
    CREDENTIAL_MINT = "credential_mint"  # C: credential, token or certificate minted
    GUARDRAIL_CHANGE = "guardrail_change"  # L: logging or guard rail tampered with
    EXCHANGE = "exchange"  # X: untrusted content in, data out
    OTHER = "other"  # known, and nothing about identity
    UNCLASSIFIED = "unclassified"

    @classmethod
    def _missing_(cls, _value: object) -> "OpClass":
        """A class of a newer producer: kept and counted as unclassified, rather than lost."""
        return cls.UNCLASSIFIED


class SystemKind(StrEnum):
    """What kind of system was touched."""

    DIRECTORY = "directory"
    TICKETING = "ticketing"
    SECRET_STORE = "secret_store"  # noqa: S105 - a kind, no secret
    IAM = "iam"
    VAULT = "vault"
    CI = "ci"
    CLUSTER = "cluster"
    CODE = "code"
    AGENT_GATEWAY = "agent_gateway"
    OTHER = "other"

    @classmethod
    def _missing_(cls, _value: object) -> "SystemKind":
        return cls.OTHER


class Outcome(StrEnum):
    """How it ended, as the system said."""

    OK = "ok"
    DENIED = "denied"
    ERROR = "error"


# Bound once, for what runs at every event: on Python 3.11 an enum's attribute costs 50 ns at every look.
OK: Final = Outcome.OK
DENIED: Final = Outcome.DENIED
ERROR: Final = Outcome.ERROR
DISCOVERY: Final = OpClass.DISCOVERY
SECRET_READ: Final = OpClass.SECRET_READ
EXCHANGE: Final = OpClass.EXCHANGE


class CredentialKind(StrEnum):
    """How long-lived and how widely held the credential is."""

    EPHEMERAL = "ephemeral"
    STATIC = "static"
    SHARED = "shared"
    UNKNOWN = "unknown"


OWN_KINDS: Final = frozenset({CredentialKind.EPHEMERAL, CredentialKind.STATIC})
"""Kinds of one holder's own, and so revocable: a shared credential is never revoked
for one session's sake, nor one of which that is not known."""


class Grade(StrEnum):
    """How good the evidence is: a platform's own record, an agent's telemetry, or a guess of ours."""

    ATTESTED = "attested"
    OBSERVED = "observed"
    INFERRED = "inferred"


GRADES = tuple(Grade)


def weakest(grades: Iterable[Grade]) -> Grade:
    """A conclusion is as good as the worst of its evidence."""
    return max(grades, key=GRADES.index)


class Origin(StrEnum):
    """Where an argument's value was first seen."""

    USER = "user"
    SYSTEM = "system"
    TOOL = "tool"
    SELF = "self"
    CONST = "const"
    UNSEEN = "unseen"


class Provenance(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Where the value of one argument came from; never the value."""

    argument: Name
    """Name of the argument; `()` stands for the operation's own name: who spoke of it."""
    origin: Origin
    """Where its value was first seen: what the user, the system prompt or a tool said, what the agent wrote
    itself, a constant, or nowhere."""
    source_event: Label = ""
    """Id of the event whose result first held it."""
    source_field: Label = ""
    """Where in that result."""
    shape: Label = ""
    """`=` the value is the whole field; `text` much of a free text's words; `token` a name, address or id in
    a free text; anything else: a part of the field."""


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What all kinds share. A fact: never edited, and dated by its producer, not by us."""

    id: Name
    """The producer's own id; with `source` and what it says, how a duplicate is known."""
    source: Name
    """Which producer says so, such as `aws.cloudtrail`."""
    at_ms: Millis
    """When it happened, by the producer's clock: milliseconds since 1970 (UTC)."""
    workflow: Name
    """The delegation tree that the session works in; the key of the record. Alone: the session itself."""
    session: Name
    """One run of one agent instance."""
    seen_ms: Millis | None = None
    """When it reached us, on its way to the log; else the record's time counts, and in a replay `at_ms`."""
    agent: Label = ""
    """Which agent, whatever the run."""
    principal: Label = ""
    """The account that the platform saw."""
    grade: Grade = Grade.OBSERVED
    """How good the evidence is: the platform's own record, an agent's telemetry, or a guess."""


class Operation(Event, frozen=True, kw_only=True, omit_defaults=True, tag="operation"):
    """One call on a system that knows identities."""

    agent: Name
    """Which agent, whatever the run."""
    operation: Name
    """The provider's own name of the call."""
    op_class: OpClass = OpClass.UNCLASSIFIED
    """What it means for identity; see the classes above."""
    outcome: Outcome = Outcome.OK
    """How it ended, as the system said."""
    system: Label = ""
    """Which system was called."""
    system_kind: SystemKind = SystemKind.OTHER
    """What kind of system that is."""
    target: Label = ""
    """What was read or changed; for a change, whatever gains by it."""
    target_kind: Label = ""
    """What kind of thing the target is, such as `role`."""
    agent_role: Label = ""
    """The job that the agent does; a baseline is learned per role."""
    parent_session: Label = ""
    """Who handed the work over, where no delegation event says so."""
    on_behalf_of: Label = ""
    """The person for whom it is done."""
    credential: Label = ""
    """Fingerprint of the credential used; never the credential."""
    credential_kind: CredentialKind = CredentialKind.UNKNOWN
    """How long-lived and how widely held it is. Only `ephemeral` and `static` ones are ever revoked."""
    workload_proven: bool = False
    """Whether a workload identity (SPIFFE, OIDC) was proven."""
    approval: Label = ""
    """The approval that the agent claims: recorded, and proof of nothing."""
    provenance: Annotated[tuple[Provenance, ...], Meta(max_length=ARGUMENTS_MAX)] = ()
    """Where the values of its arguments came from."""
    act: Label = ""
    """Key of the act, such as the platform's request id: all witnesses of one act share it."""
    effects: Annotated[tuple[Effect, ...], Meta(max_length=EFFECTS_MAX)] = ()
    """What it leaves behind, beside its class."""
    facts: Annotated[dict[Name, Text], Meta(max_length=FACTS_MAX)] = {}
    """What else the record attests, by the keys above; a key unknown here is kept and not judged."""


class Delegation(Event, frozen=True, kw_only=True, omit_defaults=True, tag="delegation"):
    """`parent_session` handed work to `session`: what the parent did stays part of the child's story."""

    parent_session: Name
    """Who handed the work to `session`."""


class SessionStart(Event, frozen=True, kw_only=True, omit_defaults=True, tag="session_start"):
    """A run begins: who runs, for whom, where, and on whose order."""

    agent_role: Label = ""
    """The job that the agent does."""
    parent_session: Label = ""
    """Who handed the work over."""
    on_behalf_of: Label = ""
    """The person for whom it is done."""
    facts: Annotated[dict[Name, Text], Meta(max_length=FACTS_MAX)] = {}
    """Where it runs: `pod`, `scope`, `address` and so on."""


class ApprovalRequest(Event, frozen=True, kw_only=True, omit_defaults=True, tag="approval_request"):
    """Somebody was asked to allow one operation on one target."""

    request: Name
    """Reference by which the answer names it."""
    operation: Name
    """The one operation."""
    target: Name
    """The one target."""
    requested_by: Label = ""
    """Who asked."""
    digest: Label = ""
    """Digest of what is asked, as the approval service made it."""


class Registration(Event, frozen=True, kw_only=True, omit_defaults=True, tag="registration"):
    """A fact of the control plane about the session it names: what was planned, declared or handed out."""

    what: Registered
    """What is registered."""
    reference: Name
    """Its name: a plan's hash, the id of a change, case, incident, exercise, credential or command."""
    decided_by: Label = ""
    """Who registered or declared it."""
    targets: Annotated[tuple[Label, ...], Meta(max_length=TARGETS_MAX)] = ()
    """What it covers, by platform names."""
    starts_ms: Millis | None = None
    """From when it holds; else from `at_ms`."""
    expires_ms: Millis | None = None
    """Until when it holds; else until the session ends."""
    facts: Annotated[dict[Name, Text], Meta(max_length=FACTS_MAX)] = {}
    """What else it attests."""


class Join(Event, frozen=True, kw_only=True, omit_defaults=True, tag="join"):
    """What ran under `session`, for want of a better name, is `into_session`'s; it is sent again there."""

    into_session: Name
    """The session that it belongs to."""
    into_workflow: Name
    """The workflow of that session."""
    moved: Annotated[tuple[Name, ...], Meta(max_length=MOVED_MAX)] = ()
    """Ids of the events that are sent again there; empty for all."""


class Approval(Event, frozen=True, kw_only=True, omit_defaults=True, tag="approval"):
    """Somebody allowed exactly one operation on exactly one target, for one session."""

    operation: Name
    """The one operation that is allowed."""
    target: Name
    """The one target."""
    decided_by: Name
    """Who allowed it."""
    requested_by: Label = ""
    """Who asked."""
    requested_ms: Millis | None = None
    """When it was asked for; faster answers than `approvals.pause_ms_min` do not count."""
    expires_ms: Millis | None = None
    """Until when it holds; else `approvals.lifetime_ms` from `at_ms` on."""
    request: Label = ""
    """Reference of the request that it answers."""
    digest: Label = ""
    """Digest of what was asked, as the approval service made it."""
    digest_fits: bool = True
    """False where it is the digest of something else than is allowed here: then nothing is allowed."""


class Release(Event, frozen=True, kw_only=True, omit_defaults=True, tag="release"):
    """A human lifts the stop of a session."""

    decided_by: Name
    """Who lifts the stop."""
    reason: Text = ""
    """Why; goes to the hooks and into the record."""


class Disposition(Event, frozen=True, kw_only=True, omit_defaults=True, tag="disposition"):
    """An analyst's word on a stop or a finding: whether it was right. It lifts nothing, and stops nothing."""

    about: Name
    """Id of the command or finding that was looked into."""
    true_positive: bool
    """True if it was right; false for a false alarm, a wrong stop."""
    decided_by: Name
    """Who says so."""
    reason: Text = ""
    """Why; goes into the record."""
    detectors: Annotated[tuple[Name, ...], Meta(max_length=DETECTORS_MAX)] = ()
    """Whose findings it is about; needed only where the worker remembers that no more."""


class SessionEnd(Event, frozen=True, kw_only=True, omit_defaults=True, tag="session_end"):
    """The run is over, by its own word or because it fell idle. It forgives nothing: see `docs/event.md`."""

    reason: Literal["ended", "idle"] = "ended"
    """By its own word, or because it fell silent."""


AnyEvent = (
    Operation
    | Delegation
    | SessionStart
    | ApprovalRequest
    | Approval
    | Registration
    | Join
    | Release
    | Disposition
    | SessionEnd
)

READS = frozenset({OpClass.DISCOVERY, OpClass.POLICY_READ, OpClass.SECRET_READ})
GRANTS = frozenset({OpClass.ROLE_MAPPING, OpClass.PRIVILEGE_CHANGE, OpClass.TRUST_CHANGE})
"""Operations that make somebody able to do more than before."""

CHANGES = GRANTS | {OpClass.CREDENTIAL_MINT}
"""Identity changes: grants, and what can be used to log in."""

GAINS = CHANGES | {OpClass.SECRET_READ, OpClass.GUARDRAIL_CHANGE}
"""Whatever leaves its caller with more than before: what is worth a detour, and worth counting."""
