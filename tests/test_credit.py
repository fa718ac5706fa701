"""An act that was asked for and not answered yet: who waits for how long, and what comes of it."""

from typing import Any

import pytest

from detectors.judge import Judge
from detectors.policy import ApprovalSettings, Policy
from models.attested import Effect
from models.command import Action
from models.event import AnyEvent, ApprovalRequest, Grade, Operation
from models.session import Workflow
from tests.builders import AGENT, MEANINGS, Judged, approval, at, delegation, judged, op, registered, release

STOP = [Action.KILL_SESSION, Action.REVOKE_TOKEN]
ASKED, GRANTED, ACT = 0, 50, 60


def question(seconds: float = ASKED, **changed: Any) -> ApprovalRequest:
    """Somebody asks whether the change "V" may be made."""
    fields: dict[str, Any] = {
        "id": f"question@{seconds:g}",
        "source": "approvals",
        "at_ms": at(seconds),
        "workflow": "w1",
        "session": "s1",
        "request": "r-1",
        "operation": MEANINGS["V"][1],
        "target": MEANINGS["V"][2],
        "requested_by": AGENT,
    }
    return ApprovalRequest(**(fields | changed))


def grave(seconds: float = ACT, **changed: Any) -> Operation:
    """A change that stops on its own, unless somebody allowed it."""
    return op("V", seconds, effects=(Effect.EXPANDS, Effect.ADMIN), **changed)


def answer(seconds: float = GRANTED, **changed: Any) -> AnyEvent:
    """A human's yes to that question."""
    return approval(seconds, asked_s=ASKED, request="r-1", **changed)


def test_an_answer_that_is_told_late_stops_nobody() -> None:
    """The act is known before its approval is; a human is asked meanwhile, and nothing stays."""
    heard = judged([question(), grave()])
    assert heard.actions == [Action.STEP_UP]
    assert {finding.grade for finding in heard.findings} == {Grade.INFERRED}
    heard.fold([answer(), op("X", 70), op("X", 600)])
    assert heard.actions == [Action.STEP_UP]
    assert heard.session().alarms == {}


def test_a_late_answer_is_good_for_one_act() -> None:
    """The act that waited for it has used it up."""
    heard = judged([question(), grave(), answer(), grave(80)])
    assert heard.actions == [Action.STEP_UP, *STOP]


def test_an_answer_that_does_not_come_stops_the_session_that_acted() -> None:
    """Whoever makes it known; at the last moment it may still come."""
    heard = judged([question(), grave(), op("X", ACT + 30, session="s2")])
    assert heard.actions == [Action.STEP_UP]
    heard.fold([op("X", ACT + 30.001, session="s2")])
    assert heard.actions == [Action.STEP_UP, *STOP]
    assert heard.stopped == {"s1"}


@pytest.mark.parametrize(
    "word",
    [
        answer(decided_by=AGENT),
        answer(ASKED + 0.5),
        answer(ACT + 20),
        answer(digest_fits=False),
        answer(target="role/other"),
        registered("refused", GRANTED, "r-1"),
    ],
    ids=["by itself", "too fast", "after the act", "of another digest", "for another target", "refused"],
)
def test_an_answer_that_is_none_ends_the_wait(word: AnyEvent) -> None:
    """It was heard, and allows nothing."""
    assert judged([question(), grave(), word]).actions == [Action.STEP_UP, *STOP]


@pytest.mark.parametrize(
    "events",
    [
        [question(), registered("refused", GRANTED, "r-1"), grave()],
        [question(), answer(decided_by=AGENT), grave()],
        [question(ACT - 1.999), grave()],
        [question(session="s2"), grave()],
        [question(target="role/other"), grave()],
        [question(), grave(20, outcome="denied", id="tried"), grave()],
        [question(), op("X", ACT + 31), grave()],
        [question(), grave(ACT + 8 * 3600)],
        [grave()],
    ],
    ids=[
        "it was refused",
        "it approved itself",
        "nobody can have answered",
        "another session asked",
        "it asked for something else",
        "the platform had refused it",
        "the answer would have come",
        "it asked long ago",
        "nobody asked",
    ],
)
def test_who_does_not_wait_for_an_answer_is_stopped(events: list[AnyEvent]) -> None:
    """To have asked is no way to be left alone."""
    assert judged(events).actions[-2:] == STOP


def test_one_act_is_given_time_and_no_second_one() -> None:
    """Else whoever asks for everything may do everything."""
    more = question(1, request="r-2", operation="iam:PutRolePolicy")
    heard = judged([question(), more, grave(), grave(61, operation="iam:PutRolePolicy")])
    assert heard.actions == [Action.STEP_UP, *STOP]


def test_what_the_planner_asked_for_its_delegate_may_await() -> None:
    """As with approvals."""
    heard = judged([delegation(1, "s1", "s2"), question(), grave(session="s2")])
    assert heard.actions == [Action.STEP_UP]


def test_a_release_ends_the_wait() -> None:
    """What a human has looked at is not held against the session a minute later."""
    heard = judged([question(), grave(), release(70), op("X", 200)])
    assert heard.actions == [Action.STEP_UP, Action.RELEASE_SESSION]


def test_an_act_that_is_told_late_itself_waits_for_nothing() -> None:
    """By then its answer has had the time to arrive, whatever the two are dated."""
    judge, workflow = Judge(Policy(), None), Workflow("w1")
    judge.fold(workflow, question(), 0, at(ASKED))
    decision = judge.fold(workflow, grave(), 1, at(ACT + 30.001))
    assert decision is not None
    assert [command.action for command in decision.commands] == STOP


def test_what_arrives_later_ends_the_wait_however_it_is_dated() -> None:
    """A record of an earlier moment shows that time has passed."""
    judge, workflow = Judge(Policy(), None), Workflow("w1")
    judge.fold(workflow, question(), 0, at(ASKED))
    judge.fold(workflow, grave(), 1, at(ACT))
    assert judge.fold(workflow, op("X", 1), 2, at(ACT + 30)) is None
    decision = judge.fold(workflow, op("X", 2), 3, at(ACT + 30.001))
    assert decision is not None
    assert [command.action for command in decision.commands] == STOP


def test_a_policy_may_wait_for_nothing() -> None:
    """Then an answer has to be there first."""
    policy = Policy(approvals=ApprovalSettings(answer_within_ms=0))
    assert judged([question(), grave(), op("X", 61)], policy).actions == STOP


def test_the_same_on_firmer_evidence_is_news() -> None:
    """A guess must not silence the platform's own word."""
    heard = Judged().fold([grave(0, grade=Grade.INFERRED)])
    assert heard.actions == [Action.STEP_UP]
    assert heard.fold([grave(1, grade=Grade.ATTESTED)]).actions == [Action.STEP_UP, *STOP]


PLAN = "sha256:aa"


def planned(*acts: AnyEvent) -> list[AnyEvent]:
    """A run whose plan was registered and asked for, and what it does before the answer is heard."""
    plan = registered("plan", ASKED - 1, PLAN, targets=("role/app", "role/other"))
    return [plan, question(operation="pipeline.apply", target=PLAN), *acts]


BOTH = (grave(), grave(ACT + 5, target="role/other"))


def test_what_one_plan_lists_waits_for_its_one_answer() -> None:
    """All of it was asked for at once; nothing stays, and what comes later is vouched for."""
    heard = judged(planned(*BOTH))
    assert heard.actions == [Action.STEP_UP]
    heard.fold([answer(operation="pipeline.apply", target=PLAN), grave(ACT + 20), op("X", 600)])
    assert heard.actions == [Action.STEP_UP]
    assert heard.session().alarms == {}


def test_the_time_of_a_plan_runs_from_the_first_act() -> None:
    """Else a run that goes on and on would never be stopped."""
    heard = judged(planned(*BOTH, op("X", ACT + 30)))
    assert heard.actions == [Action.STEP_UP]
    heard.fold([op("X", ACT + 30.001)])
    assert heard.actions == [Action.STEP_UP, *STOP]


@pytest.mark.parametrize(
    "acts",
    [
        (grave(target="role/third"),),
        (BOTH[0], grave(ACT + 5, target="role/third")),
        (op("V", 30, outcome="denied", effects=(Effect.EXPANDS, Effect.ADMIN)), grave()),
        (registered("refused", GRANTED, "r-1"), grave()),
        (answer(operation="pipeline.apply", target=PLAN, decided_by=AGENT), grave()),
        (question(request="r-2", operation="pipeline.apply", target="sha256:bb"), grave(target="role/x")),
    ],
    ids=["another", "another after one of it", "refused by record", "refused", "by itself", "another plan"],
)
def test_what_no_plan_lists_waits_for_nothing(acts: tuple[AnyEvent, ...]) -> None:
    """The evil twin: one target beside the plan, or no answer that could still come."""
    assert Action.KILL_SESSION in judged(planned(*acts)).actions
