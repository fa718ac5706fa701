"""Stories of what is learned from labels; all with the baseline of `tests/labelled.py`."""

from typing import Any

from msgspec.structs import replace

from models.event import Operation, Origin, Outcome
from tests.builders import Stories, asked, clerk_run, op, origin
from tests.labelled import in_the_text, job

_JOB: dict[str, Any] = {"agent_role": job(0)}
_NEW_JOB: dict[str, Any] = {"agent_role": "clerk-of-another-office"}
_BODY = in_the_text("s1")

FIRES: Stories = {
    "resembles_hijack": {
        "in a job that nobody has seen the recipient stood in the ticket's text": clerk_run(
            "s1", 1, _BODY, **_NEW_JOB
        ),
        "the same, after forty look-ups": [
            *(op("X", k, id=f"s1-{k}", session="s1", agent="agent-9", **_NEW_JOB) for k in range(40)),
            *clerk_run("s1", 1, _BODY, **_NEW_JOB),
        ],
    }
}

MUST_NOT: Stories = {
    "resembles_hijack": {
        "a clerk at work": clerk_run("s1", 2, **_JOB),
        "a clerk at work in a job that nobody has seen": clerk_run("s1", 2, **_NEW_JOB),
        "a job that is known: it is judged by what it does itself": clerk_run("s1", 2, _BODY, **_JOB),
        "the user named the recipient": clerk_run("s1", 2, asked("to"), **_NEW_JOB),
        "the agent made the recipient up": clerk_run("s1", 2, origin("to", Origin.UNSEEN), **_NEW_JOB),
        "the odd call failed": [
            replace(event, outcome=Outcome.ERROR) if event.id == "s1#3" else event
            for event in clerk_run("s1", 2, _BODY, **_NEW_JOB)
            if isinstance(event, Operation)
        ],
        "an agent of which nothing was labelled": clerk_run("s1", 2, _BODY, agent="agent-8", **_NEW_JOB),
        "nobody says where its arguments came from": [
            replace(event, provenance=())
            for event in clerk_run("s1", 2, _BODY, **_NEW_JOB)
            if isinstance(event, Operation)
        ],
    }
}
