"""The YAML that the record itself writes, read several times faster than by a YAML library.

Only what means the same in every reader is taken: block mappings of plain words and numbers, and
lists of them. Anything else, a quoted text or a comment say, is left to the library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_LINE = re.compile(r"( *)([A-Za-z_][\w.]*):(?: ([^ ]+))?", re.ASCII)
_ITEM = re.compile(r"( *)- ([^ ]+)", re.ASCII)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+(?:e[+-][0-9]+)?")
_WORD = re.compile(r"[A-Za-z_][\w./:=-]*[\w./-]|[A-Za-z_]", re.ASCII)
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None, "''": ""}
#: Words that YAML takes for something else than text.
_OTHER = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


class _NotSimpleError(Exception):
    pass


def simple(text: str) -> dict[str, Any] | None:
    """The mapping that `text` holds; None where only a YAML library can tell."""
    root: dict[str, Any] = {}
    open_mappings: list[tuple[int, dict[str, Any]]] = [(0, root)]
    waiting: tuple[int, dict[str, Any], str] | None = None  # a key without a value so far
    try:
        for line in _lines(text):
            if item := _ITEM.fullmatch(line):
                if waiting is None or len(item[1]) != waiting[0]:
                    return None
                _, mapping, key = waiting
                mapping[key] = mapping[key] or []
                mapping[key].append(_scalar(item[2]))
                continue
            found = _LINE.fullmatch(line)
            if found is None:
                return None
            indent, key, value = len(found[1]), found[2], found[3]
            if waiting is not None and waiting[1][waiting[2]] is None and indent > waiting[0]:
                child: dict[str, Any] = {}
                waiting[1][waiting[2]] = child
                open_mappings.append((indent, child))
            while open_mappings and indent < open_mappings[-1][0]:
                open_mappings.pop()
            if not open_mappings or indent != open_mappings[-1][0] or key.lower() in _OTHER:
                return None
            mapping = open_mappings[-1][1]
            mapping[key] = None if value is None else _scalar(value)
            waiting = (indent, mapping, key) if value is None else None
    except _NotSimpleError:
        return None
    return root or None


def _lines(text: str) -> Iterator[str]:
    """The lines without their ends; every one has one, as those that were written whole do."""
    if not text.endswith("\n") or "\r" in text:
        raise _NotSimpleError
    yield from text[:-1].split("\n")


def _scalar(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text == "{}":
        return {}
    if text == "[]":
        return []
    if _WORD.fullmatch(text):
        if text.lower() in _OTHER:
            raise _NotSimpleError
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if len(text) > 2 and text[0] == text[-1] == "'" and text[1:-1].isalnum() and text.isascii():
        return text[1:-1]
    raise _NotSimpleError
