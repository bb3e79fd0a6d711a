"""Limits of a YAML file, checked before it is parsed into anything.

A few hundred bytes of aliases of aliases stand for gigabytes, and deep nesting ends the parser's
stack: a study file that was sent to you may be such a file.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from selector.errors import ConfigError

#: Bytes of a file, nodes of its tree with its aliases written out, and levels of nesting.
LARGEST_FILE, _MOST_NODES, _DEEPEST = 1 << 20, 200_000, 50
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_bounded(file: Path) -> str:
    """The text of a YAML file; no more of it is read than is allowed.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
        ConfigError: it is no plain file, or too large.
    """
    if not file.is_file() and file.exists():  # reading a pipe would wait for ever
        raise ConfigError(f"{file}: expected a plain file")
    with file.open(encoding="utf-8") as opened:
        return opened.read(LARGEST_FILE + 1)


def check_bounds(text: str, where: object) -> None:
    """Refuse a file that is larger, deeper or, with its aliases written out, longer than allowed.

    What is not YAML at all is left to the parser, whose message has the line.

    Raises:
        ConfigError: `where` is the file's name for people.
    """
    if len(text) > LARGEST_FILE:
        raise ConfigError(f"{where}: larger than {LARGEST_FILE} bytes; is it a YAML file?")
    sizes: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = []  # the anchor of each open node, the nodes before it
    nodes = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent):
                if event.anchor in (anchor for anchor, _ in open_):
                    raise ConfigError(f"{where}: *{event.anchor} stands inside itself")
                nodes += sizes.get(event.anchor or "", 1)
            elif isinstance(event, yaml.CollectionEndEvent):
                anchor, before = open_.pop()
                if anchor:
                    sizes[anchor] = nodes - before
            elif isinstance(event, yaml.NodeEvent):
                nodes += 1
                if isinstance(event, yaml.CollectionStartEvent):
                    open_.append((event.anchor, nodes - 1))
            if len(open_) > _DEEPEST:
                raise ConfigError(f"{where}: nested more than {_DEEPEST} levels deep")
            if nodes > _MOST_NODES:
                raise ConfigError(
                    f"{where}: stands for more than {_MOST_NODES} values once its aliases (*NAME)"
                    " are written out"
                )
    except yaml.YAMLError:
        return
