"""Recorded sessions to a baseline file. Those that the rules would have stopped or challenged never teach."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from detectors.approvals import answered_ms
from detectors.judge import Judge
from detectors.policy import Policy
from models.baselines.baseline import Header, write_artifact
from models.baselines.learning import learn
from models.baselines.signing import Signer
from models.cloudevent import read_line
from models.command import RANK, Action
from models.errors import InputError, UnreadableEventError
from models.event import AnyEvent, Approval, Join, Operation
from models.registry import EMPTY, Registry
from stream.files import write_whole
from stream.kept import Workflows, compact
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


def for_teaching(policy: Policy) -> Policy:
    """The policy by which sessions are kept from teaching.

    What a detector holds against a job only because it does not know its habits yet cannot keep the sessions
    that teach these habits away: grave changes and all other rules still do.
    """
    detectors = policy.detectors
    return replace(
        policy,
        detectors=replace(
            detectors,
            unapproved_change=replace(detectors.unapproved_change, confidence=0.0),
            secret_then_change=replace(detectors.secret_then_change, enabled=False),
            credential_for_another=replace(detectors.credential_for_another, enabled=False),
        ),
    )


def train(lines: Iterable[bytes], policy: Policy, out: Path, signer: Signer) -> Trained:
    """Learn from lines of events, write the artifact.

    Raises `InputError` if nothing is left to learn, or the artifact cannot be written.
    """
    recorded = Recorded(policy)
    for line in lines:
        if line:
            recorded.add(line)
    return train_recorded([recorded], policy, out, signer)


def train_recorded(recordings: Iterable["Recorded"], policy: Policy, out: Path, signer: Signer) -> Trained:
    """Learn from recordings that know nothing of each other. Raises as `train` does."""
    runs: list[RecordedRun] = []
    left_out: Counter[str] = Counter()
    dead_letters: Counter[str] = Counter()
    for recorded in recordings:
        honest, refused = recorded.honest()
        runs += [RecordedRun(run[0].session, run, answered_ms=recorded.answered_ms(run)) for run in honest]
        left_out.update(refused)
        dead_letters.update(recorded.dead_letters)
    return _learned(runs, dict(left_out), dict(dead_letters), policy, out, signer)


def train_runs(runs: Iterable[RecordedRun], policy: Policy, out: Path, signer: Signer) -> Trained:
    """Learn from whole sessions of another format, all of them taken to be honest. Raises as `train` does."""
    told = list(runs)
    honest = [run for run in told if run.operations]
    empty = {"empty": len(told) - len(honest)} if len(honest) < len(told) else {}
    return _learned(honest, empty, {}, policy, out, signer)


def _learned(
    runs: list[RecordedRun],
    left_out: dict[str, int],
    dead_letters: dict[str, int],
    policy: Policy,
    out: Path,
    signer: Signer,
) -> Trained:
    taught = capped(runs, policy.learning.sessions_per_agent_day_max)
    if len(taught) < len(runs):
        left_out = {**left_out, "cap:agent_day": len(runs) - len(taught)}
    if not taught:
        refused = {**left_out, **dead_letters}
        reasons = ", ".join(f"{count} {reason}" for reason, count in refused.items()) or "the files are empty"
        raise InputError(f"no session to learn from: {reasons}")
    variants = [run.variant for run in taught]
    header, payload = learn(
        [run.operations for run in taught],
        left_out,
        variants if all(variants) else None,
        [run.answered_ms for run in taught],
    )
    content = write_artifact(header, payload, signer)
    write_whole(out, content)
    roles = Counter(run.operations[0].agent_role for run in taught)
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

    def __init__(self, policy: Policy, cut_ms: int | None = None, registry: Registry = EMPTY) -> None:
        """`cut_ms`: a session that was silent for longer teaches as several; None for never."""
        self.dead_letters: Counter[str] = Counter()
        self._judge = Judge(for_teaching(policy), None, registry)
        self._cut_ms = cut_ms
        self._workflows = Workflows()
        self._runs: dict[tuple[str, str], list[Operation]] = {}
        self._suspects: dict[tuple[str, str], Action] = {}
        """The strongest action that was due."""
        self._names: dict[str, str] = {}
        self._answered: dict[tuple[str, str], list[tuple[int, int]]] = {}
        """When each approval came, and after how long (ms)."""
        self._position = 0

    def add(self, line: bytes) -> None:
        """One line; what cannot be read is counted, what comes twice teaches once."""
        try:
            event = read_line(line)
        except UnreadableEventError as error:
            self.dead_letters[error.reason] += 1
            return
        self.fold(event, event.at_ms)

    def fold(self, event: AnyEvent, seen_ms: int) -> None:
        """One event."""
        workflow = self._workflows.of(event.workflow)
        self._position += 1
        duplicates = self._judge.tally.duplicates
        decision = self._judge.fold(workflow, event, self._position, seen_ms)
        for command in decision.commands if decision is not None else ():
            if command.action is not Action.RELEASE_SESSION:
                key = (command.workflow, command.session)
                known = self._suspects.get(key, command.action)
                self._suspects[key] = max(known, command.action, key=RANK.__getitem__)
        if isinstance(event, Operation) and duplicates == self._judge.tally.duplicates:
            run = self._runs.setdefault((event.workflow, event.session), [])
            if len(run) < SESSION_EVENTS_MAX:
                run.append(compact(event, self._names, run))
        elif isinstance(event, Join):
            self._move(event)
        elif isinstance(event, Approval):
            took_ms = answered_ms(workflow, event.id)
            if took_ms is not None:
                answers = self._answered.setdefault((event.workflow, event.session), [])
                answers.append((event.at_ms, took_ms))

    def honest(self) -> tuple[list[list[Operation]], dict[str, int]]:
        """Runs that may teach, in the order in which they were told, and how many may not, by reason.

        A worker folds what arrives as it arrives: what is learned in another order would make honest sessions
        whose sources differ in lag look odd.
        """
        left_out = Counter(f"rules:{action}" for action in self._suspects.values())
        runs = [run for key, run in self._runs.items() if key not in self._suspects]
        if self._cut_ms is not None:
            runs = [part for run in runs for part in cut(run, self._cut_ms)]
        return [run for run in runs if run], dict(left_out)

    def answered_ms(self, run: list[Operation]) -> tuple[int, ...]:
        """How long the approvals took that came while a run went on."""
        first, last = run[0], run[-1]
        answers = self._answered.get((first.workflow, first.session), ())
        return tuple(took_ms for at_ms, took_ms in answers if first.at_ms <= at_ms <= last.at_ms)

    def _move(self, event: Join) -> None:
        """What belongs to another session was sent again there: here it does not teach."""
        run = self._runs.get((event.workflow, event.session), [])
        moved = set(event.moved)
        run[:] = [operation for operation in run if moved and operation.id not in moved]


def cut(run: list[Operation], idle_ms: int) -> list[list[Operation]]:
    """A run in parts between silences of more than `idle_ms`, as the judge sees them."""
    parts: list[list[Operation]] = []
    newest_ms = 0
    for event in run:
        if not parts or event.at_ms - newest_ms > idle_ms:
            parts.append([])
            newest_ms = event.at_ms
        parts[-1].append(event)
        newest_ms = max(newest_ms, event.at_ms)
    return parts
