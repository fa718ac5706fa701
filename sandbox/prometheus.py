"""A real Prometheus where the machine has one: shows that metrics are scraped and alert rules fire.

There is no package of it to install, so those who use it skip where `available()` is false.
"""

import http.client
import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sandbox.ports import HOST, free_port
from sandbox.process import SandboxError, Server

ANSWER_S_MAX = 5.0


def available() -> bool:
    """Whether a `prometheus` program is on the path."""
    return shutil.which("prometheus") is not None


class Prometheus(Server):
    """Scrapes `host:port` targets each second and evaluates the rules of one file as often."""

    name = "prometheus"

    def __init__(self, scrape: list[str], rules: Path | None = None, data: Path | None = None) -> None:
        super().__init__(data)
        self._scrape = scrape
        self._rules = rules.resolve() if rules else None
        self._port = free_port()

    @property
    def url(self) -> str:
        """Address of its web interface."""
        return f"http://{HOST}:{self._port}"

    def command(self) -> list[str]:
        """Write its configuration and return its command."""
        program = shutil.which("prometheus")
        if program is None:
            raise SandboxError("There is no `prometheus` on the path: ask `available()` first.")
        config = self.data / "prometheus.json"
        config.write_text(json.dumps(self._config()))  # JSON is YAML
        return [
            str(Path(program).resolve()),
            f"--config.file={config}",
            f"--storage.tsdb.path={self.data / 'tsdb'}",
            f"--web.listen-address={HOST}:{self._port}",
        ]

    def is_ready(self) -> bool:
        """Whether it says so."""
        try:
            return self._get("/-/ready")[0] == http.HTTPStatus.OK
        except OSError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Evaluate PromQL now; one entry per series, as the HTTP API returns them."""
        status, body = self._get("/api/v1/query?" + urlencode({"query": expression}))
        answer = json.loads(body)
        if status != http.HTTPStatus.OK:
            raise SandboxError(f"Prometheus refused {expression}: {answer.get('error')}")
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def _config(self) -> dict[str, Any]:
        return {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(self._rules)] if self._rules else [],
            "scrape_configs": [{"job_name": "chainbrake", "static_configs": [{"targets": self._scrape}]}],
        }

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=ANSWER_S_MAX)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
