"""What a model's width makes of its initial values and of what it multiplies by.

`mup` follows table 8 of arXiv 2203.03466, as EleutherAI/nanoGPT-mup's README puts it. With r =
width / base_width: hidden matrices start with a standard deviation sqrt(r) smaller, logits are
divided by r (also those of a tied table), and attention scores are divided by the size of a head
instead of its root. Learning rates are in `selector.config.parametrization`. The scores' factor is
calibrated: at `base_width` it is 1 / sqrt(head size), and it changes only where heads grow with the
width rather than their number. As appendix D.2 advises, queries and a head of its own start at 0; a
tied table cannot, and neither can a query that is normalized, whose slope at 0 is without bound.

Under `standard` and `per_layer_rate` nothing here depends on `base_width`.
"""

from __future__ import annotations

import math

from selector.config.model import Model


def matrix_std(model: Model, outputs: int, inputs: int) -> float:
    """Standard deviation of a hidden matrix [outputs, inputs] at the start."""
    if model.initialization == "fan_in":  # falls with the root of the width by itself
        return 1 / math.sqrt(inputs)
    if model.initialization == "xavier":  # likewise
        return math.sqrt(2 / (inputs + outputs))
    return model.init_std / math.sqrt(_growth(model))


def residual_std(model: Model, outputs: int, inputs: int) -> float:
    """Of a matrix whose outputs are added to the residual stream."""
    if model.residual_init == "zero":
        return 0.0
    scale = math.sqrt(2 * model.depth) if model.residual_init == "scaled" else 1.0
    return matrix_std(model, outputs, inputs) / scale


def query_std(model: Model) -> float:
    """Of a query matrix of its own."""
    if model.parametrization == "mup" and not model.qk_norm:
        return 0.0
    return matrix_std(model, model.width, model.width)


def head_std(model: Model, vocabulary: int) -> float:
    """Of an output projection that is not the token embedding."""
    return 0.0 if model.parametrization == "mup" else matrix_std(model, vocabulary, model.width)


def router_std(model: Model) -> float:
    """Of a router to experts: as of a head, but under mup it is not 0: all tokens would agree."""
    return matrix_std(model, model.experts, model.width) * math.sqrt(_growth(model))


def output_multiplier(model: Model) -> float:
    """What the logits are multiplied by, those of routers too."""
    return 1 / _growth(model)


def embedding_multiplier(model: Model) -> float:
    """What token embeddings are multiplied by: sqrt(width) before sines (1706.03762, section 3.4).

    The sines have a size of their own, which a table of `init_std` would drown in. Under mup it
    must not grow with the width.
    """
    if model.position != "sinusoidal":
        return 1.0
    return math.sqrt(model.base_width if model.parametrization == "mup" else model.width)


def score_multiplier(model: Model) -> float:
    """What products of queries and keys are multiplied by before the softmax."""
    if model.parametrization == "mup":
        return math.sqrt(model.base_size_of_head) / model.size_of_head
    return 1 / math.sqrt(model.size_of_head)


def _growth(model: Model) -> float:
    """How much wider than its base a model under mup is; 1 under other parametrizations."""
    return model.width / model.base_width if model.parametrization == "mup" else 1.0
