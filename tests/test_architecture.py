"""The tree is the diagram: layers, doors, and what stays light at import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "selector"
#: Bottom to top: a package imports only from packages before it, and from itself.
LAYERS = [
    "errors", "config", "space", "track", "train", "launch", "study", "report", "rerun", "cli",
]  # fmt: skip
DOORS = {
    "hydra": ("config/compose.py",),
    "omegaconf": ("config/compose.py",),
    "torch": ("train/",),
    "mlflow": ("track/mlflow.py",),
    "optuna": ("study/", "report/importance.py"),
    "plotly": ("report/figures.py",),
    "pandas": ("report/",),
}


def imports(file: Path) -> list[tuple[int, str]]:
    """(line, module) of every import in a file, those for type checkers left out."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            found.append((node.lineno, node.module or ""))
            if node.module == "selector":
                found += [(node.lineno, f"selector.{alias.name}") for alias in node.names]
    return found


def breaches(package: Path) -> list[str]:
    rows = []
    for file in sorted(package.rglob("*.py")):
        path = file.relative_to(package)
        layer = path.parts[0] if len(path.parts) > 1 else path.stem
        for line, module in imports(file):
            root, *rest = module.split(".")
            if root == "selector" and rest and layer in LAYERS and rest[0] in LAYERS:
                if LAYERS.index(rest[0]) > LAYERS.index(layer):
                    rows.append(f"{path}:{line}: {layer} imports {rest[0]}")
            elif root in DOORS and not str(path).startswith(DOORS[root]):
                rows.append(f"{path}:{line}: imports {root}")
    return rows


def test_imports_point_down_and_heavy_libraries_have_one_door():
    assert breaches(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("config/x.py", "from selector.study import loop"),
        ("study/x.py", "import torch"),
        ("report/x.py", "def f():\n    import plotly.graph_objects"),
    ],
)
def test_a_breach_is_found(tmp_path, file, line):
    path = tmp_path / file
    path.parent.mkdir()
    path.write_text(line + "\n")
    assert len(breaches(tmp_path)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list", "optimizer"],
        ["plan", "quickstart", "--runs", "{runs}"],
        ["status", "--runs", "{runs}"],
    ],
)
def test_showing_commands_stay_light(arguments, tmp_path):
    arguments = [item.format(runs=tmp_path) for item in arguments]
    code = (
        "import sys\n"
        "from selector.cli import main\n"
        "try:\n"
        f"    code = main({arguments!r})\n"
        "except SystemExit as error:\n"
        "    code = error.code\n"
        "heavy = [m for m in ('torch', 'mlflow', 'optuna', 'scipy.stats', 'pandas', 'plotly')"
        " if m in sys.modules]\n"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
