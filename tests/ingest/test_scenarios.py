"""Every line of the scenarios ends in the session that its own truth names; without the data these skip.

Checked against `session_of`, which was written with the scenarios and is read by nothing but this test.
"""

import os
from collections import Counter

import pytest

from models.event import Operation
from stream.ingest.pipeline import Pipeline
from tests.ingest.scenarios import Ended, Line, ended, index, lines_of, needed, registry, shuffled

EVERY = int(os.environ.get("CHAINBRAKE_SCENARIOS_EVERY", "12"))
"""One scenario in twelve is what the fast suite has time for; 1 takes all."""

LAGS_MS = {
    "aws.cloudtrail": 75_000,
    "chainbrake.event": 600,
    "entra.audit": 290_000,
    "entra.signin": 270_000,
    "gcp.audit": 25_000,
    "github.audit": 90_000,
    "keycloak.admin": 2_000,
    "kubernetes.audit": 18_000,
    "okta.system_log": 14_000,
    "otel.span": 9_000,
    "vault.audit": 3_000,
}
"""The caps of the sources' arrival lags, by the data's own page."""


def streams(seed: int | None) -> list[list[Line]]:
    """The lines of some scenarios, in their order or shuffled within each source's lag."""
    chosen = [list(lines_of(scenario)) for scenario in index()[::EVERY]]
    return chosen if seed is None else [shuffled(lines, seed, LAGS_MS) for lines in chosen]


def misplaced(found: list[Ended]) -> Counter[tuple[str, str, str]]:
    """Source, session that it is, session where it ended: lines that ended elsewhere than they belong."""
    return Counter(
        (one.line.source, one.line.session, one.event.session)
        for one in found
        if (one.event.session, one.event.workflow) != (one.line.session, one.line.workflow)
    )


@pytest.mark.corpus
@needed
@pytest.mark.parametrize("seed", [None, 1, 2])
def test_every_record_ends_in_its_true_session_and_workflow(seed: int | None) -> None:
    """Agents' records by their handles, all others by their own, in any order that the lags allow."""
    for lines in streams(seed):
        assert not misplaced(ended(lines))


LOGINS = ("AssumeRole", "token.grant", "/login", "Sign-in")
"""What an agent's platform does before any tool is called."""


@pytest.mark.corpus
@needed
def test_a_call_that_the_agent_told_and_the_platform_recorded_is_one_act() -> None:
    """Platform records of instrumented sessions share the act of a tool span, all but the odd one."""
    shared = alone = 0
    for lines in streams(None):
        operations = [one.event for one in ended(lines) if isinstance(one.event, Operation)]
        spans = {event.act for event in operations if event.source == "otel.span"}
        told = {event.session for event in operations if event.source == "otel.span"}
        for event in operations:
            if event.source != "otel.span" and event.session in told:
                shared += event.act in spans
                alone += event.act not in spans and not any(word in event.operation for word in LOGINS)
    assert alone <= 0.01 * shared
    assert shared > 0


@pytest.mark.corpus
@needed
def test_nothing_is_sent_under_a_session_that_others_share_while_its_link_is_on_its_way() -> None:
    """What arrives in its sources' own order goes to its true session, or to one that is its own, at once."""
    for scenario in index()[::EVERY]:
        lines = list(lines_of(scenario))
        if scenario["variant"] == "late":
            continue
        sessions = {line.session for line in lines}
        first: dict[tuple[str, str], str] = {}
        pipeline = Pipeline(registry())
        for line in lines:
            for event in pipeline.take(line.source, line.record, line.seen_ms).events:
                first.setdefault((event.source, event.id), event.session)
        for one in ended(lines):
            sent = first.get((one.event.source, one.event.id), one.line.session)
            assert sent == one.line.session or sent not in sessions, one


@pytest.mark.corpus
@needed
def test_the_same_order_gives_the_same_events() -> None:
    """A replay of the sources is a replay: ids, sessions and joins included."""
    lines = streams(3)[0]

    def run() -> list[object]:
        pipeline = Pipeline(registry())
        taken = [pipeline.take(line.source, line.record, line.seen_ms) for line in lines]
        return [event for one in taken for event in one.events]

    assert run() == run()
