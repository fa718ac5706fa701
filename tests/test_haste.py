"""How fast approvals come: learned from recordings as they are judged, and never guessed."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.policy import Policy
from models.baselines.baseline import read_artifact
from models.baselines.cohorts import EVERYBODY, SESSIONS_MIN
from models.baselines.haste import fastest_bits, haste_bits, took_ms
from models.baselines.surprise_learning import learn_held_out, reach_haste, together
from models.event import AnyEvent, Operation
from stream.learning.training import train
from tests.builders import AGENT, SIGNER, SLOW, TRUSTED, approval, judged, only, op, told

HASTE = only("unusual_approval")


def session(k: int, took_s: float) -> list[AnyEvent]:
    """One that looks up and is allowed something."""
    names = {"workflow": f"w{k}", "session": f"s{k}"}
    looked = told(f"D@0 X@{took_s + 20:g}", agent_role=SLOW, **names)
    answer = approval(took_s + 10, asked_s=10, id=f"a{k}", **names)
    return [looked[0], answer, looked[1]]


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_faster_answer_has_more_bits(one: int, other: int) -> None:
    """And the way back never says longer than it was."""
    assert (haste_bits(one) >= haste_bits(other)) == (one <= other)
    assert took_ms(haste_bits(one)) <= one + 1


def test_the_fastest_answer_of_a_session_counts_and_sessions_without_say_nothing() -> None:
    """Thirty sessions that were answered say what is fast; fewer do not."""
    for answered, enough in ((SESSIONS_MIN, True), (SESSIONS_MIN - 1, False)):
        held_out = learn_held_out([told_of(k) for k in range(100)])[1]
        hastes = [fastest_bits((9_000, 5_000) if k < answered else ()) for k in range(100)]
        reach_haste(held_out, hastes)
        joint = together(held_out, ("score", "haste")).known[EVERYBODY]
        assert ("haste" in joint.highest) is enough
        if enough:
            assert took_ms(joint.highest["haste"][-1]) == pytest.approx(5_000, rel=1e-3)
            assert len(joint.highest["haste"]) == answered


def test_an_answer_that_took_its_time_is_never_fast() -> None:
    """Nor does it take a place among the fastest."""
    held_out = learn_held_out([told_of(k) for k in range(100)])[1]
    reach_haste(held_out, [fastest_bits((60_000,))] * 100)
    joint = together(held_out, ("score", "haste")).known[EVERYBODY]
    assert joint.highest["haste"] == []
    limit = joint.limits(0.2).haste
    assert limit is not None
    assert took_ms(limit) == pytest.approx(60_000, rel=1e-3)


def told_of(k: int) -> list[Operation]:
    """One look-up."""
    return [op("D", 0, session=f"s{k}", workflow=f"w{k}", agent_role=SLOW)]


def test_recorded_approvals_teach_and_a_faster_one_is_told_of(tmp_path: Path) -> None:
    """From lines to a finding."""
    out = tmp_path / "baseline.json"
    runs = [session(k, 20 + k / 20) for k in range(420)]
    train((msgspec.json.encode(event) for run in runs for event in run), Policy(), out, SIGNER)
    baseline = read_artifact(out.read_bytes(), out, TRUSTED)
    limit = baseline.surprise.expectation(AGENT, SLOW).limits(0.01).haste
    assert limit is not None
    assert took_ms(limit) == pytest.approx(20_000, abs=200)
    assert judged(session(1, 5), HASTE, baseline).detectors == ["unusual_approval"]
    assert judged(session(1, 90), HASTE, baseline).findings == []
    assert judged(session(1, 5), HASTE).findings == []
