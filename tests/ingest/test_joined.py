"""What ran in a provisional session is scored again where it belongs, and nothing is lost."""

from itertools import pairwise

import pytest

from models.command import Action
from models.event import AnyEvent
from models.registry import EMPTY
from stream.ingest.resolver import Resolver
from stream.sources.sighting import Handle, Sighting
from tests.builders import MEANINGS, START_MS, Judged
from tests.ingest.sightings import KEY, RUN, TREE, record, started

PROVISIONAL = "aws:AROA1:run"
STEP_MS = 30_000


def chain() -> list[Sighting]:
    """Look, read policies, read a secret, grant: all by one key."""
    made = []
    for number, letter in enumerate("DPSV"):
        op_class, operation, target, kind = MEANINGS[letter]
        at_ms = START_MS + number * STEP_MS
        fields = {"op_class": op_class, "target": target, "target_kind": kind, "system": "aws"}
        made.append(record(number, KEY, at_ms=at_ms, operation=operation, credential=KEY.value, **fields))  # type: ignore[arg-type]
    return made


def heard(link_after: int) -> tuple[Judged, list[AnyEvent]]:
    """The chain; the login that says whose key it is comes after so many of its steps."""
    login = record(
        9, Handle("pod", f"pod-{RUN}"), at_ms=START_MS - 1_000, operation="sts:AssumeRole", brings=(KEY,)
    )
    steps = chain()
    resolver, judged, events = Resolver(EMPTY), Judged(), list[AnyEvent]()
    for one in [started(at_ms=START_MS - 5_000), *steps[:link_after], login, *steps[link_after:]]:
        events += resolver.take(one, max(one.event.at_ms, START_MS))
    return judged.fold(events), events


@pytest.mark.parametrize("link_after", range(5))
def test_a_chain_is_stopped_where_it_belongs_whenever_the_link_comes(link_after: int) -> None:
    """Before, within or after the chain: the run is stopped, and on the same evidence."""
    judged, _ = heard(link_after)
    assert judged.session(RUN, TREE).verdict is Action.KILL_SESSION
    proofs = {
        command.evidence
        for command in judged.commands
        if command.session == RUN and command.action == "kill_session"
    }
    first, _ = heard(0)
    assert proofs == {one.evidence for one in first.commands if one.action == "kill_session"}


def test_a_stop_in_the_provisional_session_came_at_once_and_is_not_held_there() -> None:
    """It was due before anybody knew whose it was; then the run has its own."""
    judged, _ = heard(4)
    assert judged.stopped == {PROVISIONAL, RUN}
    assert PROVISIONAL not in judged.workflows[PROVISIONAL].sessions


def test_the_join_follows_what_it_tells_of_and_a_replay_gives_the_same() -> None:
    """The actions topic holds all of it: judged again from there, it is the same judgement."""
    judged, events = heard(3)
    kinds = [type(event).__name__ for event in events]
    assert kinds.count("Join") == 1
    at = kinds.index("Join")
    assert [event.session for event in events[at - 3 : at]] == [RUN] * 3
    assert all(first.id != second.id for first, second in pairwise(events[at - 3 : at]))
    again = Judged().fold(events)
    assert (again.findings, again.commands) == (judged.findings, judged.commands)
