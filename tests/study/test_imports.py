"""Earlier experiments as observations: CSV and Optuna; what they skip and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from selector.errors import InputError
from selector.study.history import Observation
from selector.study.imports import from_csv, from_optuna

CSV = """\
opt,rate,optimizer.weight_decay,tied,steps,loss
adamw,1e-3,0.1,True,1000,3.5
muon,0.02,0,False,1000,3.4
muon,0.5,0,False,,nan
lion,1e-4,,True,1000,
"""
MAPS = {
    "opt": "optimizer",
    "rate": "optimizer.lr",
    "tied": "model.tied_embeddings",
    "steps": "budget.tokens",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "runs.csv"
    file.write_text(CSV)
    return file


def test_columns_become_keys_and_cells_what_they_say(path: Path):
    done = from_csv("old", path, "loss", MAPS)
    assert done.observations.rows == (
        Observation(
            values={"optimizer": "adamw", "optimizer.lr": 1e-3, "model.tied_embeddings": True},
            value=3.5,
            tokens=1000,
        ),
        Observation(
            values={"optimizer": "muon", "optimizer.lr": 0.02, "model.tied_embeddings": False},
            value=3.4,
            tokens=1000,
        ),
        Observation(
            values={"optimizer": "muon", "optimizer.lr": 0.5, "model.tied_embeddings": False},
            value=None,
        ),
    )
    assert done.skipped == {"it has no loss": 1}
    assert (done.observations.name, done.observations.metric) == ("old", "loss")


def test_columns_called_like_keys_need_no_map(path: Path):
    rows = from_csv("old", path, "loss", {}).observations.rows
    assert [dict(row.values) for row in rows] == [
        {"optimizer.weight_decay": 0.1},
        {"optimizer.weight_decay": 0},
        {"optimizer.weight_decay": 0},
    ]


@pytest.mark.parametrize(
    ("metric", "maps", "words"),
    [
        ("los", MAPS, "unknown column 'los'"),
        ("opt", MAPS, "expected numbers, got 'adamw' in row 1"),
        ("loss", {"rat": "optimizer.lr"}, "unknown column 'rat'"),
        ("loss", {"rate": "optimiser.lr"}, "unknown group 'optimiser'"),
        ("loss", {"rate": "budget.trials"}, "unknown group 'budget'"),
        ("loss", {"rate": "optimizer."}, "expected GROUP or GROUP.KEY"),
        ("loss", {"rate": "optimizer.lr", "opt": "optimizer.lr"}, "is given by rate, opt"),
        ("loss", {"opt": "budget.tokens"}, "expected a number from 1, got 'adamw'"),
    ],
)
def test_mistakes_are_named(path: Path, metric: str, maps: dict[str, str], words: str):
    with pytest.raises(InputError, match=words):
        from_csv("old", path, metric, maps)


def test_a_table_without_keys_or_results_is_refused(tmp_path: Path):
    file = tmp_path / "runs.csv"
    file.write_text("lr,loss\n0.1,2\n")
    with pytest.raises(InputError, match=r"--map NAME=optimizer.lr says what one is"):
        from_csv("old", file, "loss", {})
    file.write_text("lr,loss\n0.1,\n")
    with pytest.raises(InputError, match="holds no observation"):
        from_csv("old", file, "loss", {"lr": "optimizer.lr"})


def optuna_study(storage, directions=("minimize",)):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(study_name="mine", storage=storage, directions=directions)
    for number in range(4):
        trial = study.ask()
        rate = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
        kind = trial.suggest_categorical("optimizer", ["adamw", "muon"])
        if number == 2:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, [rate] * len(directions))
        assert kind
    return study


def test_an_optuna_study_in_a_database_or_a_journal(tmp_path: Path):
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    journal = tmp_path / "journal.log"
    made = {
        f"sqlite:///{tmp_path}/optuna.db": f"sqlite:///{tmp_path}/optuna.db",
        str(journal): JournalStorage(JournalFileBackend(str(journal))),
    }
    for address, storage in made.items():
        study = optuna_study(storage)
        done = from_optuna("old", address, "mine", {"lr": "optimizer.lr", "optimizer": "optimizer"})
        kept = [trial for trial in study.trials if trial.value is not None]
        assert [row.value for row in done.observations.rows] == [t.value for t in kept]
        assert [row.values["optimizer"] for row in done.observations.rows] == [
            trial.params["optimizer"] for trial in kept
        ]
        assert done.observations.direction == "minimize"
        assert done.skipped == {"its state is pruned": 1}


def test_what_optuna_cannot_give_is_named(tmp_path: Path):
    address = f"sqlite:///{tmp_path}/optuna.db"
    for storage in (address, str(tmp_path / "journal.log")):
        with pytest.raises(InputError, match="no such file"):
            from_optuna("old", storage, "mine", {})
    assert list(tmp_path.iterdir()) == []  # SQLite made no empty database
    optuna_study(address, ("minimize", "maximize"))
    with pytest.raises(InputError, match="unknown study 'yours'; known: mine"):
        from_optuna("old", address, "yours", {})
    with pytest.raises(InputError, match="has 2 objectives"):
        from_optuna("old", address, "mine", {})
    (tmp_path / "text.db").write_text("no database")
    with pytest.raises(InputError, match="cannot be read by Optuna"):
        from_optuna("old", f"sqlite:///{tmp_path}/text.db", "mine", {})
