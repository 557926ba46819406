"""What causes are found in: the truths of a setting, the predicted pairs, and its counted detections.

Each protocol makes a case of its own (`hico_det.py`, `v_coco.py`); `evidence.py` judges any.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.data import Dataset, Predictions
from hoitool.diagnose.diagnosis import Group
from hoitool.eval.ledger import Ledger, Ranked

Array = NDArray[Any]
Compare = Callable[[Array, Array], tuple[Array, Array]]  # truths, proposals (n,) -> overlaps of humans, of objects
Near = Callable[[Array, Array], Array]  # truths, proposals (n,) -> whether the protocol compares the two


@dataclass(frozen=True)
class Truths:
    """What can be found (T,), by image and then by label, in file order.

    image, label  label -1: somebody who does nothing, who is no truth of any class
    verb, object  what the label says, as `Case.verb` and `Case.object` number it
    pair          row in the truth's pairs, -1 for none
    thing         whether it has an object's box
    """

    image: Array
    label: Array
    verb: Array
    object: Array
    pair: Array
    thing: Array

    def __len__(self) -> int:
        return len(self.image)


@dataclass(frozen=True)
class Case:
    """One setting of a protocol, ready to be judged. N detections, P proposals, T truths, K classes.

    truth, predictions  as they were compared
    ranked     the counted detections; pair (N,) their rows in the predictions' pairs
    proposal   (N,) which proposal each is; a proposal is a predicted pair of boxes, whatever is said of it
    proposal_image, proposal_pair  (P,) by image; the first row in the predictions' pairs
    verb, object  (K,) numbers of what the classes say
    compare    overlaps of humans and of objects; near: what is compared at all, None: everything in the image
    threshold, strict  the overlap that matches, in the type of the overlaps
    verb_names, object_names  (K,) the same as names, empty where classes do not say it
    groups     splits, objects and verbs; trained (K,) training pairs, -1 unknown
    """

    truth: Dataset
    predictions: Predictions
    ranked: Ranked
    pair: Array
    proposal: Array
    proposal_image: Array
    proposal_pair: Array
    truths: Truths
    verb: Array
    object: Array
    verb_names: Array
    object_names: Array
    compare: Compare
    near: Near | None
    threshold: Any
    strict: bool
    groups: tuple[Group, ...]
    trained: Array
    notes: tuple[str, ...]

    def matches(self, overlap: Array) -> Array:
        """Whether overlaps suffice."""
        made: Array = overlap > self.threshold if self.strict else overlap >= self.threshold
        return made

    @cached_property
    def label(self) -> Array:
        """(N,) the class of each detection."""
        return np.repeat(np.arange(len(self.ranked.names)), np.diff(self.ranked.starts))


Cases = dict[str, Callable[[], Case]]  # what makes the case of each setting


def proposals_of(subject: Array, obj: Array) -> tuple[Array, Array]:
    """(N,) the proposal of each row of a file, and (P,) the first row of each: consecutive rows of the same boxes."""
    first = np.ones(len(subject), bool)
    first[1:] = (subject[1:] != subject[:-1]) | (obj[1:] != obj[:-1])
    return np.cumsum(first) - 1, np.flatnonzero(first)


def groups_of(ledger: Ledger, setting: str, verb: Array, obj: Array | None) -> tuple[Group, ...]:
    """The splits of a setting, as the result has them, then the classes of each object and verb (K,) by name."""
    splits = [
        Group("split", figure.split, figure.among)
        for figure in ledger.figures
        if (figure.setting, figure.metric) == (setting, "mAP")
    ]
    full = splits[0].among
    kinds = {"verb": verb} if obj is None else {"object": obj, "verb": verb}
    named = [
        Group(kind, name, full & (names == name))
        for kind, names in kinds.items()
        for name in dict.fromkeys(names[full].tolist())
    ]
    return (*splits, *named)
