from __future__ import annotations

import fcntl
import threading
from pathlib import Path

from selector.track.lock import is_locked, study_lock


def test_one_who_only_looks_keeps_nobody_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with path.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        timer = threading.Timer(0.005, looking.close)
        timer.start()
        with study_lock(tmp_path):
            assert is_locked(tmp_path)
        timer.join()
