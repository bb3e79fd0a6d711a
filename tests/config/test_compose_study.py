"""Study file + overrides -> arms: the order in which values win, and every mistake at once."""

from __future__ import annotations

import pytest

from selector.config.locations import study_file, study_names
from selector.config.study import compose_study
from selector.errors import ConfigError
from selector.study.arms import resolve


def compose(*overrides: str, study: str = "quickstart"):
    return compose_study(study_file(study), list(overrides))


def refused(*overrides: str, study: str = "quickstart") -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(compose(*overrides, study=study))
    return str(caught.value)


def spaces(*overrides: str, study: str = "quickstart"):
    resolved = resolve(compose(*overrides, study=study))
    return {arm.name: {k: str(d) for k, d in arm.space.dimensions.items()} for arm in resolved.arms}


def write_study(folder, text: str):
    path = folder / "my_study.yaml"
    path.write_text("defaults: [selector_study, override model: pico, _self_]\n" + text)
    return str(path)


SHIPPED = [name for name, path in study_names().items() if path.parent.name != "known"]


@pytest.mark.parametrize("name", SHIPPED)  # known answers: tests/benchmarks/test_known.py
def test_every_shipped_study_composes(name):
    overrides = ["data.paths=[input.txt]"] if "shakespeare" in name else []
    if "replays" in study_file(name).parts:
        overrides = ["objective.table=runs.csv"]
    study = resolve(compose(*overrides, study=name))
    assert study.name == name
    assert study.question.endswith("?")
    assert len(study.arms) >= 2


def test_commas_compare_plain_values_fix_intervals_tune():
    names = [arm.name for arm in compose("optimizer=adamw,lion", "model.qk_norm=false,true").arms]
    assert names == [
        "adamw, qk_norm=false",
        "adamw, qk_norm=true",
        "lion, qk_norm=false",
        "lion, qk_norm=true",
    ]
    fixed = compose("optimizer=sgd", "batch.micro_batch=4")
    assert [arm.name for arm in fixed.arms] == ["baseline"]
    assert fixed.arms[0].config.optimizer.name == "sgd"
    assert fixed.arms[0].config.batch.micro_batch == 4
    tuned = spaces("optimizer=adamw", "optimizer.lr=tag(log,interval(1e-4,1e-2))")
    assert tuned == {"baseline": {"optimizer.lr": "0.0001 to 0.01, log"}}


def test_an_untagged_interval_keeps_the_scale_of_its_key():
    assert spaces("optimizer=adamw", "optimizer.lr=interval(1e-3,1e-2)") == {
        "baseline": {"optimizer.lr": "0.001 to 0.01, log"}
    }
    assert spaces("optimizer=adamw", "model.depth=range(1,5,2)")["baseline"]["model.depth"] == (
        "1 to 5, step 2"
    )


def test_a_range_applies_to_the_arms_that_have_the_key():
    found = spaces("optimizer=adamw,muon", "optimizer.aux_lr_ratio=interval(0.1,0.5)")
    assert "optimizer.aux_lr_ratio" not in found["adamw"]
    assert "optimizer.aux_lr_ratio" in found["muon"]


def test_what_is_compared_or_fixed_is_not_tuned():
    assert spaces("optimizer=adamw", "optimizer.lr=0.01") == {"baseline": {}}
    compared = spaces("optimizer=adamw", "optimizer.lr=0.01,0.001")
    assert all("optimizer.lr" not in space for space in compared.values())


def test_a_fixed_learning_rate_is_said():
    notes = resolve(compose("optimizer.lr=0.01")).notes
    assert any("learning rate is fixed at 0.01" in note for note in notes)


def test_auto_opens_more_keys_with_more_trials():
    opened = [len(spaces("optimizer=muon", f"budget.trials={n}")["baseline"]) for n in (9, 10, 25)]
    assert opened == [1, 2, 4]


@pytest.mark.parametrize("range_", [[], ["optimizer.lr=interval(1e-3,1e-2)"]])
def test_auto_stays_as_it_was_stored(range_):
    stored = resolve(compose(*range_))
    grown = resolve(compose("budget.trials=30", *range_), stored)
    assert [arm.space for arm in grown.arms] == [arm.space for arm in stored.arms]


def test_what_the_command_line_gives_a_key_replaces_what_the_file_compares(tmp_path):
    path = write_study(tmp_path, "name: mine\ncompare: {optimizer.lr: [0.1, 0.2]}\n")
    assert [arm.name for arm in compose(study=path).arms] == ["lr=0.1", "lr=0.2"]
    assert spaces("optimizer.lr=interval(0.1,1)", study=path) == {
        "baseline": {"optimizer.lr": "0.1 to 1, log"}
    }


def test_a_budget_of_the_command_line_is_that_budget(tmp_path):
    path = write_study(tmp_path, "name: mine\nset: {budget.tokens: 2e6, batch.context: 32}\n")
    assert compose(study=path).budget.tokens == 2_000_000
    smoke = compose("budget=smoke", study=path)
    assert smoke.budget.tokens == 32_768
    assert smoke.arms[0].config.batch.context == 32
    assert "dropped for budget=smoke" in smoke.notes[0]


def test_the_command_line_wins_over_set_and_set_over_the_group(tmp_path):
    path = write_study(tmp_path, "name: mine\nset: {optimizer.beta2: 0.9, batch.context: 32}\n")
    study = compose(study=path)
    assert study.arms[0].config.optimizer["beta2"] == 0.9
    assert study.arms[0].config.batch.context == 32
    assert compose("batch.context=16", study=path).arms[0].config.batch.context == 16


def test_a_setting_is_dropped_and_named_where_a_new_option_lacks_it(tmp_path):
    path = write_study(tmp_path, "name: mine\nset: {optimizer.beta2: 0.9}\n")
    study = compose("optimizer=adamw,sgd", study=path)
    assert study.arms[0].config.optimizer["beta2"] == 0.9
    assert study.notes == ("set: optimizer.beta2=0.9 is dropped for sgd, which has no such key",)


def test_integral_floats_are_integers():
    assert compose("budget.tokens=2e6").budget.tokens == 2_000_000


def test_explicit_arms(tmp_path):
    path = write_study(
        tmp_path,
        "name: mine\narms:\n- {optimizer: adamw, optimizer.lr: 0.001}\n- {optimizer: sgd}\n",
    )
    study = resolve(compose(study=path))
    assert [arm.name for arm in study.arms] == ["adamw, lr=0.001", "sgd"]
    assert not study.arms[0].space.dimensions
    assert study.arms[1].space.dimensions


def test_groups_beside_the_study_are_found(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tiny.yaml").write_text(
        "defaults: [pico, _self_]\nname: tiny\ndepth: 1\n"
    )
    path = write_study(tmp_path, "name: mine\n")
    assert compose("model=tiny", study=path).arms[0].config.model.depth == 1


@pytest.mark.parametrize("folder", ["with space", "comma,bracket[1]", "quote's", "uml=äut"])
def test_folders_with_odd_names(tmp_path, folder):
    (tmp_path / folder).mkdir()
    assert compose(study=write_study(tmp_path / folder, "name: mine\n")).question.name == "mine"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("optimizer=adamww", "optimizer: unknown option 'adamww'; known: adafactor, adagrad, adam"),
        ("optimizer=adamw,muonn", "did you mean 'muon'?"),
        ("optimizer=sopa", "did you mean 'soap'?"),
        ("optimizer=adamw,adahessian", "optimizer=library optimizer.algorithm=adahessian"),
        ("optimizer=schedule_free_radam", "optimizer.algorithm=schedulefreeradam"),
        ("optimizer=adahesian", "did you mean optimizer=library optimizer.algorithm=adahessian?"),
        ("optimizer=lomo", "unknown option 'lomo'; lomo cannot train here: it works inside"),
        ("optimizer.lrr=0.1", "no such key: unknown key 'lrr'; known: lr"),
        ("budget.trails=3", "did you mean 'trials'?"),
        ("budgett=small", "unknown key 'budgett'"),
        ("optimizer.lr=abc", "optimizer.lr: expected a number, got 'abc'"),
        ("optimizer.lr=nan", "optimizer.lr: expected a finite number above 0, got nan"),
        ("optimizer.lr=inf", "got inf"),
        ("optimizer.lr=-1", "got -1"),
        ("budget.trials=lots", "budget.trials: expected int, got 'lots'"),
        ("budget.trials=0", "budget.trials: expected a finite number from 1, got 0"),
        ("budget.trials=1.5", "budget.trials: expected int, got 1.5"),
        ("regularization.dropout=1.0", "expected a number from 0 to below 1, got 1.0"),
        ("regularization.dropout=true", "regularization.dropout: expected float, got True"),
        ("model.width=63", "width: 63 is not a multiple of heads"),
        ("model.activation=swish", "relu2 or swiglu or tanh or sigmoid, got 'swish'"),
        ("model.norm=batch", "model.norm: batch is refused for causal models: its statistics"),
        ("model.heads=interval(1,4)", "width: 64 is not a multiple of heads (3)"),
        ("model.kv_heads=interval(1,3)", "kv_heads: expected a divisor of 2 heads, got 3"),
        ("model.kv_heads=few", "model.kv_heads: expected int or auto, got 'few'"),
        ("optimizer.lr=interval(1e-2,1e-4)", "expected low below high, got low=0.01, high=0.0001"),
        ("optimizer.lr=tag(log,interval(0,1))", "expected a finite number above 0, got 0"),
        ("optimizer.lr=tag(wide,interval(1e-4,1))", "unknown tag"),
        ("optimizer.lr=glob(*)", "glob is not offered"),
        ("optimizer.lr=shuffle(1,2)", "expected plain values between the commas"),
        ("optimizer.lr=0.1,interval(1e-3,1e-2)", "expected plain values between the commas"),
        ("optimizer=interval(0,1)", "name options with commas"),
        ("momentum=interval(0.1,0.9)", "momentum"),
        ("optimizer.nope=interval(0,1)", "no arm has this key"),
        ("optimizer.lr", "cannot be read as KEY=VALUE"),
        ("optimizer.lr=[1", "cannot be read as KEY=VALUE"),
        ("~optimizer", "neither added nor deleted"),
        ("+optimizer.new=1", "neither added nor deleted"),
        ("hydra.run.dir=/tmp/x", "expected a key of the study"),
        ("budget=small,smoke", "belongs to the whole study"),
        ("seed=1,2", "one value for the whole study"),
        ("seed=1.5", "seed: expected int, got 1.5"),
        ("tune=all", "tune: expected auto, a list, or key: range; got 'all'"),
        ("max_arms=abc", "max_arms: expected int, got 'abc'"),
        ("margin=null", "margin: expected a mapping, got None"),
        ("optimizer.lr=0.1 ", "optimizer.lr: is given more than once"),
        ("optimizer.name=lion", "is a label of the option; choose another with optimizer=OPTION"),
        ("model.version=2", "is a label of the option"),
        ("schedule=warmup_stable_decay schedule.shape=cubic", "expected linear or one_minus_sqrt"),
        ("schedule.warmup=soon", "expected a number from 0 to 1 or auto, got 'soon'"),
        ("schedule.warmup=1", "warmup: expected below 1, got 1: nothing of the run is left for"),
        ("schedule=step schedule.milestones=[0.5,0.3]", "milestones: expected rising shares"),
        ("schedule=step schedule.milestones=[0.01,0.3]", "above the warmup's 0.05, got 0.01"),
        ("schedule=step schedule.milestones=0.5", "milestones: expected a list of at least one"),
        ("schedule=step schedule.milestones=[]", "milestones: expected a list of at least one"),
        ("schedule=step schedule.milestones=[a]", "milestones: expected a number, got 'a'"),
        ("schedule=cosine schedule.floor=1", "floor: expected below 1, got 1: the rate would"),
        ("schedule=exponential schedule.final=1", "final: expected below 1, got 1: the rate would"),
        ("schedule=step schedule.gamma=1", "gamma: expected below 1, got 1: the rate would"),
        (
            "schedule=reduce_on_plateau schedule.patience=6",
            "expected objective.evaluations=9 or more",
        ),
        ("data.paths=[x.txt]", "paths: has no effect on the standard library"),
        ("model.width=range(32,64,1)", "61 is not a multiple of heads"),
        ("data.test_share=interval(0.01,0.1)", "cannot be tuned: data is prepared"),
        ("compute.device=cuda:x", "expected auto, cpu, cuda"),
        ("optimizer.lr=tag(log,choice(0.1,0.2))", "choices have no scale"),
        ("tune={objective.evaluation_tokens:{choices:[a]}}", "expected a whole number, got 'a'"),
        ("tune={optimizer:{choices:[a]}}", "no arm has this key"),
        ("tune.optimizer=3", "is a part of tune; give the whole of it"),
        ("seed=-1", "seed: expected a finite number from 0, got -1"),
        ("compare={optimizer:[sgd]}", "given in the study file"),
        ("tune=[nothing]", "unknown group or key with a space 'nothing'"),
        ("tune=7", "tune: expected text or a list or a mapping, got 7"),
        ("optimizer.lr=${oc.env:HOME}", "expected a value or ${another.key}"),
        ("launcher.workers=0", "launcher.workers"),
        ("compute.device=abacus", "expected auto, cpu, cuda"),
        ("data=text", "data.paths: must be given"),
        ("sampler=grid", "a grid over a range needs `grid: N` or `step`"),
        ("regularization.patience=3", "expected 0 for runs counted in tokens, got 3"),
        (
            "regularization.patience=3 budget.epochs=2 objective.metric=train/loss",
            "expected an objective.metric of the validation part, got train/loss",
        ),
        ("tune={regularization.patience:{choices:[0,3]}}", "for runs counted in tokens"),
        (
            "optimizer=schedule_free_adamw regularization.ema=0.1",
            "expected 0 with optimizer schedule_free_adamw, which is judged at an average",
        ),
        (
            "optimizer=library optimizer.algorithm=lbfgs regularization.layer_rate_decay=0.9",
            "regularization.layer_rate_decay: expected 1 with optimizer library, got 0.9",
        ),
        ("margin.absolute=-1", "margin.absolute: expected a finite number from 0"),
    ],
)  # fmt: skip
def test_mistakes_are_named(override, expected):
    given = override.split(" ") if override.count("=") > 1 else [override]
    given += ["optimizer.lr=0.2"] if override.endswith(" ") else []
    assert expected in refused(*filter(None, given))


def test_all_mistakes_are_listed_at_once():
    text = refused("optimizer=nope", "model=nada", "regularization.dropout=glob(x)")
    assert text.count("\n") == 2


def test_typed_mistakes_are_listed_at_once():
    text = refused("budget.trials=lots", "batch.context=-1", "optimizer.lr=nan")
    assert {"budget.trials", "batch.context", "optimizer.lr"} <= {
        line.partition(":")[0] for line in text.splitlines()
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: mine\nbudget: {trials: 40}\n", "a study chooses options under `defaults:`"),
        ("name: mine\nquestoin: x\n", "did you mean 'question'?"),
        ("question: x\n", "name: must be given"),
        ("name: mine\ncompare: {optimizer: [adamw, nope]}\n", "unknown option 'nope'"),
        ("name: mine\ncompare: {optimizer: adamw}\n", "expected a list of options"),
        ("name: mine\ncompare: {regularization.dropout: [0, 0]}\n", "expected different values"),
        ("name: mine\ncompare: {optimiser: [adamw]}\n", "unknown group or key 'optimiser'"),
        ("name: mine\nset: {optimizer.nope: 1}\n", "set.optimizer.nope"),
        ("name: mine\ntune: {optimizer.lr: {low: 1, high: 0.1}}\n", "expected low below high"),
        ("name: mine\ntune: {optimizer.lr: {lo: 1}}\n", "expected a range of low, high"),
        ("name: [unclosed\n", "not a YAML file"),
        ("name: mine\ncompare: 3\n", "compare: expected a mapping, got 3"),
        ("name: mine\ncompare: null\n", "compare: expected a mapping, got None"),
        ("name: mine\narms: [1]\n", "arms[0]: expected a mapping, got 1"),
        ("name: mine\narms: hello\n", "arms: expected a list, got 'hello'"),
        ("name: mine\nset: 3\n", "set: expected a mapping, got 3"),
        ("name: mine\nset: {optimizer: muon}\n", "set.optimizer: expected GROUP.KEY"),
        ("name: mine\nset: {seed: 3}\n", "set.seed: expected GROUP.KEY"),
        ("name: mine\nset: {optimizer.name: lion}\n", "is a label of the option"),
        ("name: mine\nmargin: 3\n", "margin: expected a mapping, got 3"),
        ("name: 7\n", "name: expected text, got 7"),
        (
            "name: mine\ntune: {optimizer.lr: {low: 1, high: 2, grid: '5'}}\n",
            "grid: expected a whole",
        ),
        (
            "name: mine\ntune: {optimizer.lr: {low: 1, high: 2, log: 'no'}}\n",
            "log: expected true or",
        ),
        ("name: mine\ntune: {optimizer.lr: {choices: [a, b]}}\n", "expected a number, got 'a'"),
        ("name: mine\ncompare: {optimizer.lr: [1, 1.0]}\n", "expected different values"),
    ],
)
def test_mistakes_in_a_study_file(tmp_path, text, expected):
    assert expected in refused(study=write_study(tmp_path, text))


def test_a_grid_point_that_cannot_exist_is_refused(tmp_path):
    path = write_study(
        tmp_path,
        "name: mine\nset: {model.width: 96, model.heads: 4}\n"
        "tune: {model.width: {choices: [64, 96]}, model.heads: {choices: [3, 4]}}\n"
        "tune_lr: false\n",
    )
    assert "64 is not a multiple of heads (3)" in refused("sampler=grid", study=path)


def test_too_many_arms_are_refused_unless_told():
    overrides = [f"regularization.dropout={','.join(str(n / 100) for n in range(25))}"]
    overrides.append("optimizer=adamw")
    assert "25 arms" in refused(*overrides)
    assert len(compose(*overrides, "max_arms=25").arms) == 25


@pytest.mark.parametrize("study", ["nope", "./nope.yaml", "conf", "../quickstart"])
def test_unknown_studies(study):
    with pytest.raises(ConfigError, match=r"unknown study|no such study file"):
        study_file(study)


def test_mistakes_of_a_schedule_are_said_beside_those_of_other_parts() -> None:
    overrides = ["optimizer=adamw", "schedule=step", "schedule.milestones=[0.5,0.2]"]
    wrong = ["model.kv_heads=7", "model.activation=geluu", "model.depth=0", "schedule.warmup=true"]
    with pytest.raises(ConfigError) as caught:
        compose_study(study_file("quickstart"), [*overrides, *wrong])
    keys = [line.partition(":")[0] for line in caught.value.mistakes]
    assert sorted(keys) == [
        *("model.activation", "model.depth", "schedule.milestones", "schedule.warmup")
    ]


def test_a_default_that_no_run_has_is_not_refused() -> None:
    tuned = "optimizer.weight_decay=tag(log,interval(1e-5,1e-2))"
    options = ["optimizer=adamw", "optimizer.decay_rule=independent"]
    with pytest.raises(ConfigError, match="matrices lose this share"):
        compose_study(study_file("quickstart"), options)
    (arm,) = compose_study(study_file("quickstart"), [*options, tuned]).arms
    assert arm.config.optimizer["weight_decay"] == 1e-5
    around = tuned.replace("1e-2", "1")
    (arm,) = compose_study(study_file("quickstart"), ["optimizer=adamw", around]).arms
    assert arm.config.optimizer["weight_decay"] == 0.1
