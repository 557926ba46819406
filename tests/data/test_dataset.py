"""Predictions from flat arrays, and what columns and offsets say of each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import DEMO, HICO, either

from hoitool.data import COLUMNS, GROUPS, Predictions, offsets_of, ranges, strings, validate
from hoitool.errors import DataError


def flat(rows: int, **changes):
    """The arguments of from_pairs for some rows over the images a, b and c."""
    rng = np.random.default_rng(rows)
    made = {
        "image": [("a", "b", "c")[i] for i in rng.integers(0, 3, rows)],
        "human": rng.random((rows, 4)),
        "object": rng.random((rows, 4)),
        "label": rng.integers(0, 600, rows),
        "score": rng.random(rows),
    }
    return made | changes


def rows_of(data):
    """Every pair as (image, human, object, label, score), in file order."""
    human, obj = data.boxes[data.pair_boxes("subject")], data.boxes[data.pair_boxes("object")]
    image = data.key[data.image_of("pair")].tolist()
    return list(zip(image, human.tolist(), obj.tolist(), data.label.tolist(), data.score.tolist(), strict=True))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 30), st.permutations(["a", "b", "c", "none of it"]), st.booleans())
def test_rows_are_grouped_by_image_and_keep_their_order(rows, images, by_index):
    given_rows = flat(rows)
    expected = [
        (name, h.tolist(), o.tolist(), int(label), float(score))
        for wanted in images
        for name, h, o, label, score in zip(*given_rows.values(), strict=True)
        if name == wanted
    ]
    if by_index:
        given_rows["image"] = np.array([images.index(name) for name in given_rows["image"]], np.int16)
    made = Predictions.from_pairs(**given_rows, images=images)
    assert made.key.tolist() == images
    assert rows_of(made) == expected
    validate(made)


def test_without_images_they_come_by_first_appearance():
    made = Predictions.from_pairs(**flat(5, image=["b", "a", "b", "c", "a"]))
    assert made.key.tolist() == ["b", "a", "c"]
    assert made.counts("pair").tolist() == [2, 2, 1]
    assert np.array_equal(made.score, flat(5)["score"][[0, 2, 1, 4, 3]])


def test_boxes_are_never_merged_and_know_their_class():
    one = np.tile([1.0, 2, 3, 4], (3, 1))
    made = Predictions.from_pairs(["a"] * 3, one, one, [18, 18, 0], [0.5, 0.5, 0.5])
    assert len(made.boxes) == 6
    assert made.subject.tolist() == [0, 2, 4]
    assert made.object.tolist() == [1, 3, 5]
    names = [HICO.objects[category] for category in made.categories]
    assert names == ["person", "bicycle", "person", "bicycle", "person", "airplane"]


@pytest.mark.parametrize(
    ("came", "kept"),
    [
        ("float32", "float32"),
        ("float64", "float64"),
        (">f8", "float64"),
        (">f4", "float64"),
        ("float16", "float64"),
        ("int16", "float64"),
    ],
)
def test_the_precision_of_floats_is_kept_and_all_else_becomes_float64(came, kept):
    numbers = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
    made = Predictions.from_pairs(
        ["a", "b"], numbers.astype(came), numbers.astype(came), [0, 1], np.array([1, 2]).astype(came)
    )
    assert (made.boxes.dtype, made.score.dtype) == (kept, kept)
    assert made.boxes.tolist() == np.repeat(numbers, 2, axis=0).tolist()
    assert made.score.tolist() == [1, 2]


def test_what_is_said_of_the_data_is_kept():
    made = Predictions.from_pairs(
        **flat(4, label=[0, 1, 2, 29]), labels=DEMO, box_frame="continuous", dataset="mine", subset="val"
    )
    assert (made.meta.labels.hash, made.meta.box_frame, made.meta.dataset, made.meta.subset) == (
        DEMO.hash,
        "continuous",
        "mine",
        "val",
    )
    assert (made.kind, made.dense, made.meta.score, made.meta.label_kind) == (
        "predictions",
        False,
        "final",
        "interactions",
    )


def test_no_rows_are_no_pairs():
    made = Predictions.from_pairs([], np.empty((0, 4)), np.empty((0, 4)), [], np.empty(0), images=["a", "b"])
    assert (len(made), len(made.boxes), len(made.subject)) == (2, 0, 0)
    assert len(Predictions.from_pairs([], np.empty((0, 4)), np.empty((0, 4)), [], np.empty(0))) == 0
    validate(made)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"human": np.zeros((3, 5))}, r"^human has shape \[3, 5\], expected \[3, 4\]$"),
        ({"object": np.zeros((2, 4))}, r"^object has shape \[2, 4\], expected \[3, 4\]$"),
        ({"label": [[0], [1], [2]]}, r"^label has shape \[3, 1\], expected \[3\]$"),
        ({"score": 0.5}, r"^score has shape \[\], expected \[3\]$"),
        ({"label": [0, 600, 700]}, r"^label in row 1 is 600, expected 0\.\.599 \(0-based interactions of 'hico'\)$"),
        ({"label": [0, 1, -1]}, r"^label in row 2 is -1, expected 0\.\.599"),
        ({"label": [0, 0.5, 1]}, r"^label is float64, expected integers$"),
        ({"label": [0, np.nan, 1]}, r"^label is float64, expected integers$"),
        ({"label": ["0", "1", "2"]}, r"^label is <U1, expected integers$"),
        ({"label": [True, False, True]}, r"^label is bool, expected integers$"),
        ({"score": [0, np.nan, 1]}, r"^score in row 1 is nan, expected a number$"),
        ({"score": ["a", "b", "c"]}, r"^score is <U1, expected numbers$"),
        ({"human": np.full((3, 4), "x")}, r"^human is <U1, expected numbers$"),
        (
            {"object": [[0, 0, 1, 1], [0, 0, np.inf, 1], [0, 0, 1, 1]]},
            r"^object in row 1 is 0 0 inf 1, expected finite",
        ),
        ({"image": [0, 1, 2]}, r"^image holds indices, which mean nothing without the names"),
        ({"image": [0.0, 1.0, 2.0]}, r"^image is float64, expected names or integer indices$"),
        ({"image": [0, 1, 2], "images": ["a", "b"]}, r"^image in row 2 is 2, expected 0\.\.1$"),
        ({"image": [0, -1, 1], "images": ["a", "b"]}, r"^image in row 1 is -1, expected 0\.\.1$"),
        (
            {"image": ["a", "b", "d"], "images": ["a", "b"]},
            r"^image in row 2 is 'd', which is none of the 2 images of the truth, such as 'a'$",
        ),
    ],
)
def test_a_bad_argument_is_named_with_its_row(changes, told):
    with pytest.raises(DataError, match=told):
        Predictions.from_pairs(**flat(3, **changes))


@pytest.mark.parametrize("score", [-np.inf, np.inf, -5.0, 1e300])
def test_any_score_but_nan_is_a_score(score):
    assert Predictions.from_pairs(**flat(2, score=[score, 0.0])).score[0] == score


def test_whole_numbers_in_floats_are_labels():
    assert Predictions.from_pairs(**flat(2, label=np.array([3.0, 599.0]), image=["a", "b"])).label.tolist() == [3, 599]


# columns and offsets


@settings(deadline=None, max_examples=40)
@given(either())
def test_rows_of_every_group_belong_to_one_image(data):
    for group in GROUPS:
        image, counts = data.image_of(group), data.counts(group)
        assert np.bincount(image, minlength=len(data)).tolist() == counts.tolist()
        assert (np.diff(image) >= 0).all()
        for values in data.columns(group).values():
            assert len(values) == counts.sum()
    assert list(data.columns()) == [name for name in COLUMNS if getattr(data, name) is not None]


@settings(deadline=None, max_examples=40)
@given(either())
def test_pair_boxes_are_those_of_the_pair_s_image(data):
    for side in ("subject", "object"):
        flat_row, index, image = data.pair_boxes(side), data.need(side), data.image_of("pair")
        for pair in range(len(index)):
            expected = -1 if index[pair] < 0 else data.box_offsets[image[pair]] + index[pair]
            assert flat_row[pair] == expected


def test_a_column_that_is_needed_and_absent_is_named():
    data = Predictions.from_pairs(**flat(2, image=["a", "b"]), dataset="mine", subset="val")
    with pytest.raises(
        DataError, match=r"<Predictions mine val: 2 images, 4 boxes, 2 pairs> has no column 'box_scores'"
    ):
        data.need("box_scores")


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 4)), max_size=8))
@settings(deadline=None, max_examples=40)
def test_offsets_and_ranges_are_the_literal_ones(spans):
    starts, counts = (np.array([span[side] for span in spans], np.int64) for side in (0, 1))
    assert offsets_of(counts).tolist() == [sum(counts[:i].tolist()) for i in range(len(spans) + 1)]
    assert ranges(starts, counts).tolist() == [start + i for start, count in spans for i in range(count)]


def test_strings_are_python_strings():
    for column in (strings(["a", "bc"]), strings(np.array(["a", "bc"]))):
        assert column.dtype == object
        assert column.tolist() == ["a", "bc"]
        assert {type(value) for value in column} == {str}
