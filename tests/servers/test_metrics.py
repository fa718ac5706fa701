"""A real worker, scraped by a real Prometheus: every panel shows something, every rule evaluates."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from itertools import count
from math import isfinite
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from benchmarks.traffic import Traffic as Ordinary
from models.acknowledgement import Acknowledgement, Hit
from models.caep import from_caep
from models.command import Action, Command
from models.session import SESSIONS_MAX
from sandbox import prometheus
from sandbox.kafka import Kafka
from sandbox.ports import HOST
from sandbox.prometheus import Prometheus
from sandbox.valkey import Valkey
from stream.configuration.settings import Settings
from stream.kafka.messages import acknowledgement_record
from stream.kafka.topics import topics_of
from tests.servers.deployment import CHAINBRAKE, PARTITIONS, Deployment, Worker, until
from tests.servers.hooked import CHAIN
from tests.test_grafana import ALERTS, BOARD, PROMETHEUS, panels

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(not prometheus.available(), reason="no prometheus on the path"),
]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SOON_S = 30.0
SHOWN_WITHIN_S = 60.0
BEAT_S = 0.5
TAUGHT, LIVED = 20_000, 12_000
"""Events of ordinary sessions that teach a baseline, and of those that are compared with it as they end."""

# Short enough to see a command sent again, escalated and given up on; so small a budget that stops degrade.
POLICY = """\
commands: {acknowledge_within_ms: 400, resends_max: 1}
budget: {stops_per_minute_max: 3}
"""

VARIABLES = {"$__rate_interval": "1m", "$__range": "5m", "$worker": ".+"}
"""What Grafana would put in: for each variable of the dashboard, and for those it knows by itself."""


def asked(expression: str) -> str:
    """The query as Grafana would send it."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


class Traffic:
    """What agents, a hook and mishaps put on the topics; each beat has some of all of it."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._topics = topics_of(Settings(topic_prefix=deployment.prefix))
        self._producer: KafkaProducer = deployment.producer()
        self._numbers = count()
        self._answered: set[str] = set()
        self._disposed: set[str] = set()

    def close(self) -> None:
        """Give the connection back."""
        self._producer.close()

    def act(self, session: str, at_ms: int, **fields: Any) -> bytes:
        """One operation; returns its bytes, to be sent again or broken."""
        event = {
            "kind": "operation",
            "id": f"e{next(self._numbers)}",
            "source": "test",
            "at_ms": at_ms,
            "workflow": f"wf-{session}",
            "session": session,
            "agent": "agent-1",
            "agent_role": "worker",
            **({} if "kind" in fields else {"operation": "s3:GetObject"}),
            **fields,
        }
        value = json.dumps(event).encode()
        self.put(value, str(event["workflow"]))
        return value

    def put(self, value: bytes | None, key: str) -> None:
        """One record, whatever it is."""
        self._producer.send(self._topics.actions, value, key=key.encode())

    def chain(self, session: str) -> None:
        """Look, read the rules, read a secret, change the role: earns a stop."""
        for number, step in enumerate(CHAIN):
            self.act(session, _now_ms() - 1_000 + number, **step)

    def crowd(self) -> None:
        """More sessions in one workflow than are kept."""
        for number in range(SESSIONS_MAX + 2):
            self.act(f"crowd-{number}", _now_ms(), workflow="wf-crowd")

    def beat(self) -> None:
        """Honest work, a duplicate, a late event, and what nobody can judge."""
        now_ms = _now_ms()
        again = self.act("honest", now_ms)
        self.put(again, "wf-honest")
        self.act("honest", now_ms - 600_000)
        self.put(b'{"kind": "operation", "id"', "broken")
        self.put(b"\xff\xfe", "broken")
        self.put(None, "broken")
        self.act("from-tomorrow", now_ms + DAY_MS)
        self._producer.send(self._topics.acks, b"not an acknowledgement")
        self._producer.flush()

    def ordinary(self) -> None:
        """Sessions of jobs that the baseline knows, silent for hours: only then are they over."""
        sessions: dict[str, str] = {}
        for workflow, value in ordinary(seed=2, count=LIVED, ago_ms=3 * HOUR_MS):
            self.put(value, workflow)
            sessions[json.loads(value)["session"]] = workflow
        for session, workflow in sessions.items():
            self.act(session, _now_ms(), kind="session_end", workflow=workflow)
        self._producer.flush()

    def platform(self) -> None:
        """A platform's own record, on its raw topic."""
        entry = {
            "@timestamp": _now_ms(),
            "_document_id": f"doc-{next(self._numbers)}",
            "action": "git.clone",
            "actor": "review[bot]",
            "repo": "example/app",
        }
        topic = f"{self._deployment.prefix}.raw.github.audit"
        self._producer.send(topic, json.dumps(entry).encode())
        self._producer.flush()

    def dispose(self, commands: list[Command]) -> None:
        """An analyst looks at a stop that nobody has looked at yet, and finds it right."""
        for command in commands:
            if command.action is Action.KILL_SESSION and command.id not in self._disposed:
                self._disposed.add(command.id)
                word = {
                    "kind": "disposition",
                    "about": command.id,
                    "true_positive": True,
                    "decided_by": "ann@example.com",
                }
                self.act(command.session, _now_ms(), **word)
                return

    def answer(self, sessions: set[str]) -> list[Command]:
        """Acknowledge the commands against these sessions, as a hook would; returns all commands so far."""
        commands = [from_caep(record.value) for record in self._deployment.read("commands")]
        for command in commands:
            if command.session in sessions and command.id not in self._answered:
                self._answered.add(command.id)
                ack = Acknowledgement(
                    command=command.id,
                    hook="test",
                    outcome=Hit.DONE,
                    at_ms=_now_ms(),
                    seen_ms=command.seen_ms,
                )
                record = acknowledgement_record(ack, self._topics, "https://test.invalid")
                self._producer.send(record.topic, record.value, key=record.key, headers=record.headers)
        self._producer.flush()
        return commands


def _now_ms() -> int:
    return int(time.time() * 1000)


def ordinary(seed: int, count: int, ago_ms: int = 0) -> Iterator[tuple[str, bytes]]:
    """What agents of five jobs do on an ordinary day, until so long ago: workflow and event."""
    start_ms = _now_ms() - count - ago_ms
    made = Ordinary(seed=seed, start_ms=start_ms, live=60, per_s=1_000, events_per_chain=0, mid_life=False)
    return made.events(count)


def taught(folder: Path) -> Path:
    """A baseline of such days."""
    history, baseline = folder / "history.ndjson", folder / "baseline.json"
    history.write_bytes(b"\n".join(value for _, value in ordinary(seed=1, count=TAUGHT)))
    subprocess.run([CHAINBRAKE, "train", history, "--out", baseline], check=True, capture_output=True)
    return baseline


@pytest.fixture(scope="module")
def deployment(
    kafka: Kafka, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """One deployment with a policy in a hurry."""
    folder = tmp_path_factory.mktemp("metrics")
    policy = folder / "policy.yml"
    policy.write_text(POLICY)
    baseline = taught(folder)
    with Deployment(kafka, valkey, folder, policy=str(policy), baseline=str(baseline)) as deployed:
        yield deployed


@pytest.fixture(scope="module")
def worker(deployment: Deployment) -> Worker:
    """A worker that judges."""
    return deployment.worker().wait_ready()


@pytest.fixture(scope="module")
def scraped(worker: Worker) -> Iterator[Prometheus]:
    """A Prometheus with our rules that scrapes the worker."""
    with Prometheus([f"{HOST}:{worker.port}"], PROMETHEUS / "rules.yml") as server:
        yield server


@pytest.fixture(scope="module")
def busy(deployment: Deployment, worker: Worker, scraped: Prometheus) -> Iterator[Traffic]:
    """Traffic, until all that can happen has happened once, after a first scrape."""
    until(lambda: bool(scraped.query("chainbrake_partitions > 0")), SOON_S, "a first scrape")
    traffic = Traffic(deployment)
    traffic.ordinary()
    traffic.platform()
    traffic.crowd()
    for number in range(8):  # more than two minutes' budgets: a minute may end between them
        traffic.chain(f"rogue-{number}")

    def happened() -> bool:
        traffic.beat()
        commands = traffic.answer({"rogue-0"})
        time.sleep(BEAT_S)
        return (
            worker.metric("chainbrake_acknowledgement_seconds_count") > 0
            and worker.metric("chainbrake_commands_degraded_total") > 0
            and worker.metric("chainbrake_commands_unacknowledged_total") > 0
            and any(command.action is Action.QUARANTINE_WORKFLOW for command in commands)
        )

    until(happened, SHOWN_WITHIN_S, "an answer, a degraded stop, an escalated one, one given up on")
    for number in range(PARTITIONS):  # somebody else takes all partitions over
        deployment.store.incr(f"{deployment.prefix}:{{actions-{number}}}:epoch")

    def fenced() -> bool:
        traffic.beat()
        time.sleep(BEAT_S)
        return worker.metric("chainbrake_fenced_total") > 0

    until(fenced, SOON_S, "a write that is refused")
    yield traffic
    traffic.close()


def test_every_panel_shows_data(busy: Traffic, worker: Worker, scraped: Prometheus) -> None:
    """A panel that is empty on a busy worker would be empty when it is needed."""
    targets = {
        f"{panel['title']} {target['refId']}": asked(target["expr"])
        for panel in panels()
        for target in panel["targets"]
    }
    empty = dict(targets)

    def all_show() -> bool:
        busy.chain(f"rogue-{time.monotonic_ns()}")
        busy.beat()
        commands = busy.answer(set())
        busy.answer({command.session for command in commands})
        busy.dispose(commands)
        time.sleep(BEAT_S)
        for title, query in list(empty.items()):
            if any(isfinite(float(row["value"][1])) for row in scraped.query(query)):
                del empty[title]
        return not empty

    try:
        until(all_show, SHOWN_WITHIN_S, "data in every panel")
    except AssertionError as error:
        raise AssertionError(
            f"empty: {empty}; the worker's log:\n{worker.log.read_text()[-2000:]}"
        ) from error


@pytest.mark.usefixtures("busy")
def test_what_happened_is_what_the_panels_say(scraped: Prometheus) -> None:
    """Rises are seen, from the first on: the series were there before."""
    risen = (
        'increase(chainbrake_commands_total{action="kill_session"}[5m])',
        'increase(chainbrake_commands_total{action="step_up"}[5m])',
        'increase(chainbrake_commands_total{action="quarantine_workflow"}[5m])',
        "increase(chainbrake_commands_degraded_total[5m])",
        "increase(chainbrake_commands_resent_total[5m])",
        "increase(chainbrake_commands_escalated_total[5m])",
        "increase(chainbrake_commands_unacknowledged_total[5m])",
        'increase(chainbrake_acks_total{outcome="done", certainty="accepted"}[5m])',
        "increase(chainbrake_acks_unreadable_total[5m])",
        'increase(chainbrake_findings_total{detector="read_then_write_chain"}[5m])',
        'increase(chainbrake_findings_total{detector="stop_unacknowledged"}[5m])',
        "increase(chainbrake_fenced_total[5m])",
        "increase(chainbrake_sessions_forgotten_total[5m])",
        "increase(chainbrake_not_enough_seen_total[5m])",
        *(
            f'increase(chainbrake_events_total{{result="{result}"}}[5m])'
            for result in ("judged", "duplicate", "late", "unclassified")
        ),
        *(
            f'increase(chainbrake_dead_letters_total{{reason="{reason}"}}[5m])'
            for reason in ("not_json", "not_utf8", "tombstone", "time_in_future")
        ),
    )
    still: list[str] = []

    def all_risen() -> bool:
        still[:] = [query for query in risen if not scraped.query(f"sum({query}) > 0")]
        return not still

    try:
        until(all_risen, SOON_S, "a rise in every counter")
    except AssertionError as error:
        raise AssertionError(f"did not rise: {still}") from error


def test_dashboard_variables_offer_the_worker(worker: Worker, scraped: Prometheus) -> None:
    """The choice of workers is filled from what is scraped."""
    assert "chainbrake_partitions, instance" in BOARD["templating"]["list"][1]["definition"]
    instances = {row["metric"]["instance"] for row in scraped.query("chainbrake_partitions")}
    assert instances == {f"{HOST}:{worker.port}"}


@pytest.mark.usefixtures("busy")
def test_every_rule_evaluates_and_the_right_alerts_fire(scraped: Prometheus) -> None:
    """No rule has an error, and what went wrong above pages."""
    expected = {"StopEscalated", "CommandUnacknowledged", "StopsDegraded", "AcknowledgementsUnreadable"}
    until(lambda: expected <= firing(scraped), SOON_S, f"firing {expected}")
    groups = api(scraped, "/api/v1/rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"] for rule in rules if rule["type"] == "alerting"} == set(ALERTS)
    assert {(rule["name"], rule["health"], rule.get("lastError", "")) for rule in rules} == {
        (rule["name"], "ok", "") for rule in rules
    }
    for alert in api(scraped, "/api/v1/alerts")["alerts"]:
        assert "error expanding" not in str(alert["annotations"]), alert
    assert not firing(scraped) & {"NoPartitionsOwned", "RecordsLost", "JudgeFailed", "OwedMessagesStuck"}


def firing(server: Prometheus) -> set[str]:
    """Names of the alerts that fire."""
    return {row["metric"]["alertname"] for row in server.query('ALERTS{alertstate="firing"}')}


def api(server: Prometheus, path: str) -> dict[str, Any]:
    """The data of one answer of Prometheus."""
    with urllib.request.urlopen(f"{server.url}{path}", timeout=5) as answer:  # noqa: S310 - http, to our own server
        data: dict[str, Any] = json.load(answer)["data"]
        return data
