from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from selector.report.at_scale import at_scale
from selector.report.ladder_figures import by_compute, by_size, line_figure
from selector.report.write import ReportPaths, write_report
from selector.space.cost import product_weights
from selector.study.answer import answer
from tests.report.build import ADAMW, MUON, Builder, Surface, finished, study
from tests.report.ladders import MODELS, TOKENS, LadderBuilder, Truth, climbed, ladder_study

NAMES = ("floor", "size_factor", "size_exponent", "token_factor", "token_exponent")


def scaled(built: Builder) -> dict:
    stored = built.stored()
    return at_scale(stored, answer(stored.study, stored.record))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> ReportPaths:
    return write_report(
        climbed(ladder_study(trials=16)).stored(), tmp_path_factory.mktemp("reports")
    )


def test_the_law_of_the_world_lies_in_the_intervals(written: ReportPaths) -> None:
    (ladder,) = written.recommendation["scaling"]["ladders"]
    for name in NAMES:
        item = ladder["law"][name]
        assert item["low"] <= getattr(Truth(), name) <= item["high"], name
    factor, power = ladder["law"]["flops_per_token"]
    growth = ladder["law"]["growth"]
    assert growth["low"] <= 0.45 / (0.4 + power * 0.45) <= growth["high"]
    most = max(rung["flops"] for rung in ladder["rungs"])
    first = ladder["optima"][0]
    assert first["flops"] == pytest.approx(most, rel=0.05)
    sizes = [first["size"]["value"] * 1.01**step for step in range(-300, 300)]
    best = min(sizes, key=lambda n: Truth().loss(n, first["flops"] / (factor * n**power)))
    assert first["size"]["low"] <= best <= first["size"]["high"]


def test_the_rule_for_the_rate_holds_the_truth(written: ReportPaths) -> None:
    (rule,) = written.recommendation["transfer"]["ladders"][0]["rules"]
    assert rule["key"] == "optimizer.lr"
    assert rule["size_exponent"]["low"] <= -0.3 <= rule["size_exponent"]["high"] < 0
    assert rule["token_exponent"]["low"] <= 0.1 <= rule["token_exponent"]["high"]
    for item in rule["recommended"]:
        true = Truth().best_rate(item["size"], item["tokens"])
        assert item["value"]["low"] <= true <= item["value"]["high"]
        assert item["step_law"] > 0


def test_what_does_not_carry_over_is_said(written: ReportPaths) -> None:
    text = " ".join(written.recommendation["transfer"]["sentences"])
    assert "they do not carry over: tune again" in text
    assert "The best optimizer.lr does not carry over" in text
    assert "No batch size is recommended" in text


def test_what_carries_over_is_said() -> None:
    same = Truth(rate_by_size=0.0, rate_by_tokens=0.0, noise=0.002)
    text = " ".join(scaled(climbed(ladder_study(trials=12), same))["transfer"]["sentences"])
    assert "do not carry over" not in text
    assert "does not carry over" not in text
    assert ": they carry over" in text


def test_every_number_of_a_sentence_is_in_the_file(written: ReportPaths) -> None:
    content = written.recommendation
    known = set()
    for kind in ("transfer", "scaling"):
        known |= set(numbers({k: v for k, v in content[kind].items() if k != "sentences"}))
    for kind in ("transfer", "scaling"):
        for sentence in content[kind]["sentences"]:
            for arm in sorted((arm["name"] for arm in content["arms"]), key=len, reverse=True):
                sentence = sentence.replace(arm, "")
            for text, value in written_numbers(sentence):
                assert any(close(text, value, item) for item in known), (text, sentence)


def written_numbers(text: str) -> list[tuple[str, float]]:
    """The numbers in a text, as they stand there and as they are meant."""
    units = {" k": 1e3, " M": 1e6, " B": 1e9}
    found = re.findall(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)( [kMB]\b)?", text)
    return [(digits, float(digits) * units.get(unit, 1)) for digits, unit in found]


def close(text: str, value: float, item: float) -> bool:
    """Whether `item` is `value` as far as its digits go: half a unit of the last one, or 5 %."""
    places = len(text.partition(".")[2].partition("e")[0])
    return abs(value - item) <= max(0.05 * abs(item), 0.5 * 10**-places)


def numbers(content: object):
    if isinstance(content, dict):
        for item in content.values():
            yield from numbers(item)
    elif isinstance(content, list):
        for item in content:
            yield from numbers(item)
        yield float(len(content))
    elif isinstance(content, int | float):
        yield float(content)
    elif isinstance(content, str):
        yield from (value for _, value in written_numbers(content))


def test_the_page_shows_the_ladder_first_and_whole(written: ReportPaths) -> None:
    text = written.page.read_text()
    places = [text.index(f'<section id="{name}"') for name in ("transfer", "arms", "ladder")]
    assert places == sorted(places)
    assert 'id="figure-compute-0"' in text
    assert 'id="figure-size-0"' in text
    rows = text.partition('aria-label="The rungs"')[2].partition("</table>")[0]
    assert rows.count("<tr>") == 10


def test_an_ordinary_study_says_that_nothing_is_known(tmp_path: Path) -> None:
    written = write_report(finished(ADAMW, MUON).stored(), tmp_path)
    content = written.recommendation
    assert content["scaling"] is None
    transfer = content["transfer"]
    assert transfer["measured"] is False
    assert transfer["found_for"]["tokens"] == 327_680
    first, order, command = transfer["sentences"]
    assert first.endswith("nothing was measured at another size or length.")
    assert "(optimizer: possible)" in order
    assert "`selector run optimizers model=pico,nano name=optimizers_sizes`" in command
    text = written.page.read_text()
    assert first in text.partition('<section id="arms"')[0]
    assert text.index('<section id="transfer"') > text.index('<section id="arms"')
    assert '<section id="ladder"' not in text


def test_a_function_of_the_users_has_neither() -> None:
    found = scaled(finished(ADAMW, MUON, objective="function"))
    assert found == {"transfer": None, "scaling": None}


def test_an_unfinished_ladder_has_reasons_instead_of_numbers() -> None:
    built = LadderBuilder(ladder_study())
    found = scaled(built)
    (ladder,) = found["scaling"]["ladders"]
    assert ladder["law"] is None
    assert "there are 0 sizes, 0 lengths and 0 rungs" in ladder["refused"]
    assert "was not judged" in " ".join(found["transfer"]["sentences"])
    assert by_size(ladder) == ()
    assert by_compute(ladder) == ()
    json.dumps(found, allow_nan=False)


def test_a_metric_to_maximize_has_no_law() -> None:
    built = climbed(replace(ladder_study(equal_flops=True), direction="maximize"))
    (ladder,) = scaled(built)["scaling"]["ladders"]
    assert "better when larger" in ladder["refused"]
    assert ladder["equal_compute"]["budgets"] == []


def test_a_technique_that_falls_behind_at_size_is_named() -> None:
    early = Truth(floor=1.0, size_factor=200.0, token_factor=100.0)
    made = ladder_study(optimizers=("adamw", "lion"), tokens=(262_144,))
    late = Truth(floor=1.6, size_factor=20.0, token_factor=100.0)
    found = scaled(climbed(made, *[late] * 3, *[early] * 3))
    items = found["transfer"]["techniques"]
    assert [(item["small"][:5], item["large"][:4], item["kept"]) for item in items] == [
        ("adamw", "lion", False),
        ("adamw", "lion", False),
    ]
    size, tokens = product_weights(made.arms[2].config), 262_144
    lost = late.loss(size, tokens) - early.loss(size, tokens)
    assert items[0]["regret"]["value"] == pytest.approx(lost, abs=0.02)
    assert items[0]["regret"]["low"] > 0
    assert "stands behind lion, micro" in " ".join(found["transfer"]["sentences"])


def test_a_technique_that_stays_best_is_named() -> None:
    made = ladder_study(optimizers=("adamw", "lion"), tokens=(262_144,))
    found = scaled(climbed(made, *[Truth()] * 3, *[Truth(floor=1.1)] * 3))
    assert all(item["kept"] for item in found["transfer"]["techniques"])
    assert "best at every smaller rung" in " ".join(found["transfer"]["sentences"])


def test_the_figures_draw_what_was_measured(written: ReportPaths) -> None:
    (ladder,) = written.recommendation["scaling"]["ladders"]
    lines = by_size(ladder)
    assert [line.name.partition(",")[0] for line in lines] == [model.name for model in MODELS]
    assert all(len(line.x) == len(TOKENS) for line in lines)
    assert [y for line in lines for y in line.y] == [rung["loss"] for rung in ladder["rungs"]]
    for line in lines:  # the law goes through the dots
        for x, y in ((line.x[0], line.y[0]), (line.x[-1], line.y[-1])):
            place = min(range(len(line.law_x)), key=lambda i: abs(line.law_x[i] - x))
            assert line.law_y[place] == pytest.approx(y, abs=0.03)
    figure = line_figure(lines, "FLOPs of a run", "validation/loss")
    assert figure["layout"]["xaxis"]["type"] == "log"
    assert {trace["mode"] for trace in figure["data"]} == {"lines", "markers"}
    valleys = by_compute(ladder)
    assert any(line.best for line in valleys)


def test_equal_compute_draws_its_budgets() -> None:
    (ladder,) = scaled(climbed(ladder_study(equal_flops=True)))["scaling"]["ladders"]
    assert [len(line.x) for line in by_compute(ladder)] == [3, 3, 3]
    (ladder,) = scaled(climbed(ladder_study(tokens=(2**22,), equal_flops=True)))["scaling"][
        "ladders"
    ]
    (line,) = by_compute(ladder)
    assert (len(line.x), line.law_x) == (3, ())


def test_hostile_names_are_text(tmp_path: Path) -> None:
    made = ladder_study(tokens=(262_144,))
    bad = "<img src=x onerror=alert(1)>`</script>"
    arms = tuple(
        replace(
            arm, name=f"{bad}{place}", config=replace(arm.config, model=replace(model, name=bad))
        )
        for place, (arm, model) in enumerate(zip(made.arms, MODELS, strict=True))
    )
    built = LadderBuilder(replace(made, arms=arms)).explore().verdict()
    text = write_report(built.stored(), tmp_path).page.read_text()
    assert "<img" not in re.sub(r"(?s)<script.*?</script>", "", text)
    content = text.partition('id="figures">')[2].partition("</script>")[0]
    assert "<" not in content
    assert "&lt;img" in json.dumps(json.loads(content)["figure-compute-0"])


def test_a_study_that_compares_the_model_itself_names_no_command() -> None:
    surface = Surface(compared={"schedule": "cosine"})
    built = Builder(study([surface]), [surface])
    transfer = scaled(built)["transfer"]
    assert "(schedule: unlikely)" in transfer["sentences"][1]
