"""What the body of a Kubernetes request says about identity: bindings, rules, certificates, tokens, pods.

Bodies are in the audit log only at level Request and above; without one nothing is known beyond the call.
Formats: the API reference of Kubernetes (rbac, certificates and authentication.k8s.io, core, apps, batch) and
of cert-manager.io. Values of secrets are never decoded.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct, field
from msgspec.json import Decoder

from models.attested import Effect, Fact
from models.event import OpClass
from stream.sources.certificates import Asked, asked_for
from stream.sources.effects import NOTHING, Said
from stream.sources.reading import listed, many, texts

DAY_S = 86_400
YEAR_S = 31_536_000
ACCOUNT = "system:serviceaccount:"
MASTERS = "system:masters"
"""The group to which the API server refuses nothing."""
EVERYBODY = {"system:authenticated", "system:unauthenticated", "system:serviceaccounts", "system:anonymous"}
ADMIN_ROLE = re.compile(r"(^|[-:])cluster-?admin(s|istrator|istrators)?$")
ESCALATES = {"escalate", "bind", "impersonate", "*"}
RIGHTS = {"roles", "clusterroles", "rolebindings", "clusterrolebindings", "users", "groups", "*"}
"""Who may do one of `ESCALATES` to one of these can give itself the rest."""
LOOKS = {"get", "list", "watch"}
UNSEEN = {"secrets", "*"}
"""What is more than looking to see."""
ON_NODE = {"hostPID", "hostIPC", "hostNetwork"}
HOST_CAPABILITIES = {"ALL", "SYS_ADMIN", "CAP_SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE"}
DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|m|s)")
SECONDS = {"h": 3600, "m": 60, "s": 1}
HELM_RELEASE = re.compile(r"sh\.helm\.release\.v1\.(.+)\.v\d+")
DEPTH_MAX = 24
"""Parts of a path in a JSON patch; nothing read here lies deeper."""
REFERENCE = {"tracking-id", "commit", "revision", "change", "change-id", "ticket", "case", "incident"}
REFERENCE |= {"release-name", "command", "command-id", "case-id", "change-request", "release"}
"""Last parts of the keys of labels and annotations that name a change."""
MANAGED_BY = "app.kubernetes.io/managed-by"
INSTANCE = "app.kubernetes.io/instance"


class Named(Struct, gc=False):
    """A subject, or the role that it is bound to."""

    kind: str | None = None
    name: str | None = None
    namespace: str | None = None


class Meta(Struct, gc=False):
    """Names and marks of an object."""

    name: str | None = None
    generateName: str | None = None  # noqa: N815 - names of the format, here and below
    namespace: str | None = None
    labels: Any = None
    annotations: Any = None


class Rule(Struct, gc=False):
    """What a role allows."""

    verbs: list[str] | None = None
    resources: list[str] | None = None


class Body(Struct, gc=False):
    """The fields of any object that are read here; `data` of a secret is not."""

    metadata: Meta = field(default_factory=Meta)
    subjects: list[Named] | None = None
    roleRef: Named | None = None  # noqa: N815
    rules: list[Rule] | None = None
    spec: Any = None
    status: Any = None
    type: str | None = None


class Step(Struct, gc=False):
    """A step of a JSON patch."""

    op: str = ""
    path: str = ""
    value: Any = None


class ConfigData(Struct, gc=False):
    """A config map's texts."""

    data: dict[str, str] = field(default_factory=dict)


BODY = Decoder(Body | list[Step])
CONFIG = Decoder(ConfigData)


def body_of(raw: Raw) -> Body | None:
    """A request's body; a JSON patch as the object that its values make. None if absent or not readable."""
    if not bytes(raw):
        return None
    try:
        found = BODY.decode(raw)
        return _patched(found) if isinstance(found, list) else found
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _patched(steps: list[Step]) -> Body:
    """The object that a JSON patch's values make. What is taken away leaves an empty place."""
    merged: dict[str, Any] = {}
    for step in steps:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in step.path.strip("/").split("/")]
        if len(parts) > DEPTH_MAX:
            continue
        if step.op == "remove":
            merged.setdefault(parts[0], [] if parts[0] in ("subjects", "rules") else {})
            continue
        value = step.value
        for part in reversed(parts):
            value = [value] if part == "-" or part.isdigit() else {part: value}
        if isinstance(value, dict):
            _merge(merged, value)
    return msgspec.convert(merged, Body)


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    """In place: a patch may have thousands of steps."""
    for key, value in more.items():
        known = into.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            known.extend(value)
        else:
            into[key] = value


def account(namespace: str, account_name: str) -> str:
    """The user name of a service account."""
    return f"{ACCOUNT}{namespace}:{account_name}"


def binding(body: Body, namespace: str) -> Said:
    """Who gets which role. Without a single subject left a binding only takes away."""
    if body.subjects is None and body.roleRef is None:
        return NOTHING
    subjects = body.subjects or []
    role = (body.roleRef and body.roleRef.name) or ""
    facts = {Fact.GRANTED.value: role, Fact.BENEFICIARY.value: listed(map(_subject(namespace), subjects))}
    if body.subjects == []:
        return Said((Effect.REMOVES,), facts, without=(Effect.EXPANDS,))
    wide = not namespace or any(one.name in EVERYBODY for one in subjects)
    admin = bool(ADMIN_ROLE.search(role)) or (role == "admin" and not namespace)
    return Said((*[Effect.ADMIN] * admin, *[Effect.WIDE] * wide), facts)


def _subject(namespace: str) -> Callable[[Named], str]:
    def user_name(one: Named) -> str:
        if one.kind == "ServiceAccount":
            return account(one.namespace or namespace, one.name or "")
        return one.name or ""

    return user_name


def rules(body: Body, namespace: str) -> Said:
    """What a role may do from now on."""
    if body.rules is None:
        return NOTHING
    allowed = listed(resource for rule in body.rules for resource in rule.resources or ())
    if not body.rules:
        return Said((Effect.REMOVES,), without=(Effect.EXPANDS,))
    admin = any(_administrative(rule) for rule in body.rules)
    return Said((*[Effect.ADMIN] * admin, *[Effect.WIDE] * (not namespace)), {Fact.GRANTED.value: allowed})


def looks_only(body: Body) -> bool:
    """Whether a role lets see what is no secret, and change nothing."""
    return bool(body.rules) and all(_looks(rule) for rule in body.rules or ())


def _looks(rule: Rule) -> bool:
    return LOOKS.issuperset(rule.verbs or ("*",)) and UNSEEN.isdisjoint(rule.resources or ("*",))


def _administrative(rule: Rule) -> bool:
    return bool(ESCALATES.intersection(rule.verbs or ()) and RIGHTS.intersection(rule.resources or ()))


def signing_request(body: Body, _namespace: str) -> Said:
    """A CertificateSigningRequest: who signs, what for whom, how long.

    `spec.groups` is who asks; the certificate's groups are in the request itself, where that can be read.
    A refusal makes no certificate.
    """
    if any(_mapping(one).get("type") == "Denied" for one in many(_mapping(body.status).get("conditions"))):
        return Said((Effect.REMOVES,), without=(Effect.MINTS,), op_class=OpClass.OTHER)
    if body.spec is None:
        return NOTHING
    spec = _mapping(body.spec)
    asked = asked_for(spec.get("request"))
    groups = asked.groups if asked is not None else texts(spec.get("groups"))
    seconds = spec.get("expirationSeconds")
    lifetime_s = seconds if isinstance(seconds, int) and seconds > 0 else YEAR_S
    return _certificate(asked or Asked(), groups, _text(spec.get("signerName")), lifetime_s)


def certificate_request(body: Body, _namespace: str) -> Said:
    """A Certificate or CertificateRequest of cert-manager."""
    spec = _mapping(body.spec)
    asked = asked_for(spec.get("request"))
    if asked is None:
        names = (_text(spec.get("commonName")), *texts(spec.get("dnsNames")), *texts(spec.get("uris")))
        asked = Asked(names, texts(_mapping(spec.get("subject")).get("organizations")))
    issuer = _text(_mapping(spec.get("issuerRef")).get("name"))
    return _certificate(asked, asked.groups, issuer, duration_s(_text(spec.get("duration"))) or 90 * DAY_S)


def _certificate(asked: Asked, groups: tuple[str, ...], issuer: str, lifetime_s: int) -> Said:
    facts = {
        Fact.ISSUER.value: issuer,
        Fact.NAMES.value: listed(asked.names),
        Fact.GROUPS.value: listed(groups),
        Fact.LIFETIME_S.value: str(lifetime_s),
    }
    return Said((*[Effect.LONG_LIVED] * (lifetime_s > DAY_S), *[Effect.ADMIN] * (MASTERS in groups)), facts)


def duration_s(text: str) -> int:
    """Seconds of a duration as Go writes it (`2160h0m0s`); 0 for what is none."""
    return int(sum(float(number) * SECONDS[unit] for number, unit in DURATION.findall(text[:32])))


def token_request(body: Body, _namespace: str) -> Said:
    """A token of a service account; the server's own default is an hour."""
    seconds = _mapping(body.spec).get("expirationSeconds")
    lifetime_s = seconds if isinstance(seconds, int) and seconds > 0 else 3600
    return Said((Effect.LONG_LIVED,) * (lifetime_s > DAY_S), {Fact.LIFETIME_S.value: str(lifetime_s)})


def secret(body: Body, namespace: str) -> Said:
    """A secret of this type is how a token without end is made; any other is only stored."""
    if body.type != "kubernetes.io/service-account-token":
        return NOTHING
    holder = _text(_mapping(body.metadata.annotations).get("kubernetes.io/service-account.name"))
    facts = {Fact.BENEFICIARY.value: account(namespace, holder)} if holder else {}
    return Said((Effect.MINTS, Effect.LONG_LIVED), facts, OpClass.CREDENTIAL_MINT)


def workload(body: Body, namespace: str) -> Said:
    """What runs, and as whom. Restarts, marks and scaling change neither."""
    spec = _mapping(body.spec)
    job = _mapping(_mapping(spec.get("jobTemplate")).get("spec"))
    pod = _mapping(_mapping((job or spec).get("template")).get("spec"))
    if not pod:
        return Said(op_class=OpClass.OTHER)
    return _runs(pod, namespace)


def pod(body: Body, namespace: str) -> Said:
    """A pod; most are made by controllers, so only one that reaches its node is a change of privileges."""
    said = _runs(_mapping(body.spec), namespace)
    return said._replace(op_class=OpClass.PRIVILEGE_CHANGE if Effect.EXPANDS in said.effects else None)


def _runs(pod_spec: dict[str, Any], namespace: str) -> Said:
    runs_as = _text(pod_spec.get("serviceAccountName")) or _text(pod_spec.get("serviceAccount"))
    facts = {Fact.BENEFICIARY.value: account(namespace, runs_as)} if runs_as else {}
    return Said((Effect.EXPANDS, Effect.WIDE) if _reaches_node(pod_spec) else (), facts)


def _reaches_node(pod_spec: dict[str, Any]) -> bool:
    if any(pod_spec.get(key) is True for key in ON_NODE):
        return True
    if any("hostPath" in _mapping(volume) for volume in many(pod_spec.get("volumes"))):
        return True
    kinds = ("containers", "initContainers", "ephemeralContainers")
    return any(_privileged(one) for kind in kinds for one in many(pod_spec.get(kind)))


def _privileged(container: Any) -> bool:
    context = _mapping(_mapping(container).get("securityContext"))
    added = texts(_mapping(context.get("capabilities")).get("add"))
    return context.get("privileged") is True or bool(HOST_CAPABILITIES.intersection(added))


def account_map(raw: Raw) -> Said:
    """The config map `aws-auth`, by which EKS maps roles and users of AWS to groups of the cluster."""
    try:
        data = CONFIG.decode(raw).data if bytes(raw) else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        data = {}
    admin = any(MASTERS in text for text in data.values())
    effects = (Effect.EXPANDS, Effect.WIDE, *[Effect.ADMIN] * admin)
    return Said(effects, {Fact.GRANTED.value: MASTERS if admin else ""}, OpClass.PRIVILEGE_CHANGE)


READERS: dict[str, Callable[[Body, str], Said]] = {
    "rolebindings": binding,
    "clusterrolebindings": binding,
    "roles": rules,
    "clusterroles": rules,
    "certificatesigningrequests": signing_request,
    "certificatesigningrequests/approval": signing_request,
    "certificaterequests": certificate_request,
    "certificates": certificate_request,
    "serviceaccounts/token": token_request,
    "secrets": secret,
    "pods": pod,
    "deployments": workload,
    "daemonsets": workload,
    "statefulsets": workload,
    "jobs": workload,
    "cronjobs": workload,
}
"""By resource, subresource included: how its body is read."""


def changes_named(meta: Meta) -> Iterator[str]:
    """References to a change among labels and annotations: tracking ids, commits, releases."""
    labels, annotations = _mapping(meta.labels), _mapping(meta.annotations)
    for marks in (annotations, labels):
        for key, value in marks.items():
            if isinstance(value, str) and key.rpartition("/")[2] in REFERENCE:
                yield value
    if MANAGED_BY in labels:
        yield _text(labels.get(INSTANCE))


def release_of(secret_name: str) -> str:
    """The release whose state Helm keeps in a secret of this name."""
    found = HELM_RELEASE.fullmatch(secret_name)
    return found[1] if found else ""


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
