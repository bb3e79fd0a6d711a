"""Run the studies of known answers and say which of them came out as expected.

python -m benchmarks.known                        # all that fit on two CPU cores
python -m benchmarks.known d19_clipping           # one
python -m benchmarks.known --stored [STUDY ...]   # check what is stored, run nothing
python -m benchmarks.known d05_optimizers_equal compute.device=cuda     # one sized for a GPU
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import selector
from benchmarks.known.claims import Agreement, Claim, Finding, check, unclear
from benchmarks.known.expected import CPU, EXPECTED, SHAKESPEARE
from selector.config.locations import study_file
from selector.errors import SelectorError
from selector.study.answer import Answer, answer
from selector.study.stored import open_study


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all as expected or not to be told; 1: something is not; 2: wrong names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.known")
    parser.add_argument("words", nargs="*", metavar="STUDY or KEY=VALUE")
    parser.add_argument("--stored", action="store_true", help="check what is stored, run nothing")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--reports", type=Path, default=Path("reports"))
    asked = parser.parse_args(arguments)
    overrides = [word for word in asked.words if "=" in word]
    names = [word for word in asked.words if "=" not in word] or list(CPU)
    unknown = [name for name in names if name not in EXPECTED]
    if unknown:
        print(f"no known answer is called {', '.join(unknown)}; there are: {', '.join(EXPECTED)}")
        return 2
    failed = False
    for name in names:
        try:
            if not asked.stored:
                selector.run(study_file(name), overrides, runs=asked.runs, reports=asked.reports)
            stored = open_study(name, asked.runs)
        except SelectorError as error:
            print(f"\n{name}: {error}")
            if not asked.stored:
                return 1
            continue
        known = answer(stored.study, stored.record)
        findings = findings_of(name, known)
        print(f"\n{name}: {effort(known)}\n{table(findings)}", flush=True)
        failed |= any(item.agreement is Agreement.NO for item in findings)
    return int(failed)


def findings_of(name: str, known: Answer) -> list[Finding]:
    """What the answer of the study `name` says about its claims."""
    source = known.searches.study.arms[0].config.data.source
    if name in SHAKESPEARE and source != "text":
        reason = "holds for tiny Shakespeare only: data=text data.paths=[input.txt]"
        return [unclear(claim, None, reason) for claim in EXPECTED[name]]
    return [check(claim, known) for claim in EXPECTED[name]]


def effort(known: Answer) -> str:
    """What the answer rests on."""
    searches = known.searches
    minutes = searches.device_seconds / 60
    return f"{searches.finished} of {searches.total} runs, {minutes:.1f} minutes of training"


def table(findings: Sequence[Finding]) -> str:
    """Claim, expected, found with its interval, verdict: one line each."""
    rows = [("claim", "expected", "found (95 %)", "verdict")]
    for item in findings:
        reason = f": {item.reason}" if item.reason else ""
        rows.append((item.claim.text, expected(item.claim), found(item), item.agreement + reason))
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:-1]]
    return "\n".join("  " + "  ".join([*map(str.ljust, row[:-1], widths), row[-1]]) for row in rows)


def expected(claim: Claim) -> str:
    """The bounds of a claim in words."""
    if math.isinf(claim.high):
        return f"at least {claim.low:g}"
    if math.isinf(claim.low):
        return f"at most {claim.high:g}"
    return f"{claim.low:g} to {claim.high:g}"


def found(finding: Finding) -> str:
    """What was found, with its interval where there is one."""
    value = finding.found
    if value is None:
        return "-"
    if value.low is None or value.high is None:
        return f"{value.value:.3f}"
    return f"{value.value:.3f} ({value.low:.3f} to {value.high:.3f})"


if __name__ == "__main__":
    sys.exit(main())
