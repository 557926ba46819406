"""Texts to vectors through tiny real models: poolings by literal oracles, batches, lengths, files that are wrong."""

from __future__ import annotations

import json
import logging
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402
from tiny_texts import save_bert, save_roberta, save_tokenizer, words_alone  # noqa: E402

from hoitool.embed.encoder import Settings  # noqa: E402
from hoitool.embed.encoders import huggingface, sentences  # noqa: E402
from hoitool.errors import DataError, MissingData, UsageError  # noqa: E402

TEXTS = [
    "a person riding a bicycle",
    "Person",
    "the person holding the cups of the person eating the apple",
    "a photo of a person riding a motorcycle",
    "hold cup",
    "",
]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("models") / "tiny-bert")


@pytest.fixture(scope="module")
def roberta(tmp_path_factory):
    return save_roberta(tmp_path_factory.mktemp("models") / "tiny-roberta")


@pytest.fixture
def copied(bert, tmp_path):
    """A copy of the BERT to spoil."""
    return shutil.copytree(bert, tmp_path / "copied")


def load(folder, pooling="cls", **settings):
    return huggingface.load(Settings(variant=str(folder), pooling=pooling, device="cpu", **settings))


def one_by_one(folder, text):
    """The last states of one text, unpadded, by transformers called by hand: (T, D)."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokenizer(text)["input_ids"]])).last_hidden_state[0].numpy()


@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_cls_and_mean_are_those_of_each_text_alone(name, request):
    folder = request.getfixturevalue(name)
    states = [one_by_one(folder, text) for text in TEXTS]
    first = load(folder, "cls").texts(TEXTS)()
    mean = load(folder, "mean").texts(TEXTS)()
    assert first.dtype == mean.dtype == np.float32
    np.testing.assert_allclose(first, [rows[0] for rows in states], atol=2e-6)
    for got, rows in zip(mean, states, strict=True):
        np.testing.assert_allclose(got, [sum(column) / len(rows) for column in rows.T.tolist()], atol=2e-6)


def test_the_pooler_is_its_layer_over_the_first_state(bert):
    weights = load_file(bert / "model.safetensors")
    weight, bias = weights["pooler.dense.weight"].numpy(), weights["pooler.dense.bias"].numpy()
    expected = [np.tanh(weight @ one_by_one(bert, text)[0] + bias) for text in TEXTS]
    np.testing.assert_allclose(load(bert, "pooler").texts(TEXTS)(), expected, atol=2e-6)


def test_states_agree_with_published_ones(shared, tmp_path):
    """VSE-infinity's text encoder, whose BERT was run under another version of transformers."""
    known = load_file(shared("parity/vse/vse_region_bert.safetensors"))
    sizes = json.loads(shared("parity/vse/vse_region_bert.json").read_text())["bert_config"]
    transformers.BertConfig(**sizes).save_pretrained(tmp_path)
    bert = {name.removeprefix("txt_enc/"): value for name, value in known.items() if name.startswith("txt_enc/bert.")}
    save_file(bert, tmp_path / "model.safetensors")
    words = {"<pad>": 0, "<unk>": 1} | {f"w{i}": i for i in range(2, sizes["vocab_size"])}
    save_tokenizer(words_alone(words), tmp_path, {"pad_token": "<pad>", "unk_token": "<unk>"})

    captions, states = known["in/captions"], known["mid/bert_last_hidden"]
    texts = [" ".join(f"w{i}" for i in row if i) for row in captions.tolist()]
    np.testing.assert_allclose(load(tmp_path, "cls").texts(texts)(), states[:, 0], atol=1e-6)
    expected = [row[ids != 0].double().mean(0).numpy() for row, ids in zip(states, captions, strict=True)]
    np.testing.assert_allclose(load(tmp_path, "mean").texts(texts)(), expected, atol=1e-6)


@pytest.mark.parametrize("pooling", sentences.POOLINGS)
def test_rows_follow_their_texts_whatever_stands_beside_them(bert, pooling, monkeypatch):
    encoder = load(bert, pooling)
    whole = encoder.texts(TEXTS)()
    np.testing.assert_array_equal(whole, encoder.texts(TEXTS)())
    np.testing.assert_allclose(whole[::-1], encoder.texts(TEXTS[::-1])(), atol=1e-6)
    for i, text in enumerate(TEXTS):
        np.testing.assert_allclose(whole[i : i + 1], encoder.texts([text])(), atol=1e-6)
    monkeypatch.setattr(sentences, "TOKENS", 20)
    np.testing.assert_allclose(whole, encoder.texts(TEXTS)(), atol=1e-6)


def test_no_texts_are_no_rows(bert):
    assert load(bert).texts([])().shape == (0, 32)


def test_batches_hold_each_text_once_and_little_padding(monkeypatch):
    monkeypatch.setattr(sentences, "TOKENS", 12)
    assert list(sentences.batches([5, 3, 20, 3, 6, 3, 6])) == [[1, 3, 5], [0, 4], [6], [2]]
    assert list(sentences.batches([])) == []


def test_facts_name_the_weights_and_the_pooling(bert):
    from hoitool.files import sha256

    encoder = load(bert, "mean", precision="bf16")
    assert (encoder.name, encoder.dim, encoder.preprocess) == ("hf:tiny-bert", 32, None)
    assert encoder.facts == {
        "weights": "tiny-bert",
        "weights_sha256": sha256(bert / "model.safetensors"),
        "pooling": "mean",
        "max_tokens": 16,
        "precision": "bf16",
    }


def test_roberta_starts_to_count_after_its_padding(roberta):
    encoder = load(roberta)
    assert encoder.max_tokens == 16
    assert np.isfinite(encoder.texts(["apple " * 40])()).all()


def test_longer_texts_lose_their_end_and_it_is_told_once(bert, caplog):
    encoder = load(bert)
    long = "apple " * 14 + "cup cup"
    with caplog.at_level(logging.WARNING):
        rows = encoder.texts(["a cup", long, "apple " * 14])()
        encoder.texts([long])()
    np.testing.assert_allclose(rows[1], rows[2], atol=1e-6)
    assert [record.getMessage() for record in caplog.records] == [
        "1 of 3 texts are longer than the 16 tokens that hf:tiny-bert takes and lose their end, "
        "the first: 'apple apple apple apple apple apple apple apple apple apple '"
    ]
    assert encoder.truncated == 2


def test_sentence_transformers_states_a_smaller_length(copied):
    (copied / "sentence_bert_config.json").write_text('{"max_seq_length": 5}')
    assert load(copied).max_tokens == 5


@pytest.mark.parametrize(("precision", "atol"), [("bf16", 0.1), ("fp16", 0.01)])
def test_narrow_arithmetic_gives_nearly_the_same(bert, precision, atol):
    rows = load(bert, "mean", precision=precision).texts(TEXTS)()
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows, load(bert, "mean").texts(TEXTS)(), atol=atol)
    assert not np.array_equal(rows, load(bert, "mean").texts(TEXTS)())


def test_older_weights_load_without_pickle(bert, tmp_path):
    older = save_bert(tmp_path / "older", safe=False)
    np.testing.assert_allclose(load(older).texts(TEXTS)(), load(bert).texts(TEXTS)(), atol=1e-6)

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    torch.save({"embeddings.word_embeddings.weight": Evil()}, older / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"pytorch_model.bin: not readable"):
        load(older)
    assert not (tmp_path / "executed").exists()


def test_loading_is_silent_and_leaves_the_reports_of_others_alone(bert, tmp_path, capfd):
    from transformers.utils import logging as their_logging

    before = their_logging.get_verbosity(), their_logging.is_progress_bar_enabled()
    load(save_bert(tmp_path / "no-pooler", pooler=False)).texts(["apple " * 40])()
    assert capfd.readouterr() == ("", "")
    assert (their_logging.get_verbosity(), their_logging.is_progress_bar_enabled()) == before


def test_a_pooler_without_weights_is_not_drawn_at_random(tmp_path):
    folder = save_bert(tmp_path / "no-pooler", pooler=False)
    load(folder, "mean")
    with pytest.raises(UsageError, match=r"no weights for its pooler \(pooler.dense.bias, pooler.dense.weight\); --po"):
        load(folder, "pooler")


def test_a_model_without_a_pooler_says_so(bert, tmp_path):
    shutil.copytree(bert, tmp_path / "distil")
    config = transformers.DistilBertConfig(vocab_size=23, dim=32, hidden_dim=64, n_layers=1, n_heads=2)
    transformers.DistilBertModel(config).save_pretrained(tmp_path / "distil")
    assert load(tmp_path / "distil", "mean").dim == 32
    with pytest.raises(UsageError, match="a distilbert model has no pooler"):
        load(tmp_path / "distil", "pooler")


def test_missing_tensors_are_named(copied):
    held = load_file(copied / "model.safetensors")
    gone = [name for name in held if name.startswith("encoder.layer.1.attention.self.query")]
    save_file({name: held[name] for name in held if name not in gone}, copied / "model.safetensors")
    with pytest.raises(DataError, match=r"lacks encoder.layer.1.attention.self.query.bias and 1 more, which config"):
        load(copied)


def test_tensors_of_another_size_are_refused(copied):
    config = json.loads((copied / "config.json").read_text())
    (copied / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    with pytest.raises(DataError, match="model.safetensors: not readable"):
        load(copied)


@pytest.mark.parametrize("keep", [0, 7, 100, 5000])
def test_truncated_weights_are_one_line(copied, keep):
    path = copied / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"^[^\n]*model.safetensors: not readable as the weights[^\n]*$"):
        load(copied)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[1]", '"bert"', "{}", '{"model_type": "nonsense"}', '{"model_type": "bert", "hidden_size": "x"}'],
)
def test_a_spoilt_configuration_is_one_line(copied, content):
    (copied / "config.json").write_text(content)
    with pytest.raises(DataError, match=r"^[^\n]*config.json[^\n]*$"):
        load(copied)


def test_a_spoilt_tokenizer_is_one_line(copied):
    (copied / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(DataError, match=r"^[^\n]*not readable as a tokenizer[^\n]*$"):
        load(copied)


def test_code_of_a_repository_is_never_run(copied):
    config = json.loads((copied / "config.json").read_text())
    there = {"model_type": "own", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (copied / "config.json").write_text(json.dumps(config | there))
    (copied / "code.py").write_text(f"open({str(copied / 'executed')!r}, 'w')\n")
    with pytest.raises(DataError, match=r"config.json: not readable"):
        load(copied)
    assert not (copied / "executed").exists()


def test_an_encoder_with_a_decoder_is_refused(copied):
    (copied / "model.safetensors").unlink()
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    transformers.T5Model(transformers.T5Config(vocab_size=30, decoder_start_token_id=0, **sizes)).save_pretrained(
        copied
    )
    with pytest.raises(DataError, match="t5 is an encoder with a decoder"):
        load(copied, "mean")


def test_a_text_without_tokens_is_named(tmp_path):
    made = words_alone({"<pad>": 0, "<unk>": 1, "a": 2})
    save_tokenizer(made, tmp_path, {"pad_token": "<pad>", "unk_token": "<unk>"})
    config = transformers.BertConfig(vocab_size=3, hidden_size=8, num_hidden_layers=1, num_attention_heads=1)
    transformers.BertModel(config).save_pretrained(tmp_path)
    with pytest.raises(DataError, match=r"text 1 \(' '\) has no tokens"):
        load(tmp_path).texts(["a", " "])


def test_settings_that_cannot_be_are_refused(bert):
    with pytest.raises(UsageError, match="No pooling named 'max'. Known: cls, mean, pooler"):
        load(bert, "max")
    with pytest.raises(UsageError, match="encodes texts alone: --space pre-projection"):
        load(bert, space="pre-projection")
    for device in ("nonsense", "cuda:97"):
        with pytest.raises(UsageError, match=f"--device {device}: not a device that is here"):
            huggingface.load(Settings(variant=str(bert), pooling="cls", device=device))


def test_it_has_no_images(bert):
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    for work in (load(bert).images, load(bert).maps):
        with pytest.raises(UsageError, match="hf:tiny-bert encodes texts alone"):
            work(pixels)


def test_a_folder_that_lacks_a_file_is_missing_data(copied):
    (copied / "tokenizer.json").unlink()
    with pytest.raises(MissingData, match="no tokenizer.json"):
        load(copied)


def test_a_compiled_model_gives_the_same(bert, monkeypatch):
    compile_it, dynamic = torch.compile, []

    def quickly(model, **options):
        dynamic.append(options)
        return compile_it(model, backend="eager", **options)

    monkeypatch.setattr(torch, "compile", quickly)
    np.testing.assert_allclose(load(bert, compile=True).texts(TEXTS)(), load(bert).texts(TEXTS)(), atol=1e-6)
    assert dynamic == [{"dynamic": True}]
