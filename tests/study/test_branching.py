"""Which arms can start whole runs from their rungs, and what a reader of the plan is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from selector.config.locations import study_file
from selector.config.study import compose_study
from selector.space.dimension import Choices, Dimension, Interval
from selector.space.space import Space
from selector.study.agenda import Agenda
from selector.study.arms import resolve
from selector.study.branching import (
    arm_branch_mistake,
    branch_mistake,
    branch_notes,
    branches,
)
from selector.study.conduct import conduct, read_study
from selector.study.searches import Searches
from selector.study.study import Study, question_changes
from selector.track.record import Record
from selector.track.run import Run, Stage, Trial
from selector.track.store import FolderStore
from selector.track.tracker import MemoryTracker
from selector.track.trunk import forget_trunk


def study(*overrides: str, rungs: bool = True, branch: bool = True) -> Study:
    asked = [f"budget.branch={str(branch).lower()}", *overrides]
    resolved = resolve(compose_study(study_file("quickstart"), asked))
    return replace(resolved, rungs=rungs)


STABLE = "schedule=warmup_stable_decay"


def test_only_arms_with_a_stable_phase_branch() -> None:
    asked = study("schedule=constant,linear_to_zero,cosine,warmup_stable_decay", "optimizer=adamw")
    assert [arm.name for arm in asked.arms if branches(asked, arm)] == [
        "constant",
        "warmup_stable_decay",
    ]
    notes = branch_notes(asked)
    assert [note.partition(": has no effect in ")[2].partition(":")[0] for note in notes] == [
        "linear_to_zero",
        "cosine",
    ]
    assert all("schedule=warmup_stable_decay" in note for note in notes)


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        ("schedule=reduce_on_plateau", "reacts to the evaluations of a run"),
        ("schedule=cosine_restarts", "falls from the end of its warmup on"),
        ("schedule=step schedule.milestones=[0.06,0.5]", "no time at the peak is left before the"),
    ],
)
def test_why_a_schedule_has_no_trunk(overrides: str, why: str) -> None:
    asked = study(*overrides.split(), "optimizer=adamw")
    assert why in arm_branch_mistake(asked, asked.arms[0])


@pytest.mark.parametrize("name", ["inverse_sqrt", "step", "constant"])
@pytest.mark.parametrize("warmup", ["0.05", "auto"])
def test_what_does_not_depend_on_the_length_branches(name: str, warmup: str) -> None:
    asked = study(f"schedule={name}", f"schedule.warmup={warmup}", "optimizer=adamw")
    assert branches(asked, asked.arms[0])


def test_without_rungs_or_the_option_nothing_branches() -> None:
    asked = study(STABLE, rungs=False)
    assert not any(branches(asked, arm) for arm in asked.arms)
    (note,) = branch_notes(asked)
    assert note.startswith("budget.branch: has no effect, as no trial has a rung")
    off = study(STABLE, branch=False)
    assert not any(branches(off, arm) for arm in off.arms)
    assert branch_notes(off) == []
    assert branch_notes(study(STABLE)) == []


def test_the_plan_says_so() -> None:
    resolved = resolve(compose_study(study_file("quickstart"), ["budget.branch=true"]))
    assert set(branch_notes(resolved)) <= set(resolved.notes)
    assert branch_notes(resolved), "its arms have a schedule that falls from the start"


@pytest.mark.parametrize(
    ("warmup", "decay", "possible"),
    [(0.05, 0.2, True), (0.2, 0.35, True), (0.2, 0.4, False), (0.4, 0.1, False), (0.0, 1.0, False)],
)
def test_a_rung_needs_time_at_the_peak_beside_the_whole_run_s_warmup(
    warmup: float, decay: float, possible: bool
) -> None:
    asked = study(STABLE, f"schedule.warmup={warmup}", f"schedule.decay={decay}")
    arm = asked.arms[0]
    assert (arm_branch_mistake(asked, arm) == "") == possible == branches(asked, arm)
    if not possible:
        assert "schedule.warmup or schedule.decay" in arm_branch_mistake(asked, arm)


def test_the_longest_warmup_and_decay_of_a_space_decide() -> None:
    asked = study(STABLE, "optimizer=adamw")
    arm = asked.arms[0]

    def mistake(decays: tuple[float, ...], warmup: float = 0.1) -> str:
        dimensions: dict[str, Dimension] = {
            "schedule.decay": Choices(values=decays),
            "schedule.warmup": Interval(low=0.0, high=warmup),
        }
        tuned = replace(arm, space=Space(dimensions=dimensions))
        return arm_branch_mistake(asked, tuned)

    assert mistake((0.6, 0.1)) == ""
    assert "decay over 0.9" in mistake((0.9, 0.1))
    assert "decay over 0.6" in mistake((0.6, 0.1), warmup=0.2)
    assert branch_mistake(arm.config, 87381, 262144) == "", "its own values would do"


def test_a_function_s_state_cannot_be_kept() -> None:
    config = study(STABLE).arms[0].config
    objective = replace(config.objective, kind="function", function="a:b")
    text = branch_mistake(replace(config, objective=objective), 1000, 3000)
    assert "objective.kind=function" in text


def test_a_rung_keeps_its_trunk_and_the_whole_run_starts_from_it(tmp_path: Path) -> None:
    asked = study(STABLE)
    record = Record(FolderStore(tmp_path))
    arm = asked.arms[0]
    trial = Trial(
        number=1, arm=arm.name, sub_search=1, index=0, values={}, config=arm.config
    )  # fmt: skip
    record.add_trial(trial)

    def run(stage: Stage, of: Study = asked) -> Run:
        return Searches(of, record).run(trial, stage)

    rung = record.ask(run(Stage.RUNG1), trial)
    assert rung.trunk_for == arm.tokens == 3 * rung.tokens + arm.tokens % 3
    assert rung.branch is None
    assert run(Stage.EXPLORE).branch is None, "nothing was kept yet"
    assert rung.folder is not None
    (rung.folder / "trunk").mkdir(parents=True)
    (rung.folder / "trunk" / "manifest.json").write_text("{}")
    assert run(Stage.EXPLORE).branch == rung.folder
    assert run(Stage.EXPLORE).trunk_for == 0
    assert run(Stage.VERDICT).branch is None
    assert run(Stage.EXPLORE, study(STABLE, branch=False)).branch is None
    assert Record(FolderStore(tmp_path)).run(rung.key).run.trunk_for == rung.trunk_for
    forget_trunk(rung.folder)
    assert run(Stage.EXPLORE).branch is None


def test_a_study_branches_and_leaves_no_trunk_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(" ".join(str(number**2) for number in range(4000)))
    overrides = [
        *("data=text", "data.paths=[text.txt]", "model.depth=1", "model.width=16", "model.heads=2"),
        *("batch.micro_batch=4", "batch.context=16", "launcher=inline", "tracker=none"),
        *("optimizer=adamw", STABLE, "budget=smoke", "budget.trials=6", "budget.tokens=3840"),
    ]
    waiting: list[int] = []

    def look(agenda: Agenda) -> None:
        waiting.append(len(list(tmp_path.glob("runs/*/trials/*/runs/*/trunk/manifest.json"))))

    values = []
    for branch in (True, False):
        runs = tmp_path / ("runs" if branch else "plain")
        read = read_study("quickstart", [*overrides, f"budget.branch={str(branch).lower()}"], runs)
        asked = replace(read, rungs=True)
        record = conduct(asked, runs, MemoryTracker(), on_progress=look).stored.record
        explored = [stored for stored in record.runs(Stage.EXPLORE) if stored.result]
        assert len(explored) == 2
        saved = [stored.result.facts.get("steps_saved", 0) for stored in explored if stored.result]
        assert saved == ([17, 17] if branch else [0, 0])
        values.append(
            {
                stored.trial.number: stored.result.value
                for stored in explored
                if stored.trial and stored.result
            }
        )
        assert len(list(record.runs(Stage.RUNG1))) == 6
    assert max(waiting) == 5, "the sixth rung's end decides which go on"
    assert waiting[-3:] == [0, 0, 0]
    both = values[0].keys() & values[1].keys()
    assert both, "rungs with another warmup may rank otherwise, but not in everything"
    assert all(values[0][number] == values[1][number] for number in both)
    assert not list(tmp_path.glob("runs/*/trials/*/runs/*/trunk"))


def test_branching_cannot_be_turned_on_or_off_in_a_stored_study() -> None:
    on, off = study(STABLE), study(STABLE, branch=False)
    assert question_changes(on, on) == []
    assert question_changes(off, on) == ["budget.branch: stored False, now True"]
