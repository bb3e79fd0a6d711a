"""Every crash point once: the n-th write, rename, fsync or unlink of the controller fails.

CI takes every so-many-th; SELECTOR_CHAOS_POINTS=all, or `make chaos`, takes all.
"""

from __future__ import annotations

import itertools
import os
import shutil

import pytest

from tests.chaos.points import CALLS, ENDS, Point, broken

EVERY = 1 if os.environ.get("SELECTOR_CHAOS_POINTS") == "all" else 11


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("call", CALLS)
def test_a_study_survives_the_failure_of_every_call(tmp_path, plain, call, how):
    bad, tried = {}, 0
    first = 1 + (CALLS.index(call) + 3 * ENDS.index(how)) % EVERY
    for number in itertools.count(first, EVERY):
        folder = tmp_path / str(number)
        found = broken(folder, Point(call, number, how), plain)
        shutil.rmtree(folder)
        if found is None:
            break
        tried += 1
        if found:
            bad[number] = found
    print(f"{call} {how}: {tried} points")  # noqa: T201
    assert bad == {}
