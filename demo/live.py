"""The agents' day: each calls the gateway at its own pace, all of them at once."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from random import Random

import aiohttp

from demo.acts import PARALLEL, Act, Pace
from demo.agents import AGENTS, Agent, identity
from demo.history import known
from demo.record import Lived, Record

SPREAD = 1.15
CALL_S_MAX = 20.0
PROVEN_S_MAX = 15.0

Show = Callable[[Agent, Act, int], None]


class Day:
    """One run of all agents against one gateway."""

    def __init__(self, url: str, run: str, seed: int, record: Record, show: Show) -> None:
        self.proven = asyncio.Event()
        """Set by whoever hears that the stop holds."""
        self._url = url
        self._run = run
        self._seed = seed
        self._record = record
        self._show = show

    async def live(self) -> None:
        """Until every agent is done, and the kill was shown to hold or that took too long."""
        timeout = aiohttp.ClientTimeout(total=CALL_S_MAX)
        async with aiohttp.ClientSession(timeout=timeout) as client, asyncio.TaskGroup() as group:
            for agent in AGENTS:
                group.create_task(self._agent(client, agent))
        with suppress(TimeoutError):
            await asyncio.wait_for(self.proven.wait(), PROVEN_S_MAX)

    async def _agent(self, client: aiohttp.ClientSession, agent: Agent) -> None:
        rng = Random(f"{self._seed}/{agent.name}/today")  # noqa: S311 - nothing secret
        lived = self._record.lived[agent.name]
        room = asyncio.Semaphore(PARALLEL)
        await asyncio.sleep(agent.starts_s)
        async with asyncio.TaskGroup() as group:
            for act in agent.today(Pace(rng, SPREAD)):
                await asyncio.sleep(act.pause_s)
                await room.acquire()
                sent = group.create_task(self._act(client, lived, act))
                sent.add_done_callback(lambda _: room.release())
                if not act.together:
                    await sent
                if agent.honest and (lived.errors or lived.refused):
                    return  # an honest agent does not try its luck

    async def _act(self, client: aiohttp.ClientSession, lived: Lived, act: Act) -> None:
        now_ms = int(time.time() * 1000)
        self._record.began_ms = self._record.began_ms or now_ms
        who = identity(lived.agent, self._run)
        path = "/v1/call" if act.kind == "operation" else "/v1/events"
        try:
            async with client.post(self._url + path, json={**known(who, act), **act.body(now_ms)}) as answer:
                status, body = answer.status, await answer.json()
        except (aiohttp.ClientError, TimeoutError) as error:
            lived.errors.append(f"{act.fields['operation']}: {error!r}")
            return
        self._note(lived, act, status, body)
        self._show(lived.agent, act, status)

    def _note(self, lived: Lived, act: Act, status: int, body: dict[str, str]) -> None:
        if act.kind == "operation":
            lived.calls += 1
            lived.times_s.append(time.monotonic())
        if "event" in body:
            self._record.events[body["event"]] = act
        if status == 200:  # noqa: PLR2004 - HTTP's OK
            return
        if status == 403:  # noqa: PLR2004 - HTTP's Forbidden
            lived.refused += 1
        else:
            lived.errors.append(f"{act.fields['operation']}: the gateway answered {status} {body}")
