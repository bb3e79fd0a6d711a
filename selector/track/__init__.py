"""What is remembered: the trial folders, which are the truth, and the mirror people browse."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selector.config.schema import Track
    from selector.track.tracker import Tracker


def make_tracker(track: Track, runs: Path) -> Tracker:
    """The tracker that a study names; MLflow's store lies in the runs folder by default."""
    from selector.track.tracker import NullTracker

    if track.name == "none":
        return NullTracker()
    from selector.track.background import BackgroundTracker
    from selector.track.database import default_uri
    from selector.track.mirror import RunMirror
    from selector.track.mlflow import MlflowStore

    store = MlflowStore(track.address() or default_uri(runs), runs / "artifacts")
    return BackgroundTracker(RunMirror(store, runs), store.place)
