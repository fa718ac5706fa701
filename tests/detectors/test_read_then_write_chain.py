"""`read_then_write_chain`: how sure it is, and that neither order of arrival nor noise changes its mind."""

from itertools import permutations

import pytest

from models.command import Action
from models.event import AnyEvent, CredentialKind, Delegation, Grade
from tests.builders import CHAIN, Judged, approval, judged, only, op, told

ALONE = only("read_then_write_chain")
STOP = [Action.KILL_SESSION, Action.REVOKE_TOKEN]
STEP_UP = [Action.STEP_UP]
LOOKED = told("D@0 P@30 S@60")


def test_a_chain_on_the_target_whose_policies_were_read_is_stopped() -> None:
    """The whole match is evidence, and the reason names its steps in order."""
    heard = judged(told(CHAIN), ALONE)
    (finding,) = heard.findings
    assert heard.actions == STOP
    assert finding.confidence == ALONE.detectors.read_then_write_chain.confidence_bound
    assert finding.evidence == tuple(event.id for event in told(CHAIN))
    assert finding.reason.startswith("iam:ListRoles, then iam:ListAttachedRolePolicies, then")
    assert "in 90.0 s" in finding.reason


@pytest.mark.parametrize("kinds", [("role", "cluster"), ("", "")], ids=["another kind", "no kind"])
def test_a_change_of_another_kind_of_target_is_stopped(kinds: tuple[str, str]) -> None:
    """Policies of one kind may well lead to a change of another: less sure, sure enough."""
    read, written = kinds
    heard = judged(
        [
            *told("D@0"),
            *told("P@30", target_kind=read),
            *told("S@60"),
            op("V", 90, target="x", target_kind=written),
        ],
        ALONE,
    )
    assert heard.actions == STOP
    assert heard.findings[0].confidence == ALONE.detectors.read_then_write_chain.confidence


@pytest.mark.parametrize("outcome", ["denied", "error"])
def test_a_failed_write_asks_for_step_up_only(outcome: str) -> None:
    """Nothing was gained: a human looks, nobody is cut off."""
    heard = judged(told(f"D@0 P@30 S@60 V@90:{outcome}"))
    assert heard.actions == STEP_UP


def test_another_target_of_the_same_kind_asks_for_step_up_only() -> None:
    """The session reviewed one role and changed another: that is what reviewers do, too."""
    assert judged([*LOOKED, op("V", 90, target="role/other")], ALONE).actions == STEP_UP


@pytest.mark.parametrize("guessed", range(4))
def test_inferred_evidence_never_stops(guessed: int) -> None:
    """A conclusion is as good as the worst of its evidence."""
    events = [op(letter, 30 * k, grade=Grade.INFERRED if k == guessed else Grade.ATTESTED)
              for k, letter in enumerate("DPSV")]  # fmt: skip
    heard = judged(events)
    assert heard.actions == STEP_UP
    assert heard.findings[0].grade is Grade.INFERRED


@pytest.mark.parametrize(
    "order", list(permutations(range(4))), ids=lambda order: "".join("DPSV"[k] for k in order)
)
@pytest.mark.parametrize("pace_s", [0.001, 30, 75])
def test_every_order_of_arrival_gives_the_same_verdict(order: tuple[int, ...], pace_s: float) -> None:
    """Late is not innocent: the log's order does not matter, the producers' time does."""
    events = [op(letter, pace_s * k) for k, letter in enumerate("DPSV")]
    in_order = judged(events, ALONE)
    shuffled = judged([events[k] for k in order], ALONE)
    assert shuffled.actions == in_order.actions == STOP
    assert [finding.confidence for finding in shuffled.findings] == [0.97]
    assert shuffled.findings[0].evidence == in_order.findings[0].evidence
    assert [command.risk for command in shuffled.commands] == [command.risk for command in in_order.commands]


@pytest.mark.parametrize("order", [order for order in permutations("DPS") if order != ("D", "P", "S")])
def test_another_order_of_events_is_no_chain(order: tuple[str, ...]) -> None:
    """Only looking, then reading the rules, then the secret, then the change is this chain."""
    events: list[AnyEvent] = [op(letter, 30 * k) for k, letter in enumerate(order)]
    assert judged([*events, op("V", 90)], ALONE).findings == []


def test_it_says_over_how_many_sessions_a_chain_was_split() -> None:
    """The writer is stopped; the planner is named by the evidence."""
    heard = judged([*told("D@0 P@30", session="planner"), *told("S@60 V@90", session="executor")], ALONE)
    assert heard.stopped == {"executor"}
    assert "over 2 sessions of one workflow" in heard.findings[0].reason


def test_a_late_step_of_another_session_blames_the_session_that_wrote() -> None:
    """The event that makes a chain visible need not be the act that is stopped."""
    heard = judged([*told("P@30 S@60 V@90", session="executor"), op("D", 0, session="planner")], ALONE)
    assert heard.stopped == {"executor"}
    assert {command.event_id for command in heard.commands} == {"w1/planner/D@0"}


def test_a_second_rise_does_not_fire_again() -> None:
    """One chain, one finding, one stop: more writes of a stopped session are no news."""
    heard = judged([*told(CHAIN), *told("V@91 V@92 R@93 T@94")])
    assert heard.detectors.count("read_then_write_chain") == 1
    assert heard.actions == STOP


def test_the_same_chain_is_news_again_once_half_of_the_alarm_has_faded() -> None:
    """The finding comes again; the stop still stands and is not earned twice."""
    heard = judged([*told(CHAIN), op("V", 90 + 16 * 60)], ALONE)
    assert heard.detectors == ["read_then_write_chain"] * 2
    assert heard.actions == STOP


def test_a_failed_write_that_then_succeeds_rises_from_step_up_to_stop() -> None:
    """A surer finding is news at any time."""
    heard = judged([*told("D@0 P@30 S@60 V@90:denied"), op("V", 100)], ALONE)
    assert heard.actions == [*STEP_UP, *STOP]


def test_a_duplicate_changes_nothing() -> None:
    """The same id of the same source, however often it is delivered."""
    once = judged(told(CHAIN), ALONE)
    thrice = judged([event for event in told(CHAIN) for _ in range(3)], ALONE)
    assert thrice.commands == once.commands
    assert thrice.findings == once.findings
    assert thrice.judge.tally.duplicates == 8


def test_an_approval_covers_one_change_only() -> None:
    """The second change of the same target needs an approval of its own."""
    heard = judged([*LOOKED, approval(80), op("V", 85)], ALONE)
    assert heard.commands == []
    assert heard.fold([op("V", 86)]).actions == STOP
    assert judged([*LOOKED, approval(80), approval(81), op("V", 85), op("V", 86)], ALONE).commands == []


def test_an_approval_outlives_a_failed_try() -> None:
    """What did not happen has used nothing up: a throttled call may be tried again."""
    tries = told("V@85:error V@86:denied V@87")
    assert judged([*LOOKED, approval(80), *tries], ALONE).commands == []


def test_an_approval_of_thirty_changes_covers_a_fast_plan() -> None:
    """Infrastructure as code reads secrets, too, and is faster than any rogue: approved, it is let be."""
    names = [f"role/r{k}" for k in range(30)]
    plan = [approval(-100, id=f"a{k}", target=name) for k, name in enumerate(names)]
    applied = [op("V", 1 + k / 50, target=name) for k, name in enumerate(names)]
    heard = judged([*plan, *told("D@0 P@0.1 S@0.2"), *applied])
    assert heard.commands == []


def test_a_shared_credential_is_not_revoked() -> None:
    """The session is killed at the gateway instead: other agents hold that credential."""
    for kind in (CredentialKind.SHARED, CredentialKind.UNKNOWN):
        assert judged(told(CHAIN, credential_kind=kind), ALONE).actions == [Action.KILL_SESSION]


def test_a_flood_of_every_class_between_the_steps_does_not_displace_the_chain() -> None:
    """There are as many registers as steps, and noise can only improve them."""
    heard = Judged(ALONE)
    for k, letter in enumerate("DPS"):
        heard.fold([op(letter, 100 * k, target="role/app", target_kind="role")])
        noise = "DPSXUCL"[: 7 if letter == "S" else 1]
        heard.fold(
            op(noise[n % len(noise)], 100 * k + 1 + n / 100, session=f"n{n % 90}", target="role/app",
               target_kind="role", id=f"{letter}{n}")
            for n in range(2000)
        )  # fmt: skip
    assert heard.commands == []
    assert heard.fold([op("V", 400)]).actions == STOP


def test_a_delegated_session_inherits_half_of_what_its_parent_is_suspected_of() -> None:
    """Handing the work on does not wash it clean; an inherited suspicion alone stops nobody."""
    heard = judged([*told(CHAIN), Delegation(id="d", source="gateway", at_ms=op("V", 91).at_ms, workflow="w1",
                                             session="s2", parent_session="s1")], ALONE)  # fmt: skip
    (alarm,) = heard.session("s2").alarms.values()
    assert alarm.confidence == pytest.approx(0.97 / 2, rel=0.01)
    heard.fold([op("D", 92, session="s2", agent="agent-8")])
    assert heard.stopped == {"s1"}


def test_a_late_step_completes_the_chain_of_every_change_after_it() -> None:
    """The last change was approved; the one before it was not, and counts whatever came late."""
    second = op("V", 100, target="role/b")
    for late in "DPS":
        steps = [step for step in LOOKED if step.id[-4:].count(f"{late}@") == 0]
        (missing,) = [step for step in LOOKED if step not in steps]
        heard = judged([*steps, *told("V@90"), approval(95, target="role/b"), second, missing], ALONE)
        assert heard.actions == STOP, late


def test_reading_many_policies_does_not_hide_which_ones_were_read() -> None:
    """More targets than are kept: what was changed may well be among those that were forgotten."""
    others = [op("P", 31 + k, target=f"role/x{k}") for k in range(40)]
    heard = judged([*told("D@0 P@30"), *others, *told("S@80 V@90")], ALONE)
    assert heard.actions == STOP
    assert heard.findings[0].confidence == ALONE.detectors.read_then_write_chain.confidence
