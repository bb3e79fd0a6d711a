"""How hot an NVIDIA GPU is, what it draws, and whether it slows itself down: asked of NVML.

NVML comes with the driver; its Python door is the package nvidia-ml-py, which is never required.
"""

from __future__ import annotations

import importlib
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from selector.errors import LaunchError

_LOOK_EVERY = 5.0  # seconds; a reading takes about a millisecond, a GPU minutes to heat up
_COOLED = 5.0  # degrees below the limit at which a pause ends, so that it does not flicker
# https://docs.nvidia.com/deploy/nvml-api/group__nvmlClocksEventReasons.html: clocks held down by
# heat, or by the external power brake. The ordinary power cap (0x4) is a GPU at full work.
_THROTTLED = 0x8 | 0x20 | 0x40 | 0x80
_GPU_CORE = 0  # NVML_TEMPERATURE_GPU


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a GPU said of itself at one moment."""

    celsius: float
    watts: float | None
    """None where the GPU does not say."""
    throttled: bool
    """Whether heat, or a power brake, held its clocks down."""
    joules: float | None = None
    """Energy spent since its driver was loaded; None where the GPU does not count it."""


class Gauges(Protocol):
    """What reads devices."""

    def read(self, device: str) -> Reading | None:
        """A reading of a device as workers name it; None where it cannot be read."""


class Nvml:
    """NVML's readings of the GPUs that this process may use.

    Args:
        nvml: The module pynvml, or a stand-in.
        visible: CUDA_VISIBLE_DEVICES: which GPU `cuda:N` is. Empty: NVML's own order.
    """

    def __init__(self, nvml: Any, visible: str = "") -> None:
        self._nvml = nvml
        self._visible = [name.strip() for name in visible.split(",") if name.strip()]
        nvml.nvmlInit()

    def driver(self) -> str:
        """The version of NVIDIA's driver."""
        return str(self._nvml.nvmlSystemGetDriverVersion())

    def read(self, device: str) -> Reading | None:
        """A reading of `cuda:N`; None of other devices, and where NVML cannot tell."""
        kind, _, index = device.partition(":")
        if kind != "cuda":
            return None
        nvml = self._nvml
        try:
            handle = self._handle(int(index or 0))
            reasons = getattr(nvml, "nvmlDeviceGetCurrentClocksEventReasons", None)
            reasons = reasons or nvml.nvmlDeviceGetCurrentClocksThrottleReasons  # before CUDA 12.2
            celsius = nvml.nvmlDeviceGetTemperature(handle, _GPU_CORE)
            throttled = bool(self._may_fail(reasons, handle, 0) & _THROTTLED)
        except (nvml.NVMLError, IndexError):
            return None
        milliwatts = self._may_fail(nvml.nvmlDeviceGetPowerUsage, handle, None)
        watts = None if milliwatts is None else milliwatts / 1000
        counter = getattr(nvml, "nvmlDeviceGetTotalEnergyConsumption", None)  # from Volta on
        spent = self._may_fail(counter, handle, None) if counter else None
        return Reading(
            celsius=float(celsius),
            watts=watts,
            throttled=throttled,
            joules=None if spent is None else spent / 1000,
        )

    def _handle(self, index: int) -> Any:
        nvml = self._nvml
        name = self._visible[index] if self._visible else str(index)
        if name.isdigit():
            return nvml.nvmlDeviceGetHandleByIndex(int(name))
        if name.startswith("MIG-"):  # a part of a GPU: heat and power are the whole one's
            part = nvml.nvmlDeviceGetHandleByUUID(name)
            return nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part)
        for place in range(nvml.nvmlDeviceGetCount()):  # CUDA takes the beginning of a name too
            handle = nvml.nvmlDeviceGetHandleByIndex(place)
            if str(nvml.nvmlDeviceGetUUID(handle)).startswith(name):
                return handle
        raise IndexError(name)

    def _may_fail(self, ask: Callable[[Any], Any], handle: Any, otherwise: Any) -> Any:
        """What not every GPU supports."""
        try:
            return ask(handle)
        except self._nvml.NVMLError:
            return otherwise


def connect() -> Nvml | str:
    """The gauges of this machine, or why there are none."""
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return "the package nvidia-ml-py is not installed"
    try:
        return Nvml(nvml, os.environ.get("CUDA_VISIBLE_DEVICES", ""))
    except nvml.NVMLError as error:
        return f"NVML cannot be asked: {error}"


class Telemetry:
    """Looks at the devices now and then, and keeps what it saw for the runs on them.

    Args:
        gauges: None: nothing is ever seen.
        pause_above: Degrees Celsius above which a device is too hot; 0: none ever is.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        gauges: Gauges | None,
        pause_above: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gauges, self._limit, self._clock = gauges, pause_above, clock
        self._looked = -_LOOK_EVERY
        self._hot: set[str] = set()
        self._seen: dict[str, list[tuple[float, Reading]]] = {}

    def look(self, devices: Iterable[str], running: Mapping[str, str]) -> None:
        """Read every device, at most every five seconds; `running`: key of a run -> its device."""
        now = self._clock()
        if self._gauges is None or now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        readings = {device: self._gauges.read(device) for device in set(devices)}
        for device, reading in readings.items():
            if reading is not None and self._limit:
                limit = self._limit - _COOLED * (device in self._hot)
                (self._hot.add if reading.celsius > limit else self._hot.discard)(device)
        for key, device in running.items():
            reading = readings.get(device)
            if reading is not None:
                self._seen.setdefault(key, []).append((now, reading))

    def too_hot(self, device: str) -> bool:
        """Whether a run on `device` should wait."""
        return device in self._hot

    def facts(self, key: str, seconds: float) -> dict[str, float]:
        """What was seen during the run `key`, which took `seconds` and is over, for its result.

        Returns:
            `device_celsius`: the highest temperature; `device_celsius_mean`: its mean over the
            looks. `device_watts`: the mean power, from the GPU's own count of energy between the
            first and the last look where it has one, else the mean of the looks. `device_joules`:
            that power times the run's seconds. `throttled_share`: the share of looks at which
            clocks were held down. Of the whole device, whoever else uses it. Empty where nothing
            was seen.
        """
        seen = self._seen.pop(key, [])
        if not seen:
            return {}
        readings = [reading for _, reading in seen]
        found = {
            "device_celsius": max(reading.celsius for reading in readings),
            "device_celsius_mean": statistics.fmean(reading.celsius for reading in readings),
            "throttled_share": statistics.fmean(reading.throttled for reading in readings),
        }
        watts = _power(seen)
        if watts is None:
            return found
        return found | {"device_watts": watts, "device_joules": watts * seconds}


def open_telemetry(devices: Sequence[str], pause_above: float, gauges: Gauges | None) -> Telemetry:
    """Gauges where there is an NVIDIA GPU among `devices`, or those given.

    Raises:
        LaunchError: a pause was asked for that could never come, since nothing measures.
    """
    found: Gauges | str = "there is no NVIDIA GPU"
    if gauges or any(device.startswith("cuda") for device in devices):
        found = gauges or connect()
    if not isinstance(found, str):
        return Telemetry(found, pause_above)
    if pause_above:
        raise LaunchError(
            f"launcher.pause_above_celsius: expected 0 here, got {pause_above:g}: {found}"
        )
    return Telemetry(None)


def _power(seen: Sequence[tuple[float, Reading]]) -> float | None:
    """Mean watts over (second, reading); None where the GPU tells neither energy nor power."""
    (began, first), (ended, last) = seen[0], seen[-1]
    if first.joules is not None and last.joules is not None and ended > began:
        return (last.joules - first.joules) / (ended - began)
    watts = [reading.watts for _, reading in seen if reading.watts is not None]
    return statistics.fmean(watts) if watts else None
