"""What a record says of its operation's effects, beside what the vocabulary knows of its name."""

from typing import NamedTuple

from msgspec import Struct, field

from models.attested import Effect, Fact
from models.event import OpClass
from stream.sources.reading import TEXT_MAX

GAINS = (Effect.EXPANDS, Effect.ADMIN, Effect.TRUST_PATH, Effect.MINTS, Effect.LONG_LIVED)


class Said(NamedTuple):
    """What the body of a call adds to it."""

    effects: tuple[Effect, ...] = ()
    facts: dict[str, str] = {}  # noqa: RUF012 - a tuple's default, never changed
    op_class: OpClass | None = None
    """Where the body tells more than the name of the call."""
    without: tuple[Effect, ...] = ()
    """Effects of the call that this body shows not to be."""


NOTHING = Said()


class Gathered(Struct, kw_only=True):
    """Effects and facts that readers add to, one after the other."""

    effects: dict[Effect, None] = field(default_factory=dict)
    """In their order, each once."""
    facts: dict[str, str] = field(default_factory=dict)

    def say(self, *effects: Effect) -> None:
        """These effects, too."""
        self.effects.update(dict.fromkeys(effects))

    def only_removes(self) -> None:
        """It takes away, and gives nothing."""
        for effect in GAINS:
            self.effects.pop(effect, None)
        self.say(Effect.REMOVES)

    def state(self, fact: Fact, text: str | None) -> None:
        """A fact, where the record has one."""
        if text:
            self.facts[fact] = text[:TEXT_MAX]
