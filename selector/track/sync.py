"""From the trial folders to MLflow, everything, once: what is there partly is completed.

Nothing is read back from MLflow but what it holds already. Told twice, nothing changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from selector.errors import Interrupted, SelectorError, StudyError
from selector.track.background import in_a_line
from selector.track.lock import is_locked
from selector.track.mirror import Change, RunMirror
from selector.track.mlflow import Found, MlflowStore
from selector.track.origins import entries
from selector.track.outbox import Entry, Files
from selector.track.record import Record
from selector.track.shown import is_complete

_INTERRUPTED = "interrupted; the same command goes on"


@dataclass(frozen=True, kw_only=True)
class Synced:
    """What a sync came to."""

    place: str
    """Where, without a password."""
    runs: int
    """Runs of the study, over or not."""
    created: int
    completed: int
    unchanged: int
    removed: int
    """Runs that showed the same thing a second time, moved to MLflow's trash."""
    refused: tuple[str, ...] = ()
    """Runs that are damaged or that MLflow refused, and why."""


def sync(
    study: str,
    record: Record,
    arms: Sequence[str],
    runs: Path,
    store: MlflowStore,
    *,
    files: Sequence[Path] = (),
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    interrupted: Callable[[], int] = lambda: 0,
) -> Synced:
    """Make the store show everything that is recorded of a study.

    Args:
        study: its name.
        record: its trials and runs.
        arms: the names of its arms, in their order.
        runs: the runs folder.
        store: MLflow.
        files: the report, where it was written.
        on_progress: called with the number of runs that are done, and of all.
        interrupted: the number of a signal that asks for the end; 0: none.

    Raises:
        SelectorError: the store cannot be reached, or not any more.
        StudyError: a command that runs delivers to this store now.
        Interrupted: a signal came; the same command goes on.
    """
    mirror = RunMirror(store, runs, alone=True)
    work = _Work(study, record, store, mirror, live=is_locked(runs / study))
    waiting = {entry.run.key: entry for entry in entries(study, record.runs(), arms)}
    total = len(waiting)

    def show(entry: Entry, found: Found | None) -> None:
        if number := interrupted():
            raise Interrupted(_INTERRUPTED, number)
        work.show(entry, found)
        on_progress(work.shown, total)

    try:
        with _reached(store, interrupted):
            for found in work.mirror.found(study):
                if entry := waiting.pop(found.key, None) if found.kind == "run" else None:
                    show(entry, found)
                else:
                    work.other(found)
            for entry in waiting.values():
                show(entry, None)
            work.finish(files)
    finally:
        work.mirror.leave()
    return Synced(
        place=store.place,
        runs=total,
        created=work.changes[Change.CREATED],
        completed=work.changes[Change.COMPLETED],
        unchanged=work.changes[Change.UNCHANGED],
        removed=len(work.copies),
        refused=tuple(work.refused),
    )


class _Work:
    """One sync: what came of each run."""

    def __init__(
        self, study: str, record: Record, store: MlflowStore, mirror: RunMirror, *, live: bool
    ) -> None:
        self.mirror = mirror
        self.changes: Counter[Change] = Counter()
        self.refused: list[str] = []
        self.copies: list[str] = []
        self._study = study
        self._record = record
        self._store = store
        self._live = live
        self._seen: set[tuple[str, str]] = set()

    @property
    def shown(self) -> int:
        """How many runs are done."""
        return self.changes.total() + len(self.refused)

    def show(self, entry: Entry, found: Found | None) -> None:
        """Show a run; one that is damaged, or that MLflow refuses, does not hold up the others."""
        self._seen.add(("run", entry.run.key))
        if damage := self._damage(entry, found):
            self.refused.append(f"{entry.run.key}: {damage}")
            return
        try:
            self.changes[self._change(entry, found)] += 1
        except StudyError:
            raise
        except Exception as error:  # noqa: BLE001 - is it this run, or the server?
            self.mirror.forget(entry)
            self._store.experiment(self._study)  # raises where the server is away
            self.refused.append(f"{entry.run.key}: {in_a_line(error)}")

    def other(self, found: Found) -> None:
        """What is there beside the runs: arms that nobody ends, and second copies."""
        what = found.kind, found.key
        if found.kind and what in self._seen:
            self.copies.append(found.identifier)
        elif found.kind == "arm" and found.status == "RUNNING" and not self._live:
            self._store.set_status(found.identifier, "FINISHED")
        self._seen.add(what)

    def finish(self, files: Sequence[Path]) -> None:
        """Store the report, put the copies away."""
        if files:
            self.mirror.attach(Files(study=self._study, paths=tuple(files)))
        for copy in self.copies:
            self._store.delete(copy)
        self.mirror.finish()

    def _damage(self, entry: Entry, found: Found | None) -> str:
        """Why the rows of a run that is over must not be shown; empty: they may, or are."""
        if entry.result is None or (found is not None and is_complete(found, entry.result)):
            return ""
        try:
            self._record.curve(entry.run.key)
        except StudyError as error:
            return str(error)
        return ""

    def _change(self, entry: Entry, found: Found | None) -> Change:
        if entry.result is not None:
            return self.mirror.bring(entry, found, entry.result)
        return self.mirror.leave_open(entry, found, "RUNNING" if self._live else "KILLED")


@contextmanager
def _reached(store: MlflowStore, interrupted: Callable[[], int]) -> Iterator[None]:
    """Say in one sentence that the store is not there; MLflow's errors have no common parent."""
    try:
        yield
    except SelectorError:
        raise
    except Exception as error:
        if number := interrupted():  # meanwhile: nobody waits for a reason
            raise Interrupted(_INTERRUPTED, number) from error
        why, other = in_a_line(error), "or name another with --uri; the same command goes on"
        if store.uri.startswith("sqlite:"):
            raise SelectorError(
                f"{store.place} cannot be used: {why}; wait for who uses it, mend it or move the"
                f" file away, {other}. The trial folders hold everything that it did"
            ) from error
        raise SelectorError(f"{store.place} does not answer: {why}; start it, {other}") from error
