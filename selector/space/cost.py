"""What a model costs, by formula: parameters and floating-point operations. No torch here."""

from __future__ import annotations

from fractions import Fraction
from typing import TypeVar

from selector.config.model import Model
from selector.config.schema import RunConfig

N = TypeVar("N", int, Fraction)


def parameters(config: RunConfig) -> int:
    """Number of trained values, embeddings included; a tied table counts once."""
    model = config.model
    vectors = model.depth * _block_vectors(config.model)
    if model.norm_place == "pre":
        vectors += _norm_vectors(model)
    return _tables(config) + model.depth * _block(model, model.mlps) + vectors


def active_parameters(config: RunConfig) -> int:
    """Number of trained values without the experts that one token does not pass through."""
    model = config.model
    idle = model.mlps - model.active_mlps
    return parameters(config) - model.depth * idle * (_mlp(model) + _mlp_biases(model))


def product_weights(config: RunConfig) -> int:
    """Weights of all matrix products, the output projection included, look-ups of embeddings not.

    Of experts, those that one token passes through. This is the N of scaling laws here. Leaving out
    the output projection, as Kaplan et al. did, moves the exponent of the best size against compute
    from .70 to .83 (arXiv 2406.19146).
    """
    return _products(config, config.model.active_mlps)


def non_embedding_parameters(config: RunConfig) -> int:
    """Trained values but for the tables of tokens and positions and the output projection."""
    return parameters(config) - _tables(config)


def flops_per_token(config: RunConfig) -> int:
    """Floating-point operations to train on one token: forward and backward pass.

    Six for each weight of a matrix product (two forward, four backward; arXiv 2001.08361, section
    2.1), the output projection included and the lookups of embeddings not; and
    12 * depth * width * context for the attention products, as if not causal (arXiv 2204.02311,
    appendix B), which sharing keys among heads does not change. Experts multiply for all their
    places in a sequence of full length, taken or not. With SAM, whose steps take two gradients,
    twice that. Optimizer, norms, positions and activations are left out, as everywhere.
    Where the context grows, it is that of the mean token of the run.
    """
    model, length = config.model, config.batch.context
    attention = 12 * model.depth * model.width * config.batch.mean_context
    gradients = 2 if config.regularization.sam else 1
    return gradients * round(6 * _products(config, mlps_per_token(model, length)) + attention)


def mlps_per_token(model: Model, length: int) -> Fraction:
    """How many feed-forward layers' work a block does for a token of a sequence, in training."""
    if not model.experts:
        return Fraction(1)
    return Fraction(model.experts * model.expert_places(length), length)


def _products(config: RunConfig, mlps: N) -> N:
    """Weights of all matrix products with `mlps` feed-forward layers in a block."""
    model = config.model
    return model.depth * _block(model, mlps) + config.data.vocabulary * model.width


def _block(model: Model, mlps: N) -> N:
    """Weights of one block's matrix products: attention's, a router's, and those of some MLPs."""
    shared = model.num_kv_heads * model.size_of_head  # outputs of keys, and of values
    return model.width * (2 * model.width + 2 * shared + model.experts) + mlps * _mlp(model)


def _mlp(model: Model) -> int:
    """Weights of the two or three matrices of one feed-forward layer."""
    return model.width * (2 + model.gated) * model.hidden


def _mlp_biases(model: Model) -> int:
    """Values in its bias vectors."""
    return (model.width + (1 + model.gated) * model.hidden) if model.bias else 0


def _block_vectors(model: Model) -> int:
    """Values in one block's norms and biases."""
    norms = (1 if model.parallel_block else 2) * _norm_vectors(model)
    if not model.bias:
        return norms
    shared = model.num_kv_heads * model.size_of_head
    return norms + 2 * model.width + 2 * shared + model.mlps * _mlp_biases(model)


def _norm_vectors(model: Model) -> int:
    """Values in one norm: layer norm has a weight and a bias, the root mean square a weight."""
    return model.width * {"layer": 1 + model.bias, "rms": 1, "none": 0}[model.norm]


def _tables(config: RunConfig) -> int:
    """Values in the tables of tokens and of trained positions, and in an untied head."""
    model = config.model
    rows = config.data.vocabulary * (2 - model.tied_embeddings)
    return model.width * (rows + (config.batch.context if model.position == "learned" else 0))
