"""Whether trials may first be trained for a third of their length, or why that would mislead.

Between complete trainings whose tokens differ by three times, ranks agree well (Spearman .81-.93
over public runs that differ in rates and schedules); nothing comparable is known where the shape,
the batch, the regularization or the text differ: those pay off late, or early only.

`auto` turns rungs off in all these cases and says why. `always` is refused where rungs mislead or
cannot be; that a rung is short is only a note there, for whoever knows the noise of short runs.
"""

from __future__ import annotations

from collections.abc import Sequence

from selector.config.command_line import LENGTHS
from selector.config.schema import RunConfig
from selector.errors import ConfigError
from selector.study.study import RUNG_SHARE, Arm

#: Parts whose effect on a short training says little about a longer one.
_MISLEADING = ("batch", "model", "regularization", "data")
#: Steps that a rung has at least: shorter ones rank by warmup and luck.
LEAST_STEPS = 500


def rungs_or_reason(asked: str, arms: Sequence[Arm]) -> tuple[bool, str]:
    """Whether trials have rungs under budget.rungs=`asked`, and what to say about it, if anything.

    Arms whose tokens are not known yet (0) are not judged by their length.

    Raises:
        ConfigError: they are asked for always, and would mislead.
    """
    if asked == "never":
        return False, ""
    reason = _misleading(arms)
    if reason and asked == "always":
        raise ConfigError(f"budget.rungs: expected never or auto, got always: {reason}")
    if reason:
        return False, f"off: {reason}"
    short = _short(arms)
    if short and asked == "auto":
        return False, f"off: {short} (budget.rungs=always turns them on)"
    return True, short


def _misleading(arms: Sequence[Arm]) -> str:
    """Why what a short training says would be misleading; empty where it is not known to be."""
    other = next((arm for arm in arms if not _has_length(arm.config)), None)
    if other and other.config.objective.kind == "replay":
        return "its table has no column of lengths (objective.horizon)"
    if other:
        return f"a {other.config.objective.kind} decides itself how long a run is"
    if not any(arm.space.dimensions for arm in arms):
        return "nothing is tuned, so there is nothing to sort out"
    compared = {key for arm in arms for key in arm.compared}
    tuned = {key for arm in arms for key in arm.space.dimensions}
    for words, keys in (("compared", compared), ("tuned", tuned)):
        for key in sorted(keys):
            if key.partition(".")[0] in _MISLEADING:
                return f"{key} is {words}, and a short training says little about it"
            if key in LENGTHS:
                return f"{key} is {words}, and a short training is another length"
    return ""


def _has_length(config: RunConfig) -> bool:
    """Whether a run's tokens decide how long it is: built in, or replayed from rows of a length."""
    return config.built_in or bool(config.objective.horizon)


def _short(arms: Sequence[Arm]) -> str:
    """The arm whose rungs would be short, in words; empty where none are."""
    known = [arm for arm in arms if arm.tokens and arm.config.built_in]
    steps = {arm.name: arm.config.steps(arm.tokens // RUNG_SHARE) for arm in known}
    name = min(steps, key=lambda name: steps[name], default=None)
    if name is None or steps[name] >= LEAST_STEPS:
        return ""
    return (
        f"a third of a run of {name} has {steps[name]} steps; short trainings are known to rank"
        f" like long ones from {LEAST_STEPS} on"
    )
