"""Baselines: files that are intact or refused, probabilities that add up, limits that keep their promise."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from models.baselines.baseline import FEATURE_SET, FORMAT_VERSION, SESSIONS_MIN, TAILS, read_artifact
from models.baselines.learning import _rate_peaks, _surprise_peak, _symbols, learn
from models.baselines.rates import HORIZONS_MS
from models.baselines.transitions import GAPS_MS, TransitionModel, count_transitions
from models.errors import ArtifactError
from models.event import OpClass, Operation
from tests.builders import FAST, RARE, SLOW, artifact, fast_run, op, recorded, slow_run, trained

PATH = Path("baseline.json")
LAW = settings(max_examples=60, deadline=None, derandomize=True)


def operations(run: list[Any]) -> list[Operation]:
    """Those of a run that teach."""
    return [event for event in run if isinstance(event, Operation)]


def changed(change: Callable[[dict[str, Any]], Any], *, checked: bool = True) -> bytes:
    """The artifact with a change, and a checksum that fits again where it is to be `checked`."""
    file = json.loads(artifact())
    change(file)
    payload = json.dumps(file["payload"])
    if checked:
        file["header"]["checksum"] = sha256(payload.encode()).hexdigest()
    return b'{"header":' + json.dumps(file["header"]).encode() + b',"payload":' + payload.encode() + b"}"


def role(file: dict[str, Any]) -> dict[str, Any]:
    """One role of the payload."""
    found: dict[str, Any] = file["payload"]["roles"][SLOW]
    return found


def test_what_is_written_is_read_again() -> None:
    """Plain JSON, and a version that names the content."""
    baseline = trained()
    assert read_artifact(artifact(), PATH).version == baseline.version
    assert read_artifact(changed(lambda _: None), PATH).roles.keys() == baseline.roles.keys() == {FAST, SLOW}
    assert baseline.header.sessions == len(recorded())


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
        changed(lambda file: file["header"].update(version=FORMAT_VERSION + 1)),
        changed(lambda file: file["header"].update(feature_set=FEATURE_SET + 1)),
        changed(lambda file: file["header"].update(horizons_ms=[1, 2, 3])),
        changed(lambda file: file["header"].update(gaps_ms=[1])),
        changed(lambda file: file["header"].update(memory=0.5)),
        changed(lambda file: role(file)["rate_limits"]["discovery"].pop()),
        changed(lambda file: role(file)["rate_limits"]["discovery"][0].pop()),
        changed(lambda file: role(file)["rate_limits"].pop("secret_read")),
        changed(lambda file: role(file)["surprise_peaks"].reverse()),
        changed(lambda file: role(file)["transitions"]["gaps"]["discovery"].pop()),
        changed(lambda file: role(file)["transitions"]["pairs"].update({"x|": {}})),
        changed(lambda file: role(file)["transitions"]["pairs"].update({"x|": {"y|": 0}})),
        changed(lambda file: role(file).pop("transitions")),
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
        "other horizons",
        "other gaps",
        "other memory",
        "a tail missing",
        "a horizon missing",
        "a class missing",
        "peaks descend",
        "a gap missing",
        "no successor",
        "a count of 0",
        "no transitions",
        "no object",
        "nested",
    ],
)
def test_what_is_not_an_intact_baseline_is_refused(content: bytes) -> None:
    """Naming the file and what to do; nothing of it is used."""
    with pytest.raises(ArtifactError) as raised:
        read_artifact(content, PATH)
    assert str(raised.value).startswith(str(PATH))
    assert "train" in str(raised.value).lower()


symbols = st.sampled_from(["a|", "b|", "c|x", "d|"])
timed = st.lists(st.tuples(symbols, st.just("discovery"), st.integers(0, 10**7)), min_size=1, max_size=12)


@LAW
@given(st.lists(timed, min_size=1, max_size=6))
def test_probabilities_of_what_may_come_next_add_up(runs: list[list[tuple[str, str, int]]]) -> None:
    """Over all symbols seen and the novel one, after anything, seen or not; and over all pauses."""
    counts = count_transitions(runs)
    model = TransitionModel(counts)
    known = {symbol for after in counts.pairs.values() for symbol in after}
    for before in [*counts.pairs, "never seen"]:
        mass = sum(2 ** -model.bits(before, symbol) for symbol in known) + 2 ** -model.bits(before, "novel")
        assert mass == pytest.approx(1.0)
    edges = [0, *GAPS_MS]
    for op_class in counts.gaps:
        assert sum(2 ** -model.gap_bits(op_class, edge) for edge in edges) == pytest.approx(1.0)


def test_what_often_followed_is_less_surprising_than_what_never_did() -> None:
    """And what was never seen at all is the most surprising, not impossible."""
    run = [(name, "discovery", k) for k, name in enumerate("abababac")]
    model = TransitionModel(count_transitions([run] * 10))
    assert model.bits("a", "b") < model.bits("a", "c") < model.bits("a", "a") < model.bits("a", "z") < 100


@pytest.mark.parametrize("name", [FAST, SLOW])
def test_rate_limits_rise_as_the_tail_shrinks_and_cover_what_was_seen(name: str) -> None:
    """The rarer a false alarm may be, the higher the limit; no recorded honest peak is above it."""
    levels = [trained().rate_limits(tail)[name] for tail in TAILS]
    runs = [operations(run) for run in recorded() if operations(run)[0].agent_role == name]
    classes = [op_class for op_class in OpClass if op_class is not OpClass.UNCLASSIFIED]
    highest = np.array([_rate_peaks(run) for run in runs]).max(axis=0)
    for c, op_class in enumerate(classes):
        for h in range(len(HORIZONS_MS)):
            column = [level[op_class][h] for level in levels]
            assert column == sorted(column)
            assert column[0] >= highest[c][h]


def test_a_tail_between_two_levels_takes_the_stricter_promise() -> None:
    """Asked for one false alarm in 5,000, the limit of one in 10,000 counts."""
    assert trained().rate_limits(2e-4) == trained().rate_limits(1e-4)


def test_a_role_that_never_varied_still_has_a_tail() -> None:
    """The steadiest agent is not the blindest spot, nor the loudest: its limit is above its habit."""
    steady = [
        [op("D", 60 * k, session=f"s{n}", agent_role="steady") for k in range(5)] for n in range(SESSIONS_MIN)
    ]
    header, payload = learn(steady, {})
    limits = payload.roles["steady"].rate_limits["discovery"]
    peak = max(max(row) for row in _rate_peaks(steady[0]))
    assert limits[1][0] > 1.0
    assert limits[1][2] > peak
    assert payload.roles["steady"].rate_limits["secret_read"][1][0] >= 1.0
    assert header.sessions == SESSIONS_MIN


def test_too_few_sessions_are_no_baseline() -> None:
    """They are recorded, and the role counts as not seen enough."""
    assert RARE not in trained().roles
    assert json.loads(artifact())["payload"]["roles"][RARE]["sessions"] == 10


def test_a_promise_that_the_sessions_cannot_back_is_not_made() -> None:
    """One false alarm in a thousand needs 999 honest sessions; with fewer there is no limit, not a guess."""
    assert trained().surprise_limits(0.001) == {}
    assert trained().surprise_limits(0.01).keys() == {FAST, SLOW}


@pytest.mark.parametrize(("name", "make"), [(FAST, fast_run), (SLOW, slow_run)])
@pytest.mark.parametrize("p_max", [0.02, 0.05, 0.1])
def test_the_false_alarm_rate_is_the_one_that_was_asked_for(
    name: str, make: Callable[[str, int], list[Any]], p_max: float
) -> None:
    """On 600 fresh sessions of the same kind: not more than chance, calibration's included, allows."""
    sessions = 600
    limit = trained().surprise_limits(p_max)[name]
    model = trained().transition_models()[name]
    fresh = (_symbols(operations(make("s", 500_000 + k))) for k in range(sessions))
    alarms = sum(_surprise_peak(model, run) > limit for run in fresh)
    calibrated_on = len(trained().roles[name].surprise_peaks)
    worst = p_max + 3.1 * np.sqrt(p_max * (1 - p_max) / calibrated_on)
    assert alarms <= binom.ppf(0.999, sessions, worst)
