"""A Sigma condition as a predicate of an operation. What cannot be decided on one raises `Refused`."""

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, cast

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.policy import default_policy
from sigma.policy.regex_engine import RE2RegexEngine, RegexPattern
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SpecialChars,
)

from models.event import OpClass, Operation
from models.spelling import meant
from stream.sigma.mapping import Field, Value, field_of, hint_of, known_fields

Predicate = Callable[[Operation], bool]
Matcher = Callable[[Value], bool]
NameTest = Callable[[str], bool]
INLINE = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s"}
"""How RE2 is told of flags: in the expression."""


class Refused(Exception):  # noqa: N818 - it is caught where file and rule are known
    """A part of a rule that cannot be executed, and why."""

    def __init__(self, reason: str, about: str = "") -> None:
        """`about` is the key or value that is meant, so that its place can be told."""
        super().__init__(reason)
        self.about = about


def predicate_of(node: Any, product: str) -> Predicate:
    """Whether an operation fulfils a node of a condition."""
    match node:
        case ConditionAND():
            parts = [predicate_of(each, product) for each in node.args]
            return lambda event: all(part(event) for part in parts)
        case ConditionOR():
            parts = [predicate_of(each, product) for each in node.args]
            return lambda event: any(part(event) for part in parts)
        case ConditionNOT():
            inner = predicate_of(node.args[0], product)
            return lambda event: not inner(event)
        case ConditionFieldEqualsValueExpression():
            return _comparing(node, product)
        case ConditionValueExpression():
            if isinstance(node.value, SigmaNull):
                raise Refused("a detection says nothing; valid are fields and their values", "detection")
            raise Refused(
                f"{node.value} is looked for in no field: an event is no text; name a field", str(node.value)
            )
    raise Refused(f"{type(node).__name__} is not known")


def _comparing(node: ConditionFieldEqualsValueExpression, product: str) -> Predicate:
    field = known(node.field, product)
    read = field.read
    _refuse_unknown_words(node.value, node.field, field.words)
    if isinstance(node.value, SigmaFieldReference):
        if node.value.starts_with or node.value.ends_with:
            raise Refused(f"{node.field}: a part of another field cannot be compared", node.field)
        other = known(node.value.field, product).read
        return lambda event: read(event) == other(event)
    matches = matcher_of(node.value, node.field)
    return lambda event: matches(read(event))


def _refuse_unknown_words(value: Any, name: str, words: tuple[str, ...]) -> None:
    """A word that no event ever holds: the rule would run, and never fire."""
    if words and isinstance(value, SigmaNumber | SigmaCompareExpression):
        raise Refused(f"{name} holds words, and no number; valid are {', '.join(words)}", name)
    if not words or not isinstance(value, SigmaString) or not all(isinstance(part, str) for part in value.s):
        return
    word = "".join(str(part) for part in value.s)
    if word and word.casefold() not in words:
        raise Refused(f"{word} is no {name}; {meant(word, words)}valid are {', '.join(words)}", word)


def known(name: str, product: str) -> Field:
    """A field, or why there is none."""
    found = field_of(name, product)
    if found is None:
        names = known_fields(product)
        elsewhere = f"{hint}; " if (hint := hint_of(name, product)) else ""
        raise Refused(
            f"field {name} is not kept in the event; {elsewhere}{meant(name, names)}"
            f"valid are {', '.join(names)}",
            name,
        )
    return found


def matcher_of(value: Any, name: str) -> Matcher:
    """Whether what a field holds is the value; of several things held, one is enough."""
    if isinstance(value, SigmaExpansion):
        parts = [matcher_of(each, name) for each in value.values]
        return lambda held: any(part(held) for part in parts)
    whole = _of_whole(value)
    return whole if whole is not None else _each(_of_one(value, name))


def _of_whole(value: Any) -> Matcher | None:
    """What asks whether a field holds anything, or a truth."""
    match value:
        case SigmaNull():
            return lambda held: held in ("", ())
        case SigmaExists():
            return lambda held: (held not in ("", ())) is bool(value)
        case SigmaBool():
            return lambda held: held is value.boolean
    return None


def _of_one(value: Any, name: str) -> Callable[[Any], bool]:
    match value:
        case SigmaNumber():
            return _number(lambda number: bool(number == value.number))
        case SigmaCompareExpression():
            return _number(_compared(value))
        case SigmaCIDRExpression():
            return _within(value.network)
        case SigmaRegularExpression():
            return _found(value)
        case SigmaString():
            return _texts(value, name)
    raise Refused(f"{name}: a value of the kind {type(value).__name__} cannot be compared", name)


class _Quiet(RE2RegexEngine):
    """RE2 that tells a mistake once, by raising it, and not on standard error beside that."""

    def compile(self, pattern: str, flags: int = 0) -> RegexPattern:
        """See `RegexEngine.compile`."""
        options = self._re2.Options()
        options.log_errors = False
        inline = "".join(letter for flag, letter in INLINE.items() if flags & flag)
        return cast(
            "RegexPattern", self._re2.compile(f"(?{inline}){pattern}" if inline else pattern, options)
        )


default_policy.regex_engine = _Quiet()  # pySigma checks every expression with it, and so do rules here


def _found(value: SigmaRegularExpression) -> Callable[[Any], bool]:
    """By the engine that pySigma has checked the expression with; its time is linear in the text."""
    flags = 0
    for flag in value.flags:
        flags |= value.sigma_to_python_flags[flag]
    search = default_policy.regex_engine.compile(str(value.regexp), flags).search
    return lambda held: search(str(held)) is not None


def _each(test: Callable[[Any], bool]) -> Matcher:
    return lambda held: any(test(one) for one in held) if isinstance(held, tuple) else test(held)


def _texts(value: SigmaString, name: str) -> Callable[[Any], bool]:
    cased = isinstance(value, SigmaCasedString)
    if all(isinstance(part, str) for part in value.s):
        text = "".join(str(part) for part in value.s)
        if cased:
            return lambda held: str(held) == text
        folded = text.casefold()
        return lambda held: held == text or str(held).casefold() == folded
    pattern = "".join(_pattern(part, name) for part in value.s)
    matches = re.compile(pattern, re.DOTALL if cased else re.DOTALL | re.IGNORECASE).fullmatch
    return lambda held: matches(str(held)) is not None


def _pattern(part: Any, name: str) -> str:
    if isinstance(part, str):
        return re.escape(part)
    if part is SpecialChars.WILDCARD_MULTI:
        return ".*"
    if part is SpecialChars.WILDCARD_SINGLE:
        return "."
    raise Refused(f"{name}: a placeholder has no value here", name)


def _number(test: Callable[[float], bool]) -> Callable[[Any], bool]:
    def is_so(held: Any) -> bool:
        try:
            return test(float(held))
        except ValueError:
            return False

    return is_so


def _compared(value: SigmaCompareExpression) -> Callable[[float], bool]:
    number = value.number.number
    match value.op:
        case CompareOperators.LT:
            return lambda held: held < number
        case CompareOperators.LTE:
            return lambda held: held <= number
        case CompareOperators.GT:
            return lambda held: held > number
        case CompareOperators.GTE:
            return lambda held: held >= number
    return lambda held: held != number


def _within(network: IPv4Network | IPv6Network) -> Callable[[Any], bool]:
    def is_so(held: Any) -> bool:
        try:
            return ip_address(held) in network
        except ValueError:
            return False

    return is_so


def is_by_look(node: Any, product: str) -> bool:
    """Whether it is the same for all operations that look alike (`detectors/asking.py`)."""
    match node:
        case ConditionAND() | ConditionOR() | ConditionNOT():
            return all(is_by_look(each, product) for each in node.args)
        case ConditionFieldEqualsValueExpression():
            fields = [node.field]
            if isinstance(node.value, SigmaFieldReference):
                fields.append(node.value.field)
            return all(known(field, product).by_look for field in fields)
    return False


def classes_of(node: Any, product: str) -> frozenset[OpClass]:
    """Op classes that can fulfil it: the others are never asked about it."""
    every = frozenset(OpClass)
    match node:
        case ConditionAND():
            return every.intersection(*(classes_of(each, product) for each in node.args))
        case ConditionOR():
            return frozenset().union(*(classes_of(each, product) for each in node.args))
        case ConditionFieldEqualsValueExpression() if known(node.field, product).is_class:
            matches = matcher_of(node.value, node.field)
            return frozenset(op_class for op_class in OpClass if matches(op_class.value))
    return every


def name_test_of(node: Any, product: str) -> NameTest | None:
    """What an operation's name has to be like; None if any will do."""
    match node:
        case ConditionAND():
            tests = [test for each in node.args if (test := name_test_of(each, product))]
            return (lambda name: all(test(name) for test in tests)) if tests else None
        case ConditionOR():
            alternatives = [name_test_of(each, product) for each in node.args]
            found = [test for test in alternatives if test is not None]
            return (
                (lambda name: any(test(name) for test in found)) if len(found) == len(alternatives) else None
            )
        case ConditionFieldEqualsValueExpression():
            of_name = known(node.field, product).of_name
            if of_name is None or isinstance(node.value, SigmaFieldReference):
                return None
            matches = matcher_of(node.value, node.field)
            return lambda name: matches(of_name(name))
    return None
