"""Runs benchmarks and prints their tables: `python -m benchmarks [NAME…]`."""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import builds, chains, drain, ingesting, judge, latency, memory, normalising, sigma
from benchmarks.deployment import Ground
from benchmarks.machine import machine
from benchmarks.report import QUICK, Report, Size, markdown
from benchmarks.traffic import train_baseline
from sandbox.kafka import Kafka
from sandbox.valkey import Valkey

EVERY: dict[str, Callable[[Ground, Size], Report]] = {
    "builds": builds.run,
    "chains": chains.run,
    "drain": drain.run,
    "ingesting": ingesting.run,
    "judge": judge.run,
    "latency": latency.run,
    "memory": memory.run,
    "normalising": normalising.run,
    "sigma": sigma.run,
}
INTRODUCTION = """\
# Benchmarks

Made by `make bench`. Each table has its peer on the same input in the same run.
"""


def main() -> None:
    """Servers, a baseline, then one benchmark after the other."""
    options = _options()
    size = Size(
        events=options.events, rounds=options.rounds, seconds=options.seconds, sessions=options.sessions
    )
    began_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="chainbrake-bench-") as name,
        Kafka(for_load=True) as kafka,
        Valkey() as valkey,
    ):
        folder = Path(name)
        print("training a baseline", flush=True)
        ground = Ground(kafka, valkey, folder, train_baseline(folder, int(time.time() * 1000) - 600_000))
        reports = [EVERY[name](ground, QUICK if options.quick else size) for name in options.names or EVERY]
    page = "\n".join(
        [INTRODUCTION, *(f"- {line}" for line in machine()), "", *(markdown(report) for report in reports)]
    )
    print(page)
    for report in reports:
        for answer in report.answers:
            print(f"{report.title}: {answer}")
    print(f"took {time.monotonic() - began_s:.0f} s")
    if options.write:
        options.write.write_text(page)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*EVERY, []], metavar="NAME", help=", ".join(EVERY))
    parser.add_argument("--events", type=int, default=Size().events, help="to drain, and to replay")
    parser.add_argument("--rounds", type=int, default=Size().rounds, help="everyone in turn in each")
    parser.add_argument("--seconds", type=float, default=Size().seconds, help="of latency measured, per rate")
    parser.add_argument("--sessions", type=int, default=Size().sessions, help="that live at once, for memory")
    parser.add_argument("--quick", action="store_true", help="small sizes: to try whether it works")
    parser.add_argument("--write", type=Path, help="also write the page to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
