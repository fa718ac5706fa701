"""What all servers of the sandbox share: started, watched, and ended by their own process id."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

READY_EVERY_S = 0.05
TAIL_CHARS_MAX = 4_000


class SandboxError(RuntimeError):
    """A server of the sandbox cannot be had, or did not come up."""


class Server(ABC):
    """One server process on 127.0.0.1, with its data and its log in one folder.

    The data survives `stop`, `kill` and `restart`, as it would on a real machine; `close` (or leaving the
    `with` block) also removes the folder, unless the caller gave it. When our process dies, so does the
    server: on Linux even when we are killed, elsewhere when we exit in order. On Linux the kernel means the
    *thread* that called `start`: call it from one that lasts.
    """

    name: str
    ready_s_max: float = 30.0
    stop_s_max: float = 15.0

    def __init__(self, data: Path | None = None) -> None:
        self._given = data is not None
        self.data = data or Path(tempfile.mkdtemp(prefix=f"chainbrake-{self.name}-"))
        self.data = self.data.resolve()
        self.data.mkdir(parents=True, exist_ok=True)
        self.log = self.data / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    @abstractmethod
    def command(self) -> list[str]:
        """Prepare the data folder and return the absolute command; asked at every start."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server answers as its clients need it."""

    @property
    def pid(self) -> int:
        """The server's process id. It must have been started."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process lives; a paused one does."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start, and wait until it is ready. Raises `SandboxError` with the end of its log."""
        assert not self.is_running, f"{self.name} runs already"
        launch = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), str(os.getpid())]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*launch, *self.command()],
                cwd=self.data,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the program that uses the server
            )
        self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Wait until the server answers, `ready_s_max` at most."""
        deadline = time.monotonic() + self.ready_s_max
        while not (self.is_running and self.is_ready()):
            if not self.is_running:
                raise SandboxError(f"{self.name} ended while it started:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise SandboxError(f"{self.name} was not ready in {self.ready_s_max} s:\n{self.log_tail()}")
            time.sleep(READY_EVERY_S)

    def stop(self) -> None:
        """End in order, as an operator would; killed when it takes longer than `stop_s_max`."""
        if self._process is None or not self.is_running:
            return
        self.resume()  # a paused process would sleep through the signal
        self._process.terminate()
        try:
            self._process.wait(self.stop_s_max)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End at once (SIGKILL), as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Stop, if it still runs, and start again: same port, same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the process (SIGSTOP): connections stay open and nothing answers, as in a long pause."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on; harmless for one that runs."""
        os.kill(self.pid, signal.SIGCONT)

    def close(self) -> None:
        """Kill, and remove the folder unless it was given. For good; `stop` is the orderly end."""
        atexit.unregister(self.close)
        self.kill()
        if not self._given:
            shutil.rmtree(self.data, ignore_errors=True)

    def log_tail(self) -> str:
        """Return the end of the server's own log."""
        if not self.log.exists():
            return "(no log)"
        return self.log.read_text(errors="replace")[-TAIL_CHARS_MAX:]

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:  # Ctrl-C, too: without a `with` block nobody would clean up
            self.close()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
