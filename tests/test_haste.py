"""How fast approvals come: learned from recordings as they are judged, and never guessed."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.policy import Policy
from models.baselines.baseline import read_artifact
from models.baselines.cohorts import EVERYBODY, job_key
from models.baselines.haste import Haste, haste_bits, learn_haste, took_ms
from models.event import AnyEvent
from stream.learning.training import train
from tests.builders import AGENT, SIGNER, SLOW, TRUSTED, approval, judged, only, told

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
    """A job has its own peaks from thirty sessions on."""
    peaks = learn_haste(
        [("a", "often", (9_000, 5_000))] * 30 + [("a", "seldom", (1_000,))] * 29 + [("a", "none", ())] * 99
    )
    assert peaks[job_key("a", "often")].sessions == 30
    assert took_ms(peaks[job_key("a", "often")].highest[-1]) == pytest.approx(5_000, rel=1e-3)
    assert job_key("a", "seldom") not in peaks
    assert peaks[EVERYBODY].sessions == 59


@pytest.mark.parametrize(("sessions", "floor"), [(98, None), (99, 600_000)])
def test_no_limit_without_sessions_that_can_back_it(sessions: int, floor: int | None) -> None:
    """One in a hundred is nothing that 98 sessions can promise: that is "not enough seen"."""
    haste = Haste(learn_haste([("a", "job", (600_000,))] * sessions))
    found = haste.floor_ms("a", "job", 0.01)
    assert found == (None if floor is None else pytest.approx(floor, rel=1e-3))
    assert Haste({}).floor_ms("a", "job", 0.5) is None


def test_recorded_approvals_teach_and_a_faster_one_is_told_of(tmp_path: Path) -> None:
    """From lines to a finding."""
    out = tmp_path / "baseline.json"
    runs = [session(k, 600 + k) for k in range(120)]
    train((msgspec.json.encode(event) for run in runs for event in run), Policy(), out, SIGNER)
    baseline = read_artifact(out.read_bytes(), out, TRUSTED)
    assert baseline.haste.floor_ms(AGENT, SLOW, 0.01) == pytest.approx(600_000, rel=1e-3)
    assert judged(session(1, 30), HASTE, baseline).detectors == ["unusual_approval"]
    assert judged(session(1, 900), HASTE, baseline).findings == []
    assert judged(session(1, 30), HASTE).findings == []
