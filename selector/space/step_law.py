"""The Step Law: where the best rate and batch of AdamW were found, by size and length.

Li et al., "Predictable scale, part I: Step Law" (arXiv 2503.04715): decoders of 2e8 to 1e9
parameters trained on 4e9 to 1e11 tokens with AdamW (betas .9 and .95, weight decay .1), 2,000 steps
of warmup and a cosine to a rate of 1e-5. Other laws differ from it by two to three times elsewhere,
and so may the truth: it may centre a range that is searched, and it is never an answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from selector.config.schema import RunConfig
from selector.space.cost import non_embedding_parameters

#: Optimizers whose rate means what AdamW's does.
ADAM_LIKE = ("adam", "adamw", "nadamw")
#: Where the law was fitted: parameters and tokens, smallest and largest.
FITTED = ((2.1e8, 1.1e9), (4e9, 1.1e11))


@dataclass(frozen=True, kw_only=True)
class StepLaw:
    """What the law says of one size and length."""

    parameters: int
    """N: non-embedding parameters."""
    tokens: float
    """D: tokens of the run."""
    lr: float
    """Peak rate."""
    batch_tokens: float
    """Tokens of a step."""

    @property
    def inside(self) -> bool:
        """Whether this is where the law was fitted."""
        pairs = zip((self.parameters, self.tokens), FITTED, strict=True)
        return all(low <= value <= high for value, (low, high) in pairs)

    def __str__(self) -> str:
        """In words: 'lr 0.0018 and 176,009 tokens a step for 214,663,680 parameters and …'."""
        where = "" if self.inside else ", fitted to 2e8-1e9 parameters on 4e9-1e11 tokens"
        return (
            f"lr {self.lr:.2g} and {self.batch_tokens:,.0f} tokens a step, which the Step Law"
            f" (arXiv 2503.04715{where}) says of {self.parameters:,} non-embedding parameters and"
            f" {self.tokens:,.0f} tokens"
        )


def step_law(parameters: float, tokens: float) -> tuple[float, float]:
    """Peak rate 1.79 N^-0.713 D^0.307 and tokens of a step 0.58 D^0.571.

    Args:
        parameters: N, without the tables of tokens and positions and the output projection.
        tokens: D, of the whole run.
    """
    return 1.79 * parameters**-0.713 * tokens**0.307, 0.58 * tokens**0.571


def suggested(config: RunConfig, tokens: float) -> StepLaw:
    """What the law says of a run of `tokens` tokens of `config`.

    Raises:
        ValueError: it says nothing of such runs.
    """
    if text := silence(config):
        raise ValueError(text)
    parameters = non_embedding_parameters(config)
    lr, batch = step_law(parameters, tokens)
    return StepLaw(parameters=parameters, tokens=tokens, lr=lr, batch_tokens=batch)


def silence(config: RunConfig) -> str:
    """Why the law says nothing of `config`; empty where it does."""
    if not config.built_in:
        return f"the Step Law says nothing of objective.kind={config.objective.kind}"
    if config.optimizer.name not in ADAM_LIKE:
        return (
            f"the Step Law was found for AdamW and says nothing of {config.optimizer.name};"
            f" expected optimizer={', '.join(ADAM_LIKE)}, or a range with low and high"
        )
    return ""
