from __future__ import annotations

import pytest

from benchmarks.method.formll import TABLE, lines

#: What the authors' own code gives; ours interpolates as they do, on another grid.
TOLERANCE = 0.01


@pytest.mark.slow
@pytest.mark.skipif(not TABLE.exists(), reason=f"{TABLE} is not here")
def test_the_best_size_grows_with_compute_as_published() -> None:
    found = lines(TABLE)
    assert [(line.data, line.published) for line in found] == [
        *[("rw", published) for published in (0.834, 0.701, 0.604, 0.571, 0.497)],
        *[("owt2", published) for published in (0.870, 0.700, 0.602, 0.569, 0.518)],
    ]
    for line in found:
        assert line.exponent == pytest.approx(line.published, abs=TOLERANCE), line
        assert line.low < line.published < line.high
        assert line.high - line.low < 0.1
    # Kaplan's protocol and Chinchilla's give different laws, beyond their noise.
    assert found[0].low > found[2].high > found[4].high
