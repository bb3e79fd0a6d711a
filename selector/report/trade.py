"""Quality traded for cost, in words, with intervals where noise matters."""

from __future__ import annotations

from selector.report.digits import estimate, operations, size
from selector.study.contrast import Contrast

#: Costs closer than this share of each other are the same cost to a person.
_SAME_COST = 0.01


def trade(name: str, best: str, lead: Contrast, share: Contrast, margin: float) -> str:
    """An arm against the best one: `lead` is how much worse it is, `share` how much dearer."""
    cost = {"seconds": "time", "flops": "FLOPs", "peak_memory_gib": "peak memory"}.get(name, name)
    by = estimate(lead.value, lead.low, lead.high)
    more = f"{_percent(share)} {'more' if share.value > 0 else 'less'} {cost}"
    same = share.within(_SAME_COST)
    level = f"at {'the same' if same else 'no clearly other'} {cost}"
    cheaper, dearer = share.below and not same, share.above and not same
    if lead.within(margin) or (lead.above and lead.value <= margin):
        text = f"practically as good as {best}"
        return f"{text} with {more}" if cheaper or dearer else f"{text} {level}"
    if not lead.above:
        text = f"whether it is worse than {best} is not settled ({by})"
        return f"{text}; it needs {more}" if cheaper or dearer else text
    if cheaper:
        return f"trades {by} for {more}"
    if dearer:
        return f"{best} is better by {by} and cheaper: this needs {more}"
    return f"{best} is better by {by} {level}"


def amount(name: str, cost: Contrast, places: int) -> str:
    """A cost with its interval where it is noisy; large counts in k, M, B."""
    exact = cost.low is None or cost.high is None or cost.low == cost.high
    if name == "flops":
        return operations(cost.value)
    if name == "parameters":
        return size(cost.value)
    ends = (None, None) if exact else (cost.low, cost.high)
    return estimate(cost.value, *ends, places)


def _percent(share: Contrast) -> str:
    """Its size in percent with the interval of that size, smaller end first."""
    turn = 100.0 if share.value > 0 else -100.0
    text = f"{turn * share.value:.0f} %"
    if share.low is None or share.high is None or share.low == share.high:
        return text
    low, high = sorted((turn * share.low, turn * share.high))
    return f"{text} ({low:.0f} to {high:.0f})"
