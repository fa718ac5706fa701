"""Shapes: counted as they go, compared by a forest that says what scikit-learn says, calibrated."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.baselines.baseline import read_artifact
from models.baselines.cohorts import EVERYBODY, agent_key, role_key
from models.baselines.forest import Forest, faults
from models.baselines.forest_learning import exported, fitted
from models.baselines.shape import (
    COUNTED,
    DENIED,
    FEATURE_MAX,
    FEATURES,
    GAINED,
    KINDS,
    LOOKED_MS,
    STAGES,
    TARGET_BITS,
    TARGETS,
    Figures,
    different,
    doublings,
    mark_of,
    take_in,
    vector_of,
)
from models.baselines.shape_counts import Usual
from models.baselines.shape_file import PackedShape, packed_shape, unpacked_shape
from models.baselines.shape_learning import SESSIONS_MIN, changes, learn_shapes
from models.baselines.shape_model import FAR, ODD_MIN, SPREAD_MIN, ShapeModel, center_of
from models.baselines.surprise_learning import HeldOut, learn_held_out, together
from models.errors import ArtifactError
from models.event import AnyEvent, Operation, Outcome, SystemKind
from tests.builders import (
    AGENT,
    FAST,
    RARE,
    SLOW,
    TRUSTED,
    fast_run,
    judged,
    only,
    op,
    operations,
    recorded,
    slow_run,
    told,
    trained,
)
from tests.test_baseline import PATH, changed

LAW = settings(max_examples=60, derandomize=True)
SHAPE = msgspec.structs.replace(only("unusual_shape"), wrong_stops_per_1000_sessions=20.0)
ODD = told("S@30 C@31 L@32 T@33", agent_role=FAST)


def test_further_places_lie_behind_those_of_the_classes() -> None:
    """They are numbers in the source, for the compiled fold's sake: one more class would lie on the first."""
    places = (DENIED, GAINED, KINDS, TARGETS, LOOKED_MS)
    assert places == tuple(range(len(COUNTED), len(COUNTED) + len(places)))


def points(seed: int, count: int = 400) -> Any:
    """Distances as they come: to a quarter, most of them near."""
    return np.round(np.random.default_rng(seed).normal(0, 8, (count, len(FEATURES)))).astype(np.int64)


def model() -> ShapeModel:
    """What the tests' baseline knows of shapes."""
    shapes = trained().shape
    assert shapes is not None
    return shapes


@pytest.mark.parametrize("count", [3, 40, 400])
def test_the_forest_says_what_scikit_learn_says(count: int) -> None:
    """Learned there, evaluated here: `-score_samples`, as 0 to 100, of points that never taught."""
    forest = fitted(points(1, count))
    mine, asked = exported(forest), points(2)
    assert mine.oddness_of(asked) == pytest.approx(
        -100 * forest.score_samples(asked.astype(float)), rel=1e-12
    )


def test_one_point_and_many_points_are_judged_alike() -> None:
    """To the bit: limits are learned from many at once, and compared with one at a time."""
    forest, asked = exported(fitted(points(1))), points(3)
    trees = forest.trees()
    assert [trees.oddness(row) for row in asked.tolist()] == forest.oddness_of(asked).tolist()


def test_the_same_sessions_give_the_same_forest() -> None:
    """A baseline can be made again."""
    assert exported(fitted(points(1))) == exported(fitted(points(1)))


@pytest.mark.parametrize(
    "change",
    [
        lambda forest: forest["right"].__setitem__(0, 0),
        lambda forest: forest["right"].__setitem__(0, 10**6),
        lambda forest: forest["feature"].__setitem__(0, len(FEATURES)),
        lambda forest: forest["feature"].__setitem__(-1, 0),
        lambda forest: forest["threshold"].pop(),
        lambda forest: forest["roots"].reverse(),
        lambda forest: forest["roots"].clear(),
        lambda forest: forest.update(expected=0.0),
    ],
    ids=["a circle", "outside", "no such feature", "no leaf", "short", "descending", "no tree", "no steps"],
)
def test_a_forest_in_which_one_could_get_lost_is_refused(change: Callable[[dict[str, Any]], Any]) -> None:
    """Whatever is accepted ends at a leaf for every point."""
    broken = changed(lambda file: change(file["payload"]["shape"]["forest"]))
    with pytest.raises(ArtifactError, match="forest"):
        read_artifact(broken, PATH, TRUSTED)


def test_an_intact_forest_has_no_fault() -> None:
    """And one with a single leaf is none either: everything is alike to it."""
    assert faults(model().counts.forest, len(FEATURES)) == ""
    leaf = Forest(roots=[0], feature=[-1], threshold=[0], right=[0], length=[1.0], expected=1.0)
    assert faults(leaf, len(FEATURES)) == ""
    assert leaf.trees().oddness([0] * len(FEATURES)) == 50.0


@pytest.mark.slow
def test_what_was_learned_is_what_is_read() -> None:
    """Forest, and what is usual."""
    shapes = learned(recorded(40))
    assert shapes is not None
    read = unpacked_shape(msgspec.json.decode(msgspec.json.encode(packed_shape(shapes)), type=PackedShape))
    assert read.forest == shapes.forest
    assert dict(read.usual) == dict(shapes.usual)


@pytest.mark.parametrize(
    "change",
    [lambda usual: usual[1].pop(), lambda usual: usual[2].__setitem__(0, -1.0), lambda usual: usual.clear()],
    ids=["a feature missing", "a variance below 0", "nothing"],
)
def test_a_cohort_that_cannot_be_read_leaves_the_broader_ones(change: Callable[[list[Any]], Any]) -> None:
    """It is read when first asked for: the worker judges on."""
    broken = changed(lambda file: change(file["payload"]["shape"]["usual"][role_key(SLOW)]))
    shapes = read_artifact(broken, PATH, TRUSTED).shape
    assert shapes is not None
    assert shapes.counts.usual.get(role_key(SLOW)) is None
    keys = trained().surprise.expectation(AGENT, SLOW).keys
    broader = model().center(tuple(key for key in keys if key != role_key(SLOW)))
    assert (shapes.center(keys).mean, shapes.center(keys).spread) == (broader.mean, broader.spread)


def learned(runs: list[list[AnyEvent]]) -> Any:
    """What is learned of shapes from these."""
    return learn_shapes(learn_held_out([operations(run) for run in runs])[1])


def test_too_few_sessions_that_ever_changed_anything_grow_no_forest() -> None:
    """Not enough seen is an answer of its own: no finding, and no "nothing odd" either."""
    few = [slow_run(f"h{k}", k, workflow=f"w{k}") for k in range(SESSIONS_MIN // 3)]
    looking = [told("D@0 P@30", workflow=f"d{k}", session=f"d{k}") for k in range(200)]
    assert learned([*few, *looking]) is None
    without = read_artifact(changed(lambda file: file["payload"].update(shape=None)), PATH, TRUSTED)
    assert without.shape is None
    assert judged([*fast_run("s1", 9), *ODD], SHAPE, without).findings == []


def test_it_fires_where_the_whole_is_odd_and_says_by_what() -> None:
    """On its own it is watched, never stopped."""
    heard = judged([*fast_run("s1", 9), *ODD], SHAPE, trained())
    assert heard.detectors[0] == "unusual_shape"
    assert "time since the last look-up" in heard.findings[0].reason
    assert heard.stopped == set()


@pytest.mark.parametrize("role", [RARE, "stranger", ""])
def test_where_nobody_can_promise_anything_there_is_no_alarm(role: str) -> None:
    """However odd it is."""
    limit = trained().surprise.expectation(AGENT, role).limits(0.01).shape
    assert limit is None
    assert judged(told("S@0 C@1 L@2 T@3", agent_role=role), SHAPE, trained()).findings == []


def test_training_and_judging_see_the_same_shapes() -> None:
    """Whenever the class of risk changes, and only then; state that is stored holds all that is needed."""
    run = operations([*fast_run("s1", 90_030), *ODD])
    seen, heard = [], judged([], SHAPE, trained())
    for event, looked_at in zip(run, marks(run), strict=True):
        session = heard.fold([event]).session()
        stored = msgspec.msgpack.encode(session)
        heard.workflows["w1"].sessions["s1"] = msgspec.msgpack.decode(stored, type=type(session))
        if looked_at:
            seen.append(vector_of(session.shape, session.started_ms, event.at_ms))
    assert changes(run) == seen
    assert len(changes(run)) == len({"V", "S", "C", "L", "T"}) + 2  # and at four and sixteen


def test_a_shape_is_looked_at_when_the_class_of_risk_changes() -> None:
    """The first of each class that gains something, the first denial, and 4, 16, 64, … gains."""
    places = [k for k, changed_now in enumerate(counted("DDVVDVVPSV")) if changed_now]
    assert places == [2, 6, 8]
    denied = [op("D", 0), op("D", 1, outcome="denied"), op("D", 2, outcome="denied")]
    assert [take for take in marks(denied)] == [False, True, False]  # noqa: C416 - reads as the events do
    assert sum(counted("V" * 1024)) == 1 + len([stage for stage in STAGES if stage <= 1024])


def counted(letters: str) -> list[bool]:
    """Whether each changes the class of risk."""
    return marks([op(letter, k) for k, letter in enumerate(letters)])


def marks(events: list[Operation]) -> list[bool]:
    """The same of events."""
    figures: Figures = []
    return [take_in(figures, mark, event) for event in events if (mark := mark_of(event)) is not None]


@pytest.mark.parametrize("changed_to", [{"outcome": "error"}, {"op_class": "other"}])
def test_what_failed_or_says_nothing_of_identity_is_no_part_of_a_shape(changed_to: dict[str, Any]) -> None:
    """A denied attempt is."""
    assert mark_of(op("V", 0, **changed_to)) is None
    assert mark_of(op("V", 0, outcome=Outcome.DENIED)) is not None


@LAW
@given(
    st.lists(st.tuples(st.sampled_from("DPSRVTCLX"), st.integers(0, 10**6), st.integers(0, 300)), min_size=1)
)
def test_figures_stay_bounded_and_features_finite(acts: list[tuple[str, int, int]]) -> None:
    """Whatever a session does, in whatever order it is told: a fixed number of whole numbers."""
    figures: Figures = []
    for letter, seconds, target in acts:
        event = op(letter, seconds, target=f"t{target}", system_kind=SystemKind.IAM)
        mark = mark_of(event)
        assert mark is not None
        take_in(figures, mark, event)
        vector = vector_of(figures, op("D", 0).at_ms, event.at_ms)
        assert len(vector) == len(FEATURES)
        assert all(abs(value) <= FEATURE_MAX for value in vector)
    assert len(figures) == 14
    assert all(0 <= figure < 2**64 for figure in figures)


@pytest.mark.parametrize("times", [0, 1, 7, 1_022, 1_023, 1_024, 5_000, 10**9])
def test_doublings_go_on_where_the_table_ends(times: int) -> None:
    """However often something was done, it is told by the same arithmetic."""
    figures = [0, 0, times, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    secret_reads, exchanges = vector_of(figures, 0, 0)[1], vector_of(figures, 0, 0)[5]
    assert (secret_reads, exchanges) == (doublings(times), doublings(1))


def test_hours_and_names_are_no_part_of_a_shape() -> None:
    """The same at night, and on other targets of the same number."""
    day, night = (changes(operations(fast_run("s1", 5))) for _ in range(2))
    moved = [
        msgspec.structs.replace(event, at_ms=event.at_ms + 12 * 3_600_000, principal="other")
        for event in operations(fast_run("s1", 5))
    ]
    assert day == night == changes(moved)


@given(st.integers(0, 40))
def test_a_few_different_targets_are_counted_nearly_right(count: int) -> None:
    """By 64 bits: the error stays below what a doubling would be."""
    bits = 0
    for k in range(count):
        event = op("D", 0, target=f"role/number-{k}")
        figures: Figures = [0] * 14
        mark = mark_of(event)
        assert mark is not None
        take_in(figures, mark, event)
        bits |= figures[12]
    assert different(bits.bit_count()) == pytest.approx(count, rel=0.35, abs=1.5)
    assert different(TARGET_BITS) < 2 * TARGET_BITS**2


def test_a_job_is_drawn_to_the_broader_cohort_by_how_little_was_seen_of_it() -> None:
    """No cliff: a session more or less changes little, and what never varied may still vary a little."""
    everybody = Usual(1_000, [0.0] * len(FEATURES), [4.0] * len(FEATURES))
    means = []
    for sessions in range(60):
        own = Usual(sessions, [8.0] * len(FEATURES), [0.0] * len(FEATURES)) if sessions else None
        center = center_of([everybody, own])
        means.append(center.mean[0])
        assert center.spread[0] >= SPREAD_MIN
    assert means == sorted(means)
    assert means[0] == 0.0
    assert means[-1] > 7.0
    assert max(after - before for before, after in pairwise(means)) < 1.5
    assert max(center_of([everybody]).distances((10_000,) * len(FEATURES))) == FAR


def held_out(jobs: int, seed: int) -> tuple[HeldOut, Any]:
    """Sessions of many jobs, each with a habit of its own."""
    runs = [
        slow_run(f"s{seed}-{job}-{k}", seed + 1_000 * job + k, workflow=f"w{job}-{k}", agent_role=f"job{job}")
        for k in range(30)
        for job in range(jobs)
    ]
    return learn_held_out([operations(run) for run in runs])[1], runs


@pytest.mark.slow
def test_steady_sessions_are_no_alarm_by_the_chance_of_another_forest() -> None:
    """All sessions of a job are alike: the forest that judges must not find them odder than any before."""
    steady = [
        told("D@0 S@20 V@40", session=f"s{k}", workflow=f"w{k}", agent_role=f"job{k % 4}") for k in range(400)
    ]
    noise = [slow_run(f"n{k}", k, workflow=f"n{k}") for k in range(200)]
    counts, out = learn_held_out([operations(run) for run in [*steady, *noise]])
    shapes = learn_shapes(out)
    assert shapes is not None
    known = together(out, ("score", "shape")).known
    assert max(known[EVERYBODY].highest["shape"]) >= ODD_MIN
    vectors, shape_model = changes(operations(steady[0])), ShapeModel(shapes)
    for job in range(4):
        keys = (agent_key(AGENT), role_key(f"job{job}"))
        peak = max(shape_model.oddness(keys, vector) for vector in vectors)
        assert peak <= max(known[role_key(f"job{job}")].highest["shape"], default=ODD_MIN)
    assert counts.sessions[role_key("job0")] == 100


@pytest.mark.slow
def test_honest_sessions_exceed_a_limit_as_seldom_as_promised() -> None:
    """Of sessions that never taught, on jobs that did: at most the share, but for chance."""
    out, _ = held_out(12, 1)
    shapes = learn_shapes(out)
    assert shapes is not None
    shape_model, limit = (
        ShapeModel(shapes),
        together(out, ("score", "shape")).known[EVERYBODY].limits(0.05).shape,
    )
    assert limit is not None
    odd = sessions = 0
    for job in range(12):
        keys = (agent_key(AGENT), role_key(f"job{job}"))
        for k in range(50):
            run = operations(slow_run("s", 900_000 + 1_000 * job + k))
            peak = max((shape_model.oddness(keys, vector) for vector in changes(run)), default=0.0)
            odd, sessions = odd + (peak > limit), sessions + 1
    assert odd <= sessions * 0.05 + 3 * (sessions * 0.05 * 0.95) ** 0.5
