"""Baselines: files that are intact or refused, probabilities that add up, limits that keep their promise."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.baselines import unpacking
from models.baselines.baseline import LABELLED_VERSION, read_artifact
from models.baselines.calibration import peaks_of
from models.baselines.cohorts import EVERYBODY, agent_key, role_key
from models.baselines.learning import learn
from models.baselines.packed import history_of
from models.baselines.surprise_file import PackedSurprise, packed, unpacked
from models.baselines.surprise_learning import learn_held_out, reached
from models.errors import ArtifactError
from tests.builders import (
    AGENT,
    CLERK,
    CLERKS,
    FAST,
    RARE,
    ROTATOR,
    SIGNER,
    SLOW,
    TRUSTED,
    artifact,
    operations,
    recorded,
    slow_run,
    trained,
)

PATH = Path("baseline.json")


def changed(change: Callable[[dict[str, Any]], Any], *, checked: bool = True) -> bytes:
    """The artifact with a change, and a checksum that fits again where it is to be `checked`."""
    file = json.loads(artifact())
    change(file)
    payload = json.dumps(file["payload"])
    if checked:
        file["header"]["checksum"] = sha256(payload.encode()).hexdigest()
    header = json.dumps(file["header"])
    signature = msgspec.json.encode(SIGNER.sign(header.encode())).decode()
    return f'{{"header":{header},"signature":{signature},"payload":{payload}}}'.encode()


def role(file: dict[str, Any]) -> dict[str, Any]:
    """One role of the payload."""
    found: dict[str, Any] = file["payload"]["pace"][role_key(SLOW)]
    return found


def cohort(file: dict[str, Any]) -> list[Any]:
    """One cohort's counts: sessions, after, arguments, gaps, repeats."""
    found: list[Any] = file["payload"]["surprise"]["cohorts"][role_key(SLOW)]
    return found


def peaks(file: dict[str, Any]) -> list[Any]:
    """An agent's peaks: sessions, highest, turns, those beyond a live limit."""
    found: list[Any] = file["payload"]["surprise"]["together"]["known"][agent_key(AGENT)]
    return found


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told[3]["discovery"].pop(),
        lambda told: told[1][0].append(0),
        lambda told: told[1][0].extend((0, -3)),
        lambda told: told[1][0].extend((100_000, 1)),
        lambda told: told.__setitem__(1, []),
        lambda told: told.__setitem__(2, {"x": {}}),
        lambda told: told.clear(),
    ],
    ids=["a gap missing", "half a pair", "below 0", "no such name", "no history", "no number", "nothing"],
)
def test_a_cohort_that_cannot_be_read_counts_as_never_seen(change: Callable[[list[Any]], Any]) -> None:
    """It is read when first asked for, long after the file was accepted: the worker must judge on."""
    baseline = read_artifact(changed(lambda file: change(cohort(file))), PATH, TRUSTED)
    model = baseline.surprise
    assert baseline.unreadable == 0
    intact = trained().surprise
    events = operations(slow_run("s", 1))
    assert reached(model.expectation(AGENT, SLOW), events).score > 0.0
    assert model.counts.cohorts.get(role_key(SLOW)) is None
    assert baseline.unreadable == 1
    assert intact.counts.cohorts.get(role_key(SLOW)) is not None
    assert model.counts.cohorts[role_key(FAST)] == intact.counts.cohorts[role_key(FAST)]


@pytest.mark.parametrize("wrong", [[[0]], [[100_000, 1]], [[0, -3]], {}, [[0, 1], {"x": [[]]}]], ids=repr)
def test_a_longer_history_that_cannot_be_read_counts_as_never_seen(wrong: Any) -> None:
    """It is read when it is walked to, and the shorter one speaks; the rest of the cohort does, too."""

    def change(file: dict[str, Any]) -> None:
        longer = cohort(file)[1][1]
        longer[next(iter(longer))] = wrong

    baseline = read_artifact(changed(change), PATH, TRUSTED)
    model = baseline.surprise
    assert reached(model.expectation(AGENT, SLOW), operations(slow_run("s", 1))).score > 0.0
    whole = trained().surprise.counts.cohorts[role_key(SLOW)]
    found = model.counts.cohorts[role_key(SLOW)]
    assert len(dict(found.after.older)) == len(dict(whole.after.older)) - 1
    assert found.after.next == whole.after.next
    assert baseline.unreadable == 1


@pytest.mark.parametrize("wrong", [{"x": [[]]}, {"0": [[0]]}, {"0": [[100_000, 1]]}, [], 7], ids=repr)
def test_arguments_that_cannot_be_read_count_as_never_seen(wrong: Any) -> None:
    """They are read when their operation is asked for; what came after what stays known."""

    def change(file: dict[str, Any]) -> None:
        cohort(file)[2]["0"] = wrong

    baseline = read_artifact(changed(change), PATH, TRUSTED)
    name = next(iter(msgspec.json.decode(artifact())["payload"]["surprise"]["names"]))
    found = baseline.surprise.counts.cohorts[role_key(SLOW)]
    assert (found.arguments.get(name), baseline.unreadable) == (None, 1)
    assert found.after.next == trained().surprise.counts.cohorts[role_key(SLOW)].after.next


def test_the_first_question_about_a_job_does_not_read_all_that_its_agent_did(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A busy agent's histories take long to read: a worker would judge nothing meanwhile."""
    read = 0

    def counting(told: Any) -> Any:
        nonlocal read
        read += 1
        return decode(told)

    decode = history_of
    monkeypatch.setattr(unpacking, "history_of", counting)
    baseline = read_artifact(artifact(), PATH, TRUSTED)
    baseline.surprise.expectation(AGENT, SLOW)
    first = read
    found = baseline.surprise.counts.cohorts[agent_key(AGENT)].after
    for longer in found.older.values():
        for longest in longer.older.values():
            assert dict(longest.older) is not None
    assert first < read / 2, (first, read)


def test_habits_that_cannot_be_read_count_as_never_seen() -> None:
    """They are read when their job is first asked for; what other jobs are used to stays known."""
    baseline = read_artifact(
        changed(lambda file: file["payload"]["habits"][SLOW].update(sessions=-1)), PATH, TRUSTED
    )
    assert (baseline.habits.knows(SLOW), baseline.unreadable) == (False, 1)
    assert baseline.habits.knows(FAST)
    assert not baseline.habits.knows("never seen")
    assert baseline.unreadable == 1


def test_nothing_may_stand_behind_what_was_signed() -> None:
    """Nor before it: the same parts in another order are the same baseline, and a part more is none."""
    parts = msgspec.json.decode(artifact(), type=dict[str, msgspec.Raw])
    turned = msgspec.json.encode({name: parts[name] for name in ("payload", "signature", "header")})
    assert read_artifact(turned, PATH, TRUSTED).version == trained().version
    for more in (b',"more":{}}', b"}}", b" }}"):
        with pytest.raises(ArtifactError):
            read_artifact(artifact()[:-1] + more, PATH, TRUSTED)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told[1]["score"].reverse(),
        lambda told: told.__setitem__(0, 1),
        lambda told: told.__delitem__(slice(2, None)),
        lambda told: told[2].reverse(),
        lambda told: told.__setitem__(3, -1),
        lambda told: told[2].__setitem__(0, 0),
        lambda told: told[1].pop("score"),
        lambda told: told[1].update(luck=[1.0]),
    ],
    ids=[
        "descending",
        "more than sessions",
        "none",
        "turns descend",
        "fewer than none",
        "no turn",
        "no score",
        "a score of no name",
    ],
)
def test_peaks_that_cannot_be_read_back_no_limit(change: Callable[[list[Any]], Any]) -> None:
    """A broader cohort's do; what is in order elsewhere is not touched."""
    counts = read_artifact(changed(lambda file: change(peaks(file))), PATH, TRUSTED).surprise.counts
    assert counts.together.known.get(agent_key(AGENT)) is None
    intact = trained().surprise.counts.together.known
    assert counts.together.known.get(EVERYBODY) == intact.get(EVERYBODY) is not None


def test_what_was_learned_is_what_is_read() -> None:
    """Every cohort and every limit, although the file says names once and rows as flat lists."""
    learned = learn_held_out([operations(run) for run in recorded(40)])[0]
    read = unpacked(msgspec.json.decode(msgspec.json.encode(packed(learned)), type=PackedSurprise))
    assert dict(read.cohorts) == dict(learned.cohorts)
    assert dict(read.together.known) == dict(learned.together.known)
    assert dict(read.score_with_end.known) == dict(learned.score_with_end.known)
    assert read.sessions == learned.sessions


@given(st.lists(st.floats(0.0, 60.0), min_size=1))
def test_a_session_that_does_just_the_same_does_not_exceed_what_was_reached(values: list[float]) -> None:
    """Peaks are stored in thousandths of a bit: rounded up."""
    told = peaks_of(values)
    assert all(peak >= value for peak, value in zip(told.highest, sorted(values), strict=True))
    assert all(peak <= value + 0.002 for peak, value in zip(told.highest, sorted(values), strict=True))


def test_what_is_written_is_read_again() -> None:
    """Plain JSON, and a version that names the content."""
    baseline = trained()
    assert read_artifact(artifact(), PATH, TRUSTED).version == baseline.version
    read = read_artifact(changed(lambda _: None), PATH, TRUSTED).pace.cohorts
    assert read == baseline.pace.cohorts
    agents = map(agent_key, (AGENT, CLERKS))
    roles = map(role_key, (FAST, SLOW, CLERK, RARE, ROTATOR))
    assert read.keys() == {EVERYBODY, *agents, *roles}
    assert baseline.header.sessions == len(recorded())


@pytest.mark.slow
def test_the_same_sessions_give_the_same_file() -> None:
    """No chance, no clock: two people who train on the same sessions may compare checksums."""
    runs = [operations(run) for run in recorded(40)]
    assert learn(runs, {})[1] == learn(runs, {})[1]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk",
        b"\x80\x04K\x01.",
        artifact()[: len(artifact()) // 2],
        artifact()[:-1],
        artifact().replace(b'"sessions":120', b'"sessions":121', 1),
        changed(lambda file: role(file).update(sessions=9999), checked=False),
        changed(lambda file: file["header"].update(format="pickle")),
        changed(lambda file: file["header"].update(version=LABELLED_VERSION + 1)),
        changed(lambda file: file["header"].update(feature_set="1-0123456789ab")),
        changed(lambda file: file["header"].update(version=1, feature_set=1)),
        changed(lambda file: file["payload"]["pace"][EVERYBODY]["rate_limits"]["discovery"].pop()),
        changed(lambda file: file["payload"]["pace"][EVERYBODY]["rate_limits"]["discovery"][0].pop()),
        changed(lambda file: file["payload"]["pace"][EVERYBODY]["rate_limits"].pop("secret_read")),
        changed(lambda file: role(file).update(sessions=-1)),
        changed(lambda file: file["payload"]["surprise"]["cohorts"].pop(EVERYBODY)),
        changed(lambda file: file["payload"]["surprise"]["cohorts"].update({EVERYBODY: {}})),
        changed(lambda file: file["payload"].pop("surprise")),
        changed(lambda file: file.update(payload=[])),
        b'{"header":' + b"[" * 5000,
    ],
    ids=[
        "empty",
        "junk",
        "a pickle",
        "half of it",
        "all but a byte",
        "a digit changed",
        "another payload",
        "another format",
        "another version",
        "another feature set",
        "an older version",
        "a tail missing",
        "a horizon missing",
        "a class missing",
        "a number of sessions below 0",
        "nobody",
        "everybody unreadable",
        "no surprise",
        "no object",
        "nested",
    ],
)
def test_what_is_not_an_intact_baseline_is_refused(content: bytes) -> None:
    """Naming the file and what to do; nothing of it is used."""
    with pytest.raises(ArtifactError) as raised:
        read_artifact(content, PATH, TRUSTED)
    assert str(raised.value).startswith(str(PATH))
    assert "train" in str(raised.value).lower()
