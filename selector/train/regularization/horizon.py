"""How far an average of the weights moves after each step, from its settings; no torch here."""

from __future__ import annotations

from dataclasses import replace

from selector.config.regularization import Regularization


def shares(regularization: Regularization, steps: int) -> list[float]:
    """By which share of the difference the average moves after each step of a run, [steps]."""
    if regularization.ema:
        decay = 1.0 - 1.0 / _horizon(regularization.ema, steps)
        return [(1.0 - decay) / (1.0 - decay**step) for step in range(1, steps + 1)]
    start = steps - _horizon(regularization.swa, steps)
    return [1.0 / max(1, step - start) for step in range(1, steps + 1)]


def averaged_steps(regularization: Regularization, steps: int) -> int:
    """Over how many of a run's `steps` steps its weights are averaged; 1: they are not."""
    return _horizon(regularization.ema or regularization.swa, steps)


def averaged_like(regularization: Regularization, steps: int, longer: int) -> Regularization:
    """Settings with which a run of `steps` steps averages like one of `longer` steps.

    The horizon of an EMA becomes the longer run's in steps. SWA stays: the longer one's has not
    begun where both part.
    """
    if not regularization.ema:
        return regularization
    return replace(regularization, ema=min(1.0, _horizon(regularization.ema, longer) / steps))


def unshared(regularization: Regularization, steps: int, longer: int, shared: int) -> str:
    """Why a run of `longer` steps cannot go on with the average of one of `steps`; '' if it can.

    It would go on after `shared` steps.
    """
    ema, swa = regularization.ema, regularization.swa
    if ema and _horizon(ema, longer) > steps:
        return f"the whole run averages over {_horizon(ema, longer)} steps; expected lower ema"
    if swa and (start := longer - _horizon(swa, longer)) < shared:
        return f"the whole run averages its weights from step {start} on; expected lower swa"
    return ""


def _horizon(share: float, steps: int) -> int:
    """Steps that are averaged over: whole ones, at least one."""
    return max(1, round(share * steps))
