from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest

from selector.config.locations import study_file
from selector.config.schema import Track
from selector.config.secrets import HIDDEN, password_in, redacted, secret_mistakes
from selector.config.single import compose_single
from selector.config.study import compose_study
from selector.errors import ConfigError


def study(overrides: list[str]) -> object:
    return compose_study(study_file("quickstart"), overrides)


def single(overrides: list[str]) -> object:
    return compose_single({}, overrides)


SECRET = 'hunter2"+/=hunter2'


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "API_KEY", "MLFLOW_TRACKING_PASSWORD", "DB_PASS",
        "GOOGLE_CREDENTIALS", "my_token", "SLACK_WEBHOOK", "MYSQL_PWD",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "written", [SECRET, repr(SECRET), json.dumps(SECRET), quote(SECRET, safe="")]
)
def test_the_value_of_a_secret_is_hidden_however_it_is_written(name: str, written: str) -> None:
    text = redacted(f"401 for {written}; try again", {name: SECRET})
    assert "hunter2" not in text
    assert text.startswith("401 for ")
    assert text.endswith("; try again")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PWD", "/home/somebody"), ("OLDPWD", "/home/somebody"), ("KEY_FILE", __file__),
        ("TOKENIZERS_PARALLELISM", "whatever"), ("KEYBOARD", "somebody's"), ("A_TOKEN", "short"),
        ("HOME", "/home/somebody"), ("MAX_STEPS", "10000000"), ("API_KEY", "        "),
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(name: str, value: str) -> None:
    text = f"cannot open {value}"
    assert redacted(text, {name: value}) == text


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens: 12", "token: byte", "num_memory_tokens=4", "use_cls_token: true", "key: lr",
        "mail me@example.org", "https://example.org/@me", "a://b", "",
    ],
)  # fmt: skip
def test_names_of_settings_and_plain_text_stay(text: str) -> None:
    assert redacted(text, {"A_TOKEN": SECRET}) == text
    assert not password_in(text)
    assert secret_mistakes({"max_tokens": 12, "token": text}, {"A_TOKEN": SECRET}) == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://me:hunter2@host/db", "postgresql://host/db"),
        ("(https://me:hun@ter2@host:1/x?y) refused", "(https://host:1/x?y) refused"),
        ("'mysql+pymysql://hunter2@host'", "'mysql+pymysql://host'"),
        ("two: a://hunter2@b and c://d:hunter2@e", "two: a://b and c://e"),
    ],
)
def test_what_stands_before_the_at_of_an_address_is_hidden(given: str, shown: str) -> None:
    assert redacted(given, {}) == shown


def test_a_secret_inside_a_longer_one_leaves_no_rest() -> None:
    environment = {"A_KEY": "12345678", "B_KEY": "12345678-and-more"}
    assert redacted("12345678-and-more 12345678", environment) == f"{HIDDEN} {HIDDEN}"


def test_every_line_of_a_private_key_is_hidden() -> None:
    value = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhki\nab\n"
    text = redacted(f"{value!r} {value} line MIIEvQIBADANBgkqhki", {"PRIVATE_KEY": value})
    assert "MIIE" not in text


@pytest.mark.parametrize(
    ("address", "holds"),
    [
        ("postgresql://me:pw@host/db", True),
        ("postgresql://me@host/db", False),
        ("https://ghp_abc@host", True),
        ("http://host:5000", False),
        ("postgresql://host/db?password=pw", True),
        ("https://host/x?access_token=abc", True),
        ("https://host/x?tokens=&max=3", False),
        ("sqlite:///a/b@c.db", False),
        ("databricks://profile", False),
    ],
)
def test_addresses_with_a_password(address: str, *, holds: bool) -> None:
    assert password_in(address) is holds


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("tracker.uri=postgresql://me:hunter22@host/db", "tracker.uri_variable=NAME"),
        ("'tracker.uri=https://hunter22@host'", "tracker.uri_variable=NAME"),
        ("tracker.uri_variable=postgresql://me:hunter22@host/db", "name of an environment"),
        ("question=hunter22hunter22", "environment variable A_TOKEN"),
        ("question='so: hunter22hunter22'", "environment variable A_TOKEN"),
        ("objective.parameters.x=http://me:hunter22@host", "address with a password"),
    ],
)
@pytest.mark.parametrize("compose", [study, single])
def test_an_override_that_holds_a_secret_is_refused_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch,
    compose: Callable[[list[str]], object],
    override: str,
    expected: str,
) -> None:
    monkeypatch.setenv("A_TOKEN", "hunter22hunter22")
    with pytest.raises(ConfigError) as raised:
        compose([override.strip("'")])
    assert expected in str(raised.value)
    assert "hunter22" not in str(raised.value)


def test_an_address_is_looked_up_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    track = Track(name="mlflow", uri_variable="MY_STORE")
    with pytest.raises(ConfigError, match="variable MY_STORE is not set"):
        track.address()
    monkeypatch.setenv("MY_STORE", "postgresql://me:hunter22@host/db")
    assert track.address() == "postgresql://me:hunter22@host/db"
    assert "hunter22" not in repr(track)
    assert Track(uri="sqlite:///x.db").address() == "sqlite:///x.db"
    with pytest.raises(ValueError, match="one of the two"):
        Track(uri="sqlite:///x.db", uri_variable="MY_STORE")


def test_a_configuration_that_holds_a_secret_is_refused_without_repeating_it() -> None:
    values = {
        "objective": {"parameters": {"endpoint": "https://me:pa55@host", "given": SECRET}},
        "data": {"paths": ["fine", f"with {SECRET}"]},
        "depth": 3,
    }
    lines = secret_mistakes(values, {"HF_TOKEN": SECRET})
    assert [line.partition(":")[0] for line in lines] == [
        "objective.parameters.endpoint", "objective.parameters.given", "data.paths",
    ]  # fmt: skip
    assert "HF_TOKEN" in lines[1]
    assert not [line for line in lines if "pa55" in line or "hunter2" in line]
