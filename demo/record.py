"""What happened, and whether it is what should have: exactly the rogue was stopped."""

from collections import Counter

from msgspec import Struct, field

from demo.acts import Act
from demo.agents import AGENTS, ROGUE, Agent, identity
from demo.watch import Heard, Noted, Ordered
from models.acknowledgement import Acknowledgement, Certainty, Hit
from models.command import STOPS, Action, Command

BURST = 20
"""A rate is that of this many calls in a row."""


class Lived(Struct):
    """One agent's day."""

    agent: Agent
    session: str
    calls: int = 0
    refused: int = 0
    findings: int = 0
    errors: list[str] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)

    @property
    def fastest_per_s(self) -> float:
        """Calls per second, over its fastest `BURST`; over all of them if there were fewer."""
        times_s = sorted(self.times_s)
        span = min(BURST, len(times_s)) - 1
        if span < 1:
            return 0.0
        return span / max(1e-3, min(times_s[k + span] - times_s[k] for k in range(len(times_s) - span)))


class Record:
    """Fills up while the agents act; asked at the end."""

    def __init__(self, run: str) -> None:
        self.lived = {agent.name: Lived(agent, identity(agent, run)["session"]) for agent in AGENTS}
        self.events: dict[str, Act] = {}
        """Event id: what it was, in the order of the answers."""
        self.began_ms = 0
        self.ordered: dict[str, Ordered] = {}
        self.answers: dict[tuple[str, Certainty], Acknowledgement] = {}
        self._sessions = {lived.session: lived for lived in self.lived.values()}

    @property
    def rogue(self) -> Lived:
        """The one who should be stopped."""
        return self.lived[ROGUE.name]

    def hear(self, heard: Heard) -> None:
        """Note what the topics say."""
        if isinstance(heard, Ordered):
            self.ordered.setdefault(heard.command.id, heard)
        elif isinstance(heard, Noted):
            if heard.session in self._sessions:
                self._sessions[heard.session].findings += 1
        else:
            self.answers.setdefault((heard.command, heard.certainty), heard)

    def kill(self) -> Ordered | None:
        """The command that stopped the rogue, if there is one."""
        kills = (
            known
            for known in self.ordered.values()
            if known.command.action is Action.KILL_SESSION and known.command.session == self.rogue.session
        )
        return next(kills, None)

    def chain(self, command: Command) -> list[Act]:
        """What it rests on, in the order in which it was done: its own order is that of the findings."""
        evidence = frozenset(command.evidence)
        return [act for event_id, act in self.events.items() if event_id in evidence]

    def verified(self) -> bool:
        """Whether the kill was shown to hold."""
        kill = self.kill()
        return kill is not None and (kill.command.id, Certainty.VERIFIED) in self.answers

    def stopped(self) -> Counter[str]:
        """Session: how many commands to stop it."""
        commands = (known.command for known in self.ordered.values())
        return Counter(command.session for command in commands if command.action in STOPS)

    def problems(self) -> list[str]:
        """All that is not as it should be; empty if exactly the rogue was stopped."""
        kill = self.kill()
        if kill is None:
            found = [f"{ROGUE.name} was not stopped: no kill_session was sent for it"]
        else:
            found = self._unproved(kill)
        if not self.rogue.refused:
            found.append(f"{ROGUE.name} was never refused a call")
        for lived in self.lived.values():
            found += [f"{lived.agent.name}: {error}" for error in lived.errors]
            if lived.agent.honest and lived.refused:
                found.append(f"{lived.agent.name} is honest, but was refused {lived.refused} calls")
        wrong = set(self.stopped()) - {self.rogue.session}
        return found + [f"{session} is honest, but was stopped" for session in sorted(wrong)]

    def _unproved(self, kill: Ordered) -> list[str]:
        accepted = self.answers.get((kill.command.id, Certainty.ACCEPTED))
        if accepted is None:
            return [f"kill_session {kill.command.id} was not acknowledged"]
        if accepted.outcome is not Hit.DONE:
            return [f"kill_session {kill.command.id} was acknowledged as {accepted.outcome}"]
        return [] if self.verified() else [f"kill_session {kill.command.id} was not shown to hold"]

    def milestones(self) -> list[tuple[str, int]]:
        """From the event to the proof: what happened, and how many ms after the event reached the gateway."""
        kill = self.kill()
        if kill is None:
            return []
        seen_ms = kill.command.seen_ms
        steps = [("event at the gateway", seen_ms), ("command on the log", kill.sent_ms)]
        for certainty, words in (
            (Certainty.ACCEPTED, "next call is refused"),
            (Certainty.VERIFIED, "shown by a probe"),
        ):
            answer = self.answers.get((kill.command.id, certainty))
            if answer is not None:
                steps.append((f"{words} ({certainty})", answer.at_ms))
        return [(words, at_ms - seen_ms) for words, at_ms in steps]
