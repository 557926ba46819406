"""COCO's supercategories: known objects, their sizes, label spaces of other objects."""

from __future__ import annotations

from collections import Counter

import pytest

from hoitool.labels import build, load_labels
from hoitool.labels.supercategories import NAMES, supercategories

SIZES = {
    "person": 1,
    "vehicle": 8,
    "outdoor": 5,
    "animal": 10,
    "accessory": 5,
    "sports": 10,
    "kitchen": 7,
    "food": 10,
    "furniture": 6,
    "electronic": 6,
    "appliance": 5,
    "indoor": 7,
}


@pytest.mark.parametrize("name", ["hico", "v-coco"])
def test_the_eighty_objects_fall_into_groups_of_cocos_sizes(name):
    assert Counter(NAMES[i] for i in supercategories(load_labels(name))) == SIZES


@pytest.mark.parametrize(
    ("name", "group"),
    [("bicycle", "vehicle"), ("bench", "outdoor"), ("hot_dog", "food"), ("teddy_bear", "indoor"), ("tie", "accessory")],
)
def test_objects_of_which_one_might_think_otherwise(name, group):
    hico = load_labels("hico")
    assert NAMES[supercategories(hico)[hico.object_index(name)]] == group


def test_an_object_that_is_none_of_cocos_has_none():
    space = build("mine", "", [("cup", 47), ("anvil", -1), ("nothing", 0), ("later", 200)], [("use", "using")], [])
    assert supercategories(space).tolist() == [NAMES.index("kitchen"), -1, -1, -1]
