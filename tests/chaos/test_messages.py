"""Every message once: the n-th one that a worker or the controller sends is the last it does.

CI takes some; SELECTOR_CHAOS_POINTS=all, or `make chaos`, takes all.
"""

from __future__ import annotations

import os
import shutil

import pytest

from tests.chaos.checker import conclusions, living, results, violations
from tests.chaos.place import Place
from tests.chaos.points import tiny

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ALL = os.environ.get("SELECTOR_CHAOS_POINTS") == "all"
COMMAND = ("run", "./tiny.yaml", "launcher=local", "launcher.workers=1")


def a_place(folder):
    return Place(folder=tiny(folder), command=COMMAND, name="tiny")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The study that nothing happened to."""
    place = a_place(tmp_path_factory.mktemp("plain") / "study")
    code, output = place.run()
    assert code == 0, output
    return place


# A broken pipe is left out: to each side it means that the other one is gone, and then it is.
@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("who", ["worker", "controller"])
def test_a_study_survives_the_failure_of_every_message(tmp_path, plain, who, how):
    tried = 0
    for number in range(1, 40, 1 if ALL else 7):
        place = a_place(tmp_path / str(number))
        fault = {
            "SELECTOR_FAULT": f"{who}:send:{number}:{how}",
            "SELECTOR_FAULT_FOLDER": str(place.folder),
            "SELECTOR_FAULT_BELOW": str(place.folder),
        }
        try:
            code, output = place.run(fault)
            if not (place.folder / "happened").exists():
                assert code == 0, output
                break
            tried += 1
            assert "Traceback" not in output, output
            if who == "worker":  # another one took its place
                assert code == 0, output
            if code != 0 or who == "controller":
                code, output = place.run()
            assert code == 0, output
            assert living(place.mark) == []
            assert violations(place.study) == []
            assert results(place.study) == results(plain.study)
            assert conclusions(place.recommendation) == conclusions(plain.recommendation)
        finally:
            place.close()
        shutil.rmtree(place.folder)
    assert tried >= 1
