"""How many records a second does each source's normaliser read on one core, beside JSON alone?

Records of 2 kB, half of them reads and half changes. The peers get the same bytes in the same round: msgspec
and the standard library make objects of all of a record and know nothing of it.
"""  # noqa: D400 - it opens with its question

import json
import time
from collections.abc import Callable

import msgspec

from benchmarks.deployment import Ground
from benchmarks.records import RECORD_BYTES, RECORDS, padded
from benchmarks.report import Report, Size, middle, thousands
from stream.sources.known import source_of

TO_REACH = {"aws.cloudtrail": 40_000}
"""Records a second."""
PASSES = 40
"""Of the events of a benchmark's size that one lane reads per round, one in so many."""


def run(_ground: Ground, size: Size) -> Report:
    """Every source in turn, beside its peers, in each round."""
    records = max(1_000, size.events // PASSES)
    rates: dict[str, list[list[float]]] = {}
    for _ in range(size.rounds):
        for source, records_of in RECORDS.items():
            normalise, given = source_of(source).normalise, [padded(record) for record in records_of]
            lanes: tuple[Callable[[bytes], object], ...] = (normalise, msgspec.json.decode, json.loads)
            rates.setdefault(source, []).append([_rate(lane, given, records) for lane in lanes])
    medians = {source: [middle(lane) for lane in zip(*each, strict=True)] for source, each in rates.items()}
    return Report(
        title="Normalising",
        question=(__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " "),
        columns=("source", "records/s", "msgspec to objects", "json.loads", "of msgspec"),
        rows=[
            (source, thousands(ours), thousands(objects), thousands(standard), f"{ours / objects:.2f} x")
            for source, (ours, objects, standard) in medians.items()
        ],
        answers=[
            f"{source}: {thousands(medians[source][0])} records/s (to reach: {thousands(rate)})"
            for source, rate in TO_REACH.items()
        ],
        notes=[
            f"records of {RECORD_BYTES:,} bytes, {records:,} a lane, medians of {size.rounds} rounds",
            "processor time of one process; nothing is resolved, judged or sent",
        ],
    )


def _rate(lane: Callable[[bytes], object], given: list[bytes], records: int) -> float:
    """Records per second of processor time, the caches warm."""
    for record in given:
        lane(record)
    turns = range(records // len(given))
    began_s = time.process_time()
    for _ in turns:
        for record in given:
            lane(record)
    return len(turns) * len(given) / (time.process_time() - began_s)
