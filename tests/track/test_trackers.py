from __future__ import annotations

import pytest

from selector.track.tracker import MemoryTracker, NullTracker, Tracker
from tests.contracts.tracker import Mirrored, TrackerContract
from tests.track.stored import Stored


class TestNullTracker(TrackerContract):
    @pytest.fixture
    def tracker(self) -> Tracker:
        return NullTracker()

    def mirrored(self, tracker: Tracker, study: str, key: str) -> Mirrored | None:
        return None


class TestMemoryTracker(TrackerContract):
    @pytest.fixture
    def tracker(self) -> Tracker:
        return MemoryTracker()

    def mirrored(self, tracker: Tracker, study: str, key: str) -> Mirrored | None:
        assert isinstance(tracker, MemoryTracker)
        return tracker.runs[key]["metrics"]


class TestMlflowTracker(TrackerContract):
    @pytest.fixture
    def tracker(self, stored: Stored) -> Tracker:
        self.stored = stored
        return stored.tracker()

    def mirrored(self, tracker: Tracker, study: str, key: str) -> Mirrored | None:
        values = self.stored.history(self.stored.found(study)[key])
        return {at: value for at, value in values.items() if at[0] != "value"}
