from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from selector.config.compute import Compute
from selector.launch import LAUNCHERS
from selector.launch.execute import device_for
from selector.launch.messages import Channel, plain_ended, plain_run, read_ended, read_run
from selector.launch.runner import RUNNERS, Runner
from selector.track.run import Ended, Outcome
from tests.launch.examples import function_config, function_run


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    pair = tuple(Channel(end) for end in socket.socketpair())
    yield pair[0], pair[1]
    for channel in pair:
        channel.close()


def test_a_run_survives_the_journey(tmp_path: Path) -> None:
    run = function_run("a/b", "learns", tmp_path, words=("x", "ü"), rate=1.0, on=True, big=2**60)
    assert read_run(json.loads(json.dumps(plain_run(run)))) == run
    longer = replace(run, trunk_for=2**40, branch=tmp_path / "ü" / "short")
    assert read_run(json.loads(json.dumps(plain_run(longer)))) == longer


def test_an_end_survives_the_journey() -> None:
    end = Ended(outcome=Outcome.LOST, steps=3, seconds=0.1, error="\udc80 ü\n", facts={"k": [1]})
    assert read_ended(json.loads(json.dumps(plain_ended(end)))) == end


def test_messages_arrive_whole_and_in_order(ends: tuple[Channel, Channel]) -> None:
    sent = [{"number": number, "text": "x" * (number * 997 % 70_000)} for number in range(60)]

    def send_all() -> None:
        for message in sent:
            ends[0].send(message)
        ends[0].close()

    sender = threading.Thread(target=send_all)
    sender.start()
    received = []
    while not ends[1].ended:
        received += ends[1].receive(wait=True)
    sender.join()
    assert received == sent


def test_open_files_arrive_with_their_messages(
    ends: tuple[Channel, Channel], tmp_path: Path
) -> None:
    for number in range(5):
        with (tmp_path / str(number)).open("w+") as file:
            file.write(str(number))
            file.flush()
            ends[0].send({"number": number}, file.fileno())
    messages = ends[1].receive(wait=False)
    assert [message["number"] for message in messages] == list(range(5))
    for number, descriptor in enumerate(ends[1].descriptors):
        assert os.pread(descriptor, 9, 0) == str(number).encode()
        os.close(descriptor)


def test_numbers_that_are_not_finite_arrive(ends: tuple[Channel, Channel]) -> None:
    ends[0].send({"values": [math.inf, -math.inf, math.nan]})
    ((values,),) = (message.values() for message in ends[1].receive(wait=False))
    assert values[:2] == [math.inf, -math.inf]
    assert math.isnan(values[2])


@pytest.mark.parametrize(
    ("asked", "worker", "used"),
    [
        ("auto", "cuda:1", "cuda:1"),
        ("cuda", "cuda:1", "cuda:1"),
        ("cuda:0", "cuda:1", "cuda:0"),
        ("cpu", "cuda:1", "cpu"),
        ("auto", "cpu", "cpu"),
        ("mps", "cpu", "mps"),
    ],
)
def test_a_run_uses_its_worker_s_device_unless_told_otherwise(
    asked: str, worker: str, used: str
) -> None:
    config = function_config("learns")
    object.__setattr__(config, "compute", Compute(device=asked))
    assert device_for(config, worker) == used


def test_the_registries_hold_what_they_say() -> None:
    assert all(isinstance(make(), Runner) for make in RUNNERS.values())
    assert set(LAUNCHERS) == {"inline", "local"}


def test_the_controller_s_side_imports_no_torch() -> None:
    code = (
        "import sys, selector.launch, selector.launch.local, selector.launch.inline,"
        " selector.launch.function, selector.launch.bank; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
