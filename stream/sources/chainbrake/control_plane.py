"""Facts of the control plane: who runs, who was asked, who allowed, what was planned, handed out or declared.

Format: CloudEvents 1.0 in structured mode, type `<any prefix>chainbrake.<kind>.v1`, whose subject is the
session it belongs to (an agent's conversation, or a provider's own handle). Those of type
`…chainbrake.event.<kind>.v1` are our own events and are read as such. A stop that failed changes no
judgement: such a record yields nothing. An approval that was refused only ends the wait for it.

The topic is trusted: whoever may write to it can vouch for anything. Signatures are noted, not verified.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import TypedDict

import msgspec
from msgspec import Struct

from detectors.allowed import LET_IN
from models.attested import Fact, Registered
from models.cloudevent import read_line
from models.command import stable_id
from models.errors import Unreadable, UnreadableEventError
from models.event import (
    TARGETS_MAX,
    Approval,
    ApprovalRequest,
    Grade,
    Registration,
    SessionEnd,
    SessionStart,
)
from stream.sources.chainbrake.records import (
    Asked,
    Bound,
    CloudEvent,
    Declared,
    Ended,
    Principal,
    Refusal,
    Started,
)
from stream.sources.reading import NAME_MAX, decoded, invalid, listed, millis, name
from stream.sources.sighting import Handle, Sighting
from stream.sources.vault.paths import general_path

SOURCE = "chainbrake.event"
TYPE = re.compile(r"(?:^|\.)chainbrake\.([a-z_.]{1,64})\.v1$")

CREDENTIAL_HANDLES = {
    "aws.access_key": "aws.access_key",
    "entra.uti": "entra.uti",
    "github.hashed_token": "github.hashed_token",
    "k8s.jti": "k8s.jti",
    "okta.api_token": "okta.api_token",
    "okta.oauth_token": "okta.api_token",
    "vault.accessor": "vault.accessor",
    "vault.secret_id": "vault.secret_id",
}
"""Kinds of credential a gateway hands out, and the handle by which their use is recognised."""

PREFIXES = ("okta", "entra", "azure", "gcp", "vault", "k8s", "kubernetes", "keycloak", "github")
"""Said before an action to tell providers apart; AWS has `iam:` and the like in its own names."""

DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
"""What approval services sign: SHA-256 of `<action>|<resource>`. Other forms are kept, not checked."""

LET_IN_MAX = 128
"""Characters of a long resource that are left for them."""

GRANTED = frozenset({"granted", "grant", "approved", "approve", "accepted", "allowed"})
"""What approval services call a yes."""

DONE = frozenset({"done", "ok", "success"})


_envelope = msgspec.json.Decoder(CloudEvent)
_started = msgspec.json.Decoder(Started)
_ended = msgspec.json.Decoder(Ended)
_asked = msgspec.json.Decoder(Asked)
_refused = msgspec.json.Decoder(Refusal)
_bound = msgspec.json.Decoder(Bound)
_declared = msgspec.json.Decoder(Declared)

Sightings = tuple[Sighting, ...]


class Common(TypedDict):
    """Fields that every fact has."""

    id: str
    source: str
    at_ms: int
    session: str
    workflow: str
    grade: Grade


class Head(Struct, frozen=True):
    """What every event of one record shares."""

    id: str
    at_ms: int
    subject: str

    def common(self, session: str, workflow: str = "", grade: Grade = Grade.ATTESTED) -> Common:
        """Of a fact about `session`, in a workflow of its own unless one is named."""
        return Common(
            id=self.id,
            source=SOURCE,
            at_ms=self.at_ms,
            session=session,
            workflow=workflow or session,
            grade=grade,
        )

    def session(self, said: str | None) -> str:
        """The subject; else the session that the data names."""
        return required(self.subject or said, "a session")


def normalise(record: bytes) -> Sightings:
    """One CloudEvent of the control plane. Raises `UnreadableEventError`."""
    envelope = decoded(_envelope, record)
    if envelope.specversion != "1.0":
        raise UnreadableEventError(Unreadable.ENVELOPE, "a specversion that is not 1.0")
    kind = TYPE.search(envelope.type)
    if kind is None:
        raise UnreadableEventError(Unreadable.ENVELOPE, "a type that is not …chainbrake.<kind>.v1")
    if kind[1].startswith("event."):
        return (Sighting(event=read_line(record), settled=True),)
    read = READERS.get(kind[1])
    if read is None:
        raise UnreadableEventError(Unreadable.ENVELOPE, f"an unknown kind of fact: {kind[1]}")
    head = Head(required(envelope.id, "an id"), millis(envelope.time), name(envelope.subject))
    return read(head, bytes(envelope.data))


def required(text: str | None, what: str) -> str:
    """A name that must be there. Raises `UnreadableEventError`."""
    if not text:
        raise invalid(f"{what} is missing")
    return name(text)


def _session_started(head: Head, data: bytes) -> Sightings:
    start = decoded(_started, data)
    session, runtime = head.session(start.session), start.runtime
    who = start.principal or Principal(id="")
    event = SessionStart(
        **head.common(session, workflow=name(start.workflow)),
        agent=name(start.agent.id),
        principal=name(who.id),
        agent_role=name(start.agent.role),
        parent_session=name(start.parent_session),
        on_behalf_of=name(who.id) if who.type == "user" else "",
        facts=said(
            {
                Fact.ADDRESS: runtime.egress,
                Fact.SCOPE: runtime.namespace,
                Fact.POD: runtime.pod,
                "cluster": runtime.cluster,
                "trace": start.trace_id,
            }
        ),
    )
    held = (
        ("conversation", session),
        ("pod", runtime.pod),
        ("pod_uid", runtime.pod_uid),
        ("trace", start.trace_id),
    )
    brings = tuple(Handle(kind, name(value)) for kind, value in held if value)
    return (Sighting(event=event, settled=True, brings=brings),)


def _session_ended(head: Head, data: bytes) -> Sightings:
    end = decoded(_ended, data)
    session = head.session(end.session)
    event = SessionEnd(
        **head.common(session),
        reason="idle" if end.reason == "idle" else "ended",
    )
    return (Sighting(event=event, settled=True),)


def operation_of(action: str, resource: str) -> str:
    """What an approval is for, by the operation's own name: `okta:user.mfa.factor.reset_all` has a prefix.

    Vault's operations are named after their path as well, which an approval gives as the resource.
    """
    provider, colon, own = action.partition(":")
    if not (colon and own and provider in PREFIXES):
        return name(action)
    if provider == "vault" and " " not in own:
        return name(f"{own} {general_path(resource.strip('/'))}")
    return name(own)


def target_of(resource: str) -> str:
    """What an approval is for, as it is written; of what is too long, the beginning and a hash of the whole.

    Else it would cover whatever begins alike: a resource may be a role with its whole trust policy. Accounts
    and issuers in it are kept, since they are compared with those that are let in.
    """
    if len(resource) <= NAME_MAX:
        return required(resource, "resource")
    whole = stable_id(resource)
    let_in = " ".join(dict.fromkeys(LET_IN.findall(resource)))
    end = f"~{whole} {let_in}" if 0 < len(let_in) <= LET_IN_MAX else f"~{whole}"
    return f"{resource[: NAME_MAX - len(end)]}{end}"


def _approval_requested(head: Head, data: bytes) -> Sightings:
    asked = decoded(_asked, data)
    session = head.session(asked.session)
    event = ApprovalRequest(
        **head.common(session),
        request=reference_of(asked, session),
        operation=required(operation_of(asked.action, asked.resource), "action"),
        target=target_of(asked.resource),
        requested_by=name(asked.requested_by),
        digest=name(asked.digest),
    )
    return (Sighting(event=event, settled=True),)


def _approval_granted(head: Head, data: bytes) -> Sightings:
    asked = decoded(_asked, data)
    session = head.session(asked.session)
    event = Approval(
        **head.common(session),
        operation=required(operation_of(asked.action, asked.resource), "action"),
        target=target_of(asked.resource),
        decided_by=required(asked.decided_by, "decided_by"),
        requested_by=name(asked.requested_by),
        requested_ms=moment(asked.requested_at),
        expires_ms=moment(asked.expires),
        request=reference_of(asked, session),
        digest=name(asked.digest),
        digest_fits=digest_fits(asked),
    )
    return (Sighting(event=event, settled=True),)


def _approval_denied(head: Head, data: bytes) -> Sightings:
    """Nobody needs to wait for the answer any more."""
    asked = decoded(_refused, data)
    session = name(head.subject or asked.session)
    if not session or not (asked.request_id or asked.action):
        return ()  # nobody can say what it answers
    event = Registration(
        **head.common(session),
        what=Registered.REFUSED,
        reference=reference_of(asked, session),
        decided_by=name(asked.decided_by),
    )
    return (Sighting(event=event, settled=True),)


def _approval_answered(*, unsaid: bool) -> Callable[[Head, bytes], Sightings]:
    """The reader of an answer; `unsaid` is whether it is a yes without a decision: its type may say so."""

    def read(head: Head, data: bytes) -> Sightings:
        decision = decoded(_refused, data).decision
        yes = unsaid if decision is None else decision.casefold() in GRANTED
        return _approval_granted(head, data) if yes else _approval_denied(head, data)

    return read


def reference_of(asked: Asked | Refusal, session: str) -> str:
    """What joins question and answer; of a service that numbers neither, the act they are about."""
    return name(asked.request_id) or stable_id("request", session, asked.action, asked.resource)


def digest_fits(asked: Asked) -> bool:
    """Whether the digest, where there is one that can be checked, is of this very action and resource."""
    signed = DIGEST.fullmatch(asked.digest or "")
    return signed is None or signed[1] == sha256(f"{asked.action}|{asked.resource}".encode()).hexdigest()


def _credential_bound(head: Head, data: bytes) -> Sightings:
    bound = decoded(_bound, data)
    reference = required(bound.credential_id, "credential_id")
    session = head.session(bound.session)
    event = Registration(
        **head.common(session),
        what=Registered.CREDENTIAL,
        reference=reference,
        expires_ms=moment(bound.expires),
        facts=said({"provider": bound.provider, "credential_type": bound.credential_type}),
    )
    kind = CREDENTIAL_HANDLES.get(bound.credential_type)
    return (Sighting(event=event, settled=True, brings=(Handle(kind, reference),) if kind else ()),)


def moment(text: str | None) -> int | None:
    """A time, where one is given."""
    return millis(text) if text else None


def said(facts: dict[str, str | None]) -> dict[str, str]:
    """Those facts that the record states."""
    return {str(key): text for key, value in facts.items() if (text := name(value))}


Named = Callable[[Declared], str | None]


def _registered(what: Registered, reference: Named) -> Callable[[Head, bytes], Sightings]:
    """The reader of one kind of registration, which is named by `reference`."""

    def read(head: Head, data: bytes) -> Sightings:
        declared = decoded(_declared, data)
        if what is Registered.STOP_DONE and declared.status not in DONE:
            return ()
        session = head.session(declared.session)
        window = declared.window or (None, None)
        event = Registration(
            **head.common(session, grade=_grade(what, declared)),
            what=what,
            reference=required(reference(declared), f"the name of a {what}"),
            decided_by=name(declared.by),
            targets=_targets(declared),
            starts_ms=moment(window[0]),
            expires_ms=moment(window[1] or declared.expires),
            facts=_facts(declared),
        )
        announced = what is Registered.EXERCISE and event.grade is Grade.ATTESTED
        named = (session, *(f"{session} {name(each)}" for each in declared.accounts)) if announced else ()
        brings = tuple(Handle("exercise", each) for each in named)
        return (Sighting(event=event, settled=True, brings=brings),)

    return read


def _grade(what: Registered, declared: Declared) -> Grade:
    """An exercise makes an attack look ordered: unsigned it is a claim, which vouches for nothing."""
    signed = declared.signed or declared.signature or what is not Registered.EXERCISE
    return Grade.ATTESTED if signed else Grade.OBSERVED


def _targets(declared: Declared) -> tuple[str, ...]:
    """All that is covered, whatever the kind calls it."""
    every = (
        *declared.targets,
        *((declared.stack,) if declared.stack else ()),
        *declared.objects,
        *declared.issuers,
        *declared.users,
        *declared.tickets,
        *declared.subjects,
        *declared.accounts,
        *declared.principals,
    )
    return tuple(dict.fromkeys(name(target) for target in every if target))[:TARGETS_MAX]


def _facts(declared: Declared) -> dict[str, str]:
    signed = declared.signed or bool(declared.signature)
    run, severity = declared.run_id, declared.severity
    return said(
        {
            Fact.PIPELINE: declared.pipeline,
            Fact.REPOSITORY: declared.repo,
            Fact.ACCOUNT: listed(declared.accounts, 256),
            Fact.CHANGE: declared.case if declared.command_id else None,
            "run": None if run is None else str(run),
            "severity": None if severity is None else str(severity),
            "signed": "true" if signed else None,
            "responders": listed(declared.responders, 256),
            "scope_hit": declared.scope_hit,
            "scope_requested": declared.scope_requested,
        }
    )


READERS: dict[str, Callable[[Head, bytes], Sightings]] = {
    "session.started": _session_started,
    "session.ended": _session_ended,
    "approval.requested": _approval_requested,
    "approval.granted": _approval_answered(unsaid=True),
    "approval.decided": _approval_answered(unsaid=False),
    "approval.denied": _approval_denied,
    "credential.bound": _credential_bound,
    "plan.registered": _registered(Registered.PLAN, lambda it: it.plan_hash),
    "pipeline.apply.started": _registered(Registered.PLAN_STARTED, lambda it: it.plan_hash),
    "change.registered": _registered(Registered.CHANGE, lambda it: it.change),
    "campaign.registered": _registered(Registered.CAMPAIGN, lambda it: it.campaign),
    "case.opened": _registered(Registered.CASE, lambda it: it.case),
    "incident.declared": _registered(Registered.INCIDENT, lambda it: it.incident),
    "incident.closed": _registered(Registered.INCIDENT_CLOSED, lambda it: it.incident),
    "exercise.registered": _registered(Registered.EXERCISE, lambda it: it.exercise),
    "command.ack": _registered(Registered.STOP_DONE, lambda it: it.command_id),
}
"""Every kind of fact that is read."""
