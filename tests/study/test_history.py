"""Earlier observations as a start: which fit an arm, what a sampler is told, what is kept."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from selector.config.technique import Technique
from selector.errors import ConfigError, StudyError
from selector.space.dimension import Choices, Condition, Interval
from selector.study.history import (
    Observation,
    Observations,
    of_study,
    prior,
    prior_note,
    read_observations,
    write_observations,
)
from selector.study.loop import run_study
from selector.study.start import Start, read_start, start_from, write_start
from selector.study.takeover import Adopted, Part
from selector.track.record import Record
from selector.track.run import Outcome
from selector.track.store import FolderStore, MemoryStore
from selector.track.tracker import NullTracker
from tests.report.build import METRIC, TOKENS, Builder, Surface, study
from tests.study.replayed import launcher, small_study

ARMS = (Surface(name="adamw"), Surface(name="muon", low=1e-3, high=1e-1))
TPE = Technique(name="tpe", values={"startup_trials": 4})


def observation(optimizer: str = "adamw", lr: object = 1e-2, value: float | None = 2.5, **more):
    values = {"optimizer": optimizer, "optimizer.lr": lr, **more.pop("values", {})}
    return Observation(values=values, value=value, **more)


def observations(*rows: Observation, **changes) -> Observations:
    fields = {"name": "old", "source": "old.csv", "metric": "loss", "rows": rows}
    return Observations(**(fields | changes))


def fitting(*rows: Observation, **changes) -> dict[str, int]:
    found = prior(observations(*rows), study(ARMS, sampler=TPE, **changes))
    return {arm: len(pasts) for arm, pasts in found.items()}


def test_an_observation_fits_the_arm_that_it_names_inside_its_range():
    assert fitting(observation()) == {"adamw": 1, "muon": 0}
    assert fitting(observation("muon", 5e-2), observation("muon", 2e-1)) == {"adamw": 0, "muon": 1}
    assert fitting(observation("adamw", 3e-4), observation("adamw", 3e-2)) == {
        "adamw": 2,
        "muon": 0,
    }
    assert fitting(observation(lr="0.01"), observation(lr=True)) == {"adamw": 0, "muon": 0}


@pytest.mark.parametrize(
    ("values", "fits"),
    [
        ({"model.depth": 2}, True),
        ({"model.depth": 3}, False),
        ({"model.depth": 2.0}, True),
        ({"optimizer.betas": (0.9, 0.95)}, True),
        ({"optimizer.betas": (0.9, 0.99)}, False),
        ({"model.name": "another label"}, True),
        ({"optimizer.momentum": 0.9}, False),  # no key of the arm
        ({"model.bias": 1}, False),  # true is no number
    ],
)
def test_what_it_says_beside_what_is_tuned_agrees_with_the_arm(values, fits):
    assert fitting(observation(values=values))["adamw"] == fits


def test_everything_compared_and_tuned_is_said():
    silent = Observation(values={"optimizer": "adamw"}, value=2.0)
    nameless = Observation(values={"optimizer.lr": 1e-2}, value=2.0)
    assert fitting(silent, nameless) == {"adamw": 0, "muon": 0}


def test_runs_of_another_length_are_no_start():
    right, wrong = observation(tokens=TOKENS), observation(tokens=TOKENS // 3)
    assert fitting(right, wrong, wrong) == {"adamw": 1, "muon": 0}


def test_choices_steps_and_whole_numbers_are_kept_to():
    dimensions = {
        "optimizer.lr": Choices(values=(0.01, 0.02)),
        "model.depth": Interval(low=2, high=6, step=2, integer=True),
    }
    arms = (Surface(dimensions=dimensions),)
    asked = study(arms)
    rows = [
        observation(lr=rate, values={"model.depth": depth})
        for rate, depth in ((0.01, 2), (0.01, 4.0), (0.015, 4), (0.02, 3), (0.02, 8), (0.02, 6))
    ]
    found = prior(observations(*rows), asked)["adamw"]
    assert [tuple(past.values.values()) for past in found] == [(0.01, 2), (0.01, 4), (0.02, 6)]


def test_keys_whose_condition_does_not_hold_need_not_be_said():
    when = (Condition(key="optimizer.kind", values=("slow",)),)
    dimensions = {
        "optimizer.kind": Choices(values=("slow", "fast")),
        "optimizer.lr": Interval(low=1e-3, high=1e-1, log=True, when=when),
    }
    asked = study((Surface(dimensions=dimensions),))
    rows = [
        Observation(values={"optimizer": "adamw", **values}, value=2.0)
        for values in (
            {"optimizer.kind": "fast"},
            {"optimizer.kind": "slow"},  # says no rate
            {"optimizer.kind": "slow", "optimizer.lr": 1e-2},
        )
    ]
    found = prior(observations(*rows), asked)["adamw"]
    assert [past.values for past in found] == [
        {"optimizer.kind": "fast"},
        {"optimizer.kind": "slow", "optimizer.lr": 1e-2},
    ]


def test_a_sampler_is_told_values_and_a_penalty_for_what_diverged():
    rows = observation(value=2.5), observation(value=None), observation(value=2.75)
    told = [past.told for past in prior(observations(*rows), study(ARMS))["adamw"]]
    assert [item.value for item in told] == [2.5, 3.75, 2.75]
    assert [item.constraint for item in told] == [-1.0, 1.0, -1.0]


def test_a_study_s_own_search_is_a_start_and_its_other_runs_are_not():
    def outcome(trial, stage):
        return Outcome.CRASHED if trial.index == 1 else None

    old = Builder(study(ARMS, name="old"), ARMS, outcome=outcome).explore().verdict().stored()
    found = of_study(old)
    explored = list(old.record.runs("explore"))
    assert len(found.rows) == len(explored) * 7 // 8  # one of eight crashed
    assert {row.tokens for row in found.rows} == {TOKENS}
    new = study(ARMS, name="new", seed=5)
    counts = {arm: len(pasts) for arm, pasts in prior(found, new).items()}
    assert counts == {"adamw": 28, "muon": 28}
    smaller = replace(new, arms=tuple(replace(arm, tokens=TOKENS // 2) for arm in new.arms))
    assert sum(map(len, prior(found, smaller).values())) == 0


def test_another_metric_or_direction_is_refused():
    old = of_study(Builder(study(ARMS, name="old"), ARMS).explore().stored())
    with pytest.raises(ConfigError, match=f"is judged by {METRIC}, new by accuracy"):
        prior(old, study(ARMS, name="new", metric="accuracy"))
    with pytest.raises(ConfigError, match="are to minimize, those of new to maximize"):
        prior(old, study(ARMS, name="new", direction="maximize"))


def test_the_note_says_how_many_of_what_and_that_they_are_no_evidence():
    rows = [observation(), observation(lr=0.5), observation(lr=0.6)]
    note = prior_note(observations(*rows), study(ARMS, sampler=TPE))
    assert note == (
        "of 3 observations in old (old.csv) the search starts with 1 for adamw, 0 for muon"
        " (optimizer is adamw, not muon); they are no evidence for the verdict"
    )
    silent = prior_note(observations(*rows), study(ARMS))
    assert silent.endswith("and have no effect: the sampler random does not learn")


def test_they_are_stored_and_read_back_whole(tmp_path: Path):
    rows = (
        observation(tokens=TOKENS, values={"optimizer.betas": (0.9, 0.95), "model.bias": True}),
        observation(value=None),
    )
    given = observations(*rows, direction="minimize")
    path = write_observations(given, tmp_path)
    assert json.loads(path.read_text())["format"] == 1
    assert read_observations("old", tmp_path) == given
    with pytest.raises(StudyError, match="is there already"):
        write_observations(given, tmp_path)


def test_what_is_not_there_or_damaged_is_named(tmp_path: Path):
    write_observations(observations(observation()), tmp_path)
    with pytest.raises(StudyError, match="unknown import or study 'odl'; known: old"):
        read_observations("odl", tmp_path)
    with pytest.raises(ConfigError, match="name: expected letters"):
        read_observations("../old", tmp_path)
    for text in ("{", "{}", '{"format": 2}', '{"format": 1, "rows": [1]}'):
        (tmp_path / "old" / "observations.json").write_text(text)
        with pytest.raises(StudyError, match=r"observations.json: is damaged"):
            read_observations("old", tmp_path)


def test_a_stored_study_is_read_by_its_name(tmp_path: Path):
    asked = study(ARMS, name="old")
    stored = Builder(asked, ARMS, store=FolderStore(tmp_path / "old")).explore().stored()
    assert read_observations("old", tmp_path) == of_study(stored)


def test_a_study_keeps_what_it_started_from():
    store = MemoryStore()
    assert read_start(store) == Start(name="")
    asked = study(ARMS)
    arms = prior(observations(observation(), observation(value=None)), asked)
    values = [[{"optimizer.lr": 0.01}], []]
    part = Part(key="optimizer.lr", range={"low": 0.1, "high": 1.0}, integer=False, trials=2)
    taken = {"adamw": Adopted(trials=values, parts=[part], more=2)}
    start = Start(name="old", known=arms, adopted=taken)
    write_start(store, start)
    assert read_start(store) == start
    store.write("start.json", "{}")
    with pytest.raises(StudyError, match=r"start.json: is damaged"):
        read_start(store)


def test_a_start_moves_what_tpe_proposes_first():
    from selector.study.sampler import Ask, make_sampler

    asked = study(ARMS, sampler=TPE)
    rates = [3e-4 * 10 ** (place / 15) for place in range(31)]
    rows = [observation(lr=rate, value=2 + abs(math.log(rate / 9e-3))) for rate in rates]
    past = prior(observations(*rows), asked)["adamw"]
    space = asked.arm("adamw").space
    proposed = [
        make_sampler(TPE).suggest(
            Ask(space=space, index=0, past=past, seed=seed, minimize=True, total=8, search_seed=1)
        )["optimizer.lr"]
        for seed in range(8)
    ]
    assert sum(5e-3 < rate < 1.6e-2 for rate in proposed) >= 6  # 25 % of the range by chance


def test_a_start_is_stored_told_and_used_again(tmp_path):
    runs = tmp_path / "runs"
    asked = small_study(trials=4, sampler=Technique(name="tpe", values={"startup_trials": 2}))
    first = Record(FolderStore(runs / "first"))
    first.write_study(replace(asked, name="first").to_mapping())
    run_study(replace(asked, name="first"), first, launcher(), NullTracker())

    # With another seed none of its runs is the same.
    second, plain_ = replace(asked, name="second", seed=5), Record(MemoryStore())
    record = Record(FolderStore(runs / "second"))
    start_from("first", second, record, runs)
    run_study(second, record, launcher(), NullTracker())
    run_study(second, plain_, launcher(), NullTracker())
    values = [dict(trial.values) for _, trial in sorted(record.trials.items())]
    assert values != [dict(trial.values) for _, trial in sorted(plain_.trials.items())]
    (told_,) = [item for item in record.decisions() if item["decision"] == "start"]
    assert "no evidence for the verdict" in told_["note"]

    start_from("first", second, record, runs)  # going on names it again: nothing new
    with pytest.raises(StudyError, match="second began with --from first"):
        start_from("other", second, record, runs)
    with pytest.raises(StudyError, match="first began without --from"):
        start_from("second", replace(asked, name="first"), first, runs)
