from __future__ import annotations

from collections.abc import Iterator

import pytest

from selector.launch.base import Finished, Launcher, Reported, Started
from selector.launch.inline import InlineLauncher
from selector.track.run import Outcome
from tests.contracts.launcher import LauncherContract, ended
from tests.launch.examples import function_run


class TestInlineLauncher(LauncherContract):
    @pytest.fixture
    def launcher(self) -> Iterator[Launcher]:
        with InlineLauncher() as launcher:
            yield launcher


def test_an_interrupt_leaves_poll_and_the_run_ends_as_lost() -> None:
    launcher = InlineLauncher()
    launcher.submit(function_run("a", "interrupts"))
    with pytest.raises(KeyboardInterrupt):
        launcher.poll(0.0)
    started, reported, finished = launcher.poll(0.0)
    assert isinstance(started, Started)
    assert isinstance(reported, Reported)
    assert isinstance(finished, Finished)
    assert finished.ended.outcome is Outcome.LOST
    assert launcher.room() == 1


def test_an_exception_that_is_no_signal_s_is_its_run_s_crash() -> None:
    launcher = InlineLauncher()
    launcher.submit(function_run("a", "cancelled"))
    end = ended(launcher.poll(0.0), "a")
    assert end.outcome is Outcome.CRASHED
    assert "CancelledError: of a task" in end.error
