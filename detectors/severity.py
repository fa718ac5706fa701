"""How much a change could do, by what it leaves behind: the same for every provider.

It looks at effects and facts, never at names of operations: a new API call is judged as soon as the
vocabulary says what it does.
"""

from enum import IntEnum

from models.attested import Effect, Fact
from models.event import CHANGES, GRANTS, Grade, OpClass, Operation
from models.registry import Registry, Standing
from models.session import called


class Severity(IntEnum):
    """From nothing to worry about to what nobody should do unasked."""

    NONE = 0
    """No change, or one that only takes away."""
    MINOR = 1
    """A change as thousands are made every day."""
    SERIOUS = 2
    """It makes somebody stronger, makes a lasting credential or weakens one user's login."""
    GRAVE = 3
    """It gives administrative or far-reaching rights, lets outsiders in or switches a guard rail off."""


POLICY_CLASSES = frozenset({OpClass.PRIVILEGE_CHANGE, OpClass.TRUST_CHANGE, OpClass.GUARDRAIL_CHANGE})
JUDGED = CHANGES | {OpClass.GUARDRAIL_CHANGE}
"""Classes that can have a severity."""
LOGIN_SOURCES = frozenset({"identity_provider", "trust_anchor", "trusted_token_issuer"})
"""What is trusted by being there: whoever it says has logged in has."""
FACTOR = "factor"
"""What one account logs in with; not its address or password, which somebody else may be given."""
LOGINS = frozenset({"user", "password", FACTOR})
"""What a credential is made of that logs in as a person; a token of hers is another kind."""
ADDS = frozenset({Effect.EXPANDS, Effect.MINTS, Effect.TRUST_PATH, Effect.WEAKENS, Effect.ADMIN})
"""What leaves somebody with more, or a defence with less."""


def severity(event: Operation, registry: Registry) -> Severity:
    """What an operation could do, whoever allowed it and whether it worked or not."""
    if event.op_class not in JUDGED:
        return Severity.NONE
    effects = event.effects
    if takes_away(event):
        return Severity.NONE
    if _grave(event, registry):
        return Severity.GRAVE
    serious = (
        Effect.WEAKENS in effects
        or undisclosed(event)
        or Effect.TRUST_PATH in effects
        or (Effect.EXPANDS in effects and event.op_class in GRANTS)
        or (Effect.MINTS in effects and for_another(event))
    )
    return Severity.SERIOUS if serious else Severity.MINOR


def may_weigh(event: Operation) -> bool:
    """Whether its severity can be serious or more, as far as its looks tell."""
    return bool(event.effects) or undisclosed(event)


def takes_away(event: Operation) -> bool:
    """Whether it does nothing but remove: one call may take one right away and give another."""
    effects = event.effects
    return bool(effects) and Effect.REMOVES in effects and ADDS.isdisjoint(effects)


def resets_login(event: Operation) -> bool:
    """Whether it takes all factors of one account away, and does nothing else."""
    return event.target_kind == FACTOR and ADDS.intersection(event.effects) == {Effect.WEAKENS}


def _grave(event: Operation, registry: Registry) -> bool:
    effects = event.effects
    if opens_to_outsiders(event, registry):
        return True
    if event.grade is Grade.ATTESTED and _lets_log_in(event) and _of_approver(event, registry):
        return True
    if Effect.MINTS in effects:  # one's own credential is as strong as its owner: serious, not grave
        return Effect.ADMIN in effects and (for_another(event) or Fact.GROUPS in event.facts)
    if Effect.ADMIN in effects:
        return True
    if Effect.WEAKENS in effects and (Effect.WIDE in effects or event.op_class is OpClass.GUARDRAIL_CHANGE):
        return True
    return Effect.EXPANDS in effects and to_itself(event)


def _lets_log_in(event: Operation) -> bool:
    """Whether somebody could log in as another by it: a login is weaker, or has a new password."""
    effects = event.effects
    if Effect.WEAKENS in effects:
        return True
    return Effect.MINTS in effects and Effect.LONG_LIVED not in effects and event.target_kind in LOGINS


def _of_approver(event: Operation, registry: Registry) -> bool:
    """Whether it is the login of somebody whose word vouches for changes: who has it allows anything."""
    person = event.facts.get(Fact.BENEFICIARY, "") or event.target
    return registry.is_approver(person) and called(person) != called(event.principal)


def opens_to_outsiders(event: Operation, registry: Registry) -> bool:
    """Whether it trusts an issuer, an account or somebody's pipelines that nobody registered.

    An issuer that the platform's own record of a new source of logins leaves out is none that is registered.
    """
    if Effect.TRUST_PATH not in event.effects:
        return False
    issuers = listed(event.facts.get(Fact.ISSUER, ""))
    accounts = listed(event.facts.get(Fact.FOREIGN_ACCOUNT, ""))
    if not issuers and event.target_kind in LOGIN_SOURCES and event.grade is Grade.ATTESTED:
        return True
    if any(not registry.knows_owner(owner) for owner in listed(event.facts.get(Fact.ADMITS, ""))):
        return True
    return any(not registry.knows_issuer(issuer) for issuer in issuers) or any(
        registry.standing(account) is Standing.FOREIGN for account in accounts
    )


def undisclosed(event: Operation) -> bool:
    """Whether a policy was changed and the record does not say in which direction."""
    return not event.effects and event.op_class in POLICY_CLASSES and "policy" in event.target_kind


def for_another(event: Operation) -> bool:
    """Whether what is minted or granted is for somebody else than who asks."""
    beneficiary = event.facts.get(Fact.BENEFICIARY, "")
    return bool(beneficiary) and not to_itself(event)


def lasting_for_another(event: Operation) -> bool:
    """Whether it makes somebody else's credential that lasts: an extra key to another house."""
    return Effect.MINTS in event.effects and Effect.LONG_LIVED in event.effects and for_another(event)


def to_itself(event: Operation) -> bool:
    """Whether the caller is among those who gain."""
    own = {called(event.principal), called(event.agent), called(event.facts.get(Fact.CLIENT, ""))} - {""}
    return any(called(name) in own for name in listed(event.facts.get(Fact.BENEFICIARY, "")))


def listed(value: str) -> tuple[str, ...]:
    """The values of a fact that may hold several."""
    return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
