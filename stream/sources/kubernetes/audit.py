"""The audit log of a Kubernetes API server: one audit.k8s.io/v1 Event, or the EventList of the webhook.

Format: the reference of audit.k8s.io/v1. A request is logged once a stage. `RequestReceived` says nothing
of how it ended and gives no operation; later stages of one request have one id, and the first of them counts.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Raw, Struct
from msgspec.json import Decoder

from models.attested import Effect, Fact
from models.event import CredentialKind, Grade, OpClass, Operation, Outcome
from models.vocabulary.vocabulary import Entry
from stream.sources.batches import BATCH_BYTES_MAX, Places, single
from stream.sources.effects import NOTHING, Said
from stream.sources.grants import effects_of, stated
from stream.sources.kubernetes.objects import (
    MASTERS,
    READERS,
    Body,
    account,
    account_map,
    body_of,
    changes_named,
    looks_only,
    release_of,
)
from stream.sources.reading import decoded, invalid, listed, millis, name
from stream.sources.sighting import Handle, Sighting
from stream.sources.vocabularies import load_vocabulary

SOURCE = "kubernetes.audit"
VOCABULARY = load_vocabulary("kubernetes")

UNFINISHED = "RequestReceived"
FAILED = "Panic"
READING = {"get", "list", "watch"}
MANY = {"list", "watch", "deletecollection"}
DENIED = {401, 403}
EXTRA = "authentication.kubernetes.io/"
DECISION = "authorization.k8s.io/decision"
ISSUED = f"{EXTRA}issued-credential-id"
JTI = "JTI="
NODES = "system:nodes"
ROLES = {"roles", "clusterroles"}
GIVES = (Effect.EXPANDS, Effect.WIDE)
"""What a new role does not do that lets nobody but see: nobody has it before it is bound."""
CONTROLLERS = "system:kube-controller-manager"
CONTROL_PLANE = "kube-system"
ACCOUNT_MAP = "kube-system/aws-auth"
PATH_PARTS = 2
"""Parts of a path without a resource (`/openapi/v3/...`) that name the call."""


class User(Struct, gc=False):
    """Who asked."""

    username: str | None = None
    uid: str | None = None
    groups: list[str] | None = None
    extra: Any = None


class ObjectRef(Struct, gc=False):
    """What was asked for."""

    resource: str | None = None
    namespace: str | None = None
    name: str | None = None
    subresource: str | None = None


class Status(Struct, gc=False):
    """How it ended."""

    code: int | None = None


class AuditEvent(Struct, gc=False):
    """One event, or a list of them."""

    auditID: str | None = None  # noqa: N815 - names of the format, here and below
    stage: str | None = None
    verb: str | None = None
    user: User | None = None
    impersonatedUser: User | None = None  # noqa: N815
    sourceIPs: list[str] | None = None  # noqa: N815
    userAgent: str | None = None  # noqa: N815
    objectRef: ObjectRef | None = None  # noqa: N815
    requestURI: str | None = None  # noqa: N815
    responseStatus: Status | None = None  # noqa: N815
    requestObject: Raw = Raw()  # noqa: N815
    requestReceivedTimestamp: str | None = None  # noqa: N815
    stageTimestamp: str | None = None  # noqa: N815
    annotations: Any = None
    cluster: str | None = None
    """Not of the format: some forwarders add it."""
    items: "list[AuditEvent] | None" = None


DECODER = Decoder(AuditEvent)


def normalise(record: bytes) -> tuple[Sighting, ...]:
    """One operation for every request that got an answer. Raises `UnreadableEventError` for other records."""
    content = decoded(DECODER, record, BATCH_BYTES_MAX)
    if content.items is not None:
        events = content.items
    else:
        events = [content]
        single(record)
    places = Places(SOURCE, record)
    return tuple(_sighting(one, places, at) for at, one in enumerate(events) if one.stage != UNFINISHED)


def _sighting(event: AuditEvent, places: Places, at: int) -> Sighting:
    when = event.requestReceivedTimestamp or event.stageTimestamp
    if not event.verb or not when:
        raise invalid("no verb or no time")
    call = _Call(event)
    entry = VOCABULARY.look_up(call.operation)
    session = name(f"k8s:{call.principal}")
    minted = call.minted
    return Sighting(
        event=Operation(
            id=name(event.auditID) or places.id_of(at),
            source=SOURCE,
            at_ms=millis(when),
            workflow=session,
            session=session,
            agent=call.principal,
            principal=call.principal,
            grade=Grade.ATTESTED,
            operation=call.operation,
            op_class=call.op_class(entry),
            outcome=call.outcome,
            system=name(f"k8s:{event.cluster}") if event.cluster else "k8s",
            system_kind=entry.system_kind or VOCABULARY.content.system_kind,
            target=call.target,
            target_kind=entry.target_kind or name(call.resource),
            on_behalf_of=call.impersonated,
            credential=call.credential,
            credential_kind=call.credential_kind,
            workload_proven=bool(call.attribute("pod-uid")),
            act=name(event.auditID),
            effects=call.effects(entry),
            facts=call.facts(entry),
        ),
        follows=tuple(call.follows()),
        brings=(Handle("k8s.jti", minted),) if minted and not call.is_kubelet else (),
    )


class _Call:
    """One event, read: each property answers one question about it."""

    def __init__(self, event: AuditEvent) -> None:
        self.event = event
        self.user = event.user or User()
        self.reference = event.objectRef or ObjectRef()
        self.verb = event.verb or ""
        self.namespace = self.reference.namespace or ""
        self.resource = "/".join(filter(None, (self.reference.resource, self.reference.subresource)))
        self.operation = name(f"{self.verb} {self.resource or self._path()}")
        self.principal = name(self.user.username) or "system:anonymous"
        self.marks = event.annotations if isinstance(event.annotations, dict) else {}
        self._extra = self.user.extra if isinstance(self.user.extra, dict) else {}
        self.body = self._body()
        self.said = self._said()
        self.target = self._target()

    def _path(self) -> str:
        parts = (self.event.requestURI or "").partition("?")[0].strip("/").split("/")
        return "/" + "/".join(parts[:PATH_PARTS])

    def _body(self) -> Body | None:
        return None if self.verb in READING else body_of(self.event.requestObject)

    def _said(self) -> Said:
        if self.body is not None and self.resource in READERS:
            said = READERS[self.resource](self.body, self.namespace)
            new_role = self.verb == "create" and self.resource in ROLES
            return said._replace(effects=(), without=GIVES) if new_role and looks_only(self.body) else said
        mapped = self.resource == "configmaps" and self.verb not in READING
        if mapped and f"{self.namespace}/{self.reference.name}" == ACCOUNT_MAP:
            return account_map(self.event.requestObject)
        return NOTHING

    def attribute(self, key: str) -> str:
        """The first value of one of the user's extra fields, of Kubernetes itself or of a cloud."""
        found = self._extra.get(EXTRA + key) or self._extra.get(key)
        first = found[0] if isinstance(found, list) and found else found
        return name(first) if isinstance(first, str) else ""

    def _target(self) -> str:
        """`namespace/name`, `namespace/*` for all of a kind, `*` for all of the cluster."""
        meta = self.body.metadata if self.body is not None else None
        called = self.reference.name or (meta and (meta.name or meta.generateName))
        if not called and not self.resource:
            return name(self._path())
        if not called:
            called = "*" if self.verb in MANY else ""
        return name("/".join(filter(None, (self.namespace, called))))

    def follows(self) -> Iterator[Handle]:
        """The join rules, in their order."""
        found = (
            ("k8s.audit", name(self.event.auditID)),
            ("pod_uid", self.attribute("pod-uid")),
            ("pod", self.attribute("pod-name")),
            ("k8s.jti", self.attribute("credential-id").removeprefix(JTI)),
            ("aws.access_key", self.attribute("accessKeyId")),
            ("entra.uti", self.attribute("uti")),
        )
        return (Handle(kind, value) for kind, value in found if value)

    @property
    def credential(self) -> str:
        """The token's own id, or that of the cloud's credential behind it."""
        return (
            self.attribute("credential-id").removeprefix(JTI)
            or self.attribute("accessKeyId")
            or self.attribute("uti")
        )

    @property
    def credential_kind(self) -> CredentialKind:
        if not self.credential:
            return CredentialKind.UNKNOWN
        lasting = self.credential.startswith("AKIA") or self.credential.startswith("X509")
        return CredentialKind.STATIC if lasting else CredentialKind.EPHEMERAL

    @property
    def outcome(self) -> Outcome:
        code = (self.event.responseStatus and self.event.responseStatus.code) or 0
        if code in DENIED or self.marks.get(DECISION) == "forbid":
            return Outcome.DENIED
        return Outcome.ERROR if code >= 400 or self.event.stage == FAILED else Outcome.OK  # noqa: PLR2004 - HTTP

    @property
    def minted(self) -> str:
        """Id of the token that came into being."""
        issued = self.marks.get(ISSUED)
        return name(issued.removeprefix(JTI)) if isinstance(issued, str) else ""

    @property
    def is_kubelet(self) -> bool:
        """Whether a machine asks: for the tokens of the pods that run on it, and it may ask for no others.

        They are the pods' own, so what the pods do is not the machine's doing.
        """
        return NODES in (self.user.groups or ())

    @property
    def _is_for_controller(self) -> bool:
        """Whether the control plane asks: for short tokens of its controllers, each of which has an account.

        Who could ask in its name would hold the cluster already.
        """
        own = self.principal == CONTROLLERS and self.namespace == CONTROL_PLANE
        return own and Effect.LONG_LIVED not in self.said.effects

    @property
    def impersonated(self) -> str:
        """As whom the call was made, where not as oneself."""
        return name(self.event.impersonatedUser.username) if self.event.impersonatedUser else ""

    @property
    def impersonated_groups(self) -> list[str]:
        """And as a member of which groups."""
        return (self.event.impersonatedUser.groups or []) if self.event.impersonatedUser else []

    @property
    def holder(self) -> str:
        """The account that a token is asked for."""
        if self.resource != "serviceaccounts/token":
            return ""
        return account(self.namespace, self.reference.name or "")

    def op_class(self, entry: Entry) -> OpClass:
        """As the body says, else the vocabulary; tokens that are nobody else's are no gain."""
        own = self.holder == self.principal and Effect.LONG_LIVED not in self.said.effects
        if self.holder and (own or self.is_kubelet or self._is_for_controller):
            return OpClass.OTHER
        return self.said.op_class or entry.op_class

    def effects(self, entry: Entry) -> tuple[Effect, ...]:
        """What the call's name says, less what the body disproves, and what only this call shows."""
        found = [effect for effect in entry.effects if effect not in self.said.without]
        found += self.said.effects
        if Effect.SECRET_VALUE in found and not self.namespace:
            found.append(Effect.WIDE)
        if self._impersonates_master():
            found.append(Effect.ADMIN)
        return effects_of(found)

    def _impersonates_master(self) -> bool:
        return MASTERS in self.impersonated_groups

    @property
    def scope(self) -> str:
        """The name space; `*` for what holds in all of them."""
        if self.namespace:
            return self.namespace
        everywhere = self.verb in MANY or self.resource.startswith("cluster")
        return "*" if everywhere and self.resource else ""

    def change(self) -> str:
        """The change that the object's marks name, or the release that it is the state of."""
        named = list(changes_named(self.body.metadata)) if self.body is not None else []
        if self.resource == "secrets" and self.reference.name:
            named.append(release_of(self.reference.name))
        return listed(named)

    def facts(self, entry: Entry) -> dict[str, str]:
        arn = self.attribute("arn").split(":")
        holder = self.holder if Effect.MINTS in entry.effects else ""
        return stated(
            {
                Fact.ADDRESS: (self.event.sourceIPs or [""])[0],
                Fact.USER_AGENT: self.event.userAgent,
                Fact.SCOPE: self.scope,
                Fact.ACCOUNT: arn[4] if len(arn) > 5 else "",  # noqa: PLR2004 - arn:aws:sts::<account>:...
                Fact.POD: self.attribute("pod-name"),
                Fact.NODE: self.attribute("node-name"),
                Fact.BENEFICIARY: holder,
                Fact.CHANGE: self.change(),
                Fact.MINTED: self.minted,
                Fact.GROUPS: listed(self.impersonated_groups),
                **self.said.facts,
            }
        )
