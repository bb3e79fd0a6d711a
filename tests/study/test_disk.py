"""Room on the disk is looked at before anything is trained."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import replace

import pytest

from selector.config.schema import Launch
from selector.space.cost import parameters
from selector.study import disk
from selector.study.disk import disk_bytes, disk_note
from tests.report.build import Surface, study

ARMS = (Surface(name="adamw"), Surface(name="sgd"))
Usage = namedtuple("Usage", "total used free")


def test_states_on_the_way_and_verdict_weights_are_counted():
    asked = replace(study(ARMS), launcher=Launch(workers=3, checkpoint_seconds=60.0))
    without = replace(asked, launcher=Launch(workers=3, checkpoint_seconds=0.0))
    size = 4 * parameters(asked.arms[0].config)
    assert disk_bytes(asked) - disk_bytes(without) == 3 * 3 * 3 * size  # AdamW: weights, 2 moments
    more = replace(without, budget=replace(without.budget, verdict_seeds=4))
    seeds = 4 - without.budget.verdict_seeds
    runs = len(ARMS) * without.looks[-1] * seeds
    assert disk_bytes(more) - disk_bytes(without) == runs * (size + 40_000)


@pytest.mark.parametrize(("free", "said"), [(10**15, False), (1000, True)])
def test_what_is_missing_is_said_with_the_way_out(tmp_path, monkeypatch, free, said):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: Usage(0, 0, free))
    note = disk_note(study(ARMS), tmp_path)
    assert bool(note) == said
    assert ("checkpoint_seconds=0" in note) == said
