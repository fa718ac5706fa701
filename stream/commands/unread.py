"""What commands say of lines that they could not read: half a recording must not pass for the whole."""

from collections.abc import Mapping

from models.errors import InputError
from stream.recordings.recorded import Refused, told_of
from stream.terminal.console import errors, escape


def tell_unread(unread: Mapping[str, int]) -> None:
    """How many lines said nothing, by reason."""
    for reason, count in sorted(unread.items()):
        errors.print(f"[yellow]note:[/yellow] not read: {count} lines ({reason})")


def tell_refused(refused: Refused | None, source: str) -> None:
    """The first dead letter: a wrong file or source shows at once."""
    if refused is not None:
        errors.print(f"[yellow]first dead letter:[/yellow] {escape(told_of(refused, source))}")


def require_some(sessions: int, source: str, unread: Mapping[str, int]) -> None:
    """Raises `InputError` for none: the wrong file, or the wrong format, must not look like a quiet day."""
    if not sessions:
        lines = f", and {sum(unread.values())} lines could not be read" if unread else ""
        raise InputError(
            f"no session in it{lines}: are these recordings of the format {source} (--source)? "
            f"chainbrake replay tells what cannot be read"
        )
