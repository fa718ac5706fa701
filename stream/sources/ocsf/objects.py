"""Objects of OCSF, as far as they are read, and what its numbers for classes and activities are called."""

from msgspec import Struct, field

CLASSES = {
    3001: "Account Change",
    3002: "Authentication",
    3003: "Authorize Session",
    3004: "Entity Management",
    3005: "User Access Management",
    3006: "Group Management",
    3007: "User Management",
    3008: "Role Management",
    6003: "API Activity",
    6005: "Datastore Activity",
}
CAPTIONS = {
    3001: "Create,Enable,Password Change,Password Reset,Disable,Delete,Attach Policy,Detach Policy,Lock,"
    "MFA Factor Enable,MFA Factor Disable,Unlock",
    3002: "Logon,Logoff,Authentication Ticket,Service Ticket Request,Service Ticket Renew,Preauth,"
    "Account Switch",
    3003: "Assign Privileges,Assign Groups,Assign Roles",
    3004: "Create,Read,Update,Delete,Move,Enroll,Unenroll,Enable,Disable,Activate,Deactivate,Suspend,Resume",
    3005: "Assign Privileges,Revoke Privileges,Assign Role,Remove Role",
    3006: "Assign Privileges,Revoke Privileges,Add User,Remove User,Delete,Create,Add Subgroup,"
    "Remove Subgroup,Update,Attach Policies,Detach Policies,Assign Roles,Remove Roles",
    3007: "Create,Update,Delete,Enable,Disable,Lock,Unlock,Password Change,Password Reset,Attach Policies,"
    "Detach Policies,MFA Factor Enable,MFA Factor Disable,Assign Privileges,Remove Privileges,Assign Roles,"
    "Remove Roles,Add Programmatic Credentials,Remove Programmatic Credentials",
    3008: "Create,Update,Delete,Assign Privileges,Remove Privileges,Assign Resources,Remove Resources,"
    "Attach Policies,Detach Policies,Add Programmatic Credentials,Remove Programmatic Credentials",
    6003: "Create,Read,Update,Delete",
    6005: "Read,Update,Connect,Query,Write,Create,Delete,List,Encrypt,Decrypt",
}
ACTIVITIES = {
    (class_uid, number): caption
    for class_uid, captions in CAPTIONS.items()
    for number, caption in enumerate(captions.split(","), start=1)
}
"""Captions by class and `activity_id`, which counts from 1; 0 is unknown and 99 another."""


class Named(Struct):
    """A user, group, role, policy, entity, store or resource: something with a name and an id."""

    uid: str | None = None
    name: str | None = None
    type: str | None = None
    email_addr: str | None = None
    credential_uid: str | None = None


class SessionObject(Struct):
    """A session of the actor."""

    uid: str | None = None
    credential_uid: str | None = None


class Actor(Struct):
    """Who acted."""

    user: Named | None = None
    session: SessionObject | None = None
    invoked_by: str | None = None
    app_name: str | None = None
    app_uid: str | None = None


class AiAgent(Struct):
    """An AI agent (1.9): the agent, and the run of it."""

    uid: str | None = None
    instance_uid: str | None = None
    name: str | None = None


class MessageContext(Struct):
    """The conversation (1.8)."""

    uid: str | None = None


class Request(Struct):
    """A request of an API."""

    uid: str | None = None


class Response(Struct):
    """Its answer."""

    error: str | None = None
    message: str | None = None


class Api(Struct):
    """A call."""

    operation: str | None = None
    service: Named | None = None
    request: Request | None = None
    response: Response | None = None


class Cloud(Struct):
    """Where in which cloud."""

    provider: str | None = None
    account: Named | None = None
    project_uid: str | None = None


class Product(Struct):
    """Which product says so."""

    name: str | None = None
    vendor_name: str | None = None


class Metadata(Struct):
    """About the event itself."""

    uid: str | None = None
    correlation_uid: str | None = None
    product: Product | None = None


class Endpoint(Struct):
    """Where it came from."""

    ip: str | None = None


class HttpRequest(Struct):
    """The request underneath."""

    user_agent: str | None = None


class Event(Struct):
    """An event of one of the classes."""

    class_uid: int = 0
    activity_id: int | None = None
    activity_name: str | None = None
    time: int | str | None = None
    time_dt: str | None = None
    status_id: int | None = None
    status: str | None = None
    status_code: str | int | None = None
    status_detail: str | None = None
    metadata: Metadata = field(default_factory=Metadata)
    actor: Actor | None = None
    ai_agent: AiAgent | None = None
    message_context: MessageContext | None = None
    api: Api | None = None
    cloud: Cloud | None = None
    src_endpoint: Endpoint | None = None
    http_request: HttpRequest | None = None
    user: Named | None = None
    group: Named | None = None
    groups: list[Named] | None = None
    iam_role: Named | None = None
    iam_roles: list[Named] | None = None
    policy: Named | None = None
    policies: list[Named] | None = None
    privileges: list[str] | None = None
    programmatic_credentials: list[Named] | None = None
    entity: Named | None = None
    resource: Named | None = None
    resources: list[Named] | None = None
    service: Named | None = None
    database: Named | None = None
    databucket: Named | None = None
    table: Named | None = None


def first(*values: str | None) -> str:
    """The first that is not empty."""
    return next((value for value in values if value), "")
