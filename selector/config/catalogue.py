"""What there is to choose from: axes, their options, and studies, each with its first comment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from selector.config.algorithms import not_resumable
from selector.config.compose import load_yaml
from selector.config.extras import EXTRA_OF, PACKAGES, installed
from selector.config.locations import conf_folder, study_names
from selector.config.schema import GROUPS

#: Options of tier 2 that train banked all the same; those of libraries are in `extras.PACKAGES`.
TIER_2: Mapping[str, frozenset[str]] = {
    "schedule": frozenset(("cyclic", "reduce_on_plateau")),
    "batch": frozenset(("growing", "growing_context")),
    "regularization": frozenset(("sam", "swa")),
    "compute": frozenset(("float8", "fp16")),
}
#: Where a technique's author, not we, chose what a study starts from.
NOT_TUNED = {("optimizer", "library")}


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of an axis."""

    text: str
    """What it is, in a line."""
    tier: int
    """1: ours, tested against a reference; 2: a kept library's, or tested less."""
    banked: bool
    """Whether it trains beside others in a bank; else one run at a time."""
    resumable: bool
    """Whether a run of it that is cut off goes on; else it begins again."""
    tuned_by_us: bool
    """Whether its defaults and ranges are ours."""
    extra: str
    """Which extra of selector it needs: pip install 'selector[EXTRA]'; empty: none."""
    installed: bool
    """Whether what it needs is there."""

    @property
    def marks(self) -> str:
        """What sets it apart, in words; empty: nothing."""
        missing = "" if self.installed else f"needs pip install 'selector[{self.extra}]'"
        found = (
            f"tier {self.tier}" if self.tier > 1 else "",
            "" if self.banked else "trains unbanked",
            "" if self.resumable else "not resumable",
            "" if self.tuned_by_us else "not tuned by us",
            missing or (f"from selector[{self.extra}]" if self.extra else ""),
        )
        return ", ".join(filter(None, found))


def axes() -> dict[str, dict[str, Option]]:
    """Axis -> option -> what it is."""
    return {
        group: {
            path.stem: _option(group, path)
            for path in sorted((conf_folder() / group).glob("*.yaml"))
        }
        for group in GROUPS
    }


def studies() -> dict[str, str]:
    """Study -> what it asks, in a line."""
    return {name: first_comment(path) for name, path in sorted(study_names().items())}


def known_answers() -> list[str]:
    """The studies that ask again what others have answered, to see whether the same comes out."""
    return [name for name, path in sorted(study_names().items()) if path.parent.name == "known"]


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


def _option(group: str, path: Path) -> Option:
    raw = load_yaml(path)
    banked = bool(raw.get("banked", True))
    package = PACKAGES.get((group, path.stem), "")
    second = bool(package) or not banked or path.stem in TIER_2.get(group, ())
    return Option(
        text=first_comment(path),
        tier=2 if second else 1,
        banked=banked,
        resumable=group != "optimizer" or not not_resumable(path.stem, raw),
        tuned_by_us=(group, path.stem) not in NOT_TUNED,
        extra=EXTRA_OF[package] if package else "",
        installed=not package or installed(package),
    )
