"""GitHub's audit log as operations."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given

from models.attested import Effect, Fact
from models.errors import Unreadable, UnreadableEventError
from models.event import EVENT_BYTES_MAX, CredentialKind, Grade, OpClass, Operation, Outcome
from stream.sources.github.audit import normalise
from stream.sources.sighting import Handle
from tests.ingest.changing import encoded
from tests.ingest.saas import (
    holds,
    mostly_known,
    mostly_right,
    mutated,
    only,
    operation,
    panther_records,
    scenario_records,
)
from tests.recordings import MUTATIONS


def entry(action: str, **changed: Any) -> dict[str, Any]:
    """What an app's bot did in a repository; `changed` are fields that matter to the test."""
    return {
        "@timestamp": 1_790_000_000_250,
        "_document_id": "d-1",
        "action": action,
        "actor": "review[bot]",
        "actor_ip": "192.0.2.7",
        "org": "example",
        "repo": "example/shop",
        "request_id": "R:1",
        "hashed_token": "hash-1=",
        "token_id": 17,
        "programmatic_access_type": "GitHub App server-to-server token",
        "user_agent": "agent/1",
        **changed,
    }


def read(record: dict[str, Any]) -> Operation:
    """The operation that an entry is."""
    return operation(only(normalise(encoded(record))))


def test_an_entry_is_traced_by_token_request_and_run() -> None:
    """The token's hash comes first: it is what the gateway handed to one session."""
    sighting = only(normalise(encoded(entry("git.clone"))))
    found = operation(sighting)
    assert (found.source, found.id, found.act, found.at_ms) == (
        "github.audit",
        "d-1",
        "R:1",
        1_790_000_000_250,
    )
    assert found.session == found.workflow == "github:review[bot]"
    assert (found.principal, found.grade, found.target) == ("review[bot]", Grade.ATTESTED, "example/shop")
    assert (found.credential, found.credential_kind) == ("hash-1=", CredentialKind.EPHEMERAL)
    assert found.op_class is OpClass.DISCOVERY
    assert sighting.follows == (Handle("github.hashed_token", "hash-1="), Handle("github.request", "R:1"))
    assert (found.facts[Fact.ADDRESS], found.facts[Fact.REPOSITORY]) == ("192.0.2.7", "example/shop")


@pytest.mark.parametrize("run", [8039501335, "8039501335"])
def test_a_workflows_run_is_a_session_of_its_own(run: Any) -> None:
    """What a pipeline does belongs to the run, and to whom started it only by name."""
    record = entry(
        "workflows.created_workflow_run",
        workflow_run_id=run,
        head_branch="main",
        head_sha="c0ffee",
        name="apply",
        actor="ann",
        hashed_token=None,
    )
    sighting = only(normalise(encoded(record)))
    found = operation(sighting)
    assert (found.session, found.principal) == ("github:run:8039501335", "ann")
    assert Handle("github.run", "8039501335") in sighting.follows
    assert (found.facts[Fact.PIPELINE], found.facts[Fact.REF]) == ("apply", "main")
    assert found.facts[Fact.CHANGE] == "c0ffee"


@pytest.mark.parametrize(
    ("permissions", "selection", "effects"),
    [
        ({"contents": "write", "administration": "write"}, "all", {Effect.ADMIN, Effect.WIDE}),
        ({"contents": "write", "administration": "write"}, "subset", {Effect.ADMIN}),
        ({"contents": "read", "administration": "read"}, "subset", set()),
        ({"contents": "write"}, "all", {Effect.WIDE}),
    ],
)
def test_a_personal_token_says_what_it_may_and_where(
    permissions: dict[str, str], selection: str, effects: set[Effect]
) -> None:
    """C22: one with rights over everything, granted by a bot that reviews."""
    record = entry(
        "personal_access_token.access_granted",
        user_programmatic_access_name="helper",
        permissions=permissions,
        repository_selection=selection,
    )
    found = read(record)
    assert found.op_class is OpClass.CREDENTIAL_MINT
    assert set(found.effects) - {Effect.MINTS, Effect.LONG_LIVED, Effect.EXPANDS} == effects
    assert (found.target, found.facts[Fact.MINTED]) == ("helper", "helper")
    assert found.facts[Fact.GRANTED] == ",".join(f"{right}:{level}" for right, level in permissions.items())
    assert found.facts[Fact.BENEFICIARY] == "review[bot]"


@pytest.mark.parametrize(
    ("action", "op_class", "effect"),
    [
        ("repository_secret_scanning.disable", OpClass.GUARDRAIL_CHANGE, Effect.WEAKENS),
        ("protected_branch.policy_override", OpClass.PRIVILEGE_CHANGE, Effect.WEAKENS),
        ("protected_branch.destroy", OpClass.GUARDRAIL_CHANGE, Effect.WEAKENS),
        ("repository_ruleset.destroy", OpClass.GUARDRAIL_CHANGE, Effect.WEAKENS),
        ("org.disable_two_factor_requirement", OpClass.GUARDRAIL_CHANGE, Effect.WIDE),
        ("business.add_admin", OpClass.ROLE_MAPPING, Effect.ADMIN),
        ("org.update_saml_provider_settings", OpClass.TRUST_CHANGE, Effect.TRUST_PATH),
        ("hook.create", OpClass.TRUST_CHANGE, Effect.OUTBOUND),
        ("org.remove_member", OpClass.ROLE_MAPPING, Effect.REMOVES),
        ("audit_log_streaming.destroy", OpClass.GUARDRAIL_CHANGE, Effect.WEAKENS),
    ],
)
def test_guard_rails_and_rights_are_told_apart(action: str, op_class: OpClass, effect: Effect) -> None:
    """What goes down, who is let in, and how far it reaches."""
    found = read(entry(action, user="bob", branch="refs/heads/main"))
    assert found.op_class is op_class
    assert effect in found.effects


@pytest.mark.parametrize("field", ["branch", "name"])
def test_a_branch_is_named_behind_its_repository(field: str) -> None:
    """As people write it who allow that its rules are passed over."""
    found = read(entry("protected_branch.policy_override", **{field: "refs/heads/main"}))
    assert found.facts[Fact.THING] == f"{found.target}@main"


def test_everyday_work_is_known_and_no_gain() -> None:
    """A review bot does little else."""
    for action in (
        "git.fetch",
        "pull_request_review.submit",
        "pull_request.merge",
        "repository_secret_scanning.enable",
    ):
        assert read(entry(action)).op_class is OpClass.OTHER
    assert read(entry("not_yet.invented")).op_class is OpClass.UNCLASSIFIED


def test_a_push_is_a_change_whose_files_the_log_does_not_name() -> None:
    """Whether a workflow was among them is only known to whoever pushed."""
    found = read(entry("git.push"))
    assert (found.op_class, found.effects) == (OpClass.PRIVILEGE_CHANGE, ())


@pytest.mark.parametrize(
    ("role", "admin"),
    [("admin", True), ("write", False), ("maintain", False), ("owner", True)],
)
def test_a_member_who_may_administer_is_told_from_one_who_may_not(role: str, *, admin: bool) -> None:
    """By the level, in whichever field the action has it."""
    found = read(entry("repo.add_member", user="bob", permission=role))
    assert (Effect.ADMIN in found.effects) is admin
    assert (found.facts[Fact.BENEFICIARY], found.facts[Fact.GRANTED]) == ("bob", role)


@pytest.mark.parametrize(
    ("kind", "credential_kind"),
    [
        ("Fine-grained personal access token", CredentialKind.STATIC),
        ("Personal access token (classic)", CredentialKind.STATIC),
        ("GitHub App user-to-server token", CredentialKind.EPHEMERAL),
        ("Something new", CredentialKind.UNKNOWN),
        (None, CredentialKind.UNKNOWN),
    ],
)
def test_how_long_a_token_lives_is_told_by_its_kind(
    kind: str | None, credential_kind: CredentialKind
) -> None:
    """An installation's token lives an hour, a person's for months."""
    assert read(entry("git.fetch", programmatic_access_type=kind)).credential_kind is credential_kind


@pytest.mark.parametrize(
    ("changed", "effects"),
    [
        ({"ruleset_old_enforcement": "active", "ruleset_enforcement": "disabled"}, (Effect.WEAKENS,)),
        ({"ruleset_old_enforcement": "disabled", "ruleset_enforcement": "active"}, ()),
        ({"ruleset_bypass_actors_added": [{"actor_id": 1}]}, (Effect.WEAKENS,)),
        ({"visibility": "public", "previous_visibility": "private"}, (Effect.WEAKENS, Effect.OUTBOUND)),
        ({"visibility": "private", "previous_visibility": "public"}, ()),
    ],
)
def test_laxer_is_told_from_stricter_where_both_values_are_there(
    changed: dict[str, Any], effects: tuple[Effect, ...]
) -> None:
    """One action for both directions."""
    assert read(entry("repository_ruleset.update", **changed)).effects == effects


def test_refusals_are_in_the_log_as_actions_of_their_own() -> None:
    """Refused calls are otherwise not in it."""
    assert read(entry("protected_branch.rejected_ref_update")).outcome is Outcome.DENIED
    assert read(entry("git.push")).outcome is Outcome.OK


def test_lists_and_older_entries_are_read() -> None:
    """REST gives pages of entries; older ones keep fields below `data` and write times as text."""
    page = [entry("git.fetch"), entry("git.clone", _document_id="d-2")]
    assert [operation(only((each,))).id for each in normalise(encoded(page))] == ["d-1", "d-2"]
    older: dict[str, Any] = {"action": "team.create", "actor": "cat", "created_at": "2026-09-21 14:13:20.250"}
    older |= {"org": "example", "data": {"team": "example/crew", "user": "bob"}}
    found = read(older)
    assert (found.at_ms, found.target) == (1_790_000_000_250, "example/crew")
    assert found.id == read(older).id


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"", Unreadable.TOMBSTONE),
        (b"{", Unreadable.NOT_JSON),
        (b'{"action": "\xff"}', Unreadable.NOT_UTF8),
        (b'"git.push"', Unreadable.INVALID),
        (encoded({"@timestamp": 1_790_000_000_250}), Unreadable.INVALID),
        (encoded({"action": "git.push"}), Unreadable.INVALID),
        (encoded(entry("git.push", **{"@timestamp": "soon"})), Unreadable.INVALID),
        (encoded(entry("git.push", **{"@timestamp": -5}, created_at=2**60)), Unreadable.INVALID),
        (encoded(entry("git.push", actor={"login": "x"})), Unreadable.INVALID),
        (encoded(entry("git.push", user_agent="u" * EVENT_BYTES_MAX)), Unreadable.TOO_LARGE),
        (b'{"data":' + b"[" * 100_000, Unreadable.INVALID),
    ],
)
def test_what_is_no_entry_is_an_error_with_its_reason(record: bytes, reason: Unreadable) -> None:
    """It goes to the dead letters, and the reason is counted."""
    with pytest.raises(UnreadableEventError) as raised:
        normalise(record)
    assert raised.value.reason is reason


def test_no_secret_leaves_the_normaliser() -> None:
    """Settings of hooks, keys, messages and titles of pull requests stay here."""
    secret = "S3CRET-zLk8"  # noqa: S105 - planted
    record = entry(
        "hook.create",
        config={"url": f"https://x.example/{secret}", "secret": secret},
        pull_request_title=secret,
        message=secret,
        explanation=secret,
        openssh_public_key=secret,
        data={"token": secret, "config": {"secret": secret}},
        external_identity_username=secret,
    )
    assert secret.encode() not in msgspec.json.encode(only(normalise(encoded(record))))


SAMPLES: list[Any] = [
    entry(
        "personal_access_token.access_granted",
        permissions={"administration": "write"},
        repository_selection="all",
    ),
    entry("workflows.created_workflow_run", workflow_run_id=1, data={"team": "t", "permission": "admin"}),
    [entry("repo.add_member", user="bob", permission="admin", title="key")],
]


@pytest.mark.corpus
@MUTATIONS
@given(record=mutated(SAMPLES))
def test_no_record_breaks_it(record: bytes) -> None:
    """Sightings or an error with its reason, whatever the bytes."""
    holds(normalise, record)


@pytest.mark.corpus
def test_the_corpora_are_read_right() -> None:
    """Actor, operation, outcome, time and target against the raw fields, by another path."""
    found = [(record, read(record)) for record in scenario_records("github.audit")]
    mostly_right(found, _right)
    mostly_known(found)


def test_samples_of_other_rule_makers_are_read_right() -> None:
    """They were edited by hand: whoever left the time out, or broke it, is given one."""
    good = {"created_at": 1_790_000_000_250}
    records = [
        each if _timed(each) else each | good for each in panther_records("GitHub.Audit") if each.get("actor")
    ]
    found = [(record, read(record)) for record in records]
    mostly_right(found, _right)
    unknown = {each.operation for _, each in found if each.op_class is OpClass.UNCLASSIFIED}
    assert unknown <= {"unknown.admin_role"}


def _timed(record: dict[str, Any]) -> bool:
    moment = record.get("@timestamp", record.get("created_at"))
    return isinstance(moment, int | float) or (isinstance(moment, str) and "." in moment)


def _right(record: dict[str, Any], found: Operation) -> bool:
    moment: Any = record.get("@timestamp", record.get("created_at"))
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000
    below = record.get("data") or {}
    keys = ["repo", "repository", "user", "org", "team", "business", "name", "branch"]
    keys += ["user_programmatic_access_name", "integration", "ruleset_name", "oauth_application_name"]
    shown = {str(source[key]) for source in (record, below) for key in keys if key in source}
    return (
        found.principal == record["actor"]
        and found.operation == record["action"]
        and found.outcome is Outcome.OK
        and abs(found.at_ms - moment) < 1
        and (found.target in shown if shown else not found.target)
    )
