"""Keeps what MLflow logs in the background off the terminal, and only that."""

from __future__ import annotations

import logging
import threading


class Silence(logging.Filter):
    """Drops what mlflow and its libraries log from the thread in which it fell."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = 0
        self._filtered: list[logging.Filterer] = []

    def fall(self) -> None:
        """Begin; mlflow is imported, since that puts its handlers in place."""
        self._thread = threading.get_ident()
        loggers = [logging.getLogger(door) for door in ("mlflow", "alembic", "sqlalchemy.engine")]
        self._filtered = [
            logging.getLogger("urllib3.connectionpool"),
            *(handler for logger in loggers for handler in logger.handlers),
        ]
        for filtered in self._filtered:
            filtered.addFilter(self)

    def lift(self) -> None:
        """End."""
        for filtered in self._filtered:
            filtered.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record comes from another thread."""
        return record.thread != self._thread
