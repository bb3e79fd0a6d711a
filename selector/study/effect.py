"""Values of a budget that change nothing in the study at hand: a plan says so."""

from __future__ import annotations

from selector.space.dimension import Interval
from selector.study.study import Study


def without_effect(study: Study) -> list[str]:
    """A sentence for each value that was given and has no effect."""
    budget = study.budget
    found = []
    if 0 < budget.most_replicates < budget.replicates:
        found.append(
            f"budget.most_replicates={budget.most_replicates} has no effect: it is below"
            f" budget.replicates={budget.replicates}, so no sub-searches are added"
        )
    elif "budget.most_replicates" in study.fixed and not study.random:
        found.append(
            "budget.most_replicates has no effect: a search without randomness has one sub-search"
        )
    found += [
        f"{key}={study.fixed[key]} has no effect: {reason}"
        for key, reason in _reasons(study).items()
        if key in study.fixed and reason
    ]
    if study.fair == "seconds" and len(study.arms) == 1:
        found.append("fair: seconds has no effect: there is one arm")
    return found


def _reasons(study: Study) -> dict[str, str]:
    """Key of the budget -> why it has no effect; empty where it has one."""
    budget = study.budget
    spaces = [arm.space.dimensions for arm in study.arms]
    nothing = "" if any(spaces) else "nothing is tuned"
    ranges = any(isinstance(item, Interval) for space in spaces for item in space.values())
    one_look = len(study.looks) == 1 or len(study.arms) == 1
    return {
        "budget.screen": "it chooses among one trial" if budget.screen == 1 else nothing,
        "budget.extensions": nothing or ("" if ranges else "no range is tuned"),
        "budget.trials": nothing,
        "budget.stop_when_clear": "the evidence is looked at once" if one_look else "",
    }
