"""What to train with, for programs: recommendation.json, and the configuration as YAML."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from typing import Any

from selector import __version__
from selector.config.algorithms import works_more
from selector.config.catalogue import NOT_TUNED
from selector.config.identity import plain
from selector.report import interactions, pareto, together
from selector.report.at_scale import at_scale
from selector.report.compare import ArmRow, arm_rows
from selector.report.health import findings
from selector.report.method import method_facts
from selector.report.provenance import provenance
from selector.report.words import scope
from selector.study.answer import Answer, first_run
from selector.study.stored import StoredStudy
from selector.study.study import Study
from selector.study.verdict import VerdictState
from selector.track.record import FORMAT, to_yaml
from selector.track.run import Outcome, Trial


def recommendation(stored: StoredStudy, answer: Answer) -> dict[str, Any]:
    """The content of recommendation.json; every number is finite or None.

    arms[].trials counts explore trials that are over, failures the runs without a value by kind,
    seeds the verdict runs that completed, seconds is the median of a completed run, tokens and
    flops are totals.
    """
    study, verdict, trial = stored.study, answer.verdict, answer.recommended
    rows = arm_rows(stored, answer)
    found: dict[str, Any] = {
        "format": FORMAT,
        "study": study.name,
        "question": study.question,
        "state": "complete" if answer.complete else "unfinished",
        "verdict": verdict.state.value if verdict and verdict.state else None,
        "recommended": _recommended(trial),
        "arms": [_arm(row) for row in rows],
        "margin": verdict.margin if verdict else None,
        "method": method_facts(stored, answer),
        "together": together.to_mapping(together.find_together(stored, answer)),
        "interactions": interactions.to_mapping(interactions.interactions(study, answer)),
        "pareto": pareto.to_mapping(pareto.pareto(stored, answer)),
        **at_scale(stored, answer),
        "health": [vars(item) for item in findings(stored, answer, rows)],
        "caveats": [*caveats(stored, answer), *reasons(answer)],
        "provenance": {"selector": __version__, **provenance(stored, answer)},
        "rerun": f"selector rerun {study.name}" if trial else None,
    }
    plain_form: dict[str, Any] = plain(found)  # refuses what JSON has no number for
    return plain_form


def recommended_yaml(stored: StoredStudy, trial: Trial, path: str) -> str:
    """The text of recommended.yaml, which will lie at `path`: all that `selector train` takes."""
    study = stored.study
    tokens = study.tokens_of(study.arm(trial.arm), trial.config)
    content: Mapping[str, Any] = {
        "format": FORMAT,
        "origin": {"study": study.name, "trial": trial.number, "seed": _first_seed(stored, trial)},
        "choices": dict(study.arm(trial.arm).choices),
        "budget": {"tokens": tokens},
        **plain(trial.config),
    }
    head = (
        f"# What the study {study.name} recommends: trial {trial.number}"
        f" ({trial.fingerprint}).\n"
        f"# train it:              {train_command(path)}\n"
        f"# train it longer:       {train_command(path)} budget.tokens={2 * tokens}\n"
        f"# see if it comes back:  selector rerun {study.name}\n"
    )
    return head + to_yaml(content)


def _first_seed(stored: StoredStudy, trial: Trial) -> int:
    """The seed with which `selector train` and `rerun` give the same curve."""
    first = first_run(stored.record, trial)
    return first.run.seed if first else stored.study.seed_of("verdict", trial.sub_search)


def train_command(path: str) -> str:
    """The command that trains the configuration at `path`."""
    return shlex.join(["selector", "train", path])


def caveats(stored: StoredStudy, answer: Answer) -> list[str]:
    """What the answer does not say, each in a sentence."""
    study, verdict = stored.study, answer.verdict
    found = []
    if not answer.complete:
        found.append("The study is unfinished: the answer may still change.")
    if answer.recommended is None or verdict is None:
        return found
    hopeless = [arm.name for arm in study.arms if arm.name not in verdict.estimates]
    if hopeless and verdict.state is not VerdictState.INSUFFICIENT:
        found.append(
            f"Nothing trained in {', '.join(hopeless)}: no verdict run of theirs completed."
        )
    config = answer.recommended.config
    others = "other data" if not config.built_in else "another size, length or text"
    found.append(
        f"The answer was {scope(study, answer.recommended)}; {others} may have another answer."
    )
    trials = {arm.name: arm.trials for arm in answer.searches.arms.values()}
    if len(study.arms) > 1 and max(trials.values()) > 1:
        counts = sorted(set(trials.values()))
        found.append(
            f"It says which arm is better after {' to '.join(map(str, counts[:: len(counts) - 1]))}"
            " trials of tuning in each sub-search: an arm that is easier to tune may win without a"
            " lower optimum."
            if len(counts) > 1
            else f"It says which arm is better after {counts[0]} trials of tuning in each"
            " sub-search: an arm that is easier to tune may win without a lower optimum."
        )
        if len(counts) > 1:
            each = ", ".join(f"{name} {count}" for name, count in trials.items())
            found.append(
                f"The arms had unlike numbers of trials in each sub-search ({each}): ranges were"
                " extended, or some have fewer settings to try."
            )
    found += [*_by_hand(stored), *_tiers(study)]
    if config.objective.kind == "replay" and config.objective.noise:
        found.append(
            f"The noise between seeds ({config.objective.noise:g}) is what the study says, not"
            " measured: the intervals rest on it."
        )
    if len(study.arms) > 1 and verdict.unit == "seed":
        found.append(
            "With one sub-search per arm it compares these configurations, not the techniques:"
            " the luck of the search is not in the intervals."
        )
    return found


def _by_hand(stored: StoredStudy) -> list[str]:
    """That people chose some of what the search tried."""
    found = []
    given = sorted(n for n, trial in stored.record.trials.items() if trial.given)
    if given:
        found.append(
            f"Trials {', '.join(map(str, given))} were given by hand, in the place of points of the"
            " sampler: their arms' values say what was found with that knowledge."
        )
    stopped = {
        item.trial.number
        for item in stored.record.runs()
        if item.trial and item.result and item.result.outcome is Outcome.STOPPED
    }
    if stopped:
        found.append(
            f"Trials {', '.join(map(str, sorted(stopped)))} were stopped by hand and have no value:"
            " their arms had fewer to find the best among."
        )
    return found


def _tiers(study: Study) -> list[str]:
    """What to bear in mind of arms whose optimizer is a library's."""
    built_in = [arm for arm in study.arms if arm.config.built_in]
    alone = [arm.name for arm in built_in if not arm.config.banked]
    foreign = [
        arm.name for arm in built_in if ("optimizer", arm.config.optimizer.name) in NOT_TUNED
    ]
    found = []
    if alone and len(alone) < len(built_in):
        found.append(
            f"Runs of {', '.join(alone)} train one at a time, not in banks: compare steps and"
            " tokens, and seconds only with runs that were alone too."
        )
    more = [
        arm.name
        for arm in built_in
        if works_more(arm.config.optimizer.name, arm.config.optimizer.values)
    ]
    if more:
        found.append(
            f"Steps of {', '.join(more)} compute the loss again or its curvature, which FLOPs leave"
            " out: at equal tokens they are more work, and seconds show it."
        )
    if foreign:
        found.append(
            f"Defaults and ranges of {', '.join(foreign)} are a library's or common to all its"
            " algorithms, not tuned by us: with ranges of its own an arm may do better."
        )
    return found


def reasons(answer: Answer, known: Collection[str] = ()) -> list[str]:
    """Why the verdict is not clearer, without what is in `known`, each in a sentence."""
    if answer.verdict is None:
        return []
    own = dict.fromkeys(reason for reason in answer.verdict.reasons if reason not in known)
    return [f"Not settled: {reason}." for reason in own]  # arms may share a reason


def _recommended(trial: Trial | None) -> dict[str, Any] | None:
    if trial is None:
        return None
    return {
        "arm": trial.arm,
        "trial": trial.number,
        "fingerprint": trial.fingerprint,
        "values": plain(trial.values),
    }


def _arm(row: ArmRow) -> dict[str, Any]:
    keys = ("name", "trials", "failures", "mean", "low", "high", "seeds", "seconds", "tokens")
    return {key: getattr(row, key) for key in (*keys, "flops")}
