"""What a person sees: who did what, the chain being cut, the times, and the summary."""

import time
from collections import Counter

from msgspec import Struct, field
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from demo.acts import Act
from demo.agents import AGENTS, ROGUE, Agent
from demo.record import Record
from demo.servers import Parts

WIDTH_WITHOUT_TERMINAL = 118
TOGETHER_S = 1.5
"""What an honest agent does within this time is one line."""

KINDS_MAX = 3
MANY = 10
REFUSED = 403
OUTCOMES = {200: "", REFUSED: "refused"}


class Bundle(Struct):
    """Acts of one agent that become one line."""

    began_s: float
    phase: tuple[str, bool]
    """Approvals, calls one by one and calls in a burst are told apart."""
    acts: Counter[str] = field(default_factory=Counter)
    targets: dict[str, str] = field(default_factory=dict)
    last_s: float = 0.0


class Screen:
    """Everything that is printed."""

    def __init__(self) -> None:
        width = None if Console().is_terminal else WIDTH_WITHOUT_TERMINAL
        self._console = Console(highlight=False, width=width)
        self._began_s = time.monotonic()
        self._bundles: dict[str, Bundle] = {}
        self._agents = {agent.name: agent for agent in AGENTS}

    def say(self, text: str) -> None:
        """One line, with markup."""
        self._console.print(text)

    def step(self, text: str) -> None:
        """A step of the preparation, and when it was reached."""
        self._console.print(f"[dim]{self._elapsed_s():6.1f} s[/dim]  {text}")

    def starts(self, parts: Parts) -> None:
        """The agents begin: times count from here."""
        self.step(f"a worker judges at {parts.worker.url}, a gateway serves at {parts.gateway.url}")
        self.say("\n[bold]Eight agents go to work.[/bold] What is fast is shown in bundles.\n")
        self._began_s = time.monotonic()

    def act(self, agent: Agent, act: Act, status: int) -> None:
        """One call and its answer; at once for the rogue, else bundled."""
        words, target = _words(act, status), act.fields.get("target", "")
        if not agent.honest:
            style = "bold red" if status == REFUSED else agent.colour
            verdict = "  [reverse] 403 refused [/reverse]" if status == REFUSED else ""
            said = escape(f"{act.fields['operation']} {target}".strip())
            self._line(agent.name, f"[{style}]{said}[/]{verdict}")
            return
        self.tick()
        phase = (act.kind, act.together)
        if agent.name in self._bundles and self._bundles[agent.name].phase != phase:
            self._flush(agent.name)
        bundle = self._bundles.setdefault(agent.name, Bundle(self._elapsed_s(), phase))
        bundle.acts[words] += 1
        bundle.targets[words] = target
        bundle.last_s = self._elapsed_s()

    def tick(self, *, everything: bool = False) -> None:
        """Print what was bundled for long enough."""
        for name, bundle in list(self._bundles.items()):
            if everything or self._elapsed_s() - bundle.began_s > TOGETHER_S:
                self._flush(name)

    def cut(self, record: Record) -> None:
        """The chain, why it was cut, and how fast."""
        kill = record.kill()
        if kill is None:
            return
        self.tick(everything=True)
        chain = " → ".join(
            escape(f"{act.fields['operation']} {act.fields.get('target', '')}".strip())
            for act in record.chain(kill.command)
        )
        times = "\n".join(f"  {after_ms:5} ms  {escape(words)}" for words, after_ms in record.milestones())
        shares = ", ".join(f"{part.detector} {part.share:.0%}" for part in kill.command.contributions)
        answers = sorted({f"{answer.action}: {answer.outcome}" for answer in record.answers.values()})
        text = (
            f"[bold]chain[/bold]     {chain}\n[bold]why[/bold]       {escape(kill.command.reason)}\n"
            f"[bold]risk[/bold]      {kill.command.risk:.2f} from {shares}\n"
            f"[bold]answers[/bold]   {', '.join(answers)}\n{times}"
        )
        self._console.print(
            Panel(text, title=f"STOPPED: {ROGUE.name}", border_style="red", title_align="left")
        )

    def summary(self, record: Record) -> None:
        """One row per agent."""
        table = Table(title="what became of them", title_justify="left")
        for heading in ("agent", "calls", "refused", "fastest, calls/s", "findings", "verdict"):
            table.add_column(heading, justify="left" if heading in {"agent", "verdict"} else "right")
        stopped = record.stopped()
        for lived in record.lived.values():
            verdict = "[bold red]stopped[/]" if stopped[lived.session] else "[green]let be[/]"
            name = f"[{lived.agent.colour}]{lived.agent.name}[/]"
            numbers = (lived.calls, lived.refused, f"{lived.fastest_per_s:.0f}", lived.findings)
            table.add_row(name, *map(str, numbers), verdict)
        self.tick(everything=True)
        self._console.print()
        self._console.print(table)

    def addresses(self, parts: Parts) -> None:
        """Where everything is."""
        self.say(f"Kafka    {parts.kafka.bootstrap}\nValkey   {parts.valkey.url}")
        self.say(f"worker   {parts.worker.url}/metrics, /readyz\ngateway  {parts.gateway.url}/v1/sessions/…")
        self.say(f"look     .venv/bin/chainbrake stops --kafka {parts.kafka.bootstrap}")

    def _flush(self, name: str) -> None:
        self._line(name, _bundled(self._bundles.pop(name)))

    def _line(self, name: str, text: str) -> None:
        colour = self._agents[name].colour
        line = f"[dim]{self._elapsed_s():6.1f} s[/dim]  [{colour}]{name:16}[/] {text}"
        self._console.print(line, no_wrap=True, overflow="ellipsis")

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began_s


def _words(act: Act, status: int) -> str:
    if act.kind == "approval":
        return f"{act.fields['decided_by']} approves {act.fields['operation']}"
    outcome = OUTCOMES.get(status, f"answered {status}")
    return f"{act.fields['operation']} {outcome}".strip()


def _bundled(bundle: Bundle) -> str:
    parts = [
        f"{words} {bundle.targets[words]}".strip() if count == 1 else f"{count}x {words}"
        for words, count in bundle.acts.items()
    ]
    more = f" and {len(parts) - KINDS_MAX} more" if len(parts) > KINDS_MAX else ""
    acts, took_s = bundle.acts.total(), bundle.last_s - bundle.began_s
    burst = f"  [dim]{acts} in {took_s:.1f} s[/dim]" if acts >= MANY else ""
    return escape(", ".join(parts[:KINDS_MAX])) + more + burst
