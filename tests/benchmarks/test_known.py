"""The checker of known answers can say yes, no and neither; its studies can be planned."""

from __future__ import annotations

import math
from dataclasses import replace
from math import inf

import pytest

from benchmarks.known.__main__ import findings_of, main, table
from benchmarks.known.claims import Agreement, Claim, check, judge
from benchmarks.known.expected import CPU, EXPECTED, SHAKESPEARE
from benchmarks.known.quantities import QUANTITIES
from benchmarks.known.rates import lowest, width
from selector.config.locations import studies_folder, study_file
from selector.study.answer import answer
from selector.study.conduct import read_study
from selector.study.contrast import Contrast
from selector.track.run import Outcome
from selector.track.store import FolderStore
from tests.report.build import ADAMW, MUON, SGD, Builder, Surface, finished, study

YES, NO, UNCLEAR = Agreement.YES, Agreement.NO, Agreement.UNCLEAR


def claim(low: float, high: float, quantity: str = "value", **weights: float) -> Claim:
    return Claim(text="", quantity=quantity, weights=weights, low=low, high=high)


def says(built: Builder, asked: Claim) -> Agreement:
    stored = built.stored()
    return check(asked, answer(stored.study, stored.record)).agreement


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.06, 0.09, YES),
        (0.01, 0.09, UNCLEAR),  # partly below
        (0.06, 0.20, UNCLEAR),  # partly above
        (0.01, 0.20, UNCLEAR),  # all around
        (-0.02, 0.04, NO),
        (0.11, 0.14, NO),
        (None, None, UNCLEAR),
    ],
)
def test_yes_needs_the_whole_interval_inside_and_no_all_of_it_outside(low, high, expected):
    found = judge(claim(0.05, 0.1), Contrast(value=0.07, low=low, high=high))
    assert found.agreement is expected
    assert bool(found.reason) == (expected is UNCLEAR)


def test_a_planted_lead_is_found_and_a_wrong_claim_about_it_is_denied():
    built = finished(ADAMW, SGD)  # .5 nats apart
    assert says(built, claim(0.3, inf, sgd=1, adamw=-1)) is YES
    assert says(built, claim(0.3, inf, adamw=1, sgd=-1)) is NO
    assert says(built, claim(-0.01, 0.01, adamw=1, sgd=-1)) is NO
    assert says(built, claim(2.3, 2.5, adamw=1)) is YES


def test_a_gap_that_noise_hides_cannot_be_told():
    built = finished(ADAMW, MUON, noise=0.2)  # .04 nats apart
    assert says(built, claim(0.0, inf, adamw=1, muon=-1)) is UNCLEAR


def test_an_arm_at_the_end_of_its_range_an_unfinished_or_a_failed_one_cannot_be_told():
    edge = finished(ADAMW, replace(SGD, rate=5.0, cliff=9.0, curvature=3.0), trials=24)
    assert says(edge, claim(0.3, inf, sgd=1, adamw=-1)) is UNCLEAR
    half = Builder(study([ADAMW, SGD]), [ADAMW, SGD]).explore().verdict()
    open_study = replace(half.study, budget=replace(half.study.budget, trials=9))
    finding = check(claim(0.3, inf, sgd=1, adamw=-1), answer(open_study, half.record))
    assert (finding.agreement, finding.reason) == (UNCLEAR, "not all runs are over")
    broken = finished(
        ADAMW,
        SGD,
        outcome=lambda trial, stage: Outcome.DIVERGED if trial.arm == "sgd" else None,
    )
    finding = check(claim(0.3, inf, sgd=1, adamw=-1), answer(broken.study, broken.stored().record))
    assert (finding.agreement, finding.reason) == (UNCLEAR, "no value of sgd")


def test_paired_units_share_their_luck():
    def shared(result, trial, stage):
        """In every sub-search other luck, the same in both arms, and .003 between them."""
        worse = 0.003 if trial.arm == "muon" else 0.0
        return replace(result, value=2.4 + 0.05 * trial.sub_search + worse)

    built = finished(ADAMW, MUON, change=shared)
    alone = claim(-0.01, 0.01, muon=1, adamw=-1)
    assert says(built, alone) is UNCLEAR
    assert says(built, replace(alone, paired=True)) is YES


def test_the_best_rate_and_the_width_of_the_range_are_those_of_the_surface():
    planted = Surface(name="adamw", rate=4e-3, curvature=1.0, low=5e-4, high=3.2e-2, cliff=1.0)
    higher = replace(planted, name="muon", rate=8e-3, curvature=0.25)  # one octave, twice as wide
    built = finished(planted, higher, noise=0.001, trials=24)
    assert says(built, claim(0.7, 1.3, "best rate", muon=1, adamw=-1)) is YES
    assert says(built, claim(1.5, 3, "best rate", muon=1, adamw=-1)) is NO
    octaves = 2 * math.sqrt(0.1) / math.log10(2)
    assert says(built, claim(octaves - 0.4, octaves + 0.4, "width", adamw=1)) is YES
    assert says(built, claim(0, inf, "width", adamw=1, muon=-1)) is NO
    half = math.log10(2) ** 2
    assert says(built, claim(half - 0.05, half + 0.05, "cost of half the rate", adamw=1)) is YES


def test_a_parabola_is_lowest_where_it_is():
    assert lowest([(x, (x - 1.3) ** 2) for x in (-1.0, 0.0, 2.0, 2.5)]) == pytest.approx(1.3)
    assert lowest([(0.0, 1.0), (1.0, 2.0)]) == 0.0  # at the end of what was tried
    assert lowest([(0.0, 2.0), (1.0, 1.0), (2.0, inf)]) == 1.0
    assert lowest([(0.0, inf)]) is None
    assert lowest([]) is None


def test_a_width_ends_where_the_loss_crosses_the_bound_or_half_way_to_a_failure():
    assert width([(0.0, 3.0), (1.0, 1.0), (2.0, 1.0), (3.0, inf)], 2.0) == pytest.approx(2.0)
    assert width([(0.0, 3.0), (1.0, 3.0)], 2.0) == 0.0


def test_seeds_scatter_as_planted():
    built = finished(replace(ADAMW, tuned=False), noise=0.01, verdict_seeds=10)
    assert says(built, claim(0.005, 0.02, "spread of seeds", adamw=1)) is YES
    assert says(built, claim(0.05, 0.2, "spread of seeds", adamw=1)) is NO


def test_half_way_ranks_what_keeps_its_order_and_not_what_turns():
    built = finished(ADAMW, SGD, noise=0.0)
    assert says(built, claim(0.9, 1.0, "half-way rank", adamw=1)) is not NO
    ranks = QUANTITIES["half-way rank of all"](answer(built.study, built.record), "adamw")
    assert ranks == pytest.approx([1.0] * 4)


def test_the_table_shows_claim_expectation_interval_and_verdict():
    built = finished(ADAMW, SGD)
    known = answer(built.study, built.record)
    text = table([check(item, known) for item in EXPECTED["d03_adamw_against_sgd"]])
    assert "at least 0.3" in text
    assert text.endswith("as expected")
    assert "not as expected" not in text


def test_the_command_fails_where_something_is_not_as_expected(tmp_path, capsys):
    name = "d03_adamw_against_sgd"
    twin = replace(SGD, best=2.4, curvature=0.01)  # no gap at all
    size = {"trials": 3, "replicates": 3, "verdict_seeds": 1, "points": 2}
    built = finished(ADAMW, twin, name=name, store=FolderStore(tmp_path / name), **size)
    assert main(["--stored", "--runs", str(tmp_path), name]) == 1
    assert "not as expected" in capsys.readouterr().out
    findings = findings_of(name, answer(built.study, built.record))
    assert findings[1].agreement is NO


def test_figures_of_one_text_are_not_held_against_another():
    built = finished(Surface(name="baseline"), MUON)
    findings = findings_of("d02_nanogpt_gpu", answer(built.study, built.record))
    assert {item.agreement for item in findings} == {UNCLEAR}
    assert "tiny Shakespeare" in findings[0].reason


def test_what_is_not_stored_is_said_and_unknown_names_are_refused(tmp_path, capsys):
    assert main(["--stored", "--runs", str(tmp_path), "d19_clipping"]) == 0
    assert "d19_clipping" in capsys.readouterr().out
    assert main(["d99_no_such"]) == 2
    assert "no known answer is called d99_no_such" in capsys.readouterr().out


def test_every_known_study_has_expectations():
    stems = {path.stem for path in (studies_folder() / "known").glob("*.yaml")}
    assert stems <= set(EXPECTED)
    assert set(EXPECTED) - stems <= {"nanogpt_shakespeare"}
    assert set(CPU) <= stems


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_known_study_can_be_planned_and_has_the_arms_of_its_claims(name, tmp_path):
    (tmp_path / "text.txt").write_text("words " * 1000)
    text = [f"data.paths=[{tmp_path / 'text.txt'}]"] if name == "nanogpt_shakespeare" else []
    asked = read_study(str(study_file(name)), text, tmp_path / "runs")
    assert asked.name == name
    assert asked.question.endswith("?")
    arms = {arm.name for arm in asked.arms}
    for item in EXPECTED[name]:
        assert set(item.weights) <= arms
        assert item.quantity in QUANTITIES
        assert item.low < item.high
    if name not in SHAKESPEARE:
        assert all(arm.config.data.source == "stdlib" for arm in asked.arms)
