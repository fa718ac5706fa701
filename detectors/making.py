"""What a session made itself: to work on that takes nothing from anybody.

A run of infrastructure code makes roles, their policies and secrets, reads what it has just written and
takes it all away again: by its operations alone it looks like an attack. What tells them apart is whose the
things are, by the record of their making, not by a name. A thing that was given administrative rights counts
as made no more. A session that was refused something is not believed, nor is any in a workflow that has
read somebody else's secret.
"""

from models.event import OK, SECRET_READ, Grade, OpClass, Operation
from models.session import Session, Workflow, called, known_by, remembered

MADE_MAX = 128
"""Per session; what was made first gives way, and then counts as somebody else's."""
TOOK_MAX = 16
MORE = ""
"""Stands for all secrets beyond those: it is never found to be the session's own."""


def made(session: Session, event: Operation) -> None:
    """Remember what an operation brought into being; only the platform's own record says so."""
    if event.outcome is not OK or event.grade is not Grade.ATTESTED or not event.target:
        return
    thing = _thing(event)
    remembered(session.made, thing, MADE_MAX)
    read_ms = session.took.get(thing)
    if read_ms is not None and known_by(event.at_ms, read_ms):  # records of one second come in any order
        del session.took[thing]
        secret = f"{event.target_kind}:{event.target}"
        if secret in session.secrets:
            session.secrets.remove(secret)


def given_much(session: Session, event: Operation) -> None:
    """A thing that was made strong is a danger, whoever made it."""
    thing = _thing(event)
    if thing in session.made:
        session.made.remove(thing)


def took(session: Session, event: Operation) -> None:
    """Remember that a secret was read which the session did not write itself."""
    if event.outcome is OK:
        more = len(session.took) >= TOOK_MAX
        session.took.setdefault(MORE if more else _thing(event), event.at_ms)


def is_made(session: Session, event: Operation) -> bool:
    """Whether the session made what it reaches."""
    return bool(session.made) and event.grade is Grade.ATTESTED and _thing(event) in session.made


def is_written(session: Session, event: Operation) -> bool:
    """Whether a secret that is read is one which the session wrote itself; else it took one."""
    own = is_made(session, event)
    if event.op_class is SECRET_READ and not own:
        took(session, event)
    return own


def is_own(workflow: Workflow, session: Session, event: Operation) -> bool:
    """Whether it reaches only what the session made, in a workflow that took nothing from others.

    A log or guard rail concerns others, whoever made it.
    """
    if event.op_class is OpClass.GUARDRAIL_CHANGE or not is_made(session, event):
        return False
    if any(step.session == session.id for step in workflow.denied):
        return False
    return not any(known.took for known in workflow.sessions.values())


def _thing(event: Operation) -> str:
    return f"{event.target_kind}:{called(event.target)}"
