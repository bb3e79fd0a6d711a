from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from selector.config.question import Notify
from selector.errors import ConfigError
from selector.study import delivery
from selector.study.delivery import Command, Webhook, ways

MESSAGE = {
    "study": "x", "state": "ended", "sentence": "two\nlines $(touch marker) \0", "finished": 3,
    "total": 4, "report": None,
}  # fmt: skip
#: What follows the host of a webhook's address is as good as a password.
SECRET = "T0/B1/hunter2hunter2"


def python(code: str, *arguments: object) -> Command:
    return Command((sys.executable, "-c", code, *map(str, arguments)))


@contextmanager
def server(*codes: int, headers: tuple[tuple[str, str], ...] = ()) -> Iterator[tuple[str, list]]:
    """An address, and the (path, body) of what was posted there; answers with `codes` in turn."""
    posted: list[tuple[str, dict]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posted.append((self.path, json.loads(body)))
            self.send_response(codes[min(len(posted), len(codes)) - 1])
            for header in headers:
                self.send_header(*header)
            self.end_headers()

        def do_GET(self) -> None:
            posted.append((self.path, {}))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}/{SECRET}", posted
        listening.shutdown()


def test_a_command_gets_the_message_and_no_shell(tmp_path: Path) -> None:
    code = (
        "import json, os, sys; own = {k: v for k, v in os.environ.items() if 'SELECTOR_' in k};"
        "json.dump([sys.stdin.read(), own, sys.argv[2:]], open(sys.argv[1], 'w'))"
    )
    out = tmp_path / "out.json"
    assert python(code, out, "$(touch marker)", "; touch marker").deliver(MESSAGE) == ""
    given, variables, arguments = json.loads(out.read_text())
    assert json.loads(given) == MESSAGE
    assert arguments == ["$(touch marker)", "; touch marker"]
    assert variables["SELECTOR_STATE"] == "ended"
    assert variables["SELECTOR_SENTENCE"] == "two lines $(touch marker)"
    assert (variables["SELECTOR_FINISHED"], variables["SELECTOR_REPORT"]) == ("3", "")
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_a_command_that_fails_or_is_not_there_is_said() -> None:
    assert python("raise SystemExit(3)").deliver(MESSAGE) == "it ended with exit code 3"
    assert Command(("/no/such/program",)).deliver(MESSAGE) == "No such file or directory"


def test_a_command_that_hangs_is_killed_with_its_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(delivery, "_COMMAND_SECONDS", 0.5)
    code = (
        "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']);"
        "open(sys.argv[1], 'w').write(str(p.pid)); time.sleep(60)"
    )
    out = tmp_path / "child"
    assert "longer than 0.5 s and was killed" in python(code, out).deliver(MESSAGE)
    deadline = time.monotonic() + 5
    stat = Path(f"/proc/{out.read_text()}/stat")
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_webhook_gets_the_message() -> None:
    with server(204) as (address, posted):
        assert Webhook(address, "HOOK").deliver(MESSAGE) == ""
    assert posted == [(f"/{SECRET}", MESSAGE)]


@pytest.mark.parametrize(
    ("codes", "times", "said"),
    [((503, 200), 2, ""), ((500,), 2, "it answered 500"), ((404,), 1, "it answered 404")],
)
def test_a_server_in_trouble_is_asked_once_more(
    monkeypatch: pytest.MonkeyPatch, codes: tuple[int, ...], times: int, said: str
) -> None:
    monkeypatch.setattr(delivery, "_PAUSE_SECONDS", 0.0)
    with server(*codes) as (address, posted):
        assert Webhook(address, "HOOK").deliver(MESSAGE) == said
    assert len(posted) == times


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/", "{own}/elsewhere"])
def test_no_redirect_is_followed(target: str) -> None:
    place = target.format(own="http://127.0.0.1")
    with server(302, headers=(("Location", place),)) as (address, posted):
        assert Webhook(address, "HOOK").deliver(MESSAGE) == "it answered 302"
    assert len(posted) == 1


@pytest.mark.parametrize("address", ["http://127.0.0.1:1", "http://127.0.0.1:1/with space"])
def test_a_webhook_that_is_away_is_said_without_its_address(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(delivery, "_PAUSE_SECONDS", 0.0)
    hook = Webhook(f"{address}/{SECRET}", "HOOK")
    said = hook.deliver(MESSAGE)
    assert said
    assert "hunter2" not in said + hook.name


def test_nobody_is_told_by_default() -> None:
    assert ways(Notify()) == []


def test_what_is_not_here_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", f"file:///{SECRET}")
    settings = Notify(command=("no-such-program",), webhook_variable="HOOK")
    with pytest.raises(ConfigError) as raised:
        ways(settings)
    first, second = raised.value.mistakes
    assert "there is no program 'no-such-program' here" in first
    assert "expected an http or https address" in second
    assert "hunter2" not in second
    monkeypatch.delenv("HOOK")
    with pytest.raises(ConfigError, match="variable HOOK is not set"):
        ways(Notify(webhook_variable="HOOK"))


def test_an_address_in_place_of_a_name_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="expected the name of an environment variable") as raised:
        Notify(webhook_variable=f"https://hooks.example.org/{SECRET}")
    assert "hunter2" not in str(raised.value)


def test_a_webhook_that_says_nothing_is_said_to_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_WEBHOOK_SECONDS", 0.2)
    monkeypatch.setattr(delivery, "_WEBHOOK_TRIES", 1)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        way = Webhook(f"http://127.0.0.1:{listening.getsockname()[1]}/x", "HOOK")
        assert way.deliver(MESSAGE) == "it is away (no answer within 0.2 s)"
