"""What a study says of other sizes and lengths: `transfer` and `scaling` of recommendation.json.

Every number of a sentence about size and length is one of these, rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selector.report.carries import scaling_sentences, transfer_sentences
from selector.report.isoflop import FEWEST_SIZES, growth, valleys
from selector.report.ladder import Ladder, ladders
from selector.report.order import Order, orders
from selector.report.rule import Rule, fit_rule, length_for, recommend
from selector.report.scaling import Law, Optimum, Refused, fit_law, optimum, reachable, size_growth
from selector.report.transfer import Surfaces, Trials, bests, pairs, surfaces
from selector.space.cost import parameters
from selector.space.dimension import Interval
from selector.space.step_law import ADAM_LIKE, step_law
from selector.study.answer import Answer
from selector.study.stored import StoredStudy
from selector.study.study import Study
from selector.track.run import Outcome, Stage

#: For so many times the ladder's largest compute a size is recommended.
_TIMES = (1, 3, 10)
#: Settings are recommended for a model so many times the largest.
_LARGER = 4.0
#: The Step Law was measured for AdamW.
_RATE, _BATCH = "lr", ("batch.micro_batch", "batch.accumulation")


def at_scale(stored: StoredStudy, answer: Answer) -> dict[str, dict[str, Any] | None]:
    """The two objects; `scaling` is None without a ladder, `transfer` where no model is built."""
    study = stored.study
    trial = answer.recommended
    config = trial.config if trial else study.arms[0].config
    if not config.built_in:
        return {"transfer": None, "scaling": None}
    arm = study.arm(trial.arm) if trial else study.arms[0]
    found = ladders(study, answer.verdict)
    transfer: dict[str, Any] = {
        "measured": bool(found),
        "found_for": {
            "model": config.model.name,
            "parameters": parameters(config),
            "tokens": study.tokens_of(arm, config, Stage.VERDICT),
        },
        "margin": answer.verdict.margin if answer.verdict else None,
        "ladders": [],
        "techniques": [_order(item) for item in orders(found, minimize=study.minimize)],
    }
    scaling: dict[str, Any] | None = None
    if found:
        trials = _trials(stored)
        laws = [_law(item, minimize=study.minimize, seed=study.seed) for item in found]
        both = list(zip(found, laws, strict=True))
        transfer["ladders"] = [_carried(stored, *item, trials) for item in both]
        scaling = {"ladders": [_scaled(study, *item) for item in both]}
        scaling["sentences"] = scaling_sentences(study, scaling)
    transfer["sentences"] = transfer_sentences(study, transfer)
    return {"transfer": transfer, "scaling": scaling}


def _law(ladder: Ladder, *, minimize: bool, seed: int) -> Law | Refused:
    if not minimize:
        return Refused(reason="the law is one of losses, and this metric is better when larger")
    rungs = ladder.known
    noise, freedom = ladder.noise()
    return fit_law(
        [rung.size for rung in rungs],
        [rung.tokens for rung in rungs],
        [rung.loss for rung in rungs if rung.loss is not None],
        noise=noise,
        freedom=freedom,
        cost=ladder.cost(),
        seed=seed,
    )


def _scaled(study: Study, ladder: Ladder, law: Law | Refused) -> dict[str, Any]:
    """One ladder's rungs, law, recommended sizes and equal-compute analysis."""
    found: dict[str, Any] = {
        "name": ladder.name,
        "rungs": [
            {
                "arm": rung.arm.name,
                "model": rung.arm.config.model.name,
                "size": rung.size,
                "parameters": rung.parameters,
                "tokens": rung.tokens,
                "flops": rung.flops,
                "loss": rung.loss,
                "low": rung.low,
                "high": rung.high,
            }
            for rung in ladder.rungs
        ],
        "law": None,
        "refused": None,
        "optima": [],
        "equal_compute": _equal_compute(ladder, minimize=study.minimize, seed=study.seed),
    }
    if isinstance(law, Refused):
        return {**found, "refused": law.reason}
    names = ("floor", "size_factor", "size_exponent", "token_factor", "token_exponent")
    found["law"] = {name: vars(getattr(law, name)) for name in names}
    found["law"] |= {
        "misfit": law.misfit,
        "growth": vars(size_growth(law)),
        "flops_per_token": list(law.cost),
        "compute": list(law.flops),
    }
    found["optima"] = [_optimum(optimum(law, c), c) for c in _budgets(law)]
    return found


def _budgets(law: Law) -> list[float]:
    reach = reachable(*law.flops)
    return [law.flops[1] * times for times in _TIMES if times <= reach]


def _optimum(found: Optimum | Refused, flops: float) -> dict[str, Any]:
    if isinstance(found, Refused):
        return {"flops": flops, "refused": found.reason}
    parts = ("size", "tokens", "loss")
    return {"flops": flops, **{name: vars(getattr(found, name)) for name in parts}}


def _equal_compute(ladder: Ladder, *, minimize: bool, seed: int) -> dict[str, Any]:
    noise, _ = ladder.noise()
    every = ladder.budgets() if minimize else []
    budgets = [item for item in every if len(item.sizes) >= FEWEST_SIZES]
    floors = valleys(budgets, noise=noise or 0.0, seed=seed)
    grown = growth(floors, seed=seed)
    return {
        "budgets": [item.flops for item in budgets],
        "valleys": [{"flops": item.flops, "size": vars(item.size)} for item in floors],
        "exponent": None if isinstance(grown, Refused) else vars(grown.exponent),
        "refused": grown.reason if isinstance(grown, Refused) else None,
    }


def _trials(stored: StoredStudy) -> dict[str, Trials]:
    """Each arm's trials that are over: their values and what they led to."""
    found: dict[str, list[Any]] = {}
    for item in stored.record.runs(Stage.EXPLORE):
        if item.trial and item.result and item.result.outcome is not Outcome.LOST:
            found.setdefault(item.trial.arm, []).append((item.trial.values, item.result.value))
    return dict(found)


def _carried(
    stored: StoredStudy, ladder: Ladder, law: Law | Refused, trials: Mapping[str, Trials]
) -> dict[str, Any]:
    """What carries over within one ladder, and what to use beyond it."""
    study = stored.study
    fitted = surfaces(ladder, trials, minimize=study.minimize, seed=study.seed)
    return {
        "name": ladder.name,
        "parameters": sorted({rung.parameters for rung in ladder.rungs}),
        "tokens": sorted({rung.tokens for rung in ladder.rungs}),
        "tuned": list(fitted.space),
        "not_judged": list(fitted.reasons),
        "pairs": [
            {
                "small": item.small,
                "large": item.large,
                "axis": item.axis,
                "rank": vars(item.rank),
                "regret": vars(item.regret),
                "moved": [{**vars(moved), "ratio": vars(moved.ratio)} for moved in item.moved],
            }
            for item in pairs(ladder, fitted)
        ],
        "rules": [
            _rule(ladder, fitted, key, law, study.seed)
            for key, item in fitted.space.items()
            if isinstance(item, Interval)
            and item.log
            and (key.rpartition(".")[2] == _RATE or key in _BATCH)
        ],
        "batch": "tuned" if set(_BATCH) & set(fitted.space) else "the same in every run",
    }


def _rule(
    ladder: Ladder, fitted: Surfaces, key: str, law: Law | Refused, seed: int
) -> dict[str, Any]:
    """The best values of `key` at the rungs, their rule, and what it gives beyond them."""
    known = bests(ladder, fitted, key)
    inside = [item for item in known if not item.edge]
    rule = fit_rule(
        [item.size for item in inside],
        [item.tokens for item in inside],
        [item.value.value for item in inside],
        [item.error for item in inside],
        seed=seed,
    )
    found: dict[str, Any] = {
        "key": key,
        "best": [{"arm": item.arm, "edge": item.edge, **vars(item.value)} for item in known],
        "size_exponent": None,
        "token_exponent": None,
        "refused": None,
        "recommended": [],
    }
    if isinstance(rule, Refused):
        edges = [item.arm for item in known if item.edge]
        why = f"; it lies at an end of the range in {', '.join(edges)}" if edges else ""
        return {**found, "refused": rule.reason + why}
    found["size_exponent"] = vars(rule.size) if rule.size else None
    found["token_exponent"] = vars(rule.tokens) if rule.tokens else None
    found["recommended"] = [
        _recommended(ladder, rule, key, *target) for target in _targets(ladder, rule, law)
    ]
    return found


def _targets(ladder: Ladder, rule: Rule, law: Law | Refused) -> list[tuple[float, float]]:
    """Sizes and lengths beyond the ladder: a larger model, and the law's best for most compute."""
    times = min(_LARGER, reachable(*rule.sizes)) if rule.size else 1.0
    size = rule.sizes[1] * times
    longer = min(_LARGER, reachable(*rule.lengths)) if rule.tokens else 1.0
    found = [(size, length_for(rule, size) or rule.lengths[1] * longer)]
    if isinstance(law, Law):
        best = [optimum(law, flops) for flops in _budgets(law)]
        found += [
            (item.size.value, item.tokens.value) for item in best[-1:] if isinstance(item, Optimum)
        ]
    return found


def _recommended(
    ladder: Ladder, rule: Rule, key: str, size: float, tokens: float
) -> dict[str, Any]:
    largest = ladder.rungs[-1]
    outside = size * largest.non_embedding / largest.size
    rate, step = step_law(outside, tokens)
    found = recommend(rule, size, tokens)
    config = largest.arm.config
    known = {_RATE: rate, "micro_batch": step / config.batch.context / config.batch.accumulation}
    compared = known.get(key.rpartition(".")[2]) if config.optimizer.name in ADAM_LIKE else None
    return {
        "size": size,
        "tokens": tokens,
        "value": None if isinstance(found, Refused) else vars(found),
        "refused": found.reason if isinstance(found, Refused) else None,
        "step_law": compared,
    }


def _order(item: Order) -> dict[str, Any]:
    return {**vars(item), "regret": vars(item.regret) if item.regret else None}
