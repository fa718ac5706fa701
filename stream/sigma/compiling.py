"""From a Sigma rule to what is hosted: a shape, and predicates for its parts."""

from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, Struct
from sigma.correlations import SigmaCorrelationRule, SigmaCorrelationType
from sigma.rule import SigmaLevel, SigmaRule

from detectors.chains.compiling import at_least
from detectors.chains.conditions import Test
from detectors.chains.faults import ACTORS
from detectors.chains.hosted import COUNTED_MAX, Hosted, Part
from detectors.chains.shape import Shape, Stage
from detectors.policy import Policy
from models.command import Action
from models.event import Event, Grade, OpClass, Operation
from stream.sigma.correlations import TEMPORAL, Wanted, counting, temporal, ways
from stream.sigma.mapping import NO_SOURCES, OURS, SOURCES, Field, called, kind_of
from stream.sigma.predicates import (
    NameTest,
    Predicate,
    Refused,
    classes_of,
    is_by_look,
    known,
    name_test_of,
    predicate_of,
)

CONFIDENCES = {
    SigmaLevel.INFORMATIONAL: 0.1,
    SigmaLevel.LOW: 0.2,
    SigmaLevel.MEDIUM: 0.4,
    SigmaLevel.HIGH: 0.6,
    SigmaLevel.CRITICAL: 0.9,
}
MEDIUM = CONFIDENCES[SigmaLevel.MEDIUM]
COUNTS = (SigmaCorrelationType.EVENT_COUNT, SigmaCorrelationType.VALUE_COUNT)

Rule = SigmaRule | SigmaCorrelationRule
Read = Callable[[Operation], str]


class Known(Struct, frozen=True):
    """A detection rule, compiled."""

    product: str
    matches: Predicate
    classes: frozenset[OpClass]
    is_named: NameTest | None
    by_look: bool
    """Whether what operations look like decides it."""

    def is_of(self, event: Event) -> bool:
        """Whether it is an event of the rule's kind, and as the rule says."""
        return type(event) is (kind_of(self.product) or Operation) and self.matches(cast("Operation", event))

    def part(self, bit: int, *, is_step: bool = True) -> Part:
        """As a step, or as what must not happen."""
        kind = kind_of(self.product)
        if kind is not None:
            matches = self.matches
            return Part(
                bit=bit, is_step=is_step, kind=kind, is_fact=lambda event: matches(cast("Any", event))
            )
        return Part(
            bit=bit,
            is_step=is_step,
            classes=self.classes,
            is_named=self.is_named,
            looks=(self.matches,) if self.by_look else (),
            tests=() if self.by_look else (_test(self.matches),),
        )


class Wishes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a rule says of its finding, under `chainbrake`."""

    response: Action = Action.STEP_UP
    """The strongest response that it may lead to."""
    confidence: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    """Else it follows from the level."""
    grade: Grade = Grade.OBSERVED
    """The weakest evidence that counts."""


class Compiler:
    """Knows the rules of all files, since correlations name them."""

    def __init__(self, rules: Iterable[Rule], policy: Policy, digest: str) -> None:
        """`digest` is of all files: what rules mean depends on others."""
        self._digest = digest
        self._memory_ms = policy.memory_ms
        self._rules = {name: rule for rule in rules for name in (rule.name, str(rule.id)) if name}
        self._named = {
            id(self._rules.get(name))
            for rule in self._rules.values()
            if isinstance(rule, SigmaCorrelationRule) and not rule.generate
            for name in _referenced(rule)
        }
        """Rules that only take part in correlations."""

    def hosted(self, rule: Rule, name: str) -> Iterator[Hosted]:
        """What to host for one rule: nothing for one that only takes part in others."""
        if isinstance(rule, SigmaRule):
            detection = self._known(rule)
            if id(rule) not in self._named:
                shape = Shape(stages=(Stage(),), within_ms=1)
                yield self._told(rule, name, (detection.part(1),), shape)
            return
        for alias in rule.aliases:
            for reference, field in alias.mapping.items():
                known(field, self._referred(reference.reference).product)
        within_ms = rule.timespan.seconds * 1000
        if within_ms > self._memory_ms:
            raise Refused(
                f"timespan {rule.timespan.spec} is longer than a silent workflow is remembered; valid are up "
                f"to {self._memory_ms // 1000}s, and more with a longer `idle_ms` in the policy",
                "timespan",
            )
        if rule.type in TEMPORAL:
            for number, way in enumerate(ways(rule)):
                yield self._temporal(rule, f"{name}", way, within_ms, number)
        elif rule.type in COUNTS:
            yield self._counting(rule, name, within_ms)
        else:
            valid = ", ".join(each.name.lower() for each in (*TEMPORAL, *COUNTS))
            raise Refused(
                f"correlations of the type {rule.type.name.lower()} are not executed; valid are {valid}",
                "type",
            )

    def _temporal(
        self, rule: SigmaCorrelationRule, name: str, way: Wanted, within_ms: int, number: int
    ) -> Hosted:
        ordered = rule.type is SigmaCorrelationType.TEMPORAL_ORDERED
        steps = [self._referred(each).part(1 << place) for place, each in enumerate(way.rules)]
        absent = [self._referred(each).part(1 << k, is_step=False) for k, each in enumerate(way.absent)]
        shape = temporal(way, within_ms, ordered=ordered)
        hosted = self._told(rule, name, (*steps, *absent), shape, self._grouping(rule))
        hosted = self._over_workflows(rule, hosted)
        return msgspec.structs.replace(hosted, part_of=f"/{number}" if number else "")

    def _counting(self, rule: SigmaCorrelationRule, name: str, within_ms: int) -> Hosted:
        parts = tuple(self._referred(each).part(1) for each in _referenced(rule))
        condition: Any = rule.condition
        compared: tuple[Read, ...] = ()
        if condition.fieldref is not None and rule.type is SigmaCorrelationType.VALUE_COUNT:
            names = [condition.fieldref] if isinstance(condition.fieldref, str) else condition.fieldref
            if len(names) != 1:
                raise Refused(f"it counts the values of {len(names)} fields; valid is one")
            compared = (self._read(rule, names[0]),)
        shape = counting(rule, within_ms)
        hosted = self._told(rule, name, parts, shape, self._grouping(rule), compared)
        return self._over_workflows(rule, hosted)

    def _over_workflows(self, rule: SigmaCorrelationRule, hosted: Hosted) -> Hosted:
        """Followed over workflows, too, where it groups by whoever acts in several."""
        counted = sum(stage.count for stage in hosted.shape.stages)
        crosses = self.follows_actors(rule) and counted <= COUNTED_MAX
        return msgspec.structs.replace(hosted, crosses=crosses)

    def follows_actors(self, rule: Rule) -> bool:
        """Whether it groups by agent or principal, whatever its rules call them."""
        if not isinstance(rule, SigmaCorrelationRule):
            return False
        return any(
            all(called(field, known.product) in ACTORS for known, field in self._fields(rule, name))
            for name in rule.group_by or ()
        )

    def _told(
        self,
        rule: Rule,
        name: str,
        parts: tuple[Part, ...],
        shape: Shape,
        followed: tuple[Read, ...] = (),
        compared: tuple[Read, ...] = (),
    ) -> Hosted:
        wishes = _wishes(rule)
        level = CONFIDENCES[rule.level] if rule.level is not None else MEDIUM
        return Hosted(
            name=name,
            title=rule.title or name,
            parts=parts,
            shape=shape,
            compared=compared,
            followed=followed,
            grades=at_least(wishes.grade),
            confidence=wishes.confidence or level,
            response=wishes.response,
            tags=tuple(_tag(tag.namespace, tag.name) for tag in rule.tags),
            exact=True,
            digest=self._digest,
        )

    def _referred(self, name: str) -> Known:
        rule = self._rules.get(name)
        if isinstance(rule, SigmaCorrelationRule):
            raise Refused(f"it correlates {name}, which is a correlation; valid are detection rules", name)
        if rule is None:
            raise Refused(f"rule {name} is in none of the files")
        return self._known(rule)

    def _known(self, rule: SigmaRule) -> Known:
        logsource = rule.logsource
        product = logsource.product or ""
        sources = SOURCES.get((product, logsource.service))
        why = NO_SOURCES.get(logsource.service or "") if product == OURS else None
        if why is not None:
            raise Refused(f"no rule can be about {logsource.service}: {why}", str(logsource.service))
        if sources is None or logsource.category is not None:
            valid = ", ".join("/".join(filter(None, each)) for each in SOURCES)
            given = "/".join(filter(None, (product, logsource.service, logsource.category)))
            raise Refused(
                f"log source {given} is none of ours; valid are product/service {valid}", "logsource"
            )
        if product == OURS and logsource.service:
            product = f"{OURS}/{logsource.service}"
        conditions = [each.parsed for each in rule.detection.parsed_condition]
        if len(conditions) != 1 or conditions[0] is None:
            raise Refused(f"it has {len(conditions)} conditions; valid is one")
        (node,) = conditions
        matches = predicate_of(node, product)
        if sources:
            inner = matches

            def matches(event: Operation) -> bool:
                return event.source in sources and inner(event)

        by_look = not sources and kind_of(product) is None and is_by_look(node, product)
        return Known(product, matches, classes_of(node, product), name_test_of(node, product), by_look)

    def _grouping(self, rule: SigmaCorrelationRule) -> tuple[Read, ...]:
        return tuple(self._read(rule, name) for name in rule.group_by or ())

    def _fields(self, rule: SigmaCorrelationRule, name: str) -> list[tuple[Known, str]]:
        """Its rules, with what each calls that field."""
        aliases = {
            reference.reference: field
            for alias in rule.aliases
            if alias.alias == name
            for reference, field in alias.mapping.items()
        }
        return [(self._referred(each), aliases.get(each, name)) for each in _referenced(rule)]

    def _read(self, rule: SigmaCorrelationRule, name: str) -> Read:
        """How to read a field that all rules of a correlation have, or that an alias calls so."""
        every = self._fields(rule, name)
        reads = [(each.is_of, known(field, each.product).read) for each, field in every]
        if len({(field, each.product) for each, field in every}) == 1:
            (each, field), *_ = every
            return _same_for_all(known(field, each.product))

        def read(event: Operation) -> str:
            for is_of, value_of in reads:
                if is_of(event):
                    value = value_of(event)
                    return ",".join(value) if isinstance(value, tuple) else str(value)
            return ""

        return read


def _same_for_all(field: Field) -> Read:
    value_of = field.read
    if field.is_text:
        return cast("Read", value_of)

    def read(event: Operation) -> str:
        value = value_of(event)
        return ",".join(value) if isinstance(value, tuple) else str(value)

    return read


def _test(matches: Predicate) -> Test:
    return lambda _workflow, event, _step: matches(event)


def _referenced(rule: SigmaCorrelationRule) -> list[str]:
    if rule.rules:
        return [each.reference for each in rule.rules]
    condition: Any = rule.condition
    names: list[str] = condition.get_referenced_rules()
    return names


def _wishes(rule: Rule) -> Wishes:
    try:
        wishes = msgspec.convert(rule.custom_attributes.get("chainbrake", {}), Wishes)
    except msgspec.ValidationError as error:
        valid = ", ".join(Wishes.__struct_fields__)
        raise Refused(f"chainbrake: {error}; valid keys are {valid}", "chainbrake") from error
    if wishes.response is Action.RELEASE_SESSION:
        raise Refused("chainbrake: release_session is no response to risk", "response")
    return wishes


def _tag(namespace: str, name: str) -> str:
    """`attack.t1098.003` is T1098.003 here, and `atlas.aml.t0098` AML.T0098."""
    if (name[:1] == "t" and name[1:2].isdigit()) or name.startswith("aml."):
        return name.upper()
    return f"{namespace}.{name}"
