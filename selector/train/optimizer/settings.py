"""Writes `selector/config/algorithms.json`: `python -m selector.train.optimizer.settings`.

Run it after another version of pytorch_optimizer was chosen, raise `VERSION` in
`selector/config/algorithms.py`, and go through its table of capabilities.
"""

from __future__ import annotations

import inspect
import json
import math
from typing import Any

from selector.config import algorithms

#: How an update is computed, not what it is; and `maximize`, which would climb the loss.
IMPLEMENTATION = frozenset(
    ("maximize", "foreach", "fused", "capturable", "differentiable", "kwargs", "process_group")
)


def installed() -> dict[str, dict[str, Any]]:
    """Algorithm -> its settings and their defaults, of the pytorch_optimizer that is installed.

    The parameters, the learning rate and what no YAML file could hold are left out.
    """
    from pytorch_optimizer.optimizer import OPTIMIZERS

    found = {}
    for name, kind in sorted(OPTIMIZERS.items()):
        own = inspect.signature(kind.__init__).parameters.values()
        rate = algorithms.capability(name).rate
        found[name] = {
            item.name: _plain(item.default)
            for item in list(own)[2:]  # self and params (or model)
            if item.name not in {*IMPLEMENTATION, "lr", rate} and _offered(item.default)
        }
    return found


def _offered(default: Any) -> bool:
    numbers = list(default) if isinstance(default, tuple) else [default]
    kinds = int | float | str | None
    return default is inspect.Parameter.empty or all(isinstance(item, kinds) for item in numbers)


def _plain(default: Any) -> Any:
    if default is inspect.Parameter.empty or (isinstance(default, float) and math.isinf(default)):
        return None
    if isinstance(default, tuple):
        return list(default)
    return int(default) if isinstance(default, int) and not isinstance(default, bool) else default


def main() -> None:
    """Write the file."""
    lines = [f"{json.dumps(name)}: {json.dumps(own)}" for name, own in installed().items()]
    algorithms.SETTINGS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
