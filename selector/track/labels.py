"""How a run is called and labelled where people browse: names, tags, dotted settings."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any

from selector.track.run import Result, Run
from selector.track.tracker import Origin

#: Characters in the name of a metric, a parameter or a tag, as MLflow allows them.
_LENGTH = 250
_ALLOWED = r"_\-./: "


#: Characters of an error that a tag holds; MLflow would take 8000, and nobody browses them.
_ERROR = 5000


def labels(run: Run, origin: Origin) -> dict[str, str]:
    """A run's tags: what it belongs to, and its identities."""
    trial = origin.trial
    tags = {f"selector.{key}": value for key, value in origin.tags.items()}
    tags |= {
        "selector.study": origin.study,
        "selector.arm": origin.arm,
        "selector.key": run.key,
        "selector.stage": str(run.stage),
        "selector.seed": str(run.seed),
        "selector.run_fingerprint": run.fingerprint,
        "selector.outcome": "running",
    }
    if trial is not None:
        tags["selector.trial"] = str(trial.number)
        tags["selector.sub_search"] = str(trial.sub_search)
        tags["selector.fingerprint"] = trial.fingerprint
    return tags


def ending(result: Result) -> dict[str, str]:
    """The tags of a run that is over: how it ended, and what is known of where it ran."""
    tags = {
        "selector.outcome": str(result.outcome),
        "selector.steps": str(result.steps),
        "selector.seconds": f"{result.seconds:.3f}",
        **flat(result.facts, "selector.facts."),
    }
    return tags | ({"selector.error": result.error[-_ERROR:]} if result.error else {})


def title(run: Run, origin: Origin) -> str:
    """A run's name for people: adamw · trial 3 · explore seed 1000."""
    parts = [origin.arm] if origin.arm else []
    if origin.trial is not None:
        parts.append(f"trial {origin.trial.number}")
    return " · ".join([*parts, f"{run.stage} seed {run.seed}"])


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as text, by their dotted names."""
    settings: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            settings |= flat(value, f"{prefix}{key}.")
        else:
            written = value if isinstance(value, str) else json.dumps(value, default=str)
            settings[f"{prefix}{key}"] = written
    return settings


def name(given: str, most: int = _LENGTH, allowed: str = _ALLOWED) -> str:
    """`given` as a name of at most `most` characters out of letters, digits and `allowed`.

    A name never reads like a path that leads elsewhere; one that had to change ends in a mark, so
    that two different names stay different.
    """
    clean = re.sub(f"[^A-Za-z0-9{allowed}]", "_", given)
    if posixpath.normpath(clean) != clean or clean.startswith((".", "/")):
        clean = re.sub("[./]", "_", clean) or "_"
    return clean if clean == given and len(clean) <= most else f"{clean[: most - 9]}-{mark(given)}"


def text(given: str, most: int) -> str:
    """`given` as a database takes it: cut, and without the bytes of undecodable file names."""
    return given[:most].encode("utf-8", "replace").decode()


def mark(given: str) -> str:
    """Eight hex digits that tell `given` from other texts."""
    return hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()[:8]
