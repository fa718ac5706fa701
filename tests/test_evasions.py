"""Ways round the judge that somebody thought of, each closed."""

import pytest

from detectors.arrival import believed
from detectors.policy import Policy
from models.command import Action
from models.event import Grade, OpClass, Outcome
from tests.builders import CHAIN, approval, at, judged, op, told

STOP = [Action.KILL_SESSION, Action.REVOKE_TOKEN]


def test_a_clock_that_is_ahead_makes_no_true_date_late() -> None:
    """Decoys dated minutes ahead are judged at their arrival, so they push nothing out of memory."""
    policy = Policy()
    decoys = [op("DP"[k % 2], 240 + k, id=f"decoy{k}") for k in range(40)]
    arrived = [believed(decoy, at(0), policy) for decoy in decoys]
    assert {event.at_ms for event in arrived} == {at(0)}
    assert judged([*arrived, *told("D@1 P@30 S@60 V@90")]).actions == STOP


@pytest.mark.parametrize("letters", ["D", "DP", "DPS"])
def test_guesses_do_not_take_the_place_of_evidence(letters: str) -> None:
    """An agent that calls its own steps inferred does not turn a stop into a step-up."""
    decoys = [
        op(letter, 61 + k, id=f"decoy{k}", grade=Grade.INFERRED) for k, letter in enumerate(letters * 8)
    ]
    assert judged([*told("D@0 P@30 S@60"), *decoys, op("V", 100)]).actions == STOP


def test_one_act_told_by_two_sources_uses_one_approval() -> None:
    """The gateway and the platform both tell of the approved change: an honest agent is not stopped."""
    act = op("V", 90)
    told_again = op("V", 91, id="platform-1", source="platform", grade=Grade.ATTESTED)
    allowed = approval(80, operation=act.operation, target=act.target)
    assert judged([*told("D@0 P@30 S@60"), allowed, act, told_again]).actions == []
    repeated = op("V", 95, id="again")
    assert judged([*told("D@0 P@30 S@60"), allowed, act, repeated]).actions == STOP


def test_an_inferred_approval_allows_nothing() -> None:
    """Somebody has to have said it."""
    act = op("V", 90)
    guessed = approval(80, operation=act.operation, target=act.target, grade=Grade.INFERRED)
    assert judged([*told("D@0 P@30 S@60"), guessed, act]).actions == STOP


def test_denied_reads_do_not_push_a_denied_grant_out_of_memory() -> None:
    """A flood of small denials hides no large one."""
    denied = op("V", 0, target="role/admin", outcome=Outcome.DENIED)
    flood = [op("S", 1 + k, id=f"s{k}", target=f"secret/{k}", outcome=Outcome.DENIED) for k in range(30)]
    done = op("V", 60, target="role/admin", system="cluster")
    assert "denied_then_elsewhere" in {f.detector for f in judged([denied, *flood, done]).findings}
    assert OpClass.PRIVILEGE_CHANGE is denied.op_class


def test_a_late_event_does_not_change_whose_credential_is_revoked() -> None:
    """The newest event says who a session is now."""
    late = op("D", 10, id="late", credential="old", principal="old")
    heard = judged([*told("D@0 P@30 S@60"), late, *told(CHAIN)[-1:]])
    assert {command.credential for command in heard.commands} != {"old"}
