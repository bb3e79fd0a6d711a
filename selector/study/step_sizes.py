"""Steps that are larger than a whole run, or than the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from selector.config.decode import Mistakes
from selector.config.schema import RunConfig
from selector.config.technique import Value
from selector.errors import ConfigError
from selector.space.dimension import Interval
from selector.space.space import assign
from selector.study.study import Arm


def check_largest_step(arm: Arm, mistakes: Mistakes) -> None:
    """Note a mistake where a tuned batch may be larger than a whole run."""
    largest = _largest(arm)
    if not (largest and arm.tokens and arm.config.built_in):
        return
    try:
        step = assign(arm.config, largest).batch.tokens_per_step
    except ConfigError:  # told where the space was opened
        return
    if step > arm.tokens:
        mistakes.add(
            next(iter(largest)),
            f"expected steps of at most a run's {arm.tokens} tokens, got {step} with"
            f" {_words(largest)}",
        )


def full_batch_mistakes(config: RunConfig, training_tokens: int) -> Iterator[str]:
    """Why a step cannot read `disjoint` windows of a part of so many tokens, each once."""
    batch = config.batch
    there = (training_tokens - 1) // batch.context
    if config.built_in and batch.windows == "disjoint" and batch.sequences_per_step > there:
        yield (
            f"batch.micro_batch: a step of {batch.sequences_per_step} sequences would read windows"
            f" twice: the training part has {there} of {batch.context} tokens side by side;"
            f" expected micro_batch * accumulation of at most {there}, which is the full batch"
        )


def compare_with_text(training_tokens: Sequence[tuple[Arm, int]]) -> list[str]:
    """Notes on steps larger than the text, of arms with the tokens of their training parts.

    Raises:
        ConfigError: steps that would have to read windows twice.
    """
    mistakes, notes = [], []
    for arm, there in training_tokens:
        mistakes += arm_full_batch_mistakes(arm, there)
        notes += full_batch_note(arm, there)
    if mistakes:
        raise ConfigError(list(dict.fromkeys(mistakes)))
    return notes


def arm_full_batch_mistakes(arm: Arm, training_tokens: int) -> list[str]:
    """The same for the largest step of what is tuned in `arm`."""
    try:
        return list(full_batch_mistakes(assign(arm.config, _largest(arm)), training_tokens))
    except ConfigError as error:
        return list(error.mistakes)


def full_batch_note(arm: Arm, training_tokens: int) -> list[str]:
    """That a step reads more than there is, where windows begin anywhere."""
    batch = arm.config.batch
    step = batch.tokens_per_step
    if not arm.config.built_in or batch.windows != "anywhere" or step <= training_tokens:
        return []
    return [
        f"batch: {arm.name}: a step of {step} tokens is larger than the training part of"
        f" {training_tokens}: it reads some of it again and may miss some. With"
        " batch.windows=disjoint the full batch reads every window once"
    ]


def _largest(arm: Arm) -> Mapping[str, Value]:
    return {
        key: item.high if isinstance(item, Interval) else max(item.values)
        for key, item in arm.space.dimensions.items()
        if key.partition(".")[0] == "batch" and key not in ("batch.windows", "batch.context_start")
    }


def _words(values: Mapping[str, Value]) -> str:
    return ", ".join(f"{key}={value}" for key, value in values.items())
