"""What training takes: of memory for every event that it has read, of time, and of memory in all."""

import os
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from detectors.catalog import BUDGETED, Knowledge, detectors
from detectors.policy import Policy
from models.attested import Fact
from models.baselines.learning import learn
from models.event import OpClass, Operation, Origin, Provenance, SystemKind
from models.registry import EMPTY
from stream.learning import kept, teaching
from stream.learning.teaching import Recorded, for_teaching
from stream.learning.training import train
from tests.builders import CLERK, FAST, RARE, ROTATOR, SIGNER, SLOW
from tests.builders import recorded as honest_runs

START_MS = 1_790_000_000_000
CLASSES = (OpClass.DISCOVERY, OpClass.POLICY_READ, OpClass.SECRET_READ)

at_leisure = pytest.mark.skipif(not os.environ.get("TEST_FIGURES"), reason="takes minutes: make figures")


def history(sessions: int, jobs: int, origins: int) -> Iterator[bytes]:
    """Sessions of twenty operations, nearly at random out of sixty: the worst there is to count.

    Every session is a workflow of its own; `origins` of each operation's arguments are from anywhere.
    """
    draw = random.Random(7)
    for session in range(sessions):
        job, at_ms, ids = session % jobs, START_MS + session * 1000, list[str]()
        for place in range(20):
            at_ms += draw.randrange(50, 60_000)
            kind = draw.randrange(60) if draw.random() < 0.9 else (job + place) % 60
            told = tuple(origin(draw, ids) for _ in range(origins if ids else 0))
            ids.append(f"{session:06d}-{place:02d}-{draw.getrandbits(64):016x}")
            yield msgspec.json.encode(
                Operation(
                    id=ids[-1],
                    source="drill",
                    at_ms=at_ms,
                    workflow=f"workflow-{session:06d}",
                    session=f"session-{session:06d}",
                    agent=f"agent-{job % 50}",
                    agent_role=f"job-{job}",
                    principal=f"principal-{job % 50}",
                    operation=f"svc:Operation{kind}",
                    op_class=CLASSES[kind % 3],
                    target=f"thing-{draw.randrange(200)}",
                    target_kind="thing",
                    provenance=told,
                )
            )


def origin(draw: random.Random, ids: list[str]) -> Provenance:
    """A value out of any earlier result."""
    return Provenance(
        argument=f"arg{draw.randrange(5)}",
        origin=Origin.TOOL,
        source_event=draw.choice(ids),
        source_field=f"field{draw.randrange(20)}",
        shape=draw.choice(("=", "in")),
    )


@pytest.mark.slow
def test_what_is_kept_of_an_event_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two origins included, and a share of its workflow, which is packed once it has been silent."""
    monkeypatch.setattr(kept, "WORKFLOWS_MAX", 1)
    recorded, events = Recorded(Policy()), 4_000
    for line in history(20, 10, 2):
        recorded.add(line)  # whatever is made once
    tracemalloc.start()
    for line in history(events // 20 + 20, 10, 2):
        recorded.add(line)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / events < 1_100


def test_workflows_that_nobody_said_a_word_about_stay_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """To unpack them all again took a fifteenth of the time."""
    monkeypatch.setattr(kept, "WORKFLOWS_MAX", 1)
    recorded = Recorded(Policy())
    for line in history(3, 1, 0):
        recorded.add(line)
    monkeypatch.delattr(kept, "_decode")
    assert len(recorded.told()) == 3


def test_without_a_baseline_nobody_who_goes_by_its_limits_is_asked() -> None:
    """Counting shapes for nobody took a fortieth of the time."""
    policy = for_teaching(Policy())
    asked = {detector.name for detector in detectors(policy, Knowledge(None, EMPTY))}
    assert asked.isdisjoint(BUDGETED)
    assert {"read_then_write_chain", "unapproved_change", "unfamiliar_act"} <= asked


@pytest.mark.slow
def test_a_workflow_is_the_same_after_a_silence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """However many others were active meanwhile: the same sessions teach, and the same is learned."""
    by_turns = sorted(history(40, 2, 1), key=lambda line: msgspec.json.decode(line)["id"][7:9])
    train(by_turns, Policy(), tmp_path / "whole", SIGNER)
    monkeypatch.setattr(kept, "WORKFLOWS_MAX", 3)
    train(by_turns, Policy(), tmp_path / "packed", SIGNER)
    assert (tmp_path / "packed").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.slow
def test_what_is_kept_of_events_teaches_what_the_events_teach() -> None:
    """Whatever learning reads of an event is kept: systems and their kinds, issuers, who gains, addresses."""
    kinds = (SystemKind.IAM, SystemKind.VAULT)
    runs = [
        [
            replace(event, system=f"system-{place % 3}", system_kind=kinds[place % 2])
            for place, event in enumerate(run)
            if isinstance(event, Operation)
        ]
        for run in honest_runs(40)
    ]
    told = Recorded(Policy())
    for run in runs:
        for event in run:
            told.add(msgspec.json.encode(event))
    honest = [each.run.operations for each in told.told()]
    whole = {(run[0].workflow, run[0].session): run for run in runs}
    assert {run[0].agent_role for run in honest} == {FAST, SLOW, RARE, CLERK, ROTATOR}
    same = [whole[run[0].workflow, run[0].session] for run in honest]
    assert learn(honest, {})[1] == learn(same, {})[1]


def facts(place: int) -> list[Fact]:
    """As many of them as an event may have, others for the next."""
    every = list(Fact)
    return [every[(place + k) % len(every)] for k in range(min(20, len(every)))]


@pytest.mark.slow
def test_learning_misses_nothing_of_what_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From whole events, with every fact and label there is, the same is learned."""
    told = (msgspec.json.decode(line) for line in history(40, 2, 2))
    lines = [
        msgspec.json.encode(
            {
                **event,
                "system": f"system {place % 7}",
                "system_kind": ("iam", "ci", "vault")[place % 3],
                "on_behalf_of": f"person {place % 5}",
                "act": f"act {place // 2}",
                "facts": {fact: f"{fact} {place % 11}" for fact in facts(place)},
            }
        )
        for place, event in enumerate(told)
    ]
    train(lines, Policy(), tmp_path / "kept", SIGNER)
    monkeypatch.setattr(teaching, "compact", lambda event, _names, _run: event)
    train(lines, Policy(), tmp_path / "whole", SIGNER)
    assert (tmp_path / "kept").read_bytes() == (tmp_path / "whole").read_bytes()


@at_leisure
@pytest.mark.timeout(900)
@pytest.mark.parametrize("origins", [0, 2])
def test_a_million_events_are_learned_in_a_minute_and_two_gigabytes(tmp_path: Path, origins: int) -> None:
    """On one core, with and without origins on every operation."""
    told, out = tmp_path / "events.ndjson", tmp_path / "baseline.json"
    with told.open("wb") as file:
        file.writelines(line + b"\n" for line in history(50_000, 1_000, origins))
    command = [str(Path(sys.executable).with_name("chainbrake")), "train", str(told), "--out", str(out)]
    plain = {name: value for name, value in os.environ.items() if not name.startswith("CHAINBRAKE_")}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env=plain
    )  # what asks for figures is no setting
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    print(f"{usage.ru_maxrss * 1024 / 1e9:.2f} GB, {usage.ru_utime + usage.ru_stime:.1f} s of CPU")  # noqa: T201
    assert usage.ru_maxrss * 1024 < 2e9
    assert usage.ru_utime + usage.ru_stime < 60
