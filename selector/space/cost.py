"""What a model costs, by formula: parameters and floating-point operations. No torch here."""

from __future__ import annotations

from selector.config.schema import RunConfig


def parameters(config: RunConfig) -> int:
    """Number of trained values, embeddings included; a tied table counts once."""
    model, vocabulary = config.model, config.data.vocabulary
    vectors = model.width * (1 + model.bias)  # a norm's weight and bias
    biases = (3 + 1 + model.mlp_ratio + 1) * model.width if model.bias else 0
    tables = (vocabulary * (2 - model.tied_embeddings) + config.batch.context) * model.width
    return tables + model.depth * (_block(config) + biases + 2 * vectors) + vectors


def product_weights(config: RunConfig) -> int:
    """Weights of all matrix products, the output projection included, look-ups of embeddings not.

    This is the N of scaling laws here. Leaving out the output projection, as Kaplan et al. did,
    moves the exponent of the best size against compute from .70 to .83 (arXiv 2406.19146).
    """
    return config.model.depth * _block(config) + config.data.vocabulary * config.model.width


def non_embedding_parameters(config: RunConfig) -> int:
    """Trained values but for the tables of tokens and positions and the output projection."""
    model = config.model
    tables = config.data.vocabulary * (2 - model.tied_embeddings) + config.batch.context
    return parameters(config) - tables * model.width


def flops_per_token(config: RunConfig) -> int:
    """Floating-point operations to train on one token: forward and backward pass.

    Six for each weight of a matrix product (two forward, four backward; arXiv 2001.08361, section
    2.1), the output projection included and the lookups of embeddings not; and
    12 * depth * width * context for the attention products, as if not causal (arXiv 2204.02311,
    appendix B). With SAM, whose steps take two gradients, twice that. Optimizer, norms and
    activations are left out, as everywhere. Where the context
    grows, it is that of the mean token of the run.
    """
    attention = 12 * config.model.depth * config.model.width * config.batch.mean_context
    gradients = 2 if config.regularization.sam else 1
    return gradients * (6 * product_weights(config) + round(attention))


def _block(config: RunConfig) -> int:
    """Weights of one block's matrix products: qkv, attention output, and the two of the MLP."""
    return (4 + 2 * config.model.mlp_ratio) * config.model.width**2
