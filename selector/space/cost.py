"""What a model costs, by formula: parameters and floating-point operations. No torch here."""

from __future__ import annotations

from selector.config.model import Model
from selector.config.schema import RunConfig


def parameters(config: RunConfig) -> int:
    """Number of trained values, embeddings included; a tied table counts once."""
    model = config.model
    vectors = model.depth * _block_vectors(config.model)
    if model.norm_place == "pre":
        vectors += _norm_vectors(model)
    return _tables(config) + model.depth * _block(model) + vectors


def product_weights(config: RunConfig) -> int:
    """Weights of all matrix products, the output projection included, look-ups of embeddings not.

    This is the N of scaling laws here. Leaving out the output projection, as Kaplan et al. did,
    moves the exponent of the best size against compute from .70 to .83 (arXiv 2406.19146).
    """
    return config.model.depth * _block(config.model) + config.data.vocabulary * config.model.width


def non_embedding_parameters(config: RunConfig) -> int:
    """Trained values but for the tables of tokens and positions and the output projection."""
    return parameters(config) - _tables(config)


def flops_per_token(config: RunConfig) -> int:
    """Floating-point operations to train on one token: forward and backward pass.

    Six for each weight of a matrix product (two forward, four backward; arXiv 2001.08361, section
    2.1), the output projection included and the lookups of embeddings not; and
    12 * depth * width * context for the attention products, as if not causal (arXiv 2204.02311,
    appendix B), which sharing keys among heads does not change. With SAM, whose steps take two
    gradients, twice that. Optimizer, norms, positions and activations are left out, as everywhere.
    Where the context grows, it is that of the mean token of the run.
    """
    attention = 12 * config.model.depth * config.model.width * config.batch.mean_context
    gradients = 2 if config.regularization.sam else 1
    return gradients * (6 * product_weights(config) + round(attention))


def _block(model: Model) -> int:
    """Weights of one block's matrix products: attention's, and the two or three of the MLP."""
    shared = model.num_kv_heads * model.size_of_head  # outputs of keys, and of values
    return model.width * (2 * model.width + 2 * shared + (2 + model.gated) * model.hidden)


def _block_vectors(model: Model) -> int:
    """Values in one block's norms and biases."""
    norms = (1 if model.parallel_block else 2) * _norm_vectors(model)
    if not model.bias:
        return norms
    shared = model.num_kv_heads * model.size_of_head
    return norms + 3 * model.width + 2 * shared + (1 + model.gated) * model.hidden


def _norm_vectors(model: Model) -> int:
    """Values in one norm: layer norm has a weight and a bias, the root mean square a weight."""
    return model.width * {"layer": 1 + model.bias, "rms": 1, "none": 0}[model.norm]


def _tables(config: RunConfig) -> int:
    """Values in the tables of tokens and of trained positions, and in an untied head."""
    model = config.model
    rows = config.data.vocabulary * (2 - model.tied_embeddings)
    return model.width * (rows + (config.batch.context if model.position == "learned" else 0))
