"""A command: what to stop, how far, until when, and why."""

from enum import StrEnum
from hashlib import blake2b

from msgspec import Struct

from models.event import CredentialKind, Grade


class Action(StrEnum):
    """The response ladder, mildest first, and its way back."""

    OBSERVE = "observe"
    STEP_UP = "step_up"
    READ_ONLY = "read_only"
    REVOKE_TOKEN = "revoke_token"  # noqa: S105 - a name of an action, not a secret
    KILL_SESSION = "kill_session"
    QUARANTINE_WORKFLOW = "quarantine_workflow"
    RELEASE_SESSION = "release_session"


RANK = {action: rank for rank, action in enumerate(Action)}
STOPS = frozenset({Action.REVOKE_TOKEN, Action.KILL_SESSION, Action.QUARANTINE_WORKFLOW})


class Contribution(Struct, frozen=True, kw_only=True):
    """How much one detector's finding weighs in the risk a command was decided on."""

    detector: str
    confidence: float
    faded: float
    """The confidence that is left at the time of the decision."""
    share: float
    """Part of the whole in log-calm space; shares of a decision add up to 1."""
    grade: Grade
    evidence: tuple[str, ...]


class Command(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an enforcement hook is asked to do. The same cause gives the same id, however often it is sent."""

    id: str
    action: Action
    session: str
    workflow: str
    agent: str
    at_ms: int
    """When the deciding event happened, by its producer's clock."""
    seen_ms: int
    """When that event reached the log: at_ms to here is source lag, from here on it is ours."""
    expires_ms: int
    """When the stop ends; a hook that comes later does nothing."""
    event_id: str
    event_source: str
    risk: float
    reason: str
    principal: str = ""
    credential: str = ""
    credential_kind: CredentialKind = CredentialKind.UNKNOWN
    evidence: tuple[str, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    policy_version: str = ""
    model_version: str = ""
    escalates: str = ""
    """The command nobody acknowledged, which this one follows up."""
    degraded_from: Action | None = None
    """What was due, had the stop budget or a protection not spoken against it; `reason` says which."""
    shadow: bool = False
    lifts: tuple[str, ...] = ()
    """Of a release: the commands it lifts. One of them that comes again later stays lifted."""

    @property
    def scope(self) -> str:
        """How far the command asks to reach, in words a hook reports back against."""
        return SCOPES[self.action]


SCOPES = {
    Action.OBSERVE: "nothing",
    Action.STEP_UP: "the session's next identity change",
    Action.READ_ONLY: "the session's writes",
    Action.REVOKE_TOKEN: "the credential named, wherever it is used",
    Action.KILL_SESSION: "every further call of the session",
    Action.QUARANTINE_WORKFLOW: "every session of the workflow",
    Action.RELEASE_SESSION: "the stop of the session",
}


def stable_id(*parts: str) -> str:
    """The same parts, the same id: 128 bits of BLAKE2b over the parts, length-prefixed, in hex."""
    digest = blake2b(digest_size=16)
    for part in parts:
        content = part.encode()
        digest.update(len(content).to_bytes(4, "big"))
        digest.update(content)
    return digest.hexdigest()
