"""Whether two names mean one thing: people, plans and platforms write more or less of it.

`iam:role/app` in a plan is `app` on the platform, `ops/RoleBinding/team` is `ops/team`. What both say has to
agree: a thing of the same name in another name space, account or of another kind is another thing.

An operation has as many spellings as there are places that show it: the log's, the method with its package,
the permission, the command line. `google.iam.admin.v1.CreateRole` is `CreateRole`, `aws iam create-role` is
`iam:CreateRole`, `clusterroles.create` is `create clusterroles`.
"""

import re
from functools import lru_cache

from models.attested import Fact
from models.event import Operation, SystemKind

SEPARATORS = re.compile(r"[/:]+")
EVERYWHERE = "*"
IN_CLUSTERS = frozenset({"role", "binding"})
"""What there is once in each name space, and once more, by a longer word, for the whole cluster."""
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
SAYING = re.compile(
    r"(.+?)(?:/providers/[\w.]+)?/(?:roleassignments|diagnosticsettings|locks|federatedidentitycredentials)/[^/]+$",
    re.IGNORECASE,
)
PIECES = re.compile(r"[\s.:/_]+")
API_GROUP = re.compile(r"[a-z0-9.-]+\.k8s\.io/|(?<=[a-z])(?:\.[a-z0-9-]+)*\.k8s\.io|\.amazonaws\.com")
"""Written before or behind what they are about, and no part of its name."""
API_VERSION = re.compile(r"(?<=[a-z])\d{8}(?:v\d+)?$", re.IGNORECASE)
"""The trail writes some operations with the version of their interface: `AddPermission20150331v2`."""
NAMES_KEPT_MAX = 4_096
"""Answers about two names that are kept: an approval's are compared with each change after it."""
PLATFORMS = frozenset({"aw", "kubectl", "gcp", "gcloud"})
"""Said before a service's name, as `_piece` writes them; they are no service."""


def same_thing(written: str, target: str) -> bool:
    """Whether the last parts are equal, and all that one of the two says of where it is, the other says."""
    if not target:
        return False
    mine, theirs = _parts(written), _parts(target)
    if not mine or not theirs or mine[-1] != theirs[-1]:
        return False
    before, behind = set(mine[:-1]), set(theirs[:-1])
    return before <= behind or behind <= before


@lru_cache(maxsize=NAMES_KEPT_MAX)
def same_operation(written: str, operation: str) -> bool:
    """Whether a text names an operation, whole and as its end: what is before that says where it belongs.

    Of an operation that names its service, that may be this service, or nothing.
    """
    service, _, own = operation.rpartition(":")
    name = "".join(_pieces(own))
    mine = _pieces(written)
    for length in range(1, len(mine) + 1):
        end = mine[-length:]
        if name not in {"".join(end), end[-1] + "".join(end[:-1])}:  # `roles.create` is `create roles`
            continue
        before = [piece for piece in mine[:-length] if piece not in PLATFORMS]
        return not service or before in ([], [_piece(service)])
    return False


def _pieces(operation: str) -> list[str]:
    text = API_GROUP.sub("", API_VERSION.sub("", operation.strip()))
    return [piece for part in PIECES.split(text) if (piece := _piece(part))]


def _piece(word: str) -> str:
    """Its letters; of one thing or of many: `ClusterRoleBinding` and `clusterrolebindings`."""
    letters = "".join(filter(str.isalnum, word.casefold()))
    return f"{letters[:-3]}y" if letters.endswith("ies") else letters.removesuffix("s")


def subject(written: str) -> str:
    """Of a thing of Azure's that says something about another one, the other: of an assignment, its scope."""
    found = SAYING.match(written)
    return found[1] if found is not None else ""


def names_target(written: str, event: Operation) -> bool:
    """Whether a written name means what the operation touched: that name, of that kind, in that account."""
    thing = event.facts.get(Fact.THING, "") if event.facts else ""
    if thing and written.casefold() == thing.casefold():
        return True
    if not same_thing(written, event.target):
        return False
    mine = _parts(written)
    word = mine[-2] if len(mine) > 1 else ""
    if event.system_kind is SystemKind.CLUSTER and event.facts.get(Fact.SCOPE) == EVERYWHERE:
        if _kind(word) in IN_CLUSTERS and not word.startswith("cluster"):
            return False  # `ops/Role/app` is no role of the whole cluster, whatever it is called
        word = word.removeprefix("cluster")
    kind, other = _kind(word), _kind(event.target_kind)
    if kind != other and {kind, other} <= KINDS:
        return False
    account, own = _account(written), event.facts.get(Fact.ACCOUNT, "")
    return not account or not own or account == own


def is_name_of(written: str, target: str, kind: str) -> bool:
    """Whether a name means a target, and says no more of it than its kind."""
    said, known = _parts(written), _parts(target)
    if not said or not known or said[-1] != known[-1]:
        return False
    before = [part for part in said[:-1] if part not in known[:-1]]
    return all(_kind(part) == _kind(kind) for part in before)


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
