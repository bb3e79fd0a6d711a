"""Shapes of models: what is derived, what is refused with which words, what is noted."""

from __future__ import annotations

from typing import Any

import pytest

from selector.config.model import Model


def shaped(**given: Any) -> Model:
    return Model(**{"name": "m", "depth": 2, "width": 64, **given})


@pytest.mark.parametrize(
    ("width", "given", "heads", "size"),
    [
        (64, {}, 1, 64),
        (512, {}, 8, 64),
        (768, {}, 6, 128),
        (96, {}, 2, 48),
        (100, {}, 2, 50),
        (24, {}, 1, 24),
        (512, {"head_size": 32}, 16, 32),
        (512, {"heads": 4}, 4, 128),
        (512, {"heads": 4, "head_size": 128}, 4, 128),
    ],
)
def test_heads_follow_the_width(width: int, given: dict[str, Any], heads: int, size: int) -> None:
    model = shaped(width=width, **given)
    assert (model.num_heads, model.size_of_head, model.num_kv_heads) == (heads, size, heads)


@pytest.mark.parametrize(
    ("given", "hidden"),
    [
        ({}, 256),
        ({"activation": "swiglu", "width": 96}, 256),
        ({"activation": "swiglu", "width": 128}, 344),
        ({"mlp_ratio": 8 / 3, "width": 768}, 2048),
        ({"mlp_ratio": 2.6667, "width": 768}, 2048),
        ({"mlp_ratio": 2.5}, 160),
        ({"mlp_ratio": 0.01}, 8),
        ({"mlp_ratio": 3, "width": 65, "heads": 5}, 195),
    ],
)
def test_the_hidden_size_is_whole_or_a_multiple_of_eight(
    given: dict[str, Any], hidden: int
) -> None:
    assert shaped(**given).hidden == hidden


def test_swiglu_weighs_as_much_as_two_matrices() -> None:
    plain, gated = shaped(width=768), shaped(width=768, activation="swiglu")
    assert 3 * gated.hidden == 2 * plain.hidden


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"norm": "batch"}, "norm: batch is refused for causal models: its statistics over"),
        ({"norm": "batch"}, "let a position see later ones; expected layer or rms or none"),
        ({"norm": "none", "norm_place": "post"}, "norm_place: post has no effect with norm=none"),
        ({"heads": 3}, "width: 64 is not a multiple of heads (3)"),
        ({"head_size": 48}, "width: 64 is not a multiple of head_size (48)"),
        ({"head_size": 128}, "width: 64 is not a multiple of head_size (128)"),
        ({"width": 97}, "width: 97 has no even divisor from 8 to 64"),
        ({"heads": 2, "head_size": 16}, "head_size: 2 heads of 16 do not make width 64"),
        ({"heads": 4, "kv_heads": 3}, "kv_heads: expected a divisor of 4 heads, got 3"),
        ({"heads": 2, "kv_heads": 4}, "kv_heads: expected a divisor of 2 heads, got 4"),
        (
            {"width": 30, "heads": 2, "position": "rope"},
            "position: rope turns pairs of features, and a head has 15 (width 30, 2 heads)",
        ),
        ({"experts": 1}, "experts: a router has nothing to choose from 1; expected 0 (none) or"),
        ({"experts": 2, "experts_per_token": 3}, "experts_per_token: expected at most 2 experts"),
        ({"experts": -1}, "experts: expected a finite number from 0, got -1"),
        ({"experts_per_token": 0}, "experts_per_token: expected a finite number from 1, got 0"),
        ({"expert_capacity": 0.0}, "expert_capacity: expected a finite number above 0, got 0.0"),
        ({"mlp_ratio": 0.0}, "mlp_ratio: expected a finite number above 0, got 0.0"),
        ({"init_std": -1.0}, "init_std: expected a finite number above 0, got -1.0"),
        ({"logit_softcap": -1.0}, "logit_softcap: expected a finite number from 0, got -1.0"),
        ({"base_width": 0}, "base_width: expected a finite number from 1, got 0"),
    ],
)
def test_what_cannot_be_built_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=r"^\w+: ") as caught:
        shaped(**given)
    assert words in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ValueError, match="norm") as caught:
        shaped(norm="batch", heads=4, kv_heads=3)
    assert len(str(caught.value).splitlines()) == 2


def test_what_is_rounded_or_has_no_effect_is_noted() -> None:
    assert shaped().notes == ()
    assert shaped(parametrization="mup", base_width=32).notes == ()
    (note,) = shaped(base_width=32).notes
    assert note == "base_width: has no effect with parametrization=standard"
    assert shaped(experts=4, experts_per_token=1).notes == ()
    assert shaped(experts_per_token=1, balance_loss=0.0).notes == (
        "experts_per_token: has no effect with experts=0",
        "balance_loss: has no effect with experts=0",
    )
    (note,) = shaped(activation="swiglu", width=128).notes
    assert note == "mlp_ratio: 2.66667 times width 128 is rounded to 344, a multiple of 8"


def test_the_size_of_a_head_at_the_base() -> None:
    """As many heads, or heads as large: whichever the width does not change."""
    wide = {"width": 256, "base_width": 64}
    assert shaped(**wide, heads=4).base_size_of_head == 16
    assert shaped(**wide, head_size=32).base_size_of_head == 32
    assert shaped(**wide).base_size_of_head == 64
    assert shaped(width=768, base_width=64).base_size_of_head == 64
