"""Whom an operation concerns: a detector that says it is not concerned says and remembers nothing."""

from inspect import getclosurevars
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.asking import LOOKS_MAX, Asking, look_of
from detectors.catalog import NAMES, Knowledge, detectors
from detectors.chains.hosted import Declared
from detectors.detector import Detector
from detectors.policy import Policy
from detectors.severity import JUDGED
from detectors.steps import step_of
from detectors.witnesses import AGAIN, FIRST, NAMED
from models.attested import Effect, Fact
from models.event import CredentialKind, Grade, OpClass, Outcome, SystemKind
from models.registry import EMPTY, Client, Content, Job, Registry
from models.session import Session, Step, Workflow
from stream.configuration.rule_files import load_declared
from tests.builders import AGENT, PRINCIPAL, SLOW, at, op, trained

REGISTRIES = (
    EMPTY,
    Registry(
        Content(
            jobs=(Job(aws_role=PRINCIPAL, scope="reads only"),),
            clients=(Client(provider="aws", client="c1", scope="reads only"),),
        )
    ),
)
FACTS = {
    Fact.ADDRESS: ("10.0.0.1", "198.51.100.7"),
    Fact.BENEFICIARY: (AGENT, "user/bob"),
    Fact.CLIENT: ("c1",),
    Fact.COUNT: ("3",),
    Fact.FOREIGN_ACCOUNT: ("123",),
    Fact.GRANTED: ("admin",),
    Fact.ISSUER: ("https://elsewhere.example",),
    Fact.MINTED: ("cred-9",),
}
facts = st.fixed_dictionaries({}, optional={str(name): st.sampled_from(FACTS[name]) for name in FACTS})
fields = st.fixed_dictionaries(
    {
        "op_class": st.sampled_from(OpClass),
        "operation": st.sampled_from(["iam:A", "iam:B"]),
        "outcome": st.sampled_from(Outcome),
        "grade": st.sampled_from(Grade),
        "system_kind": st.sampled_from(SystemKind),
        "target_kind": st.sampled_from(["role", "policy"]),
        "credential_kind": st.sampled_from(CredentialKind),
        "workload_proven": st.booleans(),
        "effects": st.lists(st.sampled_from(Effect), max_size=3, unique=True).map(tuple),
        "facts": facts,
    }
)
"""What an operation looks like."""
others = st.fixed_dictionaries(
    {
        "target": st.sampled_from(["role/app", "user/bob", AGENT]),
        "principal": st.sampled_from([PRINCIPAL, "svc-2", ""]),
        "agent_role": st.sampled_from([SLOW, "", "unheard-of"]),
        "system": st.sampled_from(["aws", "vault", ""]),
        "source": st.sampled_from(["aws", "otel"]),
        "credential": st.sampled_from(["cred-7", ""]),
    }
)
"""What does not show in its looks."""


def active(registry: Registry) -> list[Detector]:
    """Every detector, and the chains that come with the program."""
    policy = Policy()
    return detectors(policy, Knowledge(trained(), registry, load_declared(policy)))


def workflow_that_has_seen_much() -> tuple[Workflow, Session]:
    """Reads, secrets, refusals and a stop that was done: what may make a detector speak."""
    session = Session(id="s1", agent=AGENT, principal=PRINCIPAL, stop_done_ms=at(1), last_ms=at(5))
    seen = [step_of(op(letter, 2.0), session) for letter in "DPSX"]
    session.last_read = session.last_write = seen[2]
    session.own_systems = {"aws": at(1), "vault": at(1)}
    session.networks = {"cred-7": "elsewhere"}
    workflow = Workflow(id="w1", sessions={"s1": session}, denied=list(seen), done=list(seen))
    kinds = ("ticket", "directory", "secret", "ticket_before_secret", "strange_secret", "unknown_secret")
    workflow.visited = dict.fromkeys((*kinds, "unwarranted_change"), seen[2])
    return workflow, session


def names(inspects: tuple[Any, ...]) -> list[str]:
    """Of the detectors that are asked."""
    by_class = {type(detector).__name__: detector.name for detector in active(EMPTY)}
    found = []
    for inspect in inspects:
        whose = getattr(inspect, "__self__", None)  # of a function made for the purpose: below
        if whose is None:
            whose = getclosurevars(inspect).nonlocals.get("self")
        found.append(by_class[inspect.__qualname__.partition(".")[0]] if whose is None else whose.name)
    return found


@pytest.mark.parametrize("registry", REGISTRIES, ids=["empty", "full"])
@given(looks=fields, rest=others)
def test_whoever_is_not_concerned_says_and_remembers_nothing(
    registry: Registry, looks: dict[str, Any], rest: dict[str, Any]
) -> None:
    """Or leaving it out would change what is judged."""
    event = op("V", 60.0, **{**looks, **rest})
    asked = 0
    for detector in active(registry):
        if event.op_class not in detector.listens_to or detector.inspector(event) is not None:
            asked += event.op_class in detector.listens_to
            continue
        workflow, session = workflow_that_has_seen_much()
        before = msgspec.msgpack.encode(workflow)
        step: Step = step_of(event, session)
        assert detector.inspect(session, workflow, event, step) is None, detector.name
        assert msgspec.msgpack.encode(workflow) == before, detector.name
    assert asked


@given(looks=fields, one=others, other=others)
def test_those_that_look_alike_are_asked_about_alike(
    looks: dict[str, Any], one: dict[str, Any], other: dict[str, Any]
) -> None:
    """The answer for the first is kept for all."""
    first, second = op("V", 0.0, **{**looks, **one}), op("V", 9.0, **{**looks, **other})
    assert look_of(first) == look_of(second)
    for detector in active(REGISTRIES[1]):
        if first.op_class in detector.listens_to:
            assert (detector.inspector(first) is None) == (detector.inspector(second) is None), detector.name


@given(looks=fields, rest=others, before=st.sampled_from([FIRST, NAMED, AGAIN]))
def test_what_is_kept_is_what_would_be_found_anew(
    looks: dict[str, Any],
    rest: dict[str, Any],
    before: int,
) -> None:
    """Whatever was asked about before."""
    event = op("V", 0.0, **{**looks, **rest})
    everybody = active(EMPTY)
    kept, anew = Asking(everybody, JUDGED), Asking(everybody, JUDGED)
    for other_grade in Grade:
        kept.about(msgspec.structs.replace(event, grade=other_grade, target=""), AGAIN - before)
    kept.about(event, before)
    assert names(kept.about(event, before)) == names(anew.about(event, before))


def test_a_claim_without_a_target_is_only_counted() -> None:
    """And an act that was told of before is not counted again."""
    asking = Asking(active(EMPTY), JUDGED)
    whole, claim = op("V", 0.0), op("V", 0.0, target="")
    assert "read_then_write_chain" in names(asking.about(whole))
    learned = {"unusual_velocity", "unusual_transition", "unusual_shape"}
    assert set(names(asking.about(claim))) == learned
    assert not asking.about(claim, AGAIN)
    named, repeated = (set(names(asking.about(op("S", 0.0), before))) for before in (NAMED, AGAIN))
    assert named - repeated == {"mass_secret_read"}, "it counts what was read, whoever names it first"
    assert learned.isdisjoint(names(asking.about(whole, AGAIN))), "folded in twice it would be odd"


@pytest.mark.slow
def test_what_is_kept_is_bounded() -> None:
    """Whoever acts can call operations as they like."""
    asking = Asking(active(EMPTY), JUDGED)
    for number in range(LOOKS_MAX + 2):
        asking.about(op("X", 0.0, operation=f"made-up-{number}"))
    assert len(asking._known) <= LOOKS_MAX  # noqa: SLF001 - what is kept is tested


def test_a_chain_that_cannot_care_costs_nothing() -> None:
    """However many are loaded."""
    policy = Policy()
    chains = load_declared(policy)
    many = Declared(
        tuple(
            msgspec.structs.replace(chain, name=f"{chain.name}{k}")
            for k in range(10)
            for chain in chains.chains
        )
    )
    asking = Asking(detectors(policy, Knowledge(None, EMPTY, many)), JUDGED)
    read = op("D", 0.0)
    assert set(names(asking.about(read))) <= set(NAMES)
