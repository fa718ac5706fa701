"""Becomes a server that dies with its parent. A script of its own: `launch.py PARENT_PID COMMAND…`.

Asking the kernel for it between fork and exec (`preexec_fn`) can deadlock in a parent with threads, so a
fresh Python asks, then turns into the server: same process, same id.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(parent_pid: int, command: list[str]) -> None:
    """Tie this process to its parent (on Linux), then replace it by the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent_pid:  # the parent died before we asked
            sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - no shell is what we want


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
