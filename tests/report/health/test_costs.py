"""Time, speed and heat, planted and not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from selector.report.compare import devices
from selector.track.run import Result, Trial
from tests.report.build import ADAMW, MUON, Builder, Surface, finished, study
from tests.report.health.planted import all_found, found


def half_done(**changes: object) -> Builder:
    surfaces = [ADAMW, MUON]
    return Builder(study(surfaces, **changes), surfaces).explore(0.5)


def test_a_budget_of_hours_that_the_runs_do_not_fit_is_said() -> None:
    (finding,) = found(half_done(device_hours=0.1), "training too slow")
    # 40 runs of 12 s and 40 of 15 s
    assert "take 18 min, and budget.device_hours allows 6" in finding.text
    assert "budget.tokens=" in finding.remedy
    tokens = int(finding.remedy.partition("budget.tokens=")[2].split()[0])
    assert tokens == pytest.approx(327_680 * 0.9 * 0.1 / 0.3, rel=0.05)
    assert not found(half_done(device_hours=0.5), "training too slow")
    assert not found(half_done(), "training too slow")


def test_hours_of_the_clock_count_runs_side_by_side() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def change(result: Result, trial: Trial, stage: str) -> Result:
        ended = start + timedelta(seconds=1.6 * trial.number)  # eight runs at a time
        return replace(result, facts={**result.facts, "ended": ended.isoformat()})

    surfaces = [ADAMW, MUON]
    built = Builder(study(surfaces, hours=0.1), surfaces, change=change).explore(0.5)
    assert not found(built, "training too slow")
    alone = Builder(study(surfaces, hours=0.1), surfaces).explore(0.5)
    assert len(found(alone, "training too slow")) == 1


def test_an_arm_that_gets_little_of_the_device_is_said() -> None:
    slow = Surface(name="muon", best=2.36, rate=1.5e-2, low=2e-3, high=6e-2, seconds=90.0)
    (finding,) = found(finished(ADAMW, slow), "an arm is slow")
    assert finding.arm == "muon"
    assert "times as many operations per second in adamw" in finding.text
    assert not found(finished(ADAMW, MUON), "an arm is slow")


def test_accumulation_that_is_not_needed_is_the_remedy_of_a_slow_arm() -> None:
    slow = Surface(name="muon", best=2.36, rate=1.5e-2, low=2e-3, high=6e-2, seconds=90.0)
    built = finished(ADAMW, slow)
    arms = []
    for arm in built.study.arms:
        batch = replace(arm.config.batch, micro_batch=2, accumulation=4)
        arms.append(replace(arm, config=replace(arm.config, batch=batch)))
    built.study = replace(built.study, arms=tuple(arms))
    (finding,) = found(built, "an arm is slow")
    assert "batch.micro_batch=8 batch.accumulation=1" in finding.remedy


def test_a_winner_that_takes_twice_the_time_is_asked_again_at_equal_time() -> None:
    slow = Surface(name="muon", best=2.2, rate=1.5e-2, low=2e-3, high=6e-2, seconds=30.0)
    (finding,) = found(finished(ADAMW, slow), "the winner takes longer")
    assert finding.arm == "muon"
    assert finding.remedy == "selector run optimizers fair=seconds name=optimizers_at_equal_time"
    assert not found(finished(ADAMW, slow, fair="seconds"), "the winner takes longer")
    assert not found(finished(ADAMW, MUON), "the winner takes longer")


@pytest.mark.parametrize(
    ("celsius", "share", "text"),
    [
        (91.0, 0.0, "NVIDIA A100 was hot at up to 91 degrees Celsius"),
        (70.0, 0.4, "NVIDIA A100 was slowed down in up to 40 % of a run at up to 70 degrees"),
        (70.0, 0.02, ""),
    ],
)
def test_a_hot_or_throttled_device_asks_for_a_pause(
    celsius: float, share: float, text: str
) -> None:
    def change(result: Result, trial: Trial, stage: str) -> Result:
        heat = celsius if trial.number == 3 else 60.0
        facts = {"device": "NVIDIA A100", "device_celsius": heat, "throttled_share": share}
        return replace(result, facts={**result.facts, **facts})

    built = finished(ADAMW, MUON, change=change)
    if not text:
        assert all_found(built) == []
        return
    (finding,) = found(built, "hot device")
    assert finding.text.startswith(text)
    assert finding.remedy == "selector run optimizers launcher.pause_above_celsius=80"


def test_times_on_unlike_devices_are_said_to_mean_little() -> None:
    def change(result: Result, trial: Trial, stage: str) -> Result:
        device = "NVIDIA A100" if trial.arm == "muon" else "NVIDIA H100"
        return replace(result, facts={**result.facts, "device": device})

    built = finished(ADAMW, MUON, change=change)
    assert set(devices(built.stored().record.runs())) == {"NVIDIA A100", "NVIDIA H100"}
    (finding,) = found(built, "values that cannot be compared")
    assert "(NVIDIA H100: adamw; NVIDIA A100: muon): tokens_per_second, " in finding.text
    assert "seconds, peak_memory_gib, device_joules say" in finding.text
