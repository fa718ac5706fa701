"""How rightly the sources are read: `python -m benchmarks.corpus`, per log type, then mutated records.

"Right" is what the tests of each source say it is: the record's own fields, read by a second way that shares
nothing with the normaliser. The recordings are not part of this repository.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from benchmarks.corpora import REPOSITORY, SOURCES, TIMES, encoded, rows, shared
from benchmarks.report import Report, markdown
from models.errors import UnreadableEventError
from models.event import OpClass, Operation
from stream.sources.known import source_of
from tests.ingest import (
    test_aws_corpus,
    test_entra_corpus,
    test_gcp_corpus,
    test_github_audit,
    test_keycloak_admin,
    test_kubernetes_audit,
    test_okta_system_log,
)
from tests.ingest.saas import panther_records, scenario_records

VARIABLE = "TEST_MUTATIONS"
MUTATED = "else_anywhere or put_in_are_read or breaks_it or whatever_comes"
"""Names of the tests that are given mutated records, as pytest's `-k` reads them."""
WRITTEN = "as_they_are_written or as_it_is_written or corpora_are_read_right or read_as_they_say"
RESPECTS = {"actor", "operation", "outcome", "time", "target"}

INTRODUCTION = """\
# How rightly the sources are read

Made by `make corpus`. A record is right if actor, operation, outcome, time and, where it has one, target are
what the record's own fields say, read by the second way that is written down in the source's test: never by
the normaliser itself. Fragments, such as a hand-written sample without an operation, are counted apart.
Samples without a time are given one, as the tests do.
"""

Record = dict[str, Any]
Check = Callable[[Record, Operation], bool]


class Counted(Struct):
    """One log type of one recording."""

    source: str
    corpus: str
    records: int = 0
    fragments: int = 0
    right: int = 0
    classified: int = 0

    def row(self) -> tuple[str, ...]:
        """As a row of the table."""
        whole = max(self.records, 1)
        return (
            self.source,
            self.corpus,
            str(self.records),
            str(self.fragments),
            f"{100 * self.right / whole:.2f} %",
            f"{100 * self.classified / whole:.2f} %",
        )


def counted(
    source: str, corpus: str, records: Iterable[Record], right: Check, whole: Callable[[Record], bool] = bool
) -> Counted:
    """Read each record that is whole, and compare."""
    found = Counted(source, corpus)
    normalise = source_of(source).normalise
    for record in records:
        if not whole(record):
            found.fragments += 1
            continue
        try:
            (sighting,) = normalise(encoded(record))
        except (UnreadableEventError, ValueError):
            found.records += 1  # a whole record that is refused, or read as several, is not read right
            continue
        event = sighting.event
        if not isinstance(event, Operation):
            continue
        found.records += 1
        found.right += right(record, event)
        found.classified += event.op_class is not OpClass.UNCLASSIFIED
    return found


def _aws(record: Record, event: Operation) -> bool:
    return set(test_aws_corpus.judged(record, event)) >= RESPECTS


def _entra(record: Record, _event: Operation) -> bool:
    return test_entra_corpus._right(record)[0]  # noqa: SLF001 - the test's own check is what is asked for


def _gcp(record: Record, _event: Operation) -> bool:
    return test_gcp_corpus._right(record)[0]  # noqa: SLF001 - same


CHECKS: dict[str, Check] = {
    "github.audit": test_github_audit._right,  # noqa: SLF001 - same
    "keycloak.admin": test_keycloak_admin._right,  # noqa: SLF001 - same
    "kubernetes.audit": test_kubernetes_audit._right,  # noqa: SLF001 - same
    "okta.system_log": test_okta_system_log._right,  # noqa: SLF001 - same
}


def tables(data: Path) -> Iterator[Counted]:
    """Every log type of every recording whose check can be asked record by record."""
    for corpus, recorded in test_aws_corpus.CORPORA.items():
        yield counted("aws.cloudtrail", corpus, recorded(), _aws, test_aws_corpus.is_record)
    azure = test_entra_corpus._corpora()  # noqa: SLF001 - same
    yield counted("entra.audit", "scenarios and history (sign-ins, too), panther", azure, _entra)
    for corpus, records in _google(data).items():
        is_audit = test_gcp_corpus._is_audit  # noqa: SLF001 - same
        yield counted("gcp.audit", corpus, records, _gcp, is_audit)
    for source, right in CHECKS.items():
        yield counted(source, "scenarios, history", scenario_records(source), right)
    for log_type, dated, whole in SAMPLES:
        source = SOURCES[log_type]
        yield counted(source, "panther", map(dated, panther_records(log_type)), CHECKS[source], whole)


def _google(data: Path) -> dict[str, Iterable[Record]]:
    return {
        "scenarios, history": scenario_records("gcp.audit"),
        "gcp_fixtures": (row["event"] for row in rows(data / "gcp_fixtures" / "events.ndjson.gz")),
        "panther": panther_records("GCP.AuditLog"),
    }


def _github(record: Record) -> Record:
    timed = test_github_audit._timed(record)  # noqa: SLF001 - same
    return record if timed else record | TIMES["GitHub.Audit"]


SAMPLES: tuple[tuple[str, Callable[[Record], Record], Callable[[Record], bool]], ...] = (
    ("Okta.SystemLog", test_okta_system_log._dated, test_okta_system_log._complete),  # noqa: SLF001 - same
    ("GitHub.Audit", _github, lambda record: "actor" in record),
    ("Amazon.EKS.Audit", lambda record: TIMES["Amazon.EKS.Audit"] | record, lambda record: "verb" in record),
)
"""Log types of Panther's samples: how one without a time is given one, and which are whole."""


def read(data: Path) -> Report:
    """The table."""
    found = list(tables(data))
    records = sum(each.records for each in found)
    worst = min(found, key=lambda each: each.right / max(each.records, 1))
    return Report(
        title="Record by record",
        question="Does a record become an event that says what the record says, of a class that is known?",
        columns=("source", "recording", "records", "fragments", "right", "classified"),
        rows=[each.row() for each in found],
        answers=[
            f"{100 * sum(each.right for each in found) / max(records, 1):.2f} % of {records} records right",
            f"worst: {worst.source} of {worst.corpus}, {100 * worst.right / max(worst.records, 1):.2f} %",
        ],
        notes=[
            "vault.audit, otel.span and chainbrake.event are checked record by record in their tests, below",
            "ocsf has no recording here: only records written for its tests",
        ],
    )


def tested(count: int) -> Report:
    """The tests of the corpora and of mutated records, with `count` records in each of the latter."""
    with tempfile.TemporaryDirectory(prefix="chainbrake-corpus-") as name:
        out = Path(name) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--timeout", "0", f"--junitxml={out}"]
        command += ["-k", f"{MUTATED} or {WRITTEN}", "tests/ingest"]
        subprocess.run(
            command, cwd=REPOSITORY, env=os.environ | {VARIABLE: str(count)}, check=False, stdout=sys.stderr
        )
        cases = list(ET.parse(out).iter("testcase"))  # noqa: S314 - pytest has just written it for us
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return Report(
        title="Tests of the corpora and of mutated records",
        question=f"Is whatever comes read or refused? {count} mutated records in each test of that kind.",
        columns=("source", "test", "ended", "seconds"),
        rows=[_case(case) for case in cases],
        answers=[f"{len(cases) - len(failed)} of {len(cases)} passed or were skipped for want of recordings"],
        notes=[f"another number of mutated records: {VARIABLE}=200000 make corpus"],
    )


def _case(case: ET.Element) -> tuple[str, ...]:
    ended = next((word for word in ("failure", "error", "skipped") if case.find(word) is not None), "passed")
    module = case.attrib["classname"].rpartition(".")[2].removeprefix("test_")
    return module, case.attrib["name"].replace("|", " "), ended, f"{float(case.attrib['time']):.0f}"


def main() -> None:
    """Count, run, print, and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("--mutations", type=int, default=int(os.environ.get(VARIABLE, "20000")))
    parser.add_argument("--write", type=Path, help="write the page to this file")
    options = parser.parse_args()
    data = shared()
    first = (
        "Not measured: no recordings are beside the repository.\n" if data is None else markdown(read(data))
    )
    text = "\n".join([INTRODUCTION, first, markdown(tested(options.mutations))])
    print(text)
    if options.write:
        options.write.write_text(text)


if __name__ == "__main__":
    main()
