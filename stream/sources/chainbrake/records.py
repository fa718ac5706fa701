"""The records of the control plane, field by field, as far as they are read."""

from msgspec import Raw, Struct


class CloudEvent(Struct, frozen=True, kw_only=True):
    """The envelope, as far as we read it."""

    specversion: str
    type: str
    id: str
    time: str
    subject: str | None = None
    data: Raw = Raw(b"{}")


class Agent(Struct, frozen=True, kw_only=True):
    """Who runs; where nobody says so, the run's spans do."""

    id: str | None = None
    role: str | None = None


class Principal(Struct, frozen=True, kw_only=True):
    """On whose behalf a session runs: a `user`, or a `schedule`."""

    id: str
    type: str = ""


class Runtime(Struct, frozen=True, kw_only=True):
    """Where a session runs."""

    cluster: str | None = None
    namespace: str | None = None
    pod: str | None = None
    pod_uid: str | None = None
    egress: str | None = None


class Started(Struct, frozen=True, kw_only=True):
    """Data of `session.started`."""

    agent: Agent = Agent()
    session: str | None = None
    principal: Principal | None = None
    workflow: str | None = None
    parent_session: str | None = None
    trace_id: str | None = None
    runtime: Runtime = Runtime()


class Ended(Struct, frozen=True, kw_only=True):
    """Data of `session.ended`."""

    session: str | None = None
    reason: str | None = None


class Asked(Struct, frozen=True, kw_only=True):
    """Data of `approval.requested` and `approval.granted`."""

    action: str
    resource: str
    request_id: str | None = None
    session: str | None = None
    digest: str | None = None
    requested_by: str | None = None
    requested_at: str | None = None
    decided_by: str | None = None
    decision: str | None = None
    expires: str | None = None


class Refusal(Struct, frozen=True, kw_only=True):
    """Data of `approval.denied`, and of any answer as far as its decision."""

    action: str = ""
    resource: str = ""
    request_id: str | None = None
    session: str | None = None
    decided_by: str | None = None
    decision: str | None = None


class Bound(Struct, frozen=True, kw_only=True):
    """Data of `credential.bound`."""

    credential_type: str
    credential_id: str
    provider: str | None = None
    session: str | None = None
    expires: str | None = None


class Declared(Struct, frozen=True, kw_only=True):
    """Data of everything that is registered: each kind has some of these."""

    session: str | None = None
    by: str | None = None
    window: tuple[str, str] | None = None
    expires: str | None = None
    plan_hash: str | None = None
    pipeline: str | None = None
    run_id: int | str | None = None
    targets: tuple[str, ...] = ()
    change: str | None = None
    stack: str | None = None
    repo: str | None = None
    signed: bool | None = None
    objects: tuple[str, ...] = ()
    issuers: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    tickets: tuple[str, ...] = ()
    campaign: str | None = None
    incident: str | None = None
    severity: int | str | None = None
    principals: tuple[str, ...] = ()
    case: str | None = None
    subjects: tuple[str, ...] = ()
    responders: tuple[str, ...] = ()
    exercise: str | None = None
    accounts: tuple[str, ...] = ()
    signature: str | None = None
    command_id: str | None = None
    status: str | None = None
    scope_hit: str | None = None
    scope_requested: str | None = None
