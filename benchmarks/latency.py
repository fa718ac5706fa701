"""How long from a deciding event to its command, at 2,000 and at 10,000 events/s, and how much of it is ours?

Beside it, under the same load in the same run: a bare pass-through (consume, produce, the worker's clients,
no judge, no store) of every event, and a second one that passes on only the deciding events. Measured from
the moment the deciding event is handed to its producer to the moment a consumer of the last topic has it.
"""  # noqa: D400 - it opens with its question

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import IO, Any

from msgspec import json

from benchmarks.deployment import COMPILED_PYTHON, PARTITIONS, POLICY_NOTE, ROOT, Ground, Worker, end
from benchmarks.load import Account, Order
from benchmarks.report import Report, Size, percentile
from stream.kafka.topics import Topics

RATES = (2_000, 10_000)
CHAINS_PER_S = 20
ROUNDS_MAX = 2
WARM_UP_S = 6.0
SETTLE_S = 2.0
PAUSE_S = 2.0
"""Between two operations of one session, on average: as in what the baseline was trained on."""

OURS = "chainbrake"
FAST = "chainbrake, compiled"
PASS = "pass-through of every event"  # noqa: S105 - no secret
FEW = "pass-through of the deciding events"
WORKERS = {OURS: Path(sys.executable), FAST: COMPILED_PYTHON}
LANES = tuple(lane for lane in (OURS, FAST, PASS, FEW) if lane not in WORKERS or WORKERS[lane].exists())
RATIO_MAX = 1.5


class Measured:
    """One lane at one rate, over all rounds."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        self.missing = 0
        self.rates: list[float] = []
        self.behind_ms = 0.0

    def add(self, order: Order, account: Account, got_ns: dict[str, int]) -> None:
        """What one run gave; chains of the warm-up do not count."""
        began_ns = min(account.sent_ns.values())
        for event, sent_ns in account.sent_ns.items():
            if sent_ns - began_ns < WARM_UP_S * 1e9:
                continue
            self.missing += event not in got_ns
            self.late_ms.append((got_ns[event] - sent_ns) / 1e6 if event in got_ns else inf)
        self.rates.append(account.events / account.seconds)
        self.behind_ms = max(self.behind_ms, account.behind_ms_max)
        assert account.events == int(order.per_s * order.seconds)

    def at(self, share: float) -> float:
        """A percentile, in ms; what did not come in time is later than all that did."""
        return percentile(self.late_ms, share)


def run(ground: Ground, size: Size) -> Report:
    """Every lane at every rate, in turn, `rounds` times over."""
    measured = {(rate, lane): Measured() for rate in RATES for lane in LANES}
    rounds = min(ROUNDS_MAX, size.rounds)
    for number in range(rounds):
        for (rate, lane), one in measured.items():
            _measure(ground, rate, lane, size.seconds, number, one)
            print(
                f"latency, round {number + 1}: {lane} at {rate}/s: "
                f"p50 {one.at(0.5):.1f}, p99 {one.at(0.99):.1f} ms, {one.missing} missing",
                flush=True,
            )
    return Report(
        title="From event to command",
        question=(__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " "),
        columns=(
            "events/s",
            "lane",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "max ms",
            "in time",
            "events/s achieved",
            "load behind by",
        ),
        rows=[_row(rate, lane, one) for (rate, lane), one in measured.items()],
        answers=[_answer(rate, lane, measured) for rate in RATES for lane in LANES if lane in WORKERS],
        notes=[
            f"{CHAINS_PER_S} known chains a second, {rounds} rounds of {size.seconds:.0f} s",
            f"sessions pause {PAUSE_S:.0f} s: {int(RATES[-1] * PAUSE_S):,} live at {RATES[-1]:,}/s",
            "load, watcher, broker and store run on the same cores; load is an open loop in batches of 2 ms",
            "'load behind by' is how late the load itself was at most",
            f"'in time' counts commands seen {SETTLE_S:.0f} s after the last event at the latest",
            "what did not come in time counts as inf in the percentiles",
            "the store has a command before it is sent: a pass-through promises no such thing",
            POLICY_NOTE,
        ],
    )


def _row(rate: int, lane: str, one: Measured) -> tuple[str, ...]:
    asked = len(one.late_ms)
    figures = [f"{one.at(share):.1f}" for share in (0.5, 0.9, 0.99, 1.0)]
    achieved = f"{min(one.rates):,.0f}"
    return (
        f"{rate:,}",
        lane,
        *figures,
        f"{asked - one.missing} of {asked}",
        achieved,
        f"{one.behind_ms:.0f} ms",
    )


def _answer(rate: int, worker: str, measured: dict[tuple[int, str], Measured]) -> str:
    ours = measured[rate, worker]
    words = []
    for lane in (PASS, FEW):
        peer = measured[rate, lane]
        ratios = (f"p{share * 100:.0f} {ours.at(share) / peer.at(share):.2f} x" for share in (0.5, 0.99))
        words.append(f"{' and '.join(ratios)} the {lane}")
    return f"{worker} at {rate:,} events/s: {'; '.join(words)} (to reach: {RATIO_MAX} x)"


def _measure(ground: Ground, rate: int, lane: str, seconds: float, number: int, into: Measured) -> None:
    name = f"latency-{time.time_ns()}"
    topics = ground.topics(name)
    bootstrap = ground.kafka.bootstrap
    target = topics.commands if lane in WORKERS else topics.findings
    order = Order(
        bootstrap=bootstrap,
        topic=topics.actions,
        partitions=PARTITIONS,
        seed=100 + number,
        per_s=rate,
        seconds=WARM_UP_S + seconds,
        live=int(rate * PAUSE_S),
        chains_per_s=CHAINS_PER_S,
    )
    with (
        helper("benchmarks.load", json.encode(order).decode()) as load,
        _lane(ground, lane, name, topics, target),
        helper("benchmarks.watch", arguments=(bootstrap, target)) as watch,
    ):
        wait_ready(load)
        wait_ready(watch)
        account = json.decode(_answered(load), type=Account)
        time.sleep(SETTLE_S)
        got_ns = json.decode(_answered(watch), type=dict[str, int])
    into.add(order, account, got_ns)


@contextmanager
def _lane(ground: Ground, lane: str, name: str, topics: Topics, target: str) -> Iterator[None]:
    if lane in WORKERS:
        with Worker(ground, name, name, python=WORKERS[lane]) as worker:
            worker.wait_ready()
            yield
        return
    every = str(int(lane == PASS))
    arguments = (ground.kafka.bootstrap, topics.actions, target, every)
    with helper("benchmarks.peers.pass_through", arguments=arguments) as passing:
        wait_ready(passing)
        yield


@contextmanager
def helper(
    module: str, line: str = "", *, arguments: tuple[str, ...] = ()
) -> Iterator["subprocess.Popen[str]"]:
    """A process beside the worker, given a line, and ended in the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if line:
            _pipe(process.stdin).write(line + "\n")
            _pipe(process.stdin).flush()
        yield process
    finally:
        end(process)
        for stream in (process.stdin, process.stdout):
            _pipe(stream).close()


def wait_ready(process: "subprocess.Popen[str]") -> None:
    """Until it says so. Raises `RuntimeError` if it ends instead."""
    line = _pipe(process.stdout).readline().strip()
    if line != "ready":
        raise RuntimeError(f"a helper of the measurement ended: {process.args!r}")


def _answered(process: "subprocess.Popen[str]") -> str:
    """Let it go on, and wait for the line it ends with."""
    _pipe(process.stdin).write("\n")
    _pipe(process.stdin).flush()
    answer: str = _pipe(process.stdout).readline()
    return answer


def _pipe(stream: IO[Any] | None) -> IO[Any]:
    assert stream is not None, "opened with pipes"
    return stream
