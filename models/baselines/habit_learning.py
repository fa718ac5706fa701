"""Counts the habits of a job: which operations, on what and for whom, each by the sessions that show it."""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from models.attested import Effect, Fact
from models.baselines.habit import TARGETS_MAX, Habit
from models.baselines.habits import end_of, habit_key, issuers_of, shape_of
from models.event import OpClass, Operation, Outcome

OPERATIONS_MAX = 2_000


def count_habits(runs: Iterable[Sequence[Operation]]) -> Habit:
    """Count the sessions of one job; what was denied or failed is no habit.

    Each in the order in which it was done: what is beyond a limit is left out, and always the same.
    """
    habit = Habit(
        operations={}, targets={}, shapes={}, addresses={}, systems={}, issuers={}, lasting={}, ends={}
    )
    shapes: dict[str, str] = {}
    for run in runs:
        done = Done()
        for event in run:
            if event.facts:
                done.addresses[event.facts.get(Fact.ADDRESS, "")] = None
            if event.outcome is Outcome.OK:
                shape = shapes.get(event.target)
                if shape is None:
                    shape = shapes[event.target] = shape_of(event.target)
                done.take_in(event, shape)
        _add(habit, done)
    return habit


class Done(Struct):
    """What one session did, each in the order in which it first did so."""

    addresses: dict[str, None] = field(default_factory=dict)
    systems: dict[str, None] = field(default_factory=dict)
    issuers: dict[str, None] = field(default_factory=dict)
    lasting: dict[str, None] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    targets: dict[str, dict[str, None]] = field(default_factory=dict)
    """By operation, as `habit_key` writes them."""
    shapes: dict[str, dict[str, None]] = field(default_factory=dict)
    ends: dict[str, dict[str, None]] = field(default_factory=dict)
    """The same by what is left behind, as `end_of` says."""

    def take_in(self, event: Operation, shape: str) -> None:
        """One operation that was carried out; `shape` of its target."""
        targets = self.targets.get(event.operation)
        if targets is None:
            targets = self.targets[event.operation] = {}
            self.shapes[event.operation] = {}
        key = habit_key(event)
        targets[key] = None
        if event.effects:
            self.ends.setdefault(end_of(event), {})[key] = None
        self.shapes[event.operation][shape] = None
        self.systems[event.system] = None
        if event.facts:
            self.issuers.update(dict.fromkeys(issuers_of(event)))
        if Effect.LONG_LIVED in event.effects:
            self.lasting[event.operation] = None
        if event.op_class is OpClass.SECRET_READ and event.target:
            self.secrets.add(event.target)


def _add(habit: Habit, done: Done) -> None:
    """One session more."""
    habit.sessions += 1
    habit.most_secrets = max(habit.most_secrets, len(done.secrets))
    for cells, names in (
        (habit.addresses, done.addresses),
        (habit.systems, done.systems),
        (habit.issuers, done.issuers),
        (habit.lasting if habit.lasting is not None else {}, done.lasting),
    ):
        for name in names:
            if name:
                _count(cells, name)
    for operation, targets in done.targets.items():
        if operation in habit.operations or len(habit.operations) < OPERATIONS_MAX:
            habit.operations[operation] = habit.operations.get(operation, 0) + 1
        known, shapes = habit.targets.setdefault(operation, {}), habit.shapes.setdefault(operation, {})
        _count_all(known, targets)
        _count_all(shapes, done.shapes[operation])
    for end, keys in done.ends.items():
        if end in habit.ends or len(habit.ends) < OPERATIONS_MAX:
            _count_all(habit.ends.setdefault(end, {}), keys)


def _count_all(cells: dict[str, int], keys: Iterable[str]) -> None:
    for key in keys:
        _count(cells, key)


def _count(cells: dict[str, int], key: str) -> None:
    if key in cells or len(cells) < TARGETS_MAX:
        cells[key] = cells.get(key, 0) + 1
