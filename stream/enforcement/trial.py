"""A hook on trial: commands against a session that does not exist, in the order that shows most.

All records have one key, so the hook meets them in this order: what must be skipped comes first, and whatever
is answered after it shows that it was.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Self
from uuid import uuid4

import msgspec
from kafka import TopicPartition
from kafka.errors import KafkaError
from msgspec import Struct

from models.acknowledgement import Acknowledgement, Certainty, Hit
from models.caep import to_caep
from models.command import Action, Command
from models.errors import InputError, StateError
from models.remediation import read_acknowledgement
from stream.configuration.settings import Settings
from stream.enforcement.publisher import DELIVER_MS_MAX, Publisher
from stream.kafka.brokers import connecting, lone_consumer
from stream.kafka.messages import Record, record_of
from stream.kafka.topics import topics_of

ISSUER = "//chainbrake/trial"
LIFETIME_MS = 10 * 60_000
POLL_MS = 100
GARBAGE = (b"", b"{", b"null", b"\xff\xfe", b'{"events": []}', b"[" * 10_000)
ASKED = (Action.REVOKE_TOKEN, Action.QUARANTINE_WORKFLOW, Action.READ_ONLY, Action.STEP_UP)
"""Beside a kill: a hook may say of each that it cannot do that here."""


class Found(Struct, frozen=True):
    """One thing that was looked at."""

    rule: str
    kept: bool | None
    """None: nothing that a hook must do, and worth knowing."""
    said: str


class Trial:
    """One hook by its name, at the topics of these settings."""

    def __init__(self, settings: Settings, hook: str, within_s: float) -> None:
        """`within_s`: how long an answer is waited for. Raises `StateError` if no broker answers."""
        self._hook = hook
        self._within_s = within_s
        self._topics = topics_of(settings)
        self._answers: dict[str, list[Acknowledgement]] = {}
        self._others: set[str] = set()
        self._unreadable: list[str] = []
        self._session = f"trial-{uuid4().hex[:12]}"
        self._publisher = Publisher(settings, "trial")
        self._publisher.know(self._topics.commands, self._topics.acks)
        with connecting(settings):
            self._consumer = lone_consumer(settings, "trial")
        numbers = self._consumer.partitions_for_topic(self._topics.acks) or ()
        parts = [TopicPartition(self._topics.acks, number) for number in numbers]
        self._consumer.assign(parts)
        for part, end in self._consumer.end_offsets(parts).items():
            self._consumer.seek(part, end)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()
        self._publisher.close()

    def found(self) -> Iterator[Found]:
        """What was found, as it is. Raises `StateError` if the broker fails."""
        shadow = self._command(Action.KILL_SESSION, shadow=True)
        expired = self._command(Action.KILL_SESSION, expires_ms=1)
        kill = self._command(Action.KILL_SESSION)
        nobodys = msgspec.json.encode(to_caep(self._command(Action.KILL_SESSION), ISSUER))
        for garbage in (*GARBAGE, nobodys.replace(self._session.encode(), b"")):
            self._send(Record(self._topics.commands, self._session.encode(), garbage, []))
        for command in (shadow, expired, kill):
            self._order(command)
        first = self._answer_to(kill)
        yield self._to_kill(first)
        yield from self._unread()
        if first is None:
            return
        yield from _handed_back(first, kill)
        yield self._unanswered(shadow, "shadow: do nothing, answer nothing")
        yield self._not_done(expired)
        self._order(kill)
        others = [self._command(action) for action in ASKED]
        for command in others:
            self._order(command)
            yield _can(command, self._answer_to(command))
        yield self._again(kill)
        release = self._command(Action.RELEASE_SESSION, lifts=(kill.id, *(each.id for each in others)))
        self._order(release)
        yield _released(self._answer_to(release))
        yield from self._unread()
        yield from _proven(self._answers[kill.id])

    def _command(
        self, action: Action, *, shadow: bool = False, expires_ms: int = 0, lifts: tuple[str, ...] = ()
    ) -> Command:
        now_ms = int(time.time() * 1000)
        return Command(
            id=uuid4().hex,
            action=action,
            session=self._session,
            workflow=self._session,
            agent="trial",
            at_ms=now_ms,
            seen_ms=now_ms,
            expires_ms=expires_ms or now_ms + LIFETIME_MS,
            event_id="trial",
            event_source=ISSUER,
            risk=1.0,
            reason="a trial of a hook: nothing has happened",
            credential=f"{self._session}-credential" if action is Action.REVOKE_TOKEN else "",
            shadow=shadow,
            lifts=lifts,
        )

    def _order(self, command: Command) -> None:
        self._send(record_of(command, self._topics, ISSUER))

    def _send(self, record: Record) -> None:
        try:
            self._publisher.send(record).get(timeout=DELIVER_MS_MAX / 1000)
        except KafkaError as error:
            raise StateError(f"a command did not reach {record.topic}: {error}") from error

    def _answer_to(self, command: Command) -> Acknowledgement | None:
        """The hook's first answer."""
        end_s = time.monotonic() + self._within_s
        while command.id not in self._answers and time.monotonic() < end_s:
            self._hear()
        told = self._answers.get(command.id)
        return told[0] if told else None

    def _hear(self) -> None:
        try:
            heard = self._consumer.poll(timeout_ms=POLL_MS)
        except KafkaError as error:
            raise StateError(f"{self._topics.acks} cannot be read: {error}") from error
        for record in (each for records in heard.values() for each in records):
            try:
                answer = read_acknowledgement(record.value)
            except InputError as error:
                self._unreadable.append(f"{error}: {(record.value or b'')[:200]!r}")
                continue
            if answer.hook == self._hook:
                self._answers.setdefault(answer.command, []).append(answer)
            else:
                self._others.add(answer.hook)

    def _to_kill(self, answer: Acknowledgement | None) -> Found:
        rule = "kill_session is answered, and garbage before it is skipped"
        if answer is not None:
            return Found(rule, kept=True, said=_told(answer))
        others = f"; answers came of {', '.join(sorted(self._others))}" if self._others else ""
        return Found(rule, kept=False, said=f"no answer of {self._hook} within {self._within_s:g} s{others}")

    def _unread(self) -> Iterator[Found]:
        """What came on the acks topic and is none."""
        for error in self._unreadable:
            yield Found("every answer can be read", kept=False, said=error)
        self._unreadable.clear()

    def _unanswered(self, command: Command, rule: str) -> Found:
        answers = self._answers.get(command.id)
        return Found(rule, kept=not answers, said=_told(answers[0]) if answers else "no answer")

    def _not_done(self, command: Command) -> Found:
        answers = self._answers.get(command.id, [])
        rule = "expired: do nothing, answer failed"
        if not answers:
            return Found(rule, kept=None, said="no answer: it will be asked again")
        return Found(rule, kept=not any(each.stopped for each in answers), said=_told(answers[0]))

    def _again(self, command: Command) -> Found:
        answers = self._answers[command.id]
        rule = "again is normal: the same command is no error"
        return Found(rule, kept=answers[-1].outcome == answers[0].outcome, said=_told(answers[-1]))


def _told(answer: Acknowledgement) -> str:
    said = f"{answer.outcome}, {answer.certainty}"
    return f"{said}: {answer.detail}" if answer.detail else said


def _handed_back(answer: Acknowledgement, command: Command) -> Iterator[Found]:
    """Fields that may be left out, and what is lost with each."""
    if answer.session != command.session or answer.action is not command.action:
        yield Found(
            "action and session are handed back", kept=None, said="without them a SIEM joins by id only"
        )
    if answer.seen_ms != command.seen_ms:
        yield Found("seen_ms is handed back", kept=None, said="without it nobody knows how long a stop took")


def _proven(answers: Iterable[Acknowledgement]) -> Iterator[Found]:
    """Whether it ever said more than that its target had answered."""
    if not any(answer.certainty is Certainty.VERIFIED for answer in answers):
        said = "accepted only: try what worked before, and answer verified once it is refused"
        yield Found("200 is not dead", kept=None, said=said)


def _can(command: Command, answer: Acknowledgement | None) -> Found:
    """Whatever it can do: it has to say so."""
    rule = f"{command.action} is answered"
    if answer is None:
        return Found(rule, kept=False, said="no answer: it will be sent again, then escalated")
    return Found(rule, kept=True, said=_told(answer))


def _released(answer: Acknowledgement | None) -> Found:
    rule = "a release is answered as done"
    if answer is None:
        return Found(rule, kept=False, said="no answer")
    return Found(rule, kept=answer.outcome in {Hit.DONE, Hit.NOT_FOUND}, said=_told(answer))
