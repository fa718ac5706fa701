"""Every error chainbrake raises on purpose.

ChainbrakeError
├── InputError                 somebody handed us bytes we cannot use
│   ├── UnreadableEventError   an event; carries the reason that is counted and dead-lettered
│   ├── PolicyError            a policy file
│   ├── ArtifactError          a baseline file
│   ├── VocabularyError        a vocabulary file
│   ├── RegistryError          a registry file
│   ├── ModelRegistryError     a registry of baselines
│   │   └── UnansweredError    it does not answer
│   ├── SigningError           a key that baselines are signed or checked with
│   ├── RuleError              a file of chains or of Sigma rules
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
    """No JSON: cut off, or never was."""
    NOT_UTF8 = "not_utf8"
    """Bytes that are no UTF-8."""
    INVALID = "invalid"
    """JSON, but no event: a field is missing, of a wrong type or beyond its limit."""
    TOO_LARGE = "too_large"
    """More than `EVENT_BYTES_MAX` bytes; not even parsed."""
    TOMBSTONE = "tombstone"
    """A record without a value."""
    ENVELOPE = "envelope"
    """The CloudEvent around it: not version 1.0, incomplete, or at odds with the data inside."""
    TIME_IN_FUTURE = "time_in_future"
    """Dated further ahead of its arrival than `future_ms_max`."""
    TIME_IN_PAST = "time_in_past"
    """Dated further behind its arrival than `past_ms_max`."""
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


class VocabularyError(InputError):
    """A vocabulary file that says something impossible."""


class RegistryError(InputError):
    """A registry file that cannot be used."""


class ModelRegistryError(InputError):
    """A registry of baselines that cannot be read or written, or does not hold what was asked for."""


class UnansweredError(ModelRegistryError):
    """A store that was waited for as long as is set."""


class SigningError(InputError):
    """A key that cannot be used to sign baselines or to check them."""


class RuleError(InputError):
    """A file of chains or of Sigma rules that cannot be carried out; names file, line and column."""


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
