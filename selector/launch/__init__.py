"""Where runs happen: the seam, its launchers, and the workers they talk to."""

from __future__ import annotations

from collections.abc import Callable

from selector.config.schema import Launch
from selector.launch.base import Launcher


def _inline(launch: Launch) -> Launcher:
    from selector.launch.inline import InlineLauncher

    return InlineLauncher()


def _local(launch: Launch) -> Launcher:
    from selector.launch.local import LocalLauncher

    return LocalLauncher(launch.workers, pause_above_celsius=launch.pause_above_celsius)


#: The options of `conf/launcher/`; imported when chosen.
LAUNCHERS: dict[str, Callable[[Launch], Launcher]] = {"inline": _inline, "local": _local}
