"""What an agent does, step by step: as a call on the gateway, or as a line of a recorded file."""

from collections.abc import Callable
from random import Random
from typing import Any, Literal

from msgspec import Struct

SYSTEM_KINDS = {
    "entra": "directory",
    "jira": "ticketing",
    "vault": "secret_store",
    "aws": "iam",
    "github": "ci",
}

PARALLEL = 10
"""Calls of one agent under way together, as Terraform's default."""


class Act(Struct, frozen=True, kw_only=True):
    """One step."""

    kind: Literal["operation", "approval"]
    fields: dict[str, str]
    pause_s: float = 0.0
    """Before it."""
    together: bool = False
    """Whether it goes out without waiting for the answers to those before it."""
    asked_s: float = 0.0
    """Of an approval: how long before the decision it was asked for."""
    decided_s: float = 0.0
    """Of an approval: how long ago it was decided."""

    def body(self, at_ms: int) -> dict[str, Any]:
        """The fields as they stand in an event, of something that is told at `at_ms`."""
        if self.kind == "operation":
            return dict(self.fields)
        decided_ms = at_ms - round(self.decided_s * 1000)
        asked_ms = decided_ms - round(self.asked_s * 1000)
        return {**self.fields, "kind": "approval", "at_ms": decided_ms, "requested_ms": asked_ms}


Script = Callable[["Pace"], list[Act]]


class Pace(Struct, frozen=True):
    """Chance, from a seed: how much of it, and how far pauses spread."""

    rng: Random
    spread: float
    """A pause is the usual one, times something between 1/spread and spread."""

    def pause(self, usual_s: float) -> float:
        """A pause in seconds."""
        return usual_s * float(self.spread ** self.rng.uniform(-1.0, 1.0))

    def number(self, least: int, most: int) -> int:
        """How many."""
        return self.rng.randint(least, most)


def operation(
    pause_s: float,
    op_class: str,
    called: str,
    target: str = "",
    *,
    together: bool = False,
) -> Act:
    """A call; `called` is `system:Operation`, `target` is `kind/name`."""
    system = called.split(":", 1)[0]
    fields = {
        "op_class": op_class,
        "operation": called,
        "system": system,
        "system_kind": SYSTEM_KINDS[system],
    }
    if target:
        fields |= {"target": target, "target_kind": target.split("/", 1)[0]}
    return Act(kind="operation", fields=fields, pause_s=pause_s, together=together)


def approval(
    pause_s: float, called: str, target: str, by: str, *, asked_s: float, decided_s: float = 0.0
) -> Act:
    """A person allows exactly one operation on one target."""
    fields = {"operation": called, "target": target, "decided_by": by}
    return Act(kind="approval", fields=fields, pause_s=pause_s, asked_s=asked_s, decided_s=decided_s)
