"""What made a session surprising at one event, in words."""

from models.event import Operation, Origin
from models.session import Session

SHOWN_MAX = 3
"""Arguments, sources and operations before it that are named."""


def why(session: Session, event: Operation) -> str:
    """About the event that was folded in last."""
    if session.repeated > session.origins + session.surprise:
        times = session.repeats.get(session.symbols[-1], 0)
        often = "" if times == 1 else f" {times} times"
        return f"{event.operation}{often}, as few honest sessions do: {session.repeated:.1f} bits"
    before = [symbol.partition("|")[0] for symbol in session.symbols[:-1]][-SHOWN_MAX:]
    path = f"after {', '.join(before)}" if before else "as the first operation"
    sequence = f"{event.operation} {path}: {session.surprise:.1f} bits of sequence"
    if session.origins <= 0.0:
        return sequence
    told = [each for each in event.provenance if each.origin is Origin.TOOL]
    names = list(dict.fromkeys(each.argument for each in told))[:SHOWN_MAX]
    results = session.results
    sources = list(dict.fromkeys(results.get(each.source_event, "an unknown call") for each in told))
    return (
        f"{sequence}; {', '.join(names)} out of what {', '.join(sources[:SHOWN_MAX])} returned: "
        f"{session.origins:.1f} bits of origins"
    )
