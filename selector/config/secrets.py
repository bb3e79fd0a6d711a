"""What must never reach a file, a mirror or a screen: passwords in addresses, secrets by value.

A secret is told by its value (that of an environment variable which is called like one), never by
the name of a setting: `max_tokens` and `num_memory_tokens` are no secrets.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from selector.errors import ConfigError

HIDDEN = "***"
#: Parts of a variable's name, between underscores, that say its value is a secret.
_WORDS = frozenset(
    (
        *("TOKEN", "TOKENS", "KEY", "KEYS", "APIKEY", "SECRET", "SECRETS", "PASSWORD", "PASSWD"),
        *("PASS", "PASSPHRASE", "PWD", "CREDENTIAL", "CREDENTIALS", "COOKIE", "WEBHOOK"),
    )
)
#: These are folders.
_NO_SECRETS = ("PWD", "OLDPWD")
#: Shorter values are words and numbers that stand everywhere.
_SHORTEST = 8
#: A line of a secret of several lines, such as a private key, is one when it is this long.
_SHORTEST_LINE = 16
# Up to the last @ before a slash: a password may hold one. A quote ends it in Python's messages.
_USER_INFORMATION = re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]*://)[^/\s'\"<>]*@")
_PASSWORD = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*)://([^/\s'\"<>]*)@")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_QUERY = re.compile(r"://[^\s'\"<>]*[?&;]([A-Za-z_-]+)=[^&\s'\"<>]")


def redacted(text: str, environment: Mapping[str, str] | None = None) -> str:
    """`text` without what stands before the @ of addresses, and with `***` for values of secrets.

    Secrets are the values, of at least 8 characters, of the variables in `environment` (of this
    process where it is None) that are called TOKEN, KEY, SECRET, PASSWORD and the like.
    """
    if not text:
        return text
    text = _USER_INFORMATION.sub(r"\1", text)
    for _, form in _forms(os.environ if environment is None else environment):
        text = text.replace(form, HIDDEN)
    return text


def password_in(text: str) -> bool:
    """Whether `text` holds an address with a password or a token in it.

    A user alone (`postgresql://me@host/db`) is none, but to a web server it is a token.
    """
    for scheme, user in _PASSWORD.findall(text):
        if user.partition(":")[2] or (user and scheme.lower() in ("http", "https")):
            return True
    keys = (key.upper().replace("-", "_").split("_") for key in _QUERY.findall(text))
    return any(_WORDS & set(words) or "SSLPASSWORD" in words for words in keys)


def refuse_variable(key: str, name: str) -> None:
    """Raise ValueError where `name` is no name of an environment variable, without repeating it."""
    if name and not _VARIABLE.fullmatch(name):
        raise ValueError(
            f"{key}: expected the name of an environment variable (letters, digits, _), such as"
            " MY_ADDRESS after `export MY_ADDRESS=…`; what was given is not one"
        )


def value_of(key: str, name: str) -> str:
    """The value of the environment variable that the setting `key` names; empty without a name.

    Raises:
        ConfigError: it is not set.
    """
    value = os.environ.get(name, "") if name else ""
    if name and not value:
        raise ConfigError(f"{key}: the environment variable {name} is not set here")
    return value


def secret_mistakes(
    values: Mapping[str, Any],
    environment: Mapping[str, str] | None = None,
) -> list[str]:
    """A line for each text among `values` (dotted key -> value) that holds a secret.

    What a configuration holds is stored and shown, so it may only name where a secret is. The
    lines do not repeat it.
    """
    forms = list(_forms(os.environ if environment is None else environment))
    mistakes = []
    for key, text in _texts("", values):
        variable = next((name for name, form in forms if _stands_in(form, text)), None)
        if variable is not None:
            mistakes.append(
                f"{key}: holds the value of the environment variable {variable}, which would be"
                f" stored and shown; expected its name, for your code to look up when it runs"
            )
        elif password_in(text) and key != "tracker.uri":  # which names its own way out
            mistakes.append(
                f"{key}: holds an address with a password in it, which would be stored and shown;"
                " expected one without, or the name of an environment variable that holds it"
            )
    return mistakes


def refuse_secrets(overrides: Iterable[str]) -> None:
    """Refuse overrides that hold a secret, before anything repeats them.

    Raises:
        ConfigError: one line for each.
    """
    parts = [text.partition("=") for text in overrides]
    lines = [line for key, _, value in parts for line in secret_mistakes({key: value})]
    if lines:
        raise ConfigError(lines)


def _stands_in(secret: str, text: str) -> bool:
    """Whether a setting holds the secret; a short one that is a common word must be all of it."""
    return secret == text or (len(secret) >= _SHORTEST_LINE and secret in text)


def _forms(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Variable and each form in which its secret may be written, the longest first."""
    found = {
        (name, form)
        for name, value in environment.items()
        if _is_secret(name, value)
        for form in (
            value,
            *(line for line in value.splitlines() if len(line) >= _SHORTEST_LINE),
            repr(value)[1:-1],
            json.dumps(value)[1:-1],
            quote(value, safe=""),
        )
    }
    yield from sorted(found, key=lambda item: (-len(item[1]), item))


def _is_secret(name: str, value: str) -> bool:
    if len(value.strip()) < _SHORTEST or name in _NO_SECRETS:
        return False
    if not _WORDS & set(name.upper().split("_")):
        return False
    return not (value.startswith("/") and _exists(value))  # where a key lies is no secret


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def _texts(where: str, value: Any) -> Iterator[tuple[str, str]]:
    """Dotted key and text of every text in nested data; keys are texts too."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            place = f"{where}.{key}" if where else str(key)
            yield from _texts(place, item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(where, item)
