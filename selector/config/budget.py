"""How much a study may spend, and how long its runs are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from selector.config import limits


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much a study may spend; counts may grow when it goes on, tokens may not."""

    name: str = "custom"
    """The preset's name; a label."""
    trials: int
    """Configurations tried in each sub-search."""
    replicates: int
    """Independent sub-searches in each arm, at the first look at the evidence."""
    most_replicates: int = 0
    """Where the first look does not settle the question, sub-searches are added up to this many
    in each arm; at most `replicates`: there is one look."""
    stop_when_clear: bool = True
    """Whether a study ends at the first look where that settles its question."""
    screen: int = 0
    """The best trials of each sub-search that are trained once more, on a screening seed, before
    one of them becomes the finalist; 0 turns it off."""
    verdict_seeds: int
    """Fresh seeds on which each sub-search's finalist is trained again."""
    extensions: int = 0
    """How often a range is extended where an arm's best settings lie at its edge."""
    rungs: Literal["never", "auto", "always"] = "never"
    """Whether trials are first trained for a third of their length, and only the best of them
    for all of it; auto: where that is known not to mislead."""
    branch: bool = False
    """Whether a trial that goes on after its rung starts from the rung's state just before its
    decay instead of from the beginning; needs rungs and a schedule that stays at its peak. The
    rung then warms up for as many steps as the whole run does."""
    tokens: int
    """Training tokens of every run; of the first arm's, where `fair` gives the others as many
    FLOPs or seconds."""
    epochs: float = 0.0
    """Instead of `tokens`: passes over the training part of the first arm's text; 0: `tokens`
    counts."""
    flops: float = 0.0
    """Instead of `tokens`: floating-point operations of a run of the first arm, by formula; 0:
    `tokens` counts."""
    hours: float = 0.0
    """Wall-clock time of one command after which no more runs are started; 0: no limit."""
    device_hours: float = 0.0
    """Time of all runs of a study together after which no more are started; 0: no limit."""
    max_failed_share: float = 0.9
    """Where a larger share of a study's trials fails, once eight are over, the study stops."""

    def __post_init__(self) -> None:
        """Refuse counts below one, and two lengths at once."""
        limits.refuse(vars(self))
        if self.epochs and self.flops:
            raise ValueError(
                f"epochs, flops: expected one of them, got {self.epochs} and {self.flops}"
            )

    @property
    def length(self) -> tuple[str, float]:
        """The length of a run in the words in which it counts: (tokens, epochs or flops; value)."""
        if self.epochs:
            return "epochs", self.epochs
        return ("flops", self.flops) if self.flops else ("tokens", self.tokens)

    @property
    def looks(self) -> tuple[int, ...]:
        """Sub-searches in each arm at each look at the evidence, the last one last."""
        return (self.replicates, *[self.most_replicates][: self.most_replicates > self.replicates])
