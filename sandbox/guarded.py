"""A broker as it is run in earnest: encrypted, and whoever comes has a name, and may do what that may."""

import asyncio
import ssl
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from sandbox.kafka import Kafka
from sandbox.ports import HOST, free_port
from sandbox.valkey import Valkey

MECHANISM = "SCRAM-SHA-512"
SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"

_SETTINGS = """\
listeners={plain},CONTROLLER://{host}:{controller},SASL_SSL://{host}:{named},SSL://{host}:{shown}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
inter.broker.listener.name=PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location={data}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={data}/ca.pem
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms={mechanism}
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={module} required;
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
# Whoever comes unencrypted from this machine: the tests, which administer it.
super.users=User:ANONYMOUS
"""


class GuardedKafka(Kafka):
    """`bootstrap` is for whoever administers it, `named` asks for a password, `shown` for a certificate.

    `users` are names and passwords. `ca.pem` in its folder vouches for it; `certificate` makes more.
    """

    def __init__(self, users: dict[str, str], data: Path | None = None) -> None:
        super().__init__(data)
        self._users = users
        self._named_port, self._shown_port = free_port(), free_port()
        self.authority = Authority(self.data / "ca.pem")
        self.authority.certificate("broker", self.data / "broker.pem")

    @property
    def named(self) -> str:
        """`host:port` over TLS, with a name and a password."""
        return f"{HOST}:{self._named_port}"

    @property
    def shown(self) -> str:
        """`host:port` over TLS, with a certificate of ours."""
        return f"{HOST}:{self._shown_port}"

    def settings(self) -> str:
        """Of two lines with one name the broker takes the later."""
        return super().settings() + _SETTINGS.format(
            host=HOST,
            plain=f"PLAINTEXT://{self.bootstrap}",
            module=MODULE,
            controller=self._controller_port,
            named=self._named_port,
            shown=self._shown_port,
            data=self.data,
            mechanism=MECHANISM,
        )

    def format_options(self) -> list[str]:
        """The users are part of the storage."""
        return [
            option
            for name, password in self._users.items()
            for option in ("--add-scram", f"{MECHANISM}=[name={name},password={password}]")
        ]


class Authority:
    """Vouches for certificates; its own is written to `path`."""

    def __init__(self, path: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("sandbox")
        self.path = path
        path.write_bytes(self._signed("sandbox", self._key, is_authority=True).public_bytes(Encoding.PEM))

    def certificate(self, name: str, path: Path) -> None:
        """One for this machine, with its key, in one file."""
        key = ec.generate_private_key(ec.SECP256R1())
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(secret + self._signed(name, key, is_authority=False).public_bytes(Encoding.PEM))

    def _signed(self, name: str, key: ec.EllipticCurvePrivateKey, *, is_authority: bool) -> x509.Certificate:
        """With all that RFC 5280 asks for: from 3.13 on, Python insists on it."""
        now, ours = datetime.now(UTC), self._key.public_key()
        told = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ours), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        )
        if is_authority:
            told = told.add_extension(SIGNS, critical=True)
        return told.sign(self._key, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class GuardedValkey(Valkey):
    """A store that asks for a password, and behind a front that speaks TLS: the wheel's server cannot.

    `url` is for whoever administers it, `guarded_url` for the others; used in a `with` block.
    """

    def __init__(self, password: str, data: Path | None = None) -> None:
        super().__init__(data)
        self._password = password
        self._front_port = free_port()
        self._front = threading.Thread(target=lambda: asyncio.run(self._run_front()), daemon=True)
        self._serving = threading.Event()
        self._end: asyncio.Event | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumping: set[asyncio.Future[Any]] = set()
        self.authority = Authority(self.data / "ca.pem")
        self.authority.certificate("store", self.data / "store.pem")

    @property
    def url(self) -> str:
        """With the password."""
        return f"redis://:{self._password}@{HOST}:{self.port}/0"

    @property
    def guarded_url(self) -> str:
        """With what vouches for it, too."""
        return f"rediss://:{self._password}@{HOST}:{self._front_port}/0?ssl_ca_certs={self.authority.path}"

    def command(self) -> list[str]:
        """With the password."""
        return [*super().command(), "--requirepass", self._password]

    def start(self) -> Self:
        """Start both."""
        super().start()
        self._front.start()
        assert self._serving.wait(self.ready_s_max), "no front before the store"
        return self

    def close(self) -> None:
        """End both."""
        if self._end is not None:
            self._front_loop.call_soon_threadsafe(self._end.set)
            self._front.join()
            self._end = None
        super().close()

    async def _run_front(self) -> None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(self.data / "store.pem")
        self._front_loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._serve, HOST, self._front_port, ssl=tls):
            self._serving.set()
            await self._end.wait()
        for writer in self._writers:  # not closed, which would wait for the other side
            writer.transport.abort()
        if self._pumping:
            await asyncio.wait(self._pumping, timeout=self.stop_s_max)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection(HOST, self.port)
        both = {ours, writer}
        self._writers |= both
        pumps = asyncio.gather(_pump(reader, ours), _pump(theirs, writer), return_exceptions=True)
        self._pumping.add(pumps)
        await pumps
        self._pumping.discard(pumps)
        self._writers -= both


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while content := await reader.read(65_536):
            writer.write(content)
            await writer.drain()
    finally:
        writer.close()
