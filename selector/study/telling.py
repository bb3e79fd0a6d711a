"""What a sampler is told about a run that did not complete: failures teach."""

from __future__ import annotations

from collections.abc import Sequence

from selector.track.run import Outcome, Told

#: Outcomes that say something about the configuration. Told as failures they would be invisible to
#: the sampler, which then proposes mostly configurations that diverge.
_INFEASIBLE = (Outcome.DIVERGED, Outcome.OUT_OF_MEMORY, Outcome.TIMEOUT)
#: Without any completed trial there is no scale: far above every loss in nats per token.
_PENALTY = 100.0


def told(
    outcome: Outcome,
    value: float | None,
    known: Sequence[float],
    violated: float = -1.0,
    *,
    minimize: bool,
) -> Told:
    """What to tell about a run with this outcome and value.

    `known` are the values of the sub-search's completed trials: the penalty of one that failed
    lies beyond the worst of them by their spread, at least by one. `violated` says by how much a
    run that completed breaks the study's constraints; at most 0: it breaks none.
    """
    if outcome is Outcome.COMPLETE and value is not None:
        return Told(state="complete", value=value, constraint=violated if violated > 0 else -1.0)
    if outcome in _INFEASIBLE:
        sign = 1.0 if minimize else -1.0
        penalty = sign * _PENALTY
        if known:
            worst = max(known, key=lambda item: sign * item)
            penalty = worst + sign * max(1.0, max(known) - min(known))
        return Told(state="complete", value=penalty, constraint=1.0)
    return Told(state="fail", value=None, constraint=1.0)
