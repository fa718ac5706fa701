"""What changes if one baseline takes another's place: who is known, and how far limits move."""

from collections.abc import Mapping

from msgspec import UNSET, Struct

from models.baselines.baseline import Baseline
from models.baselines.cohorts import named
from models.baselines.joint import Joint
from models.baselines.pace import TAILS, level_of
from models.baselines.rates import HORIZONS_MS

UNITS = {"score": "bits", "shape": "oddness", "pace": "times", "haste": "bits", "resemblance": "bits"}
"""What limits are told in."""

MOVED_MIN = 0.1
"""Bits: a limit that moved by less is the same to whoever looks."""


Told = int | float | str | None


class Change(Struct, frozen=True):
    """One figure in both; null where it is not known."""

    what: str
    cohort: str
    """`everybody`, `agent NAME`, `role NAME` or `pair AGENT ROLE`."""
    old: float | None
    new: float | None


class Difference(Struct, frozen=True, kw_only=True):
    """From the old baseline to the new one."""

    old: str
    new: str
    header: dict[str, tuple[Told, Told]]
    """Field of the header: in the old, in the new."""
    gained: list[str]
    """Cohorts that only the new one knows."""
    lost: list[str]
    changes: list[Change]
    """Limits that moved, those that moved most first."""
    unmoved: int
    """Limits that did not."""


def difference(old: Baseline, new: Baseline, share: float, tail: float) -> Difference:
    """`share`: of honest sessions that may exceed a limit; `tail`: of honest peaks of pace."""
    before, after = (set(each.surprise.counts.sessions) for each in (old, new))
    changes = _limits(old, new, share) + _paces(old, new, tail)
    moved = [change for change in changes if _moved(change)]
    moved.sort(key=lambda change: (-_size(change), change.cohort, change.what))
    return Difference(
        old=old.version,
        new=new.version,
        header=_headers(old, new),
        gained=sorted(map(named, after - before)),
        lost=sorted(map(named, before - after)),
        changes=moved,
        unmoved=len(changes) - len(moved),
    )


def _headers(old: Baseline, new: Baseline) -> dict[str, tuple[Told, Told]]:
    told: dict[str, tuple[Told, Told]] = {}
    for field in ("sessions", "events", "from_ms", "to_ms", "feature_set", "data_digest"):
        pair = (getattr(old.header, field), getattr(new.header, field))
        if pair[0] != pair[1]:
            told[field] = pair
    for reason in sorted({*old.header.left_out, *new.header.left_out}):
        counts = (old.header.left_out.get(reason), new.header.left_out.get(reason))
        if counts[0] != counts[1]:
            told[f"left_out {reason}"] = counts
    was, now = _figures(old), _figures(new)
    for name in sorted({*was, *now}):
        if was.get(name) != now.get(name):
            told[name] = (was.get(name), now.get(name))
    return told


def _figures(baseline: Baseline) -> dict[str, float]:
    """By a name of their own each."""
    return {
        f"metrics {group} {name}": value
        for group, figures in baseline.header.metrics.items()
        for name, value in figures.items()
    } | _labelled(baseline)


def _labelled(baseline: Baseline) -> dict[str, float]:
    """What labels taught."""
    told = baseline.header.labelled
    if told is UNSET:
        return {}
    counts = {"sessions": told.sessions, "jobs": told.jobs, "goals": told.goals, "agents": len(told.agents)}
    auc = {} if told.auc is None else {"auc": told.auc}
    return {f"labelled {name}": value for name, value in {**counts, **auc}.items()}


def _limits(old: Baseline, new: Baseline, share: float) -> list[Change]:
    both = (old.surprise.counts.together, new.surprise.counts.together)
    changes = []
    labelled = any(each.resemblance is not None for each in (old, new))
    for name, unit in UNITS.items():
        if name == "resemblance" and not labelled:
            continue
        for part, seen in (("known", ""), ("new", ", jobs never seen")):
            mine, theirs = (getattr(each, part) for each in both)
            changes += [
                Change(
                    f"{name} limit ({unit}){seen}",
                    named(key),
                    _limit(mine, key, share, name),
                    _limit(theirs, key, share, name),
                )
                for key in sorted({*mine, *theirs})
            ]
    return changes


def _limit(joints: Mapping[str, Joint], key: str, share: float, name: str) -> float | None:
    found = joints.get(key)
    limit: float | None = getattr(found.limits(share), name) if found is not None else None
    return limit


def _paces(old: Baseline, new: Baseline, tail: float) -> list[Change]:
    mine, theirs, level = old.pace.cohorts, new.pace.cohorts, level_of(tail)
    changes = []
    both = [key for key in mine if key in mine and key in theirs]  # named, and read: not each can be
    for key in sorted(both):
        for op_class, before in sorted(mine[key].rate_limits.items()):
            after = theirs[key].rate_limits[op_class]
            for horizon_ms, was, now in zip(HORIZONS_MS, before[level], after[level], strict=True):
                what = f"{op_class} in {horizon_ms // 1000} s (count, 1 in {1 / TAILS[level]:.0f})"
                changes.append(Change(what, named(key), was, now))
    return changes


def _moved(change: Change) -> bool:
    return change.old != change.new and (None in (change.old, change.new) or _size(change) >= MOVED_MIN)


def _size(change: Change) -> float:
    """How far it moved; one that was not known or is not any more comes last, below what moved."""
    if change.old is None or change.new is None:
        return 0.0
    return abs(change.new - change.old)
