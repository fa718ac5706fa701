"""What a chain file says, as records: documented in `docs/chains.md`.

Names of classes, kinds and effects are plain text here, so that a misspelt one is a fault with its place, and
not, as in an event, the kind that a newer producer may know.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from models.command import Action

STEPS_MAX = 8
COUNT_MAX = 64
PATTERNS_MAX = 32

Text = Annotated[str, Meta(min_length=1, max_length=256)]
Id = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Duration = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,5}(ms|s|m|h|d)$")]
Texts = Text | Annotated[tuple[Text, ...], Meta(min_length=1, max_length=PATTERNS_MAX)]

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
DURATION_MS_MAX = 31 * 86_400_000


class Condition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"op_class": "class"}):
    """What an operation has to be like; of several values one, of several keys all."""

    kind: str = "operation"
    """Of event: an operation, or what else is told of a session."""
    op_class: Texts = ()
    operation: Texts = ()
    """Shell patterns, as all below but those of kinds."""
    system: Texts = ()
    system_kind: Texts = ()
    target: Texts = ()
    target_kind: Texts = ()
    principal: Texts = ()
    agent: Texts = ()
    agent_role: Texts = ()
    source: Texts = ()
    decided_by: Texts = ()
    """Who allowed or registered it; of kinds that say so, as the three below."""
    requested_by: Texts = ()
    what: Texts = ()
    reference: Texts = ()
    outcome: Texts = "ok"
    credential_kind: Texts = ()
    effects: Texts = ()
    """All of them."""
    some: Texts = ()
    """At least one of these effects."""
    without: Texts = ()
    """None of these effects."""
    facts: Annotated[dict[Text, Texts], Meta(max_length=PATTERNS_MAX)] = {}
    proven: bool | None = None
    vouched: bool | None = None
    """Whether an approval of exactly this act, or a registration whose terms it keeps, vouches for it."""
    own: bool | None = None
    """Whether the session made what it reaches, and took nothing from others."""
    habit: bool | None = None
    """Whether the job has done just this, to the same end, in several recorded sessions."""
    same: dict[Text, Text] = {}
    """Field here: `step.field` that has to name the same thing."""
    differs: dict[Text, Text] = {}
    """Field here: `step.field` that has to name another."""


class StepDeclaration(Condition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step."""

    id: Id
    after: Texts = ()
    within: Duration | None = None
    count: Annotated[int, Meta(ge=1, le=COUNT_MAX)] = 1
    distinct: Text | None = None


class AbsenceDeclaration(Condition, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What must not have happened in between."""

    after: Text | None = None
    before: Text | None = None


class Declaration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One chain."""

    name: Id
    title: Text
    steps: Annotated[tuple[StepDeclaration, ...], Meta(min_length=1, max_length=STEPS_MAX)]
    within: Duration
    order: Literal["listed", "any"] = "listed"
    scope: Literal["session", "agent", "principal", "workflow"] = "workflow"
    by: Texts = ()
    """Fields that have to name the same thing in every step."""
    absent: Annotated[tuple[AbsenceDeclaration, ...], Meta(max_length=STEPS_MAX)] = ()
    grade: Literal["attested", "observed", "inferred"] = "observed"
    """The weakest evidence that counts."""
    confidence: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.4
    response: Action = Action.STEP_UP
    """The strongest response that it may lead to."""
    enabled: bool = True
    tags: Annotated[tuple[Text, ...], Meta(max_length=PATTERNS_MAX)] = ()


def milliseconds(duration: str) -> int:
    """Of `90s` or `2h`."""
    digits = duration.rstrip("msdh")
    return int(digits) * UNITS_MS[duration[len(digits) :]]


def listed_texts(texts: Texts) -> tuple[str, ...]:
    """One value is a list of one."""
    return (texts,) if isinstance(texts, str) else texts
