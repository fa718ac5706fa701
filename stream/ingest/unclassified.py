"""Which names to add to a vocabulary: the most frequent operations that none knows, in bounded memory.

Method: Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements in data streams"
(Space-Saving, 2005).
"""

NAMES_MAX = 64
"""Names kept per provider."""
PROVIDERS_MAX = 32


class Frequent:
    """The most frequent names of a stream. Any name seen more than `seen / NAMES_MAX` times is among them."""

    def __init__(self) -> None:
        self.seen = 0
        """How many names came, all told."""
        self._counts: dict[str, int] = {}

    def add(self, name: str) -> None:
        """One more. A new name takes the place of the least frequent, and its count: never too low."""
        self.seen += 1
        counts = self._counts
        if name in counts or len(counts) < NAMES_MAX:
            counts[name] = counts.get(name, 0) + 1
            return
        least = min(counts, key=counts.__getitem__)
        counts[name] = counts.pop(least) + 1

    def most(self, many: int = NAMES_MAX) -> tuple[tuple[str, int], ...]:
        """Names and counts, the most frequent first; a count is too high by `seen / NAMES_MAX` at most."""
        ranked = sorted(self._counts.items(), key=lambda named: (-named[1], named[0]))
        return tuple(ranked[:many])


class Unclassified:
    """Names that no vocabulary knows, by provider."""

    def __init__(self) -> None:
        self._providers: dict[str, Frequent] = {}

    def add(self, provider: str, operation: str) -> None:
        """One record with an operation that is not known."""
        frequent = self._providers.get(provider)
        if frequent is None:
            if len(self._providers) >= PROVIDERS_MAX:
                return
            frequent = self._providers[provider] = Frequent()
        frequent.add(operation)

    def flat(self, many: int = 10) -> dict[str, int]:
        """The same for people: `<provider> <name>` and how often."""
        return {f"{source} {name}": count for source, most in self.most(many).items() for name, count in most}

    def most(self, many: int = 10) -> dict[str, tuple[tuple[str, int], ...]]:
        """Per provider the names to add first, with how often they came."""
        return {provider: frequent.most(many) for provider, frequent in sorted(self._providers.items())}
