"""What the runs of a record belong to, for a mirror that did not see them begin."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from selector.config.identity import config_fingerprint
from selector.track.outbox import Entry
from selector.track.record import StoredRun
from selector.track.run import Stage, Trial
from selector.track.tracker import Origin


def entries(study: str, runs: Iterable[StoredRun], arms: Sequence[str]) -> list[Entry]:
    """The runs as a mirror shows them.

    A rerun is filed with the trial whose configuration it repeats; a pilot with the arm, out of
    the study's `arms` in their order, whose number it has.
    """
    stored = list(runs)
    trials: dict[str, Trial] = {}
    if any(item.run.stage == Stage.RERUN for item in stored):
        trials = {item.trial.fingerprint: item.trial for item in stored if item.trial}
    return [
        Entry(
            study=study,
            run=item.run,
            origin=_origin(study, item, arms, trials),
            result=item.result,
        )
        for item in stored
    ]


def _origin(study: str, stored: StoredRun, arms: Sequence[str], trials: dict[str, Trial]) -> Origin:
    if stored.trial is not None:
        return Origin(study=study, arm=stored.trial.arm, trial=stored.trial)
    if stored.run.stage == Stage.RERUN:
        trial = trials.get(config_fingerprint(stored.run.config))
        if trial is None:
            return Origin(study=study)
        tags = {"origin_fingerprint": trial.fingerprint}
        return Origin(study=study, arm=trial.arm, trial=trial, tags=tags)
    number = stored.run.key.rpartition("/")[2]
    if stored.run.stage == Stage.PILOT and number.isdigit() and 0 < int(number) <= len(arms):
        return Origin(study=study, arm=arms[int(number) - 1])
    return Origin(study=study)
