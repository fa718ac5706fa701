"""`python -m demo`: real parts, eight agents, one chain cut. Exit code 0 if exactly the rogue was stopped.

`DEMO_KEEP=1` keeps everything running afterwards, until Ctrl-C. `DEMO_SEED` changes the agents' day.
"""

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from uuid import uuid4

from demo.live import Day
from demo.record import Record
from demo.screen import Screen
from demo.servers import Parts, folder, running
from demo.watch import Heard, Watch
from sandbox.process import SandboxError
from stream.configuration.settings import PREFIX, Settings
from stream.kafka.topics import topics_of

SEED = 7
TICK_S = 0.2
CUT_S_MAX = 2.0
"""How long the screen waits for the proof before it shows a stop without."""

INTERRUPTED = 130
TERMINATED = 143


class WrongOutcomeError(RuntimeError):
    """Somebody else than the rogue was stopped, or the rogue was not."""


def main() -> int:
    """Run it; the exit code."""
    told = os.environ.get("DEMO_SEED", str(SEED))
    if not told.isdecimal():
        print(f"demo failed: DEMO_SEED is {told!r}, and no whole number", file=sys.stderr)
        return 2
    seed = int(told)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]  # the parts talk to each other, whatever this shell is set up for
    signal.signal(signal.SIGTERM, _terminated)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit it ignored
    keep = os.environ.get("DEMO_KEEP", "") not in ("", "0")
    screen = Screen()
    try:
        with folder() as path:
            os.environ[f"{PREFIX}KEYS"] = str(path / "keys")  # none is left in the user's folders
            _show(screen, path, seed, keep=keep)
    except KeyboardInterrupt:
        screen.say("\ninterrupted; everything is stopped")
        return INTERRUPTED
    except (SandboxError, WrongOutcomeError) as error:
        words = "\n".join([str(error), *getattr(error, "__notes__", ())])
        print(f"demo failed: {words}", file=sys.stderr)
        return 1
    return 0


def _show(screen: Screen, path: Path, seed: int, *, keep: bool) -> None:
    screen.say(
        "[bold]chainbrake[/bold]: a real broker and store start; the agents' past is learned beside that."
    )
    with running(path, seed, screen.step) as parts:
        record = Record(uuid4().hex[:6])
        screen.starts(parts)
        asyncio.run(_play(screen, parts, record, seed))
        screen.summary(record)
        problems = record.problems()
        if problems:
            raise WrongOutcomeError("\n".join(problems))
        _conclude(screen, parts, record)
        if keep:
            with suppress(KeyboardInterrupt):
                screen.say("\n[bold]Everything keeps running until Ctrl-C.[/bold]")
                screen.addresses(parts)
                signal.pause()


async def _play(screen: Screen, parts: Parts, record: Record, seed: int) -> None:
    """The agents act while we listen to the log."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[Heard] = asyncio.Queue()
    run = record.rogue.session.rsplit("-", 1)[-1]

    def tell(news: Heard) -> None:
        loop.call_soon_threadsafe(heard.put_nowait, news)

    watch = Watch(parts.kafka.bootstrap, topics_of(Settings()), tell)
    watch.start()
    day = Day(parts.gateway.url, run, seed, record, screen.act)
    follow = asyncio.create_task(_follow(screen, record, heard, day.proven))
    try:
        await day.live()
    finally:
        await asyncio.to_thread(watch.stop)
        follow.cancel()
        with suppress(asyncio.CancelledError):
            await follow


async def _follow(
    screen: Screen, record: Record, heard: "asyncio.Queue[Heard]", proven: asyncio.Event
) -> None:
    """Note what comes; show the cut once it is shown to hold."""
    shown, killed_s = False, 0.0
    while True:
        with suppress(TimeoutError):
            record.hear(await asyncio.wait_for(heard.get(), TICK_S))
        screen.tick()
        if record.verified():
            proven.set()
        if shown or record.kill() is None:
            continue
        killed_s = killed_s or time.monotonic()
        if record.verified() or time.monotonic() - killed_s > CUT_S_MAX:
            screen.cut(record)
            shown = True


def _conclude(screen: Screen, parts: Parts, record: Record) -> None:
    kill = record.kill()
    assert kill is not None, "no problems, so there is a kill"
    milestones = dict(record.milestones())
    stopped_ms = kill.command.seen_ms + max(milestones.values())
    terraform, rogue = record.lived["terraform"], record.rogue
    screen.say(
        f"\n[bold]{rogue.agent.name} was stopped[/bold], {max(milestones.values())} ms after the change that "
        f"gave it away and {(stopped_ms - record.began_ms) / 1000:.1f} s after the first event; its "
        f"{rogue.refused} calls after that were refused. Nobody else was stopped: terraform made the same "
        f"chain of calls {terraform.fastest_per_s / rogue.fastest_per_s:.0f} times as fast, but a person had "
        f"approved every change."
    )
    screen.say(
        f"metrics: {parts.worker.url}/metrics while it runs (DEMO_KEEP=1 make demo); "
        f"dashboards and alert rules for them: grafana/"
    )


def _terminated(_number: int, _frame: FrameType | None) -> None:
    sys.exit(TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
