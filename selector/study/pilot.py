"""How fast each arm trains, measured once before the first trial: what `fair: seconds` rests on.

Each arm trains a short run at its own defaults, alone, where the study's runs will be. What counts
is the time of training; evaluation and the first quarter, in which devices warm up, are left out.
The seconds per token are frozen in study.yaml: they are part of the question from then on.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from selector.config.identity import config_fingerprint
from selector.config.schema import RunConfig
from selector.errors import Interrupted, RunFailed
from selector.launch.base import Launcher
from selector.launch.single import run_alone
from selector.study.lengths import untimed
from selector.study.study import Arm, Study
from selector.track.record import Record
from selector.track.run import Outcome, Result, Run, Stage
from selector.track.tracker import Origin, Tracker

#: Optimizer steps of a pilot run: more measure better, and are no use otherwise.
STEPS = 64
#: A pilot whose worker died is tried so often.
_ATTEMPTS = 3
#: What the trainer reports of its speed since the report before.
_SPEED = "tokens_per_second"


def time_arms(
    study: Study,
    record: Record,
    launcher: Launcher,
    tracker: Tracker,
    *,
    data_folder: Path | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> dict[str, float]:
    """Arm -> seconds per token; those that were measured before stay; fewer after a signal.

    Raises:
        RunFailed: an arm's pilot run did not complete, so its speed is not known.
    """
    found = dict(study.pilot)
    known = {_same(arm): found[arm.name] for arm in study.arms if arm.name in found}
    for arm in untimed(study):
        if _same(arm) in known:  # arms that differ in length alone have one speed
            found[arm.name] = known[_same(arm)]
            continue
        run = _run(study, arm, data_folder)
        origin = Origin(study=study.name, arm=arm.name)
        result = _completed(record, run)
        for _ in range(0 if result else _ATTEMPTS):
            try:
                result = run_alone(
                    run, record, tracker, origin, launcher, interrupted=lambda: int(interrupted())
                )
            except Interrupted:
                return found
            if result.outcome is not Outcome.LOST:
                break
        assert result is not None
        known[_same(arm)] = found[arm.name] = _seconds_per_token(arm, record, run, result)
        record.decide(
            {
                "decision": "pilot",
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "arm": arm.name,
                "seconds_per_token": found[arm.name],
            }
        )
    return found


def _same(arm: Arm) -> str:
    return config_fingerprint(arm.config)


def _run(study: Study, arm: Arm, data_folder: Path | None) -> Run:
    config = _unjudged(arm.config)
    return Run(
        key=f"pilots/{1 + study.arms.index(arm):05d}",
        config=config,
        stage=Stage.PILOT,
        seed=study.seed_of(Stage.PILOT, 0),
        tokens=STEPS * config.batch.tokens_per_step,
        data_folder=data_folder,
    )


def _completed(record: Record, run: Run) -> Result | None:
    """The result of a pilot that an earlier command finished and did not get to freeze."""
    stored = record.run(run.key)
    result = stored.result if stored else None
    return result if result and result.outcome is Outcome.COMPLETE else None


def _unjudged(config: RunConfig) -> RunConfig:
    """The configuration, evaluated once and on as little as can be: nobody reads the value."""
    tokens = config.batch.context
    few = replace(config.objective, evaluations=1, evaluation_tokens=tokens)
    return replace(config, objective=few)


def _seconds_per_token(arm: Arm, record: Record, run: Run, result: Result) -> float:
    speeds = [row[_SPEED] for row in record.curve(run.key) if row.get(_SPEED, 0) > 0]
    if result.outcome is not Outcome.COMPLETE or not speeds:
        how = f"ended as {result.outcome}: {result.error}" if result.error else "has no speed"
        raise RunFailed(
            f"fair: seconds needs the speed of every arm, and the pilot run of {arm.name} {how}",
            result.outcome,
        )
    return 1 / statistics.median(speeds[1:] or speeds)
