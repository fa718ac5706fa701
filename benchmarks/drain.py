"""How fast does one worker drain a full topic, and how does that compare with stream processors that do less?

The worker reads, judges, stores in Valkey and sends commands; its rate is taken from outside, from the first
known chain's command to the last's, with as many events between them. Peers time themselves, from their first
batch to their last event. Start-up counts for nobody.
"""  # noqa: D400 - it opens with its question

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.deployment import (
    COMPILED_PYTHON,
    FIRST_CUT,
    PARTITIONS,
    PEERS_PYTHON,
    POLICY_NOTE,
    Commands,
    Ground,
    Worker,
    peer,
)
from benchmarks.load import fill
from benchmarks.report import Report, Size, middle, spread, thousands
from benchmarks.traffic import Traffic, partition_of
from stream.kafka.topics import Topics

DRAINED_S_MAX = 180.0
FAUST_PART = 4
"""Faust reads the first part of the topic only: all of it would take most of the time there is."""

OURS = "chainbrake, whole worker, everything on"
FAST = "chainbrake, whole worker, everything on, compiled"
FIRST = "chainbrake, the five detectors of the first cut"
FIRST_FAST = "chainbrake, the five detectors of the first cut, compiled"
QUIX = "Quix Streams, list per key, changelog"
QUIX_BARE = "Quix Streams, list per key, no changelog"
FAUST = "Faust stream, decode and count"
CEILING = "aiokafka, decode and check"


class Rates(NamedTuple):
    """Events per second, and per second of its own processor time: the latter hardly minds other load."""

    wall: float
    cpu: float


class Drain:
    """One filled topic, and everyone who drains it."""

    def __init__(self, ground: Ground, events: int) -> None:
        self._ground = ground
        self._name = f"drain-{time.time_ns()}"
        self._topics: Topics = ground.topics(self._name)
        self.versions: set[str] = set()
        self.stored: list[float] = []
        traffic = Traffic(seed=2, start_ms=int(time.time() * 1000) - events // 2)
        marks = [_mark(number, "first") for number in range(PARTITIONS)]
        rows = [row for mark in marks for row in traffic.chain(mark)]
        rows += traffic.events(events)
        before = set(traffic.chains)
        for number in range(PARTITIONS):
            rows += traffic.chain(_mark(number, "last"))
        self._last = set(traffic.chains) - before
        self.chains = traffic.chains
        self.events = len(rows)
        self.sessions = traffic.sessions
        self.bytes = sum(len(value) for _, value in rows) / len(rows)
        asyncio.run(fill(ground.kafka.bootstrap, self._topics.actions, PARTITIONS, rows))

    def lanes(self) -> dict[str, Callable[[], Rates]]:
        """Everyone."""
        lanes = {
            OURS: lambda: self._ours(self._ground.policy),
            FIRST: lambda: self._ours(self._ground.first_cut),
            FAUST: lambda: self._peer("bare_faust.py", events=self.events // FAUST_PART),
            CEILING: lambda: self._peer("decode_only.py"),
        }
        if COMPILED_PYTHON.exists():
            lanes[FAST] = lambda: self._ours(self._ground.policy, COMPILED_PYTHON)
            lanes[FIRST_FAST] = lambda: self._ours(self._ground.first_cut, COMPILED_PYTHON)
        if PEERS_PYTHON.exists():
            lanes[QUIX] = lambda: self._quix(changelog=True)
            lanes[QUIX_BARE] = lambda: self._quix(changelog=False)
        return lanes

    def _ours(self, policy: Path, python: Path = Path(sys.executable)) -> Rates:
        commands = Commands(self._ground, self._topics.commands)
        with Worker(self._ground, self._name, f"{self._name}-{time.time_ns()}", policy, python) as worker:
            worker.wait_ready()  # it has begun to read: what it took to get there counts for nobody
            cpu_s = worker.cpu_s()
            worker.until(lambda: worker.stored() >= self.events, DRAINED_S_MAX, "done")
            stored_ms = time.time() * 1000
            cpu_s = worker.cpu_s() - cpu_s
        found = commands.kills()
        if policy == self._ground.policy and python == Path(sys.executable):
            began_ms = min(sent_ms for _, sent_ms in found.values())
            self.stored.append(self.events / (stored_ms - began_ms) * 1000)
        return Rates(self._rate(found), self.events / cpu_s)

    def _rate(self, found: dict[str, tuple[str, int]]) -> float:
        """Events/s from the first command to the last; every chain was stopped, and nothing else."""
        ids = {event: command for event, (command, _) in found.items()}
        assert ids == self.chains, f"not the known commands: {set(ids.items()) ^ set(self.chains.items())}"
        began_ms = min(sent_ms for _, sent_ms in found.values())
        ended_ms = max(found[event][1] for event in self._last)
        return self.events / (ended_ms - began_ms) * 1000

    def _quix(self, *, changelog: bool) -> Rates:
        return self._peer("quix_with_state.py", int(changelog), python=True)

    def _peer(self, script: str, *more: object, python: bool = False, events: int = 0) -> Rates:
        answer = peer(
            script,
            [self._ground.kafka.bootstrap, self._topics.actions, events or self.events, *more],
            python=PEERS_PYTHON if python else None,
            folder=self._ground.folder,
        )
        if "version" in answer:
            self.versions.add(f"Quix Streams {answer['version']}")
        return Rates(answer["events"] / answer["wall_s"], answer["events"] / answer["cpu_s"])


def _mark(number: int, which: str) -> str:
    """Name of a workflow that lies in that partition."""
    return next(name for k in range(1_000) if partition_of(name := f"mark-{which}-{k}", PARTITIONS) == number)


def run(ground: Ground, size: Size) -> Report:
    """Everyone in turn, `rounds` times over."""
    drain = Drain(ground, size.events)
    lanes = drain.lanes()
    rates: dict[str, list[Rates]] = {name: [] for name in lanes}
    for number in range(size.rounds):
        for name, lane in lanes.items():
            rates[name].append(lane())
            print(
                f"drain, round {number + 1}: {name}: {thousands(rates[name][-1].wall)} events/s", flush=True
            )
    wall = {name: middle(rate.wall for rate in measured) for name, measured in rates.items()}
    rows: list[tuple[str, ...]] = [
        (
            name,
            thousands(wall[name]),
            spread([rate.wall for rate in measured]),
            thousands(middle(rate.cpu for rate in measured)),
            f"{wall[OURS] / wall[name]:.2f}",
            f"{wall[FIRST] / wall[name]:.2f}",
        )
        for name, measured in rates.items()
    ]
    return Report(
        title="Drain rate of one worker",
        question=(__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " "),
        columns=(
            "one process each",
            "events/s",
            "range (k)",
            "events per CPU second",
            "everything is",
            "the five are",
        ),
        rows=rows,
        answers=[
            f"{ours}: {wall[ours] / wall[name]:.2f} x {name} (to reach: {goal})"
            for ours in (OURS, FAST, FIRST, FIRST_FAST)
            if ours in wall
            for name, goal in ((QUIX, 1.0), (FAUST, 6.0))
            if name in wall
        ],
        notes=_notes(drain, size),
    )


def _notes(drain: Drain, size: Size) -> list[str]:
    notes = [
        f"{drain.events:,} events of {drain.bytes:.0f} bytes on average, {PARTITIONS} partitions",
        f"{drain.sessions:,} sessions, {len(drain.chains)} chains: in every round exactly these were stopped",
        f"medians of {size.rounds} rounds, everyone in turn in each; Faust reads a quarter of the topic",
        f"until chainbrake's last command is sent; {thousands(middle(drain.stored))} until all is stored",
        POLICY_NOTE,
        f"the five: {', '.join(FIRST_CUT)}; no declared chain",
        *sorted(drain.versions),
    ]
    if not PEERS_PYTHON.exists():
        notes.append("Quix Streams left out: the peers' environment is missing, see the Makefile")
    return notes
