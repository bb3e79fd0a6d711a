"""Studies with one planted defect each, and what the checks find in them."""

from __future__ import annotations

import math
import random
import shlex
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from selector.config.study import compose_study
from selector.report.compare import arm_rows
from selector.report.health import Finding, findings
from selector.study.answer import answer
from selector.study.arms import resolve
from selector.track.run import Stage
from tests.report.build import METRIC, Builder

STEPS, POINTS = 320, 50


def all_found(built: Builder) -> list[Finding]:
    stored = built.stored()
    known = answer(stored.study, stored.record)
    return findings(stored, known, arm_rows(stored, known))


def found(built: Builder, check: str) -> list[Finding]:
    """What one check finds; every remedy is a command line that selector accepts."""
    own = [item for item in all_found(built) if item.check == check]
    arms = tuple(arm.name for arm in built.study.arms)
    for item in own:
        if item.remedy:
            assert_accepted(item.remedy, arms, built.study.arms[0].config.built_in)
    return own


@cache
def assert_accepted(remedy: str, arms: tuple[str, ...], built_in: bool) -> None:
    """Compose and resolve a study of these arms under the overrides of a remedy."""
    program, command, _, *overrides = shlex.split(remedy)
    assert (program, command) == ("selector", "run")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "optimizers.yaml"
        lines = ["defaults: [selector_study, override model: pico, {}_self_]", "name: optimizers"]
        if built_in:
            lines[0] = lines[0].format("")
            lines.append(f"compare: {{optimizer: [{', '.join(arms)}]}}")
        else:
            lines[0] = lines[0].format("override objective: mine, ")
            lines.append("compare: {objective.parameters.label_smoothing: [0.0, 0.1]}")
            (Path(folder) / "objective").mkdir()
            (Path(folder) / "objective/mine.yaml").write_text(
                "defaults: [function, _self_]\nfunction: mine:train\nmetric: validation/loss\n"
                "parameters: {label_smoothing: 0.0, class_weight: none, lr: 0.1}\n"
                "space: {parameters.lr: {low: 0.01, high: 1.0, log: true}}\n"
            )
        file.write_text("\n".join(lines) + "\n")
        resolve(compose_study(file, overrides, Path(folder)))


def healthy(share: float) -> dict[str, float]:
    """What a sound run reports after a share of its steps, as measured on the pico model."""
    noise = random.Random(share).gauss(0, 0.05)
    loss = 2.4 + 2.5 * math.exp(-9 * share)
    return {
        METRIC: loss + 0.004 * (1 - share),
        "train/loss": loss - 0.05 + noise,
        "gradient_norm": 2.5 * math.exp(-6 * share) + 0.7,
        "gradient_norm/embedding": 0.5,
        "gradient_norm/block/0": 0.3,
        "gradient_norm/block/1": 0.1,
        "gradient_norm/spread": 3.4 + 2 * share,
        "clipped_share": 0.26,
    }


def reporting(built: Builder, curve: Callable[[float], dict[str, float]], arm: str = "") -> Builder:
    """`built` with other curves of the verdict runs, of one arm or of all."""
    for item in built.record.runs(Stage.VERDICT):
        if item.trial and arm in ("", item.trial.arm):
            built.store.write(f"{item.run.key}/metrics.jsonl", "")
            for point in range(1, POINTS + 1):
                share = point / POINTS
                built.record.report(item.run.key, round(share * STEPS), curve(share))
            if item.result is not None:
                built.record.finish(item.run.key, item.result)
    return built
