"""What must agree between the settings of a schedule, whatever the length of the run."""

from __future__ import annotations

from collections.abc import Iterator

from selector.config.objective import Objective
from selector.config.technique import Technique

#: The schedule that reacts to the validation loss.
REACTS = "reduce_on_plateau"
#: After their warmup these have nothing to do.
_NOTHING_AFTER = ("constant", REACTS)


def schedule_mistakes(schedule: Technique, objective: Objective) -> Iterator[str]:
    """One line for each setting that leaves another without effect, beginning with its name."""
    values = schedule.values
    warmup = values.get("warmup")
    if warmup == 1 and warmup is not True and schedule.name not in _NOTHING_AFTER:
        yield f"warmup: expected below 1, got 1: nothing of the run is left for {schedule.name}"
    milestones = values.get("milestones")
    if isinstance(milestones, tuple):
        numbers = [item for item in milestones if isinstance(item, int | float)]
        if sorted(set(numbers)) != numbers:
            yield f"milestones: expected rising shares of the run, got {list(milestones)}"
        elif numbers and isinstance(warmup, int | float) and numbers[0] <= warmup:
            yield f"milestones: expected shares above the warmup's {warmup}, got {numbers[0]}"
    if values.get("gamma") == 1 and schedule.name != "cyclic":
        yield "gamma: expected below 1, got 1: the rate would never be cut"
    for name in ("floor", "final"):
        if values.get(name) == 1:
            yield f"{name}: expected below 1, got 1: the rate would never fall"
    if schedule.name == REACTS:
        patience, evaluations = schedule["patience"], objective.evaluations
        # the first sets the best, patience + 1 in a row are no progress, and the last ends the run
        if patience + 2 > evaluations - 1:
            yield (
                f"patience: {patience} evaluations without progress and one more cannot be seen in"
                f" objective.evaluations={evaluations}, of which the last ends the run; expected"
                f" objective.evaluations={patience + 3} or more"
            )
