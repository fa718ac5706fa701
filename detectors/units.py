"""What settings are told in, and between which bounds."""

from typing import Annotated

from msgspec import Meta

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
DurationMs = Annotated[int, Meta(ge=1, le=31 * 24 * 3_600_000)]

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
