"""Recordings of others that may lie beside the repository, as lines that a source reads."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path
from typing import Any

from msgspec import Struct

REPOSITORY = Path(__file__).parents[1]

SOURCES = {
    "AWS.CloudTrail": "aws.cloudtrail",
    "Amazon.EKS.Audit": "kubernetes.audit",
    "Azure.Audit": "entra.audit",
    "Azure.MonitorActivity": "entra.audit",
    "GCP.AuditLog": "gcp.audit",
    "GitHub.Audit": "github.audit",
    "Okta.SystemLog": "okta.system_log",
}
"""Log types of Panther's rules that are among our sources."""

TIMES: dict[str, dict[str, Any]] = {
    "AWS.CloudTrail": {"eventTime": "2026-09-21T14:13:20Z"},
    "Amazon.EKS.Audit": {"requestReceivedTimestamp": "2026-09-21T14:13:20Z"},
    "Azure.Audit": {"time": "2026-09-21T14:13:20Z"},
    "Azure.MonitorActivity": {"time": "2026-09-21T14:13:20Z"},
    "GCP.AuditLog": {"timestamp": "2026-09-21T14:13:20Z"},
    "GitHub.Audit": {"created_at": 1_790_000_000_250},
    "Okta.SystemLog": {"published": "2026-09-21T14:13:20Z"},
}
"""A time for samples that were written without one."""

PAUSE_S = 5
"""Between the calls of runs that were recorded without times."""
RUN_S = 3_600
"""Between the beginnings of such runs."""
BEGIN_S = 1_790_000_000

STRATUS: dict[str, tuple[str, ...]] = {
    "aws.credential-access.ec2-get-password-data": ("T1555", "T1552"),
    "aws.credential-access.secretsmanager-retrieve-secrets": ("T1555.006",),
    "aws.defense-evasion.cloudtrail-delete": ("T1562.008",),
    "aws.defense-evasion.cloudtrail-event-selectors": ("T1562.008",),
    "aws.defense-evasion.dns-delete-logs": ("T1562.008",),
    "aws.defense-evasion.organizations-leave": ("T1562",),
    "aws.defense-evasion.vpc-remove-flow-logs": ("T1562.008",),
    "aws.discovery.ec2-download-user-data": ("T1580", "T1552.005"),
    "aws.execution.ec2-user-data": ("T1059.009", "T1651"),
    "aws.execution.ssm-send-command": ("T1651",),
    "aws.exfiltration.ec2-security-group-open-port-22-ingress": ("T1562.007",),
    "aws.exfiltration.ec2-share-ebs-snapshot": ("T1537",),
    "aws.exfiltration.rds-share-snapshot": ("T1537",),
    "aws.initial-access.console-login-without-mfa": ("T1078.004",),
    "aws.lateral-movement.ec2-instance-connect": ("T1021.008", "T1098.004"),
    "aws.lateral-movement.ec2-serial-console-send-ssh-public-key": ("T1021.008", "T1098.004"),
    "aws.persistence.iam-backdoor-role": ("T1098", "T1484.002"),
    "aws.persistence.iam-backdoor-user": ("T1098.001",),
    "aws.persistence.iam-create-backdoor-role": ("T1098.003",),
    "aws.persistence.lambda-layer-extension": ("T1648", "T1546"),
    "aws.persistence.lambda-overwrite-code": ("T1648", "T1546"),
    "aws.persistence.rolesanywhere-create-trust-anchor": ("T1484.002", "T1098"),
    "aws.privilege-escalation.iam-update-user-login-profile": ("T1098",),
}
"""ATT&CK ids of each technique, any of which will do: chosen by us from the technique's own description."""


class RuleTest(Struct, frozen=True):
    """A unit test of somebody's detection rule."""

    log_type: str
    techniques: frozenset[str]
    """Of the rule, without their sub-technique."""
    expected: bool
    record: bytes


def shared() -> Path | None:
    """The folder of recordings beside the repository, or beside what a work tree of it is in."""
    beside = [folder / "shared" / "data" for folder in REPOSITORY.parents]
    return next((folder for folder in beside if folder.is_dir()), None)


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a packed file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def encoded(record: Any) -> bytes:
    """A record as its source's bytes."""
    return json.dumps(record).encode()


def by(path: Path, key: str) -> dict[str, list[bytes]]:
    """The records of a file, by what a field beside them says."""
    found: dict[str, list[bytes]] = defaultdict(list)
    for row in rows(path):
        found[row[key]].append(encoded(row["event"]))
    return dict(sorted(found.items()))


def labels_of(path: Path) -> dict[str, str]:
    """CloudTrail's event id: the label beside it."""
    return {row["event"]["eventID"]: row["label"] for row in rows(path)}


def rule_tests(path: Path) -> Iterator[RuleTest]:
    """Tests on log types of ours that need no mocks."""
    for row in rows(path):
        if row["log_type"] in SOURCES and not row["needs_mocks"]:
            named = [each.rpartition(":")[2] for each in row["mitre"] or ()]
            techniques = frozenset(name.partition(".")[0] for name in named)
            record = encoded(TIMES[row["log_type"]] | row["event"])
            yield RuleTest(row["log_type"], techniques, row["expected"], record)


def agent_runs(folder: Path, *, benign: bool) -> Iterator[tuple[str, list[bytes]]]:
    """Runs of agents as the spans that their runtime would have sent; times are made up, see `PAUSE_S`."""
    wanted = {
        row["s"]: row.get("suite", "airline")
        for row in rows(folder / "sessions.ndjson.gz")
        if not benign or row["label"] == "benign"
    }
    calls: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows(folder / "events.ndjson.gz"):
        if row["s"] in wanted:
            calls[row["s"]].append(row)
    for number, (session, made) in enumerate(calls.items()):
        begin_s = BEGIN_S + number * RUN_S
        yield session, [_span(session, wanted[session], call, begin_s) for call in made]


def _span(session: str, suite: str, call: dict[str, Any], begin_s: int) -> bytes:
    end_ns = (begin_s + call["i"] * PAUSE_S) * 1_000_000_000
    given = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": call["op"],
        "gen_ai.agent.id": f"agent:{suite}",
        "gen_ai.conversation.id": session,
        "workflow.id": session,
        "gen_ai.tool.call.arguments": json.dumps(call["args"]),
    }
    attributes = [{"key": key, "value": {"stringValue": value}} for key, value in given.items()]
    span = {
        "traceId": md5(session.encode(), usedforsecurity=False).hexdigest(),
        "spanId": f"{call['i'] + 1:016x}",
        "name": f"tools/call {call['op']}",
        "kind": 3,
        "startTimeUnixNano": str(end_ns - 100_000_000),
        "endTimeUnixNano": str(end_ns),
        "attributes": attributes,
        "status": {"code": 2} if call.get("err") else {},
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "agent-runtime"}}]}
    return encoded({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]})
