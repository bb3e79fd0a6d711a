from __future__ import annotations

import os
from pathlib import Path

import pytest

from selector.track.points import Curve


def written(folder: Path, text: str, seconds: float) -> None:
    path = folder / "metrics.jsonl"
    path.write_text(text)
    os.utime(path, (seconds, seconds))


@pytest.fixture
def curve(tmp_path: Path) -> Curve:
    (tmp_path / "run.yaml").touch()
    os.utime(tmp_path / "run.yaml", (1000.0, 1000.0))
    return Curve(tmp_path)


def test_only_whole_lines_are_read_and_each_once(curve: Curve, tmp_path: Path) -> None:
    text = "".join(f'{{"step": {step}, "loss": {step}.5}}\n' for step in range(5))
    read = []
    for cut in range(len(text) + 1):
        written(tmp_path, text[:cut], 1010.0)
        read += [(point.step, point.value) for point in curve.read()]
        assert len(read) == text[:cut].count("\n")
    assert read == [(step, step + 0.5) for step in range(5)]


def test_values_lie_in_order_between_the_times_of_the_files(curve: Curve, tmp_path: Path) -> None:
    text = "".join(f'{{"step": {step}, "loss": 1.0, "lr": 2.0}}\n' for step in range(10))
    written(tmp_path, text, 1010.0)
    points = curve.read()
    times = [point.milliseconds for point in points]
    assert len(points) == 20
    assert times == sorted(times)
    assert times[0] == 1_001_000
    assert times[-1] == 1_010_000
    written(tmp_path, text + '{"step": 10, "loss": 1.0}\n', 1020.0)
    assert [point.milliseconds for point in curve.read()] == [1_020_000]


def test_a_long_curve_comes_in_pieces(curve: Curve, tmp_path: Path) -> None:
    rows = 60_000
    written(tmp_path, "".join(f'{{"step": {s}, "loss": 1.0}}\n' for s in range(rows)), 1010.0)
    pieces = list(iter(curve.read, []))
    assert max(map(len, pieces)) < rows / 3
    assert [point.step for piece in pieces for point in piece] == list(range(rows))
    assert curve.read_bytes == curve.size


@pytest.mark.parametrize("folder", [None, Path("not") / "there"])
def test_where_nothing_is_there_is_nothing_to_read(folder: Path | None) -> None:
    assert Curve(folder).read() == []
    assert Curve(folder).size == 0
