"""The linear warmup with which every schedule begins.

Step s of `warmed` steps of warmup has the factor (s + 1) / (warmed + 1), so that no step is wasted
at a rate of zero; step `warmed` has the peak.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: `warmup: auto`: one part in 100 of the run but at least 100 steps, at most one part in 10. AdamW
#: needs about as many steps whatever the length (TECHNIQUES' tables: 500 of 4,500 to 18,000 steps
#: diverge at a high rate, 1,000 to 2,000 are best), and a short run cannot spare them.
_AUTO_SHARE, _AUTO_LEAST, _AUTO_MOST = 0.01, 100, 0.1


def warmed_steps(steps: int, values: Mapping[str, Any]) -> int:
    """Steps of warmup in a run of `steps` steps: `warmup` is a share of it, or auto."""
    warmup = values["warmup"]
    if warmup == "auto":
        return round(min(max(_AUTO_SHARE * steps, _AUTO_LEAST), _AUTO_MOST * steps))
    return round(float(warmup) * steps)


def rise(step: int, warmed: int) -> float:
    """The factor of step `step` of `warmed` steps of warmup."""
    return (step + 1) / (warmed + 1)
