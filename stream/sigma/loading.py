"""Sigma files, read by pySigma, compiled; what cannot be executed is refused with file, rule and reason."""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from detectors.chains.hosted import Hosted
from detectors.policy import ChainOverride, Policy
from models.errors import RuleError
from stream.sigma.compiling import Compiler
from stream.sigma.predicates import Refused
from stream.yaml_places import Document, documents

Rule = SigmaRule | SigmaCorrelationRule


class Loaded(Struct, frozen=True):
    """A rule and the document it stands in."""

    rule: Rule
    document: Document

    @property
    def name(self) -> str:
        """What findings call it."""
        rule = self.rule
        return rule.name or (
            str(rule.id) if rule.id else re.sub(r"\W+", "_", rule.title.casefold()).strip("_")
        )


def load_sigma(found: Iterable[tuple[str, bytes]], policy: Policy, taken: set[str]) -> Iterator[Hosted]:
    """Everything to host. `taken` are names of detectors, and grows. Raises `RuleError`."""
    loaded = [rule for path, content in found for rule in _read(path, content)]
    try:
        SigmaCollection([each.rule for each in loaded])
    except SigmaError as error:
        raise RuleError(
            f"{', '.join(dict.fromkeys(each.document.path for each in loaded))}: {error}"
        ) from error
    compiler = Compiler([each.rule for each in loaded], policy)
    for each in loaded:
        name = f"sigma:{each.name}"[:256]
        if name in taken:
            raise _refused(each, "another rule has this name; valid is a name of its own")
        taken.add(name)
        try:
            hosted = tuple(compiler.hosted(each.rule, name))
        except (Refused, SigmaError) as error:
            raise _refused(each, str(error)) from error
        yield from _obeying(hosted, policy)


def _refused(loaded: Loaded, reason: str) -> RuleError:
    return RuleError(loaded.document.fault((), f"rule {loaded.name}: {reason}"))


def _read(path: str, content: bytes) -> Iterator[Loaded]:
    for document in documents(path, content):
        told = document.content
        if not isinstance(told, dict) or not {"detection", "correlation"} & set(told):
            raise RuleError(document.fault((), "no rule; valid has a `detection` or a `correlation`"))
        if "action" in told or "filter" in told:
            raise RuleError(
                document.fault((), "`action` and `filter` are not carried out; write the rule whole")
            )
        kind = SigmaCorrelationRule if "correlation" in told else SigmaRule
        try:
            yield Loaded(kind.from_dict(told), document)
        except (SigmaError, TypeError, AttributeError, KeyError) as error:
            name = told.get("name") or told.get("title") or "without a name"
            raise RuleError(document.fault((), f"rule {name}: {error}")) from error


def _obeying(hosted: Iterable[Hosted], policy: Policy) -> Iterator[Hosted]:
    """As the policy changes them."""
    for each in hosted:
        change = policy.chains.get(each.name, ChainOverride())
        if change.enabled is not False:
            shape = each.shape
            yield replace(
                each,
                shape=replace(shape, within_ms=change.within_ms or shape.within_ms),
                confidence=change.confidence or each.confidence,
                response=change.response or each.response,
            )
