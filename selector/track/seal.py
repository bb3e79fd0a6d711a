"""A check at the end of every file of the record: damage and mix-ups are seen when it is read.

A file cut off at some byte may still be valid YAML with a shorter number in it, a flipped bit may
turn one value into another, and a result copied to another run's folder looks like that run's own.
The check covers the file's name in the study and every character before it.
"""

from __future__ import annotations

import hashlib
import re

_HEX = 16
_SEAL = re.compile(r"(?P<before>.*)^check: '(?P<check>[0-9a-f]{16})'\n", re.DOTALL | re.MULTILINE)
_JSON_SEAL = re.compile(r'(?P<before>.*),\n? ?"check": "(?P<check>[0-9a-f]{16})"\n?\}\n', re.DOTALL)


def checksum(name: str, text: str) -> str:
    """The first half of the SHA-256 of a file's name and text: 16 hexadecimal digits."""
    return hashlib.sha256(f"{name}\0{text}".encode(errors="replace")).hexdigest()[:_HEX]


def sealed(name: str, text: str) -> str:
    """`text`, one whole YAML or JSON mapping, with its check as the last key."""
    if not name.endswith((".json", ".jsonl")):
        return f"{text}check: '{checksum(name, text)}'\n"
    before = text.rstrip().removesuffix("}").rstrip()
    space = "\n " if "\n" in before else " "
    end = "\n}\n" if "\n" in before else "}\n"
    return f'{before},{space}"check": "{checksum(name, before)}"{end}'


def broken(name: str, text: str) -> str:
    """What is wrong with the check of a sealed text; empty: nothing."""
    found = (_JSON_SEAL if name.endswith((".json", ".jsonl")) else _SEAL).fullmatch(text)
    if found is None:
        return "its end is missing"
    if found["check"] != checksum(name, found["before"]):
        return "its content does not fit its check: it was changed, or is another file's"
    return ""
