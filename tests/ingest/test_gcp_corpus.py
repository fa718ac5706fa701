"""Google Cloud's records of the corpora, checked against their raw fields."""

from datetime import datetime
from typing import Any

import pytest

from stream.sources.gcp.audit import normalise
from tests.ingest.changing import encoded
from tests.ingest.clouds import lines, recorded
from tests.recordings import SHARED


@pytest.mark.corpus
@pytest.mark.skipif(not SHARED.is_dir(), reason="the corpora are not beside the repository")
def test_the_corpora_are_read_right() -> None:
    """Who, what, when and how it ended, by the raw fields; at least 99 of 100, and 98 of 100 classified."""
    records = [record for _, record in recorded("gcp.audit")]
    records += [each["event"] for each in lines(SHARED / "gcp_fixtures" / "events.ndjson.gz")]
    tests = lines(SHARED / "panther" / "tests.ndjson.gz")
    records += [each["event"] for each in tests if each["log_type"] == "GCP.AuditLog"]
    honest = [record for record in records if _is_audit(record)]
    results = [_right(record) for record in honest]
    assert len(honest) > 1_900
    assert sum(right for right, _ in results) >= 0.99 * len(honest)
    assert sum(known for _, known in results) >= 0.98 * len(honest)


def _is_audit(record: dict[str, Any]) -> bool:
    log = record.get("protoPayload")
    return isinstance(log, dict) and bool(log.get("methodName")) and bool(record.get("timestamp"))


def _right(record: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the sighting says what the raw fields say; whether it is classified."""
    log = record["protoPayload"]
    event: Any = normalise(encoded(record))[0].event
    who = (log.get("authenticationInfo") or {}).get("principalEmail")
    moment = datetime.fromisoformat(record["timestamp"].replace("Z", "").replace(" ", "T")[:23] + "+00:00")
    code = (log.get("status") or {}).get("code")
    refused = any(each.get("granted") is False for each in log.get("authorizationInfo") or ())
    ended = {None: "denied" if refused else "ok", 0: "ok", 7: "denied"}.get(code, "error")
    if log["methodName"].endswith("loginFailure"):
        ended = "denied"
    *_, last = log["methodName"].split(".")
    right = (
        (who is None or event.principal == who)
        and abs(event.at_ms - moment.timestamp() * 1000) < 1
        and event.outcome == ended
        and last in event.operation
        and (not log.get("resourceName") or bool(event.target))
    )
    return right, event.op_class != "unclassified"
