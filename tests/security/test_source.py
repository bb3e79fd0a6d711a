"""What must not stand anywhere in the package (S2, S4, S5)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent.parent / "selector"
#: Modules that turn bytes into objects by running what the bytes say, or texts into code.
MODULES = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "code", "runpy"}
CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "os.popen",
    "hydra.utils.instantiate",
}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def breaches(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            yield from (name for name in names if name.partition(".")[0] in MODULES)
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if name in CALLS or name.endswith(".instantiate"):
            yield name
        for word in node.keywords:
            value = word.value.value if isinstance(word.value, ast.Constant) else None
            if (word.arg, value) in (("shell", True), ("weights_only", False)):
                yield f"{name}({word.arg}={value})"
        loaders = [ast.dump(item) for item in (*node.args, *(word.value for word in node.keywords))]
        if name == "torch.load" and not any(word.arg == "weights_only" for word in node.keywords):
            yield name
        if name in ("yaml.load", "yaml.load_all") and "_Loader" not in "".join(loaders):
            yield name
        if name.endswith("Environment") and name.startswith("jinja2"):
            words = {word.arg: ast.dump(word.value) for word in node.keywords}
            if "True" not in words.get("autoescape", ""):
                yield f"{name} without autoescape"
        if name.startswith("yaml.") and "unsafe" in name.lower():
            yield name


def test_nothing_runs_what_a_file_says() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}: {breach}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for breach in breaches(path.read_text(encoding="utf-8"))
    }
    assert found == {"track/leash.py: runpy"}  # starts the MLflow server, by its constant name


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from joblib import load", "eval('1')", "os.system('x')",
        "subprocess.run('x', shell=True)", "torch.load('x', weights_only=False)",
        "torch.load('x')", "yaml.load(text, Loader=yaml.Loader)", "yaml.unsafe_load(text)",
        "jinja2.Environment()", "hydra.utils.instantiate(config)",
    ],
)  # fmt: skip
def test_a_breach_is_found(text: str) -> None:
    assert list(breaches(text))


def test_the_loaders_of_yaml_are_safe_ones() -> None:
    import yaml

    from selector.config import bounded
    from selector.track import record

    for module in (bounded, record):
        assert module._Loader in (yaml.SafeLoader, getattr(yaml, "CSafeLoader", None))
