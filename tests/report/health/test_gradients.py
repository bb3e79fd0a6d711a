"""What gradients say, planted and not."""

from __future__ import annotations

from tests.report.build import ADAMW, MUON, finished
from tests.report.health.planted import found, healthy, reporting


def test_a_norm_that_grows_ask_for_clipping() -> None:
    def growing(share: float) -> dict[str, float]:
        return healthy(share) | {"gradient_norm": 1.0 + 40 * share}

    (finding,) = found(reporting(finished(ADAMW, MUON), growing, "muon"), "exploding gradients")
    assert finding.arm == "muon"
    assert "reached 22.8 times that of the start" in finding.text
    assert "regularization.grad_clip=0.5" in finding.remedy


def test_a_spread_between_blocks_asks_for_normalization() -> None:
    def vanishing(share: float) -> dict[str, float]:
        return healthy(share) | {"gradient_norm/spread": 4000.0}

    (finding,) = found(reporting(finished(ADAMW), vanishing), "vanishing gradients")
    assert "by a factor of 4e+03" in finding.text
    assert finding.remedy == "selector run optimizers model.qk_norm=true name=optimizers_normalized"


def test_a_clip_that_always_acts_asks_for_a_larger_one() -> None:
    def clipped(share: float) -> dict[str, float]:
        return healthy(share) | {"clipped_share": 0.97, "gradient_norm": 3.1}

    (finding,) = found(reporting(finished(ADAMW), clipped), "nearly every step is clipped")
    assert finding.text.startswith("97 % of the steps of its best settings were clipped")
    assert finding.remedy == (
        "selector run optimizers regularization.grad_clip=6 name=optimizers_less_clipped"
    )
