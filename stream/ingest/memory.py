"""What the resolver remembers: tables with a limit, the entry touched longest ago gives way."""

from collections import OrderedDict
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Table(Generic[Value]):
    """Values by key, at most `size_max`; `changed` are the keys written or dropped since it was cleared."""

    def __init__(self, kind: object, size_max: int) -> None:
        self.kind = kind
        """The type of the values, for whoever stores them."""
        self.size_max = size_max
        self.changed: dict[str, None] = {}
        self._values: OrderedDict[str, Value] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str) -> Value | None:
        """The value, which is thereby the youngest."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def peek(self, key: str) -> Value | None:
        """The value; its age stays."""
        return self._values.get(key)

    def keys(self) -> list[str]:
        """All keys, the one touched longest ago first."""
        return list(self._values)

    def oldest(self) -> tuple[str, Value] | None:
        """What would give way first."""
        return next(iter(self._values.items()), None)

    def put(self, key: str, value: Value) -> None:
        """Remember; what was touched longest ago is forgotten where there is no room."""
        self._values[key] = value
        self._values.move_to_end(key)
        self.changed[key] = None
        if len(self._values) > self.size_max:
            forgotten, _ = self._values.popitem(last=False)
            self.changed[forgotten] = None

    def pop(self, key: str) -> Value | None:
        """Forget, and say what it was."""
        value = self._values.pop(key, None)
        if value is not None:
            self.changed[key] = None
        return value

    def restore(self, key: str, value: Value) -> None:
        """Remember what was stored: nothing is changed by it."""
        self._values[key] = value
        self._values.move_to_end(key)
