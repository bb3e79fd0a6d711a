"""Where the shipped choices and questions lie: in the wheel, else in the checkout."""

from __future__ import annotations

from pathlib import Path

from selector.config.decode import unknown
from selector.config.schema import GROUPS
from selector.errors import ConfigError

_PACKAGE = Path(__file__).resolve().parent.parent


def conf_folder() -> Path:
    """The folder of groups and their options."""
    return _shipped("conf")


def studies_folder() -> Path:
    """The folder of the shipped studies."""
    return _shipped("studies")


def study_names() -> dict[str, Path]:
    """Name -> file of every study: those of the current folder's studies/ before the shipped.

    Raises:
        ConfigError: two files of one folder's tree have the same name.
    """
    return _studies_below(studies_folder()) | _studies_below(Path("studies"))


def study_file(study: str) -> Path:
    """The file that STUDY names: a path, or a name in `studies/`.

    Raises:
        ConfigError: there is no such file or name.
    """
    looks_like_path = "/" in study or study.endswith((".yaml", ".yml"))
    path = Path(study)
    if looks_like_path:
        if not path.is_file():
            raise ConfigError(f"{study}: no such study file")
        if path.suffix != ".yaml":
            raise ConfigError(f"{study}: expected a file that ends in .yaml")
        return path.resolve()
    known = study_names()
    if study not in known:
        hint = " (a file needs its path, such as ./my_study.yaml)"
        raise ConfigError(unknown("study", study, sorted(known)) + hint)
    return known[study]


def _studies_below(folder: Path) -> dict[str, Path]:
    """Studies of a folder and its sub-folders; options that lie beside them are none."""
    found: dict[str, Path] = {}
    mistakes = []
    for path in sorted(folder.rglob("*.yaml")):
        if path.parent != folder and path.parent.name in GROUPS:
            continue
        if path.stem in found:
            mistakes.append(f"{path}: {found[path.stem]} has the same name; rename one of them")
        found.setdefault(path.stem, path.resolve())
    if mistakes:
        raise ConfigError(mistakes)
    return found


def _shipped(name: str) -> Path:
    in_wheel = _PACKAGE / name
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parent / name
