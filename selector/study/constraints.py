"""Constraints on what a run reports or costs: `peak_memory_gib < 20`, `seconds < 600`.

A name is looked up among the metrics that a run reported last, then among the facts of the place
where it ran, then it is `seconds`, `steps`, or what a formula says: `parameters`, `flops`. A
violation is relative to the bound, so that constraints of unlike units can be compared and told
to a sampler: at most 0 where it holds.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from selector.config.decode import Mistakes, unknown
from selector.config.limits import is_number
from selector.config.metrics import METRICS, find
from selector.config.schema import RunConfig
from selector.errors import InputError
from selector.space.cost import flops_per_token, parameters
from selector.track.run import Run

if TYPE_CHECKING:
    from selector.config.study import ComposedStudy  # which loads Hydra

#: What `subject_to` and `pareto` may name in the built-in trainer: numbers that every run has.
REPORTED = tuple(item.name for item in METRICS if not item.of_judged_runs)
#: What nothing violates: no constraint is asked, or every one holds with room to spare.
HOLDS = -1.0
#: A violation larger than this is told as this: one wild run would hide all others from a model.
_LARGEST = 10.0
#: Over a strict bound by nothing at all: 20 violates `< 20`.
_SMALLEST = 1e-9
_FORM = re.compile(r"\s*([A-Za-z_][\w./-]*)\s*(<=|>=|<|>)\s*(\S+)\s*")
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}
#: What a configuration costs by formula, before anything is trained: name -> of (config, tokens).
_BY_FORMULA: Mapping[str, Callable[[RunConfig, int], int]] = {
    "parameters": lambda config, tokens: parameters(config),
    "flops": lambda config, tokens: flops_per_token(config) * tokens,
}


class Measured(Protocol):
    """A run that is over: a `Result`, or how it `Ended` with its last metrics."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """Last reported value of every metric."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Where it ran and how large it was."""

    @property
    def seconds(self) -> float:
        """Time spent training and evaluating."""

    @property
    def steps(self) -> int:
        """Optimizer steps."""


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """One condition that a run must meet."""

    name: str
    """A metric, a fact, seconds, steps, parameters or flops."""
    sign: str
    """Of <, <=, > and >=: how the run's value must stand to the bound."""
    bound: float
    text: str
    """As it was asked: `seconds < 600`."""

    def violation(self, value: float) -> float:
        """How far `value` lies beyond the bound, as a share of it; at most 0 where it holds.

        Relative to 1 where the bound is 0. A value that is no finite number violates it fully.
        """
        if not math.isfinite(value):
            return _LARGEST
        upper = self.sign.startswith("<")
        beyond = (value - self.bound if upper else self.bound - value) / (abs(self.bound) or 1.0)
        if _SIGNS[self.sign](value, self.bound):
            return min(0.0, max(HOLDS, beyond))
        return min(_LARGEST, max(_SMALLEST, beyond))


def parse_constraints(texts: Iterable[str], mistakes: Mistakes) -> tuple[Constraint, ...]:
    """The constraints of `subject_to:`; what cannot be read is noted as a mistake."""
    found: dict[tuple[str, str], Constraint] = {}
    for text in texts:
        match = _FORM.fullmatch(text)
        bound = _number(match[3]) if match else None
        if match is None or bound is None:
            mistakes.add(
                "subject_to",
                f"expected NAME < NUMBER (or <=, >, >=), such as seconds < 600, got {text!r}",
            )
            continue
        name, sign = match[1], match[2]
        other = found.get((name, sign[0]))
        if other is not None:
            mistakes.add("subject_to", f"{name} is bounded twice: {other.text!r} and {text!r}")
            continue
        found[name, sign[0]] = Constraint(
            name=name, sign=sign, bound=bound, text=f"{name} {sign} {match[3]}"
        )
    for (name, side), item in found.items():
        opposite = found.get((name, ">"))
        if side == "<" and opposite is not None and opposite.bound >= item.bound:
            mistakes.add("subject_to", f"no run can meet both {item.text!r} and {opposite.text!r}")
    return tuple(found.values())


def _check_names(
    composed: ComposedStudy, constraints: Iterable[Constraint], mistakes: Mistakes
) -> None:
    """Note names that no run of the built-in trainer has; what others report is not known."""
    if not all(arm.config.built_in for arm in composed.arms):
        return
    for where, names in (
        ("subject_to", [item.name for item in constraints]),
        ("pareto", composed.question.pareto),
    ):
        for name in names:
            metric = find(name)
            if metric is None or metric.name not in REPORTED:
                mistakes.add(where, unknown("name", name, REPORTED))


def of_size(texts: Iterable[str]) -> list[Constraint]:
    """The constraints on the size of a model: it is known before any length is."""
    return [item for item in parse_constraints(texts, Mistakes()) if item.name == "parameters"]


def check_constraints(
    composed: ComposedStudy, spaces: Sequence[Collection[str]], mistakes: Mistakes
) -> None:
    """Note constraints that cannot be read, and those that no run of an arm could meet.

    `spaces` are the dotted keys that are tuned, arm by arm.
    """
    _check_names(composed, parse_constraints(composed.question.subject_to, mistakes), mistakes)
    limits = of_size(composed.question.subject_to)
    for arm, tuned in zip(composed.arms, spaces, strict=True):
        beyond, text = known_violation(limits, arm.config, 0)
        if beyond > 0 and not any(key.startswith("model.") for key in tuned):
            mistakes.add("subject_to", f"{text}, in every run of the arm {arm.name}")
    metric = composed.arms[0].config.objective.metric
    for name, count in Counter(composed.question.pareto).items():
        if count > 1 or name == metric:
            mistakes.add("pareto", f"expected different costs, none of them the metric; got {name}")


def violation(
    constraints: Iterable[Constraint], result: Measured, run: Run | None = None
) -> tuple[float, str]:
    """The largest relative violation, and which constraint is violated by what, in words.

    At most 0, with an empty text, where every constraint holds. `run` is what was asked for: its
    parameters and flops are known by formula where it did not report them itself.

    Raises:
        InputError: the run has nothing of a constraint's name.
    """
    return _worst((item, _value(item, result, run)) for item in constraints)


def missing(constraints: Iterable[Constraint], result: Measured, run: Run | None = None) -> str:
    """Why a finished run cannot be held to the constraints; empty where it can."""
    try:
        violation(constraints, result, run)
    except InputError as error:
        return str(error)
    return ""


def meets(constraints: Iterable[Constraint], result: Measured, run: Run | None = None) -> bool:
    """Whether a finished run meets every constraint; one that cannot be held to them does not."""
    wanted = tuple(constraints)
    return not missing(wanted, result, run) and violation(wanted, result, run)[0] <= 0


def known_violation(
    constraints: Iterable[Constraint], config: RunConfig, tokens: int
) -> tuple[float, str]:
    """As `violation`, of what a run of `tokens` tokens costs by formula, before it is trained.

    Only parameters and flops of a built-in model are known then; a trial that violates them need
    not be trained.
    """
    if not config.built_in:
        return HOLDS, ""
    return _worst(
        (item, float(_BY_FORMULA[item.name](config, tokens)))
        for item in constraints
        if item.name in _BY_FORMULA
    )


def measured(result: Measured, run: Run | None = None) -> dict[str, float]:
    """Every number that a finished run has, by the name a constraint or a Pareto question uses."""
    formula: dict[str, float] = {}
    if run is not None and run.config.built_in:
        formula = {name: of(run.config, run.tokens) for name, of in _BY_FORMULA.items()}
    seconds = result.seconds + result.facts.get("seconds_saved", 0)  # as from its beginning
    own = {**formula, "seconds": seconds, "steps": result.steps}
    return {
        name: float(value)
        for name, value in {**own, **result.facts, **result.metrics}.items()
        if is_number(value)
    }


def _worst(measured: Iterable[tuple[Constraint, float]]) -> tuple[float, str]:
    worst, text = HOLDS, ""
    for item, value in measured:
        beyond = item.violation(value)
        if beyond > worst:
            worst = beyond
            text = f"{item.text} is violated: {value:.6g}" if beyond > 0 else ""
    return worst, text


def _value(constraint: Constraint, result: Measured, run: Run | None) -> float:
    known = measured(result, run)
    if constraint.name not in known:
        raise InputError(
            f"subject_to: {constraint.text!r}: the run reported no {constraint.name};"
            f" it has {', '.join(sorted(known))}"
        )
    return known[constraint.name]


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
