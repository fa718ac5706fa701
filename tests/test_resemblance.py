"""What labelled hijacked sessions teach: beside what honest ones do, held out as those are, and weighed."""

from collections.abc import Sequence
from functools import cache
from math import log2
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import UNSET
from msgspec.structs import replace

from models.baselines.baseline import (
    FORMAT_VERSION,
    LABELLED_VERSION,
    Header,
    Payload,
    read_artifact,
    signed_parts,
    write_artifact,
)
from models.baselines.learning import learn
from models.baselines.resemblance import ResemblanceModel, doublings
from models.baselines.resemblance_counts import ResemblanceCounts, Side
from models.baselines.resemblance_fit import Bag, Fitted
from models.baselines.resemblance_learning import ByFold, Hijacked, fit_resemblance, learn_resemblance
from models.baselines.surprise import remember
from models.baselines.surprise_learning import learn_held_out
from models.errors import ArtifactError
from models.event import ERROR, Operation, Origin
from tests.builders import CLERKS, SIGNER, TRUSTED, asked, clerk_run, op, operations, origin
from tests.labelled import hijacked, honest, in_the_text, job, labelled, learned


@cache
def taught() -> tuple[Header, Payload]:
    """What honest sessions and labelled ones teach."""
    return learn(honest(), {}, hijacked=hijacked())


@cache
def untaught() -> tuple[Header, Payload]:
    """What honest ones teach alone."""
    return learn(honest(), {})


def odd_run(session: str = "s1", **changed: Any) -> list[Operation]:
    """Another one that was hijacked."""
    return operations(clerk_run(session, 1, in_the_text(session), agent_role=job(0), **changed))


def scores(model: ResemblanceModel, run: Sequence[Operation]) -> list[float]:
    """Of each act."""
    results: dict[str, str] = {}
    found = []
    for event in run:
        remember(results, event)
        found.append(model.likeness(event, results).score)
    return found


def the_model() -> ResemblanceModel:
    """Of the labelled clerks."""
    model = labelled().resemblance
    assert model is not None
    return model


def test_the_hijacked_act_resembles_hijacks_and_those_before_it_do_not() -> None:
    """Only what came after the first bad act was counted on the other side."""
    *before, last = scores(the_model(), odd_run())
    assert last > 3.0
    assert max(before) < 1.0
    assert max(scores(the_model(), operations(clerk_run("s1", 1, agent_role=job(0))))) < 1.0


@pytest.mark.parametrize(
    "changed",
    [{"agent": "agent-8"}, {"outcome": ERROR}, {"provenance": ()}],
    ids=["nobody labelled any of that agent", "the call failed", "nobody says where anything came from"],
)
def test_nothing_is_said_of(changed: dict[str, Any]) -> None:
    """And nothing is kept."""
    run = odd_run()
    assert scores(the_model(), [*run[:-1], msgspec.structs.replace(run[-1], **changed)])[-1] == 0.0


def test_what_a_hijacked_session_did_before_teaches_neither_side() -> None:
    """It was honest then, for all that is known, and is not vouched for."""
    counts, before = taught()[1].resemblance, f"{CLERKS}\x1fdirectory:Find"
    assert counts is not UNSET
    assert before not in counts.hijacked.spoken
    assert sum(counts.honest.spoken[before].values()) == len(honest())


def test_ratios_are_those_of_interpolated_chances() -> None:
    """By hand: everybody, then the agent and the source, then the argument."""
    honest_rows = {"": {"a\x1f=": 3}, "x\x1fget": {"a\x1f=": 3}}
    bad_rows = {"": {"a\x1f=": 1, "b\x1fin": 1}, "x\x1fget": {"b\x1fin": 1}}
    spoken = {"": {"user": 4}}
    counts = ResemblanceCounts(
        agents={"x": (-1.0, 2.0, 3.0)},
        honest=Side(spoken, honest_rows),
        hijacked=Side({"": {"user": 2}}, bad_rows),
    )
    told = (asked("()"), origin("to", Origin.TOOL, "e0", "b", "in"))
    event = op("X", 1, agent="x", provenance=told)
    origin_of = (0.0 + 1 * (1 / 2)) / 4
    likeness = ResemblanceModel(counts).likeness(event, {"e0": "get"})
    fine = (0 + 1 * origin_of) / 4
    bad = (1 + 1 * ((1 + 2 * (1 / 3)) / 4)) / 2
    assert likeness.origin == pytest.approx(log2(bad / fine))
    speaker = log2(((2 + 1 * (1 / 2)) / 3) / ((4 + 1 * (1 / 2)) / 5))
    assert likeness.speaker == pytest.approx(speaker)
    assert likeness.leaf == ("to", "get", "b", "in")
    assert likeness.score == pytest.approx(log2(1 + np.exp(-1 + 2 * speaker + 3 * log2(bad / fine))))


@pytest.mark.parametrize("logit", [-800.0, -1.0, 0.0, 1.0, 800.0])
def test_no_odds_are_too_long(logit: float) -> None:
    """log2(1 + odds)."""
    expected = logit / np.log(2.0) if logit > 700 else np.log2(1.0 + np.exp(logit))
    assert doublings(logit) == pytest.approx(expected)


def test_weights_say_what_scikit_learn_says() -> None:
    """Number for number, for every agent."""
    random = np.random.default_rng(1)
    bags = [
        Bag(random.normal(bad, 1.0 + k % 3, (1 + k % 4, 2)), f"a{k % 3}", hijacked=bool(bad))
        for k in range(120)
        for bad in (0, 1)
    ]
    fitted = Fitted(bags)
    weights = fitted.weights()
    for bag in bags:
        theirs = fitted.model.decision_function(fitted.design(bag.acts, [bag.agent] * len(bag.acts)))
        added, speaker, argument = weights[bag.agent]
        assert bag.acts @ np.array([speaker, argument]) + added == pytest.approx(theirs)


def test_a_fold_and_a_goal_are_left_out_as_if_they_had_never_been_there() -> None:
    """Cell by cell, to the last symbol."""
    every, kept = ByFold(), ByFold()
    for k, each in enumerate(hijacked()):
        cell = (k % 3, k % 5)
        every.add(each.run, cell, each.first_bad)
        if cell[0] != 1 and cell[1] != 2:
            kept.add(each.run, cell, each.first_bad)
    for name in ("spoken", "fields"):
        left, expected = (getattr(side, name) for side in (every.without(1, 2), kept.without()))
        assert {context: row for context, row in left.items() if row} == expected
    assert every.without() != kept.without()


@pytest.mark.slow
def test_honest_sessions_are_held_out_of_both_sides() -> None:
    """A way that one job alone has, hijacked or not, is unheard of to whoever scores that job.

    So hijacked sessions of that job change nothing, but the weights by a hair.
    """
    runs = honest()
    own = [
        [replace(each, provenance=(*each.provenance, origin("cc", Origin.TOOL, f"{each.session}#0", "own")))
         if each.operation == "mail:Send" else each for each in run]
        for run in runs
        if run[0].agent_role == job(0)
    ]  # fmt: skip
    rest = [run for run in runs if run[0].agent_role != job(0)]
    peaks = []
    for labels in (hijacked(), [each for each in hijacked() if each.job != f"role\x1f{job(0)}"]):
        _, held_out = learn_held_out([*own, *rest])
        assert learn_resemblance(held_out, labels).counts is not None
        peaks.append([peak.resemblance for placed, peak in held_out.new if placed.role == job(0)])
    assert peaks[0] == pytest.approx(peaks[1], rel=0.01)
    assert len(peaks[0]) == 15


@pytest.mark.slow
def test_a_goal_is_unheard_of_to_whoever_weighs_its_sessions() -> None:
    """Five goals, each with a field of its own: what four of them do tells little of the fifth.

    So a bit counts for more than it does where the same sessions are held out whatever their goal is.
    """
    labels = []
    for k, each in enumerate(hijacked()):
        *before, last = each.run
        told = (origin("to", Origin.TOOL, f"{last.session}#0", f"field-{k // 12 % 5}", "in"),)
        labels.append(Hijacked([*before, replace(last, provenance=told)], each.first_bad, each.goal))
    _, held_out = learn_held_out(honest())
    mixed = [replace(each, goal=f"goal-{k % 5}") for k, each in enumerate(labels)]
    ours, theirs = (fit_resemblance(held_out, told).agents[CLERKS] for told in (labels, mixed))
    assert ours[2] > 2.0 * theirs[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (hijacked(29), "29 labelled sessions (of 30)"),
        (hijacked(60, 3), "3 goals of these (of 4)"),
        ([each for each in hijacked() if int(each.run[0].agent_role[6:]) < 9], "9 jobs of these (of 10)"),
    ],
    ids=["sessions", "goals", "jobs"],
)
def test_too_few_labels_teach_nothing_and_it_is_said_why(labels: list[Hijacked], said: str) -> None:
    """All the rest is as without them."""
    header, payload = learn(honest(), {}, hijacked=labels)
    assert payload.resemblance is UNSET
    assert header.labelled is not UNSET
    assert said in header.labelled.lacking[0]
    assert (header.labelled.agents, header.version) == ([], FORMAT_VERSION)
    assert msgspec.json.encode(payload) == msgspec.json.encode(untaught()[1])


@pytest.mark.slow
def test_labels_that_tell_nothing_teach_nothing() -> None:
    """Honest sessions by another name."""
    labels = [
        Hijacked(operations(clerk_run(f"h{k}", 50_000 + k, agent_role=job(k))), 0, f"goal-{k // 12}")
        for k in range(60)
    ]
    header, payload = learn(honest(), {}, hijacked=labels)
    assert payload.resemblance is UNSET
    assert header.labelled is not UNSET
    assert "look like honest ones" in header.labelled.lacking[0]


def test_without_labels_nothing_of_them_stands_in_the_file() -> None:
    """Of its bytes none is another than before there were any."""
    content = learned(None)
    assert b"resemblance" not in content
    assert b"labelled" not in content
    assert labelled().header.version == LABELLED_VERSION
    assert read_artifact(content, Path("b"), TRUSTED).resemblance is None


def test_the_header_says_what_labels_taught() -> None:
    """And how far honest sessions came that were held out."""
    told = labelled().header.labelled
    assert told is not UNSET
    assert (told.sessions, told.jobs, told.goals, told.agents, told.lacking) == (60, 12, 5, [CLERKS], [])
    assert told.auc == 1.0
    assert labelled().header.metrics["new"]["resemblance_p99"] < 3.0
    assert "resemblance_p99" not in read_artifact(learned(None), Path("b"), TRUSTED).header.metrics["new"]


@pytest.mark.slow
def test_hijacked_sessions_teach_nothing_else() -> None:
    """What is honest, and how surprising anything is, is the same with and without them."""
    with_labels, without = (taught()[1], untaught()[1])
    for name in ("pace", "habits", "shape"):
        assert getattr(with_labels, name) == getattr(without, name)
    assert with_labels.surprise.cohorts == without.surprise.cohorts
    assert with_labels.surprise.sessions == without.surprise.sessions


def test_it_is_read_as_it_was_written_by_whoever_writes_it() -> None:
    """In pieces, and in another order of its parts."""
    header, payload = taught()
    other = msgspec.json.encode(dict(reversed(msgspec.json.decode(msgspec.json.encode(payload)).items())))
    whole = write_artifact(header, payload, SIGNER)
    again = signed(header, other)
    runs = [odd_run(), operations(clerk_run("s2", 1, agent_role=job(0)))]
    models = [read_artifact(content, Path("b"), TRUSTED).resemblance for content in (whole, again)]
    assert models[0] is not None
    assert models[1] is not None
    for run in runs:
        assert scores(models[0], run) == scores(models[1], run) == scores(the_model(), run)


def signed(header: Any, content: bytes) -> bytes:
    """A file with that payload."""
    return b"".join(signed_parts(header, content, SIGNER))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (
            ResemblanceCounts(agents={}, honest=Side({"": {"user": 1}}), hijacked=Side({"": {"user": 1}})),
            "number",
        ),
        (ResemblanceCounts(agents={"a": (0.0, 1.0, 1.0)}, honest=Side(), hijacked=Side()), "cannot be read"),
        (
            ResemblanceCounts(
                agents={"a": (0.0, 1.0, 1.0)},
                honest=Side({"": {"user": 1}}, {"": {"field": 1}}),
                hijacked=Side({"": {"user": 1}}),
            ),
            "cannot be read",
        ),
    ],
    ids=["no weights", "nothing was counted", "a field without a shape"],
)
def test_a_broken_piece_is_refused(broken: ResemblanceCounts, said: str) -> None:
    """With its reason, and a way on."""
    header, payload = taught()
    payload = Payload(
        pace=payload.pace,
        surprise=payload.surprise,
        habits=payload.habits,
        shape=payload.shape,
        resemblance=broken,
    )
    with pytest.raises(ArtifactError, match=f"{said}.*train it again"):
        read_artifact(write_artifact(header, payload, SIGNER), Path("b"), TRUSTED)


def test_weights_of_a_wrong_number_are_refused() -> None:
    """By their type, as everything is."""
    header, payload = taught()
    told = msgspec.json.decode(msgspec.json.encode(payload))
    told["resemblance"]["agents"][CLERKS] = [1.0]
    with pytest.raises(ArtifactError, match="not a baseline"):
        read_artifact(signed(header, msgspec.json.encode(told)), Path("b"), TRUSTED)
