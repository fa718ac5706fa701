"""Where in a Sigma file a mistake stands: pySigma says what is wrong, and seldom where."""

import re
from collections.abc import Iterator

from sigma import exceptions
from sigma.modifiers import modifier_mapping
from sigma.rule import SigmaLevel, SigmaStatus

from stream.configuration.yaml_places import Document, Place
from stream.sigma.predicates import Refused

QUOTED = re.compile(r"'([^']+)'")

SECTIONS: dict[type[Exception], Place] = {
    exceptions.SigmaConditionError: ("detection", "condition"),
    exceptions.SigmaCorrelationConditionError: ("correlation", "condition"),
    exceptions.SigmaCorrelationRuleError: ("correlation",),
    exceptions.SigmaCorrelationTypeError: ("correlation", "type"),
    exceptions.SigmaDateError: ("date",),
    exceptions.SigmaDetectionError: ("detection",),
    exceptions.SigmaIdentifierError: ("id",),
    exceptions.SigmaLevelError: ("level",),
    exceptions.SigmaLogsourceError: ("logsource",),
    exceptions.SigmaModifierError: ("detection",),
    exceptions.SigmaRegularExpressionError: ("detection",),
    exceptions.SigmaStatusError: ("status",),
    exceptions.SigmaTagError: ("tags",),
    exceptions.SigmaTimespanError: ("correlation", "timespan"),
    exceptions.SigmaTitleError: ("title",),
    exceptions.SigmaTypeError: ("detection",),
    exceptions.SigmaValueError: ("detection",),
}
"""Which part of a rule pySigma means."""

CONDITION = "valid are names of detections, `and`, `or`, `not`, brackets, `1 of x*` and `all of them`"
VALID: dict[type[Exception], str] = {
    exceptions.SigmaDateError: "valid is a day such as 2026-11-30",
    exceptions.SigmaIdentifierError: "valid is a UUID, or no id and a name",
    exceptions.SigmaLevelError: f"valid are {', '.join(level.name.lower() for level in SigmaLevel)}",
    exceptions.SigmaModifierError: f"valid are {', '.join(sorted(modifier_mapping))}",
    exceptions.SigmaStatusError: f"valid are {', '.join(status.name.lower() for status in SigmaStatus)}",
    exceptions.SigmaTimespanError: "valid is a number and a unit: s, m, h or d, such as 90s or 10m",
    exceptions.SigmaCorrelationTypeError: "valid are event_count, value_count, temporal and temporal_ordered",
}
"""What would be right, where pySigma says only what is wrong."""
TAGS = "valid is a list of such as attack.t1098.003"
TEXTS = ("id", "name", "title", "status", "level", "description")


def refused(document: Document, error: Exception) -> str:
    """The mistake with file, rule, line and column."""
    told = document.content
    name = told.get("name") or told.get("title") or told.get("id") or "without a name"
    said = str(error)
    if isinstance(error, exceptions.SigmaConditionError) and "defined" not in said:
        said = f"{said}; {CONDITION}"
    valid = next((VALID[kind] for kind in type(error).__mro__ if kind in VALID), "")
    valid = TAGS if said.startswith("Sigma tag") else valid
    said = f"{said.rstrip('.')}; {valid}" if valid else said
    where = place_of(document, error)
    return document.fault(where, f"rule {name}: {said}")


def place_of(document: Document, error: Exception) -> Place:
    """The key or the value that the error names; else the part of the rule that it is about."""
    named = named_by(document, error)
    if named is not None:
        return named
    if str(error).startswith("Sigma tag"):
        return ("tags",)
    for kind in type(error).__mro__:
        section = SECTIONS.get(kind)
        if section is not None:
            return section
    return ()


def named_by(document: Document, error: Exception) -> Place | None:
    """What the error names, where it is there: a key, whatever its modifiers, or else the last such value."""
    about = error.about if isinstance(error, Refused) else ""
    for word in filter(None, (about, *QUOTED.findall(str(error)))):
        for place in document.places:
            key = place[-1] if place else ""
            if isinstance(key, str) and word in (key, *key.split("|")):
                return place
        for place in reversed(document.places):
            value = document.at(place)
            if isinstance(value, str | int | float) and str(value) == word:
                return place
    return None


def untold(document: Document) -> Iterator[str]:
    """What pySigma takes in silence, or stumbles over."""
    told = document.content
    for key in TEXTS:
        if key in told and not isinstance(told[key], str):
            yield document.fault((key,), f"{told[key]!r} is no text; valid is one, in quotes")
    detection = told.get("detection")
    yield from _empty(document, detection, ("detection",))
    if isinstance(detection, dict) and "timeframe" in detection:
        yield document.fault(("detection", "timeframe"), "is not executed; valid is a correlation's timespan")
    correlation = told.get("correlation")
    if isinstance(correlation, dict) and not correlation.get("rules"):
        if isinstance(correlation.get("condition"), str):
            return  # which names them
        yield document.fault(("correlation",), "names no rules; valid is a list of their names or ids")


def _empty(document: Document, told: object, place: Place) -> Iterator[str]:
    """A list without values: none of nothing is ever met, and nobody would know."""
    if isinstance(told, list) and not told:
        yield document.fault(place, "an empty list is never met; valid are values, or null for none")
    elif isinstance(told, dict | list):
        for key, value in told.items() if isinstance(told, dict) else enumerate(told):
            yield from _empty(document, value, (*place, key))
