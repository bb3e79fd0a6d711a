"""Why a study ends before everything has run: a limit of its budget, or failures that will go on.

What ended it is stored as a decision and told by `selector status`; the same command goes on.
"""

from __future__ import annotations

import re
from collections import Counter
from time import monotonic

from selector.errors import RunFailed
from selector.study.agenda import Agenda
from selector.track.run import Outcome, Result

#: The same crash this often stops a study: the fault lies in the program, not in a configuration.
SAME_CRASHES = 3
#: A share of failures says nothing before so many trials are over.
_FEWEST = 8
#: What differs between two messages of one fault: addresses, paths, numbers.
_INCIDENTAL = re.compile(r"0x[0-9a-f]+|/[^\s'\",:]+|[-+]?\d[\d.]*(e[-+]?\d+)?", re.IGNORECASE)
_SAY_NOTHING = (Outcome.COMPLETE, Outcome.STOPPED)


class Ending:
    """Watches one command's work on a study."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda, self._begin = agenda, monotonic()
        stored = Counter(
            crash_of(item.result)
            for item in agenda.record.runs()
            if item.trial and item.result and item.result.outcome is Outcome.CRASHED
        )
        # The code may have been mended: what crashed before runs again, and one crash more tells.
        self._crashes = Counter(
            {key: min(count, SAME_CRASHES - 1) for key, count in stored.items()}
        )

    def limit(self) -> str:
        """The limit of the budget that is reached; empty: none."""
        budget, seconds = self._agenda.study.budget, monotonic() - self._begin
        if budget.hours and seconds >= 3600 * budget.hours:
            return f"budget.hours={budget.hours:g}"
        spent = self._agenda.searches.device_seconds
        if budget.device_hours and spent >= 3600 * budget.device_hours:
            return f"budget.device_hours={budget.device_hours:g}"
        return ""

    def judge(self, result: Result) -> None:
        """Look at how one more run ended.

        Raises:
            RunFailed: it crashed as others did, or nearly all trials fail; the decision is stored.
        """
        if result.outcome in _SAY_NOTHING:
            return
        if result.outcome is Outcome.CRASHED and result.facts.get("width", 1) == 1:
            crash = crash_of(result)
            self._crashes[crash] += 1
            if self._crashes[crash] >= SAME_CRASHES:
                self._end(
                    "crashes",
                    f"{SAME_CRASHES} runs crashed with the same error"
                    + (f" at {crash[1]}" if crash[1] else ""),
                    f"{result.error}\nWhat finished is stored; mend it and run the study again.",
                    result.outcome,
                )
        ends = Counter(end for search in self._agenda.searches for end in search.outcomes.values())
        over = ends.total() - ends[Outcome.STOPPED]
        failed = over - ends[Outcome.COMPLETE]
        most = self._agenda.study.budget.max_failed_share
        if over >= _FEWEST and failed > most * over:
            kinds = ", ".join(
                f"{count} {kind}" for kind, count in ends.items() if kind not in _SAY_NOTHING
            )
            self._end(
                "failures",
                f"{failed} of {over} trials failed ({kinds}), more than"
                f" budget.max_failed_share={most:g} allows",
                "Narrow the ranges, shorten or shrink the runs, or go on all the same with"
                f" budget.max_failed_share=1; the last one:\n{result.error}".rstrip(),
                result.outcome,
            )

    def _end(self, reason: str, what: str, advice: str, outcome: Outcome) -> None:
        self._agenda.stop(reason, what)
        raise RunFailed(f"{what}, so the study stops:\n{advice}", outcome)


def crash_of(result: Result) -> tuple[str, str]:
    """What two crashes of one fault share: the kind of exception and its place, or its message."""
    exception, place = result.facts.get("exception", ""), result.facts.get("place", "")
    if exception and place:
        return str(exception), str(place)
    return _INCIDENTAL.sub("…", result.error.strip().rpartition("\n")[2]), ""
