"""Settings: what is no setting is told by its name, before anything is asked of a server."""

from pathlib import Path

import pytest

from models.errors import InputError, PolicyError, RegistryError, SettingsError
from sandbox.guarded import Authority
from stream.configuration.settings import Settings, load_policy, load_registry, read_settings
from stream.enforcement.gateway import run_gateway
from stream.kafka.brokers import brokers, context, password
from stream.state.client import client

NOWHERE = "127.0.0.1:1"


@pytest.mark.parametrize("servers", ["", "a:9092,", "localhost:abc", "http://a:1", "[::1", "a b:1"])
def test_an_address_of_the_broker_that_is_none_is_named(servers: str) -> None:
    """The client raises whatever it trips over."""
    with pytest.raises(SettingsError, match=r"is not host:port\[,host:port\]"):
        read_settings({"CHAINBRAKE_KAFKA": servers})


@pytest.mark.parametrize("servers", ["a", "a:9092", " a:1 , b:2", "[::1]:9092", "::1", "fe80::1"])
def test_an_address_of_the_broker_is_taken(servers: str) -> None:
    """As the client takes it."""
    assert read_settings({"CHAINBRAKE_KAFKA": servers}).kafka == servers


@pytest.mark.parametrize("setting", ["policy", "registry"])
@pytest.mark.parametrize("content", ["levels: 3\nnetworks: 3", None], ids=["broken", "missing"])
def test_a_gateway_with_a_broken_file_says_so_before_it_asks_for_a_broker(
    tmp_path: Path, setting: str, content: str | None
) -> None:
    """Nobody should look for the broker first, and be told of the file once that is up."""
    path = tmp_path / "file.yml"
    if content is not None:
        path.write_text(content)
    settings = read_settings({}, kafka=NOWHERE, **{setting: str(path)})
    with pytest.raises(InputError, match=str(path)):
        run_gateway(settings, "127.0.0.1", 0, "gateway")


def test_a_gateway_without_a_name_is_refused() -> None:
    """Nobody could read what it acknowledges."""
    with pytest.raises(SettingsError, match="--name ''"):
        run_gateway(Settings(kafka=NOWHERE), "127.0.0.1", 0, "")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("budget: {protected_agents: [a]}\nname: x\nbudget: {stops_per_minute_max: 5}\n", "3:1: budget"),
        ("name: x\ndetectors:\n  after_stop: {enabled: false}\n  after_stop: {}\n", "4:3: after_stop"),
        ('{"name": "x", "name": "y"}', "1:15: name"),
    ],
)
def test_a_policy_that_says_something_twice_is_refused(tmp_path: Path, text: str, place: str) -> None:
    """The first would be forgotten in silence: with it, whom it protects."""
    path = tmp_path / "policy.yml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=f"{path}:{place} stands there twice"):
        load_policy(str(path))


def test_a_registry_that_says_something_twice_is_refused(tmp_path: Path) -> None:
    """A key, or an agent: only one of both would count."""
    path = tmp_path / "registry.yml"
    path.write_text("approvers: [a]\nissuers: [b]\napprovers: [c]\n")
    with pytest.raises(RegistryError, match=f"{path}:3:1: approvers stands there twice"):
        load_registry(str(path))
    path.write_text("agents: [{id: a, aws_role: x}, {id: a, aws_role: y}]\n")
    with pytest.raises(RegistryError, match=r"agents\.1\.id: 'a' is entered twice"):
        load_registry(str(path))
    path.write_text("agents: &all [{id: a}]\n")
    assert load_registry(str(path)).summary.startswith("1 agents")


POLICY_MISTAKES = {
    "a key": ("name: x\nlevls: []\n", "2:1: levls: no such key; did you mean levels? valid are approvals, "),
    "a key of a detector": (
        "detectors:\n  unusual_velocty: {}\n",
        "2:3: detectors.unusual_velocty: no such key; did you mean unusual_velocity? valid are after_stop, ",
    ),
    "a number": (
        "detectors: {unusual_velocity: {confidence: 3}}",
        "1:32: detectors.unusual_velocity.confidence: expected a number <= 1.0; valid is number from 0.0 ",
    ),
    "a type": (
        "\nhalf_life_ms: soon",
        "2:1: half_life_ms: expected a whole number, it is a text; valid is integer",
    ),
    "a word": (
        "grades_that_stop: [x]",
        "1:20: grades_that_stop.0: Invalid enum value 'x'; valid is one of `att",
    ),
    "a list": ("levels: 3", "1:1: levels: expected a list, it is a whole number; valid is a list of 1 to 8"),
    "a key left out": ("levels:\n  - {name: a}", "2:5: levels.0: risk_min is missing"),
    "what we mind ourselves": ("name: x\nmay_stop: [x]", "2:1: may_stop: unknown detector x; known are "),
    "the same, deeper": ("\ncommands: {escalate_to: observe}", "2:12: commands.escalate_to: must be one of "),
    "one of several pairs": (
        "chains:\n  taken_over: {confidence: 0.3}\n  denied_sweep:\n    confidence: 4\n",
        "4:5: chains.denied_sweep.confidence: expected a number <= 1.0; valid is number above 0.0 to 1.0",
    ),
    "something else": ("[]", "1:1: expected keys and values, it is a list; valid are the keys approvals, "),
    "no YAML": ("name: x\na: [", "2:5: no YAML: "),
}


@pytest.mark.parametrize("what", POLICY_MISTAKES)
def test_a_mistake_in_a_policy_is_told_with_its_place_and_what_would_be_valid(
    tmp_path: Path, what: str
) -> None:
    """As one in a chain is: nobody should search a file of hundreds of lines."""
    text, told = POLICY_MISTAKES[what]
    path = tmp_path / "policy.yml"
    path.write_text(text)
    with pytest.raises(PolicyError) as refused:
        load_policy(str(path))
    assert str(refused.value).startswith(f"{path}:{told}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("agents:\n  - {nme: x}", "2:6: agents.0.nme: no such key; valid are aws_role, "),
        (
            '{"agents": [{"id": 5}]}',
            "1:14: agents.0.id: expected a text, it is a whole number; valid is text, ",
        ),
        ("networks:\n  - prefix: 10.0.0.0/33", "2:5: networks.0.prefix: '10.0.0.0/33' does not appear"),
        ("agents:\n  - {id: a}\n  - {id: a}", "3:6: agents.1.id: 'a' is entered twice"),
    ],
)
def test_a_mistake_in_a_registry_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    """A registry is the longest file that people write by hand."""
    path = tmp_path / "registry.yml"
    path.write_text(text)
    with pytest.raises(RegistryError) as refused:
        load_registry(str(path))
    assert str(refused.value).startswith(f"{path}:{told}")


@pytest.mark.parametrize("text", ["", "# nothing is changed yet\n#name: x\n", "---\n"])
def test_a_file_in_which_nothing_is_set_changes_nothing(tmp_path: Path, text: str) -> None:
    """It names only what it changes, and all of it may be a remark."""
    path = tmp_path / "file.yml"
    path.write_text(text)
    assert load_policy(str(path)).version == load_policy("").version
    assert load_registry(str(path)).summary == load_registry("").summary


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("FLUSH_CHUNK", "0", "'0': expected a whole number >= 1; valid is integer from 1"),
        (
            "WEB_PORT",
            "many",
            "'many': expected a whole number, it is a text; valid is integer from 1 to 65 535",
        ),
        ("LOG_LEVEL", "loud", "'loud': it is not one; valid is one of debug, info, warning, error"),
        ("REDIS_PREFIX", "a b", "'a b': it is not one; valid is text like ^[a-zA-Z0-9._-]{1,100}$"),
        ("GROUP", "", "'': expected a text of length >= 1; valid is text, 1 to 200 characters"),
        ("SHADOW_SHARE", "2", "'2': expected a number <= 1.0; valid is number from 0.0 to 1.0"),
    ],
)
def test_a_setting_that_cannot_be_is_named_as_it_was_set(variable: str, value: str, told: str) -> None:
    """With its value and with what would be valid: it may stand in any of a dozen files."""
    name = variable.lower()
    with pytest.raises(SettingsError) as refused:
        read_settings({f"CHAINBRAKE_{variable}": value})
    assert str(refused.value) == f"{name} (CHAINBRAKE_{variable}): {told}"
    with pytest.raises(
        SettingsError, match=f"^{name} \\(--{name.replace('_', '-')}, CHAINBRAKE_{variable}\\): "
    ):
        read_settings({}, **{name: value})


SECRET = "s3cret"  # noqa: S105 - invented
SIGNED_IN = {"CHAINBRAKE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "CHAINBRAKE_KAFKA_USERNAME": "worker"}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "kafka_security_protocol"),
        ({"KAFKA_SASL_MECHANISM": "GSSAPI"}, "kafka_sasl_mechanism"),
        (
            {"KAFKA_USERNAME": "ann"},
            "KAFKA_USERNAME: not used with .*PLAINTEXT; set that to SASL_SSL",
        ),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_PASSWORD": "x"}, "CHAINBRAKE_KAFKA_PASSWORD: not used"),
        (
            {"KAFKA_CA_FILE": "ca.pem"},
            "KAFKA_CA_FILE: not used with .*; set that to SSL or SASL_SSL",
        ),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs CHAINBRAKE_KAFKA_USERNAME"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_USERNAME": "ann"},
            "needs one of .*PASSWORD_FILE",
        ),
        (
            {
                "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
                "KAFKA_USERNAME": "ann",
                "KAFKA_PASSWORD": "x",
                "KAFKA_PASSWORD_FILE": "y",
            },
            "needs one of",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_KEY_FILE": "key.pem"},
            "needs .*CERTIFICATE_FILE",
        ),
    ],
)
def test_protection_in_name_only_is_an_error(told: dict[str, str], message: str) -> None:
    """A password nobody is told, a certificate nobody checks: whoever set them thinks they are safe."""
    with pytest.raises(SettingsError, match=message):
        read_settings({f"CHAINBRAKE_{name}": value for name, value in told.items()})


def test_brokers_are_told_who_we_are_and_only_where_they_ask() -> None:
    """In the words that both clients know; spaces around an address are nobody's."""
    plain = brokers(read_settings({"CHAINBRAKE_KAFKA": "a:1, b:2"}))
    assert plain["bootstrap_servers"] == ["a:1", "b:2"]
    assert plain["security_protocol"] == "PLAINTEXT"
    assert plain["ssl_context"] is None
    assert not [word for word in plain if word.startswith("sasl")]
    words = brokers(read_settings(SIGNED_IN | {"CHAINBRAKE_KAFKA_PASSWORD": SECRET}))
    assert (words["sasl_mechanism"], words["sasl_plain_username"]) == ("SCRAM-SHA-512", "worker")
    assert words["sasl_plain_password"] == SECRET
    assert words["ssl_context"].check_hostname


def test_a_password_is_the_first_line_of_its_file(tmp_path: Path) -> None:
    """Editors end it with a new line; an empty file, or none, is told by its setting."""
    path = tmp_path / "password"
    settings = read_settings(SIGNED_IN | {"CHAINBRAKE_KAFKA_PASSWORD_FILE": str(path)})
    with pytest.raises(SettingsError, match=r"CHAINBRAKE_KAFKA_PASSWORD_FILE: .*No such file"):
        password(settings)
    path.write_text("\n")
    with pytest.raises(SettingsError, match="is empty"):
        password(settings)
    path.write_text(f"{SECRET}\n")
    assert password(settings) == SECRET


def test_a_certificate_without_its_key_or_with_a_locked_one_is_told(tmp_path: Path) -> None:
    """Nobody is asked for a passphrase: a worker has no terminal."""
    told = {"CHAINBRAKE_KAFKA_SECURITY_PROTOCOL": "SSL"}
    own = tmp_path / "own.pem"
    settings = read_settings(told | {"CHAINBRAKE_KAFKA_CERTIFICATE_FILE": str(own)})
    Authority(tmp_path / "ca.pem").certificate("worker", own)
    assert context(settings) is not None
    (tmp_path / "ca.pem").replace(own)
    with pytest.raises(SettingsError, match="no certificate with its key"):
        context(settings)
    for content in (b"", b"nothing of the kind"):
        own.write_bytes(content)
        with pytest.raises(SettingsError, match="no certificate with its key"):
            context(settings)
        with pytest.raises(SettingsError, match=r"CHAINBRAKE_KAFKA_CA_FILE: .*no certificate"):
            context(read_settings(told | {"CHAINBRAKE_KAFKA_CA_FILE": str(own)}))


@pytest.mark.parametrize(
    "url",
    [
        "http://x",
        "redis://x:y",
        "redis://x/0?ssl_cafile=/x",
        "rediss://x:6379/0?no_such=1",
        "tls+cluster://x",
    ],
)
def test_an_address_of_a_store_that_cannot_be_used_is_an_error(url: str) -> None:
    """At start, not at the first question."""
    with pytest.raises(SettingsError, match="CHAINBRAKE_REDIS"):
        client(url)


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+cluster", "rediss+cluster"])
def test_a_store_may_be_one_or_a_cluster_encrypted_or_not(scheme: str) -> None:
    """Nothing is connected to yet."""
    assert client(f"{scheme}://user:x@127.0.0.1:1") is not None
