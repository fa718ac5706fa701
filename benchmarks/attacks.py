"""Recordings of attacks, and of others' rules against them."""

from collections import Counter
from pathlib import Path

from benchmarks.benign import judged
from benchmarks.corpora import SOURCES, STRATUS, by, labels_of, rule_tests
from benchmarks.report import Report
from models.command import STOPS
from stream.reference.coverage import tags_of

ROBOT = "automation_terraform"
"""Label of the automation that must be left alone."""


def stratus(data: Path) -> Report:
    """Each attack technique by itself."""
    files = by(data / "stratus" / "events.ndjson.gz", "technique")
    test = judged("aws.cloudtrail", files.items())
    table, tagged, noticed = [], 0, 0
    for run in test.runs:
        tags = {tag for finding in run.found for tag in finding.tags}
        wanted = STRATUS.get(run.file, ())
        hit = any(tag == want or tag == want.partition(".")[0] for tag in tags for want in wanted)
        noticed, tagged = noticed + bool(run.found), tagged + hit
        table.append(
            (
                run.file,
                str(run.events),
                ", ".join(dict.fromkeys(each.detector for each in run.found)) or "-",
                " or ".join(wanted) + (" yes" if hit else " no"),
                "yes" if run.stopped else "no",
            )
        )
    return Report(
        title="Stratus Red Team: attack techniques on AWS, one recording each",
        question="Is each technique noticed by rules alone, and does a finding carry its ATT&CK id?",
        columns=("technique", "events", "noticed by", "ATT&CK id among the tags", "stopped"),
        rows=table,
        answers=[
            f"noticed: {noticed} of {len(test.runs)}",
            f"id or its parent technique among the tags: {tagged} of {len(test.runs)}",
        ],
        notes=[
            "which ATT&CK ids a technique has was chosen by us (`benchmarks/corpora.py`)",
            "acts on machines, storage and networks alone are watched, never stopped",
        ],
    )


def invictus(data: Path) -> Report:
    """Attacks among automation, in one account."""
    path = data / "invictus_aws" / "events.ndjson.gz"
    labels = labels_of(path)
    content = [line for lines in by(path, "s").values() for line in lines]
    test = judged("aws.cloudtrail", [("invictus", _in_order(content))])
    (run,) = test.runs
    counts = Counter(labels.values())
    found = Counter(labels.get(finding.event_id, "?") for finding in run.found)
    stops = Counter(
        labels.get(command.event_id, "?") for _, command in run.commands if command.action in STOPS
    )
    table = [
        (label, str(count), str(found[label]), f"{1000 * found[label] / count:.1f}", str(stops[label]))
        for label, count in counts.most_common()
    ]
    return Report(
        title="Invictus: 55 minutes of an AWS account under attack",
        question="Are the attacker's operations noticed, and the automation's left alone?",
        columns=(
            "whose (our label, by user agent)",
            "events",
            "findings",
            "per 1,000 events",
            "stops ordered on them",
        ),
        rows=table,
        answers=[f"automation: {1000 * found[ROBOT] / counts[ROBOT]:.1f} findings per 1,000 events"],
        notes=[
            "one IAM user runs the automation, the console and the attacks: only its keys tell them apart",
            "nothing is registered, and there is no history: what is ordinary for this account is not known",
            "records of one second come in any order: a thing is taken to be made before it is changed",
        ],
    )


def otrf(data: Path) -> Report:
    """Small captures."""
    table = []
    for name, source in (
        ("ec2_proxy_s3_exfiltration", "aws.cloudtrail"),
        ("aad_audit_golden_saml", "entra.audit"),
    ):
        files = by(data / "otrf" / f"{name}.ndjson.gz", "label")
        test = judged(source, [(name, [line for lines in files.values() for line in lines])])
        (run,) = test.runs
        detectors = Counter(each.detector for each in run.found)
        table.append(
            (
                name,
                str(run.events),
                str(len(run.found)),
                ", ".join(f"{count} {each}" for each, count in detectors.items()) or "-",
                str(len(run.stopped)),
                ", ".join(f"{count} {why}" for why, count in test.dead_letters.items()) or "0",
            )
        )
    return Report(
        title="OTRF Security Datasets",
        question="What is noticed in two small captures of real attacks, by rules alone?",
        columns=("capture", "events", "findings", "by", "sessions stopped", "unreadable"),
        rows=table,
        answers=[],
        notes=["the S3 capture is reading and listing of objects: data, not identity"],
    )


def panther(data: Path) -> Report:
    """Others' rules: one record, and whether their rule must fire."""
    ours = {tag.partition(".")[0] for tags in tags_of().values() for tag in tags}
    counts: Counter[tuple[str, bool, bool]] = Counter()
    unread: Counter[str] = Counter()
    for test in rule_tests(data / "panther" / "tests.ndjson.gz"):
        if not test.techniques & ours:
            continue
        one = judged(SOURCES[test.log_type], [("one", [test.record])])
        if one.dead_letters:
            unread[test.log_type] += 1
            continue
        counts[test.log_type, test.expected, bool(one.runs[0].found)] += 1
    table = [
        (
            log_type,
            _fired(counts, log_type, expected=True),
            _fired(counts, log_type, expected=False),
            str(unread[log_type]),
        )
        for log_type in SOURCES
    ]
    return Report(
        title="Panther: unit tests of others' detection rules",
        question="On one record alone, what is noticed where a rule of theirs must fire, or must not?",
        columns=("log type", "noticed, must fire", "noticed, must not", "no record (fragments)"),
        rows=table,
        answers=[],
        notes=[
            "only rules for a technique that one of our detectors carries, and tests that need no mocks",
            "`must not` is said of that one rule: many of these records are another rule's true case",
            "commands in a pod, and a function's code replaced, are noticed on purpose, to be watched",
            "an attempt that was refused is noticed, too",
            "chains, speed and habits cannot show on one record: single operations are all that is measured",
        ],
    )


def _in_order(content: list[bytes]) -> list[bytes]:
    return sorted(content, key=lambda line: line[line.index(b'"eventTime"') :][:40])


def _fired(counts: Counter[tuple[str, bool, bool]], log_type: str, *, expected: bool) -> str:
    fired = counts[log_type, expected, True]
    return f"{fired}/{fired + counts[log_type, expected, False]}"
