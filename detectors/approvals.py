"""Whether a change was approved: that very change, by somebody else, after a human pause, once."""

import re
from functools import lru_cache

from detectors.naming import (
    NAMES_KEPT_MAX,
    same_operation,
    same_thing,
    stands_whole_in,
    subject,
)
from detectors.policy import ApprovalSettings
from detectors.steps import ANYBODY, OUTSIDER
from models.event import Grade, OpClass
from models.session import Step, Workflow, called, known_by
from models.words import Grant, Vouched

PAIRS = re.compile(r"->|[,:;|]+")
PARTS = re.compile(r"->|[,:;|\s]+")
PLAN_OPERATION = "pipeline.apply"
"""What an approval of a whole plan names as its operation; its target is the plan's hash."""
BRANCH = "@refs/heads/"
"""Before a branch's name, where it is written in full behind its repository."""
OPAQUE = re.compile(r"(?<=/)[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?=/|$)")
"""An id in a path, which nobody who approves would write."""
LET_IN = re.compile(r"(?<!\d)\d{12}(?!\d)|(?:https?://|oidc-provider/)[\w.-]+(?:/[\w.-]+)*")
"""An account or issuer in an approval of a trust: it names all that are let in, then, or it is of another."""
DASHED = re.compile(r"(?<!\d)(\d{4})-(\d{4})-(\d{4})(?!\d)")
"""An account as AWS shows it to people."""
TICKET = re.compile(r"/(?i:browse|changes?|incidents?|issues?|pulls?|requests?|tickets?|workitems)/[\w.-]+$")
"""The end of an address where a change is discussed, and which is no issuer's."""
OWN_ARN = re.compile(r"arn:[\w-]*:[\w-]*:[\w-]*:\d{12}:[\w/+=.@-]+")
ANYBODY_SAID = re.compile(r"\*|\b(?i:all(?:authenticated)?users|anybody|anyone|everybody|everyone)\b")
NOBODY = re.compile(
    r"[\W_]+|[A-Z][A-Z\d]*-\d+|(?i:(?:case|chg|cr|inc|prb|req|ritm|s?ctask|task|ticket)[-_#]?\d+"
    r"|p?t?\d+[dhm]|case|change|duration|eligible|permanent|reason|scope|temporary|tenant|ticket|until)"
)
"""What stands beside a role and is no one: a ticket's number, for how long, where, and words for these."""
WORDS = re.compile(r"[a-z]{6,}")
"""The words of an operation that could name a kind of thing; `add`, `update` and `to` do not."""
NAME_WHOLE_MIN = 8
"""A shorter name is looked for as a part only: it could stand in another by chance."""


def covering(workflow: Workflow, step: Step, settings: ApprovalSettings) -> Grant | None:
    """The grant that covers a step, or None. A reference in the event is a claim and proves nothing.

    Names are compared last: most approvals of a workflow are used up, and names cost most.
    """
    for grant in workflow.grants:
        if (
            _unused(grant, step)
            and _in_time(grant, step, settings)
            and is_for_session(grant.session, workflow, step.session)
            and is_about(grant.operation, grant.target, step)
            and _by_another(grant, workflow, step)
        ):
            return grant
    return None


def objections(grant: Grant, workflow: Workflow, step: Step, settings: ApprovalSettings) -> tuple[str, ...]:
    """In a few words each, why a grant does not cover a step; empty if it does. The tests of `covering`."""
    found = {
        f"it allows {grant.operation}": _same_operation(grant.operation, step),
        f"it is for {grant.target}": _names(grant.target, step),
        "it was used up before": grant.used_by in ("", step.event_id) or grant.used_source != step.source,
        "it came after the act": grant.at_ms <= step.at_ms,
        "the answer came faster than a person reads": _human(grant, settings),
        "it had run out": step.at_ms <= _expires_ms(grant, settings),
        f"it is for session {grant.session}": is_for_session(grant.session, workflow, step.session),
        "whoever gave it takes part in the work": _by_another(grant, workflow, step),
    }
    return tuple(words for words, fine in found.items() if not fine)


def approved_plan(
    workflow: Workflow, plan: Vouched, session: str, at_ms: int, settings: ApprovalSettings
) -> bool:
    """Whether a registered plan was approved for this session as any change is."""
    step = Step(at_ms=at_ms, session=session, operation=PLAN_OPERATION, target=plan.reference)
    return any(
        grant.operation == PLAN_OPERATION
        and grant.target.casefold() == plan.reference.casefold()
        and known_by(grant.at_ms, at_ms)
        and is_for_session(grant.session, workflow, session)
        and _human(grant, settings)
        and _by_another(grant, workflow, step)
        for grant in workflow.grants
    )


def answered_ms(workflow: Workflow, approval: str) -> int | None:
    """How long the question had stood that the approval of this id answers, if that is known."""
    for grant in reversed(workflow.grants):
        if grant.reference == approval:
            return grant.at_ms - grant.requested_ms if grant.requested_ms is not None else None
    return None


def is_about(operation: str, target: str, step: Step) -> bool:
    """Whether what was approved is what a step did, or tried."""
    if _same_operation(operation, step):
        return _names(target, step)
    return step.grade is not Grade.ATTESTED and _may_be(operation, target, step.target)


def use_up(grant: Grant, step: Step) -> None:
    """An approval is good for one act, whoever else tells of it."""
    if not grant.used_by:
        grant.used_by, grant.used_source, grant.used_act = step.event_id, step.source, step.act
    elif step.source != grant.used_source:
        grant.also.setdefault(step.source, step.event_id)


def _unused(grant: Grant, step: Step) -> bool:
    """Unless it was used: then for the same act, or for another source's word on it, of which it has one."""
    if not grant.used_by or (step.act and step.act == grant.used_act):
        return True
    used_by = grant.used_by if step.source == grant.used_source else grant.also.get(step.source)
    return used_by in (None, step.event_id)


def _same_operation(approved: str, step: Step) -> bool:
    """The same name, however it is spelt; or the verb, where the record names verb and path.

    An agent's tool writes a platform's name with underscores, behind a word for the platform.
    """
    allowed, done = approved.casefold(), step.operation.casefold()
    if allowed == done or (" " not in allowed and done.startswith(allowed + " ")):
        return True
    if same_operation(approved, step.operation):
        return True
    return step.grade is not Grade.ATTESTED and _is_tool_of(allowed, done)


@lru_cache(maxsize=NAMES_KEPT_MAX)
def _is_tool_of(operation: str, tool: str) -> bool:
    """Whether a tool is called like an operation: `github_repo_destroy` and `repo.destroy`."""
    named = _letters(operation)
    return bool(named) and named in {_letters(tool), _letters(tool.partition("_")[2])}


@lru_cache(maxsize=NAMES_KEPT_MAX)
def _may_be(operation: str, resource: str, path: str) -> bool:
    """Whether an agent's word may be of what was approved, which has a name there and an id here.

    `Update conditional access policy` of one that has a name, and `/conditionalAccess/policies/<id>`: whose
    id that is, the platform's record tells, which is then compared in full.
    """
    ids = OPAQUE.findall(path)
    if not ids or any(one.casefold() in resource.casefold() for one in ids):
        return False
    said = _letters(OPAQUE.sub("", path))
    return any(
        word.removesuffix("y").removesuffix("s") in said for word in WORDS.findall(operation.casefold())
    )


def _names(resource: str, step: Step) -> bool:
    """Whether an approval's resource names the target and what is granted, or else who gains.

    Approval services write a pair in one text: `role:policy`, `user->group`, `project:role`. Or the one id of
    an assignment, which says whom it gives what; or a branch behind its repository, as `owner/name@main`.
    """
    said = resource.casefold()
    if said == step.target.casefold():
        return True
    if step.thing and said.replace(BRANCH, "@") == step.thing.casefold():
        return True
    granted = step.granted
    if step.op_class is OpClass.TRUST_CHANGE:
        resource = DASHED.sub(r"\1\2\3", resource)
        if not _says_whom(resource, step):
            granted = tuple(each for each in granted if each == ANYBODY or not OUTSIDER.fullmatch(each))
    named = bool(step.target) and all(
        _stands_in(resource, wanted) for wanted in (step.target, *(granted or step.gainers))
    )
    return named and not _for_another(resource, step)


def _says_whom(resource: str, step: Step) -> bool:
    """Whether an approval of a trust says who is let in.

    The account of what is opened, where it stands alone, says where that is; in the name of another thing of
    that account, or in a policy, it says who.
    """
    rest = OWN_ARN.sub(lambda found: "" if same_thing(found[0], step.target) else found[0], resource)
    place = "" if "{" in rest or OWN_ARN.search(rest) else step.thing
    return any(named not in place and not TICKET.search(named) for named in LET_IN.findall(rest))


def _for_another(resource: str, step: Step) -> bool:
    """Whether it names somebody, and none of those who gain; of an id nobody can tell whose name it is.

    A login is somebody's; so is whatever stands beside a role that is its own target.
    """
    gainers = [who for who in step.gainers if not OPAQUE.search(f"/{who}")]
    if not gainers or any(_stands_in(resource, who) for who in gainers):
        return False
    known = (step.target, *step.granted)
    rest = [
        part
        for part in map(str.strip, PAIRS.split(resource))
        if part and " " not in part and not NOBODY.fullmatch(part)
        if not any(same_thing(part, one) for one in known)
    ]
    logins = {who.casefold().partition("@")[0] for who in gainers}
    if any(part.casefold() in logins for part in rest):  # without its domain
        return False
    alike = all(same_thing(granted, step.target) for granted in step.granted)
    return any("@" in part for part in rest) or (alike and bool(rest))


@lru_cache(maxsize=NAMES_KEPT_MAX)
def _stands_in(resource: str, wanted: str) -> bool:
    """Whether one name stands in a resource: as one of its parts, or whole where it has parts itself.

    People are called by login here and by name there: `ann.lee@example.org` and `Ann Lee` are one.
    """
    if wanted == ANYBODY:
        return ANYBODY_SAID.search(resource) is not None
    if any(same_thing(part, wanted) or same_thing(subject(part), wanted) for part in PARTS.split(resource)):
        return True
    if len(wanted) > NAME_WHOLE_MIN and stands_whole_in(wanted, resource):
        return True
    person = _letters(wanted.partition("@")[0])
    return len(person) >= NAME_WHOLE_MIN and person in {_letters(part) for part in PAIRS.split(resource)}


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _human(grant: Grant, settings: ApprovalSettings) -> bool:
    return grant.requested_ms is None or grant.at_ms - grant.requested_ms >= settings.pause_ms_min


def _in_time(grant: Grant, step: Step, settings: ApprovalSettings) -> bool:
    if not known_by(grant.at_ms, step.at_ms) or step.at_ms > _expires_ms(grant, settings):
        return False
    return _human(grant, settings)


def _expires_ms(grant: Grant, settings: ApprovalSettings) -> int:
    return grant.expires_ms if grant.expires_ms is not None else grant.at_ms + settings.lifetime_ms


def is_for_session(asked: str, workflow: Workflow, session: str) -> bool:
    """Whether what session `asked` asked for is this one's: its own, or of one it was delegated from."""
    for _ in range(len(workflow.sessions) + 1):
        if asked == session:
            return True
        known = workflow.sessions.get(session)
        if known is None or not known.parent:
            return False
        session = known.parent
    return False


def _by_another(grant: Grant, workflow: Workflow, step: Step) -> bool:
    """Not whoever acts, either."""
    return called(grant.decided_by) not in (
        called(step.session),
        called(step.principal),
    ) and by_outsider(grant, workflow)


def by_outsider(grant: Grant, workflow: Workflow) -> bool:
    """Neither whoever asked, nor any agent of the workflow: delegates must not approve one another.

    Where the registry lists who may approve, nobody else does: an agent of another workflow is no human.
    """
    own = called(grant.decided_by)
    if not grant.by_approver or own in (called(grant.requested_by), called(grant.session)):
        return False
    return not workflow.owns(grant.decided_by)
