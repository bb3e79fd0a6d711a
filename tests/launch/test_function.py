from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from selector.config.schema import RunConfig
from selector.errors import ConfigError
from selector.launch.execute import execute
from selector.launch.function import FunctionRunner, check
from selector.track.run import Ended, Outcome
from tests.contracts.runner import Notes, RunnerCase, RunnerContract
from tests.launch import functions
from tests.launch.examples import function_config, function_run


class TestFunctionRunner(RunnerContract):
    @pytest.fixture
    def case(self) -> RunnerCase:
        return RunnerCase(
            runner=FunctionRunner(), run=lambda key: function_run(key, "learns"), metric="loss"
        )


def ended_by(monkeypatch: pytest.MonkeyPatch, body: Any) -> tuple[Ended, Notes]:
    """How a run of the function `body(run)` ends."""

    def given(config: RunConfig, run: Any) -> None:
        body(run)

    monkeypatch.setattr(functions, "given", given, raising=False)
    notes = Notes()
    FunctionRunner().run([function_run("a", "given")], notes, "cpu")
    ((_, end),) = notes.ends
    return end, notes


@pytest.mark.parametrize("value", [float("nan"), float("inf"), numpy.float32("-inf")])
def test_a_metric_that_is_not_finite_ends_the_run_as_diverged(
    monkeypatch: pytest.MonkeyPatch, value: Any
) -> None:
    def body(run: Any) -> None:
        run.report(1, loss=1.0)
        run.report(2, loss=value)
        pytest.fail("went on after it diverged")

    end, notes = ended_by(monkeypatch, body)
    assert end.outcome is Outcome.DIVERGED
    assert end.error == f"loss was {float(value)} at step 2"
    assert notes.rows == [("a", 1, {"loss": 1.0})]


def test_diverged_is_diverged_even_where_the_user_s_code_catches_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def swallows(run: Any) -> None:
        for step in range(3):
            try:
                run.report(step, loss=float("nan"))
            except Exception:  # noqa: BLE001 - what careless code does
                continue

    def translates(run: Any) -> None:
        try:
            run.report(1, loss=float("nan"))
        except Exception as error:
            raise KeyError("training failed") from error

    for body in (swallows, translates):
        assert ended_by(monkeypatch, body)[0].outcome is Outcome.DIVERGED


def test_a_name_with_half_a_character_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored, it would keep every report from being written."""
    end, notes = ended_by(monkeypatch, lambda run: run.report(1, **{"loss": 1, "half \udc80": 2}))
    assert end.outcome is Outcome.CRASHED
    assert end.error == "report: expected names that UTF-8 can write, got 'half \\udc80'"
    assert notes.rows == []


def test_another_metric_need_not_be_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    end, notes = ended_by(monkeypatch, lambda run: run.report(1, loss=1, norm=float("inf")))
    assert end.outcome is Outcome.COMPLETE
    assert notes.rows == [("a", 1, {"loss": 1.0, "norm": float("inf")})]


@pytest.mark.parametrize(
    ("metrics", "reported"), [({}, "nothing"), ({"val_loss": 1.0, "lr": 0.1}, "lr, val_loss")]
)
def test_a_function_that_never_reports_the_metric_crashed_and_is_told_what_is_expected(
    monkeypatch: pytest.MonkeyPatch, metrics: dict[str, float], reported: str
) -> None:
    end, _ = ended_by(monkeypatch, lambda run: metrics and run.report(1, **metrics))
    assert end.outcome is Outcome.CRASHED
    assert f"it reported {reported}. Expected: run.report(step, loss=…)" in end.error


@pytest.mark.parametrize(
    "value",
    [
        3,
        2.5,
        True,
        numpy.float32(1.5),
        numpy.int64(3),
        numpy.array(1.5),
        torch.tensor(1.5),
        torch.ones((), requires_grad=True),
    ],
)
def test_scalars_of_any_library_are_numbers(monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    end, notes = ended_by(monkeypatch, lambda run: run.report(numpy.int64(1), loss=value))
    assert end.outcome is Outcome.COMPLETE
    ((_, step, metrics),) = notes.rows
    assert (type(step), type(metrics["loss"])) == (int, float)
    assert metrics["loss"] in (1.0, 1.5, 2.5, 3.0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("1.0", "str '1.0'"),
        (None, "NoneType None"),
        (1j, "complex 1j"),
        (numpy.str_("1"), "str_ of shape ()"),
        (numpy.ones(2), "ndarray of shape (2,)"),
        (torch.ones(2, 3), "Tensor of shape (2, 3)"),
        ([1.0], "list [1.0]"),
        (10**400, "int 1000"),
    ],
)
def test_what_is_not_a_number_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, value: Any, shown: str
) -> None:
    end, _ = ended_by(monkeypatch, lambda run: run.report(1, loss=value))
    assert end.outcome is Outcome.CRASHED
    assert f"report: loss: expected a number, got {shown}" in end.error


@pytest.mark.parametrize("step", [-1, 1.5, "1", None])
def test_a_step_is_a_whole_number_from_zero(monkeypatch: pytest.MonkeyPatch, step: Any) -> None:
    end, _ = ended_by(monkeypatch, lambda run: run.report(step, loss=1.0))
    assert end.outcome is Outcome.CRASHED
    assert "report: step: expected a whole number from 0" in end.error


class OutOfMemoryError(RuntimeError):
    """As PyTorch's is called."""


@pytest.mark.parametrize("kind", [MemoryError, OutOfMemoryError])
def test_memory_has_its_own_outcome(monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    def body(run: Any) -> None:
        raise kind("no more")

    assert ended_by(monkeypatch, body)[0].outcome is Outcome.OUT_OF_MEMORY


def test_a_full_disk_is_no_fault_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def body(run: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert ended_by(monkeypatch, body)[0].outcome is Outcome.LOST


def test_memory_of_the_cpu_is_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    end, _ = ended_by(monkeypatch, lambda run: torch.empty(10**15))
    assert end.outcome is Outcome.OUT_OF_MEMORY


def test_a_long_traceback_keeps_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def body(run: Any, depth: int = 0) -> None:
        if depth > 50:
            raise ValueError("at the bottom " + "x" * 100_000 + " the end")
        body(run, depth + 1)

    error = ended_by(monkeypatch, body)[0].error
    assert error.endswith("the end")
    assert len(error) <= 4000


def test_a_stop_that_the_function_never_asked_about_did_not_stop_it() -> None:
    notes = Notes(stop_after={"a": 0})
    FunctionRunner().run([function_run("a", "raises")], notes, "cpu")
    FunctionRunner().run([function_run("b", "draws")], notes, "cpu")
    assert [end.outcome for _, end in notes.ends] == [Outcome.CRASHED, Outcome.COMPLETE]


def test_a_run_without_a_folder_gets_one_for_as_long_as_it_lasts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Path] = []

    def body(run: Any) -> None:
        (run.folder / "notes.txt").write_text("here")
        seen.append(run.folder)
        run.report(0, loss=0.0)

    assert ended_by(monkeypatch, body)[0].outcome is Outcome.COMPLETE
    assert not seen[0].exists()


def test_the_global_generators_start_from_the_run_s_seed() -> None:
    rows = []
    for _ in range(2):
        notes = Notes()
        FunctionRunner().run([function_run("a", "draws")], notes, "cpu")
        rows.append(notes.rows)
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("function", "text"),
    [
        ("nowhere_at_all:train", "no module 'nowhere_at_all'"),
        ("tests.nowhere:train", "no module 'tests.nowhere'"),
        ("tests.launch.functions:lerns", "has no function 'lerns'; it has"),
        ("tests.launch.functions:signal", "has no function 'signal'"),
        ("tests.launch.broken:train", "No module named 'not_installed'"),
    ],
)
def test_a_function_that_cannot_be_imported_says_what_was_looked_for(
    function: str, text: str
) -> None:
    notes = Notes()
    FunctionRunner().run([function_run("a", function)], notes, "cpu")
    assert notes.ends[0][1].outcome is Outcome.CRASHED
    assert text in notes.ends[0][1].error


def test_check_accepts_what_can_be_found_and_refuses_the_rest() -> None:
    check(function_config("learns"))
    check(function_config("tests.launch.broken:train"))  # found; not run
    for function in ("nowhere_at_all:train", "tests.nowhere:train", "os.nowhere:f", "__main__:f"):
        with pytest.raises(ConfigError, match=r"objective\.function: no module"):
            check(function_config(function))


def test_the_current_folder_can_be_imported_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_alone.py").write_text("def train(config, run):\n    run.report(1, loss=2)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("unused")  # restores sys.path afterwards
    check(function_config("mine_alone:train"))
    notes = Notes()
    FunctionRunner().run([function_run("a", "mine_alone:train")], notes, "cpu")
    assert notes.rows == [("a", 1, {"loss": 2.0})]


def test_a_runner_that_forgets_the_end_is_found_out() -> None:
    class Forgetful(FunctionRunner):
        def run(self, runs: Any, reporter: Any, device: str) -> None:
            reporter.report(runs[0].key, 4, {"loss": 1.0})

    notes = Notes()
    execute(function_run("a", "learns"), Forgetful(), notes, "cpu")
    ((_, end),) = notes.ends
    assert (end.outcome, end.steps) == (Outcome.CRASHED, 4)
    assert "Forgetful returned without ending the run" in end.error
