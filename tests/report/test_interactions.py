"""Does the best value of one axis depend on the other? Planted crossings, sums and noise."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from types import SimpleNamespace

from selector.report.interactions import interactions, lines, to_mapping
from selector.report.recommendation import recommendation
from selector.report.write import write_report
from selector.study.answer import answer
from selector.study.verdict import Evidence, decide
from tests.report.planted import CLIP, DROPOUT, Z, planted_study, run_planted

DROPS, CLIPS = (0.0, 0.1, 0.2), (0.5, 1.0)
ARMS = {
    f"{drop} {clip}": {DROPOUT: drop, CLIP: clip} for drop, clip in itertools.product(DROPS, CLIPS)
}


def found(loss, arms=ARMS, noise=0.002):
    stored = run_planted(planted_study(arms), loss, noise=noise)
    return interactions(stored.study, answer(stored.study, stored.record))


def crossing(config):
    """Dropout helps with a tight clip and harms with a loose one."""
    part = config.regularization
    return 2.4 + part.dropout * (1.0 if part.grad_clip == 1.0 else -1.0)


def test_a_crossing_is_found_with_what_is_best_where():
    (item,) = found(crossing)
    assert item.depends == "yes"
    assert (item.first, item.second) == (DROPOUT, CLIP)
    assert [(best.beside, best.value) for best in item.best] == [("0.5", "0.2"), ("1.0", "0.0")]
    assert all(best.lead.above for best in item.best)
    assert item.largest.low <= 0.4 <= abs(item.largest.value) + 0.01
    assert "0.2 with 0.5, 0.0 with 1.0" in item.words
    table = lines(item)
    assert [line["name"] for line in table] == ["0.0", "0.1", "0.2"]
    assert [[cell["best"] for cell in line["cells"]] for line in table] == [
        [False, True], [False, False], [True, False],
    ]  # fmt: skip


def test_the_largest_interaction_has_its_size_and_sign():
    (item,) = found(crossing)
    truth = {  # gain of row over other, here rather than there
        f"{a} over {b} with {here} rather than {there}": (b - a) * ((here == 1.0) * 2 - 1)
        - (b - a) * ((there == 1.0) * 2 - 1)
        for a, b in itertools.permutations(DROPS, 2)
        for here, there in itertools.permutations(CLIPS, 2)
    }
    assert item.largest.low <= truth[item.where] <= item.largest.high
    assert abs(truth[item.where]) == 0.4


def test_sums_depend_on_nothing_and_unlike_sizes_change_no_advice():
    (item,) = found(lambda config: 2.4 - config.regularization.dropout)
    assert item.depends == "no"
    assert item.words.startswith("0.2 is the best regularization.dropout with every")
    assert item.largest.within(0.02)
    (item,) = found(lambda c: 2.4 - c.regularization.dropout * (1 + 3 * c.regularization.grad_clip))
    assert item.depends == "no"  # but the interaction is there
    assert item.largest.above or item.largest.below


def test_a_crossing_inside_the_margin_is_none_and_one_inside_the_noise_is_not_settled():
    (item,) = found(lambda config: 2.4 + 0.01 * (crossing(config) - 2.4), noise=0.0005)
    assert item.depends == "no"
    assert "practically the best" in item.words
    (item,) = found(lambda config: 2.4 + 0.3 * (crossing(config) - 2.4), noise=0.15)
    assert item.depends == "not settled"
    assert "their noise" in item.words


def test_identical_cells_are_called_dependent_in_few_studies():
    study = planted_study(ARMS)
    source = random.Random(4)
    wrong = 0
    for _ in range(400):
        evidence = {
            name: Evidence(values=tuple(source.gauss(2.4, 0.1) for _ in range(4)), cost=1.0)
            for name in ARMS
        }
        verdict = decide(evidence, minimize=True, margin=0.0, unit="sub-search")
        (item,) = interactions(study, SimpleNamespace(verdict=verdict))
        wrong += item.depends == "yes"
        assert item.depends != "no"  # with noise ten times the margin nothing is known to be equal
    assert wrong <= 8  # two claims, each at a level that all leads share


def test_three_axes_give_three_tables_over_the_third():
    arms = {
        f"{drop} {clip} {z}": {DROPOUT: drop, CLIP: clip, Z: z}
        for drop, clip, z in itertools.product(DROPS, CLIPS, (0.0, 1e-4))
    }
    items = found(lambda config: crossing(config) + 100 * config.regularization.z_loss, arms)
    assert [(item.first, item.second) for item in items] == [
        (DROPOUT, CLIP),
        (DROPOUT, Z),
        (CLIP, Z),
    ]
    assert items[0].depends == "yes"
    assert items[2].depends == "no"
    assert items[0].cells[0][0] == sum(items[0].cells[0][:1])
    assert abs(items[0].cells[0][0] - 2.405) < 0.003  # mean over both values of the third


def test_what_is_no_product_has_no_interactions():
    assert found(crossing, dict(list(ARMS.items())[:-1])) == ()
    assert found(crossing, {"plain": {}, "drop": {DROPOUT: 0.1}, "clip": {CLIP: 0.5}}) == ()
    assert found(crossing, {"a": {DROPOUT: 0.0}, "b": {DROPOUT: 0.1}}) == ()


def test_an_arm_without_a_value_leaves_no_table():
    stored = run_planted(planted_study(ARMS), crossing)
    known = answer(stored.study, stored.record)
    first, *rest = known.verdict.estimates.items()
    lacking = replace(known, verdict=replace(known.verdict, estimates=dict(rest)))
    assert first
    assert interactions(stored.study, lacking) == ()


def test_it_is_reported(tmp_path):
    stored = run_planted(planted_study(ARMS), crossing)
    known = answer(stored.study, stored.record)
    content = recommendation(stored, known)["interactions"]
    assert content[0]["depends"] == "yes"
    assert len(content) == len(to_mapping(interactions(stored.study, known))) == 1
    page = write_report(stored, tmp_path).page.read_text()
    assert '<section id="interactions">' in page
    assert "Yes: the best regularization.dropout depends on regularization.grad_clip" in page
