"""How long the runs of each arm are: the budget's length, shared out as `fair:` says.

A length is read at the first arm: its text, its FLOPs per token, its speed. With `fair: tokens`
every arm gets these tokens; with `flops` and `seconds` as many tokens as cost the same. Arms that
compare lengths each read their own at the first arm in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from selector.config.decode import Mistakes
from selector.errors import ConfigError
from selector.space.cost import flops_per_token
from selector.space.length import no_cost, run_tokens
from selector.study.branching import branch_notes
from selector.study.rungs import rungs_or_reason
from selector.study.schedules import arm_length_mistakes, schedule_notes
from selector.study.step_sizes import check_largest_step
from selector.study.study import Arm, Study
from selector.train.regularization.horizon import averaged_steps

#: How the notes about the length of runs begin: they are taken anew when more is known.
_NOTES = (
    *("rungs: ", "fair: ", "budget.epochs: ", "budget.flops: ", "budget.branch: ", "schedule: "),
    "regularization: ",
)


def settle(study: Study, training_tokens: int | None, mistakes: Mistakes) -> Study:
    """The study with the tokens of every arm, whether it has rungs, and the notes on both.

    `training_tokens` are those of the first arm's training part; None: not prepared yet, and a
    length in epochs stays 0 tokens.
    """
    arms = arm_tokens(study.arms, study.fair, study.pilot, training_tokens, mistakes)
    for arm in arms:
        check_largest_step(arm, mistakes)
    rungs, reason = False, ""
    try:
        rungs, reason = rungs_or_reason(study.budget.rungs, arms)
    except ConfigError as error:
        mistakes.lines += error.mistakes
    kept = [note for note in study.notes if not note.startswith(_NOTES)]
    notes = [f"rungs: {reason}"] if reason else []
    found = replace(study, arms=arms, rungs=rungs)
    for arm in found.arms:
        mistakes.lines += arm_length_mistakes(found, arm)
    notes += [*_notes(found), *branch_notes(found), *schedule_notes(found)]
    return replace(found, notes=(*kept, *notes))


def arm_tokens(
    arms: Sequence[Arm],
    fair: str,
    pilot: Mapping[str, float],
    training_tokens: int | None,
    mistakes: Mistakes,
) -> tuple[Arm, ...]:
    """The arms with the training tokens of their runs; see `settle`."""
    first, found = arms[0], []
    for arm in arms:
        length = arm.length or ("tokens", arm.tokens)
        if not arm.config.built_in and fair != "tokens":
            mistakes.add("fair", f"{no_cost(arm.config)}; expected fair: tokens, got {fair}")
            found.append(arm)
        elif length[0] == "epochs" and training_tokens is None and arm.config.built_in:
            found.append(replace(arm, tokens=0))
        else:
            try:
                tokens = run_tokens(
                    length,
                    arm.config,
                    training_tokens or 0,
                    reference=first.config,
                    factor=_factor(fair, pilot, first, arm),
                )
                found.append(replace(arm, tokens=tokens))
            except ConfigError as error:
                where = f"{arm.name}: " if arm is not first and fair != "tokens" else ""
                mistakes.lines += [where + line for line in error.mistakes]
                found.append(arm)
    return tuple(found)


def untimed(study: Study) -> tuple[Arm, ...]:
    """The arms whose speed has to be measured before the first trial."""
    if study.fair != "seconds" or len(study.arms) == 1:
        return ()
    return tuple(arm for arm in study.arms if arm.name not in study.pilot)


def _factor(fair: str, pilot: Mapping[str, float], first: Arm, arm: Arm) -> float:
    """Tokens that cost in `arm` what one token costs in the first arm."""
    if fair == "flops":
        return flops_per_token(first.config) / flops_per_token(arm.config)
    if fair == "seconds" and {first.name, arm.name} <= pilot.keys():
        return pilot[first.name] / pilot[arm.name]
    return 1.0


def _notes(study: Study) -> list[str]:
    """What a reader of the plan should know of the lengths."""
    found = []
    units = {arm.length[0] for arm in study.arms if arm.length}
    if "epochs" in units and len({arm.config.data.fingerprint for arm in study.arms}) > 1:
        found.append("budget.epochs: passes over the first arm's text, whatever an arm reads")
    costs = {flops_per_token(arm.config) for arm in study.arms if arm.config.built_in}
    if "flops" in units and study.fair == "tokens" and len(costs) > 1:
        found.append(
            "budget.flops: of a run of the first arm; the others train on as many tokens at another"
            " cost. fair=flops gives every run as many operations"
        )
    for arm in study.arms:
        if arm.config.built_in and arm.tokens:
            steps, switches = arm.config.steps(arm.tokens), arm.config.regularization
            if switches.averages and averaged_steps(switches, steps) == 1:
                found.append(
                    f"regularization: {arm.name}: an average over {switches.ema or switches.swa:g}"
                    f" of {steps} steps is that of the last one alone, and has no effect"
                )
    if untimed(study):
        found.append(
            "fair: the tokens of all arms but the first follow from a short pilot run of each,"
            " before the first trial; until then as if all were as fast as the first"
        )
    tuned = {key for arm in study.arms for key in arm.space.dimensions if changes_speed(arm, key)}
    if study.fair == "seconds" and tuned:
        found.append(
            f"fair: an arm's speed is measured at its own defaults; {', '.join(sorted(tuned))} is"
            " tuned and may change it within the arm"
        )
    return found


def scaled(study: Study, factor: float) -> list[str]:
    """Overrides that ask for runs `factor` times as long; none where lengths are in unlike words.

    Nor where a run has no length.
    """
    if not all(arm.config.built_in for arm in study.arms):
        return []
    asked = {arm.length or ("tokens", arm.tokens) for arm in study.arms}
    units = {unit for unit, _ in asked}
    if len(units) > 1:
        return []
    unit = units.pop()
    amounts = [factor * amount for _, amount in sorted(asked)]
    words = [
        str(max(1, round(amount))) if unit == "tokens" else f"{amount:g}" for amount in amounts
    ]
    return [f"budget.{unit}={','.join(words)}"]


def changes_speed(arm: Arm, key: str) -> bool:
    """Whether another value at `key` may change the time or the operations for a token."""
    return key.partition(".")[0] in ("model", "batch", "compute", "data")
