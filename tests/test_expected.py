"""What is expected of an agent in a role is found by one look, and is what both models say."""

from itertools import product

import pytest

from models.baselines import expected
from models.baselines.expected import Expected, Expecting
from models.baselines.pace import Limits
from models.session import Session
from tests.builders import AGENT, CLERK, CLERKS, FAST, SLOW, op, trained


def test_whoever_is_asked_for_gets_their_own() -> None:
    """The last answer is at hand, and is given to nobody else."""
    baseline = trained()
    names = list(product((AGENT, CLERKS, "stranger", ""), (FAST, SLOW, CLERK, "unheard-of", "")))
    for agent, role in (*names, *reversed(names)):
        for _ in range(2):
            found = baseline.expected.of(agent, role)
            assert found.pace is baseline.pace.of(agent, role)
            assert found.surprise is baseline.surprise.expectation(agent, role)


def test_by_an_event_is_as_by_its_names() -> None:
    """Whatever the session is called, and whoever was asked about between."""
    expecting = trained().expected
    names = ((AGENT, FAST), (AGENT, ""), ("stranger", FAST))
    for (agent, role), (own, job) in product(names, repeat=2):
        session, event = Session("s", own, job), op("D", 1.0, agent=agent, agent_role=role)
        for _ in range(2):
            assert expecting.by(session, event) is expecting.of(agent, role)
            assert expecting.by(session, event) is expecting.by(session, event) is expecting.of(agent, role)
            expecting.of(own, job)


def test_names_may_be_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come with the events: only so many are kept."""
    monkeypatch.setattr(expected, "KNOWN_MAX", 10)
    baseline = trained()
    expecting = Expecting(baseline.pace, baseline.surprise)
    for number in range(50):
        expecting.of(f"agent-{number}", SLOW)
    assert sum(map(len, expecting._by_role.values())) <= 10  # noqa: SLF001 - what is kept is tested
    assert expecting.of(AGENT, SLOW).pace is baseline.pace.of(AGENT, SLOW)


def test_each_policy_has_limits_of_its_own() -> None:
    """Two judges may ask in turns, with the same baseline; each limit is made once."""
    made: list[str] = []

    def strict(_of: Expected) -> Limits:
        made.append("strict")
        return {"discovery": (1.0,)}

    def mild(_of: Expected) -> None:
        made.append("mild")

    of = Expected(None, trained().surprise.expectation(AGENT, SLOW))
    for _ in range(3):
        assert of.limits((1e-5, 7.0), strict) == {"discovery": (1.0,)}
        assert of.limits((1e-4, 5.0), mild) is None
    assert made == ["strict", "mild"]
