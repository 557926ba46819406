"""What a diagnosis is: one cause for every false positive and every missed pair, and what each of them costs.

Counts are those of the evaluation of one setting: in every class its true positives and its false positives by cause
are the detections that were counted, its true positives and its missed pairs by cause the truths. Causes are tried in
the order of the tables below, and the first that holds is the cause. Figures are fractions; scores are what the
protocol ranks by. The order follows TIDE (Bolya et al., ECCV 2020), from which the repairs and the lower bound of an
overlap that counts as a place (LOOSE) come; docs/diagnose.md defines every cause.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.data import Dataset, Predictions
from hoitool.eval.result import mean

Array = NDArray[Any]
SCHEMA = 1
LOOSE = 0.1  # pair overlap from which on a detection is at the place of a true pair, if not well enough

# The causes of false positives, in the order in which they are tried. A column `cause` holds the place in this list.
CAUSES: dict[str, str] = {
    "duplicate": "a better detection has found the same true pair",
    "human-box": "at a true pair of its class, but the human box is off",
    "object-box": "at a true pair of its class, but the object box is off",
    "object-class": "the boxes of a true pair, whose object is of another class",
    "verb-only": "the boxes and the class of object of a true pair, which does something else",
    "wrong-pair": "both boxes are found, but in different true pairs",
    "background": "none of these",
}
# The causes of missed pairs, in order. A column `cause` of missed pairs holds the place in this list.
MISSES: dict[str, str] = {
    "no-proposal": "no predicted pair, whatever its label, would find it",
    "ranked-too-low": "a predicted pair would find it, but is not among the counted detections of its class",
}
REPAIRS = (*CAUSES, *MISSES, "all-false-positives", "all-missed")  # what `Diagnosis.repaired` tells the AP after


@dataclass(frozen=True)
class FalsePositives:
    """The counted detections that are no true positives (N,): class by class, the best-ranked first.

    image    index of the image: `Diagnosis.truth.key`
    pair     row of the detection's pair in `Diagnosis.predictions`
    label    index of its class: `Classes.name`
    score    what it is ranked by
    cause    place in CAUSES
    closest  row of the true pair in `Diagnosis.truth` that the cause speaks of, -1 for none
    """

    image: Array
    pair: Array
    label: Array
    score: Array
    cause: Array
    closest: Array

    def __len__(self) -> int:
        return len(self.image)

    def of(self, cause: str) -> Array:
        """Rows of one cause, the highest score first."""
        rows = np.flatnonzero(self.cause == list(CAUSES).index(cause))
        return rows[np.argsort(-self.score[rows], kind="stable")]


@dataclass(frozen=True)
class Missed:
    """The truths that no counted detection finds (M,): class by class, in the order of the truth.

    image    index of the image: `Diagnosis.truth.key`
    pair     row of the true pair in `Diagnosis.truth`
    label    index of its class: `Classes.name`
    cause    place in MISSES
    closest  row of the pair in `Diagnosis.predictions` that overlaps it most, whatever its label; -1 for none
    """

    image: Array
    pair: Array
    label: Array
    cause: Array
    closest: Array

    def __len__(self) -> int:
        return len(self.image)

    def of(self, cause: str) -> Array:
        """Rows of one cause."""
        return np.flatnonzero(self.cause == list(MISSES).index(cause))


@dataclass(frozen=True)
class Classes:
    """The classes of the setting, as columns (K,).

    name             what a class is called: `ride bicycle`, `hold_obj`, `run_agent`
    verb, object     names; the object is empty where classes do not say it
    truths, detections, true_positives   counts of the evaluation
    ap, recall       of the evaluation; NaN where the protocol has none
    reachable        truths that some predicted pair would find if it carried their class, found ones among them
    ceiling          the AP if exactly those were found, without a false positive
    trained          training pairs, -1 where they are not known
    """

    name: Array
    verb: Array
    object: Array
    truths: Array
    detections: Array
    true_positives: Array
    ap: Array
    recall: Array
    reachable: Array
    ceiling: Array
    trained: Array

    def __len__(self) -> int:
        return len(self.name)

    def columns(self) -> dict[str, Array]:
        """The columns by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True)
class Calibration:
    """Score against the share of true positives among the counted detections, in bins of equal width.

    low, high  (B,) bounds of the score; the last bin includes its upper one
    count      (B,) counted detections in each
    score      (B,) their mean score; precision (B,) the share of true positives; NaN in an empty bin
    error      expected calibration error: the mean of |precision - score| over detections (Guo et al., ICML 2017);
               NaN where scores are not within 0 and 1, which then are no probabilities
    """

    low: Array
    high: Array
    count: Array
    score: Array
    precision: Array
    error: float


@dataclass(frozen=True)
class Frequency:
    """AP against the number of training pairs, over the classes that are averaged.

    low, high  (B,) bounds of the number of training pairs, both included
    classes    (B,) how many classes; ap (B,) their mean AP, NaN for none
    spearman   rank correlation of AP with the training pairs, NaN where one of them does not vary
    """

    low: Array
    high: Array
    classes: Array
    ap: Array
    spearman: float


@dataclass(frozen=True)
class Group:
    """Classes that a mean is over. kind: split, object or verb; among (K,): which classes are averaged in it."""

    kind: str
    name: str
    among: Array


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """Why detections are false and pairs are missed, in one setting of a protocol.

    truth, predictions  as they were compared: images in the truth's order, boxes of both in the inclusive frame; what
                        `false_positives` and `missed` say of rows is of these
    repaired            for each of REPAIRS the AP (K,) of the classes if it were repaired
    groups              splits (the first is full), objects and verbs
    frequency           None where training pairs are not known
    """

    protocol: str
    variant: str
    signature: str
    setting: str
    truth: Dataset
    predictions: Predictions
    classes: Classes
    false_positives: FalsePositives
    missed: Missed
    repaired: dict[str, Array]
    groups: tuple[Group, ...]
    calibration: Calibration
    frequency: Frequency | None
    inputs: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        counts = f"{len(self.false_positives):,} false positives, {len(self.missed):,} missed pairs"
        return f"<Diagnosis {self.protocol}/{self.variant} {self.setting}: {counts}>"

    @property
    def false_counts(self) -> Array:
        """(K, 7) false positives of each class by cause."""
        return _table(self.false_positives, len(self.classes), len(CAUSES))

    @property
    def missed_counts(self) -> Array:
        """(K, 2) missed pairs of each class by cause."""
        return _table(self.missed, len(self.classes), len(MISSES))

    def of(self, kind: str) -> tuple[Group, ...]:
        """The groups of a kind: split, object or verb."""
        return tuple(group for group in self.groups if group.kind == kind)

    def gain(self, repair: str, group: Group) -> float:
        """The mAP of a group if one of REPAIRS were done, less what it is. NaN for a group without classes."""
        return mean((self.repaired[repair] - self.classes.ap)[group.among])

    def rows(self, kind: str = "split") -> Iterator[dict[str, Any]]:
        """Per group of a kind: its name, number of classes, counts by cause, mAP, and gain by repair."""
        false, missed, classes = self.false_counts, self.missed_counts, self.classes
        for group in self.of(kind):
            yield {
                "name": group.name,
                "classes": int(group.among.sum()),
                **{
                    name: int(getattr(classes, name)[group.among].sum())
                    for name in ("truths", "detections", "true_positives", "reachable")
                },
                "mAP": mean(classes.ap[group.among]),
                "ceiling_mAP": mean(classes.ceiling[group.among]),
                "ceiling_recall": mean(_share(classes.reachable, classes.truths)[group.among & (classes.truths > 0)]),
                "false_positives": dict(zip(CAUSES, false[group.among].sum(axis=0).tolist(), strict=True)),
                "missed": dict(zip(MISSES, missed[group.among].sum(axis=0).tolist(), strict=True)),
                "gains": {repair: self.gain(repair, group) for repair in REPAIRS},
            }

    def envelope(self) -> dict[str, Any]:
        """The diagnosis without its columns of detections, pairs and classes, as JSON-ready values; null for NaN."""
        made: dict[str, Any] = _plain(
            {
                "schema": SCHEMA,
                "protocol": self.protocol,
                "variant": self.variant,
                "signature": self.signature,
                "setting": self.setting,
                "causes": CAUSES | MISSES,
                **{f"{kind}s": [*self.rows(kind)] for kind in ("split", "object", "verb") if self.of(kind)},
                "calibration": asdict(self.calibration),
                "frequency": None if self.frequency is None else asdict(self.frequency),
                "inputs": self.inputs,
                "notes": list(self.notes),
            }
        )
        return made

    def to_json(self) -> str:
        """The envelope as indented JSON text."""
        return json.dumps(self.envelope(), indent=2, allow_nan=False)

    def per_class(self) -> dict[str, Array]:
        """The columns of the classes, their counts by cause, and the AP that each repair gains (`gain_<repair>`)."""
        false, missed = self.false_counts.T, self.missed_counts.T
        gained = {f"gain_{name}": after - self.classes.ap for name, after in self.repaired.items()}
        return {
            **self.classes.columns(),
            **dict(zip(CAUSES, false, strict=True)),
            **dict(zip(MISSES, missed, strict=True)),
            **gained,
        }


def _plain(value: Any) -> Any:
    """JSON-ready values: lists for arrays, null for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(inner) for inner in (value.tolist() if isinstance(value, np.ndarray) else value)]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(rows: FalsePositives | Missed, classes: int, causes: int) -> Array:
    cells = rows.label.astype(np.int64) * causes + rows.cause
    return np.bincount(cells, minlength=classes * causes).reshape(classes, causes)


def _share(part: Array, whole: Array) -> Array:
    made: Array = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return made
