"""Is this machine fit for studies? What is here, what will be used, what is missing for what."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from selector.config import extras
from selector.launch import telemetry
from selector.launch.cores import available_cores
from selector.track.place import Place, look

if TYPE_CHECKING:
    from selector.train.capabilities import Capabilities

State = Literal["ok", "warning", "missing", "broken"]

_GROUPS = ("software", "device", "in use", "runs folder", "features")
_OLDEST = (3, 11)
_LIBRARIES = (
    *("torch", "numpy", "scipy", "optuna", "hydra-core", "omegaconf", "mlflow", "pandas"),
    *("plotly", "jinja2", "rich", "psutil", "pyyaml", "safetensors"),
)
#: Package -> (what is imported, what it is for). None of them is needed by anything else.
_OPTIONAL = {
    "pytorch_optimizer": ("pytorch_optimizer", "tier-2 optimizers by name (SOAP, Prodigy ...)"),
    "schedulefree": ("schedulefree", "schedule-free optimizers"),
    "nvidia-ml-py": ("pynvml", "temperature and power of NVIDIA GPUs"),
}
_DRIVER = Path("/proc/driver/nvidia/version")
_SLOW_WRITE = 0.05  # seconds; every run makes a few dozen safe writes
_LITTLE_ROOM, _NO_ROOM = 5 * 2**30, 100 * 2**20  # bytes


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    group: str
    name: str
    text: str
    """What was found."""
    state: State = "ok"
    """warning: works, with care. missing: a feature needs it. broken: no study can run."""
    remedy: str = ""
    """What to do about it."""


def checkup(runs: Path) -> list[Finding]:
    """Everything that was looked at, in the order to show it; `runs` is where runs are kept."""
    found = [*_software(), *_torch(), *_place(look(runs), runs), *_optional()]
    return sorted(found, key=lambda finding: _GROUPS.index(finding.group))


def broken(findings: list[Finding]) -> bool:
    """Whether something that every study needs does not work."""
    return any(finding.state == "broken" for finding in findings)


def _software() -> Iterator[Finding]:
    old = sys.version_info < _OLDEST
    yield Finding(
        group="software",
        name="Python",
        text=f"{platform.python_version()} on {platform.platform(terse=True)}",
        state="broken" if old else "ok",
        remedy="install Python 3.11 or later" if old else "",
    )
    if sys.platform == "win32":
        yield Finding(
            group="software",
            name="system",
            text="Windows has no fork and no flock",
            state="broken",
            remedy="use WSL 2",
        )
    versions = {name: _version(name) for name in _LIBRARIES}
    lacking = [name for name, version in versions.items() if not version]
    shown = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    yield Finding(group="software", name="libraries", text=shown)
    if lacking:
        yield Finding(
            group="software",
            name="libraries",
            text=f"not installed: {', '.join(lacking)}",
            state="broken",
            remedy=f"pip install {' '.join(lacking)}",
        )


def _torch() -> Iterator[Finding]:
    """Devices, and what runs will use; PyTorch is imported here."""
    try:
        from selector.train.capabilities import capabilities

        found = capabilities()
    except Exception as error:  # noqa: BLE001 - a broken installation fails in any way it likes
        reason = (str(error) or type(error).__name__).splitlines()[0]
        yield Finding(
            group="device",
            name="PyTorch",
            text=f"cannot be used: {reason}",
            state="broken",
            remedy="install it again: https://pytorch.org/get-started",
        )
        return
    yield from _driver(found)
    yield from _devices(found)
    yield from _use(found)


def _driver(found: Capabilities) -> Iterator[Finding]:
    driver = _driver_version()
    built = f"CUDA {found.cuda}" if found.cuda else "no GPU"
    yield Finding(group="device", name="PyTorch", text=f"{found.torch}, built for {built}")
    yield Finding(group="device", name="NVIDIA driver", text=driver or "none")
    if driver and found.devices[0].name.partition(":")[0] == "cpu":
        if found.cuda:
            said = f": {found.said[0]}" if found.said else ""
            text, remedy = f"PyTorch finds no GPU{said}", "update the driver, or see nvidia-smi"
        else:
            text = "this PyTorch is built for CPUs alone"
            remedy = "install one built for CUDA: https://pytorch.org/get-started"
        yield Finding(group="device", name="GPU", text=text, state="warning", remedy=remedy)


def _devices(found: Capabilities) -> Iterator[Finding]:
    for device in found.devices:
        memory = "" if device.memory_gib is None else f"{device.memory_gib:.1f} GiB of memory"
        text = ", ".join(part for part in (device.model, memory) if part) or "no details"
        yield Finding(group="device", name=device.name, text=text)


def _use(found: Capabilities) -> Iterator[Finding]:
    first, cores = found.devices[0], available_cores()
    on_cpu = first.name == "cpu"
    workers = cores if on_cpu else len(found.devices)
    each = "a CPU core" if on_cpu else "a device"
    plural = "" if workers == 1 else "s"
    text = f"{workers} worker{plural}, each with {each} and one CPU thread ({cores} cores here)"
    yield Finding(group="in use", name="workers", text=text)
    yield Finding(group="in use", name="precision", text=", ".join(first.precisions))
    for name, reason in first.refused.items():
        yield Finding(
            group="features", name=f"precision {name}", text=reason, state="missing",
            remedy=f"use compute.precision={'bf16' if 'bf16' in first.precisions else 'fp32'}",
        )  # fmt: skip
    if first.no_compile:
        text, _, remedy = first.no_compile.partition("; ")
        yield Finding(
            group="features", name="compute.compile", text=text, state="missing", remedy=remedy
        )
    else:
        yield Finding(group="features", name="compute.compile", text="can be switched on")


def _place(found: Place, runs: Path) -> Iterator[Finding]:
    def finding(name: str, text: str, state: State = "ok", remedy: str = "") -> Finding:
        return Finding(group="runs folder", name=name, text=text, state=state, remedy=remedy)

    other = "choose another folder with --runs DIR"
    yield finding("folder", str(runs) + ("" if runs.exists() else " (will be made)"))
    if found.mistake:
        text = f"{found.folder} cannot be written to: {found.mistake}"
        yield finding("writing", text, "broken", other)
        return
    room = f"{found.free_bytes / 2**30:.1f} GiB"
    if found.free_bytes < _NO_ROOM:
        yield finding("free", room, "broken", f"make room, or {other}")
    elif found.free_bytes < _LITTLE_ROOM:
        text = f"{room}; every judged run keeps its weights"
        yield finding("free", text, "warning", f"make room, or {other}")
    else:
        yield finding("free", room)
    took = f"{found.write_seconds * 1000:.1f} ms until a small write is on the disk"
    if found.write_seconds > _SLOW_WRITE:
        yield finding("fsync", took, "warning", f"slow; for short runs {other}")
    else:
        yield finding("fsync", took)
    if found.locks:
        yield finding("locks", "a lock keeps a second process out of a study")
    else:
        text = "a lock does not keep a second process out of a study"
        yield finding("locks", text, "broken", other)
    yield _filesystem(found, finding)


def _filesystem(found: Place, finding: Callable[..., Finding]) -> Finding:
    name = found.filesystem or "unknown"
    if found.kind == "network":
        text = f"{name}, another machine's: a lock may not hold across machines"
        return finding("file system", text, "warning", "never run one study from two machines")
    if found.kind == "overlay":
        text = f"{name}: a container's own layer, which goes with the container"
        return finding("file system", text, "warning", "mount a folder of the host for --runs")
    if found.kind == "memory":
        text = f"{name}: memory, which is empty after a restart"
        return finding("file system", text, "warning", "choose a folder on a disk with --runs DIR")
    return finding("file system", name)


def _optional() -> Iterator[Finding]:
    for package, (module, purpose) in _OPTIONAL.items():
        if importlib.util.find_spec(module) is None:
            yield Finding(
                group="features", name=package, text=f"not installed; for {purpose}",
                state="missing", remedy=extras.remedy(package),
            )  # fmt: skip
        else:
            version = _version(package) or "installed"
            yield Finding(group="features", name=package, text=f"{version}; {purpose}")
    if importlib.util.find_spec("pynvml") is not None and isinstance(
        reason := telemetry.connect(), str
    ):
        yield Finding(
            group="features", name="temperature, power", text=reason, state="missing",
            remedy="needs an NVIDIA GPU and its driver",
        )  # fmt: skip


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _driver_version() -> str:
    """NVIDIA's driver, by NVML or the kernel's module; '' where there is none."""
    gauges: Any = telemetry.connect()
    if not isinstance(gauges, str):
        return str(gauges.driver())
    try:
        line = _DRIVER.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, IndexError):
        return ""
    words = [word for word in line.split() if word[0].isdigit()]
    return words[0] if words else line
