"""Every error that selector raises on purpose.

SelectorError                 something went wrong that a person can act on (exit code 1)
├── InputError                the user's mistakes, all of them at once (exit code 2)
│   ├── ConfigError           a study file, an override, a name, a range
│   ├── DataError             the text to train on
│   └── StudyError            a stored study: not there, changed, owned by another process
├── RunFailed                 a run ended without a result; carries its outcome
├── StorageError              the disk is full, read-only or fails; what is stored stays usable
├── LaunchError               the place where runs happen cannot be started or has died
└── Interrupted               a signal ended the command; the study can go on (130 or 143)

A message says what is wrong, what was given, what is allowed and where to look.
"""

from __future__ import annotations

from collections.abc import Sequence


class SelectorError(Exception):
    """Base of every error that selector raises on purpose."""

    exit_code = 1


class InputError(SelectorError):
    """One or several mistakes in what the user gave; `mistakes` holds a line for each."""

    exit_code = 2

    def __init__(self, mistakes: str | Sequence[str]) -> None:
        self.mistakes = (mistakes,) if isinstance(mistakes, str) else tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


class ConfigError(InputError):
    """A study file, an override, a name or a range that cannot be used."""


class DataError(InputError):
    """Text that is missing, empty, not text, or too short."""


class StudyError(InputError):
    """A stored study that is not there, has changed, or belongs to another process."""


class RunFailed(SelectorError):
    """A run ended without a result; `outcome` says how (see `selector.track.run.Outcome`)."""

    def __init__(self, message: str, outcome: str) -> None:
        self.outcome = outcome
        super().__init__(message)


class StorageError(SelectorError):
    """The disk is full, read-only or fails; what is stored stays usable."""


class LaunchError(SelectorError):
    """Workers cannot be started, or died more often than they worked."""


class Interrupted(SelectorError):
    """A signal ended the command; everything finished is stored."""

    def __init__(self, message: str, signal_number: int) -> None:
        self.exit_code = 128 + signal_number
        super().__init__(message)
