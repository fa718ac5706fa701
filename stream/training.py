"""Recorded sessions to a baseline file. Sessions that alerted, or were stopped, never teach."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
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
from stream.sources.recorded_run import RecordedRun

SESSION_EVENTS_MAX = 20_000
"""A longer session teaches by its first part: one endless run must not drown the others."""

DAY_MS = 24 * 3_600_000


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
    runs = [RecordedRun(run[0].session, run) for run in honest]
    return _learned(runs, left_out, recorded.dead_letters, policy, out)


def train_runs(runs: Iterable[RecordedRun], policy: Policy, out: Path) -> Trained:
    """Learn from whole sessions of another format, all of them taken to be honest. Raises as `train` does."""
    told = list(runs)
    honest = [run for run in told if run.operations]
    empty = {"empty": len(told) - len(honest)} if len(honest) < len(told) else {}
    return _learned(honest, empty, {}, policy, out)


def _learned(
    runs: list[RecordedRun],
    left_out: dict[str, int],
    dead_letters: dict[str, int],
    policy: Policy,
    out: Path,
) -> Trained:
    taught = capped(runs, policy.learning.sessions_per_agent_day_max)
    if len(taught) < len(runs):
        left_out = {**left_out, "cap:agent_day": len(runs) - len(taught)}
    if not taught:
        refused = {**left_out, **dead_letters}
        reasons = ", ".join(f"{count} {reason}" for reason, count in refused.items()) or "the files are empty"
        raise InputError(f"no session to learn from: {reasons}")
    variants = [run.variant for run in taught]
    header, payload = learn([run.operations for run in taught], left_out, variants if all(variants) else None)
    content = write_artifact(header, payload)
    temporary = out.with_name(out.name + ".part")
    try:
        temporary.write_bytes(content)
        temporary.replace(out)
    except OSError as error:
        raise InputError(f"{out}: {error.strerror}") from error
    roles = {name: role.sessions for name, role in payload.roles.items()}
    return Trained(header, roles, dict(dead_letters))


def capped(runs: Sequence[RecordedRun], most: int) -> list[RecordedRun]:
    """At most so many sessions per source, agent and day, spread evenly over that day's."""
    days: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for place, run in enumerate(runs):
        first = run.operations[0]
        days[first.source, first.agent, first.at_ms // DAY_MS].append(place)
    kept = [
        place
        for places in days.values()
        for place in (
            places if len(places) <= most else [places[k * len(places) // most] for k in range(most)]
        )
    ]
    return [runs[place] for place in sorted(kept)]


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
