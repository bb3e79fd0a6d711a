"""Steps that grow: stretches computed by hand, and what holds for all of them."""

from __future__ import annotations

import itertools

import pytest

from selector.config.batch import Batch
from selector.config.ramp import stretch_at, stretches, tokens_read, total_steps

LEVEL = Batch(micro_batch=2, accumulation=4, context=32)
WIDER = Batch(micro_batch=2, accumulation=4, context=32, batch_warmup=0.3)
LONGER = Batch(micro_batch=2, accumulation=4, context=32, context_warmup=0.3, context_start=8)
BOTH = Batch(
    micro_batch=2, accumulation=4, context=32, batch_warmup=0.5, context_warmup=0.25,
    context_start=20,
)  # fmt: skip


def test_without_growth_there_is_one_stretch() -> None:
    (only,) = stretches(LEVEL, 1000)
    assert (only.steps, only.size, only.accumulation, only.context) == (3, 256, 4, 32)
    assert total_steps(LEVEL, 255) == 1  # at least one step
    assert tokens_read(LEVEL, 1000, 2) == 512


def test_passes_grow_one_by_one() -> None:
    """Of 9,600 tokens 2,880 are grown over, 960 with each of 1, 2 and 3 passes of 64 tokens."""
    found = [(item.accumulation, item.steps, item.tokens) for item in stretches(WIDER, 9600)]
    # 15 steps of 64; 8 of 128 reach 1,984, beyond 1,920; 5 of 192 reach 2,944; 26 of 256 the end
    assert found == [(1, 15, 0), (2, 8, 960), (3, 5, 1984), (4, 26, 2944)]
    assert [item.sequences for item in stretches(WIDER, 9600)] == [0, 30, 62, 92]


def test_the_context_grows_by_eight_tokens() -> None:
    found = [(item.context, item.steps, item.tokens) for item in stretches(LONGER, 9600)]
    # 960 tokens each: 15 steps of 64, 8 of 128, 5 of 192; then 256
    assert found == [(8, 15, 0), (16, 8, 960), (24, 5, 1984), (32, 26, 2944)]


def test_both_grow_side_by_side_and_the_last_context_step_is_what_is_left() -> None:
    found = [(item.accumulation, item.context) for item in stretches(BOTH, 96_000)]
    assert found == [(1, 20), (1, 28), (2, 28), (2, 32), (3, 32), (4, 32)]


@pytest.mark.parametrize("batch", [LEVEL, WIDER, LONGER, BOTH])
@pytest.mark.parametrize("tokens", [1, 63, 64, 257, 1000, 4321, 100_000, 10**12])
def test_all_tokens_are_spent_but_for_less_than_a_step(batch: Batch, tokens: int) -> None:
    found, steps = stretches(batch, tokens), total_steps(batch, tokens)
    read = tokens_read(batch, tokens, steps)
    assert 0 <= tokens - read < batch.tokens_per_step or (steps == 1 and read >= tokens)
    for before, after in itertools.pairwise(found):
        assert after.step == before.step + before.steps
        assert after.tokens == before.tokens + before.steps * before.size
        assert after.size > before.size
        assert after.sequences == before.sequences + before.steps * 2 * before.accumulation
        assert stretch_at(batch, tokens, after.step) is after
        assert stretch_at(batch, tokens, after.step - 1) is before


@pytest.mark.parametrize("batch", [WIDER, LONGER, BOTH])
def test_growth_takes_its_share_and_the_mean_context_is_that_of_the_mean_token(
    batch: Batch,
) -> None:
    tokens = 10**9
    found = stretches(batch, tokens)
    full = found[-1].tokens / tokens
    assert full == pytest.approx(max(batch.batch_warmup, batch.context_warmup), abs=1e-5)
    mean = sum(item.steps * item.size * item.context for item in found) / tokens
    assert mean == pytest.approx(batch.mean_context, rel=1e-5)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"batch_warmup": 0.2}, "batch_warmup: 0.2 has no effect on one forward pass a step"),
        ({"context_warmup": 0.2, "context_start": 32}, "context_start: expected below the context"),
        ({"context_warmup": 1.2}, "context_warmup: expected a number from 0 to 1, got 1.2"),
    ],
)
def test_growth_of_what_cannot_grow_is_refused(values: dict[str, float], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Batch(micro_batch=2, context=32, **values)  # type: ignore[arg-type]
