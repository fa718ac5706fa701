"""The command line: `chainbrake …`. Loading it takes a while, and Ctrl-C may come before it is there."""

import sys

INTERRUPTED = 130
"""As a shell says it: 128 and the number of the signal."""


def main() -> None:
    """Run; whoever interrupts it, while it is loaded or later, knows why it ended."""
    try:
        from stream.commands.program import run_program  # noqa: PLC0415 - it is what takes a while

        run_program()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
