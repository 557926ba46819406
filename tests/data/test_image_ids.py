"""Ids of images: by name, by exception, by number."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import truth_of
from hypothesis import given
from strategies import datasets

from hoitool.data import Dataset, strings
from hoitool.data.image_ids import exceptions, image_ids, trailing_number


def named(*keys: str, **known: int) -> Dataset:
    """Images of these keys, without anything in them; ids that a file has said."""
    data = truth_of([], images=len(keys))
    extras = {"coco": {"image_ids": known}} if known else {}
    return data.with_columns(replace(data.meta, extras=extras), key=strings(list(keys)))


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("COCO_val2014_000000000042.jpg", 42),
        ("train2017/000000000007.jpg", 7),
        ("2014/a.jpg", None),
        ("17", 17),
        ("v1.2.jpg", 2),
        (".5", 5),
        ("photo", None),
        ("", None),
        ("x²³", None),
        ("0.png", 0),
        ("9" * 18, 10**18 - 1),
        ("9" * 19, None),
    ],
)
def test_the_number_at_the_end_of_a_name(key, number):
    assert trailing_number(key) == number


def test_names_say_the_ids_and_extras_say_them_louder():
    assert image_ids(named("a_3.jpg", "b_1.jpg")).tolist() == [3, 1]
    assert image_ids(named("a_3.jpg", "b.jpg", **{"b.jpg": 9})).tolist() == [3, 9]
    assert image_ids(named("a_3.jpg", "b_1.jpg", **{"b_1.jpg": 2, "gone.jpg": 5})).tolist() == [3, 2]


def test_ids_that_are_missing_or_shared_become_numbers():
    assert image_ids(named("a_3.jpg", "b.jpg")).tolist() == [1, 2]
    assert image_ids(named("a_3.jpg", "b_3.jpg")).tolist() == [1, 2]
    assert image_ids(named("a_3.jpg", "b_1.jpg", **{"b_1.jpg": 3})).tolist() == [1, 2]


def test_no_images_have_no_ids():
    assert image_ids(named()).shape == (0,)
    assert image_ids(named()).dtype == np.int64


@given(data=datasets())
def test_ids_are_unique_and_their_exceptions_say_them_again(data):
    ids = image_ids(data)
    assert len(set(ids.tolist())) == len(data)
    said = {"coco": {"image_ids": exceptions(data.key, ids)}}
    np.testing.assert_array_equal(image_ids(data.with_columns(replace(data.meta, extras=said))), ids)
