"""Pace: limits that keep their promise, cohorts that back each other, and no cliff between them."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from msgspec.structs import replace

from models.baselines.cohorts import EVERYBODY, SESSIONS_MIN, STRANGERS_MAX, agent_key, pair_key, role_key
from models.baselines.pace import TAILS, TIMED, PaceModel, level_of
from models.baselines.pace_learning import learn_pace, peaks_of_runs, rate_peaks
from models.event import OpClass, Operation
from tests.builders import AGENT, FAST, RARE, SLOW, op, recorded, trained

MINUTE_S = 60.0


def run(agent: str, role: str, number: int, times: int, apart_s: float, letter: str = "D") -> list[Operation]:
    """A session that does one thing again and again."""
    return [
        op(
            letter,
            number * 10_000.0 + k * apart_s,
            session=f"{agent}{role}{number}",
            agent=agent,
            agent_role=role,
        )
        for k in range(times)
    ]


def paces(runs: Sequence[Sequence[Operation]]) -> PaceModel:
    """What is learned of them."""
    return PaceModel(learn_pace(runs, peaks_of_runs(runs)))


def limit(model: PaceModel, agent: str, role: str, op_class: OpClass = OpClass.DISCOVERY) -> float:
    """In ten seconds, once in ten thousand sessions."""
    pace = model.of(agent, role)
    assert pace is not None
    return pace.limits(1e-4)[op_class][0]


@pytest.mark.parametrize("name", [FAST, SLOW])
def test_limits_rise_as_the_tail_shrinks_and_cover_what_was_seen(name: str) -> None:
    """The rarer a false alarm may be, the higher the limit; no recorded honest peak is above it."""
    pace = trained().pace.of(AGENT, name)
    assert pace is not None
    levels = [pace.limits(tail) for tail in TAILS]
    runs = [[event for event in run if isinstance(event, Operation)] for run in recorded()]
    highest = np.array([rate_peaks(run) for run in runs if run[0].agent_role == name]).max(axis=0)
    for c, op_class in enumerate(TIMED):
        for h in range(3):
            column = [level[op_class][h] for level in levels]
            assert column == sorted(column)
            assert column[0] >= highest[c][h]


def test_a_tail_between_two_levels_takes_the_stricter_promise() -> None:
    """Asked for one false alarm in 5,000, the limit of one in 10,000 counts; there is a smallest one."""
    assert level_of(2e-4) == level_of(1e-4) == TAILS.index(1e-4)
    assert level_of(0.5) == 0
    assert level_of(1e-9) == len(TAILS) - 1


def test_a_job_that_never_varied_still_has_a_tail() -> None:
    """The steadiest agent is not the blindest spot, nor the loudest: its limit is above its habit."""
    model = paces([run("a", "steady", n, 5, MINUTE_S) for n in range(SESSIONS_MIN)])
    peak = max(max(row) for row in rate_peaks(run("a", "steady", 0, 5, MINUTE_S)))
    pace = model.of("a", "steady")
    assert pace is not None
    assert pace.limits(1e-4)[OpClass.DISCOVERY][2] > peak
    assert pace.limits(1e-4)[OpClass.SECRET_READ][0] >= 1.0


def test_a_slow_agent_is_given_away_at_a_hundredth_of_a_fast_ones_rate() -> None:
    """Its own rate times a hundred is beyond its limit, and far below what the fast one does every day."""
    fast = [run("pipeline", "apply", n, 400, 0.02, "V") for n in range(SESSIONS_MIN)]
    slow = [run("desk", "help", n, 6, 300.0, "V") for n in range(SESSIONS_MIN)]
    model = paces([*fast, *slow])
    reached = max(
        rate_peaks(run("pipeline", "apply", 0, 400, 0.02, "V"))[TIMED.index(OpClass.PRIVILEGE_CHANGE)]
    )
    hasty = max(rate_peaks(run("desk", "help", 0, 60, 3.0, "V"))[TIMED.index(OpClass.PRIVILEGE_CHANGE)])
    change = OpClass.PRIVILEGE_CHANGE
    assert limit(model, "pipeline", "apply", change) >= reached * 0.9
    pace = model.of("desk", "help")
    assert pace is not None
    assert hasty > pace.limits(1e-4)[change][2]
    assert hasty < reached


def test_few_sessions_of_a_role_are_judged_by_its_agent_and_more_by_their_own() -> None:
    """Without a cliff: the limit goes from the broader cohort's to its own as sessions are added."""
    known = [run("a", "daily", n, 20, 1.0) for n in range(100)]
    limits = []
    for sessions in (0, 1, 3, 10, 30, 100):
        model = paces([*known, *(run("a", "rare", n, 2, 600.0) for n in range(sessions))])
        limits.append(limit(model, "a", "rare"))
    assert limits == sorted(limits, reverse=True)
    steps = [after / before for before, after in itertools.pairwise(limits)]
    assert min(steps) > 0.35, "no cliff"
    assert limits[-1] < limits[0] / 2


def test_whoever_was_never_seen_is_judged_by_what_is_known_of_them() -> None:
    """A new runner by its role, a new role by its agent, both unknown by nobody: not enough seen."""
    model = paces([run(f"pod-{n}", "runner", n, 20, 1.0) for n in range(100)])
    assert limit(model, "pod-new", "runner") == limit(model, "pod-other", "runner")
    assert limit(model, "pod-new", "runner") > 5.0
    assert model.of("pod-new", "another") is None
    assert model.of("pod-new", "") is None
    assert model.of("", "") is None


def test_too_few_sessions_of_both_are_not_enough_seen() -> None:
    """Below thirty of an agent and of a role nobody can say what is fast."""
    few = SESSIONS_MIN - 1
    assert paces([run("a", "r", n, 5, 1.0) for n in range(few)]).of("a", "r") is None
    assert paces([run("a", "r", n, 5, 1.0) for n in range(few + 1)]).of("a", "r") is not None
    assert trained().pace.cohorts[role_key(RARE)].sessions < SESSIONS_MIN


def test_a_pair_has_a_pace_of_its_own_where_both_do_other_things_too() -> None:
    """And none where it is all there was of one of them."""
    runs = [run(agent, role, n, 4, 5.0) for agent in "ab" for role in "xy" for n in range(20)]
    model = paces([*runs, *(run("c", "z", n, 4, 5.0) for n in range(20))])
    assert pair_key("a", "x") in model.cohorts
    assert pair_key("c", "z") not in model.cohorts
    assert {EVERYBODY, agent_key("c"), role_key("z")} <= model.cohorts.keys()
    assert model.cohorts[EVERYBODY].sessions == 100


def test_names_that_come_in_fill_no_memory() -> None:
    """Whoever acts can call itself as it likes."""
    model = paces([run("a", "r", n, 5, 1.0) for n in range(SESSIONS_MIN)])
    for number in range(1_000):
        model.of(f"made-up-{number}", f"made-up-{number}")
        model.of(f"made-up-{number}", "r")
        model.of("a", f"made-up-{number}")
    assert sum(len(agents) for agents in model._by_role.values()) < 10  # noqa: SLF001 - what is kept is tested
    for number in range(STRANGERS_MAX):
        model.of("a", f"more-{number}")
    assert len(model._strangers) <= STRANGERS_MAX  # noqa: SLF001
    assert model.of("a", "more-1") is model.of("a", f"more-{STRANGERS_MAX - 1}")


def test_the_pause_that_a_job_makes_is_its_own() -> None:
    """That an agent is fast in one role absolves it in no other, nor without one."""
    timed = [
        [
            op("D", n * 10_000.0, session=f"s{n}", agent="a", agent_role="r"),
            op("V", n * 10_000.0 + 2.0, session=f"s{n}", agent="a", agent_role="r"),
        ]
        for n in range(SESSIONS_MIN)
    ]
    model = paces([*timed, *(run("b", "r", 200 + n, 3, 5.0) for n in range(9)), run("a", "new", 99, 3, 5.0)])
    for agent, role, floor_ms in (("a", "r", 2_000), ("b", "r", 2_000), ("a", "new", None), ("a", "", None)):
        pace = model.of(agent, role)
        assert pace is not None
        assert pace.pause_floor_ms == floor_ms
    roleless = [[replace(event, agent_role="") for event in each] for each in timed]
    pace = paces(roleless).of("a", "")
    assert pace is not None
    assert pace.pause_floor_ms == 2_000
