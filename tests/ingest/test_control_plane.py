"""The control plane's facts as events."""

from datetime import datetime
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given

from models.attested import Fact, Registered
from models.errors import Unreadable, UnreadableEventError
from models.event import (
    Approval,
    ApprovalRequest,
    Event,
    Grade,
    Operation,
    Registration,
    SessionEnd,
    SessionStart,
)
from stream.sources.chainbrake.control_plane import normalise
from stream.sources.reading import NAME_MAX
from stream.sources.sighting import Handle
from tests.ingest.agents import holds, one, sampled
from tests.ingest.changing import encoded
from tests.ingest.saas import mutated
from tests.recordings import MUTATIONS

SESSION = "conv-1"


def fact(kind: str, data: dict[str, Any], subject: str | None = SESSION) -> dict[str, Any]:
    """A CloudEvent of the control plane."""
    return {
        "specversion": "1.0",
        "type": f"org.example.chainbrake.{kind}.v1",
        "source": "//control",
        "id": "f-1",
        "time": "2026-09-21T14:13:20.250Z",
        "subject": subject,
        "datacontenttype": "application/json",
        "data": data,
    }


STARTED = {
    "session": SESSION,
    "agent": {"id": "agent:deployer", "name": "deployer"},
    "principal": {"type": "user", "id": "ann@example.org"},
    "workflow": "wf-1",
    "parent_session": "conv-0",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "runtime": {
        "cluster": "c-1",
        "namespace": "agents",
        "pod": "deployer-0",
        "pod_uid": "uid-1",
        "egress": "192.0.2.7",
    },
}
APPROVAL = {
    "request_id": "apr-1",
    "action": "iam:AttachRolePolicy",
    "resource": "app:policy/read",
    "digest": "sha256:aa",
    "requested_by": "agent:deployer",
    "decided_by": "bob@example.org",
    "decision": "granted",
    "expires": "2026-09-21T14:28:20Z",
}
CHANGE = {"change": "CHG-1", "issuers": ["id.example.org"], "by": "ann@example.org"}
SAMPLES = [
    fact("session.started", STARTED),
    fact("session.ended", {"session": SESSION, "reason": "completed"}),
    fact("approval.requested", APPROVAL),
    fact("approval.granted", APPROVAL),
    fact("credential.bound", {"credential_type": "entra.uti", "credential_id": "uti-1"}),
    fact("change.registered", CHANGE | {"window": ["2026-09-21T14:00:00Z", "2026-09-21T16:00:00Z"]}),
    fact("plan.registered", {"plan_hash": "sha256:bb", "run_id": 7, "targets": ["iam:role/app"]}),
    fact("command.ack", {"command_id": "cmd-1", "status": "done"}),
]


def test_a_session_that_starts_brings_the_handles_by_which_it_is_known() -> None:
    """Platforms know it by its conversation, its pod or the pod's uid."""
    sighting = one(normalise, fact("session.started", STARTED))
    assert sighting.settled
    assert sighting.event == SessionStart(
        id="f-1",
        source="chainbrake.event",
        at_ms=1790000000250,
        session=SESSION,
        workflow="wf-1",
        agent="agent:deployer",
        principal="ann@example.org",
        on_behalf_of="ann@example.org",
        parent_session="conv-0",
        grade=Grade.ATTESTED,
        facts={
            "address": "192.0.2.7",
            "scope": "agents",
            "pod": "deployer-0",
            "cluster": "c-1",
            "trace": "0af7651916cd43dd8448eb211c80319c",
        },
    )
    assert sighting.brings == (
        Handle("conversation", SESSION),
        Handle("pod", "deployer-0"),
        Handle("pod_uid", "uid-1"),
        Handle("trace", "0af7651916cd43dd8448eb211c80319c"),
    )


def test_a_schedule_is_no_person() -> None:
    """Only people are acted for."""
    scheduled = STARTED | {"principal": {"type": "schedule", "id": "cron:nightly"}}
    event = one(normalise, fact("session.started", scheduled)).event
    assert isinstance(event, SessionStart)
    assert (event.principal, event.on_behalf_of) == ("cron:nightly", "")


def test_a_session_ends_by_its_own_word_or_idle() -> None:
    """Whatever the reason was called, but for idleness."""
    for said, reason in (("completed", "ended"), ("idle", "idle"), ("cancelled", "ended")):
        event = one(normalise, fact("session.ended", {"reason": said})).event
        assert isinstance(event, SessionEnd)
        assert (event.reason, event.session) == (reason, SESSION)


@pytest.mark.parametrize(
    ("kind", "handle"),
    [
        ("aws.access_key", "aws.access_key"),
        ("okta.oauth_token", "okta.api_token"),
        ("okta.api_token", "okta.api_token"),
        ("entra.uti", "entra.uti"),
        ("github.hashed_token", "github.hashed_token"),
        ("vault.accessor", "vault.accessor"),
        ("k8s.jti", "k8s.jti"),
    ],
)
def test_a_credential_that_was_handed_out_is_a_handle(kind: str, handle: str) -> None:
    """Its use is recognised by its id."""
    sighting = one(normalise, fact("credential.bound", {"credential_type": kind, "credential_id": "c-1"}))
    assert isinstance(sighting.event, Registration)
    assert (sighting.event.what, sighting.event.reference) == (Registered.CREDENTIAL, "c-1")
    assert sighting.brings == (Handle(handle, "c-1"),)


def test_a_credential_of_an_unknown_kind_is_registered_and_no_handle() -> None:
    """Nothing would be recognised by it."""
    sighting = one(normalise, fact("credential.bound", {"credential_type": "x.y", "credential_id": "c-1"}))
    assert isinstance(sighting.event, Registration)
    assert sighting.brings == ()


@pytest.mark.parametrize(
    ("action", "resource", "operation"),
    [
        ("iam:AttachRolePolicy", "app:policy/read", "iam:AttachRolePolicy"),
        ("okta:user.mfa.factor.reset_all", "ann", "user.mfa.factor.reset_all"),
        ("entra:Add member to group", "ann->vpn", "Add member to group"),
        ("k8s:create rolebindings", "shop/ops", "create rolebindings"),
        ("gcp:SetIamPolicy", "projects/p:roles/viewer", "SetIamPolicy"),
        ("vault:update", "sys/policies/acl/ops", "update sys/policies/acl"),
        ("vault:read", "auth/approle/role/ops/secret-id", "read auth/approle/role/secret-id"),
        ("pipeline.apply", "sha256:bb", "pipeline.apply"),
    ],
)
def test_an_approval_names_the_operation_as_its_record_will(
    action: str, resource: str, operation: str
) -> None:
    """Else it could cover nothing; the target stays as the service wrote it."""
    sighting = one(normalise, fact("approval.granted", APPROVAL | {"action": action, "resource": resource}))
    assert isinstance(sighting.event, Approval)
    assert (sighting.event.operation, sighting.event.target) == (operation, resource)
    asked = one(
        normalise, fact("approval.requested", APPROVAL | {"action": action, "resource": resource})
    ).event
    assert isinstance(asked, ApprovalRequest)
    assert (asked.operation, asked.request, asked.digest) == (operation, "apr-1", "sha256:aa")


def test_an_approval_of_something_long_covers_nothing_that_only_begins_alike() -> None:
    """A trust policy is part of the resource, and may be long."""
    targets = set()
    for account in ("111122223333", "444455556666"):
        resource = f'app:{{"Condition": "{"x" * 300}", "Principal": "{account}"}}'
        event = one(normalise, fact("approval.granted", APPROVAL | {"resource": resource})).event
        assert isinstance(event, Approval)
        assert event.target.startswith("app:{")
        targets.add(event.target)
    assert len(targets) == 2


def test_an_approval_says_who_when_and_until_when() -> None:
    """The judge compares all of it."""
    event = one(normalise, fact("approval.granted", APPROVAL)).event
    assert isinstance(event, Approval)
    assert (event.decided_by, event.requested_by, event.request) == (
        "bob@example.org",
        "agent:deployer",
        "apr-1",
    )
    assert (event.digest, event.expires_ms, event.at_ms) == ("sha256:aa", 1790000900000, 1790000000250)
    assert event.grade is Grade.ATTESTED


def test_question_and_answer_without_a_number_belong_together_by_their_act() -> None:
    """A service that numbers nothing must not make honest work look unapproved; nor haste look human."""
    said: list[str] = []
    for kind, resource in (("requested", "app:a"), ("granted", "app:a"), ("granted", "app:b")):
        unnumbered = APPROVAL | {"request_id": None, "resource": resource}
        event = one(normalise, fact(f"approval.{kind}", unnumbered)).event
        assert isinstance(event, Approval | ApprovalRequest)
        said.append(event.request)
    assert said[0] == said[1] != said[2]


def test_a_digest_of_something_else_is_told() -> None:
    """Whoever alters what was approved cannot alter what was signed; another form of digest says nothing."""
    signed = sha256(b"iam:AttachRolePolicy|app:policy/read").hexdigest()
    for digest, resource, fits in [
        (f"sha256:{signed}", "app:policy/read", True),
        (f"sha256:{signed}", "app:policy/AdministratorAccess", False),
        ("sha256:aa", "app:policy/read", True),
        (None, "app:policy/read", True),
    ]:
        granted = fact("approval.granted", APPROVAL | {"digest": digest, "resource": resource})
        event = one(normalise, granted).event
        assert isinstance(event, Approval)
        assert event.digest_fits is fits, (digest, resource)


@pytest.mark.parametrize(
    ("kind", "data", "what", "reference", "targets"),
    [
        ("change.registered", {"change": "C-1", "stack": "arn:s"}, "change", "C-1", ("arn:s",)),
        (
            "change.registered",
            {"change": "C-1", "objects": ["shop/Role/a"]},
            "change",
            "C-1",
            ("shop/Role/a",),
        ),
        ("change.registered", {"change": "C-1", "issuers": ["id.x"]}, "change", "C-1", ("id.x",)),
        (
            "change.registered",
            {"change": "C-1", "tickets": ["T-1"], "users": ["ann", "bob"]},
            "change",
            "C-1",
            ("ann", "bob", "T-1"),
        ),
        ("campaign.registered", {"campaign": "Q3"}, "campaign", "Q3", ()),
        ("case.opened", {"case": "K-1", "subjects": ["ann"]}, "case", "K-1", ("ann",)),
        ("incident.declared", {"incident": "I-1", "principals": ["glass"]}, "incident", "I-1", ("glass",)),
        ("incident.closed", {"incident": "I-1"}, "incident_closed", "I-1", ()),
        (
            "exercise.registered",
            {"exercise": "E-1", "accounts": ["4"], "principals": ["arn:r"]},
            "exercise",
            "E-1",
            ("4", "arn:r"),
        ),
        ("pipeline.apply.started", {"plan_hash": "sha256:b"}, "plan_started", "sha256:b", ()),
        ("plan.registered", {"plan_hash": "sha256:b", "targets": ["r"]}, "plan", "sha256:b", ("r",)),
    ],
)
def test_what_is_declared_names_all_that_it_covers(
    kind: str, data: dict[str, Any], what: str, reference: str, targets: tuple[str, ...]
) -> None:
    """Whatever each kind calls it."""
    event = one(normalise, fact(kind, data | {"by": "ann"})).event
    assert isinstance(event, Registration)
    assert (event.what, event.reference, event.targets) == (what, reference, targets)
    assert (event.decided_by, event.session) == ("ann", SESSION)


def test_a_window_and_a_signature_are_noted() -> None:
    """From when, until when, in which repository, and that it was signed."""
    window = ["2026-09-21T14:00:00Z", "2026-09-21T16:00:00Z"]
    event = one(
        normalise, fact("change.registered", CHANGE | {"window": window, "signed": True, "repo": "o/r"})
    ).event
    assert isinstance(event, Registration)
    assert (event.starts_ms, event.expires_ms) == (1789999200000, 1790006400000)
    assert (event.facts["signed"], event.facts[Fact.REPOSITORY]) == ("true", "o/r")
    unsigned = one(normalise, fact("change.registered", CHANGE | {"signed": False})).event
    assert isinstance(unsigned, Registration)
    assert "signed" not in unsigned.facts


def test_a_stop_is_done_when_the_hook_says_so_and_not_before() -> None:
    """A hook that failed has stopped nothing."""
    done = {"command_id": "cmd-1", "status": "done", "case": "K-1", "scope_hit": "session"}
    event = one(normalise, fact("command.ack", done)).event
    assert isinstance(event, Registration)
    assert (event.what, event.reference, event.facts[Fact.CHANGE]) == (Registered.STOP_DONE, "cmd-1", "K-1")
    assert normalise(encoded(fact("command.ack", done | {"status": "failed"}))) == ()


def test_a_start_that_does_not_say_which_agent_still_begins_a_run() -> None:
    """Its pod and its workflow explain records; who runs, its spans say."""
    event = one(normalise, fact("session.started", {"workflow": "wf-1"})).event
    assert isinstance(event, SessionStart)
    assert (event.agent, event.workflow) == ("", "wf-1")


def test_an_event_of_ours_is_passed_on() -> None:
    """Whatever its kind, in the session that it names."""
    data = {
        "kind": "operation",
        "at_ms": 1790000000000,
        "workflow": "w",
        "session": "s",
        "agent": "a",
        "operation": "o",
    }
    record = fact("event.operation", data) | {"id": "e-1", "source": "gateway"}
    record["type"] = "dev.chainbrake.event.operation.v1"
    sighting = one(normalise, record)
    assert sighting.settled
    assert isinstance(sighting.event, Operation)
    assert (sighting.event.id, sighting.event.source, sighting.event.session) == ("e-1", "gateway", "s")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"specversion": "0.3"}, Unreadable.ENVELOPE),
        ({"type": "org.example.other.v1"}, Unreadable.ENVELOPE),
        ({"type": "org.example.chainbrake.weather.v1"}, Unreadable.ENVELOPE),
        ({"time": "yesterday"}, Unreadable.INVALID),
        ({"id": ""}, Unreadable.INVALID),
        ({"subject": "", "data": {"reason": "completed"}}, Unreadable.INVALID),
        ({"data": {"reason": 7}}, Unreadable.INVALID),
    ],
)
def test_what_is_no_fact_is_refused_with_its_reason(changed: dict[str, Any], reason: Unreadable) -> None:
    """And never guessed."""
    with pytest.raises(UnreadableEventError) as caught:
        normalise(encoded(fact("session.ended", {"reason": "completed"}) | changed))
    assert caught.value.reason is reason


def test_nothing_leaves_that_is_no_name() -> None:
    """Fields that we do not know are not read: a gateway may say more than it should."""
    planted = "hunter2-planted"
    for sample in SAMPLES:
        data = sample["data"] | {
            "token": planted,
            "secret": {"value": planted},
            "signature": planted,
            "note": planted,
        }
        told = sample | {"data": data, "comment": planted, "source": planted}
        assert planted not in str(normalise(encoded(told)))


@pytest.mark.corpus
@MUTATIONS
@given(record=mutated(SAMPLES))
def test_whatever_comes_in_is_a_sighting_or_an_error_with_its_reason(record: bytes) -> None:
    """No other exception, and nothing beyond the limits of an event."""
    holds(normalise, record)


@pytest.mark.corpus
def test_every_fact_of_the_scenarios_is_read_as_it_is_written() -> None:
    """Checked against the fields themselves: the session, the time, and what each kind is about."""
    for record in sampled("chainbrake.event"):
        event: Event = one(normalise, record).event
        data = record["data"]
        assert (event.session, event.id) == (record["subject"], record["id"])
        assert abs(event.at_ms / 1000 - datetime.fromisoformat(record["time"]).timestamp()) < 0.001
        named = {
            *(
                "change",
                "case",
                "incident",
                "exercise",
                "campaign",
                "plan_hash",
                "credential_id",
                "command_id",
            )
        } & set(data)
        if isinstance(event, Registration):
            assert event.reference in {data[key] for key in named}
        elif isinstance(event, Approval | ApprovalRequest):
            assert data["action"].endswith(event.operation.split(" sys/")[0])
            whole = data["resource"]
            head, cut, _ = event.target.rpartition("~") if len(whole) > NAME_MAX else (event.target, "", "")
            assert whole.startswith(head) if cut else whole == head
            assert event.digest == data["digest"]
        elif isinstance(event, SessionStart):
            assert (event.agent, event.workflow) == (data["agent"]["id"], data["workflow"])
            assert event.parent_session == (data["parent_session"] or "")
