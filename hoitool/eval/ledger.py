"""What a score was made of: every counted detection in the order of its class, true or false, and every truth.

A ledger says what a result's figures would be if images counted otherwise (resampling), what a curve looks like, and
where a detection stands. `figures_of` with weights of 1 gives the figures of the result.
The rule for classes that vanish: a class whose truths all have weight 0 is left out of the means of that weighting; a
class without any truth in the data counts in all of them as its protocol says (0, or it is not among the classes).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from hoitool.data import Dataset
from hoitool.errors import UsageError
from hoitool.eval import choose_variant, protocol_named
from hoitool.eval.weighted import quotient, weighted_class

Array = NDArray[Any]
What = Literal["ap", "recall"]
RULE = "classes whose truths all fall out of a resample are left out of its means"


@dataclass(frozen=True)
class Ranked:
    """The counted detections of one setting (N,), class by class and best first, and the truths that count (T,).

    names       (K,) of the classes; those of class c are in starts[c]:starts[c + 1]
    image       (N,) index of the image; hit (N,) whether it is a true positive; score (N,)
    row         (N,) which detection it is: see the `ledger` of the protocol
    true_image  (T,) and true_class (T,)
    formula     how AP comes of it, a key of `weighted.FORMULAS`
    bare_recall (K,) the recall that a class without truths has by the protocol
    """

    names: Array
    starts: Array
    image: Array
    hit: Array
    score: Array
    row: Array
    true_image: Array
    true_class: Array
    formula: str
    bare_recall: Array

    @cached_property
    def truths(self) -> Array:
        """(K,) how many truths each class has."""
        return np.bincount(self.true_class, minlength=len(self.names))

    @cached_property
    def _true_by_class(self) -> list[Array]:
        order = np.argsort(self.true_class, kind="stable")
        return np.split(self.true_image[order], np.cumsum(self.truths)[:-1])

    def of_class(self, number: int) -> slice:
        """The detections of a class, best first."""
        return slice(int(self.starts[number]), int(self.starts[number + 1]))

    def truths_of(self, weights: Array) -> Array:
        """(K, B) the truths of each class when images count `weights` (I, B) times."""
        held = (weights[images].sum(axis=0, dtype=np.int64) for images in self._true_by_class)
        return np.array(list(held)).reshape(len(self.names), weights.shape[1])

    def weighted(self, weights: Array) -> tuple[Array, Array]:
        """(K, B) AP and final recall when images count `weights` (I, B) times: see `Ledger.classes_of`."""
        made = np.empty((2, len(self.names), weights.shape[1]))
        for k, true_image in enumerate(self._true_by_class):
            if not len(true_image):
                made[0, k], made[1, k] = 0.0, self.bare_recall[k]
                continue
            mine = self.of_class(k)
            made[0, k], made[1, k], _ = weighted_class(
                self.image[mine], self.hit[mine], true_image, weights, self.formula
            )
        return made[0], made[1]


@dataclass(frozen=True)
class Figure:
    """One metric of one row of a result: the mean of `what` over the classes `among` (K,) of the ranking `ranked`."""

    setting: str
    split: str
    metric: str
    ranked: str
    what: What
    among: Array


Key = tuple[str, str, str]  # setting, split, metric


@dataclass(frozen=True)
class Ledger:
    """Every figure of a result with the detections and truths that it was made of.

    images  (I,) keys, the order that Ranked.image counts
    ranked  by name: a setting, and setting_low and setting_high where the order of equal scores is undefined
    """

    images: Array
    ranked: dict[str, Ranked]
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = field(default=())

    def classes_of(self, name: str, weights: Array) -> tuple[Array, Array]:
        """AP and final recall (K, B) of the classes of a ranking when images count `weights` (I, B) times.

        NaN where all truths of a class have weight 0. A class without truths has AP 0 and its `bare_recall`.
        """
        return self.ranked[name].weighted(weights)

    def figures_of(self, weights: Array) -> dict[Key, Array]:
        """Each figure (B,) when images count `weights` (I, B), whole numbers, times. NaN where no class is left."""
        return self.means_of({name: self.classes_of(name, weights) for name in self.needed})

    @property
    def needed(self) -> list[str]:
        """The rankings that its figures are of."""
        return list(dict.fromkeys(figure.ranked for figure in self.figures))

    def means_of(self, classes: Mapping[str, tuple[Array, Array]]) -> dict[Key, Array]:
        """The figures from what `classes_of` gave of each ranking that is needed."""
        return dict(self._means(classes))

    def _means(self, classes: Mapping[str, tuple[Array, Array]]) -> Iterator[tuple[Key, Array]]:
        for figure in self.figures:
            ap, recall = classes[figure.ranked]
            values = (ap if figure.what == "ap" else recall)[figure.among]
            gone = np.isnan(ap[figure.among])
            mean = quotient(np.where(gone, 0.0, values).sum(axis=0), (~gone).sum(axis=0))
            yield (figure.setting, figure.split, figure.metric), mean


class Weighable(Protocol):
    """What any protocol's ledger is: figures that can be had again for images that count otherwise."""

    @property
    def images(self) -> Array:
        """(I,) keys."""

    def figures_of(self, weights: Array) -> dict[Key, Array]:
        """Each figure (B,) when images count `weights` (I, B), whole numbers, times. NaN where nothing is left."""


def ledger_of(truth: Dataset, predictions: Dataset, protocol: str, variant: str | None = None) -> Ledger:
    """The ledger of predictions under a protocol, its first variant unless one is named.

    Raises UsageError for unknown names and for a protocol that does not rank the detections of classes, and what its
    `evaluate` raises.
    """
    made = weighable_of(truth, predictions, protocol, variant)
    if not isinstance(made, Ledger):
        raise UsageError(f"protocol {protocol!r} has no ranking of detections by class")
    return made


def weighable_of(
    truth: Dataset,
    predictions: Dataset,
    protocol: str,
    variant: str | None = None,
    training: Dataset | None = None,
) -> Weighable:
    """What a protocol's figures are made of, its first variant unless one is named.

    training  as `score` has it
    Raises UsageError for unknown names and for a protocol that keeps no ledger, and what its `evaluate` raises.
    """
    chosen = choose_variant(protocol, variant)
    module = protocol_named(protocol)
    if not hasattr(module, "ledger"):
        raise UsageError(f"protocol {protocol!r} keeps no record of what its figures are made of")
    more = {} if training is None else {"training": training}
    made: Weighable = module.ledger(truth, predictions, chosen, **more)
    return made
