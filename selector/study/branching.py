"""Where a trial that goes on after its rung may start from the rung's trunk, and why it may not.

Up to the decay of the rung both runs are the same, provided they warm up for as many steps; so the
whole run is exactly what it would have been from the beginning, and the rung has the longer
warmup. What is shared is computed from the rates themselves: `selector.train.schedule`.
"""

from __future__ import annotations

from selector.config import algorithms
from selector.config.schema import RunConfig
from selector.config.technique import Value
from selector.space.dimension import Choices
from selector.space.space import assign
from selector.study.study import Arm, Study
from selector.track.run import Stage
from selector.train.regularization.horizon import unshared
from selector.train.schedule import REACTS, shared_steps
from selector.train.schedule.warmup import warmed_steps

_WARMUP, _DECAY = "schedule.warmup", "schedule.decay"


def branches(study: Study, arm: Arm) -> bool:
    """Whether the arm's rungs keep their trunk, and its whole runs start from it."""
    return study.budget.branch and study.rungs and not arm_branch_mistake(study, arm)


def branch_mistake(config: RunConfig, tokens: int, longer: int) -> str:
    """Why a run of `longer` tokens saves nothing by the trunk of one of `tokens`; '' if it does."""
    if not config.built_in:
        return f"the state of a run with objective.kind={config.objective.kind} cannot be kept"
    if text := algorithms.branch_mistake(config.optimizer.name, config.optimizer.values):
        return text
    if config.batch.grows:
        return "the batch grows over a share of the run, in other steps of a run of another length"
    schedule, switches = config.schedule, config.regularization
    if switches.patience:
        return (
            f"with regularization.patience={switches.patience} the evaluations before decide when"
            " a run ends, and runs of other lengths are evaluated at other steps"
        )
    if schedule.name == REACTS:
        return (
            f"schedule {schedule.name} reacts to the evaluations of a run, which lie at other steps"
            " of a run of another length"
        )
    steps, longer_steps = config.steps(tokens), config.steps(longer)
    warmed = warmed_steps(longer_steps, schedule.values)
    shared = shared_steps(schedule, steps, longer_steps)
    if shared > warmed + 1:
        return unshared(switches, steps, longer_steps, shared)
    if "milestones" in schedule.values:
        return f"no time at the peak is left before the first of {steps} steps' milestones"
    if "decay" not in schedule.values:
        return (
            f"schedule {schedule.name} falls from the end of its warmup on, in every step"
            " differently for another length; schedule=warmup_stable_decay stays at its peak"
        )
    return (
        f"no time at the peak is left in {steps} steps with a warmup of {warmed}, that of the whole"
        f" run, and a decay over {schedule['decay']:g} of the run; expected lower"
        f" {_WARMUP} or {_DECAY}"
    )


def arm_branch_mistake(study: Study, arm: Arm) -> str:
    """Why the whole runs of `arm` cannot start from its rungs, whatever is tuned; '' if they can.

    With the longest warmup and the longest decay of its space: all rungs of an arm are alike.
    """
    if not arm.tokens:  # its text is not prepared yet
        return ""
    config = assign(arm.config, longest_warmup_and_decay(arm))
    rung, whole = (study.tokens_of(arm, config, stage) for stage in (Stage.RUNG1, Stage.EXPLORE))
    return branch_mistake(config, rung, whole)


def longest_warmup_and_decay(arm: Arm) -> dict[str, Value]:
    """The longest warmup and the longest decay of the arm's space, as far as they are tuned."""
    steps = arm.config.steps(arm.tokens)
    longest: dict[str, Value] = {}
    for key in (_WARMUP, _DECAY):
        item = arm.space.dimensions.get(key)
        if item is not None:
            values = item.values if isinstance(item, Choices) else (item.high,)
            longest[key] = max(values, key=lambda value: warmed_steps(steps, {"warmup": value}))
    return longest


def branch_notes(study: Study) -> list[str]:
    """Where `budget.branch` has no effect, for readers of the plan."""
    if not study.budget.branch:
        return []
    if not study.rungs:
        asked = study.budget.rungs
        why = "budget.rungs=always trains them" if asked == "auto" else f"budget.rungs is {asked}"
        return [f"budget.branch: has no effect, as no trial has a rung to start from; {why}"]
    mistakes = {arm.name: arm_branch_mistake(study, arm) for arm in study.arms}
    return [
        f"budget.branch: has no effect in {name}: {text}" for name, text in mistakes.items() if text
    ]
