"""Somebody's word given for one session is told again where it is needed, once, and before the act."""

from typing import Any

import pytest

from models.event import Approval, ApprovalRequest, Registration
from models.registry import Content, Registry
from stream.ingest.vouching import EACH_MAX, Vouching
from tests.builders import AGENT, approval, at, op, registered

ASKED: dict[str, Any] = {"requested_by": "ann@example.org", "decided_by": "bob@example.org"}


def act(seconds: float, **changed: Any) -> Any:
    """Ann changes something, in her own session."""
    fields = {"principal": "ann@example.org", "workflow": "w9", "session": "s9"}
    return op("V", seconds, **(fields | changed))


def test_an_approval_follows_whoever_asked_for_it() -> None:
    """Asked for one session, acted on in another: both workflows hold it, under ids of their own."""
    vouching = Vouching()
    vouching.hear(ApprovalRequest(**_asked(-60)))
    vouching.hear(approval(-10, **ASKED))
    asked, granted = vouching.for_act(act(0))
    assert isinstance(asked, ApprovalRequest)
    assert isinstance(granted, Approval)
    assert {(word.workflow, word.session) for word in (asked, granted)} == {("w9", "s9")}
    assert granted.id != approval(-10).id


def test_it_is_told_once_in_each_workflow() -> None:
    """The judge keeps it; a second telling would be a second approval."""
    vouching = Vouching()
    vouching.hear(approval(1, **ASKED))
    assert len(vouching.for_act(act(0))) == 1, "dated by another clock"
    assert vouching.for_act(act(1)) == []
    assert len(vouching.for_act(op("V", 2, principal="ann@example.org", workflow="w8"))) == 1


def test_a_commit_follows_the_objects_that_it_names() -> None:
    """Whoever merged it is not whoever applies it."""
    vouching = Vouching()
    vouching.hear(registered("change", -10, targets=("billing/RoleBinding/billing-ops",)))
    (told,) = vouching.for_act(act(0, target="billing/billing-ops"))
    assert isinstance(told, Registration)
    assert vouching.for_act(act(1, target="billing/other")) == []


def test_neither_reads_nor_strangers_nor_what_came_before_are_told_anything() -> None:
    """A word is given beforehand, about somebody, for a change."""
    vouching = Vouching()
    vouching.hear(approval(10, **ASKED))
    assert vouching.for_act(act(0)) == [], "it came later"
    assert vouching.for_act(op("V", 20, workflow="w9", principal="eve@example.org")) == []
    assert vouching.for_act(op("D", 20, workflow="w9", principal="ann@example.org")) == []
    assert vouching.for_act(op("V", 20, principal="ann@example.org")) == [], "its own workflow has it"


def test_an_agent_s_approval_follows_it_only_where_its_run_is_not_known() -> None:
    """Its token was handed out unseen, so the act lies in the account's session; a run is not another's."""
    vouching = Vouching()
    vouching.hear(approval(1, requested_by=AGENT))
    assert vouching.for_act(op("V", 10, workflow="w9", session="s9"), traced=True) == []
    (told,) = vouching.for_act(op("V", 11, workflow="w9", session="account-7"), traced=False)
    assert isinstance(told, Approval)
    assert (told.workflow, told.session) == ("w9", "account-7")
    assert vouching.for_act(op("V", 12, workflow="w8", agent="agent-8"), traced=False) == []


def test_where_nobody_says_who_asked_a_person_who_does_just_that_is_told() -> None:
    """Found by what it names; what a run was allowed is nobody else's."""
    unsaid = {**ASKED, "requested_by": "", "target": "org/Global Admin:eve@example.org"}
    person: dict[str, Any] = {"agent": "ann@example.org", "target": "Global Admin"}
    vouching = Vouching()
    vouching.hear(approval(1, **unsaid))
    assert vouching.for_act(act(10, target="Global Admin"), traced=False) == [], "an agent's act"
    assert vouching.for_act(act(10, **person), traced=True) == [], "a run's act"
    assert vouching.for_act(act(10, **{**person, "target": "Reader"}), traced=False) == []
    (told,) = vouching.for_act(act(10, **person), traced=False)
    assert (told.workflow, told.session) == ("w9", "s9")


@pytest.mark.parametrize(
    "said",
    [
        "Reader for eve@example.org",
        "eve@example.org as Reader until 18:00",
        "Assign Reader to eve@example.org",
        "Eve Miller -> Reader",
    ],
)
def test_nor_does_it_matter_how_it_was_said(said: str) -> None:
    """A sentence names the same things as a pair does."""
    vouching = Vouching()
    vouching.hear(approval(1, requested_by="", target=said))
    facts = {"beneficiary": "eve@example.org"}
    (told,) = vouching.for_act(act(2, target="Reader", facts=facts, agent=""), traced=False)
    assert isinstance(told, Approval)
    assert vouching.for_act(act(3, target="Writer", workflow="w8", agent=""), traced=False) == []


def raised(seconds: float, **changed: Any) -> Any:
    """The emergency account is given rights, by Ann, in her own session."""
    facts = {"beneficiary": "breakglass"}
    return act(seconds, **({"agent": "ann@example.org", "facts": facts, "target": "role/owner"} | changed))


def declared(seconds: float, what: str = "incident", **changed: Any) -> Registration:
    """An incident, for the emergency account and in its session; or the end of it."""
    return registered(what, seconds, "inc-1", **({"targets": ("breakglass",), "session": "s3"} | changed))


def test_an_incident_follows_the_approver_who_gives_its_account_rights() -> None:
    """Whoever declared it and whoever acts are two; and that it is over follows, too."""
    vouching = Vouching(Registry(Content(approvers=("ann@example.org",))))
    vouching.hear(declared(-60))
    (told,) = vouching.for_act(raised(0), traced=False)
    assert isinstance(told, Registration)
    assert (told.what, told.workflow, told.session) == ("incident", "w9", "s9")
    assert vouching.for_act(raised(1), traced=False) == []
    vouching.hear(declared(5, "incident_closed", targets=()))
    (over,) = vouching.for_act(raised(10), traced=False)
    assert isinstance(over, Registration)
    assert (over.what, over.reference) == ("incident_closed", "inc-1")
    fresh = vouching.for_act(raised(11, workflow="w8"), traced=False)
    assert [word.what for word in fresh if isinstance(word, Registration)] == ["incident", "incident_closed"]


@pytest.mark.parametrize(
    ("changed", "traced"),
    [
        ({"principal": "eve@example.org", "agent": "eve@example.org"}, False),
        ({"agent": AGENT}, False),
        ({}, True),
        ({"facts": {"beneficiary": "svc-reports"}}, False),
        ({"at_ms": at(-90)}, False),
    ],
    ids=["who may not approve", "an agent", "a run", "another account", "before it was declared"],
)
def test_an_incident_follows_nobody_else(changed: dict[str, Any], *, traced: bool) -> None:
    """An agent's act in an emergency is nobody's word but its own."""
    vouching = Vouching(Registry(Content(approvers=("ann@example.org",))))
    vouching.hear(declared(-60))
    assert vouching.for_act(raised(0, **changed), traced=traced) == []


def test_a_flood_of_words_for_one_person_keeps_the_newest() -> None:
    """Bounded, and the newest is what an act is most likely about."""
    vouching = Vouching()
    for k in range(3 * EACH_MAX):
        vouching.hear(approval(k, **ASKED))
    told = vouching.for_act(act(1000))
    assert [word.at_ms for word in told] == [at(k) for k in range(2 * EACH_MAX, 3 * EACH_MAX)]


def _asked(seconds: float) -> dict[str, Any]:
    given = approval(seconds, **ASKED)
    return {
        "id": "asked",
        "source": given.source,
        "at_ms": given.at_ms,
        "workflow": given.workflow,
        "session": given.session,
        "request": "apr-1",
        "operation": given.operation,
        "target": given.target,
        "requested_by": given.requested_by,
    }
