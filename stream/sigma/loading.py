"""Sigma files, read by pySigma, compiled; what cannot be executed is refused with file, rule and reason."""

import re
from collections.abc import Iterable, Iterator, Sequence
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from detectors.chains.faults import CEILING, TOO_MANY
from detectors.chains.hosted import Hosted
from detectors.policy import ChainOverride, Policy
from models.errors import RuleError
from stream.configuration.yaml_places import Document, documents
from stream.sigma.compiling import Compiler
from stream.sigma.faulting import named_by, refused, untold
from stream.sigma.predicates import Refused

Rule = SigmaRule | SigmaCorrelationRule
RULE = "no rule; valid has a `detection` or a `correlation`"


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


def load_sigma(
    found: Sequence[tuple[str, bytes]], policy: Policy, taken: set[str], noted: list[str]
) -> Iterator[Hosted]:
    """Everything to host. Raises `RuleError`.

    `taken` are names of detectors, and grows, as does `noted`: what does less than it seems to.
    """
    loaded = [rule for path, content in found for rule in _read(path, content)]
    try:
        SigmaCollection([each.rule for each in loaded])
    except SigmaError as error:
        documents_ = [each.document for each in loaded]
        meant = next((each for each in documents_ if named_by(each, error)), None)
        if meant is not None:
            raise RuleError(refused(meant, error)) from error
        raise RuleError(f"{', '.join(dict.fromkeys(each.path for each in documents_))}: {error}") from error
    digest = crc32(b"".join(content for _, content in found))
    compiler = Compiler([each.rule for each in loaded], policy, f"{digest:08x}")
    for each in loaded:
        name = f"sigma:{each.name}"[:256]
        if name in taken:
            taken_name = Refused("another rule has this name; valid is a name of its own", each.name)
            raise RuleError(refused(each.document, taken_name))
        taken.add(name)
        try:
            hosted = tuple(compiler.hosted(each.rule, name))
        except (Refused, SigmaError) as error:
            raise RuleError(refused(each.document, error)) from error
        if compiler.follows_actors(each.rule):
            remark = CEILING if all(one.crosses for one in hosted) else TOO_MANY
            noted.append(each.document.fault(("correlation", "group-by"), remark))
        yield from _obeying(hosted, policy)


def _read(path: str, content: bytes) -> Iterator[Loaded]:
    found_any = False
    for document in documents(path, content):
        found_any = True
        told = document.content
        if isinstance(told, dict) and {"action", "filter"} & set(told):
            key = "action" if "action" in told else "filter"
            raise RuleError(
                document.fault((key,), "`action` and `filter` are not carried out; write the rule whole")
            )
        if isinstance(told, dict) and "steps" in told:
            raise RuleError(document.fault((), "a chain, and no Sigma rule; valid is --chains for this file"))
        if not isinstance(told, dict) or not {"detection", "correlation"} & set(told):
            raise RuleError(document.fault((), RULE))
        for mistake in untold(document):
            raise RuleError(mistake)
        kind = SigmaCorrelationRule if "correlation" in told else SigmaRule
        try:
            yield Loaded(kind.from_dict(told), document)
        except (SigmaError, TypeError, AttributeError, KeyError) as error:
            raise RuleError(refused(document, error)) from error
    if not found_any:
        raise RuleError(f"{path}:1:1: nothing in it; {RULE}")


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
