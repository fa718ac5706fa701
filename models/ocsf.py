"""A finding as an OCSF 1.8 Detection Finding (class 2004), for a SIEM; ocsf/ocsf-schema."""

from typing import Any

import msgspec
from msgspec import Struct

from models.errors import InputError
from models.finding import Finding, Verdict

VERSION = "1.8.0"
CLASS_UID = 2004
CATEGORY_UID = 2
ACTIVITY_CREATE, ACTIVITY_UPDATE = 1, 2
STATUS_NEW, STATUS_RESOLVED = 1, 4
VERDICTS = {Verdict.FALSE_POSITIVE: (1, "False Positive"), Verdict.TRUE_POSITIVE: (2, "True Positive")}

RULE, LEARNED = (1, "Rule"), (4, "Learning (ML/DL)")
SEVERITY_HIGH = 4


class Unmapped(Struct, frozen=True):
    """OCSF's place for what it has no words for."""

    chainbrake: Finding


class Event(Struct, frozen=True):
    """As far as it is read back."""

    unmapped: Unmapped


_own = msgspec.json.Decoder(Event)


def to_ocsf(finding: Finding, *, learned: bool = False) -> dict[str, Any]:
    """The event; times in milliseconds, scores 0 to 100. The whole finding stands under `unmapped`.

    `learned`: its detector compares with what was learned, and is no rule.
    A disposition is an update of what it is about, with the verdict of OCSF's incident profile.
    """
    activity, status, uid = ACTIVITY_CREATE, STATUS_NEW, finding.id
    if finding.verdict is not None:
        activity, status, uid = ACTIVITY_UPDATE, STATUS_RESOLVED, finding.about
    type_id, type_name = LEARNED if learned else RULE
    severity_id = _severity_id(finding.risk)
    return {
        "class_uid": CLASS_UID,
        "category_uid": CATEGORY_UID,
        "activity_id": activity,
        "type_uid": CLASS_UID * 100 + activity,
        "time": finding.at_ms,
        "severity_id": severity_id,
        "status_id": status,
        "is_alert": severity_id >= SEVERITY_HIGH and finding.verdict is None,
        "message": finding.reason,
        "confidence_score": round(finding.confidence * 100),
        "risk_score": round(finding.risk * 100),
        "metadata": {
            "version": VERSION,
            "uid": finding.id,
            "correlation_uid": finding.workflow,
            "product": {"name": "chainbrake", "vendor_name": "chainbrake"},
            **({"profiles": ["incident"]} if finding.verdict is not None else {}),
        },
        "finding_info": {
            "uid": uid,
            "title": finding.detector,
            "desc": finding.reason,
            "analytic": {
                "uid": finding.detector,
                "name": finding.detector,
                "type_id": type_id,
                "type": type_name,
            },
            "attacks": [_attack(tag) for tag in finding.tags if tag.startswith("T")],
            "related_events": [{"uid": event_id} for event_id in finding.evidence],
        },
        "evidences": [
            {
                "actor": {
                    "user": {"name": finding.principal or finding.agent},
                    "session": {"uid": finding.session, "credential_uid": finding.credential},
                }
            }
        ],
        "unmapped": {"chainbrake": msgspec.to_builtins(finding)},
        **_verdict(finding),
    }


def from_ocsf(value: bytes) -> Finding:
    """The finding in a record's value. Raises `InputError` for anything else."""
    try:
        return _own.decode(value).unmapped.chainbrake
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"not a finding of ours: {error}") from error


def _verdict(finding: Finding) -> dict[str, Any]:
    if finding.verdict is None:
        return {}
    verdict_id, verdict = VERDICTS[finding.verdict]
    return {
        "verdict_id": verdict_id,
        "verdict": verdict,
        "comment": finding.reason,
        "assignee": {"name": finding.decided_by},
    }


def _attack(tag: str) -> dict[str, Any]:
    technique, _, sub = tag.partition(".")
    return {"technique": {"uid": technique}, **({"sub_technique": {"uid": tag}} if sub else {})}


def _severity_id(risk: float) -> int:
    """OCSF: 1 informational, 2 low, 3 medium, 4 high, 5 critical."""
    return 1 + sum(risk >= edge for edge in (0.3, 0.55, 0.75, 0.85))
