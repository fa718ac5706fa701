"""What an approval's text allows: this target and what is granted, who gains, or who is let in.

Approval services write a pair in one text: `role:policy`, `user->group`, `project:role`. People write more
beside it: a ticket's number, for how long, whom it is for. What an agent asks for it words itself, so what
the text says must not be read as more than whoever allowed it has read.
"""

import re
from functools import lru_cache

from detectors.naming import NAMES_KEPT_MAX, is_name_of, same_thing, stands_whole_in, subject
from detectors.people import is_called, people_in
from detectors.steps import ANYBODY, OUTSIDER
from models.event import OpClass
from models.session import Step

PAIRS = re.compile(r"->|[,:;|]+")
PARTS = re.compile(r"->|[,:;|\s]+")
BRANCH = "@refs/heads/"
"""Before a branch's name, where it is written in full behind its repository."""
OPAQUE = re.compile(r"(?<=/)(?:[0-9a-f]{10}-)?[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?=/|$)")
"""An id in a path, which nobody who approves would write."""
LET_IN = re.compile(r"(?<!\d)\d{12}(?!\d)|(?:https?://|oidc-provider/)[\w.-]+(?:/[\w.-]+)*")
"""An account or issuer in an approval of a trust: it names all that are let in, then, or it is of another."""
HOST = re.compile(
    r"(?<![\w@./:-])(?:[a-z0-9][\w-]*\.)+(?:com|net|org|io|dev|app|cloud|ai|example|internal)(?![\w@/-]|\.\w)"
    r"|(?<![\w@./:-])(?:[a-z0-9][\w-]*\.){2,}[a-z]{2}(?![\w@/-]|\.\w)",
    re.IGNORECASE,
)
"""An issuer as people write it, by its host alone; with a path it is where something stands."""
NO_ISSUER = re.compile(
    r"(?:^|[/.])(?i:atlassian|bitbucket|confluence|docs|github|jira|servicenow|service-now|sts\.amazonaws|tickets?"
    r"|wiki)\.[\w.-]+(?:/|$)"
    r"|/(?i:boards?|browse|cases?|changes?|commits?|incidents?|issues?|merge_requests|pages?|pulls?|requests?|runs?"
    r"|tasks?|tickets?|wiki|workitems)(?:/[\w.-]+)+$|\.do$"
)
"""Hosts and ends of addresses where a change is discussed, or code lies; and a token's audience."""
DASHED = re.compile(r"(?<!\d)(\d{4})-(\d{4})-(\d{4})(?!\d)")
"""An account as AWS shows it to people."""
OWN_ARN = re.compile(r"arn:[\w-]*:[\w-]*:[\w-]*:(\d{12}):[\w/+=.@-]+")
ANYBODY_SAID = re.compile(r"\*|\b(?i:all(?:authenticated)?users|anybody|anyone|everybody|everyone)\b")
EVERYBODY = frozenset({ANYBODY, "allUsers", "allAuthenticatedUsers"})
TIMES = (
    r"[<~+]?\d{1,3}(?:[.]\d)?-?(?:[smhdw]|min(?:ute[ns]?)?s?|hrs?|hours?|std|stunden?|heures?|days?|tagen?|jours?"
    r"|weeks?|wochen?|months?)|p(?=[\dt])(?:\d+[dwm])?(?:t(?:\d+[hms])+)?|\d{1,2}z?|\d{4}-\d\d-\d\d(?:t\d\d)?z?"
    r"|\d{1,2}[./]\d{1,2}[./]?(?:\d{2}){0,2}|eod|now|today|tonight|tomorrow|heute|morgen|utc|gmt|cest?"
    r"|(?:mon|tues|wednes|thurs|fri|satur|sun)day|(?:mon|diens|donners|frei|sams|sonn)tag|mittwoch"
)
"""For how long, or until when, with a colon in it cut in two."""
NOBODY = re.compile(
    r"[\W_]+|[A-Z][A-Z\d]*-\d+|[A-Z]{2,4}|(?i:(?:case|chg|cr|inc|p|prb|req|ritm|s?ctask|sev|task|ticket)[-_#]?\d+"
    r"|active|approved|case|change|direct|duration|eligible|emergency|incident|jit|justification|oncall|on-call|permanent|pim|prod"
    r"|production|purpose|reason|request|scope|temp|temporary|tenant|ticket|time-bound|until|urgent|"
    rf"{TIMES})"
)
"""What stands beside a role and is no one: a ticket's number, for how long, where, and words for these."""
DENIED = re.compile(
    r"(?<![\w-])(?i:not|never|without|except|instead of|rather than|replac(?:e|es|ing)|nicht|statt|ohne)\s+"
    r"(?i:(?:an?|as|by|for|of|policy|role|the|to|with)\s+)*[^\s,;|]+"
)
"""What a text says is not given."""
GUEST = re.compile(r"(.+)_([\w.-]+)#EXT#@.+", re.IGNORECASE)
"""What a directory calls a guest: her address at home, of which no login may have an `@`."""
DIRECTORY = ".onmicrosoft.com"
LATIN = re.compile(r"[A-Za-z]")
REWRITES = ("update ", "patch ")
"""Operations whose record names all that have it afterwards, whether they are new or not."""
NAME_WHOLE_MIN = 8
"""A shorter name is looked for as a part only: it could stand in another by chance."""


def names(resource: str, step: Step) -> bool:
    """Whether an approval's resource names the target and what is granted, or else who gains.

    Or the one id of an assignment, which says whom it gives what; or a branch behind its repository, as
    `owner/name@main`. That anybody is let in has to be said.
    """
    opens = step.op_class is OpClass.TRUST_CHANGE or bool(_account(step))
    let_in = (*step.granted, *step.gainers) if opens else step.gainers
    if not EVERYBODY.isdisjoint(let_in) and not ANYBODY_SAID.search(resource):
        return False
    said = resource.casefold()
    if said == step.target.casefold():
        return True
    if step.thing and said.replace(BRANCH, "@") == step.thing.casefold():
        return True
    granted = step.granted
    if not opens and not step.admin and _is_alone(resource, step):
        return True
    if opens:
        resource = DASHED.sub(r"\1\2\3", resource)
        if not _says_whom(resource, step):
            granted = tuple(each for each in granted if each == ANYBODY or not OUTSIDER.fullmatch(each))
    if not step.target or not _stands_in(resource, step.target):
        return False
    given = DENIED.sub(" ", resource)
    return all(_stands_in(given, each) for each in granted or step.gainers) and not _for_another(given, step)


def _is_alone(resource: str, step: Step) -> bool:
    """Whether a text is the name of the target and no more, of one that gains itself: who gains is said.

    `role/app` and its ARN, as an access policy writes them, are `app`; what is given may be a name that its
    maker chose a moment ago.
    """
    if not step.gainers or not all(same_thing(who, step.target) for who in step.gainers):
        return False
    arn = OWN_ARN.fullmatch(resource.strip())
    if arn is not None and _account(step) not in ("", arn[1]):
        return False
    service, _, rest = resource.strip().rpartition(":")
    if service and arn is None and service.casefold() != step.operation.partition(":")[0].casefold():
        return False
    return not PARTS.search(rest) and is_name_of(rest, step.target, step.target_kind)


def _says_whom(resource: str, step: Step) -> bool:
    """Whether an approval of a trust says who is let in.

    The account of what is opened, where it stands alone, says where that is; in the name of another thing of
    that account, or in a policy, it says who.
    """
    target, account = step.target, _account(step)
    rest = OWN_ARN.sub(
        lambda found: "" if same_thing(found[0], target) and account in ("", found[1]) else found[0], resource
    )
    rest = re.sub(rf"(?<![\w.@-]){re.escape(target)}(?![\w@-]|\.\w)", "", rest, flags=re.IGNORECASE)
    place = "" if "{" in rest or OWN_ARN.search(rest) else account
    return any(
        named != place and not NO_ISSUER.search(named)
        for named in (*LET_IN.findall(rest), *HOST.findall(LET_IN.sub(" ", rest)))
    )


def _account(step: Step) -> str:
    """The account of what is opened, where it is known; see `strengthened`."""
    account, _, target = step.thing.partition("/")
    return account if target == step.target else ""


def _for_another(resource: str, step: Step) -> bool:
    """Whether it names somebody, and not all of those who gain; of an id nobody can tell whose name it is.

    A login is somebody's, and so is a person's name; so is whatever stands beside a role that is its own
    target.
    """
    gainers = [who for who in step.gainers if not OPAQUE.search(f"/{who}")]
    if not gainers:
        return False
    known = (step.target, *step.granted)
    parts = [part for part in map(str.strip, PAIRS.split(resource)) if part and not _is_among(part, known)]
    said = [_without(part, known) for part in parts]
    words = {word.casefold() for part in said for word in part.split()}
    named = [who for who in gainers if _stands_in(resource, who) or _login(who) in words]
    if named:
        others = any(not _is_among(who, known) for who in named)
        return others and len(named) < len(gainers) and not step.operation.startswith(REWRITES)
    people = [person for part in said for person in people_in(part)]
    if people:
        return not all(any(is_called(person, who) for person in people) for who in gainers)
    rest = [part for part in parts if " " not in part and not _is_nobody(part)]
    if any(_is_hers(rest, who) for who in gainers):
        return False
    alike = all(same_thing(granted, step.target) for granted in step.granted)
    return any("@" in part for part in rest) or (alike and bool(rest))


def _is_among(name: str, known: tuple[str, ...]) -> bool:
    return any(same_thing(name, one) for one in known)


def _login(who: str) -> str:
    """Without its domain."""
    return who.casefold().partition("@")[0]


def _is_hers(words: list[str], who: str) -> bool:
    """Whether they are her names, last name first, or her address in a directory's own domain or at home."""
    if {word.casefold() for word in words}.issuperset(_login(who).split(".")):
        return True
    return any(
        _login(word) == _login(who) and (word + who).casefold().count(DIRECTORY) == 1
        for word in words
        if "@" in word
    )


def _is_nobody(part: str) -> bool:
    """Whether a word is nobody's name: a ticket, a time, a domain; or an id or script that is no login's."""
    if NOBODY.fullmatch(part) or HOST.fullmatch(part) or OPAQUE.search(f"/{part}"):
        return True
    return not LATIN.search(part)


def _without(part: str, known: tuple[str, ...]) -> str:
    """A part of a text without what is given there."""
    for one in known:
        part = re.sub(rf"(?<!\w){re.escape(one)}(?!\w)", " ", part, flags=re.IGNORECASE)
    return part.strip()


@lru_cache(maxsize=NAMES_KEPT_MAX)
def _stands_in(resource: str, wanted: str) -> bool:
    """Whether one name stands in a resource: as one of its parts, or whole where it has parts itself.

    People are called by login here and by name there: `ann.lee@example.org` and `Ann Lee` are one.
    """
    if wanted == ANYBODY:
        return ANYBODY_SAID.search(resource) is not None
    guest = GUEST.fullmatch(wanted)
    if guest is not None and _stands_in(resource, f"{guest[1]}@{guest[2]}"):
        return True
    if any(same_thing(part, wanted) or same_thing(subject(part), wanted) for part in PARTS.split(resource)):
        return True
    if len(wanted) > NAME_WHOLE_MIN and stands_whole_in(wanted, resource):
        return True
    person = letters(wanted.partition("@")[0])
    return len(person) >= NAME_WHOLE_MIN and person in {letters(part) for part in PAIRS.split(resource)}


def letters(name: str) -> str:
    """What is left of a name without its signs."""
    return "".join(filter(str.isalnum, name.casefold()))
