"""An optimizer's values as its file in conf/ has them."""

from __future__ import annotations

from typing import Any

from selector.config.compose import load_yaml
from selector.config.locations import conf_folder


def defaults(optimizer: str) -> dict[str, Any]:
    """The values of the optimizer's file."""
    mapping = load_yaml(conf_folder() / "optimizer" / f"{optimizer}.yaml")
    labels = ("name", "version", "banked", "space")
    return {key: value for key, value in mapping.items() if key not in labels}
