"""Sigma rules for tests, and what comes of them."""

from collections.abc import Iterable
from typing import Any

from detectors.policy import Policy
from models.event import AnyEvent, Operation
from stream.sigma.loading import load_sigma
from tests.builders import Judged, op
from tests.chains.hosting import judging

THREE = "\n---\n".join(
    f"""
title: {letter}
name: {letter}
logsource: {{product: chainbrake}}
detection:
  it: {{operation: {letter}}}
  condition: it"""
    for letter in "abc"
)
"""Three detection rules: an operation called a, b or c."""


def act(name: str, seconds: float, **changed: Any) -> Operation:
    """An operation that the rule of that name matches."""
    fields = {"operation": name, "target": f"thing/{name}", "target_kind": "thing", **changed}
    fields.setdefault("id", f"{fields.get('session', 's1')}/{name}@{seconds:g}")
    return op("U", seconds, **fields)


def correlation(kind: str, rules: str = "[a, b, c]", timespan: str = "60s", **keys: str) -> str:
    """A correlation of the three, after them."""
    more = "\n".join(f"  {key.replace('_', '-')}: {value}" for key, value in keys.items())
    return f"""{THREE}
---
title: the correlation
name: it
level: high
correlation:
  type: {kind}
  rules: {rules}
  timespan: {timespan}
{more}
"""


def loaded(rules: str, policy: Policy | None = None) -> tuple[Any, ...]:
    """What is hosted for them."""
    return tuple(load_sigma([("rules.yml", rules.encode())], policy or Policy(), set(), []))


def heard(rules: str, events: Iterable[AnyEvent]) -> Judged:
    """What comes of these events with these rules alone."""
    return judging(loaded(rules)).fold(events)


def fired(rules: str, *events: AnyEvent) -> bool:
    """Whether the correlation matches."""
    return "sigma:it" in heard(rules, events).detectors


def detection(condition: str, product: str = "chainbrake", service: str = "") -> str:
    """One detection rule."""
    more = f", service: {service}" if service else ""
    return f"""
title: one
name: one
logsource: {{product: {product}{more}}}
detection:
  it: {condition}
  condition: it
"""


ORDERED = correlation("temporal_ordered", group_by="[session]")
