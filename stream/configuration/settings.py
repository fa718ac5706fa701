"""Settings: read once at the edge from environment variables and options, checked, then passed in."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from detectors.policy import Policy, read_policy
from models.errors import InputError, PolicyError, RegistryError, SettingsError
from models.registry import EMPTY, Content, Registry, read_registry
from stream.configuration.yaml_places import twice

T = TypeVar("T")

PREFIX = "CHAINBRAKE_"
ELSEWHERE = ("gateway_host", "gateway_port")
"""Settings of ours that a command reads itself."""

SIGN_IN = ("kafka_username", "kafka_password", "kafka_password_file")
TLS = ("kafka_ca_file", "kafka_certificate_file", "kafka_key_file")

SERVICE_LINK = re.compile(
    r"(.+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""What Kubernetes and Docker put there by themselves for a service whose name begins like ours."""

SERVICE_ADDRESS = ("tcp://", "udp://", "sctp://")

ADDRESS = re.compile(r"([^\s:\[\]]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?|[0-9a-fA-F:.]*::[0-9a-fA-F:.]*")
"""A host, or an IPv6 address in brackets, with a port or without; or an IPv6 address alone."""

Port = Annotated[int, Meta(ge=1, le=65535)]
Count = Annotated[int, Meta(ge=1)]


class Settings(Struct, frozen=True, kw_only=True):
    """Where things are, and how much of them. `CHAINBRAKE_KAFKA` sets `kafka`, and so on."""

    kafka: str = "127.0.0.1:9092"
    kafka_security_protocol: Annotated[str, Meta(pattern=r"^(SASL_)?(PLAINTEXT|SSL)$")] = "PLAINTEXT"
    """Kafka's `security.protocol`: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
    kafka_sasl_mechanism: Annotated[str, Meta(pattern=r"^(PLAIN|SCRAM-SHA-(256|512))$")] = "SCRAM-SHA-512"
    """Kafka's `sasl.mechanism`."""
    kafka_username: str = ""
    kafka_password: str = ""
    kafka_password_file: str = ""
    """Path of a file whose first line is the password; instead of it."""
    kafka_ca_file: str = ""
    """Path of the certificates (PEM) that vouch for brokers; empty for the system's."""
    kafka_certificate_file: str = ""
    """Path of the certificate (PEM) that we show to brokers; empty for none."""
    kafka_key_file: str = ""
    """Path of its key (PEM, unencrypted); empty where the certificate's file holds it."""
    redis: str = "redis://127.0.0.1:6379/0"
    group: Annotated[str, Meta(min_length=1, max_length=200)] = "chainbrake"
    """Consumer group: workers of one group share the partitions."""
    topic_prefix: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9._-]{1,100}$")] = "chainbrake"
    redis_prefix: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9._-]{1,100}$")] = "cb"
    web_host: str = "127.0.0.1"
    web_port: Port = 6066
    policy: str = ""
    """Path of a policy file; empty for the defaults."""
    baseline: str = ""
    """Path of a baseline for as long as none is announced; empty for none: then what is learned says "not
    enough seen"."""
    models: str = ""
    """Folder or address (fsspec) of the registry of baselines; empty for a folder of the user's."""
    models_wait_s: Annotated[float, Meta(gt=0, le=3600)] = 10.0
    """How long a worker waits for a registry, or a baseline's file, that does not answer."""
    models_copies: str = ""
    """Folder of a worker's copy of the baseline that was live last; empty for one in the user's cache."""
    shadow_share: Annotated[float, Meta(ge=0, le=1)] = 1.0
    """Of workflows that a shadow baseline judges, too: with all of them judging takes twice as long."""
    signing_key: str = ""
    """Path of the private key that signs baselines; empty for a development key of this machine."""
    trusted_keys: str = ""
    """Path of a public key, or of a folder of them; empty to trust the own key only."""
    keys: str = ""
    """Folder of the development key; empty for one of the user's."""
    registry: str = ""
    """Path of a registry file; empty for none."""
    chains: str = ""
    """Path of a chain file or of a folder of them, beside those that the policy names."""
    sigma: str = ""
    """Path of a Sigma rule file or of a folder of them, beside those that the policy names."""
    issuer: str = "https://chainbrake.invalid"
    """`iss` of the commands' CAEP events."""
    log_level: Annotated[str, Meta(pattern=r"^(debug|info|warning|error)$")] = "info"
    log_format: Annotated[str, Meta(pattern=r"^(json|console)$")] = "json"
    batch_records_max: Count = 2_000
    poll_ms: Count = 250
    """How long a poll waits for a first record; more do not wait for it."""
    flush_every_ms: Count = 5_000
    """What changed begins to be stored this often, with pauses for what is urgent. After a crash up to twice
    as much is read again."""
    flush_chunk: Count = 25
    """Workflows per fenced write: small enough not to stall the store."""
    workflows_max: Count = 50_000
    """Per worker, in memory: 1.4 GB of forty operations each. The coldest are dropped once stored."""
    session_timeout_ms: Count = 10_000
    """Kafka gives a silent worker's partitions to others after this."""

    @property
    def is_kafka_encrypted(self) -> bool:
        """Whether brokers speak TLS."""
        return self.kafka_security_protocol.endswith("SSL")

    @property
    def is_kafka_signed_in(self) -> bool:
        """Whether brokers ask for a name and a password."""
        return self.kafka_security_protocol.startswith("SASL_")


def read_settings(environment: Mapping[str, str], **options: Any) -> Settings:
    """Environment, then options that are not None. Raises `SettingsError`, for an unknown variable, too."""
    ours = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    given: dict[str, Any] = {
        field: ours.pop(PREFIX + field.upper())
        for field in Settings.__struct_fields__
        if PREFIX + field.upper() in ours
    }
    _refuse_unknown(name for name, value in ours.items() if not _is_service_link(name, value))
    given.update({name: value for name, value in options.items() if value is not None})
    try:
        settings = msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        from stream.configuration.yaml_faults import told_of  # noqa: PLC0415 - only whoever makes a mistake needs it

        name, said = told_of(str(error), Settings)
        option = f"--{name.replace('_', '-')}, " if options.get(name) is not None else ""
        raise SettingsError(f"{name} ({option}{PREFIX}{name.upper()}): {given[name]!r}: {said}") from error
    for address in settings.kafka.split(","):
        if ADDRESS.fullmatch(address.strip()) is None:
            raise SettingsError(f"kafka (--kafka, {PREFIX}KAFKA): {address!r} is not host:port[,host:port]")
    _refuse_unused(settings)
    return settings


def _refuse_unused(settings: Settings) -> None:
    """A password that nobody is told, or a certificate that nobody checks, is protection in name only."""
    protocol = settings.kafka_security_protocol
    for names, is_used, needed in (
        (SIGN_IN, settings.is_kafka_signed_in, "SASL_SSL or SASL_PLAINTEXT"),
        (TLS, settings.is_kafka_encrypted, "SSL or SASL_SSL"),
    ):
        unused = ", ".join(PREFIX + name.upper() for name in names if getattr(settings, name))
        if unused and not is_used:
            raise SettingsError(
                f"{unused}: not used with {PREFIX}KAFKA_SECURITY_PROTOCOL={protocol}; set that to {needed}"
            )
    if settings.is_kafka_signed_in and not settings.kafka_username:
        raise SettingsError(f"{PREFIX}KAFKA_SECURITY_PROTOCOL={protocol} needs {PREFIX}KAFKA_USERNAME")
    if settings.is_kafka_signed_in and bool(settings.kafka_password) == bool(settings.kafka_password_file):
        raise SettingsError(
            f"{PREFIX}KAFKA_SECURITY_PROTOCOL={protocol} needs one of {PREFIX}KAFKA_PASSWORD and "
            f"{PREFIX}KAFKA_PASSWORD_FILE"
        )
    if settings.kafka_key_file and not settings.kafka_certificate_file:
        raise SettingsError(f"{PREFIX}KAFKA_KEY_FILE needs {PREFIX}KAFKA_CERTIFICATE_FILE")


def _refuse_unknown(names: Iterable[str]) -> None:
    """A setting that is misspelt would be a default that nobody meant."""
    known = [PREFIX + field.upper() for field in (*Settings.__struct_fields__, *ELSEWHERE)]
    for name in sorted(set(names).difference(known)):
        near = get_close_matches(name, known, 1, 0.0)[0]
        raise SettingsError(f"{name} is not a setting; did you mean {near}? All are in docs/deploying.md")


def _is_service_link(name: str, value: str) -> bool:
    if SERVICE_LINK.fullmatch(name.removeprefix(PREFIX)) is None:
        return False
    return not name.endswith("_PORT") or "SERVICE_PORT" in name or value.startswith(SERVICE_ADDRESS)


def load_policy(path: str) -> Policy:
    """The policy at a path; the defaults for an empty one. Raises `PolicyError`."""
    return _read(path, read_policy, PolicyError, Policy) if path else Policy()


def load_registry(path: str) -> Registry:
    """The registry at a path; an empty one for none. Raises `RegistryError`."""
    return _read(path, read_registry, RegistryError, Content) if path else EMPTY


def _read(path: str, read: Callable[[bytes, Path], T], wrong: type[InputError], kind: type) -> T:
    """A file that people write: what is wrong is told with its line and column."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise wrong(f"{path}: {error.strerror}") from error
    if fault := twice(content):
        raise wrong(f"{path}:{fault}")
    try:
        return read(content, Path(path))
    except wrong as error:
        from stream.configuration.yaml_faults import located  # noqa: PLC0415 - mistakes are rare

        said = str(error).removeprefix(f"{path}: ")
        raise wrong(located(path, content, said, kind)) from error


def user_folder(variable: str, below_home: str, setting: str) -> Path:
    """A folder of the user's: what an XDG base directory variable says, else the usual one below the home.

    A relative one in the variable is to be passed over, says XDG. Raises `SettingsError` for a user without a
    home; `setting` is what to set instead.
    """
    told = os.environ.get(variable, "")
    if told.startswith("/"):
        return Path(told)
    try:
        return Path.home() / below_home
    except RuntimeError as error:
        raise SettingsError(f"this user has no home folder: set {PREFIX}{setting} or {variable}") from error
