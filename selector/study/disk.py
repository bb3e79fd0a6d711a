"""Whether the disk has room for what a study keeps, said before anything is trained."""

from __future__ import annotations

import shutil
from pathlib import Path

from selector.launch.cores import available_cores
from selector.space.cost import parameters
from selector.space.memory import memory
from selector.study.study import Study

_STATES = 3  # of a run under way: two that stay, and the one being written
_FILES = 40_000  # bytes of a run's other files: 12 kB were measured, 25 in blocks of the disk
_WEIGHT = 4  # bytes of a parameter, as weights are kept


def disk_note(study: Study, folder: Path) -> str:
    """What is missing on the disk of `folder` for the study at its largest; '' where nothing is.

    Each worker's run keeps states of weights and optimizer on its way; verdict runs keep their
    weights; everything else is small. Names no cause where the system does not tell.
    """
    needed = disk_bytes(study)
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return ""
    if free >= needed:
        return ""
    return (
        f"{folder}: {free / 1e9:.2g} GB are free, and the study may need {needed / 1e9:.2g} GB;"
        " launcher.checkpoint_seconds=0 keeps no states of runs under way, and --runs DIR another"
        " disk"
    )


def disk_bytes(study: Study) -> int:
    """The most that a study keeps on the disk at one time, by formula."""
    workers = study.launcher.workers
    count = available_cores() if workers == "auto" else workers
    own = [arm.config for arm in study.arms if arm.config.built_in]
    states = [memory(config).parameters + memory(config).optimizer for config in own]
    on_the_way = (
        count * _STATES * max(states, default=0) if study.launcher.checkpoint_seconds else 0
    )
    units = study.looks[-1]
    kept = sum(units * study.verdict_seeds * _WEIGHT * parameters(config) for config in own)
    runs = sum(study.trials_in(arm) + study.verdict_seeds for arm in study.arms) * units
    return on_the_way + kept + runs * _FILES
