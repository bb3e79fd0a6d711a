"""One composition -> a typed run configuration: known keys, fitting kinds, lasting paths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from selector.config.decode import Mistakes, run_config, setting_mistake, unknown
from selector.config.dotted import has_key
from selector.config.schema import GROUPS, PARTS, RunConfig
from selector.errors import ConfigError

#: Say which option a part is; they change with the option only.
_LABELS = ("name", "version", "banked", "kind", "family", "source", "fingerprint", "vocabulary")


def decode_parts(
    mapping: Mapping[str, Any],
    reference: Mapping[str, Any],
    mistakes: Mistakes,
    folder: Path | None = None,
) -> RunConfig | None:
    """The typed configuration; settings of techniques must be of their defaults' kinds.

    Relative paths of data and tables are below `folder`, or the current one.
    """
    parts = {
        part: {key: value for key, value in mapping[part].items() if key != "space"}
        for part in PARTS
    }
    parts["data"]["paths"] = _absolute(parts["data"].get("paths", []), folder or Path.cwd())
    if isinstance(table := parts["objective"].get("table"), str) and table:
        parts["objective"]["table"] = _absolute(table, folder or Path.cwd())
    for part in ("optimizer", "schedule"):
        for key, value in parts[part].items():
            default = reference[part].get(key)
            if default is None or (isinstance(default, Mapping) and isinstance(value, Mapping)):
                continue
            text = setting_mistake(key, value, default)
            if text:
                mistakes.add(f"{part}.{key}", text)
    try:
        return run_config(parts)
    except ConfigError as error:
        mistakes.lines += error.mistakes
        return None


def check_keys(values: Iterable[str], raw: Mapping[str, Any], mistakes: Mistakes) -> None:
    """Note a mistake for every dotted key that `raw` has not, or that is a label."""
    for key in values:
        group, _, leaf = key.partition(".")
        if leaf in _LABELS:
            mistakes.add(key, f"is a label of the option; choose another with {group}=OPTION")
        elif not has_key(raw, key):
            mistakes.add(key, no_such_key(key, raw))


def no_such_key(key: str, raw: Mapping[str, Any]) -> str:
    """The text for a dotted key that is not there."""
    group, _, rest = key.partition(".")
    part = raw.get(group)
    if not isinstance(part, Mapping):
        return unknown("group", group, GROUPS)
    label = part.get("name", group)
    known = [name for name in part if name not in ("name", "version", "banked", "space")]
    return f"{group} {label} has no such key: {unknown('key', rest, known)}"


def _absolute(paths: Any, folder: Path) -> Any:
    """Paths that mean the same from every folder: a study may go on from another one."""
    if isinstance(paths, str):
        return str(folder / Path(paths).expanduser())
    return [_absolute(path, folder) for path in paths] if isinstance(paths, list) else paths
