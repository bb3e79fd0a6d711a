"""What a table says: which rows agree, which is nearest, what the model and the noise add."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from selector.errors import DataError, InputError
from tests.launch.tables import lookup, write


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path)


def value(path: Path, tokens: int = 100, seed: int = 1, *, changes: Any = None, **given: Any):
    parameters = {"schedule": "linear", "lr": 0.01, **given}
    return lookup(path, **(changes or {})).at(parameters, tokens, seed).value


def test_the_nearest_row_in_logarithms_of_those_that_agree(path: Path) -> None:
    assert value(path, lr=0.01) == 2.8
    assert value(path, lr=0.0316) == 2.8
    assert value(path, lr=0.04) == 2.9  # of 0.01 and 0.1, the nearer in logarithms
    assert value(path, lr=0.04, changes={"scales": {"lr": "linear"}}) == 2.8
    assert value(path, lr=1e-9) == 3.1
    assert value(path, schedule="constant", lr=0.001) == 3.2


def test_numbers_without_a_scale_are_logarithmic_where_they_span_a_decade(path: Path) -> None:
    assert value(path, lr=0.04, changes={"scales": {}}) == 2.9


def test_rows_of_the_nearest_length_answer(path: Path) -> None:
    assert value(path, 1000) == 2.4
    assert value(path, 400) == 2.4
    assert value(path, 250) == 2.8
    assert value(path, 5000, changes={"horizon_tokens": 50.0}) == 2.8
    assert lookup(path).at({"schedule": "linear", "lr": 0.01}, 900, 1).horizon == 1000


def test_repeated_rows_are_drawn_by_the_seed(path: Path) -> None:
    drawn = [value(path, seed=seed, schedule="constant") for seed in range(200)]
    assert set(drawn) == {3.0, 3.02}
    assert 60 < drawn.count(3.0) < 140
    again = [value(path, seed=seed, schedule="constant") for seed in range(200)]
    assert again == drawn


def test_given_noise_has_its_deviation_around_the_mean_of_the_rows(path: Path) -> None:
    changes = {"noise": 0.1}
    drawn = [value(path, seed=s, schedule="constant", changes=changes) for s in range(2000)]
    assert statistics.fmean(drawn) == pytest.approx(3.01, abs=0.01)
    assert statistics.stdev(drawn) == pytest.approx(0.1, rel=0.1)
    one = [value(path, seed=seed, changes=changes) for seed in range(50)]
    other = [value(path, seed=seed, lr=0.001, changes=changes) for seed in range(50)]
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.5  # the seed alone does not decide


def test_the_model_goes_through_the_rows_and_is_smooth_between(path: Path) -> None:
    changes = {"lookup": "interpolate", "noise": 0.0}
    for rate, loss in ((0.001, 3.1), (0.01, 2.8), (0.1, 2.9)):
        assert value(path, lr=rate, changes=changes) == pytest.approx(loss)
    rates = np.geomspace(0.001, 0.1, 41)
    losses = [value(path, lr=rate, changes=changes) for rate in rates]
    assert np.abs(np.diff(losses, 2)).max() < 0.02
    assert 0.01 < rates[int(np.argmin(losses))] < 0.05  # between the rows, on the better side
    assert value(path, lr=10.0, changes=changes) == pytest.approx(2.9)  # nothing is extrapolated


def test_the_model_s_noise_is_that_of_repeated_rows(path: Path) -> None:
    changes = {"lookup": "interpolate"}
    drawn = [
        value(path, seed=seed, schedule="constant", lr=0.01, changes=changes) for seed in range(999)
    ]
    assert statistics.fmean(drawn) == pytest.approx(3.01, abs=0.003)
    assert statistics.stdev(drawn) == pytest.approx(0.02 / math.sqrt(2), rel=0.1)
    assert value(path, seed=1, changes=changes) == value(path, seed=2, changes=changes)


def test_a_quadratic_in_two_numbers_is_recovered(tmp_path: Path) -> None:
    rates, decays = np.geomspace(1e-4, 1e-1, 7), np.linspace(0, 1, 7)

    def truth(rate: float, decay: float) -> float:
        return 3 + 0.1 * math.log10(rate / 3e-3) ** 2 + 0.2 * (decay - 0.4) ** 2

    lines = [f"{rate},{decay},{truth(rate, decay)}" for rate in rates for decay in decays]
    path = write(tmp_path, "\n".join(["lr,decay,loss", *lines]) + "\n")
    found = lookup(
        path,
        parameters={"lr": 0.1, "decay": 0.0},
        scales={"lr": "log", "decay": "linear"},
        lookup="interpolate",
        horizon="",
    )
    for rate, decay in ((2e-3, 0.35), (2e-2, 0.8), (4e-4, 0.1)):
        near = found.at({"lr": rate, "decay": decay}, 1, 1).value
        assert near == pytest.approx(truth(rate, decay), abs=0.005)


@pytest.mark.parametrize("rows", [["0.01,3.0"], ["0.01,3.0", "0.1,3.4"]])
def test_few_rows_are_enough_for_a_model(tmp_path: Path, rows: list[str]) -> None:
    path = write(tmp_path, "\n".join(["lr,loss", *rows]) + "\n")
    found = lookup(path, parameters={"lr": 0.1}, lookup="interpolate", horizon="")
    assert found.at({"lr": 0.01}, 1, 1).value == pytest.approx(3.0)
    middle = found.at({"lr": 0.0316}, 1, 1).value
    assert middle == pytest.approx(3.0 if len(rows) == 1 else 3.2, abs=0.01)


def test_a_model_of_points_on_a_line_in_a_plane(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b,loss\n1,1,3.0\n2,2,2.0\n3,3,4.0\n")
    parameters = {"a": 1.0, "b": 1.0}
    changes: dict[str, Any] = {"scales": {"a": "linear", "b": "linear"}, "horizon": ""}
    found = lookup(path, parameters=parameters, lookup="interpolate", **changes)
    assert found.at({"a": 2.0, "b": 2.0}, 1, 1).value == pytest.approx(2.0)


def test_where_the_nearest_rows_diverged_a_run_diverges(path: Path) -> None:
    for kind in ("nearest", "interpolate"):
        changes = {"lookup": kind}
        assert math.isnan(value(path, schedule="constant", lr=0.1, changes=changes))
        assert math.isfinite(value(path, schedule="constant", lr=0.02, changes=changes))


def test_exact_numbers_are_names(path: Path) -> None:
    changes = {"scales": {"lr": "exact"}}
    assert value(path, lr=0.1, changes=changes) == 2.9
    with pytest.raises(DataError, match=r"lr: no row has 0.2; there are 0.001, 0.01, 0.1"):
        value(path, lr=0.2, changes=changes)


def test_a_number_that_the_agreeing_rows_do_not_have_plays_no_part(tmp_path: Path) -> None:
    text = "optimizer,lr,momentum,loss\nsgd,0.1,0.9,3.0\nsgd,0.1,0.5,3.5\nadam,0.1,,2.0\n"
    scales = {"lr": "log", "momentum": "linear"}
    parameters = {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9}
    found = lookup(write(tmp_path, text), parameters=parameters, scales=scales, horizon="")
    assert found.at({**parameters, "momentum": 0.6}, 1, 1).value == 3.5
    assert found.at({**parameters, "optimizer": "adam"}, 1, 1).value == 2.0


def test_true_and_false_are_read_in_any_case(tmp_path: Path) -> None:
    path = write(tmp_path, "tied,loss\nTrue,1\nFALSE,2\n")
    found = lookup(path, parameters={"tied": True}, scales={}, horizon="")
    assert found.at({"tied": True}, 1, 1).value == 1
    assert found.at({"tied": False}, 1, 1).value == 2


def test_rows_without_a_result_are_counted(path: Path) -> None:
    assert lookup(path).left_out == 1


def test_all_that_is_wrong_with_the_columns_is_said_at_once(path: Path) -> None:
    with pytest.raises(InputError) as caught:
        lookup(
            path,
            metric="lost",
            parameters={"schedule": 3, "rate": 0.1, "betas": (0.9, 0.99)},
            scales={},
            horizon="schedule",
        )
    text = "\n".join(caught.value.mistakes)
    for words in (
        "unknown column 'lost'",
        "column schedule: expected numbers, got 'constant' in row 1",
        "unknown column 'rate'",
        "objective.parameters.betas: a list selects no row",
    ):
        assert words in text
    assert len(caught.value.mistakes) == 4


def test_columns_may_have_other_names(path: Path) -> None:
    changes = {
        "metric": "validation",
        "parameters": {"kind": "linear", "lr": 0.01},
        "columns": {"validation": "loss", "kind": "schedule"},
    }
    assert lookup(path, **changes).at({"kind": "linear", "lr": 0.1}, 100, 1).value == 2.9


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("schedule,lr,steps,loss\nlinear,0.1,100,\n", "no row has a loss"),
        ("schedule,lr,steps,loss\nlinear,0.1,0,1\n", "column steps: expected lengths above 0"),
        ("schedule,lr,steps,loss\nlinear,-1,1,1\n", "a log scale needs numbers above 0, got -1"),
        ("schedule,lr,steps,loss\nlinear,0.1,1,1\ncos,,1,1\n", None),
    ],
)
def test_tables_that_cannot_answer(tmp_path: Path, text: str, words: str | None) -> None:
    path = write(tmp_path, text)
    if words is None:
        assert value(path) == 1
        return
    with pytest.raises(InputError, match=words):
        value(path)


def test_words_that_no_row_has_together(tmp_path: Path) -> None:
    path = write(tmp_path, "a,b,loss\nx,p,1\ny,q,2\n")
    found = lookup(path, parameters={"a": "x", "b": "p"}, scales={}, horizon="")
    with pytest.raises(DataError, match="no row has all of a=x, b=q"):
        found.at({"a": "x", "b": "q"}, 1, 1)
