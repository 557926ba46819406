"""Which model, from where, with which pooling: the named encoders, hf:..., and what sentence-transformers states."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

from tiny_texts import save_bert, save_roberta, state_pooling

from hoitool.embed import ENCODERS, KINDS
from hoitool.embed.encoder import Settings
from hoitool.embed.encoders import huggingface
from hoitool.errors import DataError, MissingData, UsageError

NAMED = {"bert": "cls", "simcse": "pooler", "roberta": "cls"}


@pytest.fixture
def folder(tmp_path):
    return save_bert(tmp_path / "mine")


def load(folder, name="hf", **settings):
    where = {"variant": str(folder)} if name == "hf" else {"weights": str(folder)}
    return ENCODERS[name].load(Settings(device="cpu", **where, **settings))


@pytest.mark.parametrize("name", [*NAMED, "hf", "minilm"])
def test_entries_say_what_they_are(name):
    assert ENCODERS[name].SUMMARY
    assert KINDS[name] == {"text"}


@pytest.mark.parametrize(("name", "pooling"), NAMED.items())
def test_named_models_have_their_pooling_and_another_on_request(name, pooling, tmp_path):
    folder = save_roberta(tmp_path / "mine") if name == "roberta" else save_bert(tmp_path / "mine")
    encoder = load(folder, name)
    assert (encoder.name, encoder.facts["pooling"], encoder.facts["weights"]) == (name, pooling, "mine")
    assert load(folder, name, pooling="mean").facts["pooling"] == "mean"


@pytest.mark.parametrize("name", [*NAMED, "minilm"])
def test_named_models_have_no_variants(name):
    with pytest.raises(UsageError, match=f"{name} has no variants, came 'large'"):
        ENCODERS[name].load(Settings(variant="large"))


@pytest.mark.parametrize(
    ("name", "repository"), [("bert", "bert-base-uncased"), ("simcse", "princeton-nlp/sup-simcse")]
)
def test_without_weights_the_files_to_fetch_are_named(name, repository, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("no route\nto the hub")

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refuse)
    with pytest.raises(MissingData, match=rf"^{repository}[^\n]*\(no route\)[^\n]*safetensors[^\n]*--weights FOLDER"):
        ENCODERS[name].load(Settings())


def test_hf_needs_a_model_and_takes_weights_for_one(folder):
    with pytest.raises(UsageError, match="hf needs a model: --model hf:ID"):
        ENCODERS["hf"].load(Settings())
    assert ENCODERS["hf"].load(Settings(weights=str(folder), pooling="cls", device="cpu")).name == "hf:mine"


def test_hf_asks_for_a_pooling_that_nothing_states(folder):
    with pytest.raises(
        UsageError, match="hf:mine: the model does not state its pooling; choose --pooling cls, mean or"
    ):
        load(folder)


@pytest.mark.parametrize(("key", "pooling"), [("pooling_mode_cls_token", "cls"), ("pooling_mode_mean_tokens", "mean")])
def test_hf_reads_the_pooling_of_sentence_transformers(folder, key, pooling):
    modes = dict.fromkeys([*huggingface.STATED, "pooling_mode_max_tokens"], False)
    state_pooling(folder, **(modes | {key: True}))
    assert load(folder).facts["pooling"] == pooling
    assert load(folder, pooling="pooler").facts["pooling"] == "pooler"
    np.testing.assert_array_equal(load(folder).texts(["a cup"])(), load(folder, pooling=pooling).texts(["a cup"])())


@pytest.mark.parametrize(
    ("modes", "came"),
    [
        ({}, "no pooling_mode"),
        ({"pooling_mode_max_tokens": True}, "pooling_mode_max_tokens"),
        (dict.fromkeys(huggingface.STATED, True), "pooling_mode_cls_token [+] pooling_mode_mean_tokens"),
    ],
)
def test_another_pooling_is_asked_for(folder, modes, came):
    state_pooling(folder, **modes)
    with pytest.raises(UsageError, match=f"states {came}, expected one of pooling_mode_cls_token, .* choose --pooling"):
        load(folder)


def test_a_spoilt_pooling_is_one_line(folder):
    state_pooling(folder)
    (folder / "1_Pooling" / "config.json").write_text("[")
    with pytest.raises(DataError, match=r"1_Pooling/config.json: not readable"):
        load(folder)


def test_a_model_that_goes_on_after_its_pooling_is_not_taken_for_less(folder):
    state_pooling(folder, pooling_mode_mean_tokens=True)
    kinds = ["Transformer", "Pooling", "Dense", "Normalize"]
    steps = [{"idx": i, "type": f"sentence_transformers.models.{kind}"} for i, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(steps))
    with pytest.raises(
        UsageError, match=r"goes on after its pooling \(Dense\).*--pooling mean takes what comes before"
    ):
        load(folder)
    assert load(folder, pooling="mean").dim == 32
