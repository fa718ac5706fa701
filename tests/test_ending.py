"""How a session ends: judged once, when nothing comes any more, and whoever was stopped did not choose it."""

import pytest
from msgspec.structs import replace

from detectors.policy import Policy
from models.baselines.drift import LIMITED_BY
from models.event import AnyEvent
from tests.builders import CLERKS, FAST, Judged, clerk_run, end, fast_run, judged, only, told, trained

HOURS = 7_200.0
SHORT = fast_run("s1", 9)[:2]
ENDING = "unusual_ending"


def named(found: Judged) -> list[str]:
    """Which detectors said something, in order."""
    return [finding.detector for finding in found.findings]


def test_the_end_is_told_once_and_orders_nothing() -> None:
    """By the policy as it ships; a second word on the same end says nothing new."""
    found = judged([*SHORT, end(HOURS), end(HOURS + 1, id="again")], baseline=trained())
    assert named(found).count(ENDING) == 1
    assert found.actions == []
    (finding,) = [finding for finding in found.findings if finding.detector == ENDING]
    assert "2 operations" in finding.reason


def test_whoever_was_stopped_did_not_choose_to_end() -> None:
    """The chain is cut, and then nothing comes any more."""
    chain = [*SHORT, *told("D@10 P@30 S@60 V@90", agent_role=FAST)]
    found = judged([*chain, end(HOURS)], baseline=trained())
    assert found.stopped
    assert ENDING not in named(found)


def test_what_began_under_another_baseline_is_passed_over() -> None:
    """Of a session that was measured in part nobody knows how its sequence began."""
    found = Judged().fold(SHORT[:1])
    found.judge = Judged(baseline=trained()).judge
    found.fold([*SHORT[1:], end(HOURS)])
    assert ENDING not in named(found)


def test_a_session_that_goes_on_after_its_end_is_judged_by_its_next_one() -> None:
    """An hour's silence ended it; what comes then begins anew, and may end as oddly."""
    again: list[AnyEvent] = fast_run("s1", 8, workflow="w1")[:2]
    later = [_later(event, 3 * HOURS) for event in again]
    found = judged([*SHORT, end(HOURS), *later, end(5 * HOURS, id="later")], baseline=trained())
    assert named(found).count(ENDING) == 2


@pytest.mark.parametrize("on", [None, *LIMITED_BY])
def test_it_needs_nobody_else_to_measure_the_sequence(on: str | None) -> None:
    """Whichever of the detectors of surprise is on beside it, or none."""
    policy = only(ENDING)
    if on is not None:
        setting = getattr(policy.detectors, on)
        detectors = replace(policy.detectors, **{on: replace(setting, enabled=True)})
        policy = replace(policy, detectors=detectors)
    found = judged([*clerk_run("s1", 2)[:1], end(HOURS, agent=CLERKS)], policy, trained())
    assert ENDING in named(found)


@pytest.mark.parametrize("on", LIMITED_BY)
def test_off_is_off(on: str) -> None:
    """And nothing else tells of an end."""
    assert ENDING not in named(judged([*SHORT, end(HOURS)], only(on), trained()))
    assert Policy().detectors.unusual_ending.enabled


def _later(event: AnyEvent, seconds: float) -> AnyEvent:
    return replace(event, id=f"{event.id}/later", at_ms=event.at_ms + int(seconds * 1000))
