"""How a notification leaves the machine: a command of the user's, or a POST to a webhook.

Both are slow and may fail; `selector.study.notify` calls them from a thread of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from selector.config.question import Notify
from selector.config.secrets import value_of
from selector.errors import ConfigError

_COMMAND_SECONDS = 20.0
_WEBHOOK_SECONDS = 5.0
_WEBHOOK_TRIES = 2
_PAUSE_SECONDS = 1.0
#: What of a message a command finds in its environment, as SELECTOR_STUDY and so on.
_VARIABLES = ("study", "state", "sentence", "finished", "total", "report")


class Way(ABC):
    """One way to tell somebody."""

    name: str
    """For people; never holds an address."""

    @abstractmethod
    def deliver(self, message: Mapping[str, Any]) -> str:
        """Deliver plain data; returns why it was not delivered, empty where it was."""


class Command(Way):
    """Runs a program without a shell: the message is JSON on its standard input.

    What the program prints is thrown away; it is killed with its children after 20 seconds.
    """

    def __init__(self, arguments: tuple[str, ...]) -> None:
        self.name = f"the command {arguments[0]}"
        self._arguments = arguments

    def deliver(self, message: Mapping[str, Any]) -> str:
        """Start it, and wait for its end."""
        own = {f"SELECTOR_{key.upper()}": _one_line(message[key]) for key in _VARIABLES}
        with tempfile.TemporaryFile() as given:  # a program need not read: no pipe may fill up
            given.write(json.dumps(message).encode())
            given.seek(0)
            try:
                process = subprocess.Popen(
                    self._arguments,
                    stdin=given,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, **own},
                    start_new_session=True,  # Ctrl-C is not for it, and it is killed as a group
                )
            except OSError as error:
                return error.strerror or type(error).__name__
        try:
            code = process.wait(_COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"it took longer than {_COMMAND_SECONDS:g} s and was killed"
        return f"it ended with exit code {code}" if code else ""


class Webhook(Way):
    """POSTs the message as JSON; follows no redirects. Its address is a secret.

    Args:
        address: http or https.
        variable: the environment variable that holds the address.
    """

    def __init__(self, address: str, variable: str) -> None:
        self.name = f"the webhook of {variable}"
        self._address = address

    def deliver(self, message: Mapping[str, Any]) -> str:
        """Post it, and once more where the server is away or in trouble."""
        failure = ""
        for attempt in range(_WEBHOOK_TRIES):
            if attempt:
                time.sleep(_PAUSE_SECONDS)
            failure, again = self._post(json.dumps(message).encode())
            if not again:
                break
        return failure

    def _post(self, body: bytes) -> tuple[str, bool]:
        """Why it was not taken, and whether to try again; no message of a library's: it may hold
        the address."""
        from urllib.error import HTTPError, URLError
        from urllib.request import HTTPRedirectHandler, Request, build_opener

        class Stay(HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                return None

        headers = {"Content-Type": "application/json", "User-Agent": "selector"}
        try:
            request = Request(self._address, body, headers, method="POST")
            with build_opener(Stay).open(request, timeout=_WEBHOOK_SECONDS):
                return "", False
        except HTTPError as error:
            error.close()
            return f"it answered {error.code}", error.code >= 500
        except URLError as error:
            return f"it is away ({_reason(error.reason)})", True
        except OSError as error:
            return f"it is away ({_reason(error)})", True
        except Exception as error:  # noqa: BLE001 - http.client's, ssl's, codecs': all end here
            return f"{type(error).__name__}", False


def ways(settings: Notify) -> list[Way]:
    """Every way that a study asks for; none by default.

    Raises:
        ConfigError: the program is not here, the variable is not set, or holds no web address.
    """
    found: list[Way] = []
    mistakes = []
    if settings.command:
        if shutil.which(settings.command[0]) is None:
            mistakes.append(f"notify.command: there is no program {settings.command[0]!r} here")
        found.append(Command(settings.command))
    if settings.webhook_variable:
        address = value_of("notify.webhook_variable", settings.webhook_variable)
        if not _is_web_address(address):
            mistakes.append(
                "notify.webhook_variable: expected an http or https address in the environment"
                f" variable {settings.webhook_variable}; what it holds is not one"
            )
        found.append(Webhook(address, settings.webhook_variable))
    if mistakes:
        raise ConfigError(mistakes)
    return found


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and text.isprintable()
    except ValueError:
        return False


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {_WEBHOOK_SECONDS:g} s"
    words = error.strerror if isinstance(error, OSError) else None
    return words or type(error).__name__


def _one_line(value: object) -> str:
    """What an environment variable can hold."""
    text = "" if value is None else str(value)
    return " ".join(text.replace("\0", "").split()).encode(errors="replace").decode()
