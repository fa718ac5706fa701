"""What chainbrake finds in recordings of others, and what it wrongly stops: `python -m benchmarks.scorecard`.

Nothing here is tuned to a recording: the policy is the default one, and what is learned is learned from the
history that a corpus brings with it.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import monotonic

from benchmarks.attacks import invictus, otrf, panther, stratus
from benchmarks.benign import agentdojo, taubench
from benchmarks.corpora import shared
from benchmarks.learned import agent_runs, blocks, scenarios_learned
from benchmarks.report import Report, markdown
from benchmarks.scenarios import history, scenarios

INTRODUCTION = """\
# Scorecard

Made by `make scorecard`, with the default policy. The recordings are not part of this repository; where one
is absent, its table says so. What each is, and its licence, stands in `PROVENANCE.md` beside them.
"""
NOT_MEASURED = """\
## What was not measured

- **Whole deployments.** No recording here is of real agents on real platforms with a known truth: the
  scenarios are invented, Stratus and Invictus are attacks without agents, AgentDojo and tau-bench are agents
  without platforms and without times.
- **What a stop hits.** Commands are counted as ordered; how fast they take effect is in
  [benchmarks.md](benchmarks.md).
- **Other attackers.** Nobody here tried to get around these detectors knowing them.
- **Hijacked agents that touch identities.** AgentDojo's attacks change what an agent does with its tools,
  mostly not identities: what is learned is measured on them, the rules are not.
- **Long habits.** History covers two weeks; whether baselines stay right over months is not known.
"""

Section = Callable[[Path], Report]

SECTIONS: dict[str, tuple[str, Section]] = {
    "scenarios": ("scenarios/index.json", scenarios),
    "learned": ("scenarios/history", scenarios_learned),
    "history": ("scenarios/history", history),
    "stratus": ("stratus/events.ndjson.gz", stratus),
    "invictus": ("invictus_aws/events.ndjson.gz", invictus),
    "otrf": ("otrf/aad_audit_golden_saml.ndjson.gz", otrf),
    "panther": ("panther/tests.ndjson.gz", panther),
    "taubench": ("taubench/events.ndjson.gz", taubench),
    "agentdojo": ("agentdojo/events.ndjson.gz", agentdojo),
    "agent_runs": ("agentdojo_provenance/sessions.ndjson.gz", agent_runs),
    "hdfs": ("hdfs/train_normal.ndjson.gz", blocks),
}
"""Name: what it needs below `shared/data`, and the table it makes."""


def page(data: Path | None, names: Iterable[str]) -> str:
    """The whole page; a section whose recordings are absent says so."""
    return "\n".join([INTRODUCTION, *_sections(data, names), NOT_MEASURED])


def _sections(data: Path | None, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        needs, section = SECTIONS[name]
        began_s = monotonic()
        if data is None or not (data / needs).exists():
            yield f"## {name}\n\nNot measured: `shared/data/{needs}` is not beside the repository.\n"
            continue
        yield markdown(section(data))
        print(f"{name}: {monotonic() - began_s:.0f} s", flush=True)


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scorecard", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*SECTIONS, []], metavar="NAME", help=", ".join(SECTIONS))
    parser.add_argument("--write", type=Path, help="write the page to this file")
    options = parser.parse_args()
    text = page(shared(), options.names or SECTIONS)
    print(text)
    if options.write:
        options.write.write_text(text)


if __name__ == "__main__":
    main()
