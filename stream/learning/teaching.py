"""Recorded sessions, judged as they are read: who may teach, and why the others may not.

What was stopped or challenged never teaches, nor what a rule marks. An analyst's word (`Disposition`) is the
only way back: that it was a false alarm covers all that came before it, that it was none outweighs it. A
weak finding of a detector that goes by habits is another matter: see `teachers`.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from detectors.approvals import answered_ms
from detectors.catalog import BUDGETED, BY_HABIT, PRESUMING
from detectors.decision import SELF_DISPOSITION, Decision
from detectors.judge import Judge
from detectors.learned.mass_secret_read import MassSecretRead, batch, limit_of
from detectors.learned_thresholds import MassReadSettings
from detectors.policy import Policy
from detectors.rules.faster_than_human import FasterThanHuman
from models.baselines.baseline import Baseline
from models.baselines.surprise_learning import Beyond
from models.cloudevent import read_line
from models.command import RANK, STOPS, Action, Command
from models.errors import UnreadableEventError
from models.event import ERROR, SECRET_READ, AnyEvent, Approval, Join, Operation
from models.finding import Finding, Verdict
from models.registry import EMPTY, Registry
from stream.learning.kept import Workflows, compact
from stream.recordings.recorded import Refused
from stream.runs.recorded_run import RecordedRun

SESSION_EVENTS_MAX = 20_000
"""A longer session teaches by its first part: one endless run must not drown the others."""

DISPOSED = "disposed:true_positive"
"""An analyst looked, and it was no false alarm."""

NOBODY: frozenset[str] = frozenset()

LeftOut = Counter[tuple[str, str]]
"""Agent and reason: sessions that do not teach."""

Key = tuple[str, str]
"""Workflow and session."""


def for_teaching(policy: Policy) -> Policy:
    """The policy by which sessions are kept from teaching.

    What a detector holds against a job only because it does not know its habits yet cannot keep the sessions
    that teach these habits away: grave changes and all other rules still do. Nobody's limits are known to
    whoever judges without a baseline: those who go by them need not be asked.
    """
    detectors = policy.detectors
    silent = (*BUDGETED, "secret_then_change", "credential_for_another")
    off = {name: replace(getattr(detectors, name), enabled=False) for name in silent}
    unapproved_change = replace(detectors.unapproved_change, confidence=0.0)
    return replace(policy, detectors=replace(detectors, unapproved_change=unapproved_change, **off))


class Told(Struct, frozen=True):
    """One session, or a busy spell of one, and what speaks against it."""

    run: RecordedRun
    reason: str = ""
    """Why it may not teach, whatever others do; empty for nothing."""
    weak: frozenset[str] = frozenset()
    """Detectors by habit that alerted, and no more than that."""
    known: bool = False
    """Whether whoever judged it knew its job."""

    @property
    def agent(self) -> str:
        """Whose session it was."""
        return self.run.operations[0].agent

    @property
    def job(self) -> tuple[str, str]:
        """Whose habits it would teach."""
        first = self.run.operations[0]
        return first.source, first.agent_role or first.agent


AS_USUAL = MassReadSettings()


class Teachers(Struct, frozen=True):
    """Who may teach, and how many may not."""

    runs: list[RecordedRun]
    left_out: LeftOut
    beyond: Beyond
    """Of those left out, how many exceeded a live limit that keeps the budget."""
    hasty: Beyond
    """And how many changed something sooner after reading it than the live floor allows."""


def teachers(told: Iterable[Told], usual_share_min: float, many: MassReadSettings = AS_USUAL) -> Teachers:
    """Those that may teach; how many may not, by agent and reason.

    What one detector says of more than `usual_share_min` of a job's sessions is how the job works: to leave
    all of them out would make the job's own way unheard of. What it says of few is not, and these are out;
    unless all that was said is `many` secrets of a job that nothing was known of, and would not be said now.
    """
    every = list(told)
    left_out: LeftOut = Counter()
    sessions: Counter[tuple[str, str]] = Counter()
    alerted: Counter[tuple[tuple[str, str], str]] = Counter()
    for each in every:
        if not each.reason:
            sessions[each.job] += 1
            alerted.update((each.job, detector) for detector in each.weak)
    marks = [
        sorted(name for name in each.weak if alerted[each.job, name] <= usual_share_min * sessions[each.job])
        for each in every
    ]
    most = _most_secrets(each for each, odd in zip(every, marks, strict=True) if not each.reason and not odd)
    honest, beyond, hasty = list[RecordedRun](), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for each, found in zip(every, marks, strict=True):
        unknown = found == [MassSecretRead.name] and not each.known
        odd = [] if unknown and _secrets(each.run) <= limit_of(many, most[each.job]) else found
        reason = each.reason or (f"alert:{odd[0]}" if odd else "")
        if reason:
            left_out[each.agent, reason] += 1
        else:
            honest.append(each.run)
        job = each.agent, each.run.operations[0].agent_role
        if not each.reason and not BUDGETED.isdisjoint(odd):
            beyond[job] += 1
        if not each.reason and each.known and FasterThanHuman.name in odd:
            hasty[job] += 1
    return Teachers(honest, left_out, beyond, hasty)


def _most_secrets(told: Iterable[Told]) -> Counter[tuple[str, str]]:
    """By job."""
    most: Counter[tuple[str, str]] = Counter()
    for each in told:
        most[each.job] = max(most[each.job], _secrets(each.run))
    return most


def _secrets(run: RecordedRun) -> int:
    """How many different ones were asked for, as `mass_secret_read` counts them."""
    reads = [each for each in run.operations if each.op_class is SECRET_READ and each.outcome is not ERROR]
    return len({(each.target_kind, each.target) for each in reads}) + sum(map(batch, reads))


class Alert(Struct, frozen=True):
    """A finding that led to no command."""

    at_ms: int
    detector: str


class Ordered(Struct, frozen=True):
    """A command that was due."""

    at_ms: int
    action: Action


class Word(Struct, frozen=True):
    """What an analyst said of a stop or finding."""

    at_ms: int
    right: bool
    decided_by: str


class Informed:
    """The judge of a live baseline, who knows what the jobs were used to until now."""

    def __init__(self, policy: Policy, live: Baseline, registry: Registry) -> None:
        self._judge = Judge(policy, live, registry)
        self._habits = live.habits
        self._workflows = Workflows()

    def knows(self, event: AnyEvent) -> bool:
        """Whether the baseline has seen enough of its job."""
        return isinstance(event, Operation) and self._habits.knows(event.agent_role)

    def fold(self, event: AnyEvent, position: int, seen_ms: int) -> Decision | None:
        """One event."""
        workflow = self._workflows.of(event.workflow)
        return self._judge.fold(workflow, event, position, seen_ms)


class Recorded:
    """Recorded sessions, judged as they are read: by the rules, and by a live baseline if there is one."""

    def __init__(
        self,
        policy: Policy,
        cut_ms: int | None = None,
        registry: Registry = EMPTY,
        live: Baseline | None = None,
        file: str = "",
    ) -> None:
        """`cut_ms`: a session that was silent for longer teaches as several; None for never.

        `file`: where it was recorded, if names mean something in their file only.
        """
        self._file = file
        self.dead_letters: Counter[str] = Counter()
        self.first_refused: Refused | None = None
        self._judge = Judge(for_teaching(policy), None, registry)
        self._informed = Informed(policy, live, registry) if live is not None else None
        self._alert_min = policy.levels[0].risk_min
        self._cut_ms = cut_ms
        self._workflows = Workflows()
        self._runs: dict[Key, list[Operation]] = {}
        self._ordered: dict[Key, list[Ordered]] = defaultdict(list)
        self._alerts: dict[Key, list[Alert]] = defaultdict(list)
        self._words: dict[Key, dict[str, Word]] = defaultdict(dict)
        """What analysts said last, by what it is about."""
        self._answered: dict[Key, list[tuple[int, int]]] = defaultdict(list)
        """When each approval came, and after how long (ms)."""
        self._names: dict[str, str] = {}
        self._ids: dict[str, str] = {}
        self._position = 0

    def add(self, line: bytes, index: int = 0) -> None:
        """One line, the so-manieth; what cannot be read is counted, what comes twice teaches once."""
        try:
            event = read_line(line)
        except UnreadableEventError as error:
            self.refuse(Refused(index, error.reason, error.detail, line))
            return
        self.fold(event, event.at_ms)

    def refuse(self, refused: Refused) -> None:
        """A line that cannot be used."""
        self.dead_letters[refused.reason] += 1
        self.first_refused = self.first_refused or refused

    def fold(self, event: AnyEvent, seen_ms: int) -> None:
        """One event."""
        workflow = self._workflows.of(event.workflow)
        self._position += 1
        duplicates = self._judge.tally.duplicates
        decision = self._judge.fold(workflow, event, self._position, seen_ms)
        known = self._informed is not None and self._informed.knows(event)
        if decision is not None:
            self._hold(decision.commands, decision.findings, but=BY_HABIT if known else NOBODY)
        informed = None if self._informed is None else self._informed.fold(event, self._position, seen_ms)
        if informed is not None and known:
            self._hold(informed.commands, informed.findings, but=NOBODY)
        elif informed is not None:
            self._hold((), informed.findings, but=PRESUMING)
        if isinstance(event, Operation) and duplicates == self._judge.tally.duplicates:
            run = self._runs.setdefault((event.workflow, event.session), [])
            if len(run) < SESSION_EVENTS_MAX:
                run.append(compact(event, self._names, self._ids))
        elif isinstance(event, Join):
            self._move(event)
        elif isinstance(event, Approval):
            took_ms = answered_ms(workflow, event.id)
            if took_ms is not None:
                self._answered[event.workflow, event.session].append((event.at_ms, took_ms))

    def told(self) -> list[Told]:
        """All sessions, each in the order in which it was told, with what speaks against it.

        A worker folds what arrives as it arrives: what is learned in another order would make honest sessions
        whose sources differ in lag look odd.
        """
        return [part for key, run in self._runs.items() if run for part in self._parts(key, run)]

    def _hold(self, commands: Iterable[Command], findings: Iterable[Finding], but: frozenset[str]) -> None:
        """What speaks against whom; the word of some detectors counts for nothing, nor do weak commands."""
        for command in commands:
            if command.action is not Action.RELEASE_SESSION and not is_weak(command):
                key = (command.workflow, command.session)
                self._ordered[key].append(Ordered(command.at_ms, command.action))
        for finding in findings:
            key = (finding.workflow, finding.session)
            if finding.verdict is not None:
                right = finding.verdict is Verdict.TRUE_POSITIVE
                self._words[key][finding.about] = Word(finding.at_ms, right, finding.decided_by)
            elif finding.detector in but or not finding.confidence:
                continue
            elif finding.risk >= self._alert_min or finding.detector == SELF_DISPOSITION:
                self._alerts[key].append(Alert(finding.at_ms, finding.detector))

    def _parts(self, key: Key, run: list[Operation]) -> list[Told]:
        parts = [run] if self._cut_ms is None else cut(run, self._cut_ms)
        words = self._said(key) if key in self._words else []
        if any(word.right for word in words):
            return [Told(self._as_run(part), DISPOSED) for part in parts]
        forgiven_ms = max((word.at_ms for word in words), default=-1)
        due = [each.action for each in self._ordered.get(key, ()) if each.at_ms > forgiven_ms]
        if due:
            strongest = max(due, key=RANK.__getitem__)
            return [Told(self._as_run(part), f"rules:{strongest}") for part in parts]
        begins = [part[0].at_ms for part in parts]
        heard: dict[int, set[str]] = defaultdict(set)
        for alert in self._alerts.get(key, ()):
            if alert.at_ms > forgiven_ms:
                heard[max(0, bisect_right(begins, alert.at_ms) - 1)].add(alert.detector)
        known = self._informed is not None and self._informed.knows(run[0])
        return [_told(self._as_run(part), heard[place], known=known) for place, part in enumerate(parts)]

    def _as_run(self, run: list[Operation]) -> RecordedRun:
        """With how long the approvals took that came while it went on."""
        first, last = run[0], run[-1]
        answers = self._answered.get((first.workflow, first.session), ())
        took_ms = (took_ms for at_ms, took_ms in answers if first.at_ms <= at_ms <= last.at_ms)
        return RecordedRun(first.session, run, file=self._file, answered_ms=tuple(took_ms))

    def _said(self, key: Key) -> list[Word]:
        """What analysts said; nobody's own word counts who turned out, later, to act in the workflow."""
        workflow = self._workflows.of(key[0])
        return [word for word in self._words.get(key, {}).values() if not workflow.owns(word.decided_by)]

    def _move(self, event: Join) -> None:
        """What belongs to another session was sent again there: here it does not teach."""
        run = self._runs.get((event.workflow, event.session), [])
        moved = set(event.moved)
        run[:] = [operation for operation in run if moved and operation.id not in moved]


def is_weak(command: Command) -> bool:
    """Whether it stops nobody, and rests on nothing but what is unusual."""
    return command.action not in STOPS and all(
        contribution.detector in BY_HABIT for contribution in command.contributions
    )


def _told(run: RecordedRun, heard: set[str], *, known: bool) -> Told:
    marked = sorted(heard - BY_HABIT)
    return Told(run, f"alert:{marked[0]}" if marked else "", frozenset(heard), known)


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
