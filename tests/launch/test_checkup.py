"""What is looked at on a machine, with stand-ins for machines that are not this one."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selector.launch import checkup, telemetry
from selector.launch.checkup import Finding
from selector.track.place import Place
from selector.train import capabilities
from selector.train.capabilities import Capabilities, Device

GPU = Device(
    name="cuda:0", model="NVIDIA A100", memory_gib=79.25, refused={"float8": "too old"},
    no_compile="needs the package triton, which is not installed; pip install triton",
)  # fmt: skip
CPU = Device(name="cpu", model="", memory_gib=8.0, refused={"tf32": "no effect"}, no_compile="")


def named(findings: list[Finding], name: str) -> Finding:
    """The last finding of this name."""
    return [finding for finding in findings if finding.name == name][-1]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[Finding]]:
    """The checkup of a machine with these devices, this driver and this runs folder."""

    def make(
        *devices: Device, cuda: str = "", driver: str = "", said: str = "", **place: Any
    ) -> list[Finding]:
        found = Capabilities(
            torch="2.13.0", cuda=cuda, devices=devices or (CPU,), said=(said,) if said else ()
        )
        where = {"free_bytes": 2**40, "write_seconds": 0.001, "locks": True, "filesystem": "ext4"}
        monkeypatch.setattr(capabilities, "capabilities", lambda: found)
        monkeypatch.setattr(checkup, "_driver_version", lambda: driver)
        monkeypatch.setattr(
            checkup, "look", lambda runs: Place(folder=tmp_path, **{**where, **place})
        )
        return checkup.checkup(tmp_path / "runs")

    return make


def test_this_machine_is_fit(tmp_path: Path) -> None:
    findings = checkup.checkup(tmp_path / "runs")
    assert not checkup.broken(findings)
    assert named(findings, "Python").text.startswith(f"{sys.version_info[0]}.")
    assert "(will be made)" in named(findings, "folder").text
    assert "fp32" in named(findings, "precision").text
    assert all(finding.remedy for finding in findings if finding.state != "ok")
    groups = [finding.group for finding in findings]
    assert sorted(groups, key=checkup._GROUPS.index) == groups


def test_gpus_are_used_and_what_they_lack_is_named(look: Callable[..., list[Finding]]) -> None:
    findings = look(GPU, GPU, cuda="13.0", driver="580.10")
    assert named(findings, "cuda:0").text == "NVIDIA A100, 79.2 GiB of memory"
    assert named(findings, "workers").text.startswith("2 workers, each with a device")
    assert named(findings, "precision").text == "fp32, tf32, bf16, fp16"
    assert named(findings, "NVIDIA driver").text == "580.10"
    lacking = named(findings, "precision float8")
    assert (lacking.state, lacking.text) == ("missing", "too old")
    compiling = named(findings, "compute.compile")
    assert compiling.text == "needs the package triton, which is not installed"
    assert compiling.remedy == "pip install triton"
    assert not checkup.broken(findings)


def test_a_driver_that_torch_cannot_use_is_a_warning(look: Callable[..., list[Finding]]) -> None:
    old = named(look(cuda="13.0", driver="470.1", said="driver too old"), "GPU")
    assert (old.state, old.text) == ("warning", "PyTorch finds no GPU: driver too old")
    other = named(look(driver="580.10"), "GPU")
    assert other.text == "this PyTorch is built for CPUs alone"
    assert "pytorch.org" in other.remedy
    assert not [finding for finding in look() if finding.name == "GPU"]


def test_a_torch_that_cannot_be_imported_is_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "selector.train.capabilities", None)
    findings = checkup.checkup(tmp_path)
    found = named(findings, "PyTorch")
    assert (found.state, checkup.broken(findings)) == ("broken", True)
    assert "cannot be used: import of selector.train.capabilities halted" in found.text


def test_a_library_that_is_not_installed_is_broken(
    monkeypatch: pytest.MonkeyPatch, look: Callable[..., list[Finding]]
) -> None:
    def version(package: str) -> str:
        if package in ("optuna", "schedulefree"):
            raise importlib.metadata.PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = named(look(), "libraries")
    assert (found.state, found.text) == ("broken", "not installed: optuna")
    assert found.remedy == "pip install optuna"


def test_optional_packages_are_missing_for_a_feature_alone(
    monkeypatch: pytest.MonkeyPatch, look: Callable[..., list[Finding]]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    findings = look()
    for package, what in {
        "pytorch_optimizer": "'selector[optimizers]'",
        "schedulefree": "'selector[optimizers]'",
        "nvidia-ml-py": "nvidia-ml-py",
    }.items():
        found = named(findings, package)
        assert (found.state, found.remedy) == ("missing", f"pip install {what}")
    assert not checkup.broken(findings)


def test_nvml_names_the_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Driver:
        def nvmlInit(self) -> None:  # noqa: N802
            pass

        def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
            return "580.10"

    monkeypatch.setattr(telemetry, "connect", lambda: telemetry.Nvml(Driver()))
    assert checkup._driver_version() == "580.10"
    monkeypatch.setattr(telemetry, "connect", lambda: "no NVML")
    monkeypatch.setattr(checkup, "_DRIVER", tmp_path / "version")
    assert checkup._driver_version() == ""
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64  550.54  Tue\nGCC\n")
    assert checkup._driver_version() == "550.54"


@pytest.mark.parametrize(
    ("place", "name", "state", "text"),
    [
        ({"mistake": "Read-only file system"}, "writing", "broken", "Read-only file system"),
        ({"locks": False}, "locks", "broken", "does not keep a second process out"),
        ({"free_bytes": 2**20}, "free", "broken", "0.0 GiB"),
        ({"free_bytes": 2**31}, "free", "warning", "2.0 GiB"),
        ({"write_seconds": 0.2}, "fsync", "warning", "200.0 ms"),
        ({"filesystem": "nfs4"}, "file system", "warning", "another machine's"),
        ({"filesystem": "overlay"}, "file system", "warning", "goes with the container"),
        ({"filesystem": "tmpfs"}, "file system", "warning", "empty after a restart"),
        ({"filesystem": ""}, "file system", "ok", "unknown"),
    ],
)
def test_a_runs_folder_that_needs_care(
    look: Callable[..., list[Finding]], place: dict[str, Any], name: str, state: str, text: str
) -> None:
    findings = look(**place)
    found = named(findings, name)
    assert (found.state, text in found.text) == (state, True)
    assert bool(found.remedy) is (state != "ok")
    assert checkup.broken(findings) is (state == "broken")
