"""Spikes: steps whose loss or gradient leaps above what came before.

A step counts where its value lies more than seven standard deviations above the middle of up to
128 steps before it. This is the spike score of OLMo 2 (arXiv 2501.00656), which takes the mean and
the standard deviation of 1000 steps; here it is the median and the median absolute deviation, as
one spike among the steps before would widen a standard deviation until it hides the next. The
host counts in what it has fetched anyway: the device is not waited for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_WINDOW, _FEWEST = 128, 16  # steps before a step: at most, and to say anything at all
_DEVIATIONS = 7.0
_NORMAL = 1.4826  # a normal distribution's standard deviation in median absolute deviations


class Spikes:
    """Counts the spikes of one growing series."""

    def __init__(self) -> None:
        self._seen = self._found = 0

    def count(self, values: Sequence[float]) -> int:
        """Spikes among all `values` so far; those of the last call have only grown longer."""
        series = np.asarray(values, dtype=np.float64)
        for step in range(max(self._seen, _FEWEST), min(len(series), _WINDOW)):
            self._found += _above(series[None, :step], series[step : step + 1])
        first = max(self._seen, _WINDOW)
        if len(series) > first:
            before = np.lib.stride_tricks.sliding_window_view(series[first - _WINDOW : -1], _WINDOW)
            self._found += _above(before, series[first:])
        self._seen = len(series)
        return self._found


def _above(before: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> int:
    """How many of `values` [n] are spikes after the steps `before` them, [n, window]."""
    middle = np.median(before, axis=1)
    deviation = np.median(np.abs(before - middle[:, None]), axis=1)
    # A series that repeats itself exactly has no usual deviation to compare with.
    return int(((deviation > 0) & (values - middle > _DEVIATIONS * _NORMAL * deviation)).sum())
