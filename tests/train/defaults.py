"""An optimizer's values as its file in conf/ has them."""

from __future__ import annotations

from typing import Any

from selector.config.compose import load_yaml
from selector.config.locations import conf_folder
from selector.train.optimizer import OPTIMIZERS

#: The optimizers that train the slots of a bank together.
BANKED = [name for name, kind in OPTIMIZERS.items() if kind.banked]

#: One of each way in which a rule's state is kept: the others differ in their arithmetic alone,
#: which `optimizer/test_rules.py` checks in every slot.
EXAMPLES = ["sgd", "adamw", "nadamw", "adafactor", "muon"]


def defaults(optimizer: str) -> dict[str, Any]:
    """The values of the optimizer's file."""
    mapping = load_yaml(conf_folder() / "optimizer" / f"{optimizer}.yaml")
    labels = ("name", "version", "banked", "space")
    return {key: value for key, value in mapping.items() if key not in labels}
