"""AWS CloudTrail: a record, a file or a lookup of them, EventBridge's wrapper around one, or gzip of these.

Format: CloudTrail User Guide, "CloudTrail record contents" and "CloudTrail userIdentity element". Tables of
Athena hold the same with names in lower case and parameters as text. Where a file holds many records,
`unwrapped` first gives each its own dead letter; `normalise` refuses the whole file for one record that it
cannot read, rather than drop it in silence.
"""

import re
import zlib
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from detectors.severity import JUDGED
from models.attested import Effect, Fact
from models.command import stable_id
from models.errors import Unreadable, UnreadableEventError
from models.event import EFFECTS_MAX, EVENT_BYTES_MAX, FACTS_MAX, Grade, OpClass, Operation, Outcome
from models.vocabulary.vocabulary import Entry
from stream.sources.aws import iam as aws_iam
from stream.sources.aws import services as aws_services
from stream.sources.aws.identity import IDENTITY_FIELDS, Caller, Identity, caller_of, run_of
from stream.sources.aws.parameters import Reading
from stream.sources.aws.target import target_of
from stream.sources.batches import TRAIL_BYTES_MAX
from stream.sources.reading import NAME_MAX, decoded, invalid, millis, name, nested
from stream.sources.sighting import Handle, Sighting
from stream.sources.vocabularies import load_vocabulary

SOURCE = "aws.cloudtrail"
GZIP = b"\x1f\x8b"
API_VERSION = re.compile(r"20\d\d_?\d\d_?\d\d(v\d+)?$")
"""Lambda and CloudFront append the version of their API to event names: `UpdateFunctionCode20150331v2`."""
ADDRESS = re.compile(r"[0-9A-Fa-f:.]{3,45}$")
SERVICES = ".amazonaws.com"
"""Where a service calls on its own, or on somebody's behalf, its name stands for the address."""
REFUSED = re.compile(
    r"access_?denied|unauthori[sz]ed|not_?authori[sz]ed|authorizationerror|forbidden|authfailure"
    r"|invalidclienttokenid|unrecognizedclient|invalidaccesskeyid|signaturedoesnotmatch|expiredtoken"
    r"|missingauthenticationtoken|authenticationfailed|invalidtoken$|optinrequired|failed authentication",
    re.IGNORECASE,
)
"""Error codes of a caller that was refused, by rights or by credential; any other error is one."""
NUMBERED = re.compile(r"(?<![^\W_])\d(?![^\W_])|\d[^\W_]*\d")
"""A number that tells sessions apart. One digit may be a word's (`k8s`, `ec2`, `oauth2`); two of a word, or
one that stands alone, seldom are."""
IDENTITY_DEPTH_MAX = 4
NOTHING = Raw(b"")
NULL = Raw(b"null")
NO_PARAMETERS: dict[str, Any] = {}
READERS = aws_iam.READERS | aws_services.READERS
STS_LOGINS = frozenset({"sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"})
CONSOLE_LOGIN = "signin:ConsoleLogin"
OWN_LOGINS = frozenset({"IAMUser", "Root"})
"""Whose second factor AWS itself asks for: of all others, their identity provider knows."""
MAKES_KEYS = frozenset({"iam:CreateAccessKey"})


class LookedUp(Struct, gc=False):
    """An event as `aws cloudtrail lookup-events` prints it, newest first: the record is a text in it."""

    CloudTrailEvent: str = ""


class Record(Struct, gc=False):
    """A record, as far as we read it; or the wrapper around one or several."""

    eventName: str | None = None  # noqa: N815 - CloudTrail's names
    eventSource: str | None = None  # noqa: N815
    eventTime: str | None = None  # noqa: N815
    eventID: str | None = None  # noqa: N815
    requestID: str | None = None  # noqa: N815
    errorCode: str | None = None  # noqa: N815
    errorMessage: str | None = None  # noqa: N815
    sourceIPAddress: str | None = None  # noqa: N815
    userAgent: str | None = None  # noqa: N815
    recipientAccountId: str | None = None  # noqa: N815
    awsRegion: str | None = None  # noqa: N815
    userIdentity: Identity | None = None  # noqa: N815
    requestParameters: Any = None  # noqa: N815
    responseElements: Raw = NOTHING  # noqa: N815
    additionalEventData: Raw = NOTHING  # noqa: N815
    resources: Any = None
    logged_at: str | None = field(default=None, name="@timestamp")
    """Shippers that rename the event's time leave it here."""
    Records: list[Raw] | None = None
    Events: list[LookedUp] | None = None
    detail: Raw = NOTHING


NAMES = {each.lower(): each for each in Record.__struct_fields__ if each.lower() != each}
IDENTITY_NAMES = {each.lower(): each for each in IDENTITY_FIELDS}
"""Names in lower case, as tables hold them: the names in records."""
_decoder = msgspec.json.Decoder(Record)
_rows = msgspec.json.Decoder(dict[str, Raw])
_vocabulary = load_vocabulary("aws")


def normalise(record: bytes) -> tuple[Sighting, ...]:
    """What the bytes say. Raises `UnreadableEventError` for what is no record of CloudTrail."""
    content = _inflated(record) if record[:2] == GZIP else record
    arrived = decoded(_decoder, content, TRAIL_BYTES_MAX)
    if arrived.Records is not None:  # CloudTrail promises no order within a file
        sightings = [_sighting(_single(bytes(each))) for each in arrived.Records]
        return tuple(sorted(sightings, key=lambda sighting: sighting.event.at_ms))
    if arrived.Events is not None:
        return tuple(_sighting(_single(each)) for each in _looked_up(arrived.Events))
    if arrived.detail != NOTHING and arrived.eventName is None:
        return (_sighting(_single(bytes(arrived.detail))),)
    return (_sighting(_alone(arrived, content)),)


def unwrapped(record: bytes) -> tuple[bytes, ...]:
    """The single records of a file or wrapper, as bytes; whatever else it is, as it came."""
    content = _inflated(record) if record[:2] == GZIP else record
    if b'"Records"' not in content and b'"Events"' not in content:
        return (content,)
    arrived = decoded(_decoder, content, TRAIL_BYTES_MAX)
    if arrived.Events is not None:
        return _looked_up(arrived.Events)
    return (content,) if arrived.Records is None else tuple(bytes(each) for each in arrived.Records)


def _looked_up(events: list[LookedUp]) -> tuple[bytes, ...]:
    return tuple(event.CloudTrailEvent.encode() for event in reversed(events))


def _single(content: bytes) -> Record:
    return decoded(_decoder, content)


def _alone(arrived: Record, content: bytes) -> Record:
    """A record without a wrapper was decoded already; it has the limit of a record."""
    if len(content) > EVENT_BYTES_MAX:
        return _single(content)
    return arrived if arrived.eventName is not None else _single(_renamed(content))


def _renamed(content: bytes) -> bytes:
    """A row of a table whose columns are in lower case, with CloudTrail's names; else as it came."""
    row = decoded(_rows, content)
    named = {NAMES[key]: value for key, value in row.items() if key in NAMES}
    if who := _object(named.get("userIdentity", NOTHING)):
        named["userIdentity"] = Raw(msgspec.json.encode(_renamed_within(who, 0)))
    return msgspec.json.encode({**row, **named})


def _renamed_within(value: Any, depth: int) -> Any:
    if not isinstance(value, dict) or depth > IDENTITY_DEPTH_MAX:
        return value
    return {IDENTITY_NAMES.get(key, key): _renamed_within(inner, depth + 1) for key, inner in value.items()}


def _inflated(record: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        content = unpacker.decompress(record, TRAIL_BYTES_MAX + 1)
    except zlib.error as error:
        raise UnreadableEventError(Unreadable.NOT_JSON, "gzip that cannot be unpacked") from error
    if not unpacker.eof and len(content) <= TRAIL_BYTES_MAX:
        raise UnreadableEventError(Unreadable.NOT_JSON, "gzip that is cut off")
    return content


def _sighting(record: Record) -> Sighting:
    time = record.eventTime or record.logged_at
    if not record.eventName or not record.eventSource or not time:
        raise invalid("no CloudTrail record: eventName, eventSource or eventTime is missing")
    operation = _operation(record.eventSource, record.eventName)
    entry = _vocabulary.look_up(operation)
    parameters = record.requestParameters
    if isinstance(parameters, str):
        parameters = nested(parameters)
    parameters = parameters if isinstance(parameters, dict) else NO_PARAMETERS
    caller = caller_of(record.userIdentity, record.recipientAccountId or "", record.eventSource)
    outcome = _outcome(record)
    facts = _facts(record, caller)
    reading = Reading(
        parameters=parameters,
        response=NO_PARAMETERS,
        account=name(record.recipientAccountId or caller.account),
        caller=caller.name,
        via=facts.get(Fact.VIA, ""),
        op_class=entry.op_class,
        target=target_of(parameters, entry.target, record.resources),
        effects=dict.fromkeys(entry.effects),
        facts=facts,
    )
    reader = READERS.get(operation)
    if reader is not None:
        reading.response = _object(record.responseElements)
        reader(reading)
    if caller.linked and reading.op_class in JUDGED:
        reading.op_class = OpClass.OTHER
    if parameters.get("omitted") is True:
        _omitted(reading)
    if operation == CONSOLE_LOGIN and record.userIdentity is not None:
        _console_login(reading, record.userIdentity.type, _object(record.additionalEventData))
    return _seen(record, operation, entry, caller, outcome, reading)


def _seen(
    record: Record, operation: str, entry: Entry, caller: Caller, outcome: Outcome, reading: Reading
) -> Sighting:
    session = caller.session
    follows = caller.follows
    brings: tuple[Handle, ...] = ()
    maker_of: tuple[Handle, ...] = ()
    request = (Handle("aws.request", record.requestID[:NAME_MAX]),) if record.requestID else ()
    minted = reading.facts.get(Fact.MINTED)
    called = _role_session(reading.facts)
    if operation in STS_LOGINS:
        session, follows = _login(reading, caller)
    else:
        brings = called
    if minted and outcome is Outcome.OK:
        if operation in MAKES_KEYS:
            maker_of = (Handle("aws.access_key", minted),)
        elif operation.startswith("sts:"):
            brings = (*brings, Handle("aws.access_key", minted))
    at_ms = millis(record.eventTime or record.logged_at or "")
    event_id = name(record.eventID) or stable_id(
        SOURCE, operation, str(at_ms), caller.session, record.requestID or "", reading.target
    )
    event = Operation(
        id=event_id,
        source=SOURCE,
        at_ms=at_ms,
        workflow=session,
        session=session,
        agent=caller.agent,
        principal=caller.name,
        grade=Grade.ATTESTED,
        operation=operation,
        op_class=reading.op_class,
        outcome=outcome,
        system=_vocabulary.content.system,
        system_kind=entry.system_kind or _vocabulary.content.system_kind,
        target=reading.target,
        target_kind=entry.target_kind,
        credential=caller.credential,
        credential_kind=caller.credential_kind,
        workload_proven=caller.workload_proven,
        act=name(record.requestID),
        effects=tuple(reading.effects)[:EFFECTS_MAX],
        facts=dict(list(reading.facts.items())[:FACTS_MAX]),
    )
    return Sighting(event=event, follows=(*request, *follows, *called), brings=brings, maker_of=maker_of)


def _role_session(facts: dict[str, str]) -> tuple[Handle, ...]:
    """What a session in a role is called, and where it is; a name without a number is many sessions'.

    Whoever goes on into another role mostly keeps it, and acts there before that step is on record.
    """
    called, address = facts.get("session_name", ""), facts.get(Fact.ADDRESS)
    if not address or not NUMBERED.search(called):
        return ()
    return (Handle("aws.role_session", f"{called} {address}"[:NAME_MAX]),)


def _operation(source: str, event: str) -> str:
    if event[-1].isdigit():
        event = API_VERSION.sub("", event) or event
    return f"{source.partition('.')[0]}:{event}"[:NAME_MAX]


def _outcome(record: Record) -> Outcome:
    error = record.errorCode
    if error is None and record.errorMessage is None:
        return Outcome.OK
    return Outcome.DENIED if REFUSED.search(error or record.errorMessage or "") else Outcome.ERROR


def _facts(record: Record, caller: Caller) -> dict[str, str]:
    facts = dict(caller.facts)
    for key, value in (
        (Fact.ACCOUNT, record.recipientAccountId),
        (Fact.USER_AGENT, record.userAgent),
        ("region", record.awsRegion),
    ):
        if value:
            facts[key] = value[:NAME_MAX]
    address = record.sourceIPAddress or ""
    if ADDRESS.match(address):
        facts[Fact.ADDRESS] = address
    elif address.endswith(SERVICES) and caller.facts.get(Fact.VIA) is None:
        facts[Fact.VIA] = address[:NAME_MAX]
    if record.errorCode:
        facts["error"] = record.errorCode[:NAME_MAX]
    return facts


def _object(content: Raw) -> dict[str, Any]:
    """`responseElements`, where it is an object; else nothing."""
    if content in (NOTHING, NULL):
        return {}
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _omitted(reading: Reading) -> None:
    """CloudTrail leaves parameters out where they are larger than 100 KB.

    No honest identity change is: what it did is hidden, and that is what it does to the log. Elsewhere, large
    parameters (dashboards, templates) are ordinary.
    """
    size = reading.parameters.get("originalSize")
    reading.facts["omitted_bytes"] = str(size) if isinstance(size, int) else "unknown"
    if reading.op_class in JUDGED:
        reading.op_class = OpClass.GUARDRAIL_CHANGE
        reading.add(Effect.WEAKENS)


def _console_login(reading: Reading, whose: str | None, more: dict[str, Any]) -> None:
    """A login by password alone counts as what it makes: a session that nobody else vouched for."""
    if whose in OWN_LOGINS and more.get("MFAUsed") == "No":
        reading.op_class = OpClass.CREDENTIAL_MINT
        reading.fact(Fact.FACTORS, "1")


def _login(reading: Reading, caller: Caller) -> tuple[str, tuple[Handle, ...]]:
    """Who takes a role: by what the session is called, else by the key it was taken with."""
    called = (reading.text("sourceIdentity"), reading.text("roleSessionName"))
    by_name = [Handle("conversation", each) for each in called if each]
    if called[1]:
        by_name.append(Handle("pod", called[1]))
    if caller.pipeline and (run := run_of(called[1])):
        return f"github:run:{run}", (*by_name, Handle("github.run", run))
    assumed = reading.response.get("assumedRoleUser")
    role_id = assumed.get("assumedRoleId") if isinstance(assumed, dict) else None
    session = f"aws:{role_id}"[:NAME_MAX] if isinstance(role_id, str) else caller.session
    if caller.foreign:
        session = caller.session
    return session, (*by_name, *caller.follows)
