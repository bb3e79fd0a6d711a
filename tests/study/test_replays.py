"""Studies against tables: what is checked before anything runs, and published answers come back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import selector
from selector.config.identity import config_fingerprint
from selector.errors import InputError
from selector.launch.lookup import lookup_for
from selector.study.study import from_mapping, question_changes
from tests.launch.tables import ROWS, write
from tests.study.replay_study import OBJECTIVE, STUDY, read, write_study

TABLES = Path(__file__).parents[2] / "../shared/tables"
needs_tables = pytest.mark.skipif(
    not TABLES.is_dir(), reason="the published tables (../shared/tables) are not here"
)


def test_the_table_is_named_by_its_content_and_the_path_is_no_part_of_a_run(tmp_path):
    one = read(tmp_path, write(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    same = read(tmp_path, write(tmp_path / "elsewhere"))
    other = read(tmp_path, write(tmp_path, ROWS.replace("2.8", "2.81"), "other.csv"))
    prints = [
        [config_fingerprint(arm.config) for arm in study.arms] for study in (one, same, other)
    ]
    assert prints[0] == prints[1]
    assert not set(prints[0]) & set(prints[2])
    assert len(set(prints[0])) == 2
    assert question_changes(one, same) == []
    assert any("objective.fingerprint" in change for change in question_changes(one, other))
    assert from_mapping(one.to_mapping()) == one


def test_what_is_tuned_is_scaled_as_its_range_and_the_rest_is_exact(tmp_path):
    text = OBJECTIVE.replace("lr: 0.01}", "lr: 0.01, steps: 100}").replace("horizon: steps\n", "")
    study = read(tmp_path, write(tmp_path), objective=text)
    assert dict(study.arms[0].config.objective.scales) == {"lr": "log", "steps": "exact"}
    given = read(tmp_path, write(tmp_path), objective=text + "scales: {steps: linear}\n")
    assert dict(given.arms[0].config.objective.scales) == {"lr": "log", "steps": "linear"}


def test_rungs_and_compared_lengths_take_rows_of_their_lengths(tmp_path):
    table = write(tmp_path)
    text = ROWS.replace("1000", "300").replace("constant,0.01,100,3.0\n", "constant,0.01,300,2.9\n")
    longer = write(tmp_path, text, "longer.csv")
    rungs = read(tmp_path, longer, "budget.tokens=300")
    assert rungs.rungs
    assert not any(note.startswith("rungs: ") for note in rungs.notes)
    arm = rungs.arm("schedule=linear")
    tokens = {stage: rungs.tokens_of(arm, arm.config, stage) for stage in ("rung1", "explore")}
    found = {
        stage: lookup_for(arm.config.objective).at(arm.config.objective.parameters, count, 1)
        for stage, count in tokens.items()
    }
    assert {stage: item.value for stage, item in found.items()} == {"rung1": 2.8, "explore": 2.4}
    without = read(tmp_path, table, "budget.tokens=1000")
    assert not without.rungs
    assert "rungs: off: no rows of schedule=constant are of 333 tokens" in without.notes
    with pytest.raises(InputError, match="got always: no rows of schedule=constant are of 333"):
        read(tmp_path, table, "budget.tokens=1000", "budget.rungs=always")
    endless = OBJECTIVE.replace("horizon: steps\n", "")
    with pytest.raises(InputError, match="its table has no column of lengths"):
        read(tmp_path, table, "budget.rungs=always", objective=endless)
    compared = read(tmp_path, table, "budget.tokens=100,1000")
    assert {arm.tokens for arm in compared.arms} == {100, 1000}
    with pytest.raises(InputError, match=r"budget.tokens: has no effect on a replay"):
        read(tmp_path, table, "budget.tokens=100,1000", objective=endless)


def test_a_relative_table_lies_below_the_folder_where_it_was_asked(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    study = read(tmp_path, Path("runs.csv"))
    assert study.arms[0].config.objective.table == str(tmp_path / "runs.csv")


@pytest.mark.slow
def test_all_that_is_wrong_is_said_before_anything_runs(tmp_path):
    study = (
        STUDY.replace("[constant, linear]", "[constant, cosine]") + "  optimizer: [adamw, sgd]\n"
    )
    with pytest.raises(InputError) as caught:
        read(tmp_path, write(tmp_path), study=study)
    assert caught.value.mistakes == (
        "optimizer: has no effect on a replay: expected objective.parameters.NAME",
        "optimizer.lr: has no effect on a replay: expected objective.parameters.NAME",
        "objective.parameters.schedule: no row has 'cosine'; there are constant, linear",
    )
    with pytest.raises(InputError, match=r"no-such.csv: cannot be read"):
        read(tmp_path, tmp_path / "no-such.csv")
    with pytest.raises(InputError, match=r"unknown column 'lost'"):
        read(tmp_path, write(tmp_path), "objective.metric=lost")
    with pytest.raises(InputError, match=r"objective.scales.lr: expected log, linear or exact"):
        read(tmp_path, write(tmp_path), objective=OBJECTIVE + "scales: {lr: logarithmic}\n")
    with pytest.raises(InputError, match=r"objective.columns.rate: is no parameter"):
        read(tmp_path, write(tmp_path), objective=OBJECTIVE + "columns: {rate: lr}\n")
    choices = "space: {parameters.schedule: {choices: [linear, triangle]}}\n"
    text, study = OBJECTIVE.partition("space:")[0] + choices, STUDY.partition("compare:")[0]
    with pytest.raises(InputError, match=r"no row has 'triangle'"):
        read(tmp_path, write(tmp_path), objective=text, study=study)


@pytest.mark.parametrize(
    ("overrides", "note"),
    [
        ([], "schedule=linear: its rows are not repeated, so that every seed has the same value"),
        (["objective.noise=0"], "schedule=constant: its rows are not repeated"),
        (
            ["objective.noise=0.01", "objective.horizon_tokens=3"],
            "schedule=linear: runs of 100 tokens are replayed by rows of 300",
        ),
        (
            ["objective.noise=0.01", "objective.parameters.lr=tag(log,interval(1e-4,1e-1))"],
            "schedule=linear: objective.parameters.lr is tuned over 0.0001 to 0.1, log, its rows"
            " lie at 0.001 to 0.1: outside, the outermost rows answer",
        ),
        (
            ["objective.noise=0.01", "objective.lookup=interpolate", "objective.parameters.lr=0.1"],
            "schedule=linear: lookup=interpolate has no effect",
        ),
    ],
)
def test_what_a_reader_should_know_of_the_rows_is_noted(tmp_path, overrides, note):
    overrides = [*overrides, "budget.rungs=never"]
    quiet = read(tmp_path, write(tmp_path), "objective.noise=0.01", "budget.rungs=never").notes
    assert len(quiet) == 1
    assert quiet[0].endswith("1 rows without a result are left out")
    notes = read(tmp_path, write(tmp_path), *overrides).notes
    assert any(text.startswith(note) for text in notes), notes


@pytest.mark.slow
def test_a_study_against_a_table_runs_without_torch_and_its_report_names_the_table(tmp_path):
    file, table = write_study(tmp_path), write(tmp_path)
    code = (
        "import sys\n"
        "from selector.cli import main\n"
        f"code = main(['run', {str(file)!r}, 'objective.table={table}', 'objective.noise=0.002',\n"
        "    'budget.tokens=100', 'objective.lookup=interpolate', '--json'])\n"
        "sys.exit('torch' if 'torch' in sys.modules else code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["verdict"] == "winner"
    assert found["recommended"]["arm"] == "schedule=linear"
    page = (tmp_path / "reports" / "replayed" / "index.html").read_text()
    assert "found in the table runs.csv" in page
    assert "Training tokens" not in page
    single = command(tmp_path, ["train", "reports/replayed/recommended.yaml"])
    assert single.returncode == 0, single.stderr
    table.write_text(ROWS.replace("2.8", "2.7"))
    single = command(tmp_path, ["train", "reports/replayed/recommended.yaml"])
    assert "Numbers of different tables are not compared" in single.stderr
    rerun = command(tmp_path, ["rerun", "replayed"])
    assert "Numbers of different tables are not compared" in rerun.stderr


def command(folder: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    extra = ["launcher=inline"] if arguments[0] == "train" else []
    return subprocess.run(
        [sys.executable, "-m", "selector.cli", *arguments, *extra],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )


def asked(name: str, table: str, tmp_path: Path, *overrides: str):
    """The recommendation of a shipped study of replays."""
    written, _ = selector.run_and_report(
        name,
        [f"objective.table={(TABLES / table).resolve()}", "tracker=none", *overrides],
        runs=tmp_path / "runs",
        reports=tmp_path / "reports",
    )
    return written[-1].recommendation


@pytest.mark.slow
@needs_tables
def test_decay_beats_constant_by_fifteen_hundredths_and_the_best_rate_depends_on_it(tmp_path):
    found = asked("lr_scheduling", "lr_scheduling/runs.csv", tmp_path)
    arms = {arm["name"]: arm for arm in found["arms"]}
    constant = arms["decay_share=0.0, decay=sqrt"]
    best = min(arm["mean"] for arm in arms.values())
    assert constant["mean"] - best == pytest.approx(0.155, abs=0.015)
    assert arms["decay_share=0.2, decay=linear"]["mean"] - best == pytest.approx(0.015, abs=0.008)
    table = selector.results("lr_scheduling", runs=tmp_path / "runs")
    rates = {}
    for arm in arms:
        rows = table[(table["arm"] == arm) & (table["stage"] == "verdict")]
        rates[arm] = float(rows["objective.parameters.lr"].median())
    assert 2e-4 < rates["decay_share=0.0, decay=sqrt"] < 7e-4
    assert 6e-4 < rates["decay_share=0.2, decay=linear"] < 1.6e-3
    assert 1.2e-3 < rates["decay_share=0.9, decay=linear"] < 3e-3


@pytest.mark.slow
@needs_tables
def test_muon_is_best_at_130_million(tmp_path):
    found = asked("marin_optimizers", "marin_optimizers/best_configs.csv", tmp_path)
    assert found["verdict"] == "winner"
    assert found["recommended"]["arm"] == "optimizer=muon"
    means = {arm["name"]: arm["mean"] for arm in found["arms"]}
    assert means["optimizer=adamw"] - means["optimizer=muon"] == pytest.approx(0.0665, abs=0.003)


@needs_tables
def test_four_and_eight_heads_tie_and_sixteen_are_worse(tmp_path):
    found = asked("mlfoundations_heads", "mlfoundations_scaling/grid.csv", tmp_path)
    assert found["verdict"] == "tie"
    means = {arm["name"]: arm["mean"] for arm in found["arms"]}
    assert abs(means["n_heads=4"] - means["n_heads=8"]) < 0.003
    assert means["n_heads=16"] - means["n_heads=8"] == pytest.approx(0.015, abs=0.003)
