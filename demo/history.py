"""The agents' past: honest sessions, as a file that `chainbrake train` learns from."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from demo.acts import PARALLEL, Act, Pace
from demo.agents import AGENTS, Agent, identity

SESSIONS = 120
"""Per agent: with fewer than 99 nothing can be said about the one session in a hundred."""

SPREAD = 3.0
"""Pauses of the past spread wider than those of today, as those of months would."""

ANSWER_MS = 4
"""What a call takes, mostly."""
BUSY_SHARE = 0.15
BUSY_MS = 150
STALL_SHARE = 0.02
STALL_MS = 1_200
"""How many calls meet a busy machine, or one that does nothing else for a while, and how long those take on
average. Without them, whoever does the usual on a slow day does what has never been seen."""

DAY_MS = 24 * 3_600_000
FACT_FIELDS = ("workflow", "session", "agent", "principal")


def write_history(path: Path, seed: int, until_ms: int) -> int:
    """Write every session of every agent, the last one a day before `until_ms`; returns how many events."""
    encode = msgspec.json.Encoder().encode
    count = 0
    with path.open("wb") as file:
        for agent in AGENTS:
            for number in range(SESSIONS):
                start_ms = until_ms - (SESSIONS - number) * DAY_MS // 4
                for event in past(agent, number, seed, start_ms):
                    file.write(encode(event) + b"\n")
                    count += 1
    return count


def past(agent: Agent, number: int, seed: int, start_ms: int) -> Iterator[dict[str, Any]]:
    """One past run; the same for the same seed."""
    rng = Random(f"{seed}/{agent.name}/{number}")  # noqa: S311 - nothing secret, and the same every time
    who, acts = identity(agent, f"past-{number}"), agent.usual(Pace(rng, SPREAD))
    return session(who, acts, lambda act: _waits_ms(rng, together=act.together), start_ms)


def session(
    who: dict[str, str], acts: Iterable[Act], waits_ms: Callable[[Act], int], start_ms: int
) -> Iterator[dict[str, Any]]:
    """One run, event by event; `waits_ms` is how long each act has to wait beside its pause."""
    at_ms = start_ms
    for position, act in enumerate(acts):
        at_ms += round(act.pause_s * 1000) + waits_ms(act)
        named = {"id": f"{who['session']}/{position}", "source": "demo", "kind": act.kind}
        yield {**named, "at_ms": at_ms, **known(who, act), **act.body(at_ms)}


def known(who: dict[str, str], act: Act) -> dict[str, str]:
    """What an event says of who acts: of a fact, less."""
    return who if act.kind == "operation" else {name: who[name] for name in FACT_FIELDS}


def _waits_ms(rng: Random, *, together: bool) -> int:
    """How long until the next call can go out: with the answer, or once one of those under way has it."""
    chance, least_ms = rng.random(), 0 if together else ANSWER_MS
    if chance > STALL_SHARE + BUSY_SHARE:
        return least_ms
    slow_ms = rng.expovariate(1 / (STALL_MS if chance < STALL_SHARE else BUSY_MS))
    return least_ms + round(slow_ms / PARALLEL if together else slow_ms)
