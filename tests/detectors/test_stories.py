"""Every detector on its stories: alone, so that no other detector speaks for it."""

import pytest
from msgspec.structs import replace

from detectors.policy import Policy
from models.baselines.baseline import Baseline
from models.event import AnyEvent
from tests.builders import Stories, judged, only, trained
from tests.detectors import stories_of_labels
from tests.detectors.stories import FIRES, MUST_NOT
from tests.labelled import labelled


def cases(stories: Stories) -> list[object]:
    """One test case a story."""
    return [
        pytest.param(name, events, id=f"{name}: {sentence}")
        for name, told in stories.items()
        for sentence, events in told.items()
    ]


def alone(detector: str) -> Policy:
    """With a budget that 120 sessions a role can back for all scores: 1 in 50."""
    return replace(only(detector), wrong_stops_per_1000_sessions=20.0)


def baseline(detector: str) -> Baseline:
    """The trained one; what goes by labels has one of its own."""
    return labelled() if detector in stories_of_labels.FIRES else trained()


@pytest.mark.parametrize(("detector", "events"), cases(FIRES))
def test_it_fires(detector: str, events: list[AnyEvent]) -> None:
    """Fires, and says who did it and on which evidence, all of which happened."""
    findings = judged(events, alone(detector), baseline(detector)).findings
    assert {finding.detector for finding in findings} == {detector}
    for finding in findings:
        assert set(finding.evidence) <= {event.id for event in events}
        assert finding.session in {event.session for event in events}
        assert finding.reason
        assert 0.0 < finding.confidence <= 1.0


@pytest.mark.parametrize(("detector", "events"), cases(MUST_NOT))
def test_it_does_not_fire_on_a_look_alike(detector: str, events: list[AnyEvent]) -> None:
    """Silence, and no command."""
    quiet = judged(events, alone(detector), baseline(detector))
    assert quiet.findings == []
    assert quiet.commands == []
