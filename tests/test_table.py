"""What is walked down at each event says, to the bit, what the histories say that it was laid out from."""

from math import log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.baselines.counts import ORDER, START, CohortCounts, History
from models.baselines.sequences import REMEMBERED_MAX, SequenceModel, Shared, _packed, count_next
from models.baselines.table import SYMBOLS_MAX, Numbering, Table, numbering_of

LETTERS = "abcdef"
FAILS = "!"
"""An operation that fails each time: others come after it, and it comes after none."""
runs = st.lists(st.lists(st.sampled_from((*LETTERS, FAILS)), max_size=30), min_size=1, max_size=6)
steps = st.lists(st.sampled_from((*LETTERS, FAILS, "never seen")), min_size=1, max_size=ORDER + 1).map(tuple)
LAW = settings(max_examples=200, derandomize=True)


def learned(sessions: list[list[str]]) -> History:
    """What came after what, in these sessions."""
    history = History()
    for session in sessions:
        for place, symbol in enumerate(session):
            if symbol != FAILS:
                back = [*reversed(session[max(0, place - ORDER) : place]), *[START] * ORDER][:ORDER]
                count_next(history, back, symbol)
    return history


def walked(history: History | None, step: tuple[str, ...], chance: float) -> float:
    """As it is defined: Witten-Bell, from no history to the longest that was seen."""
    *before, symbol = step
    while history is not None:
        distinct = len(history.next)
        if distinct:
            chance = (history.next.get(symbol, 0) + distinct * chance) / (history.seen + distinct)
        history = history.older.get(before.pop() if before else START)
    return chance


def chance_of(table: Table, numbering: Numbering, step: tuple[str, ...], chance: float) -> float:
    """As the table says it."""
    return table.chance(step, numbering.place(step[-1]), numbering.way(step[:-1]), chance)


@pytest.mark.slow
@LAW
@given(runs=runs, others=runs, asked=st.lists(steps, min_size=1, max_size=20), chance=st.floats(1e-9, 1.0))
def test_a_table_says_what_the_histories_say(
    runs: list[list[str]], others: list[list[str]], asked: list[tuple[str, ...]], chance: float
) -> None:
    """In whatever order it is asked, hence laid out; by the cells of a broader cohort."""
    history, numbering = learned(runs), Numbering(learned([*others, *runs]))
    assert numbering.holds(history)
    table = Table(history, numbering)
    for step in asked:
        assert chance_of(table, numbering, step, chance) == walked(history, step, chance)


@LAW
@given(runs=runs, step=steps, chance=st.floats(1e-9, 1.0))
def test_a_history_of_which_nothing_is_left_changes_no_chance(
    runs: list[list[str]], step: tuple[str, ...], chance: float
) -> None:
    """All of it was held out."""
    history = learned(runs)
    for longer in history.older.values():
        longer.next.clear()
        longer.seen = 0
    numbering = Numbering(history)
    assert chance_of(Table(history, numbering), numbering, step, chance) == walked(history, step, chance)


@pytest.mark.slow
@LAW
@given(theirs=runs, own=runs, step=steps)
def test_cohorts_of_few_symbols_and_of_many_are_walked_alike(
    theirs: list[list[str]], own: list[list[str]], step: tuple[str, ...]
) -> None:
    """Those of many stay dictionaries."""
    cohorts = {key: learned([*theirs, *own]) for key in ("", "role")} | {"agent": learned(own)}
    few, many = (models(cohorts) for _ in range(2))
    many.table, many._narrow = None, _packed(cohorts["agent"])  # noqa: SLF001 - as if there were too many
    assert few.table is not None
    assert few.bits(step) == many.bits(step) == few.bits(step)


@LAW
@given(theirs=runs, own=runs, step=steps)
def test_a_cohort_that_is_no_part_of_the_broader_one_has_no_table(
    theirs: list[list[str]], own: list[list[str]], step: tuple[str, ...]
) -> None:
    """No training writes such; a file may say so all the same, and is read as it says."""
    cohorts = {"": learned(theirs), "role": learned(theirs), "agent": learned([*own, ["other"]])}
    model = models(cohorts)
    assert model.table is None
    chance = 1.0
    if cohorts[""].next:
        distinct, seen = len(cohorts[""].next), cohorts[""].seen
        chance = (cohorts[""].next.get(step[-1], 0) + distinct / (distinct + 1)) / (seen + distinct)
    for key in ("role", "agent"):
        chance = walked(cohorts[key], step, chance)
    assert model.bits(step) == 0.0 - log2(chance)


def models(cohorts: dict[str, History]) -> SequenceModel:
    """Of the narrowest of them."""
    shared = Shared({key: CohortCounts(sessions=50, after=history) for key, history in cohorts.items()})
    return SequenceModel(shared, ("role", "agent"))


def test_more_steps_than_are_remembered_are_worked_out_again() -> None:
    """Alike, and no more are kept."""
    cohorts = {key: learned([[*LETTERS]]) for key in ("", "role", "agent")}
    model = models(cohorts)
    step = (*LETTERS[:ORDER], "f")
    bits, told = model.bits(step), len(model.known)
    model._shared._count = REMEMBERED_MAX  # noqa: SLF001 - as if there had been so many
    model.bits(("b", "a"))
    assert (told, len(model.known)) == (1, 1)
    assert model.bits(step) == bits


def test_too_many_symbols_are_no_table() -> None:
    """Most of its cells would be empty."""
    few, many = ([[f"s{k}" for k in range(count)]] for count in (SYMBOLS_MAX - 1, SYMBOLS_MAX + 1))
    assert numbering_of(learned(few)) is not None  # with the start
    assert numbering_of(learned(many)) is None
