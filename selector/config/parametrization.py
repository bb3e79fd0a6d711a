"""How learning rates follow the width of a model: powers of base_width / width.

A parametrization says how initialization, forward pass and rates change with the width, so that
settings found at `base_width` stay good at another. The first two are the model's (see
`selector.train.model`), the rates are here, by the section of a parameter and the kind of rule:

- mup: Tensor Programs V (arXiv 2203.03466), table 8. The model multiplies its logits by
  base_width / width, so that the head's rate, and a tied table's, follow the embeddings'.
- per_layer_rate: the standard initialization with a rate for each section that keeps updates of one
  size (arXiv 2407.05872, table 1, full alignment). One table cannot have the rates of an embedding
  and of a head, so tied embeddings are refused. Its standard initialization falls with the root of
  the inputs, on which rules in proportion to the gradient rely.

Neither says anything of clipping by a norm, which grows with the width: a clipped run of SGD moves
less the wider its model is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from selector.config.model import Model
from selector.config.technique import Technique

Exponents = Mapping[str, float]

#: What an update's size depends on: `sign`: not on the gradient's; `gradient`: in proportion to it;
#: `orthogonal`: its singular values are equal, on hidden matrices alone, the rest by sign.
Kind = Literal["sign", "gradient", "orthogonal"]
KINDS: Mapping[str, Kind] = {
    "adagrad": "sign",
    "adam": "sign",
    "adamw": "sign",
    "lion": "sign",
    "muon": "orthogonal",
    "nadamw": "sign",
    "rmsprop": "sign",
    "sgd": "gradient",
}
_NONE = dict.fromkeys(("hidden", "head", "embedding", "vector"), 0.0)
_EXPONENTS: Mapping[tuple[str, Kind], Exponents] = {
    ("mup", "sign"): _NONE | {"hidden": 1.0},
    ("per_layer_rate", "sign"): _NONE | {"hidden": 1.0, "head": 1.0},
    ("mup", "gradient"): {"hidden": 0.0, "head": -1.0, "embedding": -1.0, "vector": -1.0},
    ("per_layer_rate", "gradient"): {
        "hidden": 0.5,
        "head": 1.0,
        "embedding": -0.5,
        "vector": -0.5,
    },
    # A matrix with equal singular values moves activations by as much at any width.
    ("mup", "orthogonal"): _NONE,
    ("per_layer_rate", "orthogonal"): _NONE | {"head": 1.0},
}


def exponents(model: Model, optimizer: Technique) -> Exponents:
    """Section -> p: the rate of its parameters is multiplied by (base_width / width) ** p."""
    if model.parametrization == "standard":
        return _NONE
    found = _EXPONENTS[model.parametrization, KINDS[optimizer.name]]
    if optimizer.values.get("scale") == "match_rms_adamw":  # multiplies by the root of the width
        return {**found, "hidden": 0.5}
    return found


def mistakes(model: Model, optimizer: Technique) -> list[str]:
    """Why `optimizer` is not defined under the model's parametrization; empty: it is."""
    name = model.parametrization
    if name == "standard":
        return []
    found = []
    if optimizer.name not in KINDS:
        found.append(
            f"optimizer: {optimizer.name} has no rates under model.parametrization={name}: how its"
            f" updates grow with the width is not known; known are those of {', '.join(KINDS)}"
        )
    if name == "per_layer_rate" and model.tied_embeddings:
        found.append(
            "model.tied_embeddings: per_layer_rate gives an embedding a constant rate and the head"
            " one that falls with the width; expected false"
        )
    proportional = KINDS.get(optimizer.name) == "gradient"
    if name == "per_layer_rate" and proportional and model.initialization == "normal":
        found.append(
            f"model.initialization: per_layer_rate has no rates of {optimizer.name} for initial"
            " values that do not fall with the width; expected fan_in or xavier, got normal"
        )
    return found
