"""Recorded sessions to a baseline file. Who may teach is said in `teaching.py`, and how much in `capped`."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

from msgspec import Struct

from detectors.policy import LearningSettings, Policy
from models.baselines.baseline import Baseline, Header, Share, encoded, signed_parts
from models.baselines.learning import learn
from models.baselines.resemblance_learning import Hijacked
from models.baselines.signing import Signer
from models.errors import InputError
from stream.evaluation.truth import Labels
from stream.learning.labelling import sorted_out
from stream.learning.teaching import NOBODY, LeftOut, Recorded, Teachers, Told, teachers
from stream.offline.scoring import Scorer
from stream.recordings.files import write_whole
from stream.recordings.recorded import Refused, placed
from stream.runs.recorded_run import RecordedRun

DAY_MS = 24 * 3_600_000

DAYS_MIN = 5
"""An agent seen on fewer days has no usual day yet."""

ODD = {"": NOBODY} | {
    score: frozenset({detector})
    for score, detector in (
        ("score", "unusual_provenance"),
        ("resemblance", "resembles_hijack"),
        ("shape", "unusual_shape"),
        ("pace", "unusual_velocity"),
    )
}
"""Who would have told of a whole recorded session, by the score that was exceeded first."""

DAY_SESSIONS_MIN = 10
"""On any day so many may teach: of an agent that runs once a day, a second and a third run are no flood."""

AGENTS_TOLD_MAX = 1_000
"""In the header; those of which something was left out come first, then those that taught most."""


class Trained(Struct, frozen=True):
    """What a training run leaves."""

    header: Header
    roles: dict[str, int]
    """Role: sessions that taught."""
    dead_letters: dict[str, int]
    first_refused: Refused | None = None
    """Of these the first."""


def train(
    lines: Iterable[bytes],
    policy: Policy,
    out: Path,
    signer: Signer,
    live: Baseline | None = None,
    labels: Labels | None = None,
) -> Trained:
    """Learn from lines of events, write the artifact. What `live` alarms on does not teach.

    `labels`: what is known of the sessions, to learn what resembles a hijack; None where nobody asked for it.
    Raises `InputError` if nothing is left to learn, or the artifact cannot be written.
    """
    recorded = Recorded(policy, live=live)
    for index, line in enumerate(lines):
        if line:
            recorded.add(line, index)
    if recorded.first_refused is not None:
        recorded.first_refused = placed(recorded.first_refused, lines)
    return train_recorded([recorded], policy, out, signer, labels)


def train_recorded(
    recordings: Iterable[Recorded],
    policy: Policy,
    out: Path,
    signer: Signer,
    labels: Labels | None = None,
) -> Trained:
    """Learn from recordings that know nothing of each other. Raises as `train` does."""
    told: list[Told] = []
    dead_letters: Counter[str] = Counter()
    first: Refused | None = None
    for recorded in recordings:
        told += recorded.told()
        dead_letters.update(recorded.dead_letters)
        first = first or recorded.first_refused
    known = sorted_out(told, labels)
    teaching = teachers(known.told, policy.learning.usual_share_min, policy.detectors.mass_secret_read)
    return _learned(teaching, dict(dead_letters), policy, out, signer, known.hijacked, first)


def train_runs(
    runs: Iterable[RecordedRun],
    policy: Policy,
    out: Path,
    signer: Signer,
    live: Baseline | None = None,
    labels: Labels | None = None,
) -> Trained:
    """Learn from whole sessions of another format, taken to be honest if `live` is not surprised by them.

    Raises as `train` does.
    """
    scorer = Scorer(live, policy.wrong_stops_per_1000_sessions / 1000) if live is not None else None
    empty, told = 0, list[Told]()
    for run in runs:
        if run.operations:
            told.append(Told(run, weak=ODD[scorer.run(run).alarm_by] if scorer is not None else NOBODY))
        else:
            empty += 1
    known = sorted_out(told, labels)
    teaching = teachers(known.told, policy.learning.usual_share_min)
    teaching.left_out.update({("", "empty"): empty} if empty else {})
    return _learned(teaching, {}, policy, out, signer, known.hijacked)


def _learned(
    teaching: Teachers,
    dead_letters: dict[str, int],
    policy: Policy,
    out: Path,
    signer: Signer,
    hijacked: Sequence[Hijacked] | None = None,
    refused: Refused | None = None,
) -> Trained:
    taught, capped_off = capped(teaching.runs, policy.learning)
    left_out = teaching.left_out
    left_out.update(capped_off)
    reasons = by_reason(left_out)
    if not taught:
        counted = {**reasons, **dead_letters}
        told = (
            ", ".join(f"{count} {reason}" for reason, count in counted.items())
            or "there is no operation in it"
        )
        first = f"; {refused.where}: {refused.detail}" if refused is not None else ""
        raise InputError(f"no session to learn from: {told}{first}")
    variants = [run.variant for run in taught]
    header, payload = learn(
        [run.operations for run in taught],
        reasons,
        variants if all(variants) else None,
        [run.answered_ms for run in taught],
        teaching.beyond,
        teaching.hasty,
        hijacked,
    )
    header.agents = shares(taught, left_out)
    content = encoded(payload)
    del payload  # as large as the file
    write_whole(out, *signed_parts(header, content, signer))
    roles = Counter(run.operations[0].agent_role for run in taught)
    return Trained(header, roles, dead_letters, refused)


def by_reason(left_out: LeftOut) -> dict[str, int]:
    """Over all agents."""
    reasons: Counter[str] = Counter()
    for (_, reason), count in left_out.items():
        reasons[reason] += count
    return dict(reasons)


def shares(taught: Iterable[RecordedRun], left_out: LeftOut) -> list[Share]:
    """Who contributed how much, and of whom was left out how much; what concerns nobody is not told."""
    sessions = Counter(run.operations[0].agent for run in taught)
    refused: dict[str, dict[str, int]] = defaultdict(dict)
    for (agent, reason), count in sorted(left_out.items()):
        if agent:
            refused[agent][reason] = count
    agents = sorted({*sessions, *refused}, key=lambda agent: (agent not in refused, -sessions[agent], agent))
    return [Share(agent, sessions[agent], refused.get(agent, {})) for agent in agents[:AGENTS_TOLD_MAX]]


def capped(runs: Sequence[RecordedRun], settings: LearningSettings) -> tuple[list[RecordedRun], LeftOut]:
    """At most so many sessions per source, agent and day, spread evenly over that day's.

    No more than `sessions_per_agent_day_max`, nor than `times_usual_day_max` its median day once `DAYS_MIN`
    days of it are known: a flood on one day, or on few, teaches no more than a busy day does.
    """
    agents: dict[tuple[str, str], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, run in enumerate(runs):
        first = run.operations[0]
        agents[first.source, first.agent][first.at_ms // DAY_MS].append(place)
    kept: list[int] = []
    off: LeftOut = Counter()
    for (_, agent), days in agents.items():
        most = settings.sessions_per_agent_day_max
        if len(days) >= DAYS_MIN:
            usual = median(map(len, days.values()))
            most = min(most, max(DAY_SESSIONS_MIN, int(settings.times_usual_day_max * usual)))
        for places in days.values():
            if len(places) <= most:
                kept += places
                continue
            kept += (places[k * len(places) // most] for k in range(most))
            off[agent, "cap:agent_day"] += len(places) - most
    return [runs[place] for place in sorted(kept)], off
