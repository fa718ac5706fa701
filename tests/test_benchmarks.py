"""The benchmarks' traffic is the same each time, and its chains are exactly those that are stopped."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from benchmarks.builds import compared
from benchmarks.chains import copied, deafened
from benchmarks.deployment import FIRST_CUT, only
from benchmarks.digest import Digest
from benchmarks.judge import fold_of
from benchmarks.records import RECORD_BYTES, RECORDS, padded
from benchmarks.sigma import RULES, by_hand
from benchmarks.traffic import Traffic, partition_of
from detectors.catalog import Knowledge, detectors
from detectors.chains.hosted import Declared
from detectors.policy import BudgetSettings, Policy
from models.cloudevent import read_line
from models.command import Action
from models.event import OpClass
from models.registry import EMPTY
from stream.configuration.rule_files import load_declared
from stream.configuration.settings import load_policy
from stream.offline.replay import Replay
from stream.sources.known import source_of

START_MS = 1_790_000_000_000
EVENTS = 20_000


def traffic(seed: int = 5) -> Traffic:
    """Some agents, and a chain every 2,000 events."""
    return Traffic(seed=seed, start_ms=START_MS, live=400, per_s=200, events_per_chain=2_000)


def test_the_same_seed_gives_the_same_bytes() -> None:
    """A figure can only be compared with yesterday's if the events are yesterday's."""
    assert list(traffic().events(EVENTS)) == list(traffic().events(EVENTS))
    assert list(traffic().events(100)) != list(traffic(seed=6).events(100))


def test_a_range_is_told_in_the_unit_of_its_column() -> None:
    """Of what an event cost, microseconds: a thousandth of them looked like another measurement."""
    digests = [
        Digest(fold="pure", events=1, findings=0, commands=0, digest="d", us=us)
        for us in (160.0, 162.4, 171.0)
    ]
    rows, _ = compared({"pure": digests}, {"pure": [5_000.0, 6_250.0]})
    assert [row[2:4] for row in rows] == [("162.4", "160.0-171.0"), ("180.0", "160.0-200.0")]


@pytest.mark.slow
def test_exactly_the_known_chains_are_stopped() -> None:
    """Each under the id that was known beforehand; nobody honest is."""
    made = traffic()
    lines = [value for _, value in made.events(EVENTS)]
    policy = replace(Policy(), budget=BudgetSettings(stops_per_minute_max=1_000_000))
    rows = list(Replay(policy, None).rows(lines))
    killed = {row["event_id"]: row["id"] for row in rows if row.get("action") == Action.KILL_SESSION}
    assert len(killed) >= 9
    assert killed == made.chains


@pytest.mark.slow
def test_sigma_rules_find_what_is_found_by_hand(tmp_path: Path) -> None:
    """A chain of three steps and a rate, in milliseconds: nothing more, nothing less."""
    rules, policy = tmp_path / "rules.yml", tmp_path / "policy.yaml"
    rules.write_text(RULES)
    policy.write_text(only(()))
    obeyed = load_policy(str(policy))
    made = Traffic(seed=5, start_ms=START_MS, live=300, per_s=150, events_per_chain=0)
    lines = [value for _, value in made.events(EVENTS)]
    replay = Replay(obeyed, None, "events", EMPTY, load_declared(obeyed, "", str(rules)))
    found = {
        (row["detector"].removeprefix("sigma:"), row["session"])
        for row in replay.rows(lines)
        if row["kind"] == "finding"
    }
    expected = by_hand(lines, 1)
    assert len({rule for rule, _ in expected}) == 2
    assert found == expected


def test_events_are_as_long_as_recorded_ones() -> None:
    """A rate means nothing without the size of what was counted."""
    lengths = [len(value) for _, value in traffic().events(5_000)]
    assert 280 <= sum(lengths) / len(lengths) <= 360


def test_chains_of_the_benchmark_are_fed_or_not_as_it_says() -> None:
    """The deaf ones wait for the same classes; the others keep registers of their own."""
    policy = Policy()
    chains = load_declared(policy).chains
    fed = Declared((*chains, *(copied(chain, 1) for chain in chains)))
    deaf = Declared(tuple(deafened(copied(chain, 1)) for chain in chains))
    events = [read_line(value) for _, value in traffic().events(2_000)]

    def kept(declared: Declared) -> set[str]:
        return {
            name for workflow in fold_of(policy, None, declared)(events).values() for name in workflow.tracks
        }

    assert not kept(deaf)
    built_in = {chain.name for chain in chains} & kept(fed)
    assert built_in
    assert kept(fed) == built_in | {f"{name}_1" for name in built_in}


def test_the_first_cut_is_the_five_detectors_alone(tmp_path: Path) -> None:
    """And no chain but the one that is a detector."""
    path = tmp_path / "first_cut.yaml"
    path.write_text(only(FIRST_CUT))
    policy = load_policy(str(path))
    active = detectors(policy, Knowledge(None, EMPTY, load_declared(policy)))
    assert {detector.name for detector in active} == set(FIRST_CUT)


def test_a_workflow_stays_on_its_partition() -> None:
    """And all partitions get some."""
    assert {partition_of(f"w-{n}", 4) for n in range(100)} == {0, 1, 2, 3}
    assert partition_of("w-1", 4) == partition_of("w-1", 4)


@pytest.mark.parametrize("source", RECORDS)
def test_every_normaliser_is_measured_on_records_that_it_reads(source: str) -> None:
    """A rate of refusals is none; 2 kB each, and of a class that is known."""
    assert RECORDS[source]
    for record in RECORDS[source]:
        content = padded(record)
        assert len(content) == RECORD_BYTES
        found = source_of(source).normalise(content)
        assert found
        assert all(getattr(each.event, "op_class", None) is not OpClass.UNCLASSIFIED for each in found)
