"""Every error chainbrake raises on purpose.

ChainbrakeError
├── InputError                 somebody handed us bytes we cannot use
│   ├── UnreadableEventError   an event; carries the reason that is counted and dead-lettered
│   ├── PolicyError            a policy file
│   ├── ArtifactError          a baseline file
│   └── SettingsError          an environment variable or an option
└── StateError                 the world's state does not allow to go on
    ├── FencedError            somebody else owns the partition by now
    └── TopicChangedError      the actions topic is not the one the state belongs to
"""

from enum import StrEnum


class ChainbrakeError(Exception):
    """The root: `except ChainbrakeError` catches what we raise on purpose, and no bug."""


class InputError(ChainbrakeError):
    """Somebody handed us bytes we cannot use; the message says where and what would be valid."""


class Unreadable(StrEnum):
    """Why an event went to the dead letters: the bounded values of a metric's label."""

    NOT_JSON = "not_json"
    NOT_UTF8 = "not_utf8"
    INVALID = "invalid"
    TOO_LARGE = "too_large"
    TOMBSTONE = "tombstone"
    ENVELOPE = "envelope"
    TIME_IN_FUTURE = "time_in_future"
    TIME_IN_PAST = "time_in_past"
    JUDGE_FAILED = "judge_failed"
    """The judge raised: a mistake of ours, and the event is kept for when it is mended."""


class UnreadableEventError(InputError):
    """An event that cannot be judged."""

    def __init__(self, reason: Unreadable, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class PolicyError(InputError):
    """A policy file that cannot be obeyed."""


class ArtifactError(InputError):
    """A baseline file that cannot be trusted."""


class SettingsError(InputError):
    """A setting that cannot be used."""


class StateError(ChainbrakeError):
    """The world's state does not allow to go on."""


class FencedError(StateError):
    """Somebody else took the partition over: whatever we still hold of it is old."""

    def __init__(self, partition: int, epoch: int) -> None:
        super().__init__(f"partition {partition}: epoch {epoch} is over, another worker owns it now")
        self.partition = partition
        self.epoch = epoch


class TopicChangedError(StateError):
    """The actions topic was recreated or repartitioned: positions in the store mean nothing on it."""

    def __init__(self, topic: str, known: str, found: str) -> None:
        super().__init__(
            f"topic {topic} is not the one the stored state belongs to (stored: {known}; found: {found}). "
            f"To drop the state and start at the new topic's beginning: chainbrake run --adopt-topic"
        )
