"""OCSF events, 1.3 to 1.9: the classes about identities (3001 to 3008), API and Datastore Activity.

Format: ocsf/ocsf-schema, `events/iam`, `events/application`, `objects/ai_agent`, `objects/message_context`.
Class and activity are numbers; their captions make the operation's name. API Activity (6003) names the
provider's own call, which the provider's own vocabulary knows. An AI agent is attributed by `ai_agent` (1.9)
or `message_context` (1.8); OCSF's `agent` is a sensor, and no AI.
"""

import re
from functools import lru_cache

import msgspec

from models.attested import Effect, Fact
from models.command import stable_id
from models.event import (
    EFFECTS_MAX,
    FACTS_MAX,
    CredentialKind,
    Grade,
    OpClass,
    Operation,
    Outcome,
)
from models.vocabulary.vocabulary import Entry
from stream.sources.gcp.names import operation_of
from stream.sources.grants import admin_name
from stream.sources.ocsf.objects import ACTIVITIES, CLASSES, Cloud, Event, Named, first
from stream.sources.reading import (
    AT_MS_MAX,
    NAME_MAX,
    PARTS_MAX,
    TEXT_MAX,
    decoded,
    invalid,
    listed,
    millis,
    name,
)
from stream.sources.sighting import Handle, Sighting
from stream.sources.vocabularies import load_vocabulary, providers

SOURCE = "ocsf"
DATASTORE, ENTITY, LOGIN, ROLE_MANAGEMENT = 6005, 3004, 3002, 3008
SUCCESS, FAILURE = 1, 2
REFUSED = re.compile(
    r"denied|forbidden|unauthori[sz]ed|not.?authori[sz]ed|403|401|invalid.?credential", re.IGNORECASE
)
TRUST = re.compile(
    r"identity.?provider|\bidp\b|saml|oidc|openid|federat|trust|sign.?on|conditional.?access", re.IGNORECASE
)
POLICY = re.compile(r"policy|permission|privilege|entitlement", re.IGNORECASE)
IDENTITY = re.compile(r"user|group|role|account|principal|identity", re.IGNORECASE)
SECRET = re.compile(r"secret|vault|credential|password|key.?management|\bkms\b", re.IGNORECASE)
KINDS = (("trust", TRUST), ("policy", POLICY), ("identity", IDENTITY))
ACCESS_KEY = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{8,}")
SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")
"""Random letters that Secrets Manager adds to a secret's ARN."""
API_VERSION = re.compile(r"20\d\d_?\d\d_?\d\d(?:v\d+)?$")
VOCABULARIES = {
    "aws": "aws",
    "amazon": "aws",
    "gcp": "gcp",
    "google": "gcp",
    "azure": "entra",
    "microsoft": "entra",
}
"""Whose vocabulary knows the calls, by a word of the provider's or vendor's name."""
USER_CLASSES = frozenset({3001, 3002, 3003, 3005, 3007})

_decoder = msgspec.json.Decoder(Event)
_vocabulary = load_vocabulary("ocsf")
_provided = frozenset(providers())


def normalise(record: bytes) -> tuple[Sighting, ...]:
    """What the bytes say. Raises `UnreadableEventError` for what is no event of these classes."""
    event = decoded(_decoder, record)
    if event.class_uid not in CLASSES:
        raise invalid("no OCSF event of a class that is read: 3001 to 3008, 6003 or 6005")
    return (_sighting(event, record),)


def _sighting(event: Event, record: bytes) -> Sighting:
    operation, meaning, system = _meaning(event)
    account = _caller(event)
    agent = name(event.ai_agent.uid or event.ai_agent.name) if event.ai_agent else ""
    session = f"ocsf:{account}"[:NAME_MAX]
    op_class, target, effects, facts = _what(event, meaning)
    credential = _credential(event)
    request = name(event.api.request.uid if event.api and event.api.request else "")
    return Sighting(
        event=Operation(
            id=name(event.metadata.uid) or stable_id(SOURCE, record.decode(errors="replace")),
            source=SOURCE,
            at_ms=_at_ms(event),
            session=session,
            workflow=session,
            agent=agent or account,
            principal=account,
            grade=Grade.OBSERVED if event.message_context else Grade.ATTESTED,
            operation=name(operation),
            op_class=op_class,
            outcome=_outcome(event),
            system=name(system),
            system_kind=meaning.system_kind or _vocabulary.content.system_kind,
            target=name(target),
            target_kind=name(meaning.target_kind),
            credential=credential,
            credential_kind=CredentialKind.EPHEMERAL
            if _credential(event)[:4] == "ASIA"
            else CredentialKind.UNKNOWN,
            act=request or name(event.metadata.correlation_uid) or name(event.metadata.uid),
            effects=tuple(effects)[:EFFECTS_MAX],
            facts=dict(tuple(facts.items())[:FACTS_MAX]),
        ),
        follows=_follows(event, request, system),
    )


def _meaning(event: Event) -> tuple[str, Entry, str]:
    """Name, meaning and system: by the provider's own call where there is one, else by class and activity."""
    caption = (
        ACTIVITIES.get((event.class_uid, event.activity_id or 0)) or name(event.activity_name) or "Other"
    )
    label = f"{CLASSES[event.class_uid]}: {caption}"
    provider = _provider(event)
    system = provider or _product(event)
    entry = _vocabulary.look_up(_qualified(label, event))
    if event.api is None or not event.api.operation:
        return label, entry, system
    operation = _called(provider, event.api.operation, event)
    if provider in _provided:
        found = load_vocabulary(provider).look_up(operation)
        if found.op_class is not OpClass.UNCLASSIFIED:
            entry = found
    return operation, entry, system


def _qualified(label: str, event: Event) -> str:
    """Entities and data stores mean what kind of thing they are."""
    if event.class_uid == ENTITY and event.entity:
        text = f"{event.entity.type} {event.entity.name}"[:NAME_MAX]
        return label + next((f" {kind}" for kind, words in KINDS if words.search(text)), "")
    if event.class_uid == DATASTORE:
        stores = (event.databucket, event.database, event.table, *(event.resources or ())[:8])
        if any(SECRET.search(f"{store.type} {store.name}"[:NAME_MAX]) for store in stores if store):
            return f"{label} secret"
    return label


def _provider(event: Event) -> str:
    told = f"{event.cloud.provider if event.cloud else ''} {_product(event)}"[:NAME_MAX]
    return _known_provider(told)


@lru_cache(maxsize=1024)
def _known_provider(told: str) -> str:
    told = told.lower()
    return next((known for word, known in VOCABULARIES.items() if word in told), "")


def _product(event: Event) -> str:
    product = event.metadata.product
    return first(product.vendor_name, product.name) if product else ""


def _called(provider: str, called: str, event: Event) -> str:
    """The call as the provider's vocabulary names it."""
    if provider == "gcp":
        return operation_of(called)
    if provider == "aws":
        service = first(event.api.service.name) if event.api and event.api.service else ""
        return name(f"{service.partition('.')[0]}:{API_VERSION.sub('', called[:NAME_MAX])}")
    return name(called)


def _caller(event: Event) -> str:
    user = event.actor.user if event.actor else None
    if event.class_uid == LOGIN:
        user = event.user or user
    found = first(user.uid, user.name, user.email_addr) if user else ""
    app = first(event.actor.app_uid, event.actor.app_name) if event.actor else ""
    return name(found or app) or "anonymous"


def _what(event: Event, meaning: Entry) -> tuple[OpClass, str, dict[Effect, None], dict[str, str]]:
    """Target, effects and facts: who gains what, by the objects of the class."""
    effects, facts = dict.fromkeys(meaning.effects), _facts(event)
    granted = _granted(event)
    gains = _label(event.user)
    credentials = [_label(each) for each in event.programmatic_credentials or ()]
    target = _target(event)
    found = {
        Fact.BENEFICIARY: gains if event.class_uid != LOGIN else "",
        Fact.GRANTED: listed(granted),
        Fact.MINTED: listed(credentials),
    }
    facts |= {key: value for key, value in found.items() if value}
    if Effect.EXPANDS in effects and any(map(admin_name, granted)):
        effects[Effect.ADMIN] = None
    return meaning.op_class, target, effects, facts


def _granted(event: Event) -> list[str]:
    """Privileges, policies and roles; else the group. A role under Role Management is what is changed."""
    role = None if event.class_uid == ROLE_MANAGEMENT else event.iam_role
    things = (event.policy, role, *(event.policies or ()), *(event.iam_roles or ()), *(event.groups or ()))
    found = [*(event.privileges or ()), *(_label(each) for each in things if each)]
    return found[:PARTS_MAX] or ([_label(event.group)] if event.group else [])


def _target(event: Event) -> str:
    """What is changed or read; for changes of a person's rights, the role or else the person."""
    if event.class_uid in USER_CLASSES:
        service = _label(event.service)
        return service if event.class_uid == LOGIN and service else _label(event.user)
    things = (event.group, event.iam_role, event.entity, event.table, event.databucket, event.database)
    found = next((_label(each) for each in things if each), "")
    if found:
        return found
    return next((_label(each) for each in (event.resource, *(event.resources or ())) if each), "") or _label(
        event.user
    )


def _label(thing: Named | None) -> str:
    """Its name, else its id; of an ARN the part behind account and kind."""
    found = first(thing.name, thing.email_addr, thing.uid) if thing else ""
    if found.startswith("arn:"):
        resource = found.split(":", 5)[-1]
        kind, _, rest = resource.partition(":")
        found = SUFFIX.sub("", rest) if kind == "secret" else resource.rpartition("/")[2]
    return name(found)


def _account(cloud: Cloud | None) -> str:
    if cloud is None:
        return ""
    return name(first(cloud.account.uid if cloud.account else "", cloud.project_uid))


def _facts(event: Event) -> dict[str, str]:
    actor = event.actor
    found = {
        Fact.ADDRESS: name(event.src_endpoint.ip if event.src_endpoint else ""),
        Fact.USER_AGENT: (event.http_request.user_agent or "")[:TEXT_MAX] if event.http_request else "",
        Fact.ACCOUNT: _account(event.cloud),
        Fact.CLIENT: name(first(actor.app_uid, actor.app_name) if actor else ""),
        Fact.VIA: name(actor.invoked_by if actor else ""),
    }
    return {key: value for key, value in found.items() if value}


def _credential(event: Event) -> str:
    actor = event.actor
    if actor is None:
        return ""
    session, user = actor.session, actor.user
    return name(first(session.credential_uid if session else "", user.credential_uid if user else ""))


def _follows(event: Event, request: str, system: str) -> tuple[Handle, ...]:
    """The agent's run, then the request, then the key."""
    found = []
    if event.ai_agent and event.ai_agent.instance_uid:
        found.append(Handle("conversation", name(event.ai_agent.instance_uid)))
    if event.message_context and event.message_context.uid:
        found.append(Handle("conversation", name(event.message_context.uid)))
    if request and system == "aws":
        found.append(Handle("aws.request", request))
    if ACCESS_KEY.fullmatch(_credential(event)):
        found.append(Handle("aws.access_key", _credential(event)))
    return tuple(dict.fromkeys(found))


def _outcome(event: Event) -> Outcome:
    response = event.api.response if event.api else None
    told = f"{event.status} {event.status_code} {event.status_detail}"[:TEXT_MAX]
    error = first(response.error, response.message) if response else ""
    failed = event.status_id == FAILURE or (event.status_id != SUCCESS and bool(error))
    if not failed:
        return Outcome.OK
    refused = event.class_uid == LOGIN or REFUSED.search(f"{told} {error}"[:TEXT_MAX])
    return Outcome.DENIED if refused else Outcome.ERROR


def _at_ms(event: Event) -> int:
    """`time` is in milliseconds; `time_dt` the same in RFC 3339."""
    if isinstance(event.time, int) and not isinstance(event.time, bool):
        if not 0 <= event.time <= AT_MS_MAX:
            raise invalid("a time before 1970 or after 2286")
        return event.time
    text = event.time if isinstance(event.time, str) else event.time_dt
    if not text:
        raise invalid("no OCSF event: time is missing")
    return millis(text)
