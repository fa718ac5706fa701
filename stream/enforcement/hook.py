"""The hook: a command becomes a block, and the answer says what that hit and what stays open.

First `accepted`, as soon as the block is in place; then a real call through the gateway's own port, which
must be refused now, makes it `verified`. How to write another hook: `docs/hooks.md`.
"""

from collections.abc import Callable

import structlog
from msgspec import Struct

from models.acknowledgement import Acknowledgement, Certainty, Hit
from models.caep import from_caep
from models.command import Action, Command
from models.errors import InputError
from models.event import OpClass
from stream.enforcement.guard import REASONS, Guard, subject_of

log = structlog.stdlib.get_logger(__name__)

NAME_CHARS_MAX = 256
NOT_SEEN = "no call of this session was seen here since the gateway started; any that comes is refused"
ISSUER_KNOWS = (
    "the credential stays valid wherever else it is accepted, until its issuer revokes it; "
    "how long that is, this gateway does not know"
)


OPEN = 204
REFUSED = 403
"""The HTTP status a probe is answered with: it would have been let through, or it is refused."""


class Answer(Struct, frozen=True):
    """What became of a command here."""

    outcome: Hit
    scope: str = ""
    residual: str = ""
    detail: str = ""
    probe: bool = False
    """Whether a call can show it."""


class Hook:
    """Obeys commands on the guard and acknowledges through `publish`; `probe` shows later that it holds."""

    def __init__(
        self,
        name: str,
        guard: Guard,
        publish: Callable[[Acknowledgement], None],
        probe: Callable[[Command], None],
    ) -> None:
        self.name = name
        self._guard = guard
        self._publish = publish
        self._probe = probe

    def read(self, value: bytes | None) -> Command | None:
        """The command in a record, if this hook has to answer it; never raises for what is none."""
        try:
            command = from_caep(value or b"")
        except InputError as error:
            log.warning("not a command, skipped", error=str(error), value=repr((value or b"")[:200]))
            return None
        named = (command.id, command.session, command.workflow, command.credential)
        if not command.id or not command.session or max(map(len, named)) > NAME_CHARS_MAX:
            log.warning(
                "a command without id or session, or with overlong names, skipped", id=command.id[:64]
            )
            return None
        if command.shadow:
            log.info("shadow command, not acted upon", id=command.id, action=command.action)
            return None
        return command

    def obey(self, command: Command, now_ms: int) -> Answer:
        """Act; what was hit. Nothing here waits: when this returns, the next call is refused."""
        if command.expires_ms <= now_ms:
            return Answer(Hit.FAILED, detail="expired")
        if command.action is Action.RELEASE_SESSION:
            return self._released(command, now_ms)
        if command.action not in REASONS:
            return Answer(Hit.UNSUPPORTED, detail=f"this hook does not know {command.action}")
        if not subject_of(command):
            return Answer(Hit.FAILED, detail=f"{command.action} does not say of whom")
        if not self._guard.block(command, now_ms):
            return Answer(
                Hit.DONE, f"{command.scope}, at this gateway", detail="was in force, and was released since"
            )
        log.warning("in force", id=command.id, action=command.action, session=command.session)
        return self._blocked(command)

    def _released(self, command: Command, now_ms: int) -> Answer:
        """Lift; a release that names another workflow lifts nothing, and must not look as if it had."""
        lifted = self._guard.lift(command.session, command.workflow)
        if not lifted and self._guard.standing(command.session, now_ms):
            log.warning("release of another workflow", id=command.id, session=command.session)
            return Answer(Hit.NOT_FOUND, detail="what stands against it is not of this workflow")
        detail = f"{lifted} blocks lifted" if lifted else "nothing stood against it here"
        return Answer(Hit.DONE, f"{command.scope}, at this gateway", detail=detail, probe=True)

    def answer(self, command: Command, answer: Answer, now_ms: int) -> None:
        """Acknowledge, then have it shown."""
        self._publish(self._acknowledgement(command, answer, Certainty.ACCEPTED, now_ms))
        if answer.probe:
            self._probe(command)

    def probed(self, command: Command, status: int, now_ms: int) -> None:
        """What the probe met with (an HTTP status). Neither yes nor no leaves the first answer standing."""
        answer = self._blocked(command)
        if command.action is Action.RELEASE_SESSION:
            if status == OPEN:
                released = Answer(Hit.DONE, f"{command.scope}, at this gateway")
                self._publish(self._acknowledgement(command, released, Certainty.VERIFIED, now_ms))
        elif status == REFUSED:
            self._publish(self._acknowledgement(command, answer, Certainty.VERIFIED, now_ms))
        elif status == OPEN and not self._guard.lifted(command.id):
            log.error(
                "a call got past a block", id=command.id, action=command.action, session=command.session
            )
            failed = Answer(Hit.FAILED, detail="a probe was let through although the block is in place")
            self._publish(self._acknowledgement(command, failed, Certainty.ACCEPTED, now_ms))
        else:
            log.warning("probe without a clear answer", id=command.id, status=status)

    def _blocked(self, command: Command) -> Answer:
        if command.action is Action.REVOKE_TOKEN:
            return Answer(Hit.PARTIAL, "the credential at this gateway", residual=ISSUER_KNOWS, probe=True)
        detail = "" if self._guard.seen(command.session) is not None else NOT_SEEN
        return Answer(Hit.DONE, f"{command.scope}, at this gateway", detail=detail, probe=True)

    def _acknowledgement(
        self, command: Command, answer: Answer, certainty: Certainty, now_ms: int
    ) -> Acknowledgement:
        return Acknowledgement(
            command=command.id,
            hook=self.name,
            outcome=answer.outcome,
            at_ms=now_ms,
            certainty=certainty,
            action=command.action,
            session=command.session,
            scope=answer.scope,
            residual=answer.residual,
            detail=answer.detail,
            seen_ms=command.seen_ms,
        )


def probe_of(command: Command) -> dict[str, str]:
    """A call that only this command can have refused: all else in it is nobody's."""
    nobody = f"probe-{command.id[:64]}"
    elsewhere = command.action in {Action.QUARANTINE_WORKFLOW, Action.REVOKE_TOKEN}
    changes = command.action in {Action.READ_ONLY, Action.STEP_UP}
    return {
        "workflow": command.workflow if command.action is Action.QUARANTINE_WORKFLOW else nobody,
        "session": nobody if elsewhere else command.session,
        "credential": command.credential if command.action is Action.REVOKE_TOKEN else "",
        "agent": nobody,
        "operation": "chainbrake.probe",
        "op_class": OpClass.PRIVILEGE_CHANGE if changes else OpClass.DISCOVERY,
    }
