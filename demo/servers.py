"""The parts, each a real process: broker, store, worker, gateway; as far as can be side by side."""

import http.client
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from msgspec import Struct

from demo.history import SESSIONS, write_history
from sandbox.kafka import Kafka
from sandbox.ports import HOST, free_port
from sandbox.process import SandboxError, Server
from sandbox.valkey import Valkey

CHAINBRAKE = str(Path(sys.executable).with_name("chainbrake"))
COMMAND_S_MAX = 120.0
PARTITIONS = 4


class Web(Server):
    """A `chainbrake` process that says over HTTP when it is ready."""

    path: str

    def __init__(self, data: Path, arguments: list[str]) -> None:
        super().__init__(data)
        self.port = free_port()
        self._arguments = arguments

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{HOST}:{self.port}"

    def command(self) -> list[str]:
        """The console script, with its port."""
        return [CHAINBRAKE, *self._arguments, str(self.port)]

    def is_ready(self) -> bool:
        """Whether it says so itself."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=1.0)
        try:
            connection.request("GET", self.path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()


class Worker(Web):
    """`chainbrake run`."""

    name = "worker"
    path = "/readyz"


class Gateway(Web):
    """`chainbrake hook gateway`."""

    name = "gateway"
    path = "/healthz"


class Parts(Struct, frozen=True):
    """Everything that runs."""

    kafka: Kafka
    valkey: Valkey
    worker: Worker
    gateway: Gateway


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder for data and logs; it stays, and is named, when something went wrong."""
    path = Path(tempfile.mkdtemp(prefix="chainbrake-demo-"))
    try:
        yield path
    except Exception as error:
        error.add_note(f"logs and data are in {path}")
        raise
    except BaseException:  # Ctrl-C, and the like
        shutil.rmtree(path, ignore_errors=True)
        raise
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def running(path: Path, seed: int, tell: Callable[[str], None]) -> Iterator[Parts]:
    """Start everything, telling how far it is; stop it in the opposite order. Raises `SandboxError`."""
    with ExitStack() as stack:
        # The kernel ends a server with the thread that started it: these threads last as long as the parts.
        threads = stack.enter_context(ThreadPoolExecutor(2, "starter"))
        kafka = Kafka(path / "kafka")
        stack.callback(_stopped, kafka)
        broker = threads.submit(kafka.start)
        learning = threads.submit(_train, path, seed)
        valkey = stack.enter_context(Valkey(path / "valkey"))
        broker.result()
        tell(f"Apache Kafka at {kafka.bootstrap}, Valkey at {valkey.url}")
        _run("topics", "--kafka", kafka.bootstrap, "--partitions", str(PARTITIONS))
        gateway = Gateway(path / "gateway", ["hook", "gateway", "--kafka", kafka.bootstrap, "--port"])
        stack.callback(_stopped, gateway)
        serving = threads.submit(gateway.start)
        tell(f"learned from {learning.result()}")
        where = ["--kafka", kafka.bootstrap, "--redis", valkey.url]
        worker = Worker(
            path / "worker", ["run", *where, "--baseline", str(path / "baseline.json"), "--web-port"]
        )
        stack.callback(_stopped, worker)
        worker.start()
        serving.result()
        yield Parts(kafka, valkey, worker, gateway)


def _stopped(server: Server) -> None:
    """In order first, so that its log ends as an operator's would."""
    server.stop()
    server.close()


def _train(path: Path, seed: int) -> str:
    """The past, learned; in words, from how much."""
    history = path / "history.ndjson"
    events = write_history(history, seed, int(time.time() * 1000))
    _run("train", str(history), "--out", str(path / "baseline.json"))
    return f"{events} events of {SESSIONS} honest sessions of each agent"


def _run(*arguments: str) -> None:
    """One `chainbrake …` to its end. Raises `SandboxError`."""
    try:
        subprocess.run(
            [CHAINBRAKE, *arguments], capture_output=True, text=True, timeout=COMMAND_S_MAX, check=True
        )
    except subprocess.SubprocessError as error:
        said = getattr(error, "stderr", "") or str(error)
        raise SandboxError(f"chainbrake {' '.join(arguments)}: {said}") from error
