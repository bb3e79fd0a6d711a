"""Runs a Python program that ends, with all its children, when whoever started it is gone.

`python -P leash.py MODULE ARGUMENT …`, in a process group of its own and with a pipe as standard
input: the other end of the pipe closes however its owner ends, by kill -9 too.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def _wait_for_the_end_of_the_pipe() -> None:
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_wait_for_the_end_of_the_pipe, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
