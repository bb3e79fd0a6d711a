"""Points with which no configuration can exist are drawn again, and learnt from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selector.config.technique import Technique
from selector.space.dimension import Choices
from selector.space.space import Space
from selector.study.loop import run_study
from selector.track.record import Record
from selector.track.store import MemoryStore
from selector.track.tracker import MemoryTracker
from tests.study.replayed import launcher, small_study

SPACE = Space(
    dimensions={
        "model.width": Choices(values=(24, 36, 48, 64)),
        "model.heads": Choices(values=(2, 3, 4, 6)),
    }
)


def loss(run):
    """Wide models with many heads are best: 64 is no multiple of 6 or 3, and would be proposed."""
    return 3.0 - run.config.model.width / 100 - run.config.model.heads / 20


@pytest.mark.parametrize(
    ("sampler", "values"),
    [("qmc", {}), ("refined", {"explore_share": 0.5}), ("tpe", {"startup_trials": 4})],
)
def test_a_model_that_insists_on_what_cannot_be_is_taught(sampler, values):
    study = small_study(trials=12, sampler=Technique(name=sampler, values=values))
    study = replace(study, arms=tuple(replace(arm, space=SPACE) for arm in study.arms))
    record = Record(MemoryStore())
    assert run_study(study, record, launcher(value=loss), MemoryTracker())
    tried = [trial.values for trial in record.trials.values()]
    assert len(tried) == len(study.arms) * 2 * 12
    assert not any(values["model.width"] % values["model.heads"] for values in tried)
