"""Declared chains against a search by hand, over random chains and logs, in and out of order."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detectors.chains.compiling import compiled
from detectors.chains.declaration import Declaration, listed_texts
from detectors.chains.hosted import Hosted
from detectors.chains.hosting import DeclaredChain
from detectors.policy import ApprovalSettings
from detectors.steps import step_of
from models.errors import RuleError
from models.event import Grade, Operation
from models.session import Session, Workflow
from stream.configuration.chain_files import declarations
from tests.builders import op
from tests.chains.by_hand import completing
from tests.chains.hosting import judging

LAW = settings(max_examples=300, derandomize=True)
LETTERS = {"discovery": "D", "secret_read": "S", "exchange": "X"}
CLASSES = tuple(LETTERS)


def declared(told: dict[str, Any]) -> Declaration:
    """A chain of that text: JSON is YAML. What the loader refuses is no case."""
    try:
        ((chain, _),) = declarations("mine.yaml", json.dumps(told).encode())
    except RuleError:
        assume(condition=False)
        raise
    return chain


def found(chain: Declaration, arrivals: Sequence[Operation]) -> set[str]:
    """Ids of the operations that the machine calls the last of a match."""
    return found_by(compiled(chain, ApprovalSettings()), arrivals)


def found_by(hosted: Hosted, arrivals: Sequence[Operation]) -> set[str]:
    """The same, of what is compiled."""
    detector = DeclaredChain(hosted, lambda _: False)
    workflow, ids = Workflow("w1"), {event.at_ms: event.id for event in arrivals}
    ended = set[str]()
    for event in arrivals:
        session = workflow.sessions.setdefault(event.session, Session(event.session))
        word = detector.inspect(session, workflow, event, step_of(event, session))
        if word is not None:
            ended |= {ids[each.act_ms] for each in (word, *word.also)}
    return ended


def is_followed_whole(chain: Declaration) -> bool:
    """Not where an operation could be one of many different things, or a step that may come among them.

    Of each different thing only the newest is kept: if that is the other step, the older one is not known.
    """
    loose = compiled(chain, ApprovalSettings()).shape.loose
    apart = [chain.steps[place] for place in loose if chain.steps[place].distinct is not None]
    return not any(
        set(listed_texts(step.op_class)) & set(listed_texts(other.op_class))
        for step in apart
        for other in chain.steps
        if other is not step
    )


classes = st.lists(st.sampled_from(CLASSES), min_size=1, max_size=3, unique=True)
durations = st.sampled_from(["10s", "20s", "40s"])
fields = st.sampled_from(["target", "principal", "beneficiary"])


@st.composite
def chains(draw: st.DrawFn) -> Declaration:
    """Up to three steps with all that may be said of them."""
    names = "abc"[: draw(st.sampled_from([1, 2, 2, 3, 3]))]
    order = draw(st.sampled_from(["listed", "listed", "any"]))
    steps = [_step(draw, place, names, order) for place in range(len(names))]
    told: dict[str, Any] = {
        "name": "mine",
        "title": "mine",
        "order": order,
        "steps": steps,
        "within": draw(st.sampled_from(["20s", "60s", "1h", "1h"])),
        "scope": draw(st.sampled_from(["workflow"] * 4 + ["session", "principal"])),
    }
    if draw(st.integers(0, 7)) == 0:
        told["by"] = "target"
    if draw(st.integers(0, 2)) == 0:
        told["absent"] = [_absence(draw, names)]
    chain = declared(told)
    assume(is_followed_whole(chain))
    return chain


def _step(draw: st.DrawFn, place: int, names: str, order: str) -> dict[str, Any]:
    step: dict[str, Any] = {"id": names[place], "class": draw(classes)}
    if order == "any":
        others = [name for name in names if name != names[place]]
        after = draw(st.lists(st.sampled_from(others), max_size=2, unique=True)) if others else []
        step |= {"after": after} if after else {}
    if draw(st.integers(0, 2)) == 0:
        step |= {"within": draw(durations)}
    step |= _bonds(draw, names[:place] if order == "listed" else step.get("after", ""))
    if draw(st.integers(0, 2)) == 0:
        step |= {"count": draw(st.sampled_from([2, 2, 3]))}
        if draw(st.booleans()):
            step["distinct"] = draw(fields)
    return step


def _bonds(draw: st.DrawFn, earlier: Sequence[str]) -> dict[str, Any]:
    if not earlier or draw(st.integers(0, 1)):
        return {}
    key = draw(st.sampled_from(["same", "differs"]))
    return {key: {draw(fields): f"{draw(st.sampled_from(list(earlier)))}.{draw(fields)}"}}


def _absence(draw: st.DrawFn, names: str) -> dict[str, Any]:
    absence: dict[str, Any] = {"class": draw(st.sampled_from(CLASSES))}
    after, before = (draw(st.sampled_from([None, *names])) for _ in "ab")
    if after:
        absence |= {"after": after, **_bonds(draw, after)}
    return absence | ({"before": before} if before else {})


logs = st.lists(
    st.tuples(
        st.integers(1, 12),
        st.sampled_from(CLASSES),
        st.sampled_from(["t1", "t1", "x/t1", "t2", "t3", ""]),
        st.sampled_from(["p1", "p2"]),
        st.sampled_from(["s1", "s1", "s2"]),
        st.sampled_from(["t1", "t1", "x/t1", "t2", "t1,t2", ""]),
    ),
    min_size=4,
    max_size=9,
).map(
    lambda told: [
        op(
            LETTERS[op_class],
            sum(gap for gap, *_ in told[: k + 1]),
            id=f"e{k}",
            target=target,
            principal=principal,
            session=session,
            facts={"beneficiary": beneficiary} if beneficiary else {},
        )
        for k, (_, op_class, target, principal, session, beneficiary) in enumerate(told)
    ]
)


@pytest.mark.slow
@LAW
@given(chains(), logs)
def test_a_chain_fires_exactly_where_a_search_by_hand_finds_it(
    chain: Declaration, log: list[Operation]
) -> None:
    """Each operation that ends a match, and no other."""
    assert found(chain, log) == completing(chain, log)


@pytest.mark.slow
@LAW
@given(chains(), logs, st.data())
def test_it_does_so_in_whatever_order_they_arrive(
    chain: Declaration, log: list[Operation], data: st.DataObject
) -> None:
    """Late, reordered: by event time, as if they had come in order; what has fired stays."""
    arrivals = data.draw(st.permutations(log))
    assert found(chain, arrivals) == completing(chain, arrivals)


@pytest.mark.slow
@LAW
@given(chains(), logs, st.data())
def test_the_judge_names_the_same_sessions_however_often_events_are_told(
    chain: Declaration, log: list[Operation], data: st.DataObject
) -> None:
    """Reordered, told twice, and with its memory stored and read in between."""
    records = [msgspec.structs.replace(event, grade=Grade.ATTESTED) for event in log]
    twice = data.draw(st.lists(st.sampled_from(records), max_size=4))
    arrivals = data.draw(st.permutations([*records, *twice]))
    heard = judging([compiled(chain, ApprovalSettings())])
    for event in arrivals:
        heard.fold([event])
        stored = msgspec.msgpack.encode(heard.workflows["w1"])
        heard.workflows["w1"] = msgspec.msgpack.decode(stored, type=Workflow)
    sessions = {event.id: event.session for event in log}
    expected = completing(chain, list({event.id: event for event in arrivals}.values()))
    assert {finding.session for finding in heard.findings} == {sessions[ended] for ended in expected}
