"""Where runs happen: the seam, its launchers, and the workers they talk to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from selector.config.schema import Launch
from selector.launch.base import Launcher


def _inline(launch: Launch, folder: Path | None = None) -> Launcher:
    from selector.launch.inline import InlineLauncher

    return InlineLauncher()


def _local(launch: Launch, folder: Path | None = None) -> Launcher:
    from selector.launch.limits import Limits
    from selector.launch.local import LocalLauncher
    from selector.launch.orphans import FILE

    return LocalLauncher(
        launch.workers,
        most_workers=launch.most_workers,
        pause_above_celsius=launch.pause_above_celsius,
        limits=Limits.of(launch),
        processes=folder / FILE if folder else None,
    )


#: The options of `conf/launcher/`, imported when chosen; a launcher may note its processes in the
#: folder of the study that it works for.
LAUNCHERS: dict[str, Callable[..., Launcher]] = {"inline": _inline, "local": _local}
