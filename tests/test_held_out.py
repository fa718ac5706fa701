"""Held-out sessions: scored as if all others had taught alone, whatever the order of cohorts."""

import random
from collections import Counter

import pytest

from models.baselines import held_out, surprise_learning
from models.baselines.counting import Member, Run, counted
from models.baselines.counts import CohortCounts
from models.baselines.surprise_learning import learn_held_out
from models.event import Operation, Origin, Outcome, Provenance
from tests.builders import op
from tests.held_out_slowly import reached_slowly

AGENTS, ROLES = ("a", "b", "c"), ("r", "s", "t", "")
FEW = 4
SHAPES = ("=", "in", "text", "token", "")


def session(draw: random.Random, name: str, agents: int, roles: int) -> Run:
    """Of any agent in any role: steps of seven kinds, some of which fail, with values from anywhere."""
    agent, role, at_ms = AGENTS[draw.randrange(agents)], ROLES[draw.randrange(roles)], 0
    told: list[Operation] = []
    for place in range(draw.randrange(1, 14)):
        at_ms += draw.choice((5, 500, 5_000, 50_000, 500_000))
        told.append(
            op(
                draw.choice("DPSU"),
                at_ms,
                id=f"{name}#{place}",
                session=name,
                agent=agent,
                agent_role=role,
                operation=draw.choice("uvwxyzz") if draw.random() < 0.7 else "uvwxyz"[place % 6],
                target_kind=draw.choice(("", "", "thing")),
                outcome=Outcome.ERROR if draw.random() < 0.1 else Outcome.OK,
                provenance=tuple(value(draw, told) for _ in range(draw.randrange(3))),
            )
        )
    return told


def value(draw: random.Random, told: list[Operation]) -> Provenance:
    """Out of an earlier result, of one that nobody knows, or of no result."""
    return Provenance(
        argument=draw.choice(("one", "two", "()")),
        origin=draw.choice((Origin.TOOL, Origin.TOOL, Origin.USER)),
        source_event=draw.choice([each.id for each in told[-3:]] or ["nobody's"]),
        source_field=draw.choice(("", "field", "other")),
        shape=draw.choice(SHAPES),
    )


@pytest.mark.parametrize(("agents", "roles"), [(1, 1), (1, 4), (3, 1), (3, 4)])
@pytest.mark.parametrize("seed", range(4))
def test_a_held_out_session_is_scored_as_if_the_others_had_taught_alone(
    monkeypatch: pytest.MonkeyPatch, seed: int, agents: int, roles: int
) -> None:
    """To the bit, as a worker folds it by the counts of all less those of its fold."""
    monkeypatch.setattr(surprise_learning, "JOBS_MIN", 2)
    monkeypatch.setattr(surprise_learning, "FOLDS", 3)
    draw = random.Random(seed)
    runs = [session(draw, f"s{k}", agents, roles) for k in range(draw.choice((FEW, 40, 200)))]
    counts, out = learn_held_out(runs)
    assert len(out.known) == len(runs)
    assert len(out.new) == len(runs) * (roles > 1) or len(runs) == FEW
    for found, fold_of in ((out.known, "group"), (out.new, "job")):
        for fold in range(3):
            theirs = [(placed, peak) for placed, peak in found if getattr(placed, fold_of) == fold]
            if theirs:
                slowly = reached_slowly(counts, [placed for placed, _ in theirs])
                assert [peak for _, peak in theirs] == slowly


def test_cohorts_are_counted_once_where_broader_ones_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that came before a broader one are counted again."""
    times: Counter[str] = Counter()

    def once_more(key: str, sessions: list[Member]) -> CohortCounts:
        times[key] += 1
        return counted(key, sessions)

    monkeypatch.setattr(held_out, "counted", once_more)
    draw = random.Random(1)
    learn_held_out([session(draw, f"s{k}", 1, 4) for k in range(60)])
    assert set(times.values()) == {1}
    learn_held_out([session(draw, f"s{k}", 3, 4) for k in range(60)])
    assert max(times.values()) <= 3  # of both
