"""Whose sessions are over since nothing happened in them: their end is an event like any other.

Asked of the store, so that neither a worker that starts nor a workflow that had to leave the memory makes a
session endless.
"""

from typing import NamedTuple

from models.command import stable_id
from models.event import Grade, SessionEnd
from models.session import Session, Workflow
from stream.state.partition import Partition, read_workflow
from stream.state.store import Store

AT_ONCE_MAX = 100
"""Workflows of one partition that are looked at in one go: up to a megabyte of them comes from the store."""


class Idle(NamedTuple):
    """What fell idle by a time."""

    until_ms: int
    workflows: list[str]
    ends: list[SessionEnd]


async def fell_idle(partition: Partition, store: Store, idle_ms: int, now_ms: int) -> Idle:
    """Ends of sessions in workflows that nothing happened in for so long; each is told once.

    A stop outlives the end: the session is kept, and only measured no more (`Session.model`).

    By the clock, and only the owner of a partition that has caught up may ask: how long ago something was
    judged says how long it is quiet, which its own dates do not when a feed is behind.
    """
    until_ms = now_ms - idle_ms
    names = await store.quiet(partition.number, until_ms, AT_ONCE_MAX)
    away = [name for name in names if name not in partition.workflows]
    contents = zip(away, await store.load(partition.number, away), strict=True) if away else ()
    stored = {name: read_workflow(name, content) for name, content in contents if content is not None}
    ends: list[SessionEnd] = []
    for name in names:
        workflow = partition.stored(name) or stored.get(name)
        if workflow is not None:  # else it just changed, or nothing in it matters any more
            ended = ((session, _end(workflow, session, idle_ms)) for session in workflow.sessions.values())
            ends += [end for session, end in ended if session.verdict_until_ms <= end.at_ms or session.model]
    return Idle(until_ms, names, ends)


def _end(workflow: Workflow, session: Session, idle_ms: int) -> SessionEnd:
    return SessionEnd(
        id=stable_id("idle", workflow.id, session.id, str(session.last_ms)),
        source="chainbrake",
        at_ms=session.last_ms + idle_ms,
        workflow=workflow.id,
        session=session.id,
        agent=session.agent,
        principal=session.principal,
        grade=Grade.INFERRED,
        reason="idle",
    )
