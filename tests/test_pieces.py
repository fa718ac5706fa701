"""A payload that is read piece by piece: the same as in one call, and no piece takes long."""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.baselines import baseline as module
from models.baselines import pieces
from models.baselines.baseline import PAYLOAD_BEGINS, Baseline, read_artifact, write_artifact
from models.baselines.cohorts import EVERYBODY, agent_key, pair_key, role_key
from models.baselines.learning import learn
from models.baselines.stored import Lazy
from tests.builders import AGENT, SIGNER, SLOW, TRUSTED, artifact, op, trained
from tests.test_baseline import changed, role

PATH = Path("baseline.json")
ODD = (
    *("shape", "habits", "together", "cohorts", "surprise", "pace", "most_secrets"),
    *('},"agent\x1fx":{', '"most_secrets":3},"', ',"shape":', "back\\slash", 'quote"d', "\u00fc", "\\"),
)
"""Names that look like what stands between two pieces."""


def file_of(names: Sequence[str]) -> bytes:
    """Of agents, jobs, operations and targets of such names: each a few times."""
    told = [
        [
            op(
                "S",
                10 * place,
                id=f"{k}#{place}",
                session=f"s{k}",
                agent=f"a {k % 3}",
                agent_role=names[k % len(names)],
                operation=name,
                target=names[(place + k) % len(names)],
            )
            for place, name in enumerate(names)
        ]
        for k in range(45)
    ]
    return write_artifact(*learn(told, {}), SIGNER)


@pytest.fixture(scope="module")
def odd() -> bytes:
    """A file of odd names."""
    return file_of(ODD)


def whole(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Baseline:
    """The same, read in one call."""
    with monkeypatch.context() as patched:
        patched.setattr(module, "_piecewise", lambda _: None)
        return read_artifact(content, PATH, TRUSTED)


@pytest.mark.slow
@pytest.mark.parametrize("piece_bytes", [1, 100, 3_000, 1 << 20])
@pytest.mark.parametrize("window_bytes", [1, 1 << 16])
def test_in_pieces_the_same_is_read(
    monkeypatch: pytest.MonkeyPatch, odd: bytes, piece_bytes: int, window_bytes: int
) -> None:
    """Whatever agents, jobs, operations and targets are called, and wherever it is cut."""
    monkeypatch.setattr(pieces, "PIECE_BYTES", piece_bytes)
    monkeypatch.setattr(pieces, "WINDOW_BYTES", window_bytes)
    for content in (odd, artifact()):
        found, told = module._piecewise(content), whole(content, monkeypatch)  # noqa: SLF001
        assert found is not None
        baseline = Baseline(told.header, found)
        for read, other in zip(packed(baseline), packed(told), strict=True):
            assert list(map(bytes, read.values())) == list(map(bytes, other.values()))
            assert list(read) == list(other)
        assert dict(found.habits) == dict(told.habits._told)  # noqa: SLF001
        assert msgspec.json.encode(found.shape) == bytes(payload(content)["shape"])
        assert baseline.surprise.counts.together.known == told.surprise.counts.together.known
        assert baseline.surprise.counts.sessions == told.surprise.counts.sessions


def packed(baseline: Baseline) -> list[Mapping[str, msgspec.Raw]]:
    """Its cohorts as they stand in the file: of pace, and of surprise."""
    paces, cohorts = baseline.pace.cohorts, baseline.surprise.counts.cohorts
    assert isinstance(paces, Lazy)
    assert isinstance(cohorts, Lazy)
    return [paces.packed, cohorts.packed]


def payload(content: bytes) -> dict[str, msgspec.Raw]:
    """Its parts."""
    begin = content.index(PAYLOAD_BEGINS) + len(PAYLOAD_BEGINS)
    return msgspec.json.decode(content[begin:-1], type=dict[str, msgspec.Raw])


@pytest.mark.slow
def test_no_piece_is_long(monkeypatch: pytest.MonkeyPatch, odd: bytes) -> None:
    """None is longer than its measure and one cohort, or one job."""
    sizes: list[int] = []

    def decode(told: bytes) -> Any:
        sizes.append(len(told))
        return was(told)

    was = pieces._members  # noqa: SLF001
    monkeypatch.setattr(pieces, "_members", decode)
    monkeypatch.setattr(pieces, "PIECE_BYTES", 2_000)
    baseline = read_artifact(odd, PATH, TRUSTED)
    members = [raw for each in packed(baseline) for raw in each.values()]
    habits = [msgspec.json.encode(habit) for habit in baseline.habits._told.values()]  # noqa: SLF001
    assert len(sizes) > 10
    assert max(sizes) < 2_000 + max(map(len, map(bytes, [*members, *habits]))) + 100


@pytest.mark.slow
def test_a_file_that_is_put_together_otherwise_is_read_in_one_call(odd: bytes) -> None:
    """Other writers may have another order, and blanks: what is in it counts."""
    parts = msgspec.json.decode(odd, type=dict[str, msgspec.Raw])
    told = {name: payload(odd)[name] for name in ("surprise", "habits", "shape", "pace")}
    turned = msgspec.json.encode(told)
    header = msgspec.json.decode(parts["header"], type=dict[str, Any])
    header["checksum"] = sha256(turned).hexdigest()
    for made in (turned, json.dumps(msgspec.json.decode(turned)).encode()):
        header["checksum"] = sha256(made).hexdigest()
        signed = json.dumps(header).encode()
        signature = msgspec.json.encode(SIGNER.sign(signed))
        content = b'{"header":%b,"signature":%b,"payload":%b}' % (signed, signature, made)
        assert module._piecewise(content) is None  # noqa: SLF001
        read = read_artifact(content, PATH, TRUSTED)
        assert read.surprise.counts.sessions == read_artifact(odd, PATH, TRUSTED).surprise.counts.sessions


@pytest.mark.slow
def test_what_looks_like_an_end_and_is_none_is_read_in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same once more: a cut in the midst of a job leaves brackets open."""
    content = file_of(("most_secrets", "sessions"))
    monkeypatch.setattr(pieces, "PIECE_BYTES", 1)
    assert module._piecewise(content) is None  # noqa: SLF001
    baseline = read_artifact(content, PATH, TRUSTED)
    assert baseline.habits.knows("sessions")
    assert baseline.unreadable == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        lambda pace: pace["rate_limits"]["discovery"].pop(),
        lambda pace: pace["rate_limits"]["discovery"][0].pop(),
        lambda pace: pace["rate_limits"].pop("secret_read"),
        lambda pace: pace.update(paces=[1, 2]),
    ],
    ids=["a tail missing", "a horizon missing", "a class missing", "classes of pace missing"],
)
def test_a_pace_that_cannot_be_read_counts_as_never_seen(change: Callable[[dict[str, Any]], Any]) -> None:
    """It is read when first asked for: the broader cohort speaks, and other jobs have their own."""
    baseline = read_artifact(changed(lambda file: change(role(file))), PATH, TRUSTED)
    assert baseline.unreadable == 0
    found = baseline.pace.of(AGENT, SLOW)
    assert found is not None
    assert found.rate_limits == trained().pace.cohorts[agent_key(AGENT)].rate_limits
    assert baseline.unreadable == 1
    assert EVERYBODY in baseline.pace.cohorts
    assert {key for key in baseline.pace.cohorts if key not in baseline.pace.cohorts} == {role_key(SLOW)}
    assert pair_key(AGENT, SLOW) not in baseline.pace.cohorts
