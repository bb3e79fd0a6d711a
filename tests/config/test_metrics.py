"""The table of metrics: complete, defined where it says, and shown in docs/metrics.md."""

from __future__ import annotations

import importlib
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from selector.config.dotted import has_key
from selector.config.identity import plain
from selector.config.metrics import DIFFERENCES, METRICS, Metric, better_for, find
from tests.report.build import config

PAGE = Path(__file__).parent.parent.parent / "docs" / "metrics.md"


def row(metric: Metric) -> str:
    """A metric's line in docs/metrics.md."""
    limits = [
        f"{name} → {f'`{other}`' if other else 'none'}" for name, other in metric.unlike.items()
    ]
    module, _, name = metric.defined.partition(":")
    cells = [
        f"`{metric.name}`",
        metric.unit or "–",
        metric.better or "–",
        metric.meaning,
        "; ".join(limits) or "–",
        f"`{module.replace('.', '/')}.py` `{name}`",
    ]
    return f"| {' | '.join(cells)} |"


def test_the_page_shows_every_metric_and_no_other():
    text = PAGE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    rows = [row(metric) for metric in METRICS]
    kinds = [
        f"| `{'`, `'.join(item.keys)}` | {name} | {item.why} |"
        for name, item in DIFFERENCES.items()
    ]
    missing = [line for line in (*rows, *kinds) if line not in lines]
    assert not missing, "docs/metrics.md lacks:\n" + "\n".join(missing)
    assert len(lines) == len(rows) + len(kinds), set(lines) - {*rows, *kinds}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_defined_where_the_table_says(metric):
    module, _, path = metric.defined.partition(":")
    place = importlib.import_module(module)
    for name in path.split("."):
        place = getattr(place, name)
    if is_dataclass(place):
        assert metric.name in [item.name for item in fields(place)]
        return
    part, _, leaf = metric.name.partition("/")
    parts = ("validation", "test", "pruned", "quantized")
    named = metric.name.replace("*", "N")
    if part in parts and leaf != "bytes":
        named = f"PART/{leaf}"
    assert f"`{named}`" in (place.__doc__ or "") or place.__name__ == named


def test_names_are_found_and_others_are_not():
    assert find("gradient_norm/block/31").name == "gradient_norm/block/*"
    assert find("gradient_norm").name == "gradient_norm"
    assert [find(name) for name in ("gradient_norm/block/", "validation/f1", "", "loss")] == [
        None
    ] * 4
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_what_runs_differ_in_are_keys_of_a_configuration():
    mapping = plain(config())
    for difference in DIFFERENCES.values():
        assert [key for key in difference.keys if not has_key(mapping, key)] == []


def test_a_metric_to_use_instead_can_judge_or_is_a_cost_and_is_better_in_that_respect():
    for metric in METRICS:
        for difference, other in metric.unlike.items():
            assert difference in DIFFERENCES
            if other:
                found = find(other)
                assert found.better
                assert difference not in found.unlike
                assert better_for(metric, [difference]) == found
                assert found.fact or not found.judges_not or metric.judges_not
