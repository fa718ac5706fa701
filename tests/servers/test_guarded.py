"""A broker that is encrypted, asks who comes and lets each do no more than it needs; a store like it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
)

from sandbox.guarded import GuardedKafka, GuardedValkey
from sandbox.ports import free_port
from tests.servers.deployment import Deployment, until
from tests.servers.hooked import CHAIN, Gateway
from tests.servers.test_hook import answers, refused, run_chain

DEPLOYING = Path(__file__).parents[2] / "docs" / "deploying.md"
PASSWORDS = {"worker": "w0rker-Secret", "hook": "h00k-Secret", "stranger": "5tranger-Secret"}
SOON_S = 30.0


@pytest.fixture(scope="module")
def guarded() -> Iterator[GuardedKafka]:
    """One broker for all of these."""
    with GuardedKafka(PASSWORDS) as broker:
        yield broker


@pytest.fixture(scope="module")
def store() -> Iterator[GuardedValkey]:
    """One store for all of these."""
    with GuardedValkey("st0re-Secret") as started:
        yield started


@pytest.fixture(scope="module")
def deployment(
    guarded: GuardedKafka, store: GuardedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Its topics are made by whoever administers the broker."""
    with Deployment(guarded, store, tmp_path_factory.mktemp("guarded")) as deployed:
        admin = KafkaAdminClient(bootstrap_servers=guarded.bootstrap)
        admin.create_acls(list(rules(deployed)))
        admin.close()
        deployed.environment["CHAINBRAKE_REDIS"] = store.guarded_url
        yield deployed


def rules(deployment: Deployment) -> Iterator[ACL]:
    """As the table in the manual says."""
    for row in DEPLOYING.read_text().split("### Rules of access\n")[1].split("\n### ")[0].splitlines():
        if not row.startswith("| `"):
            continue
        who, what, name, operations = (cell.strip().strip("`") for cell in row.strip("|").split("|"))
        is_group = what == "group"
        pattern = ACLResourcePatternType.PREFIXED if name.endswith("*") else ACLResourcePatternType.LITERAL
        told = name.rstrip("*").replace("chainbrake", deployment.prefix)
        resource = ResourcePattern(ResourceType.GROUP if is_group else ResourceType.TOPIC, told, pattern)
        for operation in operations.split(", "):
            yield ACL(f"User:{who}", "*", ACLOperation[operation.upper()], ACLPermissionType.ALLOW, resource)


def signed_in(deployment: Deployment, guarded: GuardedKafka, who: str, **changed: str) -> Deployment:
    """From now on its programs come as `who`, over TLS."""
    told = {
        "kafka": guarded.named,
        "kafka_security_protocol": "SASL_SSL",
        "kafka_username": who,
        "kafka_password": PASSWORDS.get(who, ""),
        "kafka_ca_file": str(guarded.authority.path),
    } | changed
    deployment.environment |= {f"CHAINBRAKE_{name.upper()}": value for name, value in told.items()}
    return deployment


def test_a_chain_is_cut_where_everybody_may_do_no_more_than_the_manual_says(
    deployment: Deployment, guarded: GuardedKafka
) -> None:
    """Worker, store and hook over TLS, each as itself: event, command, block, acknowledgement."""
    worker = signed_in(deployment, guarded, "worker").worker().wait_ready()
    with Gateway(signed_in(deployment, guarded, "hook")) as gateway:
        run_chain(gateway, "rogue")
        until(lambda: refused(gateway, "rogue"), SOON_S, "the rogue's next call is refused")
        command = gateway.call("rogue")[1]["command"]
        until(lambda: bool(answers(deployment, command)), SOON_S, "its acknowledgement is in the ledger")
    told = worker.log.read_text()
    assert not [secret for secret in (*PASSWORDS.values(), "st0re-Secret") if secret in told]
    assert "AuthorizationFailed" not in told


def test_a_range_of_a_guarded_topic_is_read(deployment: Deployment, guarded: GuardedKafka) -> None:
    """By the same settings, whatever brokers its address names."""
    deployed = signed_in(deployment, guarded, "worker", kafka="127.0.0.1:1")
    told = deployed.run("replay", f"kafka://{guarded.named}/{deployed.topic('actions')}", "--json").stdout
    (summary,) = [row for row in map(json.loads, told.splitlines()) if row["kind"] == "summary"]
    assert summary["events"] >= len(CHAIN)
    assert summary["commands"]


def test_a_certificate_is_shown_to_a_broker_that_knows_us_by_it(
    deployment: Deployment, guarded: GuardedKafka, tmp_path: Path
) -> None:
    """As whom we come is the certificate's name: that account sees nothing here, and is told so."""
    nameless = {"kafka_security_protocol": "SSL", "kafka_username": "", "kafka_password": ""}
    signed_in(deployment, guarded, "worker", kafka=guarded.shown, **nameless)
    assert "CERTIFICATE_REQUIRED" in failed(deployment)
    guarded.authority.certificate("worker", tmp_path / "worker.pem")
    deployment.environment["CHAINBRAKE_KAFKA_CERTIFICATE_FILE"] = str(tmp_path / "worker.pem")
    assert "or let this account describe it" in failed(deployment)
    del deployment.environment["CHAINBRAKE_KAFKA_CERTIFICATE_FILE"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        # Why, is not always told: the broker hangs up, and its answer may be read or not.
        ({"kafka_password": "wr0ng-Secret"}, ("security protocol SASL_SSL",)),
        ({"kafka_ca_file": ""}, ("certificate verify failed",)),
        (
            {"kafka_security_protocol": "SASL_PLAINTEXT", "kafka_ca_file": ""},
            ("security protocol SASL_PLAINTEXT",),
        ),
    ],
)
def test_who_is_not_let_in_is_told_in_one_line(
    deployment: Deployment, guarded: GuardedKafka, changed: dict[str, str], told: tuple[str, ...]
) -> None:
    """And no password is in it."""
    line = failed(signed_in(deployment, guarded, "worker", **changed))
    assert line.startswith("error: no Kafka broker answers at ")
    for each in told:
        assert each in line
    assert "Secret" not in line


def test_a_store_that_knows_us_not_is_waited_for_aloud_without_its_password(
    deployment: Deployment, guarded: GuardedKafka, store: GuardedValkey
) -> None:
    """It may know us after the next change of its users."""
    signed_in(deployment, guarded, "worker")
    deployment.environment["CHAINBRAKE_REDIS"] = store.guarded_url.replace("st0re-Secret", "wr0ng-Secret")
    worker = deployment.worker()
    until(lambda: "dependency is away" in worker.log.read_text(), SOON_S, "it says so")
    assert worker.get("/readyz")[0] == 503
    told = worker.log.read_text()
    assert "invalid username-password pair" in told
    assert "Secret" not in told
    deployment.environment["CHAINBRAKE_REDIS"] = store.guarded_url


def failed(deployment: Deployment) -> str:
    """What a worker that does not start says, which is one line."""
    told = deployment.refused("run", "--web-port", str(free_port()))
    (line,) = [row for row in told.splitlines() if not row.startswith("{")]
    return line
