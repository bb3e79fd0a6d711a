"""What a run learns to predict."""

from __future__ import annotations

from collections.abc import Iterator

from selector.report.digits import number
from selector.report.health.evidence import Evidence, Finding
from selector.report.health.remedy import again

_SHARE = "class_share/"
_WEIGHTS = "objective.parameters.class_weight"
# From 10 to 1 on, a classifier that never names the rare class is right in nine cases of ten.
_UNBALANCED = 10.0


def unbalanced_classes(evidence: Evidence) -> Iterator[Finding]:
    """The most frequent class is ten times as frequent as the rarest.

    A run may report its training data's classes as metrics `class_share/NAME`, each a share of the
    examples from 0 to 1: a function does so with run.report, once is enough. One with a setting
    `class_weight` (as scikit-learn calls it) gets the remedy as an override.
    """
    for found in evidence.arms:
        shares: dict[str, float] = {}
        for item in found.completed:
            if item.result and not shares:
                shares = {
                    name.removeprefix(_SHARE): value
                    for name, value in item.result.metrics.items()
                    if name.startswith(_SHARE)
                }
        if len(shares) < 2:
            continue
        rare, frequent = (choose(shares, key=lambda name: shares[name]) for choose in (min, max))
        if shares[frequent] < _UNBALANCED * shares[rare]:
            continue
        parameters = found.arm.config.objective.parameters
        weighted = parameters.get("class_weight") not in (None, "none", "")
        can = "class_weight" in parameters and not weighted
        if weighted:
            continue
        yield Finding(
            check="unbalanced classes",
            arm=found.name,
            text=f"{number(100 * shares[rare], 1)} % of the examples are of class {rare} and"
            f" {number(100 * shares[frequent], 1)} % of {frequent}: a model that never names the"
            " rare class can look good; weigh the classes, or draw the rare one more often, and"
            " judge by a metric that counts every class (macro-F1)",
            remedy=again(evidence.study, [f"{_WEIGHTS}=balanced"], "balanced") if can else "",
        )
