"""From a composed study to a resolved one: spaces opened, what must agree checked, notes taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from selector.config.algorithms import works_more
from selector.config.compute import SAME_NUMBERS
from selector.config.decode import Mistakes
from selector.config.regularization import PATIENCE, patience_mistake
from selector.config.study import ComposedStudy
from selector.space.space import Space
from selector.study.centred import centre_notes
from selector.study.comparable import check_metrics
from selector.study.constraints import check_constraints, of_size
from selector.study.effect import without_effect
from selector.study.lengths import settle
from selector.study.spaces import LR, check_grid, check_used, open_space, uses_optimizer
from selector.study.study import Arm, Study


def resolve(composed: ComposedStudy, stored: Study | None = None) -> Study:
    """The study with the spaces of its arms opened and their lengths as far as they are known.

    What `tune: auto` chose when the study was stored stays: a larger budget opens no further keys.
    So does what its pilot runs measured.

    Raises:
        ConfigError: a key or a range that no arm has, or that cannot be.
    """
    mistakes = Mistakes()
    judged = {
        (arm.config.objective.metric, arm.config.objective.direction) for arm in composed.arms
    }
    if len(judged) > 1:
        mistakes.add("objective", f"arms are judged by different metrics: {sorted(judged)}")
    opened = {arm.name: arm.space.dimensions for arm in stored.arms} if stored else {}
    spaces = []
    for arm in composed.arms:
        spaces.append(open_space(composed, arm, opened.get(arm.name), mistakes))
    check_used(composed, mistakes)
    if composed.sampler.name == "grid" and not mistakes.lines:
        for arm, space in zip(composed.arms, spaces, strict=True):
            check_grid(arm, space, of_size(composed.question.subject_to), mistakes)
    check_constraints(composed, spaces, mistakes)
    for arm, space in zip(composed.arms, spaces, strict=True):
        if PATIENCE in space:
            metric = arm.config.objective.metric
            if text := patience_mistake(1, metric, arm.length[0]):
                mistakes.add(f"tune.{PATIENCE}", text)
    if len(judged) == 1:
        check_metrics(composed, spaces, mistakes)
    arms = tuple(
        Arm(
            name=arm.name,
            choices=arm.choices,
            compared=arm.compared,
            config=arm.config,
            space=Space(dimensions=space),
            tokens=0,
            length=arm.length,
        )
        for arm, space in zip(composed.arms, spaces, strict=True)
    )
    question = composed.question
    study = Study(
        name=question.name,
        question=question.question,
        metric=arms[0].config.objective.metric,
        direction=arms[0].config.objective.direction,
        seed=question.seed,
        margin=question.margin,
        notify=question.notify,
        sampler=composed.sampler,
        budget=composed.budget,
        launcher=composed.launcher,
        tracker=composed.tracker,
        arms=arms,
        tune=question.tune,
        fair=question.fair,
        pilot=stored.pilot if stored and stored.fair == question.fair else {},
        fixed=composed.settings,
        subject_to=question.subject_to,
        pareto=question.pareto,
        then=question.then,
        notes=composed.notes,
    )
    study = settle(study, None, mistakes)
    mistakes.raise_if_any()
    notes = (
        *study.notes,
        *_notes(composed, arms),
        *centre_notes(composed),
        *without_effect(study),
    )
    return replace(study, notes=notes)


def _notes(composed: ComposedStudy, arms: tuple[Arm, ...]) -> list[str]:
    """What a reader of the plan should know of how the study was opened."""
    notes = []
    tune = composed.question.tune
    for key, item in tune.items() if isinstance(tune, Mapping) else ():
        conditional = isinstance(item, Mapping) and "when" in item
        if conditional and not any(key in arm.space.dimensions for arm in arms):
            notes.append(f"tune: {key} is tuned in no arm: its `when` holds in none")
    for arm, source in zip(arms, composed.arms, strict=True):
        if uses_optimizer(source) and LR not in arm.space.dimensions and LR in source.spaces:
            notes.append(
                f"{arm.name}: the learning rate is fixed at {source.config.optimizer['lr']},"
                " not tuned: the comparison holds for this rate"
            )
        optimizer = source.config.optimizer
        if source.config.built_in and works_more(optimizer.name, optimizer.values):
            notes.append(
                f"{arm.name}: a step of its optimizer computes the loss again or its curvature,"
                " which FLOPs leave out"
            )
        if composed.sampler.name == "grid" and arm.space.dimensions:
            points = len(arm.space.grid())  # raises where a range cannot be enumerated
            if points > composed.budget.trials:
                notes.append(
                    f"{arm.name}: the grid has {points} points, of which the budget tries"
                    f" {composed.budget.trials}; budget.trials={points} tries all"
                )
    compared = {key for arm in arms for key in arm.compared}
    if compared and compared <= SAME_NUMBERS:
        notes.append(
            f"{' and '.join(sorted(compared))}: runs compute the same numbers but for rounding:"
            " arms differ in seconds and memory, and otherwise by chance"
        )
    if composed.sampler.name == "grid" and composed.budget.replicates > 1:
        notes.append("a grid has no randomness: one sub-search an arm, and the seed is the unit")
    return notes
