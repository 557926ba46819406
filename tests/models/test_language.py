"""Classifiers that start from a store of labels, and stores that are of something else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from strategies import DEMO, HICO

from hoitool.data import Meta, offsets_of, strings
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.models.language import language
from hoitool.store import Layout, Manifest, Store, Writer

CLASSES = Meta(DEMO)
NAMES = [DEMO.interaction_name(i) for i in range(len(DEMO))]
ROWS = np.random.default_rng(0).normal(size=(len(NAMES), 2, 8)).astype(np.float32)
OF_LABELS = Manifest(
    of="labels",
    model="clip:tiny",
    dim=8,
    space="pre-projection",
    normalised=False,
    label_space={"name": DEMO.name, "hash": DEMO.hash},
    label_kind="interactions",
)


def save(path, manifest=OF_LABELS, rows=ROWS[:, :1], names=NAMES, failed=()):
    """A store of rows (K, prompt sets, dim)."""
    counts = np.full(len(names), rows.shape[1])
    columns = {"part": np.tile(np.arange(rows.shape[1], dtype=np.uint8), len(names))} if manifest.parts else {}
    with Writer(path, manifest, Layout(strings(names), offsets_of(counts), columns)) as writer:
        writer.write(0, [None if i in failed else each for i, each in enumerate(rows)])
        writer.finish()
    return path


def test_rows_come_in_the_order_of_the_labels_as_long_as_they_are(tmp_path):
    turned = save(tmp_path / "labels.h5", rows=ROWS[::-1, :1], names=NAMES[::-1])
    made = language(turned, CLASSES, 8)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, ROWS[:, 0])


def test_a_prompt_set_is_named_where_there_are_several(tmp_path):
    path = save(tmp_path / "labels.h5", replace(OF_LABELS, parts=("bare", "photo")), ROWS)
    np.testing.assert_array_equal(language(path, CLASSES, 8, "photo"), ROWS[:, 1])
    with pytest.raises(UsageError, match="labels.h5 holds the prompt sets bare, photo: name the one to start from"):
        language(path, CLASSES, 8)
    with pytest.raises(UsageError, match=r"No part in .*labels.h5 named 'foto'. Did you mean 'photo'"):
        language(path, CLASSES, 8, "foto")


def test_the_only_prompt_set_may_be_named(tmp_path):
    path = save(tmp_path / "labels.h5", replace(OF_LABELS, prompts={"defr": "ab"}))
    np.testing.assert_array_equal(language(path, CLASSES, 8, "defr"), language(path, CLASSES, 8))
    with pytest.raises(UsageError, match="bare"):
        language(path, CLASSES, 8, "bare")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"of": "texts"}, "of is 'texts', expected 'labels'"),
        ({"label_kind": "verbs"}, "label_kind is 'verbs', expected 'interactions'"),
        ({"label_space": {"name": "hico", "hash": HICO.hash}}, "label_space is .*hico"),
    ],
)
def test_a_store_of_something_else_is_refused(changes, told, tmp_path):
    path = save(tmp_path / "labels.h5", replace(OF_LABELS, **changes))
    with pytest.raises(DataError, match=rf"labels.h5 is not what is needed: {told}"):
        language(path, CLASSES, 8)


def test_rows_of_another_length_are_refused(tmp_path):
    path = save(tmp_path / "labels.h5")
    with pytest.raises(DataError, match=r"has rows of 8 \(clip:tiny, pre-projection\), the model has features of 6"):
        language(path, CLASSES, 6)


def test_each_class_has_one_row(tmp_path):
    with pytest.raises(DataError, match=r"has 2 rows, expected one for each label"):
        language(save(tmp_path / "two.h5", rows=ROWS), CLASSES, 8)
    with pytest.raises(DataError, match=rf"its 29 labels are not the 30 interactions .*{NAMES[-1]!r} is missing"):
        language(save(tmp_path / "fewer.h5", rows=ROWS[:-1, :1], names=NAMES[:-1]), CLASSES, 8)
    with pytest.raises(DataError, match=f"the label {NAMES[2]!r} could not be embedded"):
        language(save(tmp_path / "failed.h5", failed=(2,)), CLASSES, 8)


def test_no_store(tmp_path):
    with pytest.raises(MissingData, match="no.h5"):
        language(tmp_path / "no.h5", CLASSES, 8)


def test_what_embed_labels_writes_is_what_a_classifier_starts_from(tmp_path, hoitool):
    torch = pytest.importorskip("torch")
    pytest.importorskip("open_clip")
    from hoitool.embed.encoders.tiny import save_tiny_clip
    from hoitool.models.defr import build_classifier

    folder, path = save_tiny_clip(tmp_path / "tiny"), tmp_path / "labels.h5"
    arguments = ("--model", f"clip:{folder}", "--space", "pre-projection", "--prompts", "defr", "--device", "cpu")
    DEMO.save(tmp_path / "demo.json")
    done = hoitool("embed", "labels", tmp_path / "demo.json", *arguments, "-o", path)
    assert done.code == 0, done.err
    dim = Store(path).manifest.dim
    rows = language(path, CLASSES, dim)
    made = build_classifier("cosine", dim, len(NAMES), rows)
    torch.testing.assert_close(made.weight.data, torch.from_numpy(rows))
    assert rows.shape == (len(NAMES), dim)
    np.testing.assert_allclose(rows[7], Store(path)[NAMES[7]][0], atol=1e-6)
