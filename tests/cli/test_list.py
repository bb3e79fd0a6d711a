"""`selector list` leads a newcomer from the axes to every setting, its limits and its source."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields

import pytest

from selector.cli import main
from selector.config.algorithms import trainable
from selector.config.limits import mistake
from selector.config.model import Model
from selector.config.switches import _RECORDS, switches


@pytest.fixture
def listed(capsys, monkeypatch):
    """What `selector list` prints, line by line, in a narrow terminal."""
    monkeypatch.setenv("COLUMNS", "80")

    def lines(*arguments: str, code: int = 0) -> list[str]:
        assert main(["list", *arguments]) == code
        captured = capsys.readouterr()
        return (captured.err if code else captured.out).splitlines()

    return lines


def test_every_switch_is_a_line_with_default_words_and_meaning(listed):
    shown = {line.split()[0]: line for line in listed("model") if line.startswith("  ")}
    assert {item.name for item in fields(Model)} - {"name", "version", "family"} <= shown.keys()
    words = [word.strip() for word in shown["norm"].split("  ") if word.strip()]
    assert words[:3] == ["norm", "layer", "layer | rms | none"], "batch is refused, so not offered"
    assert words[3].startswith("What normalizes activations: layer norm")
    assert words[3].endswith("or nothing."), "the first sentence, whatever the terminal's width"
    assert "auto | whole, from 1" in shown["heads"]


@pytest.mark.parametrize("axis", list(_RECORDS))
def test_settings_for_programs(listed, axis):
    found = json.loads("\n".join(listed(axis, "--json")))["settings"][axis]
    assert all(item["text"].endswith(".") and item["allowed"] for item in found.values())
    for name, item in found.items():
        words = item["allowed"].split(" | ")
        if isinstance(item["default"], bool):
            assert words == ["true", "false"]
        elif isinstance(item["default"], str):
            assert item["default"] in words
        else:
            assert "from" in item["allowed"] or "above" in item["allowed"]
            assert mistake(name, item["default"]) is None


def test_axes_of_techniques_lead_to_the_file_of_each(listed):
    assert switches("optimizer") == {}
    lines = listed("optimizer")
    text = " ".join(" ".join(lines).split())
    assert f"optimizer=library optimizer.algorithm=NAME: {len(trainable())} algorithms" in text
    assert "adahessian" in text
    assert "lomo" not in text, "it cannot train here"
    assert "tier 2: from a library, or tested less" in text
    assert "from a library or not vectorized: one run at a time" in text
    assert "conf/optimizer/OPTION.yaml" in lines[-1]
    shown = "\n".join(listed(*lines[-1].rpartition("selector list ")[2].split()))
    assert "https://arxiv.org/" in shown
    assert "space:" in shown
    one = json.loads("\n".join(listed("optimizer/soap", "--json")))
    assert (one["axis"], one["option"], one["tier"]) == ("optimizer", "soap", 2)
    assert "precondition_frequency: 10" in one["yaml"]
    found = json.loads("\n".join(listed("optimizer", "--json")))
    assert found["algorithms"] == trainable()


def test_a_mistyped_option_is_named(listed):
    (line,) = listed("optimizer/sopa", code=2)
    assert "unknown option of optimizer 'sopa'" in line
    assert "did you mean 'soap'" in line


def test_it_imports_no_torch():
    code = (
        "import sys; from selector.cli import main; main(['list', 'model']);"
        "sys.exit(bool({'torch', 'optuna', 'scipy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
