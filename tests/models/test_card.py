"""A card says what a model is, and builds it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

from strategies import HICO

from hoitool.data.synthetic import scenes
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.models.card import FILE, Labelled, read_card

NUMBERS = {"backbone": "tiny", "classifier": "cosine", "classes": 600, "image_size": 32, "patch": 8, "log_scale": 3.0}
COLOUR = (0.5, 0.4, 0.3)


def card(**changed):
    held = {"model": "defr", "numbers": NUMBERS, "labels": HICO, "label_kind": "interactions"}
    return Labelled(**held | {"mean": COLOUR, "std": COLOUR, "predict": {"task": "recognition"}} | changed)


def altered(folder, **changed):
    """The card of a folder with other values in its file."""
    held = json.loads((folder / FILE).read_text()) | changed
    (folder / FILE).write_text(json.dumps(held))


def test_a_card_comes_back_and_builds_the_same_module(tmp_path):
    card().write(tmp_path)
    made = read_card(tmp_path)
    assert made == card()
    assert made.image_size == 32
    assert made.meta.classes == 600
    shapes = [{name: value.shape for name, value in each.build().state_dict().items()} for each in (made, card())]
    assert shapes[0] == shapes[1]


def test_labels_that_are_not_packaged_lie_beside_it(tmp_path):
    space = scenes().train.meta.labels
    card(labels=space).write(tmp_path)
    assert read_card(tmp_path).labels.hash == space.hash
    (beside,) = tmp_path.glob("labels-*.json")
    beside.unlink()
    with pytest.raises(MissingData, match="label space"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"version": 2}, "version 2, expected 1"),
        ({"numbers": []}, "numbers is \\[\\], expected dict"),
        ({"label_kind": "nouns"}, "expected one of interactions"),
        ({"numbers": {}}, "numbers.image_size is None, expected the side"),
        ({"mean": [1, 2]}, "expected three numbers"),
        ({"labels": {"name": "hico", "hash": "0" * 64}}, "the one found is"),
    ],
)
def test_a_card_that_is_wrong_says_where(tmp_path, changed, told):
    card().write(tmp_path)
    altered(tmp_path, **changed)
    with pytest.raises(DataError, match=told) as error:
        read_card(tmp_path)
    assert str(tmp_path / FILE) in str(error.value)


@pytest.mark.parametrize("name", ["weights", "language"])
def test_a_card_names_no_files(name):
    with pytest.raises(DataError, match=f"numbers.{name}"):
        card(numbers=NUMBERS | {name: "/etc/passwd"}).build()


@pytest.mark.parametrize(
    "wrong",
    [{"log_scale": ""}, {"backbone": 7}, {"backbone": "text"}, {"classes": -1}, {"patch": 0}, {"classes": 10**30}],
)
def test_numbers_that_no_model_can_have_are_told_as_those_of_the_card(wrong):
    with pytest.raises(DataError, match=r"^model.json: the numbers of defr do not fit: [^\n]+$"):
        card(numbers=NUMBERS | wrong).build()


def test_numbers_and_names_that_no_model_has():
    with pytest.raises(DataError, match="colour"):
        card(numbers=NUMBERS | {"colour": "red"}).build()
    with pytest.raises(UsageError, match="defr"):
        card(model="defrr").build()
    with pytest.raises(MissingData, match=FILE):
        read_card(Path(__file__).parent)
