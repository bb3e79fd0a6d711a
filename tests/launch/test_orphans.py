"""What an earlier controller could not end is ended by the next one, and nothing else is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from selector.config.schema import Launch
from selector.launch import LAUNCHERS, orphans
from tests.contracts.launcher import drain
from tests.launch.examples import function_run
from tests.launch.test_local import ROOT, alive, processes_of, wait_for


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    )
    yield process
    process.kill()
    process.wait()


def test_an_orphan_is_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    path = tmp_path / orphans.FILE
    orphans.note(path, [sleeper.pid], "no mark")
    assert orphans.reap(path) == 1
    wait_for(lambda: not alive(sleeper.pid))
    assert not path.exists()
    assert orphans.reap(path) == 0


@pytest.mark.parametrize("part", ["start", "boot"])
def test_another_process_with_its_id_lives_on(
    tmp_path: Path, sleeper: subprocess.Popen[bytes], part: str
) -> None:
    path = tmp_path / orphans.FILE
    orphans.note(path, [sleeper.pid], "no mark")
    content = json.loads(path.read_text())
    (content["processes"][0] if part == "start" else content)[part] = "1"
    path.write_text(json.dumps(content))
    assert orphans.reap(path) == 0
    assert alive(sleeper.pid)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"boot": 1}', "\0" * 99])
def test_a_damaged_note_holds_nobody_up(tmp_path: Path, text: str) -> None:
    path = tmp_path / orphans.FILE
    path.write_text(text)
    assert orphans.reap(path) == 0
    assert not path.exists()


def test_a_launcher_notes_its_processes_while_it_has_them(tmp_path: Path) -> None:
    path = tmp_path / orphans.FILE
    launch = Launch(workers=4, memory_gib=2.0, total_memory_gib=5.0)
    with LAUNCHERS["local"](launch, tmp_path) as launcher:
        assert launcher.room() == 2, "three would not fit into the memory of all"
        launcher.submit(function_run("one", "learns"))
        drain(launcher, {"one"})
        noted = [row["process"] for row in json.loads(path.read_text())["processes"]]
        assert len(noted) == 2
        assert all(alive(process) for process in noted)
    assert not path.exists()


def test_what_left_its_worker_s_group_is_ended_with_the_launcher(tmp_path: Path) -> None:
    with LAUNCHERS["local"](Launch(workers=1), tmp_path) as launcher:
        launcher.submit(function_run("one", "leaves_a_session", tmp_path))
        drain(launcher, {"one"})
        session = int((tmp_path / "session.txt").read_text())
        assert alive(session)
    wait_for(lambda: not alive(session), 2.0)
    assert not (tmp_path / orphans.FILE).exists()


SCRIPT = """
import sys
from pathlib import Path
from selector.launch.local import LocalLauncher
from selector.launch.orphans import FILE
from tests.launch.examples import function_run

folder = Path(sys.argv[1])
launcher = LocalLauncher(1, processes=folder / FILE)
launcher.submit(function_run("one", "outlives", folder))
while True:
    launcher.poll(1.0)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl, to be without it")
def test_a_worker_that_nothing_else_ends_and_what_it_started_are_ended(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    controller = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], env=environment)
    try:
        worker, forkserver, child = processes_of(tmp_path)
        wait_for(lambda: str(worker) in (tmp_path / orphans.FILE).read_text())
    finally:
        controller.kill()
        controller.wait()
    wait_for(lambda: not alive(forkserver), 2.0)
    assert alive(worker)
    assert alive(child)
    assert orphans.reap(tmp_path / orphans.FILE) == 2
    wait_for(lambda: not alive(worker) and not alive(child), 2.0)
