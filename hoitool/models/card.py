"""What a model is besides its weights: model.json, from which it is built again and its outputs are understood.

It lies in the folder of a run, or beside weights that are given away; a label space that is not packaged lies beside
it. Nothing that decides the module is looked for elsewhere: not the recipe, not the files that it was trained from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from torch import nn

from hoitool.data import Meta
from hoitool.data.meta import LabelKind
from hoitool.errors import DataError, HoitoolError, UsageError, first_line
from hoitool.files import load_json, write_text
from hoitool.labels import LabelSpace
from hoitool.labels.beside import labels_of_file, write_labels
from hoitool.models import MODELS

FILE, VERSION = "model.json", 1
WHAT = "what a model of hoitool is"
UNFIT = (HoitoolError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError)
ELSEWHERE = ("weights", "language")  # of build: what numbers may not name


@dataclass(frozen=True)
class Card:
    """A model without its weights.

    model, numbers  a name of MODELS, and what its `build` takes
    predict         how predictions are made unless something else is asked for: settings of a recipe's `predict`
    """

    model: str
    numbers: dict[str, Any]
    predict: dict[str, Any]

    def build(self) -> nn.Module:
        """The module with random weights. Raises UsageError for an unknown model, DataError for numbers of another."""
        if wrong := [name for name in ELSEWHERE if name in self.numbers]:
            raise DataError(f"{FILE}: numbers.{wrong[0]} is not for a card to say")
        build = MODELS[self.model].build
        try:
            made: nn.Module = build(**self.numbers)
        except UNFIT as error:
            raise DataError(f"{FILE}: the numbers of {self.model} do not fit: {first_line(error)}") from error
        return made

    def write(self, folder: Path) -> None:
        """Write model.json into a folder, and what lies beside it."""
        write_text(folder / FILE, json.dumps(self.stated(), indent=1) + "\n")

    def stated(self) -> dict[str, Any]:
        """What model.json holds."""
        return {"version": VERSION, "model": self.model, "numbers": self.numbers, "predict": self.predict}


@dataclass(frozen=True)
class Labelled(Card):
    """The card of a model of pictures whose outputs are labels.

    labels, label_kind  what the K outputs are: one for each label of that kind
    mean, std           that pictures (0 to 1, RGB) are normalised with, after they are squashed to the model's size
    """

    labels: LabelSpace
    label_kind: LabelKind
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def image_size(self) -> int:
        """The side of the squares that pictures are squashed to, in pixels."""
        return int(self.numbers["image_size"])

    @property
    def meta(self) -> Meta:
        """Its labels, as a file of data says what they are."""
        return Meta(self.labels, label_kind=self.label_kind)

    def write(self, folder: Path) -> None:
        """Write model.json into a folder, and its label space where that is not packaged."""
        write_labels(self.labels, folder)
        super().write(folder)

    def stated(self) -> dict[str, Any]:
        """What model.json holds."""
        return super().stated() | {
            "labels": {"name": self.labels.name, "hash": self.labels.hash},
            "label_kind": self.label_kind,
            "mean": list(self.mean),
            "std": list(self.std),
        }


def read_card(folder: Path) -> Card:
    """The card of a folder. Raises MissingData where there is none, DataError naming what is wrong in it."""
    path = folder / FILE
    held: dict[str, Any] = load_json(path, WHAT, dict)
    if held.get("version") != VERSION:
        raise DataError(f"{path}: version {held.get('version')!r}, expected {VERSION} ({WHAT})")
    _require_kinds(held, KINDS, path)
    if not any(name in held for name in LABELLED):
        return Card(held["model"], held["numbers"], held["predict"])
    _require_kinds(held, LABELLED, path)
    if held["label_kind"] not in get_args(LabelKind):
        expected = ", ".join(get_args(LabelKind))
        raise DataError(f"{path}: label_kind is {held['label_kind']!r:.60}, expected one of {expected}")
    name, digest = (str(held["labels"].get(each, "")) for each in ("name", "hash"))
    space = labels_of_file(name, digest, path)
    if space.hash != digest:
        raise DataError(f"{path}: is of label space {name!r} {digest:.12}, the one found is {space.hash:.12}")
    if type(side := held["numbers"].get("image_size")) is not int or side < 1:
        raise DataError(f"{path}: numbers.image_size is {side!r:.60}, expected the side of its pictures in pixels")
    mean, std = (_colour(held[each], f"{path}: {each}") for each in ("mean", "std"))
    if min(std) <= 0:
        raise DataError(f"{path}: std is {held['std']!r:.60}, expected three numbers above 0")
    return Labelled(held["model"], held["numbers"], held["predict"], space, held["label_kind"], mean, std)


def labelled(card: Card) -> Labelled:
    """The card, of a model whose outputs are labels. Raises UsageError for another one."""
    if not isinstance(card, Labelled):
        raise UsageError(f"a model of {card.model} gives no labels")
    return card


def _require_kinds(held: dict[str, Any], kinds: dict[str, type], path: Path) -> None:
    for name, kind in kinds.items():
        if not isinstance(held.get(name), kind):
            raise DataError(f"{path}: {name} is {held.get(name)!r:.60}, expected {kind.__name__} ({WHAT})")


def _colour(held: list[Any], where: str) -> tuple[float, float, float]:
    if len(held) != 3 or not all(isinstance(value, int | float) for value in held):
        raise DataError(f"{where} is {held!r:.60}, expected three numbers: red, green, blue")
    red, green, blue = (float(value) for value in held)
    return red, green, blue


KINDS: dict[str, type] = {"model": str, "numbers": dict, "predict": dict}
LABELLED: dict[str, type] = {"labels": dict, "label_kind": str, "mean": list, "std": list}
