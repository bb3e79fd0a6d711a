from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from selector.errors import ConfigError, StudyError
from selector.track.ui import serve
from tests.track.examples import origin, result, run
from tests.track.stored import Stored

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from selector.track.ui import serve
ready = lambda address: print(address, flush=True)
code = serve(Path(sys.argv[2]), int(sys.argv[3]), ready=ready)
assert "mlflow" not in sys.modules
sys.exit(code)
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def listening_addresses(port: int) -> set[str]:
    """Local addresses that listen on `port`, from the kernel's tables (hexadecimal)."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state = line.split()[:4]
            address, in_hex = local.split(":")
            if state == "0A" and int(in_hex, 16) == port:
                found.add(address)
    return found


def processes_with(word: str) -> set[int]:
    """Ids of the processes whose command line holds `word`."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in entry.read_bytes().decode(errors="replace").split("\0"):
                found.add(int(entry.parent.name))
        except OSError:
            continue  # it has just ended
    return found


def start(runs: Path, port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(ROOT), str(runs), str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def get(address: str, **headers: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(address, headers=headers), timeout=10) as answer:
        return bytes(answer.read())


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc: Linux only")
def test_the_ui_shows_the_store_on_this_machine_only_and_ends_on_sigterm(
    stored: Stored, folder: Path
) -> None:
    tracker = stored.tracker()
    tracker.started(run("a"), origin("shown in the ui"))
    tracker.ended("a", result())
    tracker.artifacts("shown in the ui", [folder / "index.html"])
    assert tracker.close(30) == ""
    (report,) = stored.found("shown in the ui", "study").values()
    port = free_port()
    with start(stored.runs, port) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        address = server.stdout.readline().strip()
        assert address == f"http://127.0.0.1:{port}"
        assert b"<title>MLflow" in get(address)
        listing = json.loads(get(f"{address}/api/2.0/mlflow/experiments/search?max_results=100"))
        assert "shown in the ui" in {each["name"] for each in listing["experiments"]}
        file = get(f"{address}/get-artifact?path=index.html&run_uuid={report.info.run_id}")
        assert file == b"<p>the report</p>"
        with pytest.raises(urllib.error.HTTPError, match="403"):
            get(f"{address}/api/2.0/mlflow/experiments/search?max_results=1", Host="evil.example")
        assert listening_addresses(port) == {"0100007F"}  # 127.0.0.1, and no IPv6
        assert processes_with(str(port)) > {server.pid}
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
        assert listening_addresses(port) == set()
        assert processes_with(str(port)) == set()
        assert server.stderr.read() == ""


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads /proc: Linux only")
def test_the_server_dies_with_a_command_that_is_killed(stored: Stored) -> None:
    port = free_port()
    with start(stored.runs, port) as server:
        assert server.stdout is not None
        assert server.stdout.readline()
        os.kill(server.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while processes_with(str(port)) - {server.pid}:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_taken_port_is_refused_with_a_way_out(stored: Stored) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127.0.0.1:{port} .*selector ui --port \d+"):
            serve(stored.runs, port)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_out_of_range_is_refused(stored: Stored, port: int) -> None:
    with pytest.raises(ConfigError, match=f"expected 1 to 65535, got {port}"):
        serve(stored.runs, port)


def test_a_folder_without_a_store_says_so_and_stays_empty(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="nothing has been recorded yet"):
        serve(tmp_path, free_port())
    assert list(tmp_path.iterdir()) == []


def test_a_server_needs_no_server(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="http://host:5000 is a server already"):
        serve(tmp_path, free_port(), "http://host:5000")
