"""Detection with an open vocabulary: average precision of boxes on base and novel classes, and recall of proposals.

A detector learns boxes of base classes and finds novel ones by their names, so figures stand by group of classes:
`full` with `base` and `novel` for COCO, with `rare`, `common` and `frequent` for LVIS, where rare is what is novel.
AP is COCO's: the mean over ten overlaps (.50 to .95) of precision at 101 recalls; AP50 and AP75 are of one overlap; AR
is the recall that all detections of a class reach, over the ten overlaps. Classes without true boxes do not count.
Boxes: continuous, x, y, w, h (COCO, LVIS), or inclusive pixel indices (PASCAL VOC), float64.
Source: Lin et al., ECCV 2014 and cocoeval.py; Gupta et al., CVPR 2019 and lvis-api; Everingham et al., IJCV 2010;
Bansal et al., ECCV 2018 (base and novel); Gu et al., ICLR 2022 (ViLD); docs/protocols/open-vocab.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import Edges
from hoitool.data import Dataset, Predictions, align, select_images, swapped_boxes, to_frame
from hoitool.data.class_groups import EXTRA, base_or_novel, frequencies
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError
from hoitool.eval.curves import Ranking, area_under_curve, average_precision
from hoitool.eval.detections import Boxes, Matched, best_of_groups, match, near, ranks
from hoitool.eval.ledger import Key
from hoitool.eval.result import Result, Row, mean
from hoitool.eval.scored import told_predictions, told_truth
from hoitool.eval.shares import Shares
from hoitool.eval.signature import choice, signature
from hoitool.eval.thresholds import Thresholds
from hoitool.eval.weighted import AREA, POINTS_101, quotient
from hoitool.labels.open_vocabulary import base_and_novel

Array = NDArray[Any]
SETTING = "default"
TEN = tuple(np.linspace(0.5, 0.95, 10).tolist())  # cocoeval.py's own values
RECALLS = np.linspace(0, 1, 101)
LEAST = float(np.spacing(1))  # added to the number of detections before precision is divided by it
PROPOSALS = (100, 300, 1000)


@dataclass(frozen=True)
class DetectionRule:
    """Every choice of the protocol. A variant is the rule of COCO with some fields replaced."""

    reproduces: str
    groups: Literal["coco-48-17", "lvis-frequency", "base-or-novel", "none"] = choice(
        "coco-48-17", "which classes count, and in which groups: COCO's 65, those of LVIS, what the truth has, or all"
    )
    edges: Edges = choice("continuous", "a box covers x2 - x1 + 1 pixels (inclusive) or is x2 - x1 wide (continuous)")
    overlaps: tuple[float, ...] = choice(TEN, "overlaps that match; figures are means over them")
    strict: bool = choice(False, "only a larger overlap matches, not an equal one")
    second_choice: bool = choice(True, "a detection whose best true box is taken tries the next one")
    ignored: Literal["crowd", "marked"] = choice(
        "crowd", "true boxes on which detections do not count: crowds, or those marked to ignore (difficult)"
    )
    per_class: int | None = choice(100, "only so many best-scored detections of an image and class count")
    per_image: int | None = choice(None, "only so many best-scored detections of an image count")
    federated: bool = choice(
        False, "a class counts in images where it is true or verified absent; unmatched ones not where some may lack"
    )
    curve: Literal["101-points", "11-points", "area", "none"] = choice(
        "101-points", "how an AP comes from precision and recall; none: recall of boxes of any class"
    )


COCO = DetectionRule("cocoeval.py on 48 base and 17 novel categories, all 65 told apart (OVR-CNN, ViLD)")
VOC = replace(
    COCO,
    reproduces="VOCevaldet.m of the PASCAL VOC 2007 kit, and voc_eval.py with use_07_metric",
    groups="none",
    edges="inclusive",
    overlaps=(0.5,),
    strict=True,
    second_choice=False,
    ignored="marked",
    per_class=None,
    curve="11-points",
)

VARIANTS: dict[str, DetectionRule] = {
    "coco": COCO,
    "coco-all": replace(COCO, reproduces="cocoeval.py, boxes of all categories of the truth", groups="none"),
    "lvis": replace(
        COCO,
        reproduces="eval.py of lvis-api, boxes",
        groups="lvis-frequency",
        per_class=None,
        per_image=300,
        federated=True,
    ),
    "voc07": VOC,
    "voc10": replace(VOC, reproduces="VOCevaldet.m of the PASCAL VOC 2010 kit, and voc_eval.py", curve="area"),
    "proposals": replace(
        COCO,
        reproduces="cocoeval.py with useCats=0: the recall of ViLD's class-agnostic proposals",
        groups="base-or-novel",
        per_class=None,
        per_image=max(PROPOSALS),
        curve="none",
    ),
}


def evaluate(truth: Dataset, predictions: Predictions, variant: str = "coco") -> Result:
    """Score detections under a variant of the rule.

    Metrics, as fractions: AP50, AP, AP75 and AR@100 (coco), AP, AP50, AP75 and AR@300 (lvis), mAP and AR (voc), AR@100,
    AR@300 and AR@1000 (proposals). Pairs are not looked at. Raises DataError when predictions have no scores of boxes,
    name images or labels that the truth does not have, or need image sizes that are not known; UsageError when the
    label space or the truth does not have the groups of the variant.
    """
    rule = VARIANTS[variant]
    truth, predictions, groups = _prepared(truth, predictions, rule)
    scored = _proposals if rule.curve == "none" else _detections
    rows, columns = scored(to_frame(truth, rule.edges), to_frame(predictions, rule.edges), groups, rule)
    return Result(
        protocol="open-vocab",
        variant=variant,
        signature=signature(f"open-vocab/{variant}", rule),
        rows=rows,
        per_class=columns,
        inputs={
            "truth": told_truth(truth, boxes=len(truth.boxes)),
            "predictions": told_predictions(
                predictions,
                images=int(np.count_nonzero(predictions.counts("box"))),
                boxes=len(predictions.boxes),
                swapped_boxes=swapped_boxes(predictions),
            ),
        },
        notes=tuple(_notes(truth, predictions, groups, rule)),
    )


def _prepared(
    truth: Dataset, predictions: Predictions, rule: DetectionRule
) -> tuple[Dataset, Predictions, dict[str, Array]]:
    """Both with the images in the order of their ids, and the classes that count."""
    if predictions.box_scores is None:
        raise DataError(f"{predictions!r} has no scores of boxes ('box_scores'), by which detections are ranked")
    groups = _groups(truth, rule)
    truth = _by_id(truth)
    return truth, align(predictions.with_columns(image_scores=None), truth), groups


def ledger(truth: Dataset, predictions: Predictions, variant: str = "coco") -> DetectionLedger | ProposalLedger:
    """What the figures are made of; the images are in the order of their ids. Raises what `evaluate` does."""
    rule = VARIANTS[variant]
    truth, predictions, groups = _prepared(truth, predictions, rule)
    truth, predictions = to_frame(truth, rule.edges), to_frame(predictions, rule.edges)
    if rule.curve == "none":
        return ProposalLedger(truth.key, dict(_proposal_shares(truth, predictions, groups, rule)))
    return DetectionLedger(truth.key, _judged(truth, predictions, groups, rule), groups, rule)


@dataclass(frozen=True, eq=False)
class DetectionLedger:
    """Detections of classes, from which figures can be had again for images that count otherwise."""

    images: Array
    judged: Thresholds
    groups: dict[str, Array]
    rule: DetectionRule

    def figures_of(self, weights: Array) -> dict[Key, Array]:
        """Each figure (B,) when images count `weights` (I, B) times: means over the classes that have truths left."""
        metrics = _metrics(*self.judged.weighted(weights), self.rule)
        return {
            (SETTING, name, metric): _means(values[mask])
            for name, mask in self.groups.items()
            for metric, values in metrics.items()
        }


@dataclass(frozen=True, eq=False)
class ProposalLedger:
    """Recalls of true boxes by group and metric, which can be had again for images that count otherwise."""

    images: Array
    recalls: dict[tuple[str, str], Shares]

    def figures_of(self, weights: Array) -> dict[Key, Array]:
        """Each figure (B,) when images count `weights` (I, B) times; NaN without true boxes."""
        return {(SETTING, *key): held.resampled(weights) for key, held in self.recalls.items()}


def _groups(truth: Dataset, rule: DetectionRule) -> dict[str, Array]:
    """(O,) masks of the classes that count (full) and of their groups."""
    if rule.groups == "none":
        return {"full": np.ones(len(truth.meta.labels.objects), bool)}
    if rule.groups == "coco-48-17" and EXTRA in truth.meta.extras:
        raise DataError(f"{truth!r} has the categories of LVIS, which are scored by --variant lvis")
    if rule.groups == "lvis-frequency":
        return {"full": np.ones(len(truth.meta.labels.objects), bool)} | frequencies(truth)
    held = base_and_novel(truth.meta.labels) if rule.groups == "coco-48-17" else base_or_novel(truth)
    return {"full": held["base"] | held["novel"]} | held


def _by_id(truth: Dataset) -> Dataset:
    """The images by ascending COCO id, the order of cocoeval.py and lvis-api: it decides ties of scores."""
    order = np.argsort(image_ids(truth), kind="stable")
    return truth if (np.diff(order) == 1).all() else select_images(truth, order)


def _boxes(data: Dataset, rows: Array, ignored: Array) -> Boxes:
    """The boxes of some rows (n,), of which (n,) are ignored."""
    corners = data.boxes[rows].astype(np.float64, copy=False)
    return Boxes(data.image_of("box")[rows], data.categories[rows], corners, ignored)


def _true_boxes(truth: Dataset, full: Array, rule: DetectionRule) -> Boxes:
    """The true boxes of the classes that count."""
    rows = np.flatnonzero(_of_classes(truth, full))
    if rule.ignored == "crowd":
        ignored = np.zeros(len(truth.boxes), bool) if truth.crowd is None else truth.crowd
    else:
        marked = truth.meta.extras.get("coco", {}).get("ignored", [])
        ignored = np.isin(truth.need("box_ids"), marked) if marked else np.zeros(len(truth.boxes), bool)
    return _boxes(truth, rows, ignored[rows])


def _of_classes(data: Dataset, full: Array) -> Array:
    """(B,) whether a box is of a class of a mask (O,)."""
    made: Array = np.append(full, False)[data.categories]  # a category of -1 takes the last
    return made


def _detections(
    truth: Dataset, predictions: Predictions, groups: dict[str, Array], rule: DetectionRule
) -> tuple[tuple[Row, ...], dict[str, Array]]:
    """Figures by group of classes from APs of classes."""
    judged = _judged(truth, predictions, groups, rule)
    classes = len(groups["full"])
    truths = np.bincount(judged.true_class, minlength=classes)
    ap, recall = np.full((2, len(rule.overlaps), classes), np.nan)
    for t, (hits, gone) in enumerate(zip(judged.hits, judged.gone, strict=True)):
        counts = np.diff(judged.starts) - np.diff(np.searchsorted(gone, judged.starts))
        for k, mine in enumerate(ranks(hits, gone, judged.starts)):
            if truths[k]:
                ap[t, k] = CURVES[rule.curve](mine, int(counts[k]), int(truths[k]))
                recall[t, k] = len(mine) / truths[k]
    metrics = _metrics(ap, recall, rule)
    figures = tuple(
        Row(SETTING, name, int((mask & (truths > 0)).sum()), {m: _mean(v[mask]) for m, v in metrics.items()})
        for name, mask in groups.items()
    )
    names = np.array(truth.meta.labels.objects, object)
    columns = {"id": np.arange(classes), "object": names, "group": _group_names(groups), "truths": truths}
    columns |= {"detections": np.diff(judged.starts)} | metrics
    return figures, {name: values[groups["full"]] for name, values in columns.items()}


def _judged(truth: Dataset, predictions: Predictions, groups: dict[str, Array], rule: DetectionRule) -> Thresholds:
    """The detections that count, matched at every threshold."""
    true = _true_boxes(truth, groups["full"], rule)
    rows, unsure = _counted(truth, predictions, groups["full"], true, rule)
    ranking = Ranking.of(predictions.categories[rows], predictions.need("box_scores")[rows], len(groups["full"]))
    rows, unsure = rows[ranking.order], unsure[ranking.order]
    detected = _boxes(predictions, rows, unsure)
    pairs = near(true, detected, min(rule.overlaps), rule.edges, later=rule.second_choice)
    found = [match(pairs, true, threshold, rule.strict, rule.second_choice) for threshold in rule.overlaps]
    return Thresholds(
        starts=ranking.starts,
        image=detected.image,
        hits=tuple(each.hits for each in found),
        gone=tuple(_gone(unsure, each) for each in found),
        true_image=true.image[~true.ignored],
        true_class=true.label[~true.ignored],
        formula=FORMULA_OF[rule.curve],
    )


def _counted(
    truth: Dataset, predictions: Predictions, full: Array, true: Boxes, rule: DetectionRule
) -> tuple[Array, Array]:
    """Rows of the detections that count, and (n,) whether one that matches nothing is ignored."""
    score, image = predictions.need("box_scores"), predictions.image_of("box")
    kept = np.ones(len(score), bool)
    if rule.per_image is not None:
        kept = best_of_groups(image, score, len(truth), rule.per_image)
    kept &= _of_classes(predictions, full)
    rows = np.flatnonzero(kept)
    classes = len(full)
    place = image[rows].astype(np.int64) * classes + predictions.categories[rows]
    if rule.per_class is not None:
        best = best_of_groups(place, score[rows], len(truth) * classes, rule.per_class)
        rows, place = rows[best], place[best]
    if not rule.federated:
        return rows, np.zeros(len(rows), bool)
    absent, unsure = (_stated(truth, value, classes) for value in (-1, 0))
    absent[true.image.astype(np.int64) * classes + true.label] = True  # or there
    told = absent[place]
    return rows[told], unsure[place[told]]


def _stated(truth: Dataset, value: int, classes: int) -> Array:
    """(I * classes,) of which classes the labels of images have this value: -1 absent, 0 some may lack their box."""
    made = np.zeros(len(truth) * classes, bool)
    if truth.image_label is not None and truth.image_value is not None:
        place = truth.image_of("image_label").astype(np.int64) * classes + truth.image_label
        made[place[truth.image_value == value]] = True
    return made


def _gone(unsure: Array, found: Matched) -> Array:
    """The detections that count neither as true nor as false, ascending."""
    made = unsure.copy()
    made[found.hits] = False
    made[found.ignored] = True
    return np.flatnonzero(made)


def coco_average(ranks: Array, detections: int, truths: int) -> float:
    """Mean over 101 recalls of the best precision at that recall or beyond; ranks 0-based, of true positives."""
    if not len(ranks):
        return 0.0
    found = np.arange(1, len(ranks) + 1)
    best = np.maximum.accumulate((found / (ranks + 1 + LEAST))[::-1])[::-1]
    reached = np.searchsorted(found / truths, RECALLS)
    return float(best[reached[reached < len(best)]].sum()) / len(RECALLS)


CURVES: dict[str, Callable[[Array, int, int], float]] = {
    "101-points": coco_average,
    "11-points": lambda ranks, detections, truths: average_precision(ranks, truths, "start-plus-steps"),
    "area": area_under_curve,
}


FORMULA_OF = {"101-points": POINTS_101, "11-points": "start-plus-steps", "area": AREA}  # the same of weighted.FORMULAS


def _metrics(ap: Array, recall: Array, rule: DetectionRule) -> dict[str, Array]:
    """(O,) figures of each class by name, of APs and recalls (T, O); the headline first."""
    if len(rule.overlaps) == 1:
        return {"mAP": ap[0], "AR": recall[0]}
    made = {"AP50": ap[0], "AP": ap.mean(axis=0), "AP75": ap[5]}
    names = ("AP", "AP50", "AP75") if rule.federated else tuple(made)
    return {name: made[name] for name in names} | {f"AR@{rule.per_image or rule.per_class}": recall.mean(axis=0)}


def _mean(values: Array) -> float:
    return mean(values[~np.isnan(values)])


def _means(values: Array) -> Array:
    """(B,) means of values (n, B) without what is NaN; NaN of nothing."""
    held = ~np.isnan(values)
    return quotient(np.where(held, values, 0).sum(axis=0), held.sum(axis=0))


def _group_names(groups: dict[str, Array]) -> Array:
    """(O,) the group of each class, '' where there is none."""
    made = np.full(len(groups["full"]), "", object)
    for name, mask in groups.items():
        if name != "full":
            made[mask] = name
    return made


def _proposals(
    truth: Dataset, predictions: Predictions, groups: dict[str, Array], rule: DetectionRule
) -> tuple[tuple[Row, ...], dict[str, Array]]:
    """Recall of true boxes by detections of any class, by group of true classes."""
    rows = []
    for name, true, found in _found_proposals(truth, predictions, groups, rule):
        wanted = len(true) - int(true.ignored.sum())
        recall = {f"AR@{k}": _reached(found, k, wanted) for k in PROPOSALS}
        rows.append(Row(SETTING, name, int(groups[name].sum()), recall))
    return tuple(rows), {}


def _found_proposals(
    truth: Dataset, predictions: Predictions, groups: dict[str, Array], rule: DetectionRule
) -> Iterator[tuple[str, Boxes, list[tuple[Array, Array]]]]:
    """For each group its true boxes, and of true positives at each threshold the image and the place in it (n,)."""
    image, score = predictions.image_of("box"), predictions.need("box_scores")
    order = np.lexsort((-score, image))
    place = np.arange(len(order)) - predictions.box_offsets[image]
    order = order[place < max(PROPOSALS)]
    place = place[place < max(PROPOSALS)]
    detected = replace(_boxes(predictions, order, np.zeros(len(order), bool)), label=np.zeros(len(order), np.int32))
    for name, mask in groups.items():
        true = _true_boxes(truth, mask, rule)
        true = replace(true, label=np.zeros(len(true), np.int32))
        pairs = near(true, detected, min(rule.overlaps), rule.edges, later=True)
        found = [match(pairs, true, t, rule.strict, rule.second_choice) for t in rule.overlaps]
        yield name, true, [(detected.image[each.hits], place[each.hits]) for each in found]


def _proposal_shares(
    truth: Dataset, predictions: Predictions, groups: dict[str, Array], rule: DetectionRule
) -> Iterator[tuple[tuple[str, str], Shares]]:
    """By group and metric what the recall is the mean of: for each true box the share found in its image."""
    for name, true, found in _found_proposals(truth, predictions, groups, rule):
        image = true.image[~true.ignored]
        wanted = np.maximum(np.bincount(image, minlength=len(truth)), 1)
        for k in PROPOSALS:
            hits = np.concatenate([images[place < k] for images, place in found])
            share = np.bincount(hits, minlength=len(truth)) / wanted / len(found)
            yield (name, f"AR@{k}"), Shares.of(image, share[image])


def _reached(found: list[tuple[Array, Array]], most: int, wanted: int) -> float:
    """The mean recall of the `most` best detections of each image."""
    return mean(np.array([(place < most).sum() / wanted for _, place in found])) if wanted else float("nan")


def _notes(truth: Dataset, predictions: Predictions, groups: dict[str, Array], rule: DetectionRule) -> list[str]:
    """What a reader of the figures should know."""
    made = []
    if not len(predictions.boxes):
        made.append("there are no predictions, so every figure is 0")
    if rule.curve != "none" and (nameless := int(np.count_nonzero(predictions.categories < 0))):
        made.append(f"{nameless:,} detected boxes have no class and do not count; --variant proposals counts them")
    if gone := int((~_of_classes(truth, groups["full"])).sum()):
        made.append(f"{gone:,} true boxes of classes that are in no group were left out, and detections of them")
    present = np.isin(np.arange(len(groups["full"])), truth.categories)
    for name, mask in groups.items():
        if name != "full" and (lacking := int((mask & ~present).sum())):
            made.append(f"{lacking} of the {int(mask.sum())} {name} classes have no true box and do not count")
    return made
