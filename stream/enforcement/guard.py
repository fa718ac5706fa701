"""The guard: which call is refused, under which command, until when. Pure but for a lock; time is passed in.

One thread hears commands, another asks about calls. Blocks are bounded and the expired ones go first: should
all the room be taken by blocks in force, the one that would end first gives way, and that is said aloud.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from heapq import nsmallest

import structlog
from msgspec import Struct

from models.command import Action, Command
from models.event import CHANGES, READS, Operation

log = structlog.stdlib.get_logger(__name__)

BLOCKS_MAX = 100_000
SEEN_MAX = 100_000
LIFTED_MAX = 10_000

REASONS = {
    Action.KILL_SESSION: "this session was stopped",
    Action.QUARANTINE_WORKFLOW: "this workflow is in quarantine",
    Action.REVOKE_TOKEN: "this credential was revoked",
    Action.READ_ONLY: "this session may only read",
    Action.STEP_UP: "approval required",
}
"""What an agent is told. Why stands in the command: one that is hijacked must not learn what gave it away."""


class Block(Struct, frozen=True, kw_only=True):
    """One command in force."""

    command: str
    action: Action
    subject: str
    """The session, credential or workflow that is refused."""
    session: str
    workflow: str
    """With the session: whose release lifts it."""
    expires_ms: int

    @property
    def reason(self) -> str:
        """What the refused agent is told."""
        return REASONS[self.action]


class Seen(Struct):
    """A session whose calls came through here."""

    workflow: str
    credential: str = ""
    calls: int = 0
    refused: int = 0


class Guard:
    """What is in force. All methods may be called from any thread; none waits for anything but the lock."""

    def __init__(self, blocks_max: int = BLOCKS_MAX, seen_max: int = SEEN_MAX) -> None:
        self._blocks_max = blocks_max
        self._seen_max = seen_max
        self._lock = threading.Lock()
        self._blocks: dict[tuple[Action, str], dict[str, Block]] = {}
        self._count = 0
        self._lifted: OrderedDict[str, None] = OrderedDict()
        self._seen: OrderedDict[str, Seen] = OrderedDict()

    def block(self, command: Command, now_ms: int) -> bool:
        """Put a command in force; False if a human has lifted that very command since."""
        assert command.action in REASONS, command.action
        block = Block(
            command=command.id,
            action=command.action,
            subject=subject_of(command),
            session=command.session,
            workflow=command.workflow,
            expires_ms=command.expires_ms,
        )
        with self._lock:
            if command.id in self._lifted:
                return False
            held = self._blocks.setdefault((block.action, block.subject), {})
            self._count += command.id not in held
            held[command.id] = block
            if self._count > self._blocks_max:
                self._make_room(now_ms)
        return True

    def lift(self, session: str, workflow: str) -> int:
        """Lift all that commands against this session of this workflow brought; how many there were.

        The judge clears the workflow that the release names, and only there may the session earn a stop
        anew: lifted under another name, it would be free for good. What was lifted is remembered: a command
        that comes again later under the same id stays lifted.
        """
        with self._lock:
            owner = (session, workflow)
            lifted = [block for block in self._all() if (block.session, block.workflow) == owner]
            for block in lifted:
                self._drop(block)
                self._lifted[block.command] = None
            while len(self._lifted) > LIFTED_MAX:
                self._lifted.popitem(last=False)
        return len(lifted)

    def lifted(self, command: str) -> bool:
        """Whether a human lifted this command."""
        with self._lock:
            return command in self._lifted

    def refuses(self, call: Operation, now_ms: int) -> Block | None:
        """The strongest block that stands against a call, or None."""
        with self._lock:
            for action, subject in _subjects(call):
                for block in self._blocks.get((action, subject), {}).values():
                    if now_ms < block.expires_ms:
                        return block
        return None

    def note(self, call: Operation, *, refused: bool) -> None:
        """A call came, and was let through or refused."""
        with self._lock:
            seen = self._seen.get(call.session)
            if seen is None:
                seen = self._seen[call.session] = Seen(call.workflow)
                if len(self._seen) > self._seen_max:
                    self._seen.popitem(last=False)
            self._seen.move_to_end(call.session)
            seen.workflow, seen.credential = call.workflow, call.credential
            seen.calls += 1
            seen.refused += refused

    def seen(self, session: str) -> Seen | None:
        """What came of a session, as far back as memory reaches."""
        with self._lock:
            return self._seen.get(session)

    def standing(self, session: str, now_ms: int) -> list[Block]:
        """Every block in force that a session can run into, strongest first."""
        with self._lock:
            seen = self._seen.get(session)
            credential, workflow = (seen.credential, seen.workflow) if seen is not None else ("", "")
            subjects = {
                Action.KILL_SESSION: session,
                Action.QUARANTINE_WORKFLOW: workflow,
                Action.REVOKE_TOKEN: credential,
                Action.READ_ONLY: session,
                Action.STEP_UP: session,
            }
            return [
                block
                for key in subjects.items()
                for block in self._blocks.get(key, {}).values()
                if now_ms < block.expires_ms
            ]

    def __len__(self) -> int:
        return self._count

    def _make_room(self, now_ms: int) -> None:
        """Expired blocks go; if that is not enough, a hundredth of those that would end first."""
        for block in [block for block in self._all() if block.expires_ms <= now_ms]:
            self._drop(block)
        if self._count <= self._blocks_max:
            return
        surplus = self._count - self._blocks_max + self._blocks_max // 100
        for block in nsmallest(surplus, self._all(), key=lambda block: block.expires_ms):
            self._drop(block)
        log.error("blocks in force given up for want of room", blocks=surplus, blocks_max=self._blocks_max)

    def _all(self) -> Iterator[Block]:
        return (block for held in self._blocks.values() for block in held.values())

    def _drop(self, block: Block) -> None:
        key = (block.action, block.subject)
        del self._blocks[key][block.command]
        self._count -= 1
        if not self._blocks[key]:
            del self._blocks[key]


def subject_of(command: Command) -> str:
    """Whom a command is about: empty where it does not say, and then it cannot be obeyed."""
    if command.action is Action.REVOKE_TOKEN:
        return command.credential
    if command.action is Action.QUARANTINE_WORKFLOW:
        return command.workflow
    return command.session


def _subjects(call: Operation) -> Iterator[tuple[Action, str]]:
    """What could stand against a call, strongest first. What is not known to read counts as writing."""
    yield Action.KILL_SESSION, call.session
    yield Action.QUARANTINE_WORKFLOW, call.workflow
    if call.credential:
        yield Action.REVOKE_TOKEN, call.credential
    if call.op_class not in READS:
        yield Action.READ_ONLY, call.session
    if call.op_class in CHANGES:
        yield Action.STEP_UP, call.session
