"""A length in tokens, epochs or FLOPs, as the tokens of a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selector.errors import ConfigError
from selector.space.cost import flops_per_token
from selector.space.length import run_tokens, whole_steps
from tests.report.build import config

PICO = config()
STEP = PICO.batch.tokens_per_step


def test_tokens_stay_as_they_were_given():
    assert run_tokens(("tokens", 10 * STEP + 7), PICO, 0) == 10 * STEP + 7


def test_epochs_are_passes_over_the_training_part():
    assert run_tokens(("epochs", 2.0), PICO, 50 * STEP) == 100 * STEP
    assert run_tokens(("epochs", 0.5), PICO, 50 * STEP) == 25 * STEP
    assert run_tokens(("epochs", 1.0), PICO, 50 * STEP + 3) == 50 * STEP  # the nearest whole step


def test_flops_are_those_of_the_formula():
    flops = 1e12
    tokens = run_tokens(("flops", flops), PICO, 0)
    assert tokens % STEP == 0
    assert abs(tokens * flops_per_token(PICO) - flops) <= flops_per_token(PICO) * STEP / 2


def test_a_step_with_sam_takes_two_gradients():
    sharp = replace(PICO, regularization=replace(PICO.regularization, sam=0.05))
    assert flops_per_token(sharp) == 2 * flops_per_token(PICO)
    assert run_tokens(("flops", 1e12), sharp, 0) < run_tokens(("flops", 1e12), PICO, 0)


def test_a_length_may_be_read_at_another_configuration():
    wide = replace(PICO, model=replace(PICO.model, width=256))
    share = flops_per_token(PICO) / flops_per_token(wide)
    tokens = run_tokens(("flops", 1e13), wide, 0, reference=PICO, factor=share)
    assert tokens == run_tokens(("flops", 1e13), wide, 0)


def test_whole_steps_are_at_least_one():
    assert whole_steps(1, PICO) == STEP
    assert whole_steps(1.6 * STEP, PICO) == 2 * STEP


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (("tokens", 5), f"budget.tokens: expected at least one step ({STEP} tokens), got 5"),
        (("epochs", 0.001), "budget.epochs: expected at least one step"),
        (("flops", 10.0), "got 10.0, which gives"),
        (("epochs", 1e308), "expected at most 1e+18 tokens, got 1e+308"),
        (("tokens", 10**30), "expected at most 1e+18 tokens"),
    ],
)
def test_less_than_a_step_is_refused(length, expected):
    with pytest.raises(ConfigError) as caught:
        run_tokens(length, PICO, 10 * STEP)
    assert expected in str(caught.value)


@pytest.mark.parametrize("unit", ["epochs", "flops"])
def test_a_function_has_tokens_alone(unit):
    function = config(objective="function")
    assert run_tokens(("tokens", 7), function, 0) == 7
    with pytest.raises(ConfigError, match=rf"budget\.{unit}: what a token costs is not known"):
        run_tokens((unit, 1e15), function, 0)
