"""What an agent's tool call means: by the tool's name, and by those arguments that are names.

`models/vocabulary/agent_tools.json` names tools; a tool that passes a path on (`graph_get`, `vault_read`)
means what the path means. Of the arguments only what is listed here leaves, and what the vocabulary calls a
target: bodies, queries and values never do.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from detectors.severity import JUDGED
from models.attested import Effect, Fact
from models.event import Label, OpClass, SystemKind
from models.vocabulary.vocabulary import Entry
from stream.sources.http_calls import call_of
from stream.sources.reading import name
from stream.sources.vault.paths import general_path
from stream.sources.vocabularies import load_vocabulary

TARGET_MAX = 256

CALLERS = {"okta": "okta", "graph": "graph", "keycloak": "keycloak", "github": "github"}
"""First word of a tool that passes a path on: whose API that is."""

METHODS = {"get": "GET", "list": "GET", "post": "POST", "patch": "PATCH", "put": "PUT", "delete": "DELETE"}

VAULT_VERBS = {"write": "update", "create": "update", "put": "update", "patch": "update", "get": "read"}
"""What Vault's tools and its audit log call the same thing."""

SYSTEMS = {
    "okta": "okta",
    "graph": "entra",
    "entra": "entra",
    "azure": "azure",
    "keyvault": "azure",
    "gcp": "gcp",
    "vault": "vault",
    "keycloak": "keycloak",
    "github": "github",
    "k8s": "k8s",
    "kubectl": "k8s",
    "aws": "aws",
    **dict.fromkeys(
        (
            *("iam", "sts", "secretsmanager", "ssm", "kms", "organizations", "cloudtrail", "eks", "lambda"),
            *("s3", "ec2", "ecs", "ecr", "rds", "dynamodb", "sqs", "sns", "cloudwatch", "logs", "ce", "tag"),
            *("guardduty", "config", "cloudformation", "autoscaling", "route53"),
        ),
        "aws",
    ),
}
"""First word of a tool's name: the system behind it, by the name its own log is known under."""

AUTHORS = (
    ("unauthenticated", ("anonymous", "unauth", "unverified", "unknown", "guest")),
    ("employee", ("employee", "internal", "staff", "agent", "admin")),
)
"""Kinds of author, and the words that a ticket system has for them; everybody else is `external`."""

INSIDE = frozenset({"internal", "private", "restricted"})
"""Visibilities of a comment that stays inside."""

COUNTS = ("count", "body_chars", "length", "page")
"""Arguments that are numbers, and are kept as such."""


class Meaning(Struct, frozen=True):
    """What a tool call says, beside its name."""

    op_class: OpClass
    system: str
    system_kind: SystemKind
    target: Label
    target_kind: Label
    effects: tuple[Effect, ...]
    facts: dict[str, str]


def meaning(tool: str, server: str, arguments: dict[str, Any]) -> Meaning:
    """What calling `tool` on `server` with these arguments means."""
    vocabulary = load_vocabulary("agent_tools")
    entry = vocabulary.look_up(tool)
    if entry.op_class is OpClass.UNCLASSIFIED:
        tool = _plain(tool)
        entry = vocabulary.look_up(tool)
    passed_on = _by_path(tool, arguments)
    entry = passed_on or entry
    facts = _facts(arguments)
    return Meaning(
        op_class=entry.op_class,
        system=SYSTEMS.get(tool.partition("_")[0], name(server)),
        system_kind=entry.system_kind or vocabulary.content.system_kind,
        target=_place(entry, tool, arguments) if passed_on else _target(entry.target, arguments),
        target_kind=entry.target_kind,
        effects=tuple(_effects(entry.effects, arguments, facts)),
        facts=facts,
    )


def _plain(tool: str) -> str:
    """Without what clients and servers write around a name: `mcp__cloud__aws-iam-list-roles`."""
    return tool.rpartition("__")[2].replace("-", "_").removeprefix("aws_") or tool


def _by_path(tool: str, arguments: dict[str, Any]) -> Entry | None:
    """What the path means that the tool passes on; None where it passes none on that is known."""
    path = arguments.get("path")
    first, _, verb = tool.partition("_")
    if not isinstance(path, str) or not path:
        return None
    if first == "vault":
        verb = VAULT_VERBS.get(verb, verb)
        entry = load_vocabulary("vault").look_up(f"{verb} {general_path(named_in(path).strip('/'))}")
    else:
        method, api = METHODS.get(verb.partition("_")[0]), CALLERS.get(first)
        if method is None or api is None:
            return None
        entry = load_vocabulary("http_calls").look_up(call_of(api, method, path[:1024]).named)
    return entry if entry.op_class is not OpClass.UNCLASSIFIED else None


def _place(entry: Entry, tool: str, arguments: dict[str, Any]) -> str:
    """What the path is about; of a change, only if the path names it: a collection says where, not what."""
    path = named_in(arguments["path"])
    api = CALLERS.get(tool.partition("_")[0])
    if api and entry.op_class in JUDGED and "{}" not in call_of(api, "", path).path:
        return ""
    return path


def _target(places: tuple[str, ...], arguments: dict[str, Any]) -> str:
    """The first of the arguments that the vocabulary calls a name."""
    for place in places:
        value = arguments.get(place)
        if isinstance(value, str) and value:
            return named_in(value) if place == "path" else name(value)
    return ""


def named_in(path: str) -> str:
    """The thing that a path is about, without its query."""
    return name(path.partition("?")[0].partition("#")[0])


def _facts(arguments: dict[str, Any]) -> dict[str, str]:
    facts: dict[str, str] = {}
    reporter = arguments.get("reporter_type")
    if isinstance(reporter, str) and reporter:
        facts[Fact.AUTHOR] = author_of(reporter)
    for key in COUNTS:
        value = arguments.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
            facts[key] = str(value)
    return facts


def author_of(reporter: str) -> str:
    """Kind of person behind a ticket: `employee`, `external`, or `unauthenticated`."""
    reporter = reporter[:TARGET_MAX].lower()
    return next((kind for kind, words in AUTHORS if any(word in reporter for word in words)), "external")


def _effects(effects: Iterable[Effect], arguments: dict[str, Any], facts: dict[str, str]) -> Iterable[Effect]:
    """The vocabulary's, but for what this call's arguments rule out."""
    visibility = arguments.get("visibility")
    inside = isinstance(visibility, str) and visibility.lower() in INSIDE
    own = facts.get(Fact.AUTHOR) == "employee"
    for effect in effects:
        if not (effect is Effect.OUTBOUND and inside) and not (effect is Effect.UNTRUSTED and own):
            yield effect
