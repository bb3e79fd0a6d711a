"""Fairness: the better technique has a good range one tenth as wide. Who finds it?

    python -m benchmarks.method.fairness [--studies 100]

Two techniques with a quadratic surface in one tuned dimension: the better one's curvature is 100
times the other's. Ours is a study of two arms at `medium`; against it one flat Optuna study with
the technique as a categorical and each technique's own range, of as many runs as ours made, which
chooses the technique of its best trial. About five minutes of one core for 100 studies.
"""

from __future__ import annotations

import argparse

import numpy as np
import optuna

from benchmarks.method.search import Plan, search
from benchmarks.method.simulate import conclude, units
from benchmarks.method.surfaces import SCALES, SEED_SD, Array, excess, optima

FAMILY = "quadratic"
SCALE = SCALES[FAMILY]
#: Curvature of the better technique: its good range is one tenth as wide.
NARROW = 100 * SCALE


def ours(centres: Array, lead: float, seed: int) -> tuple[Array, Array, Array]:
    """[studies] whether the better technique is recommended, whether it wins, and runs made.

    `centres` is [studies, 2 techniques, 1], the better technique first.
    """
    plan = Plan(dims=centres.shape[2])
    most = plan.looks[-1]
    found = []
    for arm, scale in enumerate((NARROW, SCALE)):
        rows = np.repeat(centres[:, arm], most, axis=0)
        done = search(plan, FAMILY, rows, seed + arm, scale)
        found.append(done.excess.reshape(-1, most))
    values = units(plan, np.stack(found, axis=1), seed + 2)
    values[:, 0] -= lead
    answers = [conclude(study, plan.looks) for study in values]
    runs = [2 * item.units * (plan.trials + plan.screen + plan.verdict_seeds) for item in answers]
    chosen = [item.verdict.recommended == "0" for item in answers]
    return np.array(chosen), np.array([item.winner == 0 for item in answers]), np.array(runs)


def flat(centre: Array, lead: float, runs: int, seed: int) -> bool:
    """Whether one flat TPE study ends at the better technique."""
    noise = SEED_SD * np.random.default_rng(seed).standard_normal(runs)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    for number in range(runs):
        trial = study.ask()
        arm = trial.suggest_categorical("technique", [0, 1])
        keys = range(centre.shape[1])
        point = np.array([trial.suggest_float(f"{arm}.x{key}", 0.0, 1.0) for key in keys])
        loss = excess(FAMILY, point, centre[arm], (NARROW, SCALE)[arm])
        study.tell(trial, float(loss + noise[number] - (0 if arm else lead)))
    return bool(study.best_params["technique"] == 0)


def main() -> None:
    """Print one row for each lead of the better technique."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=100)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    print("lead      ours recommends (wins)   flat TPE of as many runs   runs")
    generator = np.random.default_rng(0)
    centres = optima(2 * options.studies, 1, generator).reshape(options.studies, 2, 1)
    for deviations in (2.0, 4.0, 8.0):
        lead = deviations * SEED_SD
        chosen, won, runs = ours(centres, lead, seed=11)
        theirs = [
            flat(centre, lead, int(count), seed)
            for seed, (centre, count) in enumerate(zip(centres, runs, strict=True))
        ]
        print(
            f"{deviations:.0f} seed sd   {100 * chosen.mean():5.1f} % ({100 * won.mean():.1f} %)"
            f"          {100 * np.mean(theirs):5.1f} %                  {runs.mean():.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
