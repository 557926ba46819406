"""Labels, repetitions and pictures of recognition, against slow literal code."""

from __future__ import annotations

import math

import numpy as np
import pytest
from builders import image_truth_of, relation_scenes, truth_of
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hoitool.data import Meta
from hoitool.data.synthetic import scenes
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.labels import load_labels
from hoitool.splits import apply, named
from hoitool.train.defr.images import UNKNOWN, Images, image_labels, images_of, joined, repetitions
from hoitool.train.defr.settings import Balance

HICO = load_labels("hico")
A, B = (0.0, 0, 9, 9), (10.0, 10, 19, 29)


def table_of(table):
    """Images without pictures, from rows of 1, 0, -1 and None."""
    offsets, label, value = image_labels(image_truth_of([[*row, *[None] * (600 - len(row))] for row in table]))
    return Images((), np.arange(len(table)), offsets, label, value, 600, ())


def literal(table, min_samples, most):
    """How often each image is shown, one class at a time, as the rule is worded."""
    shown = []
    for row in table:
        asked = []
        for label, value in enumerate(row):
            if value == 1:
                count = sum(1 for other in table if other[label] == 1)
                asked.append(math.ceil(min_samples / count) - 1)
        again = min(max(asked, default=0), most)
        shown.append(1 + again if again > 1 else 1)
    return shown


@given(
    st.lists(st.lists(st.sampled_from([1, 1, 0, -1, None]), min_size=4, max_size=4), min_size=1, max_size=12),
    st.integers(1, 50),
    st.integers(1, 50),
)
def test_repetitions_are_the_rule_word_by_word(table, min_samples, most):
    made = repetitions(table_of(table), Balance(min_samples=min_samples, most=most))
    assert made.tolist() == literal(table, min_samples, most)


@pytest.mark.parametrize(("count", "shown"), [(1, 40), (2, 20), (13, 4), (14, 3), (19, 3), (20, 1), (39, 1), (40, 1)])
def test_defrs_numbers(count, shown):
    """40 / 20 - 1 is 1, which is skipped; 40 / 19 is 3 rounded up, so that two repetitions are added."""
    made = repetitions(table_of([[1]] * count + [[-1], [0]]), Balance(min_samples=40))
    assert made.tolist() == [shown] * count + [1, 1]


def test_no_rule_shows_every_image_once():
    assert repetitions(table_of([[1], [0]]), Balance()).tolist() == [1, 1]


def test_targets_are_as_the_dataset_has_them_and_only_ones_are_positive():
    made = table_of([[1, 0, -1, None]])
    assert made.target(0)[:5].tolist() == [1, 0, -1, UNKNOWN, UNKNOWN]
    assert made.target(0).dtype == np.int8


def test_labels_of_pairs_are_each_once():
    data = truth_of([(0, A, B, 7), (0, A, A, 7), (0, A, B, 3), (2, A, B, 599)])
    offsets, label, value = image_labels(data)
    assert (offsets.tolist(), label.tolist(), value.tolist()) == ([0, 2, 2, 3], [3, 7, 599], [1, 1, 1])
    noted = truth_of([(0, A, B, 7)], image_labels=[(1, 5)])
    assert image_labels(noted)[1].tolist() == [5]
    assert image_labels(noted, "pairs")[1].tolist() == [7]
    with pytest.raises(DataError, match="image_label"):
        image_labels(data, "images")


def test_predicates_are_not_recognised():
    with pytest.raises(UsageError, match="holds predicates, which recognition does not learn"):
        image_labels(relation_scenes(2))


@pytest.fixture
def folder(tmp_path):
    for i in range(3):
        Image.fromarray(np.full((4, 6, 3), 40 * i, np.uint8)).save(tmp_path / f"image-{i}.png")
    return tmp_path


def of(folder, rows=((0, A, B, 7), (1, A, B, 9)), **options):
    data = truth_of(list(rows))
    named = data.with_columns(file_name=np.array([f"image-{i}.png" for i in range(3)], object))
    return named, images_of(named, folder, **options)


def test_pictures_of_one_dataset_and_of_several(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    for i in range(3):
        Image.fromarray(np.full((4, 6, 3), 200 + i, np.uint8)).save(other / f"image-{i}.png")
    (first, mine), (second, theirs) = of(folder), of(other, rows=[(2, A, B, 0)])
    both = joined([first, second], [mine, theirs])
    assert len(both) == 6
    assert [np.asarray(both.open(i))[0, 0, 0] for i in range(6)] == [0, 40, 80, 200, 201, 202]
    assert [np.flatnonzero(both.target(i) == 1).tolist() for i in range(6)] == [[7], [9], [], [], [], [0]]


def test_a_broken_picture_is_named(folder):
    (folder / "image-1.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    _, made = of(folder)
    with pytest.raises(DataError, match=r"image-1\.png: not readable as a picture"):
        made.open(1)
    (folder / "image-2.png").unlink()
    with pytest.raises(MissingData, match=r"image-2\.png"):
        made.open(2)


def test_a_folder_without_the_pictures_and_data_without_images(folder, tmp_path_factory):
    with pytest.raises(MissingData, match="holds none of the images"):
        of(tmp_path_factory.mktemp("empty"))
    with pytest.raises(DataError, match="no images to train on"):
        images_of(truth_of([], images=0), folder)


def test_the_split_that_data_were_filtered_by_is_recorded_and_can_be_asked_for(folder):
    data, plain = of(folder)
    assert plain.splits == ()
    meta = Meta(HICO, extras={"split": {"name": "rf-uc", "hash": "x"}})
    filtered = data.with_columns(meta)
    assert images_of(filtered, folder, split="rf-uc").splits == ({"name": "rf-uc", "hash": "x"},)
    with pytest.raises(UsageError, match="was filtered by split 'rf-uc', data.split asks for 'uo'"):
        images_of(filtered, folder, split="uo")
    with pytest.raises(UsageError, match="was filtered by no split"):
        images_of(data, folder, split="uo")


def test_datasets_of_other_labels_are_not_joined(folder):
    data, made = of(folder)
    other = scenes(seed=1, scale=0.1).train
    with pytest.raises(DataError, match="beside"):
        joined([data, other], [made, made])


def test_data_of_a_split_have_no_label_of_its_unseen_classes(folder):
    unseen = int(np.flatnonzero(named("rf-uc").mask("unseen"))[0])
    seen = int(np.flatnonzero(named("rf-uc").mask("seen"))[0])
    data, _ = of(folder, rows=[(0, A, B, unseen), (0, B, A, seen), (1, A, B, seen)])
    made = images_of(apply(data, named("rf-uc/labels")).data, folder, split="rf-uc/labels")
    assert made.splits[0]["name"] == "rf-uc/labels"
    assert set(made.label.tolist()) == {seen}
