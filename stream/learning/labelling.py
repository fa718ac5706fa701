"""What labels make of recorded sessions: the hijacked ones teach what resembles them, and nothing else.

They are asked for (`train --labels`): a session that is labelled malicious never teaches what is honest, and
from its first bad act on what a hijack looks like; one that resisted an attack teaches neither. A label that
says benign lets nobody teach who may not anyway.
"""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from models.baselines.resemblance_learning import Hijacked
from stream.evaluation.truth import Kind, Labels, Truth
from stream.learning.teaching import DISPOSED, Told

UNKNOWN = "label:none"
"""Recordings that say of themselves what they are, and of this one nothing: cut short, or another thing."""


class SortedOut(Struct, frozen=True):
    """Sessions with what labels hold against them, and those that were hijacked."""

    told: list[Told]
    hijacked: list[Hijacked] | None
    """None where nobody asked for labels."""


def sorted_out(told: Iterable[Told], labels: Labels | None) -> SortedOut:
    """Whoever ran for weeks is told in parts, one after the other: the first bad act is in one of them."""
    if labels is None:
        return SortedOut(list(told), None)
    every, hijacked = list[Told](), list[Hijacked]()
    passed: Counter[tuple[str, str, str]] = Counter()
    for each in told:
        run, first = each.run, each.run.operations[0]
        key = (run.file, first.workflow, run.session)
        before = passed[key]
        passed[key] += len(run.operations)
        truth = labels.of(run)
        if truth is None and each.reason == DISPOSED:  # an analyst said so
            truth = Truth(Kind.MALICIOUS)
        reason = _reason(truth, labels)
        every.append(replace(each, reason=reason) if reason and each.reason != DISPOSED else each)
        if truth is not None and truth.kind is Kind.MALICIOUS and first.agent:
            first_bad = max(0, (truth.first_bad or 0) - before)
            if first_bad < len(run.operations):
                hijacked.append(Hijacked(run.operations, first_bad, truth.goal))
    return SortedOut(every, hijacked)


def _reason(truth: Truth | None, labels: Labels) -> str:
    """Why it does not teach what is honest; empty for nothing."""
    if truth is None:
        return UNKNOWN if labels.complete else ""
    return "" if truth.kind is Kind.BENIGN else f"label:{truth.kind}"
