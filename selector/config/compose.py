"""The only importer of Hydra and OmegaConf: override grammar, composition, interpolation.

A study file is Hydra's primary config and `conf/` stands on its search path, so a study may live
anywhere and bring groups of its own beside it. Hydra composes; selector searches: sweeps are split
off before anything is composed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    QuotedString,
    RangeSweep,
    Sweep,
)
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from selector.config.bounded import check_bounds, read_bounded
from selector.config.decode import Mistakes
from selector.config.schema import GROUPS
from selector.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Override:
    """One override of the command line, in Hydra's grammar."""

    key: str
    kind: Literal["value", "choices", "range"]
    value: Any
    """The value; the tuple of choices; or a range as in YAML: {low, high, log, step}."""


def parse_overrides(texts: Iterable[str], mistakes: Mistakes) -> list[Override]:
    """Commas compare, intervals tune, plain values fix; everything else is noted as a mistake."""
    parser = OverridesParser.create()
    found = []
    for text in texts:
        try:
            parsed = parser.parse_override(text)
            if parsed.is_delete() or parsed.is_add() or parsed.is_force_add():
                mistakes.add(text, "keys are neither added nor deleted; expected KEY=VALUE")
                continue
            key = parsed.get_key_element()
            if key.startswith("hydra") or "@" in key:
                mistakes.add(text, "expected a key of the study")
                continue
            found.append(_override(key, parsed.value()))
        except HydraException as error:
            mistakes.add(text, f"cannot be read as KEY=VALUE: {_first_line(error)}")
        except ValueError as error:
            mistakes.add(text, str(error))
    return found


@dataclass(frozen=True)
class Composition:
    """One composition of groups, before values are changed in it."""

    tree: DictConfig
    choices: Mapping[str, str]
    """Group -> option."""

    def raw(self) -> dict[str, Any]:
        """The tree as plain data, interpolations unresolved."""
        raw: dict[str, Any] = OmegaConf.to_container(self.tree, resolve=False)  # type: ignore[assignment]
        return raw

    def resolved(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The tree as plain data with the leaves of `values` changed and interpolations resolved.

        Raises:
            ConfigError: a mandatory value is missing, or an interpolation reads the environment
                or does not resolve.
        """
        tree = self.tree.copy()
        OmegaConf.set_struct(tree, False)
        for key, value in values.items():
            OmegaConf.update(tree, key, value, merge=False)
        _refuse_resolvers(OmegaConf.to_container(tree, resolve=False))
        try:
            found: dict[str, Any] = OmegaConf.to_container(  # type: ignore[assignment]
                tree, resolve=True, throw_on_missing=True
            )
        except OmegaConfBaseException as error:
            key = getattr(error, "full_key", None) or ""
            if "Missing mandatory value" in str(error):
                text = f"{key}: must be given: add {key}=VALUE (see the comment in its YAML file)"
                raise ConfigError(text) from error
            raise ConfigError(f"{key}: {_first_line(error)}") from error
        return found


class Composer:
    """Composes one study file with `conf/`, once for each combination of group options."""

    def __init__(self, file: Path, conf: Path) -> None:
        self.file, self.conf = file, conf
        self._composed: dict[tuple[tuple[str, str], ...], Composition] = {}

    def options(self, group: str) -> list[str]:
        """Names of a group's options, those beside the study file included."""
        folders = (self.conf / group, self.file.parent / group)
        return sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})

    def compose(self, choices: Mapping[str, str]) -> Composition:
        """The composition with the options of `choices` for some groups.

        Raises:
            ConfigError: Hydra cannot compose it.
        """
        key = tuple(sorted(choices.items()))
        if key not in self._composed:
            self._composed[key] = self._compose(choices)
        return self._composed[key]

    def _compose(self, choices: Mapping[str, str]) -> Composition:
        path = str(self.conf).replace("\\", "\\\\").replace("'", "\\'")
        overrides = [f"hydra.searchpath=['file://{path}']"]
        overrides += [f"{group}={option}" for group, option in choices.items()]
        folder = str(self.file.parent.resolve())
        try:
            with _bounded_files(), initialize_config_dir(config_dir=folder, version_base="1.3"):
                tree = compose(
                    config_name=self.file.stem, overrides=overrides, return_hydra_config=True
                )
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            text = _first_line(error)
            if "Could not override" in text:
                text += f" Known groups: {', '.join(GROUPS)}"
            raise ConfigError(f"{self.file}: {text}") from error
        OmegaConf.set_struct(tree, False)
        chosen = {
            str(group): str(option)
            for group, option in tree.hydra.runtime.choices.items()
            if "hydra" not in str(group) and option is not None
        }
        del tree["hydra"]
        return Composition(tree, chosen)


@contextmanager
def _named_errors(file: Path) -> Iterator[None]:
    """Turn what reading and parsing a YAML file raises into errors that name it.

    Raises:
        ConfigError: it is not there, is not UTF-8, or is not YAML.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ConfigError(f"{file}, line {line}: not a YAML file: {error.problem}") from error
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"{file}: not a YAML file: {_first_line(error)}") from error


class _BoundedSource(FileConfigSource):
    """Hydra's reader of files, which an option file that was sent to you cannot exhaust."""

    def load_config(self, config_path: str) -> ConfigResult:
        file = Path(self.path) / self._normalize_file_name(config_path)
        with _named_errors(file):
            if file.is_file():
                check_bounds(read_bounded(file), file)
            found = super().load_config(config_path)
        # Hydra itself resolves what stands in a defaults list, before `resolved` can refuse it.
        _refuse_resolvers(OmegaConf.to_container(found.config, resolve=False), f"{file}: ")
        return found


@contextmanager
def _bounded_files() -> Iterator[None]:
    """Hydra has no door for a reader of files of one's own: its registry is changed meanwhile."""
    Plugins.instance()  # fills the registry
    known = SourcesRegistry.instance().types
    before = known["file"]
    known["file"] = _BoundedSource
    try:
        yield
    finally:
        known["file"] = before


def load_yaml(file: Path) -> dict[str, Any]:
    """One YAML file as plain data; `1e-5` is a number, interpolations stay as they are.

    Raises:
        ConfigError: it is not there, too large, or not a YAML mapping.
    """
    with _named_errors(file):
        check_bounds(read_bounded(file), file)
        tree = OmegaConf.load(file)
    found = OmegaConf.to_container(tree, resolve=False)
    if not isinstance(found, dict):
        raise ConfigError(f"{file}: expected a mapping, got a list")
    return found  # type: ignore[return-value]


def _override(key: str, value: Any) -> Override:
    if isinstance(value, ChoiceSweep):
        if value.tags:
            raise ValueError(f"{key}: unknown tag {sorted(value.tags)}; choices have no scale")
        if value.shuffle or any(isinstance(item, Sweep | Glob) for item in value.list):
            raise ValueError(f"{key}: expected plain values between the commas")
        choices = tuple(_plain(item) for item in value.list)
        return Override(key=key, kind="choices", value=choices)
    if isinstance(value, IntervalSweep | RangeSweep):
        return Override(key=key, kind="range", value=_range(key, value))
    if isinstance(value, Sweep | Glob):
        raise ValueError(f"{key}: glob is not offered; name the values")
    return Override(key=key, kind="value", value=_plain(value))


def _range(key: str, sweep: IntervalSweep | RangeSweep) -> dict[str, Any]:
    tags = set(sweep.tags)
    if tags - {"log"}:
        raise ValueError(f"{key}: unknown tag {sorted(tags - {'log'})}; known: log")
    if isinstance(sweep, IntervalSweep):
        found: dict[str, Any] = {"low": sweep.start, "high": sweep.end}
    else:
        if sweep.shuffle:
            raise ValueError(f"{key}: shuffle has no meaning here; a range is searched anyway")
        start, stop = (0, sweep.start) if sweep.stop is None else (sweep.start, sweep.stop)
        found = {"low": start, "high": stop, "step": sweep.step}
    return {**found, "log": True} if tags else found


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value


def _refuse_resolvers(node: Any, where: str = "") -> None:
    """Configuration never reads the environment: what it read would be stored."""
    if isinstance(node, dict):
        for key, item in node.items():
            if str(key) in ("_target_", "_partial_", "_args_"):
                raise ConfigError(f"{where}{key}: configuration never names code to call")
            _refuse_resolvers(item, f"{where}{key}.")
    elif isinstance(node, list):
        for item in node:
            _refuse_resolvers(item, where)
    elif isinstance(node, str) and "${" in node and ":" in node.partition("${")[2]:
        raise ConfigError(
            f"{where.rstrip('.')}: expected a value or ${{another.key}}, got {node!r}"
        )


def _first_line(error: BaseException) -> str:
    """What a person needs of a library's error: its first line, and the next after a colon."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].endswith(":"):
        return f"{lines[0]} {lines[1]}"
    return lines[0] if lines else type(error).__name__
