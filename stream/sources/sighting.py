"""What a normaliser makes of one record: the event, and the handles by which its session is found.

A normaliser is a pure function, `bytes -> tuple[Sighting, ...]`, one file per source in this folder. It knows
the source's format and nothing of other records. The resolver (`stream/ingest/resolver.py`) knows who holds
which handle. A normaliser raises `UnreadableEventError` for what is no record of its source.
"""

from collections.abc import Callable

from msgspec import Struct

from models.event import AnyEvent


class Handle(Struct, frozen=True, array_like=True, gc=False):
    """Something by which an act is traced to a session: a credential, a request id, a span, a workload."""

    kind: str
    """See `HANDLES`."""
    value: str


HANDLES = {
    "conversation": "gen_ai.conversation.id, or the same id in a session name, header or subject",
    "span": "trace id and span id, `<trace>:<span>`",
    "trace": "trace id of the spans of a run, and of the other runs of its workflow",
    "pod": "name of the pod a session runs in",
    "pod_uid": "uid of that pod",
    "aws.access_key": "AWS access key id (AKIA… or ASIA…)",
    "aws.role_session": "session name in a role, and address, `<name> <address>`: of exercises only",
    "aws.request": "requestID of a CloudTrail record; aws.request_id of a span",
    "okta.api_token": "id of an Okta API token, or of an access token",
    "okta.request": "debugContext.debugData.requestId; the response header of a span",
    "entra.request": "correlationId or clientRequestId; the request header of a span",
    "entra.uti": "uniqueTokenIdentifier, signInActivityId or the claim uti",
    "gcp.key": "id of a service account key",
    "k8s.audit": "auditID; the response header of a span",
    "k8s.jti": "credential-id of a bound service account token (the part behind JTI=)",
    "vault.accessor": "accessor of a token, as the audit log writes it (HMAC)",
    "vault.secret_id": "accessor of an AppRole secret id, as the audit log writes it",
    "vault.request": "request.id of a Vault audit entry",
    "keycloak.call": "method and resource path, `POST users/<id>`; compared within one second",
    "github.hashed_token": "hashed_token of the GitHub audit log",
    "github.request": "request_id of the GitHub audit log; the response header of a span",
    "github.run": "workflow run id",
    "exercise": "session that an announced exercise was registered for; that and one of its accounts",
}
"""Every kind of handle, and what its value is. A handle is never a usable credential."""


class Sighting(Struct, frozen=True, kw_only=True):
    """What one record says, before it is known whose act it was."""

    event: AnyEvent
    """`session` holds the provider's own handle, the last of the source's join rules
    (`aws:<principalId>`), unless `settled`; `workflow` is the same text, for want of better."""
    settled: bool = False
    """Whether the record itself names its session (and `workflow`, where that is another text): nothing is
    looked up."""
    follows: tuple[Handle, ...] = ()
    """Whoever holds one of these did it; tried in order, the first that is held decides."""
    at_last: tuple[Handle, ...] = ()
    """Followed, too, once what it follows has not come in the time that is waited for that."""
    brings: tuple[Handle, ...] = ()
    """Handles that the session holds from now on: what was minted for it, and what others will know it by."""
    maker_of: tuple[Handle, ...] = ()
    """Long-lived credentials made: they start sessions of their own, and the maker is remembered."""


Normalise = Callable[[bytes], tuple[Sighting, ...]]
