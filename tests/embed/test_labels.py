"""Texts of labels as rows: golden rows of ensembles, sets side by side, attributes, lines, raw rows, float16."""

from __future__ import annotations

import numpy as np
import pytest

from hoitool.embed.about import about
from hoitool.embed.encoder import Settings
from hoitool.embed.encoders import hashed
from hoitool.embed.engine import Pace, run
from hoitool.embed.labels import Labels
from hoitool.labels import load_labels
from hoitool.labels.prompts import load_prompts
from hoitool.labels.texts import lines_of, texts_of
from hoitool.store import Store

HICO = load_labels("hico")


def store_of(texts, tmp_path, batch=7, **decided):
    encoder = hashed.load(Settings())
    job = Labels(texts, encoder, about(encoder, "labels", parts=texts.parts, **decided))
    run(job, tmp_path / "x.h5", Pace(batch))
    return Store(tmp_path / "x.h5")


def row(*texts, normalise=True):
    """The row of an ensemble of texts: written out."""
    encoder = hashed.load(Settings())
    rows = [encoder.texts([text])()[0].astype(float) for text in texts]
    mean = np.mean([each / np.linalg.norm(each) for each in rows], axis=0)
    return mean / np.linalg.norm(mean) if normalise else mean


def test_one_text_a_label_in_the_order_of_the_label_space(tmp_path):
    store = store_of(texts_of(HICO, "interactions", [load_prompts("photo")]), tmp_path)
    assert store.key.tolist() == [HICO.interaction_name(i) for i in range(600)]
    assert store.layout.rows == 600
    assert store.column("label").tolist() == list(range(600))
    text = store.column("text")[store.index("ride bicycle")]
    assert text == "a photo of a person riding a bicycle"
    np.testing.assert_allclose(store["ride bicycle"][0], row(text), atol=1e-7)
    assert set(store.layout.columns) == {"label", "text"}


def test_an_ensemble_is_the_mean_of_the_normalised_normalised(tmp_path):
    prompts = load_prompts("clip-7")
    texts = texts_of(HICO, "objects", [prompts])
    store = store_of(texts, tmp_path, batch=5)
    assert (len(store), store.layout.rows, len(texts)) == (80, 80, 80 * 7)
    for label in (0, 1, 79):
        held = [text for text, of in zip(texts.text, texts.label, strict=True) if of == label]
        assert len(set(held)) == 7
        np.testing.assert_allclose(store[label][0], row(*held), atol=1e-7)
        assert store.column("text")[label] == held[0]


def test_several_sets_stand_side_by_side(tmp_path):
    sets = [load_prompts(name) for name in ("photo", "clip-7", "bare")]
    texts = texts_of(HICO, "objects", sets)
    store = store_of(texts, tmp_path)
    assert store.manifest.parts == ("photo", "clip-7", "bare")
    assert np.diff(store.layout.offsets).tolist() == [3] * 80
    assert store.column("part").tolist() == [0, 1, 2] * 80
    assert store.column("label").tolist() == np.repeat(range(80), 3).tolist()
    for part, name in enumerate(store.manifest.parts):
        held = [text for text, of, p in zip(texts.text, texts.label, texts.part, strict=True) if (of, p) == (4, part)]
        np.testing.assert_allclose(store[4][part], row(*held), atol=1e-7)
        places, rows = store.part(name)
        assert places.tolist() == list(range(part, 240, 3))
        np.testing.assert_array_equal(rows[4], store[4][part])


def test_attributes_come_after_the_plain_text_and_alone_at_the_end(tmp_path):
    texts = texts_of(HICO, "interactions", [load_prompts("photo"), load_prompts("bare")], ("red", "wet"))
    store = store_of(texts, tmp_path)
    assert store.key.tolist()[-2:] == ["attribute: red", "attribute: wet"]
    place = store.index("ride bicycle")
    rows = slice(*store.layout.offsets[place : place + 2].tolist())
    told = list(zip(*(store.column(name)[rows].tolist() for name in ("part", "attribute")), strict=True))
    assert told == [(0, -1), (0, 0), (0, 1), (1, -1), (1, 0), (1, 1)]
    held = store.column("text")[rows].tolist()
    assert held[1] == "a photo of a person riding a red bicycle"
    for text, made in zip(held, store["ride bicycle"], strict=True):
        np.testing.assert_allclose(made, row(text), atol=1e-7)
    last = slice(*store.layout.offsets[-3:-1].tolist())
    assert store.column("attribute")[last].tolist() == [0, 0]
    assert store.column("label")[last].tolist() == [-1, -1]
    assert "red" in store.column("text")[last.start]


def test_lines_are_their_own_texts(tmp_path):
    (tmp_path / "lines.txt").write_text("a cat\n\n  a dog \na cat\nzebra: stripes\n")
    store = store_of(lines_of(tmp_path / "lines.txt"), tmp_path)
    assert store.key.tolist() == store.column("text").tolist() == ["a cat", "a dog", "zebra: stripes"]
    np.testing.assert_allclose(store["a dog"][0], row("a dog"), atol=1e-7)


def test_a_users_own_prompts(tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "name: mine\nsource: me\ntemplates: ['look, {phrase}', '{phrase}?']\nphrases: {object: 'the {object}'}\n"
    )
    texts = texts_of(HICO, "objects", [load_prompts(str(tmp_path / "mine.yaml"))])
    store = store_of(texts, tmp_path)
    np.testing.assert_allclose(store["bicycle"][0], row("look, the bicycle", "the bicycle?"), atol=1e-7)


def test_raw_rows_are_the_encoders_and_ensembles_their_plain_means(tmp_path):
    sets = [load_prompts(name) for name in ("photo", "clip-7")]
    texts = texts_of(HICO, "objects", sets)
    store = store_of(texts, tmp_path, normalised=False)
    alone = hashed.load(Settings()).texts(["a photo of a bicycle"])()[0]
    place = store.index("bicycle")
    held = [
        text for text, of, part in zip(texts.text, texts.label, texts.part, strict=True) if (of, part) == (place, 1)
    ]
    assert alone.tolist() in store[place].tolist()  # beside an ensemble too
    np.testing.assert_allclose(store[place][1], row(*held, normalise=False), atol=1e-7)


def test_before_the_projection_an_ensemble_is_the_mean_alone(tmp_path):
    texts = texts_of(HICO, "objects", [load_prompts("clip-7")])
    store = store_of(texts, tmp_path, normalised=False, space="pre-projection")
    held = [text for text, of in zip(texts.text, texts.label, strict=True) if of == 3]
    np.testing.assert_allclose(store[3][0], np.mean(hashed.load(Settings()).texts(held)(), axis=0), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_dtype_only_rounds(tmp_path, dtype):
    texts = texts_of(HICO, "objects", [load_prompts("photo")])
    store = store_of(texts, tmp_path, dtype=dtype)
    rows = store.rows(0, 80)
    assert rows.dtype == dtype
    exact = np.stack([row(text) for text in texts.text])
    np.testing.assert_allclose(rows, exact, atol=np.finfo(dtype).eps)


def test_the_batch_changes_no_row(tmp_path):
    texts = texts_of(HICO, "objects", [load_prompts("clip-7")])
    rows = []
    for batch in (1, 3, 1000):
        (tmp_path / str(batch)).mkdir()
        rows.append(store_of(texts, tmp_path / str(batch), batch).content)
    assert len(set(rows)) == 1
