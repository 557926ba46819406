"""Which texts regions are compared with, and what they score."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch.nn.functional import normalize

from hoitool.embed import engine
from hoitool.embed.expansion import product_scores
from hoitool.embed.load import load
from hoitool.embed.words import Stored, job_of, labels, lines
from hoitool.errors import DataError
from hoitool.labels import load_labels
from hoitool.labels.prompts import load_prompts
from hoitool.losses.vild import ensemble, image_logits, text_logits
from hoitool.models.card import Labelled
from hoitool.models.vild import build
from hoitool.predict.vild.vocabulary import Vocabulary, described, of_store, own, scores
from hoitool.store import Store

COCO = load_labels("coco")
BASE, NOVEL = [0, 2, 5], [7, 9]


def card(**encoder):
    numbers = {"body": "tiny", "heads": "shared", "classes": 80, "image_size": 64, "dim": 129}
    predict = {"base": BASE, "novel": NOVEL, "encoder": encoder}
    return Labelled("vild", numbers, predict, COCO, "objects", (0.0,) * 3, (1.0,) * 3)


def store(path, words):
    engine.run(job_of(words, load("colours"), Stored()), path, engine.Pace(8))
    return Store(path)


def test_a_model_s_own_words_are_its_base_and_novel_classes():
    texts = np.random.default_rng(0).normal(size=(80, 129)).astype(np.float32)
    words = own(build(**card().numbers, language=texts), card())
    assert words.objects.tolist() == [0, 2, 5, 7, 9]
    assert words.novel.tolist() == [False, False, False, True, True]
    assert torch.equal(words.texts, torch.from_numpy(texts[words.objects]))
    assert words.labels is COCO


def test_lines_of_text_are_objects_of_a_label_space_of_their_own(tmp_path):
    (tmp_path / "mine.txt").write_text(f"a red car\n{COCO.objects[0]}\na cup\n")
    held = store(tmp_path / "mine.h5", lines(tmp_path / "mine.txt", []))
    words = of_store(held, card())
    assert words.labels.objects == ("a red car", COCO.objects[0], "a cup")
    assert words.labels.name == "mine"
    assert words.novel.tolist() == [True, False, True]
    assert torch.equal(words.texts, torch.from_numpy(held.rows(0, 3)))


def test_labels_of_another_label_space_are_its_objects(tmp_path):
    hico = load_labels("hico")
    held = store(tmp_path / "hico.h5", labels(hico, "objects", [load_prompts("photo")]))
    words = of_store(held, card())
    assert words.labels.hash == hico.hash
    known = {COCO.objects[i] for i in BASE}
    assert [name for name, novel in zip(hico.objects, words.novel, strict=True) if not novel] == sorted(known)


def test_a_store_of_another_encoder_or_kind_is_refused(tmp_path):
    held = store(tmp_path / "hico.h5", labels(load_labels("hico"), "objects", [load_prompts("photo")]))
    assert of_store(held, card(model="colours", space="joint"))
    with pytest.raises(DataError, match="model is 'colours', expected 'clip:ViT-B-32-quickgelu'"):
        of_store(held, card(model="clip:ViT-B-32-quickgelu"))
    verbs = store(tmp_path / "verbs.h5", labels(load_labels("hico"), "verbs", [load_prompts("photo")]))
    with pytest.raises(DataError, match="holds verbs; a detector's vocabulary is of objects"):
        of_store(verbs, card())


def test_scores_are_those_of_the_heads():
    torch.manual_seed(0)
    text, image, background, texts = torch.randn(4, 8), torch.randn(4, 8), torch.randn(8), torch.randn(5, 8)
    words = Vocabulary(texts, np.arange(5), np.array([False, True, False, True, False]), COCO)
    by_text, by_image = text_logits(text, background, texts, 0.1), image_logits(image, texts, 0.1)
    cosines = normalize(image, dim=1) @ normalize(texts, dim=1).T / 0.1
    torch.testing.assert_close(by_image, cosines)
    expected = {
        "text": by_text.softmax(1)[:, 1:],
        "shared": by_text.softmax(1)[:, 1:],
        "image": cosines.softmax(1),
        "separate": ensemble(by_text, by_image, torch.from_numpy(words.novel)),
    }
    for heads, wanted in expected.items():
        made = scores(text, image, None if heads == "image" else background, heads, words, 0.1)
        torch.testing.assert_close(made, wanted)


def test_attributes_make_objects_of_each_class_with_each(tmp_path):
    (tmp_path / "colours.txt").write_text("red\nblue\nlight green\n")
    held = store(tmp_path / "colours.h5", lines(tmp_path / "colours.txt", []))
    classes = own(build(**card().numbers), card())
    words = described(classes, held, card())
    assert words.objects.tolist() == list(range(15))
    assert words.labels.objects[:4] == ("red person", "blue person", "light green person", f"red {COCO.objects[2]}")
    assert torch.equal(words.attributes, torch.from_numpy(held.rows(0, 3)))
    assert words.novel is classes.novel
    objects = store(tmp_path / "hico.h5", labels(load_labels("hico"), "objects", [load_prompts("photo")]))
    with pytest.raises(DataError, match="of is 'labels', expected 'texts'"):
        described(classes, objects, card())
    (tmp_path / "twice.txt").write_text("red\nred toy\n")
    (tmp_path / "toys.txt").write_text("toy car\ncar\n")
    twice, toys = (store(tmp_path / f"{name}.h5", lines(tmp_path / f"{name}.txt", [])) for name in ("twice", "toys"))
    with pytest.raises(DataError, match="two of its attributes make one name of objects of 'toys'"):
        described(of_store(toys, card()), twice, card())


@pytest.mark.parametrize("heads", ["text", "shared", "image", "separate"])
def test_scores_of_classes_with_attributes_are_products(heads):
    torch.manual_seed(0)
    text, image, background, texts, attributes = (torch.randn(n, 8) for n in (4, 4, 1, 5, 3))
    classes = Vocabulary(texts, np.arange(5), np.array([False, True, False, True, False]), COCO)
    words = Vocabulary(texts, np.arange(15), classes.novel, COCO, attributes)
    told = scores(text, image, background[0], heads, classes, 0.1)
    made = scores(text, image, background[0], heads, words, 0.1).view(4, 5, 3)
    torch.testing.assert_close(made.sum(dim=2), told)
    cosines = normalize(image, dim=1) @ normalize(attributes, dim=1).T / 0.1
    torch.testing.assert_close(made[:, 2] / told[:, 2, None], cosines.softmax(1))
    if heads == "image":  # no background: the formula of embeddings alone
        np.testing.assert_allclose(made, product_scores(*(r.numpy() for r in (image, texts, attributes)), 0.1), 1e-4)
