"""Readings of a GPU through a stand-in for NVML, and what follows from them."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from selector.launch.telemetry import Nvml, Reading, Telemetry, connect


class NVMLError(Exception):
    pass


class FakeNvml(SimpleNamespace):
    """Two GPUs; temperatures in degrees, power in milliwatts, reasons as bits."""

    NVMLError = NVMLError

    def __init__(self, **changes: Any) -> None:
        super().__init__(
            **(
                {"celsius": {0: 60, 1: 88}, "milliwatts": 250_000, "reasons": 0x4, "spent": None}
                | changes
            )
        )
        self.started = 0

    def nvmlInit(self) -> None:  # noqa: N802
        self.started += 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        if index not in self.celsius:
            raise NVMLError("Invalid Argument")
        return index

    def nvmlDeviceGetHandleByUUID(self, name: str) -> int:  # noqa: N802
        if name != "MIG-9c":
            raise NVMLError("Not Found")
        return 100

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, handle: int) -> int:  # noqa: N802
        return handle - 99

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.celsius)

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return ["GPU-0a77", "GPU-1b88"][handle]

    def nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:  # noqa: N802
        assert sensor == 0
        return self.celsius[handle]

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        if self.milliwatts is None:
            raise NVMLError("Not Supported")
        return self.milliwatts

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802
        if self.spent is None:
            raise NVMLError("Not Supported")
        return self.spent

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: int) -> int:  # noqa: N802
        return self.reasons


class Thermometer:
    """Gauges whose readings a test sets."""

    def __init__(self, celsius: float = 60.0) -> None:
        self.celsius, self.throttled, self.reads = celsius, False, 0
        self.watts: float | None = 200.0
        self.joules: float | None = None

    def read(self, device: str) -> Reading:
        self.reads += 1
        return Reading(
            celsius=self.celsius, watts=self.watts, throttled=self.throttled, joules=self.joules
        )


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("visible", "device", "celsius"),
    [
        ("", "cuda:0", 60.0),
        ("", "cuda:1", 88.0),
        ("1,0", "cuda:0", 88.0),
        ("GPU-1b88, GPU-0a77", "cuda:1", 60.0),
        ("GPU-1b", "cuda:0", 88.0),
        ("MIG-9c", "cuda:0", 88.0),
        ("", "cuda", 60.0),
    ],
)
def test_a_device_is_the_one_that_cuda_means(visible: str, device: str, celsius: float) -> None:
    reading = Nvml(FakeNvml(), visible).read(device)
    assert reading == Reading(celsius=celsius, watts=250.0, throttled=False)


@pytest.mark.parametrize(
    ("visible", "device"),
    [
        ("", "cpu"),
        ("", "mps"),
        ("", "cuda:7"),
        ("0", "cuda:1"),
        ("GPU-7", "cuda:0"),
        ("MIG-7", "cuda:0"),
    ],
)
def test_what_nvml_does_not_know_has_no_reading(visible: str, device: str) -> None:
    assert Nvml(FakeNvml(), visible).read(device) is None


@pytest.mark.parametrize(
    ("reasons", "throttled"),
    [
        (0x0, False),
        (0x1, False),
        (0x4, False),
        (0x8, True),
        (0x20, True),
        (0x40, True),
        (0x84, True),
    ],
)
def test_heat_and_brakes_throttle_and_the_power_cap_does_not(reasons: int, throttled: bool) -> None:
    reading = Nvml(FakeNvml(reasons=reasons)).read("cuda:0")
    assert reading is not None
    assert reading.throttled == throttled


def test_a_gpu_that_does_not_tell_its_power_is_read_all_the_same() -> None:
    reading = Nvml(FakeNvml(milliwatts=None)).read("cuda:0")
    assert reading == Reading(celsius=60.0, watts=None, throttled=False)


def test_nvml_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert connect() == "the package nvidia-ml-py is not installed"
    fake = FakeNvml()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    found = connect()
    assert isinstance(found, Nvml)
    reading = found.read("cuda:0")
    assert reading is not None
    assert (reading.celsius, fake.started) == (88.0, 1)
    monkeypatch.setattr(fake, "nvmlInit", lambda: fake.nvmlDeviceGetHandleByIndex(9))
    assert connect() == "NVML cannot be asked: Invalid Argument"


def test_looks_are_seldom_and_become_facts_of_the_run() -> None:
    gauges, clock = Thermometer(), Clock()
    telemetry = Telemetry(gauges, clock=clock)
    for celsius, throttled, wait in ((70.0, False, 6.0), (99.0, True, 1.0), (80.0, True, 6.0)):
        gauges.celsius, gauges.throttled = celsius, throttled
        telemetry.look(["cuda:0"], {"a": "cuda:0"})
        clock.now += wait
    assert gauges.reads == 2
    assert telemetry.facts("a", 10.0) == {
        "device_celsius": 99.0,
        "device_celsius_mean": 84.5,
        "throttled_share": 0.5,
        "device_watts": 200.0,
        "device_joules": 2000.0,
    }
    assert telemetry.facts("a", 10.0) == {}, "a run's readings are told once"
    assert not telemetry.too_hot("cuda:0"), "without a limit nothing is too hot"


def test_energy_is_the_gpu_s_own_count_where_it_keeps_one() -> None:
    gauges, clock = Thermometer(), Clock()
    telemetry = Telemetry(gauges, clock=clock)
    for spent in (7000.0, 7600.0, 10_000.0):  # mostly idle at the looks, which power alone sees
        gauges.joules, gauges.watts = spent, 50.0
        telemetry.look(["cuda:0"], {"a": "cuda:0"})
        clock.now += 6.0
    facts = telemetry.facts("a", 15.0)
    assert facts["device_watts"] == pytest.approx(3000 / 12)
    assert facts["device_joules"] == pytest.approx(250 * 15)
    gauges.joules = gauges.watts = None
    telemetry.look(["cuda:0"], {"b": "cuda:0"})
    assert "device_joules" not in telemetry.facts("b", 15.0)
    reading = Nvml(FakeNvml(spent=5_000_000)).read("cuda:0")
    assert reading is not None
    assert reading.joules == 5000.0


def test_a_pause_ends_five_degrees_below_its_limit() -> None:
    gauges, clock = Thermometer(), Clock()
    telemetry = Telemetry(gauges, 80.0, clock)
    seen = []
    for celsius in (80.0, 81.0, 79.0, 76.0, 75.0, 79.0, 85.0):
        gauges.celsius = celsius
        telemetry.look(["cuda:0"], {})
        seen.append(telemetry.too_hot("cuda:0"))
        clock.now += 5.0
    assert seen == [False, True, True, True, False, False, True]


def test_without_gauges_nothing_is_seen() -> None:
    telemetry = Telemetry(None, 80.0)
    telemetry.look(["cuda:0"], {"a": "cuda:0"})
    assert telemetry.facts("a", 1.0) == {}
    assert not telemetry.too_hot("cuda:0")
