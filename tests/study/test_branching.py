"""Which arms can start whole runs from their rungs, and what a reader of the plan is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selector.config.locations import study_file
from selector.config.study import compose_study
from selector.space.dimension import Choices, Dimension, Interval
from selector.space.space import Space
from selector.study.arms import resolve
from selector.study.branching import arm_branch_mistake, branch_mistake, branch_notes, branches
from selector.study.study import Study, question_changes


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
    assert [note.partition(":")[0] for note in notes] == ["linear_to_zero", "cosine"]
    assert all("budget.branch has no effect" in note for note in notes)
    assert all("schedule=warmup_stable_decay" in note for note in notes)


def test_without_rungs_or_the_option_nothing_branches() -> None:
    asked = study(STABLE, rungs=False)
    assert not any(branches(asked, arm) for arm in asked.arms)
    (note,) = branch_notes(asked)
    assert "budget.branch has no effect: no trial has a rung" in note
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


def test_branching_cannot_be_turned_on_or_off_in_a_stored_study() -> None:
    on, off = study(STABLE), study(STABLE, branch=False)
    assert question_changes(on, on) == []
    assert question_changes(off, on) == ["budget.branch: stored False, now True"]
