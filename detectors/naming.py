"""Whether two names mean one thing: people, plans and platforms write more or less of it.

`iam:role/app` in a plan is `app` on the platform, `ops/RoleBinding/team` is `ops/team`. What both say has to
agree: a thing of the same name in another name space, account or of another kind is another thing.
"""

import re

from models.attested import Fact
from models.event import Operation

SEPARATORS = re.compile(r"[/:]+")
KINDS = frozenset(
    {
        "binding",
        "clusterrole",
        "group",
        "oidcprovider",
        "policy",
        "role",
        "samlprovider",
        "secret",
        "serviceaccount",
        "user",
    }
)
"""Kinds of things that several platforms call alike; what else is written before a name is no kind."""
ARN_PARTS_MIN, ARN_ACCOUNT = 6, 4


def same_thing(written: str, target: str) -> bool:
    """Whether the last parts are equal, and all that one of the two says of where it is, the other says."""
    if not target:
        return False
    mine, theirs = _parts(written), _parts(target)
    if not mine or not theirs or mine[-1] != theirs[-1]:
        return False
    before, behind = set(mine[:-1]), set(theirs[:-1])
    return before <= behind or behind <= before


def names_target(written: str, event: Operation) -> bool:
    """Whether a written name means what the operation touched: that name, of that kind, in that account."""
    if not same_thing(written, event.target):
        return False
    mine = _parts(written)
    kind, other = _kind(mine[-2]) if len(mine) > 1 else "", _kind(event.target_kind)
    if kind != other and {kind, other} <= KINDS:
        return False
    account, own = _account(written), event.facts.get(Fact.ACCOUNT, "")
    return not account or not own or account == own


def stands_whole_in(name: str, text: str) -> bool:
    """Whether a name stands in a text, and is no part of a longer name there."""
    pattern = rf"(?<!\w)(?<!\w[-._@]){re.escape(name.casefold())}(?![-._@]*\w)"
    return re.search(pattern, text.casefold()) is not None


def _parts(name: str) -> list[str]:
    return [part for part in SEPARATORS.split(name.casefold()) if part]


def _kind(word: str) -> str:
    """One word for it: `RoleBinding` and `binding`, `oidc-provider` and `oidc_provider`."""
    letters = "".join(filter(str.isalnum, word.casefold()))
    return "binding" if letters.endswith("binding") else letters


def _account(name: str) -> str:
    """The account in an ARN."""
    parts = name.split(":", ARN_PARTS_MIN - 1)
    return parts[ARN_ACCOUNT] if parts[0] == "arn" and len(parts) == ARN_PARTS_MIN else ""
