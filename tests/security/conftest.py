"""A study whose every name, value and text is hostile, from its file to its report."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import selector
from selector.report.write import ReportPaths

HOSTILE = (
    "</script><script>document.title='PWNED'</script>",
    "<img src=http://127.0.0.1:9/x onerror=\"document.title='PWNED'\">",
    "{{7*7}}{% raw %}",
    "=HYPERLINK(\"http://127.0.0.1:9\")",
    "../../../escape",
    "/absolute",
    "-rf",
    "a\nb\r\tc",
    "a\0b\x1b]0;PWNED\x07",
    "\u202egnp.exe",
    "x" * 600,
)  # fmt: skip
#: So many of them are arms; all of them are in everything else.
ARMS = 4
SPACE = {
    "parameters.formula": {"choices": ["=1+1", "@SUM(1)", "+1+1", "\tx"]},
    "parameters.x": {"low": 0.0, "high": 1.0},
}
FUNCTION = """\
def train(config, run):
    settings = config.objective.parameters
    run.report(1, **{name: 1.0 for name in HOSTILE + ("",)})
    if run.seed == 1000 and run.stage == "explore" and settings["kind"] == HOSTILE[0]:
        raise RuntimeError(" ".join(HOSTILE) + " half \\udc80 a character")
    run.report(2, loss=len(settings["kind"]) + settings["x"] + 1e-3 * (run.seed % 7))
"""


def text(value: object) -> str:
    """YAML's double-quoted form of a text is JSON's."""
    return json.dumps(value)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ReportPaths]]:
    """The folder of a finished study, two levels below one that is its own, and its report."""
    folder = tmp_path_factory.mktemp("outer") / "middle" / "work"
    (folder / "objective").mkdir(parents=True)
    (folder / "study.yaml").write_text(
        "defaults: [selector_study, override objective: mine, override tracker: none,"
        " override launcher: inline, _self_]\n"
        f"name: hostile\nquestion: {text(' '.join(HOSTILE))}\n"
        f"compare: {{objective.parameters.kind: {text(HOSTILE[:ARMS])}}}\n"
        "set: {budget.tokens: 100, budget.trials: 2, budget.replicates: 1,"
        " budget.verdict_seeds: 2}\n"
    )
    parameters = {
        "kind": "a",
        "x": 0.5,
        "formula": "=1+1",
        **dict.fromkeys(HOSTILE, "a"),
        HOSTILE[3]: HOSTILE[3],
    }
    (folder / "objective" / "mine.yaml").write_text(
        'defaults: [function, _self_]\nname: mine\nfunction: "hostile_mine:train"\n'
        f"parameters: {text(parameters)}\nspace: {text(SPACE)}\n"
    )
    (folder / "hostile_mine.py").write_text(f"HOSTILE = {HOSTILE!r}\n\n{FUNCTION}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", list(sys.path))
        selector.run("./study.yaml", [])
        yield folder, selector.report("hostile")
    sys.modules.pop("hostile_mine", None)
