"""CloudTrail records of others: what the normaliser says is checked against the records by a second way.

The second way is `json.loads` and the rules written here; it shares nothing with `stream/ingest`.
"""

import gzip
import json
import re
from calendar import timegm
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import strptime
from typing import Any

import pytest

from models.errors import UnreadableEventError
from models.event import OpClass, Operation
from stream.sources.aws.cloudtrail import normalise
from tests.recordings import SHARED

REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data beside the repository")

RIGHT_MIN = 0.99
CLASSIFIED_MIN = 0.98

Record = dict[str, Any]


def lines(path: Path, holding: str = "") -> Iterator[Record]:
    """The objects of a file, of those lines that hold a text."""
    with gzip.open(path, "rt") as file:
        yield from (json.loads(line) for line in file if holding in line)


def panther() -> Iterator[Record]:
    """Events of unit tests of detection rules."""
    for test in lines(SHARED / "panther" / "tests.ndjson.gz", '"AWS.CloudTrail"'):
        if test["log_type"] == "AWS.CloudTrail":
            yield test["event"]


def scenarios(pattern: str) -> Iterator[Record]:
    """Records of the scenarios, or of their history."""
    for path in sorted((SHARED / "scenarios").glob(pattern)):
        for line in lines(path, '"aws.cloudtrail"'):
            if line["source"] == "aws.cloudtrail":
                yield line["record"]


CORPORA: dict[str, Callable[[], Iterator[Record]]] = {
    "stratus": lambda: (each["event"] for each in lines(SHARED / "stratus" / "events.ndjson.gz")),
    "invictus": lambda: (each["event"] for each in lines(SHARED / "invictus_aws" / "events.ndjson.gz")),
    "otrf": lambda: (
        each["event"] for each in lines(SHARED / "otrf" / "ec2_proxy_s3_exfiltration.ndjson.gz")
    ),
    "panther": panther,
    "scenarios": lambda: scenarios("scn-*.ndjson.gz"),
    "history": lambda: scenarios("history/*[1357].ndjson.gz"),
}


def is_record(record: Record) -> bool:
    """Some unit tests hold a fragment: without event, source or time it is no record."""
    fields = {key.lower() for key, value in record.items() if value}
    return {"eventname", "eventsource"} <= fields and bool({"eventtime", "@timestamp"} & fields)


def field(record: Record, name: str) -> Any:
    """A field, also of a table that holds names in lower case."""
    return record.get(name, record.get(name.lower()))


def operation(record: Record) -> str:
    """Service and event, without the date of an API."""
    event = re.sub(r"(?<=[A-Za-z])20[0-9_]{6,8}(v[0-9])?$", "", field(record, "eventName"))
    return str(field(record, "eventSource")).split(".")[0] + ":" + event


REFUSED = {"AccessDenied", "Client.UnauthorizedOperation", "AccessDeniedException", "UnauthorizedOperation"}


def outcome(record: Record) -> str:
    """By the words of the record."""
    if record.get("errorCode") in REFUSED or record.get("errorMessage") == "Failed authentication":
        return "denied"
    return "error" if record.get("errorCode") or record.get("errorMessage") else "ok"


def at_ms(record: Record) -> int:
    """Whole seconds suffice: CloudTrail has no others."""
    text = field(record, "eventTime") or record["@timestamp"]
    return timegm(strptime(text[:19].replace(" ", "T"), "%Y-%m-%dT%H:%M:%S")) * 1000


def actor(record: Record) -> set[str]:
    """All the names by which a reader would accept it."""
    who = field(record, "userIdentity") or {}
    issuer = who.get("sessionContext", {}).get("sessionIssuer", {}).get("userName")
    match who.get("type"):
        case "AssumedRole" if "assumed-role/" in who.get("arn", ""):
            return {who["arn"].split("/")[1], issuer}  # in anonymised records they may differ
        case "IAMUser" if "userName" in who:
            return {who["userName"]}
        case "Root":
            return {"root"}
        case "AWSAccount":
            return {who["accountId"]}
        case "AWSService":
            return {who["invokedBy"]}
    arn = who.get("arn", "").split(":")[-1]
    named = {
        issuer,
        who.get("userName"),
        who.get("principalId"),
        who.get("accountId"),
        who.get("invokedBy"),
        who.get("arn"),
    }
    return {*named, arn.split("/")[-1], field(record, "eventSource")} - {None, ""}


TARGETS = (
    (r"iam:(Attach|Detach|Put|Delete|Get|Create|Update|List).*Role", "roleName"),
    (r"iam:(Create|Delete|Update)AccessKey", "userName"),
    (r"iam:(Attach|Detach|Put|Delete|Create|Get|Update).*User", "userName"),
    (r"secretsmanager:(Get|Put|Describe|Delete|Update)\w*Secret", "secretId"),
    (r"ssm:(Get|Put|Delete)Parameter$", "name"),
    (r"s3:(Get|Put|Delete)Bucket", "bucketName"),
    (r"lambda:(Get|Update|Create)Function", "functionName"),
    (r"sts:AssumeRole", "roleArn"),
    (r"cloudtrail:(Stop|Delete|Start)", "name"),
    (r"eks:(CreateAccessEntry|AssociateAccessPolicy)", "principalArn"),
)


def target(record: Record) -> str | None:
    """The name that is plain to a reader; None where there is none, or it is not plain."""
    parameters = field(record, "requestParameters")
    if not isinstance(parameters, dict):
        return None
    for pattern, key in TARGETS:
        if re.match(pattern, operation(record)) and isinstance(parameters.get(key), str):
            value = parameters[key]
            if not value.startswith("arn:"):
                return str(value)
            last = value.split(":")[-1]
            return str(re.sub(r"-\w{6}$", "", last) if key == "secretId" else last.split("/")[-1])
    return None


def judged(record: Record, event: Operation) -> Iterator[str]:
    """What is right about an event."""
    checks = {
        "actor": event.principal in actor(record),
        "operation": event.operation == operation(record),
        "outcome": event.outcome == outcome(record),
        "time": event.at_ms // 1000 * 1000 == at_ms(record),
        "target": target(record) in {None, event.target},
        "classified": event.op_class is not OpClass.UNCLASSIFIED,
    }
    yield from (name for name, right in checks.items() if right)


@pytest.mark.corpus
@pytest.mark.parametrize("corpus", CORPORA)
def test_records_of_others_are_read_as_they_say(corpus: str) -> None:
    """At least 99 of 100 records, in every respect; at least 98 of 100 with an operation that is known."""
    right: Counter[str] = Counter()
    total = 0
    for record in CORPORA[corpus]():
        content = json.dumps(record).encode()
        if not is_record(record):
            with pytest.raises(UnreadableEventError):
                normalise(content)
            continue
        total += 1
        (found,) = normalise(content)
        assert isinstance(found.event, Operation)
        right.update(judged(record, found.event))
    assert total > 100, total
    shares = {name: count / total for name, count in right.items()}
    assert min(shares.values()) >= CLASSIFIED_MIN, shares
    assert min(share for name, share in shares.items() if name != "classified") >= RIGHT_MIN, shares
    assert len(shares) == 6


LETTERS = {
    "D": {OpClass.DISCOVERY},
    "P": {OpClass.POLICY_READ},
    "S": {OpClass.SECRET_READ},
    "V": {OpClass.PRIVILEGE_CHANGE},
    "T": {OpClass.TRUST_CHANGE},
    "C": {OpClass.CREDENTIAL_MINT, OpClass.OTHER},
    "L": {OpClass.GUARDRAIL_CHANGE},
}
"""Logins are written C there; a session of one's own is no credential for somebody else: OTHER that mints."""


@pytest.mark.corpus
def test_steps_of_the_scenarios_have_the_class_that_is_written_there() -> None:
    """Step by step, by the line that tells of it."""
    checked = 0
    for scenario in json.loads((SHARED / "scenarios" / "index.json").read_text()):
        steps = {step["event"]: step for step in scenario["steps"]}
        for index, line in enumerate(lines(SHARED / "scenarios" / scenario["file"])):
            if index not in steps or line["source"] != "aws.cloudtrail":
                continue
            (found,) = normalise(json.dumps(line["record"]).encode())
            assert isinstance(found.event, Operation)
            step = steps[index]
            if "," in step["op"] or step["op"].split(" ")[0] != found.event.operation:
                continue  # the step is told by several records, and this one alone is not it
            assert found.event.op_class in LETTERS[step["class"]], (scenario["id"], step)
            assert (found.event.outcome == "ok") is step["ok"], (scenario["id"], step)
            checked += 1
    assert checked > 100, checked
