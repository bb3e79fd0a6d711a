"""The first signal asks for a clean end, the second one ends; an ignored one stays ignored."""

from __future__ import annotations

import os
import pty
import signal
import sys
import warnings

import pytest

from selector.signals import StopSignals

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_is_noted_and_the_second_ends(number: int) -> None:
    before = signal.getsignal(number)
    with StopSignals() as signals:
        assert not signals.came()
        os.kill(os.getpid(), number)
        assert signals.came()
        assert signals.number == number
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before


def test_under_nohup_a_closed_terminal_ends_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not signals.came()
    finally:
        signal.signal(signal.SIGHUP, before)


PROGRAM = """
import sys, time
from selector.signals import StopSignals
with StopSignals() as signals:
    print("ready", flush=True)
    while not signals.came():
        time.sleep(0.01)
    print("the last picture", flush=True)
    print("and errors", file=sys.stderr, flush=True)
sys.exit(128 + signals.number)
"""


def test_a_terminal_that_is_closed_does_not_spoil_the_end() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python warns of a fork beside the threads of other tests
        process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM])
    seen = b""
    while b"ready" not in seen:
        seen += os.read(terminal, 100)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
