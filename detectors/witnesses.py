"""Who told of an act before: one operation may have several witnesses, and is counted once.

An agent tells of a call before the platform does, and often neither says what was called nor on what. Those
who count by name hear the act when somebody names it; whoever counts acts has heard it with the first.
"""

from typing import Final

from models.event import Grade, OpClass, Operation
from models.session import ACTS_MAX, Session, remembered

FIRST: Final = 0
"""Nobody told of it before."""
NAMED: Final = 1
"""It was told of before, but only now somebody says what it was, and on what."""
AGAIN: Final = 2
"""All of it was told before."""

ATTESTED: Final = Grade.ATTESTED
SAY_NOTHING: Final = frozenset({OpClass.UNCLASSIFIED, OpClass.OTHER})


def told_before(session: Session, event: Operation) -> int:
    """Whether another source has told of the act, which has a key, and as plainly."""
    act = event.act
    if not remembered(session.acts, act, ACTS_MAX):
        if session.unnamed and act in session.unnamed and _names(event):
            session.unnamed.remove(act)
            return NAMED
        return AGAIN
    if not _names(event):
        session.unnamed.append(act)
        if len(session.unnamed) > ACTS_MAX:
            del session.unnamed[0]
    return FIRST


def _names(event: Operation) -> bool:
    """The platform's record does, of whatever class it is known to be; a claim with a class and a target."""
    if event.grade is ATTESTED:
        return event.op_class is not OpClass.UNCLASSIFIED
    return bool(event.target) and event.op_class not in SAY_NOTHING
