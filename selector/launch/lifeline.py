"""No orphans: a process that dies with the one that started it, whatever ended that one."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # prctl(2), linux/prctl.h


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the *thread* that started it ends (Linux only).

    Elsewhere nothing happens: there, the end of a socket is the only sign.

    Args:
        parent: Id of the process that started this one. Where it is gone already, the kernel
            would never tell, and this process ends here.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
