"""What there is to choose from: axes, their options, and studies, each with its first comment."""

from __future__ import annotations

from pathlib import Path

from selector.config.locations import conf_folder, study_names
from selector.config.schema import GROUPS


def axes() -> dict[str, dict[str, str]]:
    """Axis -> option -> what it is, in a line."""
    return {
        group: {
            path.stem: first_comment(path)
            for path in sorted((conf_folder() / group).glob("*.yaml"))
        }
        for group in GROUPS
    }


def studies() -> dict[str, str]:
    """Study -> what it asks, in a line."""
    return {name: first_comment(path) for name, path in sorted(study_names().items())}


def first_comment(path: Path) -> str:
    """The comment at the top of a YAML file as one line, up to its first full stop or address."""
    words: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        words += line.lstrip("# ").split()
    kept = []
    for word in words:
        if word.startswith(("http://", "https://")):
            continue
        kept.append(word)
        if word.endswith((".", "?")):
            break
    return " ".join(kept)
