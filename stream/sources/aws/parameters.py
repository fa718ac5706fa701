"""What the parameters of AWS calls say beyond their names: who gains, what is granted, how far, how long.

Here is what several kinds of calls have in common; the kinds are in `iam.py` and `services.py`. They
follow the API references of the services, as CloudTrail writes them (first letters lower case). A value is
kept where it is a name, an id or a number; secrets, passwords and documents are read and dropped.
"""

from typing import Any

from msgspec import Struct

from models.attested import Effect, Fact
from models.event import OpClass
from stream.sources.aws.names import short
from stream.sources.aws.policies import (
    LetsIn,
    administrative,
    gives,
    is_maintained,
    only_denies,
    shuts_out,
)
from stream.sources.reading import NAME_MAX, listed, nested


class Reading(Struct, gc=False):
    """One call while it is being read."""

    parameters: dict[str, Any]
    response: dict[str, Any]
    account: str
    """The account in which it happened."""
    caller: str
    """Short name of who called."""
    via: str
    """Service that called for them."""
    op_class: OpClass
    target: str
    effects: dict[Effect, None]
    facts: dict[str, str]

    def text(self, name: str) -> str:
        """A parameter that is a text; else nothing."""
        value = self.parameters.get(name)
        return value[:NAME_MAX] if isinstance(value, str) else ""

    def add(self, *effects: Effect) -> None:
        """What it leaves behind."""
        self.effects.update(dict.fromkeys(effects))

    def take(self, *effects: Effect) -> None:
        """What it does not leave behind, after all."""
        for effect in effects:
            self.effects.pop(effect, None)

    def fact(self, key: str, *values: str) -> None:
        """A fact, where there is one; values are added to those that are there."""
        before = self.facts.get(key, "")
        if text := listed([*before.split(","), *values]):
            self.facts[key] = text


def document(reading: Reading, *names: str) -> None:
    """A policy that is given to the target: administrative, or one that only takes away."""
    for name in names:
        policy = nested(reading.parameters.get(name))
        if policy is None:
            continue
        given = gives(policy)
        if given.admin:
            reading.add(Effect.ADMIN)
        if given.everything:
            reading.add(Effect.WIDE)
        if only_denies(policy):
            reading.take(Effect.EXPANDS)
            reading.add(Effect.REMOVES)


def attached(reading: Reading) -> None:
    """AttachRolePolicy and its like: the policy is named."""
    policy = reading.text("policyArn") or reading.text("managedPolicyArn")
    reading.fact(Fact.GRANTED, short(policy))
    if administrative(policy):
        reading.add(Effect.ADMIN)
    if shuts_out(policy) and is_maintained(policy):
        reading.take(Effect.EXPANDS)
        reading.add(Effect.REMOVES)


def let_in(reading: Reading, let: LetsIn) -> None:
    """Whom a policy lets in; what lets somebody in from outside is a trust path."""
    foreign = [account for account in let.accounts if account != reading.account]
    reading.fact(Fact.FOREIGN_ACCOUNT, *foreign)
    reading.fact(Fact.ISSUER, *let.issuers)
    reading.fact(Fact.ADMITS, let.admits)
    reading.fact("trusted_accounts", *let.accounts)
    reading.fact("trusted_services", *let.services)
    if foreign or let.issuers:
        reading.add(Effect.TRUST_PATH)
    if "*" in let.accounts:
        reading.add(Effect.WIDE)
