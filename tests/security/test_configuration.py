"""Configuration is data (S5, S10): whatever a file says, nothing is executed and nothing hangs."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from selector.config.bounded import LARGEST_FILE
from selector.config.compose import load_yaml
from selector.config.single import compose_single
from selector.config.study import compose_study
from selector.errors import ConfigError, InputError
from selector.launch import table

STUDY = "defaults: [selector_study, _self_]\nname: x\n"
MINE = "defaults: [selector_study, override objective: mine, _self_]\nname: x\n"
OBJECTIVE = 'defaults: [function, _self_]\nname: mine\nfunction: "mine:train"\n'
BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{level}: &a{level} [{','.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 9)
)
#: Programs that Hydra's own list of refused targets lets through.
TARGETS = ("os.system", "torch.load", "joblib.load", "pathlib.Path.unlink", "builtins.eval")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "objective").mkdir()
    (tmp_path / "mine.py").write_text("open('marker', 'w')\n")


def refused(study: str, objective: str = OBJECTIVE, overrides: tuple[str, ...] = ()) -> str:
    """The message of a study that is refused, with nothing done."""
    Path("x.yaml").write_text(study)
    Path("objective/mine.yaml").write_text(objective)
    with pytest.raises(ConfigError) as raised:
        compose_study(Path("x.yaml").absolute(), list(overrides))
    assert not Path("marker").exists()
    return str(raised.value)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "place",
    [
        "_target_: {}", "margin: {{_target_: {}}}", "compare: {{_target_: [{}]}}",
        "tune: {{_target_: {}}}", "set: {{objective.parameters.x: {{_target_: {}}}}}",
        "arms: [{{objective.parameters.x: {{_target_: {}}}}}]", "question: {{_target_: {}}}",
    ],
)  # fmt: skip
def test_a_study_names_no_code(place: str, target: str) -> None:
    text = refused(f"{MINE}{place.format(target)}\n", OBJECTIVE + "parameters: {x: 1}\n")
    assert "_target_" in text
    assert "never names code to call" in text or "unknown key" in text


@pytest.mark.parametrize("key", ["_target_", "_partial_", "_args_"])
@pytest.mark.parametrize("place", ["{}: os.system", "parameters: {{x: [{{{}: os.system}}]}}"])
def test_an_option_file_names_no_code(place: str, key: str) -> None:
    text = refused(MINE, f"{OBJECTIVE}{place.format(key)}\n")
    assert f"{key}: configuration never names code to call" in text
    assert "mine.yaml" in text


@pytest.mark.parametrize("override", ["objective.parameters={_target_: os.system}", "+_target_=x"])
def test_the_command_line_names_no_code(override: str) -> None:
    refused(MINE, OBJECTIVE + "parameters: {x: 1}\n", (override,))


def test_a_recommendation_that_was_sent_names_no_code() -> None:
    parts = ("model", "optimizer", "schedule", "objective", "data", "batch", "compute")
    stored = {part: {"name": part, "_target_": "os.system"} for part in (*parts, "regularization")}
    with pytest.raises(ConfigError, match="_target_: configuration never names code to call"):
        compose_single(stored, [], "recommended.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "question: ${oc.env:A_VARIABLE}", "question: ${seed}${oc.env:A_VARIABLE}",
        "question: '${${oc.env:A_VARIABLE}}'", "margin: {absolute: '${oc.decode:1}', share: 0}",
        "set: {optimizer.lr: '${oc.env:A_VARIABLE}'}", "tune: ['${oc.env:A_VARIABLE}']",
        "compare: {optimizer: ['${oc.env:A_VARIABLE}']}",
    ],
)  # fmt: skip
def test_no_file_reads_the_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("A_VARIABLE", "hunter2")
    assert "hunter2" not in refused(f"{STUDY}{text}\n")


def test_no_defaults_list_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_VARIABLE", "hunter2")
    text = refused("defaults: [selector_study, override optimizer: '${oc.env:A_VARIABLE}']\n")
    assert "${oc.env:A_VARIABLE}" in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (BOMB, "once its aliases (*NAME) are written out"),
        ("question: " + "[" * 9000 + "]" * 9000, "nested more than 50 levels deep"),
        ("question: " + "{a: " * 9000 + "1" + "}" * 9000, "nested more than 50 levels deep"),
        ("question: &a [*a]", "*a stands inside itself"),
        ("set: &a {b: *a}", "*a stands inside itself"),
        ("#" * LARGEST_FILE, "larger than 1048576 bytes"),
        ("seed: " + "9" * 5000, "cannot be read"),
        ("question: !!python/object/apply:os.system ['touch marker']", "line 3: not a YAML"),
        ("question: !!python/object/apply:pathlib.Path ['/etc']", "expected text"),
        ("question: !!python/name:os.system ''", "line 3: not a YAML"),
        ("question: !!binary aGVsbG8=", "expected text"),
        ("question: !!set {a, b}", "not a supported"),
    ],
    ids=range(12),
)
def test_hostile_yaml_is_refused_wherever_it_is(content: str, expected: str) -> None:
    """In a study file, in one it inherits from, in an option file; before it is parsed."""
    assert expected in refused(f"{STUDY}{content}\n")
    Path("sent.yaml").write_text(f"{STUDY}{content}\n")
    assert expected in refused("defaults: [sent, _self_]\nname: heir\n")
    if expected != "expected text":
        assert expected.replace("line 3: ", "") in refused(MINE, f"{OBJECTIVE}{content}\n").replace(
            "line 4: ", ""
        )
    with pytest.raises(ConfigError):
        compose_single(load_yaml(Path("sent.yaml")), [], "sent.yaml")
    assert not Path("marker").exists()


def test_aliases_that_stay_small_are_fine() -> None:
    Path("x.yaml").write_text(STUDY + "margin: &m {absolute: 0.1, share: 0}\n")
    assert load_yaml(Path("x.yaml"))["margin"] == {"absolute": 0.1, "share": 0}


@pytest.mark.parametrize(
    "text",
    [
        "defaults: {a: b}", "defaults: [1, null]",
        "defaults: [selector_study, ../../../etc/passwd]",
        "defaults: [selector_study, /etc/passwd]",
        "defaults: [selector_study, override hydra/launcher: joblib, _self_]",
        "defaults: [selector_study, _self_]\nhydra: {searchpath: ['file:///etc']}",
        "# @package hydra\ndefaults: [selector_study, _self_]\nname: x",
        "1: 2\nnull: 3", "- a", "x", "",
    ],
)  # fmt: skip
def test_files_that_are_no_study_are_refused(text: str) -> None:
    refused(f"{text}\n")


def test_arms_are_counted_before_they_are_made() -> None:
    lists = ", ".join(f"objective.parameters.p{place}: {list(range(9))}" for place in range(12))
    names = ", ".join(f"p{place}: 0" for place in range(12))
    text = refused(
        f"{MINE}compare: {{{lists}}}\nmax_arms: 1000000000000\n",
        f"{OBJECTIVE}parameters: {{{names}}}\n",
    )
    assert "282429536481 arms" in text


def test_a_pipe_in_the_place_of_a_file_does_not_hang() -> None:
    os.mkfifo("pipe.yaml")
    with pytest.raises(ConfigError, match="expected a plain file"):
        load_yaml(Path("pipe.yaml"))
    os.mkfifo("pipe.csv")
    with pytest.raises(InputError, match="expected a plain file"):
        table.read_table("pipe.csv")


def test_a_table_is_not_unpacked_beyond_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "_LARGEST_FILE", 1000)
    Path("bomb.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 10_000))
    with pytest.raises(InputError, match="larger than 0 MiB, unpacked"):
        table.read_table("bomb.csv.gz")
