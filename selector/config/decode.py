"""Plain mappings -> the dataclasses of `schema.py`; every mistake is collected with its dotted key.

Integral floats become integers where an integer is expected (`budget.tokens=2e6`). Lists become
tuples. Nothing else is converted: `"3"` is not a number.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from selector.config import limits
from selector.config.near import near
from selector.config.schedule import schedule_mistakes
from selector.config.schema import PARTS, RunConfig
from selector.config.technique import Technique
from selector.errors import ConfigError

T = TypeVar("T")
_TECHNIQUE_PARTS = ("optimizer", "schedule")
#: Parts that are the same in most of a study's trials, and frozen through and through, so that
#: one decoded instance can serve them all; an objective's parameters are a user's mapping.
_SHARED_PARTS = frozenset(PARTS) - {"objective"}
_MOST_DECODED = 256
_decoded: dict[tuple[str, str], Any] = {}


class Mistakes:
    """Collects mistakes, each under its dotted key; `raise_if_any` ends the collecting."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, where: str, text: str) -> None:
        """Note one mistake at the dotted key `where`."""
        self.lines.append(f"{where}: {text}" if where else text)

    def raise_if_any(self) -> None:
        """Raise ConfigError with all mistakes, once each, in the order they were found."""
        if self.lines:
            raise ConfigError(list(dict.fromkeys(self.lines)))


def unknown(kind: str, given: str, known: Sequence[str]) -> str:
    """The text for a name that does not exist: what is known, and what may have been meant."""
    close = near(given, known)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown {kind} {given!r}; known: {', '.join(known) or 'none'}{hint}"


def run_config(mapping: Mapping[str, Any]) -> RunConfig:
    """The typed configuration of a run.

    Raises:
        ConfigError: one line for each mistake.
    """
    mistakes = Mistakes()
    parts: dict[str, Any] = {}
    hints = _type_hints(RunConfig)
    for part in PARTS:
        if part not in mapping:
            mistakes.add(part, "missing")
        elif not isinstance(mapping[part], Mapping):
            mistakes.add(part, f"expected a mapping, got {mapping[part]!r}")
        else:
            parts[part] = _part(part, hints[part], mapping[part], mistakes)
    if parts.get("schedule") and parts.get("objective"):
        for line in schedule_mistakes(parts["schedule"], parts["objective"]):
            mistakes.add("", f"schedule.{line}")
    if any(parts.get(part) is None for part in PARTS):
        mistakes.raise_if_any()
    try:
        config = RunConfig(**parts)
    except ValueError as error:  # parts that are right alone and do not go together
        mistakes.lines += str(error).splitlines()
    mistakes.raise_if_any()
    return config


def _part(name: str, kind: type, mapping: Mapping[str, Any], mistakes: Mistakes) -> Any:
    """A part of a run's configuration; ten thousand trials share most of theirs."""
    known = (name, repr(mapping)) if name in _SHARED_PARTS else None
    if known is not None and known in _decoded:
        return _decoded[known]
    before = len(mistakes.lines)
    if name in _TECHNIQUE_PARTS:
        part: Any = technique(mapping, name, mistakes)
    else:
        part = dataclass_from(kind, mapping, name, mistakes)
    if known is not None and part is not None and len(mistakes.lines) == before:
        if len(_decoded) >= _MOST_DECODED:
            _decoded.clear()
        _decoded[known] = part
    return part


def technique(mapping: Mapping[str, Any], where: str, mistakes: Mistakes) -> Technique | None:
    """A technique from its flat mapping; None where `mistakes` got a line."""
    known = ("name", "version", "banked")
    own = {key: value for key, value in mapping.items() if key in known}
    values = {key: _frozen(value) for key, value in mapping.items() if key not in known}
    return dataclass_from(Technique, {**own, "values": values}, where, mistakes)


def dataclass_from(kind: type[T], mapping: Any, where: str, mistakes: Mistakes) -> T | None:
    """An instance of the dataclass `kind`; None where `mistakes` got a line."""
    if not isinstance(mapping, Mapping):
        mistakes.add(where, f"expected a mapping, got {mapping!r}")
        return None
    hints = _type_hints(cast(type, kind))
    known = {item.name: item for item in fields(kind)}  # type: ignore[arg-type]
    before = len(mistakes.lines)
    for key in mapping:
        if key not in known:
            mistakes.add(_dotted(where, key), unknown("key", str(key), list(known)))
    arguments = {}
    for name, item in known.items():
        if name in mapping:
            place = _dotted(where, name)
            arguments[name] = _value(mapping[name], hints[name], place, mistakes)
        elif item.default is MISSING and item.default_factory is MISSING:
            mistakes.add(_dotted(where, name), "missing")
    if len(mistakes.lines) > before:
        _check_limits(arguments, where, mistakes)
        return None
    try:
        return kind(**arguments)
    except ValueError as error:
        for line in str(error).splitlines():
            mistakes.add("", _dotted(where, line))
        return None


def _check_limits(arguments: Mapping[str, Any], where: str, mistakes: Mistakes) -> None:
    """Note numbers outside their limits where another mistake keeps the whole from being built."""
    for name, value in arguments.items():
        if name in limits.LIMITS and limits.is_number(value):
            text = limits.mistake(name, value)
            if text:
                mistakes.add("", _dotted(where, text))


def kind_mistake(given: Any, reference: Any) -> str | None:
    """Why `given` cannot take the place of `reference`, a technique's own default; None if it can.

    A technique's settings have no dataclass: their kinds are those of its YAML file's defaults.
    """
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if reference is None or isinstance(reference, Mapping):
        return f"has no single value that {given!r} could replace"
    given, reference = _frozen(given), _frozen(reference)
    if isinstance(reference, tuple):
        if not isinstance(given, tuple) or len(given) != len(reference):
            return f"expected a list of {len(reference)}, got {given!r}"
        return next(filter(None, map(kind_mistake, given, reference)), None)
    if reference == "auto":  # what may stand there instead is the schema's to say
        fits = given == "auto" or (isinstance(given, int | float) and type(given) is not bool)
        return None if fits else f"expected a number or auto, got {given!r}"
    if type(reference) is bool or isinstance(reference, str):
        fits = type(given) is type(reference)
    elif isinstance(reference, int):
        fits = isinstance(given, int | float) and type(given) is not bool
        fits = fits and float(given).is_integer()
    else:
        fits = isinstance(given, int | float) and type(given) is not bool
    return None if fits else f"expected {names[type(reference)]}, got {given!r}"


def setting_mistake(name: str, given: Any, reference: Any) -> str | None:
    """`kind_mistake` for the setting called `name`, which may be a word or a list of any length."""
    name = name.rpartition(".")[2]
    if name in limits.OR_WORDS:
        words = limits.OR_WORDS[name]
        if isinstance(given, str):
            return (limits.mistake(name, given) or "").partition(": ")[2] or None
        reference = 0.0 if reference in words else reference
    if name in limits.LISTS and isinstance(reference, tuple | list) and reference:
        if not isinstance(given, tuple | list) or not given:
            return f"expected a list of at least one number, got {given!r}"
        return next(filter(None, (kind_mistake(item, reference[0]) for item in given)), None)
    return kind_mistake(given, reference)


@cache
def _type_hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)  # evaluates every annotation: most of a decoding's time


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list | tuple) else value


def _dotted(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _value(value: Any, hint: Any, where: str, mistakes: Mistakes) -> Any:
    """`value` as the type `hint`; a mistake is noted and `value` returned where it does not fit."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        for option in get_args(hint):
            attempt = Mistakes()
            converted = _value(value, option, where, attempt)
            if not attempt.lines:
                return converted
        expected = " or ".join(_words(option) for option in get_args(hint))
        mistakes.add(where, f"expected {expected}, got {value!r}")
        return value
    if origin is Literal:
        if isinstance(value, bool) or not any(value == option for option in get_args(hint)):
            mistakes.add(where, f"expected {_words(hint)}, got {value!r}")
        return value
    if origin is tuple:
        item_hint = get_args(hint)[0]
        items = (value,) if isinstance(value, str) and item_hint is str else value
        if not isinstance(items, list | tuple):
            mistakes.add(where, f"expected a list, got {value!r}")
            return value
        return tuple(
            _value(item, item_hint, f"{where}[{place}]", mistakes)
            for place, item in enumerate(items)
        )
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            mistakes.add(where, f"expected a mapping, got {value!r}")
            return value
        return {str(key): _frozen(item) for key, item in value.items()}
    if is_dataclass(hint):
        return dataclass_from(cast(type, hint), value, where, mistakes)
    return _scalar(value, hint, where, mistakes)


def _scalar(value: Any, hint: Any, where: str, mistakes: Mistakes) -> Any:
    is_bool = isinstance(value, bool)
    if hint is float and isinstance(value, int | float) and not is_bool:
        return float(value)
    if hint is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and hint is str and not _can_be_written(value):
        mistakes.add(where, f"expected text that UTF-8 can write, got {value!r}")
        return value
    if isinstance(value, hint) and (hint is bool or not is_bool):
        return value
    mistakes.add(where, f"expected {_words(hint)}, got {value!r}")
    return value


def _can_be_written(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a file name's undecodable bytes arrive as lone surrogates
        return False
    return True


def _words(hint: Any) -> str:
    if get_origin(hint) is tuple:
        return "a list"
    if isinstance(get_origin(hint), type) and issubclass(get_origin(hint), Mapping):
        return "a mapping"
    if get_origin(hint) is Literal:
        return " or ".join(str(option) for option in get_args(hint))
    return {int: "int", float: "float", str: "text", bool: "true or false"}.get(hint, str(hint))
