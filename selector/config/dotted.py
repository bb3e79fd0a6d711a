"""Dotted keys into nested mappings: `optimizer.lr`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selector.errors import ConfigError

#: Its keys are not those of a YAML file: they are judged where the option is known.
_OPEN = "settings"


def has_key(mapping: Mapping[str, Any], key: str) -> bool:
    """Whether a dotted key is there, as a leaf or a mapping, or may be added to open `settings`."""
    node: Any = mapping
    before = ""
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return isinstance(node, Mapping) and before == _OPEN
        node, before = node[name], name
    return True


def value_at(mapping: Mapping[str, Any], key: str) -> Any:
    """The leaf at a dotted key of nested mappings; None where it is not there."""
    node: Any = mapping
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return None
        node = node[name]
    return node


def leaves(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value of every leaf of nested mappings."""
    found: dict[str, Any] = {}
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            found |= leaves(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def set_leaf(mapping: dict[str, Any], key: str, value: Any) -> None:
    """Replace the leaf at a dotted key in nested mappings.

    Raises:
        ConfigError: the key is not there.
    """
    *path, leaf = key.split(".")
    node = mapping
    for name in path:
        node = node.get(name, {}) if isinstance(node, dict) else {}
    if not isinstance(node, dict) or leaf not in node:
        raise ConfigError(f"{key}: no such key in this configuration")
    node[leaf] = value
