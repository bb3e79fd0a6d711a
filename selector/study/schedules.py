"""What a schedule cannot do in runs of this length, and what a reader of the plan should know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from selector.config.schema import RunConfig
from selector.config.technique import Technique
from selector.errors import ConfigError
from selector.space.dimension import Choices
from selector.space.space import assign
from selector.study.branching import longest_warmup_and_decay
from selector.study.study import RUNG_SHARE, Arm, Study
from selector.train.schedule.warmup import warmed_steps

#: Steps of a half cosine that is one.
_LEAST_STEPS = 2
#: Schedules whose rates do not fall by themselves.
_LEVEL = ("constant", "reduce_on_plateau")


def length_mistakes(config: RunConfig, tokens: int) -> Iterator[str]:
    """Why the schedule of `config` cannot be had in a run of `tokens` tokens, by dotted key."""
    if not config.built_in or not tokens:
        return
    schedule, steps = config.schedule, config.steps(tokens)
    warmed = warmed_steps(steps, schedule.values)
    left = steps - warmed
    if left < 1 and schedule.name not in _LEVEL:
        yield f"schedule.warmup: {warmed} of {steps} steps leave none for {schedule.name}"
        return
    parts = _parts(schedule)
    if parts and left / parts < _LEAST_STEPS:
        yield (
            f"schedule.cycles: {schedule['cycles']} do not fit into the {left} steps after the"
            f" warmup: the shortest part would have {left / parts:.2g} steps, expected at least"
            f" {_LEAST_STEPS}"
        )
    for share in schedule["milestones"] if "milestones" in schedule.values else ():
        if round(share * steps) <= warmed:
            yield (
                f"schedule.milestones: expected shares beyond the warmup of {warmed} steps, got"
                f" {share:g} of {steps} steps"
            )


def arm_length_mistakes(study: Study, arm: Arm) -> list[str]:
    """The same for all that is tuned in `arm`: with the longest warmup and the most cycles."""
    if not arm.tokens or not arm.config.built_in:
        return []
    largest = longest_warmup_and_decay(arm)
    for key in ("schedule.cycles", "schedule.stretch"):
        item = arm.space.dimensions.get(key)
        if item is not None:
            largest[key] = max(item.values) if isinstance(item, Choices) else item.high
    try:
        config = assign(arm.config, largest)
    except ConfigError as error:
        return list(error.mistakes)
    tokens = arm.tokens // RUNG_SHARE if study.rungs else arm.tokens
    where = f"{arm.name}: " if len(study.arms) > 1 else ""
    return [where + text for text in length_mistakes(config, tokens)]


def schedule_notes(study: Study) -> list[str]:
    """Combinations that train, and are hardly what was meant."""
    falling: dict[str, list[str]] = {}
    found: list[str] = []
    for arm in study.arms:
        if not arm.config.built_in:
            continue
        schedule, optimizer = arm.config.schedule, arm.config.optimizer
        if schedule.name != "constant" and is_schedule_free(optimizer):
            algorithm = str(optimizer.values.get("algorithm", optimizer.name))
            falling.setdefault(algorithm, []).append(schedule.name)
        if arm.tokens and "decay" in schedule.values:
            found += _short_decay(arm)
    return [*_both(falling), *found]


def _both(falling: Mapping[str, list[str]]) -> Iterator[str]:
    """One note for all schedule-free algorithms under schedules that fall."""
    if falling:
        schedules = dict.fromkeys(name for names in falling.values() for name in names)
        yield (
            f"schedule: {' and '.join(falling)}: an average of the weights takes the place of a"
            f" falling rate; with {' or '.join(schedules)} there are both. The authors use a warmup"
            " and schedule=constant"
        )


def is_schedule_free(optimizer: Technique) -> bool:
    """Whether it takes the place of a schedule (arXiv 2405.15682)."""
    words = [optimizer.name, *(item for item in optimizer.values.values() if isinstance(item, str))]
    return any("schedulefree" in word.lower().replace("_", "") for word in words)


def _short_decay(arm: Arm) -> Iterator[str]:
    config = assign(arm.config, longest_warmup_and_decay(arm))
    schedule, steps = config.schedule, config.steps(arm.tokens)
    warmed, decay = warmed_steps(steps, schedule.values), round(schedule["decay"] * steps)
    if warmed + decay > steps:
        yield (
            f"schedule: {arm.name}: {decay} steps of decay do not fit into {steps} beside a warmup"
            f" of {warmed}; there the decay begins at the end of the warmup"
        )
    own = arm.config.schedule["decay"]
    if round(own * steps) < 1:
        yield f"schedule: {arm.name}: a decay over {own:g} of {steps} steps has none"


def _parts(schedule: Technique) -> float:
    """How many of the schedule's shortest parts the time after its warmup has; 0: it has none."""
    if schedule.name == "cosine_restarts":
        lengths = [schedule["stretch"] ** cycle for cycle in range(schedule["cycles"])]
        return float(sum(lengths) / min(lengths))
    return 2.0 * schedule["cycles"] - 1.0 if schedule.name == "cyclic" else 0.0
