"""Parts of data and their concatenation."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from builders import predictions_of, truth_of
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import DEMO, assert_same, either, predictions

from hoitool.data import (
    GROUPS,
    best_first,
    by_class,
    by_subset,
    concat,
    select_boxes,
    select_images,
    select_pairs,
    strings,
    top_k,
    validate,
)
from hoitool.errors import DataError, HoitoolError, UsageError

A, B = (0.0, 0, 9, 9), (10.0, 10, 19, 29)


def image_parts(data, image):
    """Everything that one image has, as text: the rows of every column."""
    told = []
    for group in GROUPS:
        offsets = data.offsets(group)
        for name, values in data.columns(group).items():
            told.append((name, str(values.dtype), repr(values[offsets[image] : offsets[image + 1]].tolist())))
    return told


# images


@settings(deadline=None, max_examples=50)
@given(either(), st.data())
def test_chosen_images_keep_all_that_is_theirs(data, draw):
    rows = draw.draw(st.lists(st.integers(0, len(data) - 1), unique=True)) if len(data) else []
    part = select_images(data, np.array(rows, int))
    assert [image_parts(part, i) for i in range(len(part))] == [image_parts(data, row) for row in rows]
    assert part.meta is data.meta
    validate(part)


@settings(deadline=None, max_examples=40)
@given(either(), st.data())
def test_a_mask_rows_and_keys_choose_the_same_images(data, draw):
    mask = np.array(draw.draw(st.lists(st.booleans(), min_size=len(data), max_size=len(data))), bool)
    by_mask = select_images(data, mask)
    assert_same(by_mask, select_images(data, np.flatnonzero(mask)))
    assert_same(by_mask, select_images(data, data.key[mask]))
    assert_same(by_mask, select_images(data, data.key[mask].tolist()))


def test_images_come_in_the_order_wanted():
    data = truth_of([(0, A, B, 3), (2, A, B, 18)])
    assert select_images(data, ["image-2.jpg", "image-0.jpg"]).label.tolist() == [18, 3]
    assert select_images(data, np.array([2, 1, 0])).label.tolist() == [18, 3]


def test_an_unknown_key_is_named_with_a_near_one():
    with pytest.raises(UsageError, match=r"No image named 'image-7\.jpg'\. Did you mean 'image-"):
        select_images(truth_of([]), ["image-0.jpg", "image-7.jpg"])


# pairs


@settings(deadline=None, max_examples=50)
@given(either(), st.data())
def test_chosen_pairs_keep_their_image_boxes_and_order(data, draw):
    mask = np.array(draw.draw(st.lists(st.booleans(), min_size=len(data.subject), max_size=len(data.subject))), bool)
    part = select_pairs(data, mask)
    assert part.image_of("pair").tolist() == data.image_of("pair")[mask].tolist()
    for name, values in data.columns().items():
        expected = values[mask] if name in data.columns("pair") else values
        np.testing.assert_array_equal(part.need(name), expected, strict=True)
    validate(part)


@settings(deadline=None, max_examples=60)
@given(either(), st.data())
def test_chosen_boxes_take_pairs_that_lose_one_of_theirs_with_them(data, draw):
    mask = np.array(draw.draw(st.lists(st.booleans(), min_size=len(data.boxes), max_size=len(data.boxes))), bool)
    part = select_boxes(data, mask)
    validate(part)
    image = data.image_of("box")
    for name, values in data.columns("box").items():
        np.testing.assert_array_equal(part.need(name), values[mask], name)
    assert part.counts("box").tolist() == np.bincount(image[mask], minlength=len(data)).tolist()
    subject, obj = data.pair_boxes("subject"), data.pair_boxes("object")
    stays = [p for p in range(len(subject)) if mask[subject[p]] and (obj[p] < 0 or mask[obj[p]])]
    np.testing.assert_array_equal(part.image_of("pair"), data.image_of("pair")[stays])
    np.testing.assert_array_equal(part.boxes[part.pair_boxes("subject")], data.boxes[subject[stays]])
    assert [at < 0 for at in part.object.tolist()] == [obj[p] < 0 for p in stays]
    held = [p for p in stays if obj[p] >= 0]
    np.testing.assert_array_equal(part.boxes[part.pair_boxes("object")[part.object >= 0]], data.boxes[obj[held]])
    for name in ("label", "score", "scores"):
        if name in data.columns():
            np.testing.assert_array_equal(part.need(name), data.need(name)[stays])


def test_all_boxes_and_none():
    data = truth_of([(0, A, B, 3), (2, B, A, 4)])
    assert_same(select_boxes(data, np.ones(4, bool)), data)
    none = select_boxes(data, np.zeros(4, bool))
    assert (len(none), len(none.boxes), len(none.subject)) == (3, 0, 0)
    validate(none)


def test_pairs_of_some_classes():
    data = truth_of([(0, A, B, 3), (0, A, B, 4), (2, A, B, 3), (2, A, B, 599)])
    assert by_class(data, [3, 599]).label.tolist() == [3, 3, 599]
    assert by_class(data, [3, 599]).pair_offsets.tolist() == [0, 1, 1, 3]
    assert by_class(data, np.array([7])).label.tolist() == []
    assert by_class(data, []).label.tolist() == []


@pytest.mark.parametrize("label", [600, -1])
def test_a_class_that_is_none_is_refused(label):
    with pytest.raises(HoitoolError, match=str(label)):
        by_class(truth_of([(0, A, B, 599)]), [3, label])


def test_dense_data_have_no_classes_to_choose_by():
    data = predictions_of([(0, A, B, 3, 0.5)]).with_columns(label=None, score=None, scores=np.zeros((1, 600)))
    with pytest.raises(DataError, match="has no column 'label'"):
        by_class(data, [3])


def literal_best(scores):
    """Rows by falling score; the earlier row wins a tie. Insertion, one row at a time."""
    order = []
    for row, score in enumerate(scores):
        at = next((i for i, other in enumerate(order) if scores[other] < score), len(order))
        order.insert(at, row)
    return order


@settings(deadline=None, max_examples=60)
@given(predictions(dense=False), st.integers(0, 5))
def test_top_k_is_the_literal_one(data, k):
    kept, best = [], []
    for image in range(len(data)):
        start, stop = data.pair_offsets[image : image + 2].tolist()
        order = [start + row for row in literal_best(data.score[start:stop].tolist())]
        best += order
        kept += sorted(order[:k])
    mask = np.zeros(len(data.subject), bool)
    mask[kept] = True
    assert_same(top_k(data, k), select_pairs(data, mask))
    order, image = best_first(data)
    assert order.tolist() == best
    assert image.tolist() == data.image_of("pair").tolist()


def test_the_earlier_row_wins_a_tie():
    scores = [0.5, 0.9, 0.5, 0.5, 0.9]
    data = predictions_of([(1, A, B, label, score) for label, score in enumerate(scores)])
    assert top_k(data, 3).label.tolist() == [0, 1, 4]
    assert best_first(data)[0].tolist() == [1, 4, 0, 2, 3]


# subsets and concatenation


def test_a_subset_is_chosen_by_its_column():
    data = truth_of([(0, A, B, 3), (1, A, B, 4), (2, A, B, 5)])
    data = data.with_columns(replace(data.meta, subset="train+test"), subset=strings(["train", "test", "train"]))
    part = by_subset(data, "train")
    assert (part.label.tolist(), part.meta.subset, part.subset) == ([3, 5], "train", None)
    with pytest.raises(UsageError, match=r"No subset named 'tets'\. Did you mean 'test'\?"):
        by_subset(data, "tets")


def test_a_subset_that_is_all_there_is():
    data = truth_of([], subset="test")
    assert by_subset(data, "test") is data
    with pytest.raises(UsageError, match="the data hold the subset 'test', not 'train'"):
        by_subset(data, "train")


@settings(deadline=None, max_examples=60)
@given(either(), st.data())
def test_what_is_cut_and_joined_is_the_whole_again(data, draw):
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=3)))
    parts = [select_images(data, np.arange(a, b)) for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    assert_same(concat(parts), data)


@settings(deadline=None, max_examples=40)
@given(either(subsets=True, least_images=2))
def test_subsets_taken_apart_and_joined_hold_the_same_images(data):
    names = list(dict.fromkeys(data.subset))
    whole = concat([by_subset(data, name) for name in names])
    validate(whole)
    assert_same(select_images(whole, data.key), data)


def test_joined_subsets_are_told_apart_by_a_column():
    train, test = (truth_of([(0, A, B, 3)], images=2, subset=subset) for subset in ("train", "test"))
    test = test.with_columns(key=strings(["x", "y"]))
    both = concat([train, test])
    assert both.meta.subset == "train+test"
    assert both.subset.tolist() == ["train", "train", "test", "test"]
    assert concat([train, train]).subset is None


def test_a_column_of_one_subset_is_joined_too():
    data = truth_of([(0, A, B, 3)], images=4).with_columns(subset=strings(["test"] * 4))
    whole = concat([select_images(data, np.arange(2)), select_images(data, np.arange(2, 4))])
    validate(whole)
    assert by_subset(whole, "test").key.tolist() == data.key.tolist()


def test_joined_images_that_are_none_keep_their_subset():
    nothing = truth_of([], images=0, subset="test")
    assert concat([nothing, nothing]).meta.subset == "test"


def test_sources_and_extras_are_joined():
    one, other = truth_of([], images=1), truth_of([], images=1)
    one = one.with_columns(replace(one.meta, sources={"a": "1"}, extras={"f": {"ids": {"x": 1}, "year": 2015}}))
    other = other.with_columns(
        replace(other.meta, sources={"b": "2"}, extras={"f": {"ids": {"y": 2}, "year": 2016}, "g": {"n": 1}})
    )
    meta = concat([one, other]).meta
    assert meta.sources == {"a": "1", "b": "2"}
    assert meta.extras == {"f": {"ids": {"x": 1, "y": 2}, "year": 2015}, "g": {"n": 1}}
    assert one.meta.extras == {"f": {"ids": {"x": 1}, "year": 2015}}


def other_meta(**changes):
    return lambda data: data.with_columns(replace(data.meta, **changes))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (other_meta(labels=DEMO), r"label space 'demo' differs from 'hico' in its objects \(7 with"),
        (other_meta(box_frame="continuous"), r"^box_frame differs: 'inclusive' and 'continuous'$"),
        (other_meta(label_kind="verbs"), r"^label_kind differs: 'interactions' and 'verbs'$"),
        (other_meta(score="times-box-scores"), r"^score differs: 'final' and 'times-box-scores'$"),
        (lambda data: data.with_columns(width=np.ones(3, np.int32)), r"^columns differ: .* has width$"),
        (
            lambda data: data.with_columns(label=None, score=None, scores=np.zeros((1, 600))),
            "has label, score, scores$",
        ),
        (lambda data: truth_of([(0, A, B, 3)]), r"^columns differ: .* has score$"),
    ],
)
def test_data_that_do_not_agree_cannot_be_joined(change, told):
    data = predictions_of([(0, A, B, 3, 0.5)])
    with pytest.raises(DataError, match=told):
        concat([data, change(data)])


def test_selections_leave_the_former_data_as_they_are():
    data = predictions_of([(0, A, B, 3, 0.5), (1, A, B, 4, 0.25)])
    before = Counter(str(image_parts(data, i)) for i in range(3))
    select_images(data, np.array([1]))
    top_k(data, 0)
    concat([data, data])
    assert Counter(str(image_parts(data, i)) for i in range(3)) == before
