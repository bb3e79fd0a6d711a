"""`selector train --trunk-for` and `--from`: one trunk, runs of several lengths and decays."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from selector.cli import main
from selector.errors import ConfigError
from selector.study.trunks import open_trunk
from selector.track.trunk import forget_trunk
from selector.train import checkpoint

STEP = 64  # tokens of an optimizer step
#: 90 steps of which 5 % are the warmup; the shorter run keeps its first 25 steps.
TRUNK = [
    "schedule=warmup_stable_decay",
    f"budget.tokens={30 * STEP}",
    "--trunk-for",
    f"{90 * STEP}",
]
Call = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text and, in runs/_single/00001, a run with a trunk."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "text.txt").write_text(" ".join(str(number**2) for number in range(4000)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", *SMALL, *TRUNK]) == 0
    return folder


SMALL = [
    *("data=text", "data.paths=[text.txt]", "model.depth=1", "model.width=16", "model.heads=2"),
    *("batch.micro_batch=4", "batch.context=16", "launcher=inline", "tracker=none"),
    *("optimizer=adamw", "optimizer.lr=0.01"),
]
PLACE = ["launcher=inline", "tracker=none"]


@pytest.fixture
def call(made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """`selector train`: (exit code, what was printed)."""
    monkeypatch.chdir(made)
    torch.set_num_threads(1)

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["train", *arguments])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def trained(call: Call, *arguments: str) -> tuple[torch.Tensor, dict[str, object]]:
    """The final weights and the facts of a run."""
    code, text = call(*arguments, "--json")
    assert code == 0, text
    folder = Path(json.loads(text)["folder"])
    weights, _ = checkpoint.load(folder)
    facts = json.loads((folder / "result.json").read_text())["facts"]
    return torch.cat([weights[name].flatten() for name in sorted(weights)]), facts


def test_a_trunk_says_what_it_is_of(made: Path) -> None:
    trunk = open_trunk(made / "runs/_single/00001")
    assert (trunk.seed, trunk.tokens, trunk.trunk_for) == (0, 30 * STEP, 90 * STEP)
    assert trunk.step == 25


def test_the_length_it_was_made_for_is_the_default(call: Call) -> None:
    branched, facts = trained(call, "--from", "runs/_single/00001", *PLACE)
    assert facts["steps_saved"] == 25
    assert facts["branched_from"] == "../00001"
    scratch, _ = trained(call, *SMALL, TRUNK[0], f"budget.tokens={90 * STEP}")
    assert torch.equal(branched, scratch)


def test_another_length_and_decay_go_on_from_the_same_trunk(call: Call) -> None:
    other = [f"budget.tokens={45 * STEP}", "schedule.decay=0.4", "schedule.shape=linear"]
    branched, facts = trained(call, "--from", "runs/_single/00001", *other, *PLACE)
    assert facts["steps_saved"] == 25
    same_warmup = f"schedule.warmup={0.05 * 90 / 45}"
    scratch, _ = trained(call, *SMALL, TRUNK[0], *other, same_warmup)
    assert torch.equal(branched, scratch)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["seed=4"], "seed: the trunk is of seed 0, got 4"),
        (["optimizer.lr=0.02"], "optimizer.lr: the trunk has 0.01, got 0.02"),
        (["schedule.warmup=0.1"], "schedule.warmup: the trunk has 0.05, got 0.1"),
        (["schedule=cosine"], "schedule.name: the trunk has warmup_stable_decay, got cosine"),
        ([f"budget.tokens={25 * STEP}"], "25 steps with this schedule do not begin with the 25"),
        ([f"budget.tokens={28 * STEP}"], "28 steps with this schedule do not begin with the 25"),
        (["--trunk-for", "1e6"], "--trunk-for: a run that starts --from a trunk keeps none"),
        (["runs/_single/00001/run.yaml"], "--from takes the configuration of the run"),
    ],
)
def test_what_is_no_continuation_is_refused(
    call: Call, made: Path, arguments: list[str], text: str
) -> None:
    before = len(list((made / "runs/_single").iterdir()))
    code, said = call(*arguments, "--from", "runs/_single/00001", *PLACE)
    assert code == 2
    assert text in said
    assert len(list((made / "runs/_single").iterdir())) == before, "nothing was started"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["schedule=cosine"], "schedule cosine falls from the end of its warmup on"),
        (["schedule=constant", f"budget.tokens={90 * STEP}"], "expected more tokens than"),
    ],
)
def test_a_trunk_nobody_could_use_is_refused(call: Call, arguments: list[str], text: str) -> None:
    length = [] if len(arguments) > 1 else [f"budget.tokens={30 * STEP}"]
    code, said = call(*SMALL, *arguments, *length, "--trunk-for", str(90 * STEP))
    assert code == 2
    assert "--trunk-for" in said
    assert text in said


def test_folders_without_a_trunk_are_refused(call: Call, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no run\.yaml"):
        open_trunk(tmp_path)
    (tmp_path / "run.yaml").write_text("seed: 1\n")
    forget_trunk(tmp_path)
    with pytest.raises(ConfigError, match="left no trunk"):
        open_trunk(tmp_path)
    (tmp_path / "trunk").mkdir()
    (tmp_path / "trunk" / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match="is damaged"):
        open_trunk(tmp_path)
