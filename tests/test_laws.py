"""Laws of the fold, over logs that nobody would write by hand."""

import json
from collections import Counter
from collections.abc import Callable, Sequence

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.judge import Judge
from detectors.policy import Policy
from models.attested import Effect
from models.caep import EVENT_TYPES, from_caep, to_caep
from models.command import STOPS, Action, Command, stable_id
from models.errors import InputError
from models.event import AnyEvent, CredentialKind, Grade
from models.finding import Finding
from models.ocsf import CLASS_UID, to_ocsf
from models.registry import EMPTY
from models.session import Workflow
from stream.configuration.rule_files import load_declared
from tests.builders import START_MS, approval, delegation, end, op, release, trained

LAW = settings(max_examples=80, derandomize=True)
SOME = 5

Heard = list[Command | Finding]

EFFECTS = [(Effect.EXPANDS, Effect.ADMIN), (Effect.MINTS, Effect.LONG_LIVED), (Effect.TRUST_PATH,)]
sessions = st.sampled_from(["s1", "s2", "s3"])
workflows = st.sampled_from(["w1", "w2"])
seconds = st.integers(0, 600)
targets = st.sampled_from(["role/app", "role/other", ""])
operations = st.builds(
    lambda letter, at, changed: op(letter, at, **changed),
    st.sampled_from("DPSVDPSVRTCLXU"),
    seconds,
    st.fixed_dictionaries(
        {
            "session": sessions,
            "workflow": workflows,
            "target": targets,
            "outcome": st.sampled_from(["ok", "ok", "ok", "denied", "error"]),
            "grade": st.sampled_from(Grade),
            "principal": st.sampled_from(["p1", "p2"]),
            "credential_kind": st.sampled_from(CredentialKind),
            "agent_role": st.sampled_from(["", "deployer", "helpdesk"]),
            "effects": st.sampled_from([(), (), *EFFECTS]),
        }
    ),
)
facts = st.builds(
    lambda make, at, workflow: make(at, workflow),
    st.sampled_from(
        [
            lambda at, workflow: approval(at, workflow=workflow, id=f"a{at}"),
            lambda at, workflow: delegation(at, "s1", "s2", workflow=workflow),
            lambda at, workflow: release(at, workflow=workflow),
            lambda at, workflow: end(at, workflow=workflow),
        ]
    ),
    seconds,
    workflows,
)
chains = st.builds(
    lambda start, gap, fields: [op(letter, start + gap * k, **fields) for k, letter in enumerate("DPSV")],
    seconds,
    st.integers(1, 60),
    st.fixed_dictionaries(
        {
            "session": sessions,
            "workflow": workflows,
            "target": st.just("role/app"),
            "effects": st.sampled_from(EFFECTS),
        }
    ),
)
"""What happens by chance is hardly ever a chain, and laws of stops would be about nothing."""

pieces = (operations | operations | facts).map(lambda event: [event]) | chains
ordered_logs = st.lists(pieces, max_size=12).map(lambda found: [event for piece in found for event in piece])
logs = ordered_logs | ordered_logs.flatmap(st.permutations)


class Folding:
    """Events by offset, as a partition brings them; workflows kept or restored between any two."""

    def __init__(self) -> None:
        self.judge = Judge(Policy(), trained(), EMPTY, load_declared(Policy()))
        self.workflows: dict[str, Workflow] = {}
        self.heard: Heard = []

    def fold(self, events: Sequence[AnyEvent], offset: int = 0) -> None:
        """Fold them in; `offset` is the first one's place in the log."""
        for position, event in enumerate(events, offset):
            workflow = self.workflows.setdefault(event.workflow, Workflow(event.workflow))
            decision = self.judge.fold(workflow, event, position, START_MS)
            if decision is not None:
                self.heard += [*decision.findings, *decision.commands]

    def stored(self) -> dict[str, bytes]:
        """What the store would hold."""
        return {name: msgspec.msgpack.encode(workflow) for name, workflow in self.workflows.items()}

    def restore(self, stored: dict[str, bytes]) -> None:
        """As a new worker would."""
        decode = msgspec.msgpack.Decoder(Workflow).decode
        self.workflows = {name: decode(content) for name, content in stored.items()}


def run(log: Sequence[AnyEvent]) -> Folding:
    """The undisturbed run."""
    folding = Folding()
    folding.fold(log)
    return folding


@pytest.mark.slow
@LAW
@given(logs, st.data())
def test_redelivery_changes_nothing(log: list[AnyEvent], data: st.DataObject) -> None:
    """After a crash Kafka rewinds to some earlier offset and sends everything from there."""
    crashed_at = data.draw(st.integers(0, len(log)))
    rewound_to = data.draw(st.integers(0, crashed_at))
    again = run(log[:crashed_at])
    again.fold(log[rewound_to:], rewound_to)
    assert again.heard == run(log).heard
    assert again.stored() == run(log).stored()


@pytest.mark.slow
@LAW
@given(logs, st.data())
def test_a_flush_that_a_crash_tore_apart_loses_and_doubles_nothing(
    log: list[AnyEvent], data: st.DataObject
) -> None:
    """Each workflow is as old as its last write, the position older than all: commands come out the same."""
    crashed_at = data.draw(st.integers(0, len(log)))
    rewound_to = data.draw(st.integers(0, crashed_at))
    written_at = {name: data.draw(st.integers(rewound_to, crashed_at)) for name in ("w1", "w2")}
    before = run(log[:crashed_at])
    stored = {
        name: content
        for workflow, offset in written_at.items()
        for name, content in run(log[:offset]).stored().items()
        if name == workflow
    }
    again = Folding()
    again.restore(stored)
    again.fold(log[rewound_to:], rewound_to)
    ids = {message.id for message in before.heard} | {message.id for message in again.heard}
    assert ids == {message.id for message in run(log).heard}


@pytest.mark.slow
@LAW
@given(logs, st.data())
def test_a_worker_that_takes_over_goes_on_as_if_nothing_happened(
    log: list[AnyEvent], data: st.DataObject
) -> None:
    """State survives the way to the store and back at any point."""
    handed_over_at = data.draw(st.integers(0, len(log)))
    folding = run(log[:handed_over_at])
    folding.restore(folding.stored())
    folding.fold(log[handed_over_at:], handed_over_at)
    assert folding.heard == run(log).heard
    assert folding.workflows == run(log).workflows


@pytest.mark.slow
@LAW
@given(logs)
def test_workflows_do_not_see_each_other(log: list[AnyEvent]) -> None:
    """Interleaved or alone, a workflow's story ends the same."""
    together = run(log).heard
    for name in ("w1", "w2"):
        alone = run([event for event in log if event.workflow == name]).heard
        assert [message for message in together if message.workflow == name] == alone


@pytest.mark.slow
@LAW
@given(logs)
def test_every_message_is_told_once_and_by_a_stable_name(log: list[AnyEvent]) -> None:
    """Different causes, different ids; an id is the same wherever the event stands in the log."""
    heard = run([event for k, event in enumerate(log) if event not in log[:k]]).heard
    ids = [message.id for message in heard]
    assert len(ids) == len(set(ids))
    shifted = Folding()
    shifted.fold(log, offset=1_000_000)
    assert [message.id for message in shifted.heard] == [message.id for message in run(log).heard]


@LAW
@given(logs)
def test_nothing_is_ordered_without_evidence(log: list[AnyEvent]) -> None:
    """Each command says why, of whom, on which events, and how much each finding weighed."""
    known = {event.id for event in log}
    for message in run(log).heard:
        assert set(message.evidence) <= known
        assert 0.0 <= message.risk <= 1.0
        assert message.reason
        if isinstance(message, Command) and message.action is not Action.RELEASE_SESSION:
            assert message.contributions
            assert message.evidence


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_ids_are_equal_for_equal_causes_only(one: list[str], other: list[str]) -> None:
    """Parts do not run into each other: ("ab", "c") is not ("a", "bc")."""
    assert (stable_id(*one) == stable_id(*other)) == (one == other)


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
commands = st.builds(
    Command,
    id=texts,
    action=st.sampled_from(Action),
    session=texts,
    workflow=texts,
    agent=texts | st.just(""),
    at_ms=st.integers(0, 2**42),
    seen_ms=st.integers(0, 2**42),
    expires_ms=st.integers(0, 2**42),
    event_id=texts,
    event_source=texts,
    risk=st.floats(0, 1),
    reason=texts,
    principal=texts | st.just(""),
    credential=texts | st.just(""),
    credential_kind=st.sampled_from(CredentialKind),
    evidence=st.lists(texts, max_size=3).map(tuple),
    shadow=st.booleans(),
)


@LAW
@given(commands)
def test_a_command_survives_the_way_through_caep(command: Command) -> None:
    """A hook gets what was decided, to the last field."""
    assert from_caep(msgspec.json.encode(to_caep(command, "https://issuer.example"))) == command


@LAW
@given(commands)
def test_no_subject_is_everybodys(command: Command) -> None:
    """A complex subject without a session would revoke every session of its user."""
    claims = to_caep(command, "https://issuer.example")
    subject = claims["sub_id"]
    assert subject["format"] == "complex"
    assert subject["session"] == {"format": "opaque", "id": command.session}
    for member in set(subject) - {"format"}:
        assert subject[member]["format"] in {"opaque", "iss_sub"}
    assert list(claims["events"]) == [EVENT_TYPES[command.action]]
    assert {"iss", "jti", "iat", "txn"} <= claims.keys()


@LAW
@given(st.binary(max_size=100) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["events", "chainbrake", "id", "x"]), inner, max_size=3),
).map(lambda claims: json.dumps(claims).encode()))  # fmt: skip
def test_what_is_no_command_of_ours_is_refused_not_obeyed(value: bytes) -> None:
    """A hook reads a topic that others may write to."""
    refuses(lambda: from_caep(value))


def test_a_command_nested_too_deeply_is_refused() -> None:
    """Nor does it take the hook down."""
    refuses(lambda: from_caep(b'{"events":' + b"[" * 5_000))


def refuses(read: Callable[[], object]) -> None:
    """It raises `InputError` and nothing else."""
    try:
        read()
    except InputError:
        return
    raise AssertionError("that was read as a command")


OCSF = {
    "type": "object",
    "required": [
        *("activity_id", "category_uid", "class_uid", "type_uid"),
        *("finding_info", "metadata", "severity_id", "time"),
    ],
    "properties": {
        "class_uid": {"const": CLASS_UID},
        "category_uid": {"const": 2},
        "activity_id": {"enum": [0, 1, 2, 3, 99]},
        "type_uid": {"const": CLASS_UID * 100 + 1},
        "time": {"type": "integer"},
        "severity_id": {"enum": [0, 1, 2, 3, 4, 5, 6, 99]},
        "confidence_score": {"type": "integer", "minimum": 0, "maximum": 100},
        "risk_score": {"type": "integer", "minimum": 0, "maximum": 100},
        "metadata": {"type": "object", "required": ["product", "version"]},
        "finding_info": {"type": "object", "required": ["title", "uid"]},
        "evidences": {"type": "array", "minItems": 1},
    },
}
"""What OCSF 1.8 requires of a Detection Finding."""


@pytest.mark.slow
@LAW
@given(logs)
def test_every_finding_is_a_valid_detection_finding(log: list[AnyEvent]) -> None:
    """A SIEM takes it as it is, and finds the whole of it under `unmapped`."""
    for message in run(log).heard:
        if isinstance(message, Finding):
            event = json.loads(msgspec.json.encode(to_ocsf(message)))
            jsonschema.validate(event, OCSF)
            assert msgspec.convert(event["unmapped"]["chainbrake"], Finding) == message


def test_the_logs_of_these_laws_do_lead_to_stops() -> None:
    """A law about nothing would hold as well: so would one whose logs are all honest."""
    stopped, released, noticed = Counter[str](), Counter[str](), Counter[str]()

    @LAW
    @given(logs)
    def listen(log: list[AnyEvent]) -> None:
        for message in run(log).heard:
            if isinstance(message, Finding):
                noticed[message.detector] += 1
            elif message.action in STOPS:
                stopped[message.workflow] += 1
            elif message.action is Action.RELEASE_SESSION:
                released[message.workflow] += 1

    listen()
    assert min(stopped["w1"], stopped["w2"], released["w1"], released["w2"]) >= SOME
    assert len([name for name, count in noticed.items() if count >= SOME]) >= SOME, noticed
