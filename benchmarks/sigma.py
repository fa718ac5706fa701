"""How fast are two Sigma rules executed, beside rsigma on the same file, and do both find the same?

The rules are a chain of three steps in order and a rate, both per session. `chainbrake replay` has its own
detectors off; what it still does, and rsigma does not, is all that a replay does: check every event, remember
its session, and drop what comes twice.
"""  # noqa: D400 - it opens with its question

import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.deployment import PEERS_PYTHON, Ground, only, processor_s
from benchmarks.report import Report, Size, middle, spread, thousands
from benchmarks.traffic import Traffic
from models.cloudevent import read_line
from models.event import OpClass, Operation

CHAIN, RATE = "read_then_grant", "many_reads"
STEPS = (OpClass.DISCOVERY, OpClass.POLICY_READ, OpClass.PRIVILEGE_CHANGE)
READS_MIN = 15
TIMESPAN_MS = 60_000
RULES = f"""\
title: Roles were listed
id: 4f1d2a52-6a0e-4c3c-9a52-0b7f3f0a9b01
name: listed
logsource: {{product: chainbrake}}
detection:
  listed: {{op_class: discovery}}
  condition: listed
---
title: A policy was read
id: 4f1d2a52-6a0e-4c3c-9a52-0b7f3f0a9b02
name: policy_read
logsource: {{product: chainbrake}}
detection:
  read: {{op_class: policy_read}}
  condition: read
---
title: A right was granted
id: 4f1d2a52-6a0e-4c3c-9a52-0b7f3f0a9b03
name: granted
logsource: {{product: chainbrake}}
detection:
  granted: {{op_class: privilege_change}}
  condition: granted
---
title: Listed, read, then granted
id: 4f1d2a52-6a0e-4c3c-9a52-0b7f3f0a9b04
name: {CHAIN}
correlation:
  type: temporal_ordered
  rules: [listed, policy_read, granted]
  group-by: [session]
  timespan: 60s
---
title: Many policies read in a minute
id: 4f1d2a52-6a0e-4c3c-9a52-0b7f3f0a9b05
name: {RATE}
correlation:
  type: event_count
  rules: [policy_read]
  group-by: [session]
  timespan: 60s
  condition: {{gte: {READS_MIN}}}
"""
TITLES = {"Listed, read, then granted": CHAIN, "Many policies read in a minute": RATE}
OURS, PEER = "chainbrake replay", "rsigma engine eval"


class Ran(NamedTuple):
    """One run of one engine."""

    rate: float
    """Events per second of processor time, start-up taken off."""
    found: Counter[tuple[str, str]]
    """How often each rule matched in each session."""


def run(ground: Ground, size: Size) -> Report:
    """Both on the same file in each round."""
    events = max(size.events, 60_000) * 5 // 3
    traffic = Traffic(seed=5, start_ms=int(time.time() * 1000) - events, events_per_chain=0)
    full, one = ground.folder / "sigma.ndjson", ground.folder / "sigma-one.ndjson"
    lines = [value for _, value in traffic.events(events)]
    full.write_bytes(b"\n".join(lines))
    one.write_bytes(lines[0])
    rules = ground.folder / "two-rules.yml"
    rules.write_text(RULES)
    (ground.folder / "silent.yaml").write_text(only(()))
    peer = rsigma()
    ours = [_ours(ground, rules, full, one, events) for _ in range(size.rounds)]
    theirs = [_theirs(peer, rules, full, one, events) for _ in range(size.rounds)] if peer else []
    return _report(ours, theirs, (by_hand(lines, 1), by_hand(lines, 1_000)), events, traffic.sessions)


def by_hand(lines: list[bytes], unit_ms: int) -> set[tuple[str, str]]:
    """What must be found, by trying all there is: (rule, session), in time told in units of so many ms.

    In whole seconds two operations of one second are in any order, and a minute is up to 999 ms longer.
    """
    acts: dict[str, list[tuple[int, str]]] = {}
    for line in lines:
        event = read_line(line)
        if isinstance(event, Operation):
            acts.setdefault(event.session, []).append((event.at_ms // unit_ms, event.op_class))
    found = set[tuple[str, str]]()
    span = TIMESPAN_MS // unit_ms
    for session, told in acts.items():
        when = {step: [at for at, op_class in told if op_class == step] for step in STEPS}
        listed, read, granted = when.values()
        if any(a <= b <= c <= a + span for c in granted for b in read for a in listed):
            found.add((CHAIN, session))
        if any(last - first <= span for first, last in zip(read, read[READS_MIN - 1 :], strict=False)):
            found.add((RATE, session))
    return found


def rsigma() -> str | None:
    """The peer's program: in the peers' environment, or on the path."""
    beside = PEERS_PYTHON.with_name("rsigma")
    return str(beside) if beside.exists() else shutil.which("rsigma")


def _ours(ground: Ground, rules: Path, full: Path, one: Path, events: int) -> Ran:
    chainbrake = str(Path(sys.executable).with_name("chainbrake"))
    command = [chainbrake, "replay", "--json", "--policy", str(ground.folder / "silent.yaml")]
    command += ["--sigma", str(rules)]
    idle_s, _ = processor_s([*command, one], ground.folder)
    busy_s, said = processor_s([*command, full], ground.folder)
    rows = (msgspec.json.decode(line) for line in said.splitlines())
    found = Counter(
        (row["detector"].removeprefix("sigma:"), row["session"]) for row in rows if row["kind"] == "finding"
    )
    return Ran(events / (busy_s - idle_s), found)


def _theirs(peer: str, rules: Path, full: Path, one: Path, events: int) -> Ran:
    command = [peer, "engine", "eval", "-r", str(rules), "--no-detections", "--timestamp-field", "at_ms"]
    command += ["--output-format", "ndjson", "-e"]
    idle_s, _ = processor_s([*command, f"@{one}"], one.parent)
    busy_s, said = processor_s([*command, f"@{full}"], one.parent)
    rows = [msgspec.json.decode(line) for line in said.splitlines() if line.startswith(b"{")]
    return Ran(events / (busy_s - idle_s), Counter(found for row in rows if (found := _told(row))))


def _told(row: dict[str, Any]) -> tuple[str, str] | None:
    """The rule and the session of a match; lines that tell of nothing matched have neither."""
    rule = TITLES.get(row.get("rule_title", ""))
    if rule is None:
        return None
    return rule, str(dict(row["group_key"])["session"])


def _report(
    ours: list[Ran],
    theirs: list[Ran],
    by_hand: tuple[set[tuple[str, str]], set[tuple[str, str]]],
    events: int,
    sessions: int,
) -> Report:
    rows = [_row(OURS, ours), *([_row(PEER, theirs)] if theirs else [])]
    rows += [
        (name, "", "", *(f"{sum(rule == one for one, _ in found):,}" for rule in (CHAIN, RATE)))
        for name, found in zip(("by hand, in milliseconds", "by hand, in seconds"), by_hand, strict=True)
    ]
    answers = [
        f"{thousands(middle(ran.rate for ran in ours))} events/s of one core with two rules",
        f"chainbrake differs from what is found by hand in {len(set(ours[0].found) ^ by_hand[0])} sessions",
    ]
    if theirs:
        ratio = middle(ran.rate for ran in ours) / middle(ran.rate for ran in theirs)
        answers.append(f"{ratio:.2f} x rsigma")
        answers += [_agreement(set(ours[0].found), set(theirs[0].found), rule) for rule in (CHAIN, RATE)]
        answers.append(
            f"rsigma differs from what is found by hand in whole seconds in "
            f"{len(set(theirs[0].found) ^ by_hand[1])} sessions"
        )
    return Report(
        title="Two Sigma rules, two engines",
        question=(__doc__ or "").split("\n\n", maxsplit=1)[0].replace("\n", " "),
        columns=("engine", "events/s", "range (k)", f"{CHAIN}: sessions (matches)", f"{RATE}: the same"),
        rows=rows,
        answers=answers,
        notes=[
            f"{events:,} events, {sessions:,} sessions; processor time without start-up",
            "rsigma counts in whole seconds: operations of one second are in any order, minutes are longer",
            "rsigma tells of every event that completes a match, chainbrake of a session once",
            "rsigma prints detections, too, which costs it time; it keeps no session and checks no field",
            *([] if theirs else ["rsigma was not at hand: `make bench` installs it where cargo is"]),
        ],
    )


def _row(name: str, lane: list[Ran]) -> tuple[str, ...]:
    rates = [ran.rate for ran in lane]
    return (
        name,
        thousands(middle(rates)),
        spread(rates),
        *(_sessions(lane[0], rule) for rule in (CHAIN, RATE)),
    )


def _sessions(ran: Ran, rule: str) -> str:
    matches = [count for (name, _), count in ran.found.items() if name == rule]
    return f"{len(matches):,} ({sum(matches):,})"


def _agreement(ours: set[tuple[str, str]], theirs: set[tuple[str, str]], rule: str) -> str:
    mine, his = ({session for name, session in found if name == rule} for found in (ours, theirs))
    return (
        f"{rule}: {len(mine & his):,} sessions found by both, {len(mine - his):,} by chainbrake alone, "
        f"{len(his - mine):,} by rsigma alone"
    )
