"""The machine of declared chains against a search of everything, over random chains and logs."""

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.chains.fields import alike
from detectors.chains.registers import TAIL_MAX, Machine
from detectors.chains.shape import Absence, Bond, Shape, Stage
from models.session import Hit, Step, Track

LAW = settings(max_examples=200, derandomize=True)
LONG_MS = 1_000_000
VALUES = ("a", "b", "")


def hit(number: int, at_ms: int, fills: int, value: str = "", forbids: int = 0) -> Hit:
    """One operation; its id is its number."""
    return Hit(Step(at_ms, f"e{number}"), fills, forbids, (value,))


Assigned = dict[int, tuple[Hit, ...]]


def search(shape: Shape, log: Sequence[Hit], last: Hit) -> bool:
    """Whether a match ends with that operation: all assignments are tried."""
    known = [each for each in log if each.step.at_ms <= last.step.at_ms]
    return any(fits(shape, known, chosen) for chosen in choices(shape, known, last))


def choices(shape: Shape, known: list[Hit], last: Hit) -> Iterator[Assigned]:
    """Disjoint operations for every step, the newest of all among them."""
    options = []
    for step, stage in enumerate(shape.stages):
        fitting = [each for each in known if each.fills >> step & 1]
        options.append(list(combinations(fitting, stage.count)))
    for chosen in product(*options):
        every = [each for group in chosen for each in group]
        if len({each.step.event_id for each in every}) == len(every) and last in every:
            yield dict(enumerate(chosen))


def fits(shape: Shape, known: list[Hit], chosen: Assigned) -> bool:
    """Whether the assignment keeps to what was declared."""
    first = {step: min(each.step.at_ms for each in group) for step, group in chosen.items()}
    done = {step: max(each.step.at_ms for each in group) for step, group in chosen.items()}
    if max(done.values()) - min(first.values()) > shape.within_ms:
        return False
    for step, stage in enumerate(shape.stages):
        before = [done[other] for other in chosen if stage.after >> other & 1]
        if any(time > first[step] for time in before):
            return False
        if stage.within_ms is not None:
            since = max(before) if before else min(first.values()) if stage.count > 1 else None
            if since is not None and done[step] - since > stage.within_ms:
                return False
        values = [each.values[0] for each in chosen[step]]
        if stage.distinct is not None and ("" in values or len(set(values)) < stage.count):
            return False
        if not all(alike(chosen[step][-1].values[0], chosen[bond.step][-1].values[0]) for bond in stage.same):
            return False
    return not any(
        _happened(absence, number, known, done, first) for number, absence in enumerate(shape.absences)
    )


def _happened(
    absence: Absence, number: int, known: list[Hit], done: dict[int, int], first: dict[int, int]
) -> bool:
    """Whether what must not happen did, between the steps that bound it."""
    after = [done[step] for step in done if absence.after >> step & 1]
    before = [done[step] for step in done if absence.before >> step & 1]
    begin = max(after) if after else min(first.values())
    end = min(before) if before else max(done.values())
    return any(each.forbids >> number & 1 and begin < each.step.at_ms < end for each in known)


def matched(machine: Machine, arrivals: Sequence[Hit]) -> set[str]:
    """Ids of the operations that complete a match, whenever that shows."""
    track, found = Track(), set[str]()
    for each in arrivals:
        for match in machine.follow(track, each):
            newest = max(filter(None, match.hits), key=lambda known: known.step.at_ms)
            found.add(newest.step.event_id)
    return found


def _ordered(counts: list[int], windows: list[int | None], *, distinct: bool) -> tuple[Stage, ...]:
    return tuple(
        Stage(
            after=1 << step - 1 if step else 0,
            within_ms=window,
            count=count,
            distinct=0 if distinct and count > 1 else None,
        )
        for step, (count, window) in enumerate(zip(counts, windows, strict=True))
    )


windows = st.sampled_from([None, None, 5, 15, 40])
ordered = st.integers(1, 3).flatmap(
    lambda steps: st.builds(
        lambda counts, gaps, distinct, within: Shape(
            stages=_ordered(counts, gaps, distinct=distinct), within_ms=within
        ),
        st.lists(st.sampled_from([1, 1, 1, 2, 3]), min_size=steps, max_size=steps),
        st.lists(windows, min_size=steps, max_size=steps),
        st.booleans(),
        st.sampled_from([20, 60, LONG_MS]),
    )
)
logs = st.lists(
    st.tuples(st.integers(1, 12), st.integers(1, 7), st.sampled_from(VALUES)), min_size=1, max_size=9
).map(
    lambda told: [
        hit(k, sum(gap for gap, _, _ in told[: k + 1]), fills, value)
        for k, (_, fills, value) in enumerate(told)
    ]
)


@LAW
@given(ordered, logs)
def test_ordered_chains_fire_exactly_where_a_search_finds_a_match(shape: Shape, log: list[Hit]) -> None:
    """Gaps, windows of steps, repetition and distinct values, in order."""
    expected = {each.step.event_id for each in log if search(shape, log, each)}
    assert matched(Machine(shape), log) == expected


free = st.sampled_from(
    [(0, 0), (0, 0, 0), (0, 1, 1), (0, 0, 3), (0, 1, 0), (0, 1, 1, 6), (0, 0, 1, 2)]
).flatmap(
    lambda after: st.builds(
        lambda gaps, within: Shape(
            stages=tuple(Stage(after=each, within_ms=gap) for each, gap in zip(after, gaps, strict=True)),
            within_ms=within,
        ),
        st.lists(windows, min_size=len(after), max_size=len(after)),
        st.sampled_from([20, 60, LONG_MS]),
    )
)


@LAW
@given(free, logs)
def test_unordered_and_partly_ordered_chains_do_too(shape: Shape, log: list[Hit]) -> None:
    """No operation is two steps of one match."""
    expected = {each.step.event_id for each in log if search(shape, log, each)}
    assert matched(Machine(shape), log) == expected


bonds = st.builds(
    lambda of, within: Shape(
        stages=(
            Stage(),
            Stage(after=1, same=(Bond(0, 0, 0),) if of == 1 else ()),
            Stage(after=2, same=(Bond(0, of - 2, 0),) if of > 1 else ()),
        ),
        within_ms=within,
    ),
    st.integers(1, 3),
    st.sampled_from([20, 60, LONG_MS]),
)


@LAW
@given(bonds, logs)
def test_a_bound_value_is_compared_with_that_of_its_step(shape: Shape, log: list[Hit]) -> None:
    """A newer match with another value does not displace the one that is needed."""
    expected = {each.step.event_id for each in log if search(shape, log, each)}
    assert matched(Machine(shape), log) == expected


absences = st.builds(
    lambda counts, after, before: Shape(
        stages=_ordered(counts, [None] * 3, distinct=False),
        within_ms=LONG_MS,
        absences=(Absence(after=after, before=before),),
    ),
    st.sampled_from([[1, 1, 1], [2, 1, 1], [1, 2, 1], [1, 1, 2]]),
    st.sampled_from([0, 1, 2]),
    st.sampled_from([0, 4]),
)
broken_logs = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from([1, 2, 4, 7, 0, 0])), min_size=1, max_size=9
).map(
    lambda told: [
        hit(k, sum(gap for gap, _ in told[: k + 1]), fills, "", 0 if fills else 1)
        for k, (_, fills) in enumerate(told)
    ]
)


@LAW
@given(absences, broken_logs)
def test_what_must_not_happen_in_between_ends_the_match(shape: Shape, log: list[Hit]) -> None:
    """And only what it is between: a later first step begins anew."""
    expected = {each.step.event_id for each in log if search(shape, log, each)}
    assert matched(Machine(shape), log) == expected


@LAW
@given(ordered | free | bonds, logs, st.data())
def test_the_order_of_arrival_changes_nothing(shape: Shape, log: list[Hit], data: st.DataObject) -> None:
    """Late operations are judged as if they had come in order, as far back as the tail reaches."""
    assert len(log) < TAIL_MAX
    roomy = msgspec.structs.replace(shape, within_ms=LONG_MS)
    arrivals = data.draw(st.permutations(log))
    assert matched(Machine(roomy), arrivals) == matched(Machine(roomy), log)


@LAW
@given(ordered | free | bonds | absences, logs, st.data())
def test_registers_survive_the_way_to_the_store(shape: Shape, log: list[Hit], data: st.DataObject) -> None:
    """At any point."""
    cut = data.draw(st.integers(0, len(log)))
    machine, track = Machine(shape), Track()
    for each in log[:cut]:
        machine.follow(track, each)
    restored = msgspec.msgpack.decode(msgspec.msgpack.encode(track), type=Track)
    assert restored == track
    for each in log[cut:]:
        assert machine.follow(restored, each) == machine.follow(track, each)


def test_a_flood_displaces_nothing_and_memory_is_bounded() -> None:
    """Ten thousand operations between a chain's steps, of its own kinds: as many registers as before."""
    shape = Shape(stages=_ordered([1, 20, 1], [None, None, None], distinct=True), within_ms=LONG_MS)
    machine, track = Machine(shape), Track()
    machine.follow(track, hit(0, 0, 1))
    for k in range(19):
        machine.follow(track, hit(k, 10 + k, 2, f"v{k}"))
    for k in range(10_000):
        machine.follow(track, hit(k, 100 + k, 1 if k % 2 else 2, "v0"))
    assert len(msgspec.msgpack.encode(track)) < 20_000
    machine.follow(track, hit(1, 20_000, 2, "v19"))
    (match,) = machine.follow(track, hit(2, 20_001, 4))
    assert match.hits[0] == hit(0, 0, 1), "what it tells is what happened: the first step is before the count"
