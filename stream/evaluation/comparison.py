"""The same sessions under two baselines: which change sides, and what that does to the figures."""

from collections.abc import Iterator, Sequence

from models.baselines.baseline import Baseline
from stream.evaluation.evaluation import AtBudget, Comparison, Curves, Delta, Moved
from stream.evaluation.sessions import Session

MOVED_MAX = 50
Pair = tuple[Session, Session]


def compared(
    baseline: Baseline,
    live: Baseline,
    curves: tuple[Curves, Curves],
    budgets: tuple[list[AtBudget], list[AtBudget]],
    pairs: Sequence[Pair],
    budget: float,
) -> Comparison:
    """This baseline's figures first, then the live one's."""
    moved = [pair for pair in pairs if bool(pair[0].alarm(budget)) != bool(pair[1].alarm(budget))]
    moved.sort(key=lambda pair: (-abs(pair[0].score - pair[1].score), pair[0].name))
    both = sum(bool(ours.alarm(budget)) and bool(theirs.alarm(budget)) for ours, theirs in pairs)
    only_this = sum(bool(ours.alarm(budget)) for ours, _ in moved)
    return Comparison(
        live=live.version,
        both=both,
        only_this=only_this,
        only_live=len(moved) - only_this,
        neither=len(pairs) - both - len(moved),
        moved=[_moved(pair, budget) for pair in moved[:MOVED_MAX]],
        deltas=list(_deltas(curves, budgets)),
        roc=curves[1].roc,
        features_match=baseline.header.feature_set == live.header.feature_set,
    )


def _moved(pair: Pair, budget: float) -> Moved:
    ours, theirs = pair
    loud = ours if ours.alarm(budget) else theirs
    rise = loud.alarm_rise(budget)
    return Moved(
        session=ours.name,
        workflow=ours.workflow,
        kind=ours.kind or "",
        alarm=ours.alarm(budget),
        live_alarm=theirs.alarm(budget),
        score=ours.score,
        live_score=theirs.score,
        why=rise.why if rise is not None else "",
    )


def _deltas(curves: tuple[Curves, Curves], budgets: tuple[list[AtBudget], list[AtBudget]]) -> Iterator[Delta]:
    this, live = curves
    yield _delta("auc", this.auc, live.auc)
    yield _delta("average_precision", this.average_precision, live.average_precision)
    for ours, theirs in zip(this.at_rates, live.at_rates, strict=False):
        name = f"recall_at_{ours.rate:g}"
        yield _delta(name, ours.recall.share, theirs.recall.share)
    for mine, other in zip(*budgets, strict=True):
        name = f"budget_{mine.budget:g}"
        yield _delta(f"{name}_false_alarms", mine.false_alarms.share, other.false_alarms.share)
        yield _delta(f"{name}_recall", mine.recall.share, other.recall.share)
        yield _delta(f"{name}_alarms", mine.alarms.share, other.alarms.share)
        yield _delta(f"{name}_not_enough_seen", mine.not_enough_seen, other.not_enough_seen)


def _delta(figure: str, this: float | None, live: float | None) -> Delta:
    change = None if this is None or live is None else this - live
    return Delta(figure, this, live, change)
