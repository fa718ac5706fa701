"""Recorded events to a baseline file. Sessions that alerted, or were stopped, never teach."""

from collections import Counter
from collections.abc import Iterable
from operator import attrgetter
from pathlib import Path

from msgspec import Struct

from detectors.judge import Judge
from detectors.policy import Policy
from models.baselines.baseline import Header, write_artifact
from models.baselines.learning import learn
from models.cloudevent import read_line
from models.command import RANK, Action
from models.errors import InputError, UnreadableEventError
from models.event import Operation
from models.session import Workflow

SESSION_EVENTS_MAX = 20_000
"""A longer session teaches by its first part: one endless run must not drown the others."""


class Trained(Struct, frozen=True):
    """What a training run leaves."""

    header: Header
    roles: dict[str, int]
    """Role: sessions that taught."""
    dead_letters: dict[str, int]


def train(lines: Iterable[bytes], policy: Policy, out: Path) -> Trained:
    """Learn from lines of events, write the artifact.

    Raises `InputError` if nothing is left to learn, or the artifact cannot be written.
    """
    recorded = Recorded(policy)
    for line in lines:
        if line:
            recorded.add(line)
    honest, left_out = recorded.honest()
    if not honest:
        refused = {**left_out, **recorded.dead_letters}
        reasons = ", ".join(f"{count} {reason}" for reason, count in refused.items()) or "the files are empty"
        raise InputError(f"no session to learn from: {reasons}")
    header, payload = learn(honest, left_out)
    content = write_artifact(header, payload)
    temporary = out.with_name(out.name + ".part")
    try:
        temporary.write_bytes(content)
        temporary.replace(out)
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}") from error
    roles = {name: role.sessions for name, role in payload.roles.items()}
    return Trained(header, roles, dict(recorded.dead_letters))


class Recorded:
    """Recorded sessions, judged by the rules alone as they are read."""

    def __init__(self, policy: Policy) -> None:
        self.dead_letters: Counter[str] = Counter()
        self._judge = Judge(policy, None)
        self._workflows: dict[str, Workflow] = {}
        self._runs: dict[tuple[str, str], list[Operation]] = {}
        self._suspects: dict[tuple[str, str], Action] = {}
        """The strongest action that was due."""
        self._position = 0

    def add(self, line: bytes) -> None:
        """One line; what cannot be read is counted, what comes twice teaches once."""
        try:
            event = read_line(line)
        except UnreadableEventError as error:
            self.dead_letters[error.reason] += 1
            return
        workflow = self._workflows.setdefault(event.workflow, Workflow(event.workflow))
        self._position += 1
        duplicates = self._judge.tally.duplicates
        decision = self._judge.fold(workflow, event, self._position, event.at_ms)
        for command in decision.commands if decision is not None else ():
            if command.action is not Action.RELEASE_SESSION:
                key = (command.workflow, command.session)
                known = self._suspects.get(key, command.action)
                self._suspects[key] = max(known, command.action, key=RANK.__getitem__)
        if isinstance(event, Operation) and duplicates == self._judge.tally.duplicates:
            run = self._runs.setdefault((event.workflow, event.session), [])
            if len(run) < SESSION_EVENTS_MAX:
                run.append(event)

    def honest(self) -> tuple[list[list[Operation]], dict[str, int]]:
        """Runs that may teach, in event-time order, and how many may not, by reason."""
        left_out = Counter(f"rules:{action}" for action in self._suspects.values())
        runs = [run for key, run in self._runs.items() if key not in self._suspects]
        for run in runs:
            run.sort(key=attrgetter("at_ms"))
        return runs, dict(left_out)
