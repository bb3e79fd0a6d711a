from __future__ import annotations

import pandas

from selector.report.results import curves, results
from selector.track.run import Run
from tests.report.build import ADAMW, EVALUATIONS, MUON, SGD, TOKENS, Builder, finished, study


def test_one_row_a_run_with_what_was_tuned_and_measured() -> None:
    built = finished(ADAMW, SGD)
    table = results(built.stored())
    assert len(table) == 2 * 4 * (8 + 2) == len(table["run_fingerprint"].unique())
    first = table.iloc[0]
    run = next(built.record.runs())
    assert run.trial is not None
    assert first["fingerprint"] == run.trial.fingerprint
    assert first["run_fingerprint"] == run.run.fingerprint
    assert first["optimizer.lr"] == run.trial.values["optimizer.lr"]
    complete = table[table["outcome"] == "complete"]
    assert (complete["metrics.validation/loss"] == complete["value"]).all()
    assert (table["outcome"] == "diverged").sum() == table["value"].isna().sum() > 0
    assert set(table.loc[table["stage"] == "verdict", "metrics.test/loss"].isna()) == {False}
    assert str(table["trial"].dtype) == "Int64"


def test_a_run_without_a_result_is_unfinished() -> None:
    built = Builder(study([ADAMW]), [ADAMW]).explore()
    trial = built.record.trials[1]
    key = built.record.run_key(trial, "verdict", 7)
    built.record.ask(Run(key=key, config=trial.config, stage="verdict", seed=7, tokens=1), trial)
    row = results(built.stored()).query("stage == 'verdict'").iloc[0]
    assert row["outcome"] == "unfinished"
    assert pandas.isna(row["value"])
    assert pandas.isna(row["seconds"])


def test_a_rerun_belongs_to_no_trial() -> None:
    built = finished(ADAMW)
    config = built.record.trials[1].config
    built.record.ask(Run(key="reruns/00001", config=config, stage="rerun", seed=3, tokens=5), None)
    row = results(built.stored()).query("stage == 'rerun'").iloc[0]
    assert pandas.isna(row["trial"])
    assert row["arm"] == ""


def test_curves_hold_every_report_and_its_tokens() -> None:
    built = finished(ADAMW, MUON)
    table = curves(built.stored())
    per_run = table.groupby(["trial", "stage", "seed"]).size()
    assert per_run.max() == EVALUATIONS
    assert (table["tokens"] == table["step"] * 1024).all()
    assert table["tokens"].max() == TOKENS
    last = table.groupby(["trial", "stage", "seed"])["metrics.validation/loss"].last()
    values = results(built.stored()).set_index(["trial", "stage", "seed"])["value"].dropna()
    assert (last[values.index] == values).all()


def test_steps_of_a_function_have_no_tokens() -> None:
    table = curves(finished(ADAMW, objective="function").stored())
    assert table["tokens"].isna().all()


def test_a_study_without_runs_has_empty_tables_with_columns() -> None:
    stored = Builder(study([ADAMW]), [ADAMW]).stored()
    assert {"arm", "trial", "value", "outcome", "optimizer.lr"} <= set(results(stored).columns)
    assert {"arm", "step", "tokens"} <= set(curves(stored).columns)
    assert len(results(stored)) == len(curves(stored)) == 0
