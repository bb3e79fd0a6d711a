"""Which devices there are, asked of a PyTorch that says what a test wants."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from selector.train import process


def fake(count: int, lost: tuple[int, ...] = ()) -> SimpleNamespace:
    """What `torch.cuda` says where `count` devices are counted, and those in `lost` are gone."""

    def properties(index: int) -> str:
        if index in lost:
            raise RuntimeError("CUDA error: unknown error\nand advice over many lines")
        return "a GPU"

    return SimpleNamespace(
        is_available=lambda: count > 0, device_count=lambda: count, get_device_properties=properties
    )


def test_all_devices_of_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "cuda", fake(2))
    assert process.available() == ["cuda:0", "cuda:1"]


@pytest.mark.parametrize(("metal", "expected"), [(True, ["mps"]), (False, ["cpu"])])
def test_without_them_the_best_that_is_left(
    monkeypatch: pytest.MonkeyPatch, metal: bool, expected: list[str]
) -> None:
    for kind in ("cuda", "xpu"):
        monkeypatch.setattr(torch, kind, fake(0))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: metal)
    assert process.available() == expected


def test_one_that_has_fallen_off_the_bus_is_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "cuda", fake(3, lost=(1,)))
    with pytest.warns(UserWarning, match="cuda:1 does not answer: CUDA error: unknown error$"):
        assert process.available() == ["cuda:0", "cuda:2"]


def test_where_none_answers_nothing_trains_on_the_cpu_instead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch, "cuda", fake(2, lost=(0, 1)))
    with pytest.raises(RuntimeError, match=r"cuda:0 does not answer.*cuda:1 does not answer"):
        process.available()
