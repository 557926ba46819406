"""Recipes: how they are read, changed and written, and what is refused, each in one line."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from hoitool.errors import DataError, MissingData, UsageError
from hoitool.train.recipe import digest, dump, names, paths, resolve


@pytest.fixture
def recipe(tmp_path):
    def write(text, name="own.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", names())
def test_what_is_written_is_read_back(name, recipe):
    made = resolve(name)
    again = resolve(recipe(dump(made)))
    assert again == made
    assert dump(again) == dump(made)
    assert digest(again) == digest(made)


@pytest.mark.parametrize("name", names())
def test_the_canonical_text_is_plain_yaml_with_every_setting(name):
    made = resolve(name)
    held = yaml.safe_load(dump(made))

    def has(path):
        value = held
        for key in path.split("."):
            if value is None:
                return True
            if key not in value:
                return False
            value = value[key]
        return True

    assert all(has(path) for path in paths(type(made)))


def test_overrides_have_types():
    made = resolve(
        "tiny",
        [
            "optimise.lr=1e-4",
            "optimise.epochs=3",
            "optimise.compile=true",
            "optimise.clip=null",
            "augment.crop_scale=[0.5, 1]",
            "loss.name=bce",
            "optimise.groups.backbone.blocks.0=0.1",
            "data.beside=[data/more.parquet]",
        ],
    )
    assert (made.optimise.lr, made.optimise.epochs, made.optimise.compile, made.optimise.clip) == (1e-4, 3, True, None)
    assert made.augment.crop_scale == (0.5, 1.0)
    assert made.loss.name == "bce"
    assert made.optimise.groups == {"backbone.blocks.0": 0.1}
    assert made.data.beside == ("data/more.parquet",)


def test_the_last_override_of_a_setting_counts_and_together_they_are_checked():
    assert resolve("tiny", ["seed=1", "seed=2"]).seed == 2
    made = resolve("tiny", ["loss.name=focal", "loss.alpha=0.5", "loss.gamma=2"])
    assert (made.loss.alpha, made.loss.gamma) == (0.5, 2.0)


@given(st.floats(1e-12, 1e3))
def test_any_way_to_write_a_number_is_that_number(value):
    assert resolve("tiny", [f"optimise.lr={value!r}"]).optimise.lr == value
    assert resolve("tiny", [f"optimise.lr={value:.6e}"]).optimise.lr == float(f"{value:.6e}")


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("optimise.lr=fast", "override, optimise.lr: input should be a valid number, came 'fast'"),
        ("optimise.batch=2.5", "override, optimise.batch: input should be a valid integer, came 2.5"),
        ("optimise.compile=1", "override, optimise.compile: input should be a valid boolean, came 1"),
        ("optimise.lr=.inf", "optimise.lr: input should be a finite number"),
        ("optimise.lr=-1", "optimise.lr: input should be greater than 0, came -1"),
        ("loss.name=lse", "loss.name: expected 'lse-sign', 'bce', 'weighted-bce' or 'focal', came 'lse'"),
        ("loss.name=focal", "loss: alpha and gamma are needed with focal"),
        ("model.name=vsee", "No system named 'vsee'"),
        ("model.image_size=100", "model: image_size 100 is no multiple of patch 8"),
        ("model.classifier.init=language", "init: language needs an encoder or a store"),
        ("optimise.schedule.name=cosine-restarts", "period is needed with cosine-restarts"),
        ("optimise.schedule.milestones=[2]", "milestones are needed with multi-step"),
        ("augment.crop_scale=[0.9, 0.5]", "crop_scale [0.9, 0.5]: expected a smaller and a larger number"),
        ("augment.crop_scale=[0.5, 2]", "a share is at most 1"),
        ("augment.crop_scale=[0.5]", "augment.crop_scale"),
        ("lr=3", "No setting named 'lr'. Did you mean 'optimise.lr'?"),
        ("optimize.lr=3", "No setting named 'optimize.lr'. Did you mean 'optimise.lr'"),
        ("model.bakbone=clip", "Did you mean 'model.backbone'"),
        ("zzz=3", "No setting named 'zzz'. Sections: name, summary, seed, model"),
        ("loss=bce", "'loss' is a section; name a setting of it: loss.name, loss.alpha, loss.gamma"),
        ("optimise.lr", "'optimise.lr': expected setting=value, such as optimise.lr=1e-4"),
        ("data.beside=[a", "data.beside, line 1: not YAML"),
    ],
)
def test_an_override_that_does_not_fit_is_one_line(override, told):
    with pytest.raises(UsageError) as refused:
        resolve("tiny", [override])
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("base: tiny\noptimize: {lr: 1}", "own.yaml, sections: No key named 'optimize'. Did you mean 'optimise'?"),
        ("base: tiny\nmodel: {bakbone: a}", "own.yaml, model: No key named 'bakbone'. Did you mean 'backbone'?"),
        ("model: {bakbone: a}", "own.yaml, model: No key named 'bakbone'"),
        ("base: tiny\noptimise: {lr: '1'}", "own.yaml, optimise.lr: input should be a valid number, came '1'"),
        ("base: tiny\noptimise: 3", "own.yaml, optimise: expected a section (optimiser, lr"),
        ("base: tiny\nmodel: {classifier: {kind: [1]}}", "own.yaml, model.classifier.kind: expected 'cosine'"),
        ("base: tiny\nmodel: {name: vse}", "own.yaml, model.name: vse, but what it changes is of defr"),
        ("base: vse-f30k-region\nmodel: {name: vild}", "own.yaml, model.name: vild, but what it changes is of vse"),
        ("loss: {name: bce}", "own.yaml, model: needed, and not there"),
        ("- 3", "own.yaml: expected keys with values (name, summary"),
        ("a: [", "own.yaml, line 1: not YAML"),
        ("a: \x00", "own.yaml: not YAML (unacceptable character #x0000"),
        ("? [a]\n: 3", "own.yaml, line 1: not YAML"),
        ("a: !!python/object/apply:os.system [ls]", "own.yaml, line 1: not YAML"),
        ("base: 3", "own.yaml, base: expected the name or file of a recipe, came 3"),
        ("base: own.yaml", "base: more than 8 recipes one upon the other"),
        ("1: 2\nbase: tiny", "own.yaml, 1: keys should be strings"),
        ("", "own.yaml: the file is empty"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(recipe, text, told):
    with pytest.raises(DataError) as refused:
        resolve(recipe(text))
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_unknown_recipes_and_absent_files():
    with pytest.raises(UsageError, match="No recipe named 'defr-clip-lsd'. Did you mean 'defr-clip-lse'"):
        resolve("defr-clip-lsd")
    with pytest.raises(MissingData, match="absent.yaml: no such file or folder"):
        resolve("absent.yaml")


def test_a_base_lends_its_settings_and_neither_name_nor_reference(recipe):
    recipe("base: defr-clip-lse\nsummary: under\noptimise: {lr: 1e-3, schedule: {period: 2}}", "under.yaml")
    made = resolve(recipe("base: under.yaml\noptimise: {epochs: 4}"))
    base = resolve("defr-clip-lse")
    assert (made.name, made.summary, made.reference) == ("own", "", None)
    assert (made.optimise.lr, made.optimise.epochs, made.optimise.batch) == (1e-3, 4, base.optimise.batch)
    assert (made.optimise.schedule.name, made.optimise.schedule.period) == ("cosine-restarts", 2)
    assert made.model == base.model


def test_an_error_names_the_file_that_states_the_setting(recipe):
    recipe("base: tiny\noptimise: {lr: slow}", "under.yaml")
    top = recipe("base: under.yaml\nseed: 3")
    with pytest.raises(DataError, match=r"under\.yaml, optimise\.lr"):
        resolve(top)
    assert resolve(recipe("base: under.yaml\noptimise: {lr: 1}")).optimise.lr == 1


def test_the_digest_is_of_what_decides_the_training():
    made = resolve("tiny")
    assert digest(resolve("tiny", ["name=other", "summary=x", "reference.source=y", "reference.figures={}"])) == digest(
        made
    )
    assert digest(resolve("tiny", ["seed=1"])) != digest(made)
