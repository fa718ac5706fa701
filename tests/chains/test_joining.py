"""Chains over workflows: what one agent or principal does in several, put together from notes."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from detectors.chains.compiling import compiled
from detectors.chains.declaration import Declaration
from detectors.chains.hosted import Declared, Hosted
from detectors.chains.hosting import DeclaredChain
from detectors.chains.joining import NOTES_MAX, SLACK
from detectors.crossing import Crossing
from detectors.decision import Decisions
from detectors.judge import Judge
from detectors.notebook import Notebook
from detectors.policy import ApprovalSettings, Level, Policy
from detectors.steps import step_of
from models.command import Action
from models.event import AnyEvent, Grade, Operation
from models.finding import Elsewhere
from models.session import Session, Workflow
from stream.configuration.chain_files import declarations, remarked
from tests.builders import OFFICE, Judged, at, join, op, release, told
from tests.chains.by_hand import completing
from tests.chains.hosting import alone
from tests.chains.sigma_rules import loaded
from tests.chains.test_by_hand import chains, logs
from tests.chains.test_sigma_by_hand import Correlation, correlations, hosted
from tests.chains.test_sigma_by_hand import completing as correlated
from tests.chains.test_sigma_by_hand import logs as sigma_logs

LAW = settings(max_examples=150, derandomize=True)

OVER = """
name: mine
title: looked up, then granted
scope: principal
steps: [{id: look, class: discovery}, {id: grant, class: privilege_change}]
within: 1h
confidence: 1.0
response: kill_session
"""


class Telling(Crossing):
    """Writes down which operations end the matches, whether that is news or not."""

    def __init__(self, detector: DeclaredChain) -> None:
        super().__init__([detector], Decisions(Policy(), ""))
        self.ended = set[int]()

    def join(self, workflow: Workflow, told: Any, others: Any, seen_ms: int) -> None:  # noqa: ARG002 - as there
        """See `Crossing.join`."""
        joiner = self.joiner(told.chain)
        assert joiner is not None
        self.ended |= {word.act_ms for word in joiner.words(workflow, told, others)}


def found_over(chain: Hosted, arrivals: Sequence[Operation]) -> set[str]:
    """Ids of the operations that end a match: within a workflow, or over several."""
    detector = DeclaredChain(chain, lambda _: False)
    telling = Telling(detector)
    notebook = Notebook(telling)
    workflows: dict[str, Workflow] = {}
    ids = {event.at_ms: event.id for event in arrivals}
    for position, event in enumerate(arrivals):
        workflow = workflows.setdefault(event.workflow, Workflow(event.workflow))
        workflow.position = position
        session = workflow.sessions.setdefault(event.session, Session(event.session))
        word = detector.inspect(session, workflow, event, step_of(event, session))
        if word is not None:
            telling.ended |= {each.act_ms for each in (word, *word.also)}
        assert not list(notebook.decided(workflow, 0))
    return {ids[at_ms] for at_ms in telling.ended}


def by_hand(chain: Declaration, arrivals: Sequence[Operation]) -> set[str]:
    """Over all workflows; and within each, where nobody else can break a match."""
    whole = completing(chain, arrivals)
    names = {event.workflow for event in arrivals}
    return whole.union(
        *(completing(chain, [event for event in arrivals if event.workflow == name]) for name in names)
    )


def split(log: Sequence[Operation], workflows: Sequence[str]) -> list[Operation]:
    """The log, with each operation in one of the workflows."""
    return [replace(event, workflow=name) for event, name in zip(log, workflows, strict=False)]


followed = st.sampled_from(["principal", "agent"])
spread = st.lists(st.sampled_from(["w1", "w1", "w2", "w3"]), min_size=9, max_size=9)


@pytest.mark.slow
@LAW
@given(chains(), followed, logs, spread)
def test_a_chain_over_workflows_fires_exactly_where_a_search_by_hand_finds_it(
    chain: Declaration, scope: Any, log: list[Operation], workflows: list[str]
) -> None:
    """Whichever workflow an operation is in: all steps in one, each in one of its own, and what is absent."""
    over = replace(chain, scope=scope)
    events = split(log, workflows)
    assert found_over(compiled(over, ApprovalSettings()), events) == by_hand(over, events)


@pytest.mark.slow
@LAW
@given(chains(), followed, logs, spread, st.data())
def test_it_does_so_in_whatever_order_they_arrive(
    chain: Declaration, scope: Any, log: list[Operation], workflows: list[str], data: st.DataObject
) -> None:
    """Late, reordered and told twice."""
    over = replace(chain, scope=scope)
    arrivals = data.draw(st.permutations(split(log, workflows)))
    assert found_over(compiled(over, ApprovalSettings()), arrivals) == by_hand(over, arrivals)


class Over(Judged):
    """A judge of these chains alone, that is brought the notes in the order of the log."""

    def __init__(self, hosted: Iterable[Hosted], policy: Policy | None = None) -> None:
        super().__init__()
        self.judge = Judge(policy or alone(), None, OFFICE, Declared(tuple(hosted)))
        self._notebook = Notebook(self.judge.crossing)

    def fold(self, events: Iterable[AnyEvent]) -> Self:
        """See `Judged.fold`."""
        for event in events:
            super().fold([event])
            for decision in self._notebook.decided(self.workflows[event.workflow], event.at_ms):
                self.findings += decision.findings
                self.commands += decision.commands
        return self


def over(text: str, *events: AnyEvent, policy: Policy | None = None) -> Over:
    """What comes of these events with these chains."""
    found = [compiled(chain, ApprovalSettings()) for chain, _ in declarations("mine.yaml", text.encode())]
    return Over(found, policy).fold(events)


THREE = OVER.replace("{id: grant", "{id: secret, class: secret_read}, {id: grant")
LOOK, GRANT = op("D", 0, session="reader"), op("V", 90, workflow="w2", session="writer")


def test_a_match_over_workflows_names_what_it_rests_on_and_asks_for_a_step_up_at_most() -> None:
    """However sure it is, and whatever the chain may do: it cannot be replayed exactly."""
    heard = over(OVER, LOOK, GRANT)
    (finding,) = heard.findings
    assert finding.detector == "mine:crossing"
    assert (finding.workflow, finding.session, finding.principal) == ("w2", "writer", GRANT.principal)
    assert finding.evidence == (LOOK.id, GRANT.id)
    assert finding.elsewhere == (
        Elsewhere(workflow="w1", session="reader", event_id=LOOK.id, at_ms=LOOK.at_ms),
    )
    assert finding.reason == (
        "looked up, then granted: iam:ListRoles, then iam:AttachRolePolicy on role/app in 90.0 s over 2 "
        "workflows; noted elsewhere: iam:ListRoles (event w1/reader/D@0) by reader in w1 at "
        "2026-09-21T14:13:20.000+00:00"
    )
    assert heard.actions == [Action.STEP_UP]
    assert heard.commands[0].session == "writer"


@pytest.mark.parametrize("response", ["observe", "step_up", "kill_session", "quarantine_workflow"])
def test_no_level_of_a_policy_makes_more_of_it(response: str) -> None:
    """Not even one that knows nothing milder."""
    for actions in ((Action.STEP_UP,), (Action.READ_ONLY,), (Action.STEP_UP, Action.KILL_SESSION)):
        levels = (Level(name="only", risk_min=0.1, actions=actions),)
        policy = replace(alone(), levels=levels)
        heard = over(OVER.replace("kill_session", response), LOOK, GRANT, policy=policy)
        assert heard.findings
        mild = actions == (Action.STEP_UP,) and response != "observe"
        assert heard.actions == ([Action.STEP_UP] if mild else [])


def test_a_match_within_one_workflow_stops_as_ever_and_is_told_once() -> None:
    """Beside one over several that ends with the same operation, too."""
    for before in ((), (replace(LOOK, at_ms=at(50), workflow="w3", id="other"),)):
        heard = over(OVER, *before, *told("D@10 V@90"))
        assert heard.detectors == ["mine"]
        assert heard.actions == [Action.KILL_SESSION, Action.REVOKE_TOKEN]
        assert not heard.findings[0].elsewhere


@pytest.mark.parametrize("scope", ["principal", "agent"])
def test_two_who_do_the_same_are_two(scope: str) -> None:
    """Whoever else has one in common with them; and nobody is nobody."""
    text = OVER.replace("principal", scope)
    for other, meant in (("another", {scope: "another"}), ("", {scope: ""})):
        assert not over(text, LOOK, replace(GRANT, **meant)).findings
        both = replace(LOOK, **meant), replace(GRANT, **meant)
        assert bool(over(text, *both).findings) is bool(other)
    others = {"agent", "principal"} - {scope}
    assert over(text, LOOK, replace(GRANT, **dict.fromkeys(others, "another"))).findings


@pytest.mark.parametrize("scope", ["session", "workflow"])
def test_other_scopes_stay_within_their_workflow(scope: str) -> None:
    """And note nothing."""
    heard = over(OVER.replace("principal", scope), LOOK, replace(GRANT, session="reader"))
    assert not heard.findings
    assert not heard.judge.crossing


def test_what_cannot_be_a_step_is_not_noted() -> None:
    """No class, no outcome and no test of the chain: nothing is kept, and nobody is asked."""
    heard = over(OVER)
    workflow = Workflow("w1")
    for position, event in enumerate((op("X", 1), op("D", 2, outcome="denied"), op("U", 3))):
        heard.judge.fold(workflow, event, position, event.at_ms)
        assert workflow.noted == []
    heard.judge.fold(workflow, LOOK, 9, LOOK.at_ms)
    assert len(workflow.noted) == 1


COUNTED = OVER.replace(
    "{id: look, class: discovery}", "{id: look, class: discovery, count: 2, distinct: target}"
).replace("confidence", "absent: [{class: exchange}]\nconfidence")


def test_what_is_counted_and_what_is_absent_may_be_anywhere() -> None:
    """Two looks in two workflows, a change in a third, and no notice in a fourth."""
    looks = [op("D", k, workflow=f"w{k + 5}", target=f"t{k}") for k in range(2)]
    heard = over(COUNTED, *looks, GRANT)
    assert [each.workflow for each in heard.findings[0].elsewhere] == ["w5", "w6"]
    assert not over(COUNTED, *looks, op("X", 50, workflow="w9"), GRANT).findings
    assert over(COUNTED, op("X", -5, workflow="w9"), *looks, GRANT, op("X", 95, workflow="w9")).findings
    assert not over(COUNTED, *looks[:1], GRANT).findings


def test_one_event_told_twice_is_one_step() -> None:
    """Delivered again, or sent again under the workflow that it turned out to belong to."""
    same_counts = COUNTED.replace(", distinct: target", "")
    look = op("D", 0, workflow="w5", grade=Grade.ATTESTED)
    again = replace(look, workflow="w6", session="s6")
    assert not over(same_counts, look, again, look, GRANT).findings
    assert over(same_counts, look, replace(again, id="another"), GRANT).findings
    steps = OVER.replace("{id: grant", "{id: more, class: discovery}, {id: grant")
    assert not over(steps, look, again, GRANT).findings
    assert over(steps, look, replace(again, id="another"), GRANT).findings


def test_an_act_that_was_sent_again_where_it_belongs_is_no_others() -> None:
    """Its first note stays under the provisional workflow, and does not make two of one."""
    text = OVER.replace("response: kill_session", "response: observe")
    provisional = op("D", 0, workflow="w0", session="s0")
    moved = join(
        5, workflow="w0", session="s0", into_session="s1", into_workflow="w1", moved=(provisional.id,)
    )
    there = replace(provisional, workflow="w1", session="s1")
    heard = over(text, provisional, moved, there, op("V", 90))
    assert heard.detectors == ["mine"]
    secret = op("S", 20, workflow="w3")
    (finding,) = over(THREE, provisional, moved, there, secret, op("V", 90)).findings
    assert [each.workflow for each in finding.elsewhere] == ["w3"]


def test_a_late_first_step_is_told_of_and_asks_nobody() -> None:
    """Whoever did the last act is in another workflow, and whoever only looked has done nothing of it."""
    heard = over(OVER, GRANT, LOOK)
    (finding,) = heard.findings
    assert finding.detector == "mine:crossing:late"
    assert (finding.workflow, finding.session, finding.event_id) == ("w1", "reader", LOOK.id)
    assert finding.evidence == (LOOK.id, GRANT.id)
    assert [each.session for each in finding.elsewhere] == ["writer"]
    assert not heard.commands
    more = [replace(LOOK, id=f"look-{k}", at_ms=at(k)) for k in range(9)]
    assert len(over(OVER, GRANT, *more).findings) == 1, "once for each session, as any finding"


def test_where_any_step_may_be_the_last_whoever_comes_last_is_asked() -> None:
    """Nobody is more to blame than the others."""
    heard = over(OVER.replace("confidence", "order: any\nconfidence"), GRANT, LOOK)
    assert heard.detectors == ["mine:crossing"]
    assert [(each.action, each.session) for each in heard.commands] == [(Action.STEP_UP, "reader")]


def test_what_was_before_a_release_is_not_held_against_that_workflow_any_more() -> None:
    """Neither its own steps nor others'; what comes after it is."""
    free = release(60, workflow="w2", session="writer")
    assert not over(OVER, LOOK, free, GRANT).findings
    assert not over(OVER, LOOK, op("D", 5, workflow="w2"), free, GRANT).findings
    assert over(OVER, LOOK, free, replace(LOOK, at_ms=at(70), id="later"), GRANT).findings
    assert over(OVER, LOOK, replace(free, workflow="w3"), GRANT).findings


def test_a_window_is_over_to_the_millisecond() -> None:
    """As within a workflow."""
    assert over(OVER, LOOK, replace(GRANT, at_ms=at(3600))).findings
    assert not over(OVER, LOOK, replace(GRANT, at_ms=at(3600) + 1)).findings


def test_a_flood_of_one_step_does_not_displace_another() -> None:
    """Of a run of the same only the newest is kept, and of what differs as much as of all else."""
    secret = op("S", 1, workflow="w2")
    same = [op("D", 2 + k / 100, workflow=f"x{k % 7}", id=f"x{k}") for k in range(5 * NOTES_MAX)]
    assert over(THREE, LOOK, secret, *same, replace(GRANT, workflow="w3")).findings
    bound = THREE.replace("class: secret_read", "class: secret_read, same: {system: look.system}")
    others = [replace(event, system=f"system-{k}") for k, event in enumerate(same)]
    heard = over(bound, LOOK, secret, *others[: NOTES_MAX + SLACK - 3], replace(GRANT, workflow="w3"))
    assert heard.findings
    assert not over(bound, LOOK, secret, *others, replace(GRANT, workflow="w3")).findings, "bounded"
    newest = others[-1]
    after = op("S", 50, workflow="w2", system=newest.system)
    assert over(bound, LOOK, secret, *others, after, replace(GRANT, workflow="w3")).findings


def test_check_says_what_such_a_scope_is_worth() -> None:
    """With file, line and column."""
    for text, said in (
        (OVER, "mine.yaml:4:1: scope: follows each principal over all its workflows: a match that rests on"),
        (
            COUNTED.replace("count: 2", "count: 64"),
            "mine.yaml:4:1: scope: follows each principal within one workflow: it counts to more than 64",
        ),
    ):
        ((chain, document),) = declarations("mine.yaml", text.encode())
        assert remarked(chain, document)[0].startswith(said)
        assert compiled(chain, ApprovalSettings()).crosses is ("over all" in said)


SIGMA = """
title: look
name: look
logsource: {product: chainbrake}
detection: {it: {op_class: discovery}, condition: it}
---
title: grant
name: grant
logsource: {product: chainbrake}
detection: {it: {op_class: privilege_change}, condition: it}
---
title: both
name: both
level: critical
correlation: {type: temporal_ordered, rules: [look, grant], group-by: [GROUP], timespan: 1h}
"""


@pytest.mark.parametrize(
    ("group", "crosses"),
    [("principal", True), ("actor.user.name", True), ("agent, target_kind", True), ("session", False)],
)
def test_a_correlation_by_agent_or_principal_is_followed_over_workflows(
    group: str,
    crosses: bool,  # noqa: FBT001 - a group and its answer
) -> None:
    """Whatever the rule calls them; and any other within one workflow."""
    rules = [each for each in loaded(SIGMA.replace("GROUP", group)) if each.name == "sigma:both"]
    assert all(each.crosses is crosses for each in rules)
    heard = Over(rules).fold([LOOK, replace(GRANT, target_kind=LOOK.target_kind)])
    if "target_kind" in group:
        heard = Over(rules).fold([replace(LOOK, target_kind="role"), GRANT])
    assert heard.detectors == (["sigma:both:crossing"] if crosses else [])
    assert not Over(rules).fold([LOOK, replace(GRANT, principal="p2", agent="a2")]).findings


@pytest.mark.slow
@LAW
@given(correlations, sigma_logs, spread, st.data())
def test_a_correlation_over_workflows_fires_exactly_where_a_search_by_hand_finds_it(
    rule: Correlation, log: list[Operation], workflows: list[str], data: st.DataObject
) -> None:
    """Of any kind, in any order of arrival."""
    grouped = replace(rule, groups=("principal",))
    events = [replace(event, principal=event.session) for event in split(log, workflows)]
    arrivals = data.draw(st.permutations(events))
    within = [[event for event in arrivals if event.workflow == name] for name in set(workflows)]
    expected = set[str]().union(*(correlated(grouped, part) for part in (arrivals, *within)))
    assert set[str]().union(*(found_over(each, arrivals) for each in hosted(grouped))) == expected
