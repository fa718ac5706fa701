"""What an analyst says of a stop: on record, believed of nobody's own session, and learned from."""

import json
from pathlib import Path

import msgspec
import pytest

from detectors.policy import Policy
from models.baselines.baseline import read_artifact
from models.cloudevent import encode_event, read_event
from models.command import Action
from models.errors import UnreadableEventError
from models.event import AnyEvent, Origin
from models.finding import Verdict
from models.ocsf import to_ocsf
from models.session import ANSWERED_MAX, Session, Workflow
from stream import metrics
from stream.evaluation.sessions import runs_of
from stream.evaluation.truth import Kind, Labels, Truth, labels_of
from stream.learning.teaching import Recorded, teachers
from stream.learning.training import train
from stream.state.partition import Partition
from stream.state.store import Claim
from tests.builders import (
    AGENT,
    CHAIN,
    CLERK,
    CLERKS,
    HUMAN,
    OFFICE,
    PRINCIPAL,
    SIGNER,
    TRUSTED,
    clerk_run,
    delegation,
    disposition,
    end,
    judged,
    op,
    origin,
    release,
    slow_run,
    told,
    trained,
)

STOP = [Action.KILL_SESSION, Action.REVOKE_TOKEN]


def stopped() -> tuple[list[AnyEvent], str]:
    """A chain, and the command that stopped it."""
    events = told(CHAIN)
    return events, judged(events).commands[0].id


def test_a_disposition_is_put_on_record_and_changes_nothing_else() -> None:
    """An update of what it is about, naming who says so and which detectors were wrong; the stop stands."""
    events, command = stopped()
    heard = judged([*events, disposition(100, command, reason="a planned migration")])
    assert heard.actions == STOP
    assert heard.session().verdict is Action.KILL_SESSION
    found = heard.findings[-1]
    assert (found.detector, found.about, found.decided_by) == ("disposition", command, HUMAN)
    assert (found.verdict, found.blamed) == (Verdict.FALSE_POSITIVE, ("read_then_write_chain",))
    assert "a planned migration" in found.reason
    told_siem = to_ocsf(found)
    assert (told_siem["activity_id"], told_siem["type_uid"]) == (2, 200402)
    assert (told_siem["finding_info"]["uid"], told_siem["verdict_id"]) == (command, 1)
    assert told_siem["is_alert"] is False
    assert to_ocsf(heard.findings[0])["activity_id"] == 1


def test_it_may_be_about_a_finding() -> None:
    """What only alerted is judged as well as what stopped."""
    events = told(CHAIN)
    first = judged(events).findings[0]
    found = judged([*events, disposition(100, first.id, right=True)]).findings[-1]
    assert (found.verdict, found.blamed) == (Verdict.TRUE_POSITIVE, (first.detector,))


@pytest.mark.parametrize(
    "who", [AGENT, PRINCIPAL, "planner", "s2", "s1", "arn:x:role/svc-agent-7", "agent-of-ours"]
)
def test_nobody_judges_a_stop_of_their_own(who: str) -> None:
    """Nor does any agent that is registered: what it says is refused, and told."""
    beside = op("X", 0, session="s2", agent="planner")
    events, command = stopped()
    found = judged([beside, *events, disposition(100, command, decided_by=who)]).findings[-1]
    assert (found.detector, found.verdict) == ("self_disposition", None)
    assert who in found.reason


def test_a_session_that_was_forgotten_can_still_be_judged() -> None:
    """People take their time; then the event itself has to say whose finding it was, by names that exist."""
    claims = ("trust_opened", "read_then_write_chain", "x" * 200)
    (found,) = judged([disposition(100, "c-1", right=True, detectors=claims)]).findings
    assert found.blamed == ("trust_opened", "read_then_write_chain")
    assert judged([disposition(100, "c-1")]).findings[0].blamed == ()


def test_what_is_remembered_outweighs_what_is_claimed_and_outlasts_release_and_idling() -> None:
    """Blame cannot be moved to another detector."""
    events, command = stopped()
    later = [release(95), end(96), *told("X@9000"), disposition(9001, command, detectors=("trust_opened",))]
    assert judged([*events, *later]).findings[-1].blamed == ("read_then_write_chain",)


def test_no_more_is_remembered_than_a_bound() -> None:
    """A noisy session stays small."""
    events, command = stopped()
    heard = judged(events)
    for k in range(2 * ANSWERED_MAX):
        heard.session().answer(f"f{k}", ("trust_opened",))
    assert len(heard.session().answered) == ANSWERED_MAX
    assert command not in heard.session().answered


def test_a_word_that_is_delivered_twice_is_told_once() -> None:
    """By its id; another word on the same command is another word."""
    events, command = stopped()
    said = disposition(100, command)
    heard = judged([*events, said, said, disposition(101, command, right=True)])
    verdicts = [found.verdict for found in heard.findings if found.verdict is not None]
    assert verdicts == [Verdict.FALSE_POSITIVE, Verdict.TRUE_POSITIVE]


def test_facts_are_counted_once() -> None:
    """A disposition is no operation, and one event."""
    heard = judged([*told("D@0 X@1"), disposition(2, "c-1"), delegation(3, "s1", "s2")])
    assert (heard.judge.tally.events, heard.judge.tally.operations) == (4, 2)


def test_it_travels_as_a_cloudevent() -> None:
    """Binary mode, like all events; what is too long or missing is refused at the door."""
    said = disposition(100, "c-1", right=True, reason="r", detectors=("trust_opened",))
    value, headers = encode_event(said)
    assert dict(headers)["ce_type"] == b"dev.chainbrake.event.disposition.v1"
    assert read_event(value, headers) == said
    fields = json.loads(value)
    for changed in (
        {"about": ""},
        {"about": "x" * 257},
        {"reason": "x" * 1025},
        {"true_positive": "yes"},
        {"detectors": ["x"] * 17},
        {"decided_by": ""},
    ):
        with pytest.raises(UnreadableEventError):
            read_event(json.dumps({**fields, **changed}).encode())
    del fields["true_positive"]
    with pytest.raises(UnreadableEventError):
        read_event(json.dumps(fields).encode())


def counted(detector: str, verdict: Verdict) -> float:
    """What the metric says."""
    labels = {"detector": detector, "verdict": verdict.value}
    return metrics.REGISTRY.get_sample_value("chainbrake_dispositions_total", labels) or 0.0


def test_wrong_stops_are_counted_by_detector() -> None:
    """What a team that is woken at night wants to know; and a stop that rests on two counts for both."""
    before = [counted(name, Verdict.FALSE_POSITIVE) for name in ("read_then_write_chain", "untold")]
    events, command = stopped()
    partition = Partition(0, Claim(1, 0, "t"), "t", 0)
    found = [
        *judged([*events, disposition(100, command)]).findings,
        *judged([disposition(100, "long-ago")]).findings,
    ]
    partition.owe("w1", [each for each in found if each.verdict is not None])
    after = [counted(name, Verdict.FALSE_POSITIVE) for name in ("read_then_write_chain", "untold")]
    assert after == [before[0] + 1, before[1] + 1]


# Training


def taught(*events: AnyEvent) -> tuple[set[str], dict[str, int]]:
    """Sessions that teach, and why others do not."""
    recorded = Recorded(Policy(), registry=OFFICE)
    for event in events:
        recorded.fold(event, event.at_ms)
    found = teachers(recorded.told(), 0.25)
    reasons = {reason: count for (_, reason), count in found.left_out.items()}
    return {run.session for run in found.runs}, reasons


def test_a_false_alarm_lets_its_session_teach() -> None:
    """Whatever it was that ordered the stop, and wherever in the files the word comes."""
    events, command = stopped()
    said = disposition(100, command)
    assert taught(*events) == (set(), {"rules:kill_session": 1})
    assert taught(*events, said) == ({"s1"}, {})
    assert taught(said, *events) == ({"s1"}, {})


def test_a_release_alone_says_nothing_of_what_was_normal() -> None:
    """Somebody let it go on; only a word that the stop was wrong lets it teach."""
    events, _ = stopped()
    assert taught(*events, release(95))[0] == set()


def test_what_was_right_keeps_its_session_out_even_if_it_was_released() -> None:
    """And outweighs a false alarm of the same session."""
    events, command = stopped()
    right = disposition(100, command, right=True)
    expected: tuple[set[str], dict[str, int]] = (set(), {"disposed:true_positive": 1})
    assert taught(*events, release(95), right) == expected
    assert taught(*events, right, disposition(101, "another-finding")) == expected
    assert taught(*told("D@0 X@60"), disposition(70, "a-finding", right=True)) == expected


def test_an_analyst_may_correct_a_word() -> None:
    """The last word on one command counts."""
    events, command = stopped()
    right, wrong = disposition(100, command, right=True), disposition(101, command)
    assert taught(*events, right, wrong) == ({"s1"}, {})


def test_a_false_alarm_covers_nothing_that_came_after_it() -> None:
    """Else one honest stop would be a licence."""
    events, command = stopped()
    again = told("D@5000 P@5030 S@5060 V@5090")
    assert taught(*events, disposition(100, command), *again)[0] == set()


@pytest.mark.parametrize("who", [AGENT, PRINCIPAL, "s1", "agent-of-ours"])
def test_no_agent_talks_itself_into_the_baseline(who: str) -> None:
    """Wherever in the files it says so: also before anybody knew that it acts in the workflow."""
    events, command = stopped()
    said = disposition(100, command, decided_by=who)
    assert taught(*events, said)[0] == set()
    assert taught(said, *events)[0] == set()


def test_a_false_alarm_of_the_live_baseline_counts_among_the_honest_scores(tmp_path: Path) -> None:
    """So the next limit makes room for it: without the word it would be a little narrower each time."""
    runs = [clerk_run(f"k{k}", 50_000 + k, workflow=f"k{k}") for k in range(110)]
    stolen = [origin("to", Origin.TOOL, f"x{k}#0", "text", "token") for k in range(10)]
    odd = [clerk_run(f"x{k}", 60_000 + k, to, workflow=f"x{k}") for k, to in enumerate(stolen)]
    events = [event for run in (*runs, *odd) for event in run]
    words: list[AnyEvent] = [
        disposition(900, "f", session=f"x{k}", workflow=f"x{k}", id=f"d{k}") for k in range(10)
    ]
    limits, sessions = [], []
    for told_of in (events, [*events, *words]):
        out = tmp_path / "b.json"
        header = train(map(msgspec.json.encode, told_of), Policy(), out, SIGNER, trained()).header
        model = read_artifact(out.read_bytes(), out, TRUSTED).surprise
        limits.append(model.expectation(CLERKS, CLERK).score_limit(0.02))
        sessions.append(header.sessions)
    assert sessions[1] == sessions[0] + 10
    assert limits[0] is not None
    assert limits[1] is not None
    assert limits[1] > limits[0]


# Evaluation


def truth_of(*events: AnyEvent) -> Truth | None:
    """What is known of the session s1, from the events alone."""
    labels = Labels()
    runs = list(runs_of(map(msgspec.json.encode, events), labels.add_disposition))
    return labels.of(next(run for run in runs if run.session == "s1"))


def test_what_analysts_said_is_truth_for_an_evaluation() -> None:
    """Right means malicious, all false means benign; the last word counts; none of its own does."""
    run = slow_run("s1", 1)
    assert truth_of(*run) is None
    assert truth_of(*run, disposition(9, "c")) == Truth(Kind.BENIGN)
    assert truth_of(*run, disposition(9, "c"), disposition(10, "d", right=True)) == Truth(Kind.MALICIOUS)
    assert truth_of(*run, disposition(10, "c"), disposition(9, "c", right=True)) == Truth(Kind.BENIGN)
    assert truth_of(*run, disposition(9, "c", decided_by=AGENT)) is None
    assert truth_of(*run, disposition(9, "c", session="s2")) is None


def test_a_file_of_labels_may_hold_dispositions_and_outweighs_them(tmp_path: Path) -> None:
    """As they stand on the topic; whoever labels afterwards knows more than whoever was on duty."""
    (run,) = runs_of(map(msgspec.json.encode, slow_run("s1", 1)))
    given = tmp_path / "labels.ndjson"
    said = msgspec.json.encode(disposition(9, "c", right=True))
    given.write_bytes(said + b"\n")
    assert labels_of("scenario", [], given).of(run) == Truth(Kind.MALICIOUS)
    given.write_bytes(said + b'\n{"session": "s1", "label": "benign"}\n')
    assert labels_of("events", [], given).of(run) == Truth(Kind.BENIGN)


def test_a_worker_of_before_reads_what_it_can() -> None:
    """A session stored without what is remembered for dispositions still loads."""
    events, _ = stopped()
    workflow = judged(events).workflows["w1"]
    content = msgspec.msgpack.encode(workflow)
    assert msgspec.msgpack.decode(content, type=Workflow).sessions["s1"].answered
    raw = msgspec.msgpack.decode(content)
    place = Workflow.__struct_fields__.index("sessions")
    raw[place]["s1"] = raw[place]["s1"][: Session.__struct_fields__.index("answered")]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(raw), type=Workflow).sessions["s1"].answered == {}
