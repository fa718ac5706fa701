"""A small agent gateway: `chainbrake hook gateway`. Every call passes the guard that commands act on.

    POST /v1/call                what an agent is about to do: 200 if it may, 403 if a command forbids it;
                                 under a step-up it may do what a person approved
    POST /v1/events              a delegation, an approval, the end of a session
    GET  /v1/sessions/{session}  what stands against a session
    GET  /healthz                200 once all that was in force is in force again, 503 before

A call that the broker does not have is not allowed (503): nobody would judge it. There is no sign-in: this is
the reference of a hook, to be put behind what authenticates agents, and approvers on a route of their own.
"""

import asyncio
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import aiohttp
import msgspec
import structlog
import uvloop
from aiohttp import web
from kafka.errors import KafkaError

from models.acknowledgement import Acknowledgement
from models.command import Action, Command
from models.errors import InputError, SettingsError, StateError
from models.event import AnyEvent, Approval, Delegation, Name, Operation, Outcome
from stream.configuration.settings import Settings, load_policy, load_registry
from stream.enforcement.approved import Approved
from stream.enforcement.calls import read_call, read_fact
from stream.enforcement.guard import Block, Guard
from stream.enforcement.hook import OPEN, Hook, probe_of
from stream.enforcement.publisher import DELIVER_MS_MAX, Publisher, quiet_client
from stream.enforcement.subscriber import Subscriber
from stream.kafka.messages import Record, acknowledgement_record, event_record
from stream.kafka.topics import Topics, topics_of
from stream.logs import OncePerWhile, set_up_logs

log = structlog.stdlib.get_logger(__name__)

BODY_BYTES_MAX = 65_536
WAITING_MAX = 1_000
PROBES_MAX = 1_000
PROBE_S_MAX = 2.0
SHUT_DOWN_S_MAX = 1.0
PROBE_HEADER = "Chainbrake-Probe"
"""A call with it goes through the guard like any other, and is then neither made nor published."""

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to


class Gateway:
    """The HTTP side. Everything of it runs in one event loop; only the producer may make a thread wait."""

    def __init__(self, settings: Settings, name: str, publisher: Publisher, approved: Approved) -> None:
        self.topics: Topics = topics_of(settings)
        self._settings = settings
        self._name = name
        self._source = f"//chainbrake/gateway/{name}"
        self._guard = Guard()
        self._approved = approved
        self._publisher = publisher
        self._sender = ThreadPoolExecutor(1, "publisher")  # one, so that records keep their order
        self._waiting = 0
        self._loop = asyncio.get_running_loop()
        self._probes: set[asyncio.Task[None]] = set()
        self._client: aiohttp.ClientSession | None = None
        self._address = ""
        self.hook = Hook(name, self._guard, self._acknowledge, self._probe_soon)
        self.subscriber = Subscriber(settings, self.topics, self.hook)

    async def open(self, host: str, port: int) -> web.AppRunner:
        """Serve, then start to listen for commands. Raises `StateError` if the address is taken."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_post("/v1/call", self._call)
        app.router.add_post("/v1/events", self._event)
        app.router.add_get("/v1/sessions/{session:.+}", self._session)
        app.router.add_get("/healthz", self._healthz)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUT_DOWN_S_MAX)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            await runner.cleanup()
            raise StateError(f"{host}:{port}: {error.strerror or error}; choose another --port") from error
        bound_host, bound_port = runner.addresses[0][:2]
        self._address = f"http://{_bracketed(ANYWHERE.get(bound_host, bound_host))}:{bound_port}"
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PROBE_S_MAX))
        self.subscriber.start()
        log.info("gateway serves", address=self._address, hook=self._name)
        return runner

    async def close(self, runner: web.AppRunner) -> None:
        """End in order: no new calls, no new commands, then what is on its way."""
        self.subscriber.stop()
        await runner.cleanup()
        if self._client is not None:
            await self._client.close()
        await asyncio.to_thread(self.subscriber.join, SHUT_DOWN_S_MAX)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(self._sender.shutdown), SHUT_DOWN_S_MAX)

    async def _call(self, request: web.Request) -> web.Response:
        try:
            call = read_call(await request.read(), self._source, _now_ms())
        except InputError as error:
            return _answer(400, {"error": str(error)})
        block = self._guard.refuses(call, _now_ms())
        if PROBE_HEADER in request.headers:
            return _refusal(block) if block is not None else self._open()
        following = self.subscriber.following
        if block is None and not following:
            return _answer(503, {"error": "what is in force is still being read; try again"})
        # Taken where nothing stands against the call, too: what was allowed once is not allowed twice.
        open_to_people = block is None or block.action is Action.STEP_UP
        grant = self._approved.take(call) if following and open_to_people else None
        if block is not None and grant is None:
            self._guard.note(call, refused=True)
            self._publish_refused(msgspec.structs.replace(call, outcome=Outcome.DENIED))
            return _refusal(block, event=call.id)
        self._guard.note(call, refused=False)
        answer = await self._recorded(call)
        if grant is not None and answer.status != HTTPStatus.OK:
            self._approved.give_back(grant)
        return answer

    async def _event(self, request: web.Request) -> web.Response:
        try:
            event = read_fact(await request.read(), self._source, _now_ms())
        except InputError as error:
            return _answer(400, {"error": str(error)})
        answer = await self._recorded(event)
        if answer.status == HTTPStatus.OK and isinstance(event, Approval | Delegation):
            self._approved.hear(event)
        return answer

    async def _session(self, request: web.Request) -> web.Response:
        session = request.match_info["session"]
        blocks = self._guard.standing(session, _now_ms())
        seen = self._guard.seen(session)
        return _answer(
            200,
            {
                "session": session,
                "verdict": blocks[0].action if blocks else "observe",
                "blocks": blocks,
                "calls": seen.calls if seen is not None else 0,
                "refused": seen.refused if seen is not None else 0,
            },
        )

    async def _healthz(self, _request: web.Request) -> web.Response:
        following = self.subscriber.following
        body = {"alive": True, "following": following, "in_force": len(self._guard)}
        return _answer(200 if following else 503, body)

    def _open(self) -> web.Response:
        """What a probe gets that would have been let through."""
        return web.Response(status=OPEN if self.subscriber.following else 503)

    async def _recorded(self, event: AnyEvent) -> web.Response:
        """200 once the broker has it."""
        if self._waiting >= WAITING_MAX:
            return _answer(503, {"error": f"{WAITING_MAX} calls wait for the broker already; try again"})
        self._waiting += 1
        try:
            sent = await self._loop.run_in_executor(
                self._sender, self._publisher.send, event_record(event, self.topics)
            )
            arrived: asyncio.Future[None] = self._loop.create_future()
            sent.add_callback(lambda _: self._loop.call_soon_threadsafe(_settle, arrived, None))
            sent.add_errback(lambda error: self._loop.call_soon_threadsafe(_settle, arrived, error))
            async with asyncio.timeout(DELIVER_MS_MAX / 1000):
                await arrived
        except (KafkaError, TimeoutError) as error:
            log.warning("a call was not allowed, for the broker did not take it", error=repr(error))
            return _answer(503, {"error": "the call cannot be recorded, so it is not allowed; try again"})
        finally:
            self._waiting -= 1
        return _answer(200, {"event": event.id})

    def _publish_refused(self, call: Operation) -> None:
        """The monitor shall see it; the agent does not wait for that."""
        if self._waiting >= WAITING_MAX:
            log.warning("a refused call was not published: too many wait", session=call.session)
            return
        self._waiting += 1
        record = event_record(call, self.topics)
        task: asyncio.Future[None] = self._loop.run_in_executor(self._sender, self._send, record)
        task.add_done_callback(self._published)

    def _published(self, _done: "asyncio.Future[None]") -> None:
        self._waiting -= 1

    def _acknowledge(self, ack: Acknowledgement) -> None:
        """Called by the subscriber's thread and by the loop: both only queue it."""
        self._sender.submit(self._send, acknowledgement_record(ack, self.topics, self._settings.issuer))

    def _send(self, record: Record) -> None:
        """Without waiting for it. An acknowledgement that gets lost is asked for again by the ledger."""
        try:
            self._publisher.send(record).add_errback(_lost, record.topic)
        except KafkaError as error:
            _lost(record.topic, error)

    def _probe_soon(self, command: Command) -> None:
        """Called by the subscriber's thread, which must not wait for the answer."""
        self._loop.call_soon_threadsafe(self._start_probe, command)

    def _start_probe(self, command: Command) -> None:
        if len(self._probes) >= PROBES_MAX:
            log.warning("too many probes wait, this one is left out", id=command.id)
            return
        task = self._loop.create_task(self._probe(command))
        self._probes.add(task)
        task.add_done_callback(self._probes.discard)

    async def _probe(self, command: Command) -> None:
        """A call through our own front door."""
        assert self._client is not None, "a probe before `open`"
        url = f"{self._address}/v1/call"
        try:
            async with self._client.post(
                url, json=probe_of(command), headers={PROBE_HEADER: "1"}
            ) as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("probe failed", id=command.id, error=repr(error))
            return
        self.hook.probed(command, status, _now_ms())


def run_gateway(settings: Settings, host: str, port: int, name: str) -> None:
    """Until SIGTERM or SIGINT. Raises `StateError` if it cannot start, `InputError` for a file or a name."""
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError as error:
        raise SettingsError(f"--name {name!r}: {error}") from error
    # Before the broker is asked: a mistake in a file is told by itself, whether one answers or not.
    approved = Approved(load_policy(settings.policy).approvals, load_registry(settings.registry))
    set_up_logs(settings)
    quiet_client(OncePerWhile())
    with Publisher(settings, name) as publisher:
        uvloop.run(_serve(settings, host, port, name, publisher, approved))


async def _serve(
    settings: Settings, host: str, port: int, name: str, publisher: Publisher, approved: Approved
) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    gateway = Gateway(settings, name, publisher, approved)
    await asyncio.to_thread(publisher.know, gateway.topics.actions, gateway.topics.acks)
    runner = await gateway.open(host, port)
    await stopped.wait()
    log.info("gateway stops", pid=os.getpid())
    await gateway.close(runner)


def _settle(arrived: "asyncio.Future[None]", error: BaseException | None) -> None:
    if arrived.done():
        return
    if error is None:
        arrived.set_result(None)
    else:
        arrived.set_exception(error)


def _lost(topic: str, error: BaseException) -> None:
    log.warning("a record was lost", topic=topic, error=repr(error))


def _refusal(block: Block, **more: str) -> web.Response:
    told = {"reason": block.reason, "command": block.command, "expires_ms": block.expires_ms}
    return _answer(403, told | more)


def _answer(status: int, body: dict[str, Any]) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/json")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _now_ms() -> int:
    return int(time.time() * 1000)
