"""What a job is used to: counted by sessions, and honest about how little was seen."""

import pytest
from msgspec import Raw
from msgspec.json import decode, encode
from msgspec.structs import replace

from models.attested import Effect
from models.baselines.habit import Habit
from models.baselines.habit_learning import count_habits
from models.baselines.habits import SESSIONS_MIN, Habits, shape_of
from models.baselines.stored import Lazy
from models.event import Operation
from tests.builders import op


def run(*targets: str, **changed: object) -> list[Operation]:
    """One session that reads these secrets."""
    return [op("S", k, target=target, agent_role="job", **changed) for k, target in enumerate(targets)]


def habits(*runs: list[Operation]) -> Habits:
    """The habits of a job with these recorded sessions."""
    return Habits({"job": count_habits(runs)})


def read(target: str, **changed: object) -> Operation:
    """The job reads a secret."""
    return op("S", 0, target=target, agent_role="job", **changed)


CLOSED = [run("app1/db", "app2/db") for _ in range(30)]
OPEN = [run(f"release/{k}/v{k}") for k in range(30)]


def test_a_closed_set_makes_a_stranger_of_the_next() -> None:
    """A job that has read the same two secrets thirty times says a lot by reading a third."""
    known = habits(*CLOSED)
    assert known.is_strange(read("platform/root-ca"), 5.0) is True
    assert known.is_strange(read("app1/db"), 5.0) is False
    assert known.surprise_bits(read("app1/db")) == 0.0


def test_an_open_set_makes_none() -> None:
    """A job that meets a new secret in every session says nothing by meeting another."""
    assert habits(*OPEN).is_strange(read("release/31/v31"), 5.0) is False


def test_the_same_kind_of_name_is_less_strange_than_another() -> None:
    """Its shape was seen: another application's database is no root certificate."""
    known = habits(*CLOSED)
    alike, other = known.surprise_bits(read("app9/db")), known.surprise_bits(read("app9/root-ca"))
    assert alike is not None
    assert other is not None
    assert 0 < alike < other


TENANTS = [run(f"rotation/{app}") for app in ("ledger", "billing", "catalog") for _ in range(10)]


def test_one_more_of_a_kind_is_neither_strange_nor_its_own() -> None:
    """A job that serves tenants one by one gets a new one some day; another thing altogether is strange."""
    known = habits(*TENANTS)
    assert known.is_one_more(read("rotation/orders"))
    assert known.is_strange(read("rotation/orders"), 5.0) is None
    assert known.is_strange(read("platform/root-ca"), 5.0) is True
    assert known.is_strange(read("rotation/ledger"), 5.0) is False


@pytest.mark.parametrize(
    ("seen", "target", "one_more"),
    [
        (("a/a-ops", "b/b-ops", "c/c-ops"), "d/d-ops", True),
        (("a/a-ops", "b/b-ops", "c/c-ops"), "d/e-ops", False),
        (("app-a", "app-b", "app-c"), "app-d", True),
        (("a", "b", "c"), "d", False),
        (("x/a", "x/b"), "x/c", False),
    ],
)
def test_a_kind_is_three_names_alike_but_for_one_word(
    seen: tuple[str, ...], target: str, *, one_more: bool
) -> None:
    """Wherever the word stands; names of a single word are alike in nothing."""
    known = habits(*[run(*seen) for _ in range(10)])
    assert known.is_one_more(read(target)) is one_more


@pytest.mark.parametrize("sessions", [0, 1, SESSIONS_MIN - 1])
def test_a_job_seen_too_seldom_has_no_habits(sessions: int) -> None:
    """Not enough seen is an answer of its own: neither strange nor familiar."""
    known = habits(*CLOSED[:sessions])
    assert known.surprise_bits(read("platform/root-ca")) is None
    assert known.is_strange(read("platform/root-ca"), 5.0) is None
    assert known.most_secrets("job") is None
    assert not known.is_habit(read("app1/db"))


def test_too_little_to_be_so_sure_is_not_enough_seen_either() -> None:
    """Ten observations cannot make anything a one-in-a-thousand surprise."""
    known = habits(*[run("app1/db") for _ in range(10)])
    assert known.is_strange(read("platform/root-ca"), 10.0) is None


def test_once_is_an_exception_and_twice_a_habit() -> None:
    """And what was refused is neither."""
    known = habits(*CLOSED, run("other/once"), run("other/denied", outcome="denied"), run("other/denied"))
    assert known.is_habit(read("app1/db"))
    assert not known.is_habit(read("other/once"))
    assert not known.is_habit(read("other/denied"))


def token(**changed: object) -> Operation:
    """The job makes itself a token."""
    return op("C", 0, target="auth/token/create", agent_role="job", effects=(Effect.MINTS,), **changed)


def test_a_job_that_makes_short_tokens_is_not_used_to_lasting_ones() -> None:
    """By operation and target they are the same."""
    lasting = replace(token(), effects=(Effect.MINTS, Effect.LONG_LIVED))
    known = habits(*[[token()] for _ in range(10)])
    assert known.is_habit(token())
    assert not known.is_habit(lasting)
    assert habits(*[[lasting] for _ in range(10)]).is_habit(lasting)


def grant(operation: str, *effects: Effect, **changed: object) -> Operation:
    """The job gives a role more rights, by one call of several."""
    given = {"target": "app-search", "facts": {"beneficiary": "app-search"}, **changed}
    return op("V", 0, operation=operation, effects=effects or (Effect.EXPANDS,), agent_role="job", **given)


def test_a_habit_is_what_is_left_behind_and_on_what_not_by_which_call() -> None:
    """A client that is upgraded calls another operation to the same end."""
    known = habits(*[[grant("iam:AttachRolePolicy")] for _ in range(10)])
    by_another = grant("iam:PutRolePolicy")
    assert known.is_habit(by_another)
    assert known.surprise_bits(by_another) == 0.0


@pytest.mark.parametrize(
    "other",
    [
        grant("iam:PutRolePolicy", Effect.EXPANDS, Effect.ADMIN),
        grant("iam:PutRolePolicy", target="app-ledger"),
        grant("iam:PutRolePolicy", facts={"beneficiary": "app-ledger"}),
        grant("iam:PutRolePolicy", system="another"),
        grant("iam:UpdateAssumeRolePolicy", Effect.TRUST_PATH),
    ],
    ids=["more", "elsewhere", "for another", "on another platform", "of another kind"],
)
def test_another_call_to_another_end_is_no_habit(other: Operation) -> None:
    """What is left behind, where, on what and for whom: all of it has to be the same."""
    known = habits(*[[grant("iam:AttachRolePolicy")] for _ in range(10)])
    assert not known.is_habit(other)
    assert (known.surprise_bits(other) or 0.0) > 0


def test_lasting_credentials_are_a_habit_by_any_call_only_where_they_lasted_before() -> None:
    """Another way to a key of the same owner; not from an hour's token to a key."""
    short = op("C", 0, operation="a", target="app", agent_role="job", effects=(Effect.MINTS,))
    key = replace(short, effects=(Effect.MINTS, Effect.LONG_LIVED))
    assert habits(*[[key] for _ in range(10)]).is_habit(replace(key, operation="b"))
    assert not habits(*[[short] for _ in range(10)]).is_habit(replace(key, operation="b"))


def test_what_was_learned_before_lifetimes_were_counted_is_believed() -> None:
    """Else each rotation would be new after an upgrade."""
    habit = replace(count_habits([[token()] for _ in range(10)]), lasting=None)
    lasting = replace(token(), effects=(Effect.MINTS, Effect.LONG_LIVED))
    assert Habits({"job": habit}).is_habit(lasting)


def test_a_loop_of_a_thousand_calls_is_one_sessions_word() -> None:
    """Counted are sessions, so that one run cannot teach a habit."""
    known = habits(*CLOSED, run(*["other/loop"] * 1_000))
    assert not known.is_habit(read("other/loop"))


def test_whoever_gains_is_part_of_the_habit() -> None:
    """A key for the same owner every night, and one night for another."""
    nights = [
        [op("C", 0, target="", agent_role="job", facts={"beneficiary": "svc-reports"})] for _ in range(20)
    ]
    known = habits(*nights)
    assert known.is_habit(op("C", 0, target="", agent_role="job", facts={"beneficiary": "svc-reports"}))
    assert not known.is_habit(op("C", 0, target="", agent_role="job", facts={"beneficiary": "svc-backup"}))


@pytest.mark.parametrize(
    ("target", "shape"),
    [("app/v14", "v##"), ("secret", "secret"), ("a/b/c-7", "c-#"), ("", "")],
)
def test_a_shape_is_the_last_part_without_its_digits(target: str, shape: str) -> None:
    """Release 14 looks like release 13."""
    assert shape_of(target) == shape


def test_what_is_beyond_a_limit_is_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones are kept, however texts are hashed: the same sessions give the same file."""
    for module in ("habits", "habit_learning"):
        monkeypatch.setattr(f"models.baselines.{module}.TARGETS_MAX", 3)
    monkeypatch.setattr("models.baselines.habit_learning.OPERATIONS_MAX", 2)
    names = [f"kind-{chr(97 + k)}/thing" for k in range(9)]
    run = [
        op("S", k, operation=f"o{k // 7}{k % 2}", target=name, system=name) for k, name in enumerate(names)
    ]
    habit = count_habits([run, run])
    assert habit.operations == {"o00": 2, "o01": 2}
    assert habit.systems == dict.fromkeys(names[:3], 2)
    assert habit.targets["o00"] == {names[0]: 2, names[2]: 2, names[4]: 2}


def test_where_others_run_is_no_new_place() -> None:
    """Of all jobs that were seen, however few their sessions; read from the file in one go."""
    runs = [run("app1/db", facts={"address": "10.0.0.1"})]
    others = [run("app2/db", facts={"address": "10.0.0.2"})]
    known = Habits({"job": count_habits(runs), "other": count_habits(others)})
    packed = {name: Raw(encode(count_habits(told))) for name, told in (("job", runs), ("other", others))}
    stored = Habits(Lazy(packed | {"broken": Raw(b"[]")}, lambda raw: decode(raw, type=Habit)))
    for each in (known, stored):
        assert each.is_somebodys("10.0.0.2")
        assert not each.is_somebodys("10.0.0.3")
