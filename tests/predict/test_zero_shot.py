"""Images and labels of two stores compared: by a slow oracle, block by block, and what may not be compared."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from strategies import DEMO, HICO, assert_same

from hoitool.data import offsets_of, read, strings
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.predict import zero_shot as module
from hoitool.predict.zero_shot import compare, zero_shot
from hoitool.store import Layout, Manifest, Store, Writer

DIM, IMAGES = 8, 5
NAMES = [DEMO.interaction_name(i) for i in range(len(DEMO))]
OF_LABELS = Manifest(
    of="labels",
    model="clip:tiny",
    dim=DIM,
    weights_sha256="ab",
    label_space={"name": DEMO.name, "hash": DEMO.hash},
    label_kind="interactions",
)
OF_IMAGES = Manifest(of="images", model="clip:tiny", dim=DIM, weights_sha256="ab", dataset="demo", subset="test")


def numbers(rows, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, DIM))


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def save(path, manifest, keys, rows, counts=None, failed=(), **columns):
    """A store of these rows, one for each key unless counts say otherwise."""
    counts = np.ones(len(keys), int) if counts is None else np.asarray(counts)
    layout = Layout(strings(keys), offsets_of(counts), columns)
    held = np.split(rows.astype(np.float32), layout.offsets[1:-1])
    with Writer(path, manifest, layout) as writer:
        writer.write(0, [None if i in failed else each for i, each in enumerate(held[: len(keys)])])
        writer.finish()
    return path


def parts(labels, sets):
    return np.tile(np.arange(sets, dtype=np.uint8), labels)


@pytest.fixture
def labels(tmp_path):
    DEMO.save(tmp_path / f"labels-{DEMO.hash[:12]}.json")
    return save(tmp_path / "labels.h5", OF_LABELS, NAMES, unit(numbers(len(NAMES), 1)))


@pytest.fixture
def images(tmp_path):
    return save(tmp_path / "images.h5", OF_IMAGES, [f"{i}.jpg" for i in range(IMAGES)], unit(numbers(IMAGES)))


def cosines(images, labels):
    """One by one."""
    return np.array([[sum(a * b for a, b in zip(i, k, strict=True)) for k in labels] for i in images])


def test_scores_are_the_cosines_of_rows_in_the_order_of_labels(images, labels, tmp_path):
    made = zero_shot(images, labels, tmp_path / "out" / "p.parquet")
    held = read(made.path)
    assert held.key.tolist() == [f"{i}.jpg" for i in range(IMAGES)]
    assert held.image_scores.dtype == np.float32
    np.testing.assert_allclose(
        held.image_scores, cosines(unit(numbers(IMAGES)), unit(numbers(len(NAMES), 1))), atol=1e-6
    )
    assert (held.kind, held.meta.dataset, held.meta.subset, held.meta.label_kind) == (
        "predictions", "demo", "test", "interactions",
    )  # fmt: skip
    assert held.meta.labels.hash == DEMO.hash
    assert held.meta.sources == {"images.h5": Store(images).content, "labels.h5": Store(labels).content}
    assert made.summary()["classes"] == len(NAMES)
    assert len(held.subject) == len(held.boxes) == 0


def test_labels_may_stand_in_any_order(images, labels, tmp_path):
    order = np.random.default_rng(2).permutation(len(NAMES))
    rows = unit(numbers(len(NAMES), 1))
    other = save(tmp_path / "other.h5", OF_LABELS, [NAMES[i] for i in order], rows[order])
    one, two = (compare(Store(images), Store(each)).block(0, IMAGES) for each in (labels, other))
    assert one.image_scores.tolist() == two.image_scores.tolist()


def test_rows_that_are_not_normalised_are_made_so(images, labels, tmp_path):
    raw = replace(OF_IMAGES, normalised=False), replace(OF_LABELS, normalised=False)
    long = save(tmp_path / "i.h5", raw[0], [f"{i}.jpg" for i in range(IMAGES)], 7 * unit(numbers(IMAGES)))
    many = save(tmp_path / "l.h5", raw[1], NAMES, 3 * unit(numbers(len(NAMES), 1)))
    expected = compare(Store(images), Store(labels)).block(0, IMAGES).image_scores
    np.testing.assert_allclose(compare(Store(long), Store(many)).block(0, IMAGES).image_scores, expected, atol=1e-6)
    zero = save(tmp_path / "z.h5", raw[0], ["a", "b"], np.zeros((2, DIM)))
    with pytest.raises(DataError, match=r"z\.h5: row 0 of 2 is zero"):
        compare(Store(zero), Store(labels)).block(0, 2)


def test_blocks_make_shards_and_nothing_else_changes(images, labels, tmp_path, monkeypatch):
    whole = read(zero_shot(images, labels, tmp_path / "whole.parquet").path)
    monkeypatch.setattr(module, "BLOCK", 2 * 4 * (len(NAMES) + DIM))
    made = zero_shot(images, labels, tmp_path / "parts.parquet")
    assert sorted(p.name for p in made.path.iterdir()) == [
        "00000.parquet", "00001.parquet", "00002.parquet", f"labels-{DEMO.hash[:12]}.json",
    ]  # fmt: skip
    sharded = read(made.path)
    np.testing.assert_allclose(sharded.image_scores, whole.image_scores, atol=1e-7)
    assert_same(sharded.with_columns(image_scores=whole.image_scores), whole)


def test_the_images_of_a_store_of_captions(images, labels, tmp_path):
    counts, keys = np.array([3, 1, 2, 1, 4]), [f"{i}.jpg" for i in range(IMAGES)]
    first = offsets_of(counts)[:-1]
    rows = unit(numbers(counts.sum(), 5))
    rows[first] = unit(numbers(IMAGES))
    part = np.ones(counts.sum(), np.uint8)
    part[first] = 0
    manifest = replace(OF_IMAGES, of="captions", parts=("image", "text"))
    both = save(tmp_path / "both.h5", manifest, keys, rows, counts, part=part)
    expected = compare(Store(images), Store(labels)).block(1, 4)
    assert_same(replace(compare(Store(both), Store(labels)).block(1, 4), meta=expected.meta), expected)


def test_prompt_sets_are_named_or_averaged(images, tmp_path, labels):
    sets = [unit(numbers(len(NAMES), seed)) for seed in (1, 2)]
    manifest = replace(OF_LABELS, parts=("plain", "photo"), prompts={"plain": "1", "photo": "2"})
    rows = np.stack(sets, axis=1).reshape(-1, DIM)
    path = save(tmp_path / "two.h5", manifest, NAMES, rows, [2] * len(NAMES), part=parts(len(NAMES), 2))
    seen = unit(numbers(IMAGES))
    for name, expected in (("plain", sets[0]), ("photo", sets[1]), ("all", unit((sets[0] + sets[1]) / 2))):
        made = compare(Store(images), Store(path), name)
        np.testing.assert_allclose(made.block(0, IMAGES).image_scores, cosines(seen, expected), atol=1e-6)
        assert made.meta.extras["zero_shot"]["prompts"] == (["plain", "photo"] if name == "all" else [name])
    with pytest.raises(UsageError, match=r"holds the prompt sets plain, photo: take one with --prompts"):
        compare(Store(images), Store(path))
    with pytest.raises(UsageError, match="no prompt set 'poem'; it holds plain, photo"):
        compare(Store(images), Store(path), "poem")
    with pytest.raises(UsageError, match="no prompt set 'poem'; it holds no named one"):
        compare(Store(images), Store(labels), "poem")


def test_an_ensemble_in_one_row_is_taken_as_it_is(images, labels, tmp_path):
    manifest = replace(OF_LABELS, prompts={"clip-7": "1", "photo": "2"})
    path = save(tmp_path / "mean.h5", manifest, NAMES, unit(numbers(len(NAMES), 1)))
    made = compare(Store(images), Store(path))
    assert made.meta.extras["zero_shot"]["prompts"] == ["clip-7", "photo"]
    assert made.labels.tolist() == compare(Store(images), Store(labels)).labels.tolist()


def test_verbs_are_labels_too(images, tmp_path):
    manifest = replace(OF_LABELS, label_space={"name": "hico", "hash": HICO.hash}, label_kind="verbs")
    path = save(tmp_path / "verbs.h5", manifest, list(HICO.verbs), unit(numbers(len(HICO.verbs))))
    made = zero_shot(images, path, tmp_path / "p.parquet")
    assert (read(made.path).meta.label_kind, read(made.path).image_scores.shape) == ("verbs", (IMAGES, 117))


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("model", "clip:other", "model is 'clip:other', expected 'clip:tiny'"),
        ("weights_sha256", "cd", "weights_sha256 is 'cd', expected 'ab'"),
        ("activation", "gelu", "activation is 'gelu', expected ''"),
        ("space", "pre-projection", "space is 'pre-projection', expected 'joint'"),
        ("of", "regions", "of is 'regions', expected 'captions' or 'images'"),
    ],
)
def test_stores_of_another_making_are_refused(labels, tmp_path, field, value, told):
    path = save(tmp_path / "i.h5", replace(OF_IMAGES, **{field: value}), ["a"], unit(numbers(1)))
    with pytest.raises(DataError, match=re.escape(told)):
        compare(Store(path), Store(labels))


def test_other_dimensions_and_swapped_stores_are_refused(images, labels, tmp_path):
    path = save(tmp_path / "i.h5", replace(OF_IMAGES, dim=2), ["a"], np.eye(2)[:1])
    with pytest.raises(DataError, match="may not be compared with .*: dim is 2, expected 8"):
        compare(Store(path), Store(labels))
    with pytest.raises(DataError, match=r"labels\.h5 is not what is needed: of is 'labels'"):
        compare(Store(labels), Store(images))


def test_images_that_could_not_be_embedded(labels, tmp_path):
    keys = ["a", "b", "c"]
    path = save(tmp_path / "i.h5", OF_IMAGES, keys, unit(numbers(3)), failed={1})
    with pytest.raises(DataError, match=r"1 images could not be embedded, the first 'b'.*--allow-missing"):
        compare(Store(path), Store(labels))
    made = compare(Store(path), Store(labels), allow_missing=True)
    held = made.block(0, 2)
    assert (held.key.tolist(), made.left_out) == (["a", "c"], ["b"])
    np.testing.assert_allclose(held.image_scores, unit(numbers(3))[[0, 2]] @ made.labels.T, atol=1e-6)


def test_a_store_without_images_makes_empty_predictions(labels, tmp_path):
    path = save(tmp_path / "i.h5", OF_IMAGES, [], np.empty((0, DIM)))
    assert read(zero_shot(path, labels, tmp_path / "p.parquet").path).image_scores.shape[0] == 0


def test_labels_that_are_not_those_of_the_space(images, labels, tmp_path):
    rows = unit(numbers(len(NAMES)))
    fewer = save(tmp_path / "f.h5", OF_LABELS, NAMES[:-1], rows[:-1])
    with pytest.raises(DataError, match=rf"its {len(NAMES) - 1} labels are not .*: {NAMES[-1]!r} is missing"):
        compare(Store(images), Store(fewer))
    more = save(tmp_path / "m.h5", OF_LABELS, [*NAMES, "x"], unit(numbers(len(NAMES) + 1)))
    with pytest.raises(DataError, match=f"its {len(NAMES) + 1} labels are not the {len(NAMES)} interactions"):
        compare(Store(images), Store(more))
    twice = save(tmp_path / "t.h5", OF_LABELS, NAMES[:-1], rows, [2] + [1] * (len(NAMES) - 2))
    with pytest.raises(DataError, match=f"{NAMES[0]!r} has 2 rows, expected one for each label"):
        compare(Store(images), Store(twice))
    lost = save(tmp_path / "l.h5", OF_LABELS, NAMES, rows, failed={2})
    with pytest.raises(DataError, match=f"the label {NAMES[2]!r} could not be embedded"):
        compare(Store(images), Store(lost))


def test_the_label_space_must_be_found(images, labels, tmp_path):
    def refused(kind, told, **space):
        path = save(tmp_path / "s.h5", replace(OF_LABELS, label_space=space), NAMES, unit(numbers(len(NAMES))))
        with pytest.raises(kind, match=told):
            compare(Store(images), Store(path))
        path.unlink()

    refused(DataError, "names no label space")
    refused(MissingData, "label space 'mine' is neither packaged nor beside it", name="mine", hash="ab")
    refused(DataError, "is of label space 'hico' abcd, the one found is", name="hico", hash="abcd")


def test_images_with_several_rows_are_refused(labels, tmp_path):
    path = save(tmp_path / "i.h5", OF_IMAGES, ["a", "b"], unit(numbers(3)), [1, 2])
    with pytest.raises(DataError, match="'b' has 2 rows, expected one for each image"):
        compare(Store(path), Store(labels))
