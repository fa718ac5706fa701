"""The worker, as a Faust app: read this first.

Faust gives the life cycle, supervision, the acknowledgement topic, the timers and the web server. The actions
topic is read in batches beside it by the engine's reader, since a Faust stream costs a task and a queue hop
per event (`docs/decisions/0002-faust-and-the-hot-path.md`).
"""

import tempfile
from pathlib import Path
from typing import Any

import faust
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from stream import metrics
from stream.configuration.settings import Settings
from stream.ingest.otlp_receiver import serve_traces
from stream.kafka.brokers import brokers
from stream.worker.engine import Engine

CHASE_EVERY_S = 1.0
PROBE_EVERY_S = 1.0


class WorkerApp(faust.App):  # type: ignore[misc]  # Faust is not typed
    """Starts the engine first: judging must not wait until the ledger's consumer group has settled."""

    def __init__(self, engine: Engine, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._engine = engine

    def on_init_dependencies(self) -> list[Any]:
        """What Faust starts with the app, in this order."""
        return [self._engine, *super().on_init_dependencies()]


def create_app(settings: Settings, *, adopt_topic: bool = False) -> faust.App:
    """The app, the engine in it; nothing connects before the app starts."""
    engine = Engine(settings, adopt_topic=adopt_topic)
    reached = brokers(settings)
    app = WorkerApp(
        engine,
        f"{settings.group}-ledger",
        broker=[f"kafka://{server}" for server in reached["bootstrap_servers"]],
        broker_credentials=_credentials(reached),
        store="memory://",
        datadir=Path(tempfile.gettempdir()) / f"{settings.group}-ledger",  # Faust makes one, used or not
        web_bind=settings.web_host,
        web_host=settings.web_host,
        web_port=settings.web_port,
        topic_disable_leader=True,
        topic_allow_declare=False,
        autodiscover=False,
        key_serializer="raw",
        value_serializer="raw",
        broker_commit_interval=1.0,
        broker_session_timeout=settings.session_timeout_ms / 1000,
        broker_heartbeat_interval=settings.session_timeout_ms / 3000,
        logging_config=None,
        loghandlers=[],
    )
    acks = app.topic(engine.topics.acks, key_type=bytes, value_type=bytes, value_serializer="raw")

    @app.agent(acks, name="ledger")  # type: ignore[untyped-decorator]
    async def _ledger(stream: Any) -> None:
        """Acknowledge after the work: Faust would do so even if the body raised."""
        async for event in stream.noack().events():
            await engine.ledger.hear(event.value)
            await stream.ack(event)

    @app.timer(CHASE_EVERY_S)  # type: ignore[untyped-decorator]
    async def _chase() -> None:
        await engine.chase()

    @app.timer(PROBE_EVERY_S)  # type: ignore[untyped-decorator]
    async def _probe() -> None:
        await engine.probe()

    _pages(app, engine)
    serve_traces(app, engine)
    return app


def _credentials(reached: dict[str, Any]) -> Any:
    """What `brokers` says, in Faust's words."""
    tls = reached["ssl_context"]
    if "sasl_mechanism" in reached:
        return faust.SASLCredentials(
            username=reached["sasl_plain_username"],
            password=reached["sasl_plain_password"],
            ssl_context=tls,
            mechanism=reached["sasl_mechanism"],
        )
    return faust.SSLCredentials(tls) if tls is not None else None


def _pages(app: faust.App, engine: Engine) -> None:
    @app.page("/metrics")  # type: ignore[untyped-decorator]
    async def _metrics(web: Any, _request: Any) -> Any:
        return web.bytes(generate_latest(metrics.REGISTRY), content_type=CONTENT_TYPE_LATEST.split(";")[0])

    @app.page("/healthz")  # type: ignore[untyped-decorator]
    async def _healthz(web: Any, _request: Any) -> Any:
        return web.json({"alive": True})

    @app.page("/readyz")  # type: ignore[untyped-decorator]
    async def _readyz(web: Any, _request: Any) -> Any:
        body = {"ready": engine.ready, "up": engine.up, "baselines": engine.baselines}
        return web.json(body, status=200 if engine.ready else 503)
