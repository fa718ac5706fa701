"""Whatever comes is read or refused, no secret leaves, and the corpora are read right."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given

from stream.sources.entra.records import normalise
from stream.sources.vocabularies import load_vocabulary
from tests.ingest.changing import encoded
from tests.ingest.clouds import azure, lines, mutated, never_tells, reads_or_refuses, recorded
from tests.ingest.entra_records import GROUP_SCOPE, SAMPLES
from tests.recordings import MUTATIONS, SHARED

NAMES = frozenset(
    {"operationName", "activityDisplayName", "displayName", "correlationId", "id", "category", "tenantId"}
    | {
        "callerIpAddress",
        "servicePrincipalId",
        "appId",
        "newValue",
        "oldValue",
        "requestUri",
        "requestMethod",
    }
    | {"clientRequestId", "requestId", "signInActivityId", "scope", "entity", "requestbody", "ipAddress"}
    | {
        "uniqueTokenIdentifier",
        "resourceDisplayName",
        "claims",
        "claim",
        "userPrincipalName",
        "type",
        "servicePrincipalName",
    }
)


def test_no_secret_leaves() -> None:
    """Wherever a text stands that is no name."""
    for sample in SAMPLES[:8]:
        sample["properties"] |= {"resultReason": "r", "additionalDetails": [{"key": "note", "value": "v"}]}
        sample["resultDescription"] = "d"
        never_tells(normalise, sample, NAMES)
    note = azure("Microsoft.Web/sites/config/write", GROUP_SCOPE, {"properties": {"password": "planted"}})
    assert b"planted" not in repr(normalise(encoded(note))).encode()


@pytest.mark.corpus
@MUTATIONS
@given(record=mutated(SAMPLES))
def test_whatever_comes_is_read_or_refused(record: bytes) -> None:
    """Nothing else escapes."""
    reads_or_refuses(normalise, record)


@pytest.mark.parametrize(
    ("name", "op_class"),
    [
        ("Add service principal credentials", "credential_mint"),
        ("Add owner to application", "role_mapping"),
        ("Add member to role", "role_mapping"),
        ("Update application - Certificates and secrets management", "credential_mint"),
        ("Consent to application", "privilege_change"),
        ("Update conditional access policy", "trust_change"),
        ("SecretList", "discovery"),
        ("SecretGet", "secret_read"),
        (
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write",
            "trust_change",
        ),
        ("GET /tenantRelationships/delegatedAdminRelationships", "discovery"),
        ("Something nobody knows", "unclassified"),
    ],
)
def test_operations_of_the_chains_are_classified(name: str, op_class: str) -> None:
    """As the chains need them; what nobody knows stays unclassified."""
    assert load_vocabulary("entra").look_up(name).op_class == op_class


@pytest.mark.corpus
@pytest.mark.skipif(not SHARED.is_dir(), reason="the corpora are not beside the repository")
def test_the_corpora_are_read_right() -> None:
    """Who, what, when and how it ended, by the raw fields; at least 99 of 100, and 98 of 100 classified."""
    results = [_right(record) for record in _corpora()]
    assert len(results) > 3_000
    assert sum(right for right, _ in results) >= 0.99 * len(results)
    assert sum(known for _, known in results) >= 0.98 * len(results)


def _corpora() -> Iterator[dict[str, Any]]:
    for _, record in recorded("entra.audit", "entra.signin"):
        yield record
    for each in lines(SHARED / "panther" / "tests.ndjson.gz"):
        record = each["event"]
        if (
            each["log_type"] in {"Azure.Audit", "Azure.MonitorActivity"}
            and record.get("category") != "kube-audit"
        ):
            yield record


def _right(record: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the sighting says what the raw fields say; whether it is classified."""
    event: Any = normalise(encoded(record))[0].event
    said = record.get("properties") or {}
    moment = (
        said.get("activityDateTime")
        or said.get("createdDateTime")
        or said.get("timeGenerated")
        or record["time"]
    )
    at = datetime.fromisoformat(moment.removesuffix("Z").replace(" ", "T")[:23] + "+00:00").timestamp() * 1000
    called = said.get("activityDisplayName") or record.get("operationName") or record.get("operationname")
    plain = str(called).strip().lower().replace("–", "-")  # noqa: RUF001 - as the log writes it
    named = event.operation.lower() == plain or "requestUri" in said
    return (
        named
        and abs(event.at_ms - at) < 1
        and _who(record) in {"", event.principal}
        and event.outcome in _ends(record),
        event.op_class != "unclassified",
    )


def _who(record: dict[str, Any]) -> str:
    said, identity = record.get("properties") or {}, record.get("identity") or {}
    by = said.get("initiatedBy") or {}
    user, app = by.get("user") or {}, by.get("app") or {}
    claims = identity.get("claims") or identity.get("claim") or {} if isinstance(identity, dict) else {}
    tail = {each.rpartition("/")[2]: value for each, value in claims.items()}
    found: list[Any] = [
        user.get("userPrincipalName"),
        app.get("servicePrincipalId"),
        said.get("userPrincipalName"),
    ]
    found += [said.get("servicePrincipalId"), tail.get("upn"), tail.get("objectidentifier"), tail.get("oid")]
    return next((each for each in found if each), "")


def _ends(record: dict[str, Any]) -> set[str]:
    said = record.get("properties") or {}
    code = (said.get("status") or {}).get("errorCode") if isinstance(said.get("status"), dict) else None
    status = said.get("responseStatusCode") or said.get("httpStatusCode") or record.get("statusCode") or 200
    result = str(
        said.get("result") or record.get("resultType") or record.get("resulttype") or "success"
    ).lower()
    fine = (
        code in (None, 0) and int(status) < 400 and result in {"success", "0", "succeeded", "active", "start"}
    )
    return {"ok"} if fine else {"denied", "error"}
