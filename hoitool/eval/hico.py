"""The HICO recognition protocol: mean average precision of image-level scores over interactions.

Every image has a score for every interaction; for each interaction the images are ranked by it. Images labelled 1 are
positives. Settings: `default` takes as negatives the images labelled -1 and those without a label of the interaction;
`known-object` only those labelled -1, which show the object. Images labelled 0 (uncertain) do not take part.
AP has 11 recall points; mAP is the plain mean over interactions. Splits: full, and in HICO's own label space
few@1, few@5 and few@10, interactions with at most so many training images.
Source: Chao et al., ICCV 2015, eval_pr_score_label.m of hico_benchmark; docs/protocols/hico.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hoitool.data import Dataset, Predictions, align, offsets_of
from hoitool.errors import DataError
from hoitool.eval.hico_few import few_classes
from hoitool.eval.image_ranking import LEFT_OUT, NEGATIVE, POSITIVE, ClassFigures, rank_images, rankings
from hoitool.eval.ledger import Figure, Ledger, Ranked
from hoitool.eval.result import Result, Row, mean, told_group
from hoitool.eval.scored import told_predictions, told_truth
from hoitool.eval.signature import choice, signature
from hoitool.labels import LabelSpace

Array = NDArray[Any]
Ties = Literal["image-order", "unstable"]
Part = Literal["negatives", "left-out"]
Undecided = Literal["left-out", "zero"]
DEFAULT, KNOWN_OBJECT = "default", "known-object"
UNKNOWN = -2  # in a table of labels: the truth says nothing of this image and class


@dataclass(frozen=True)
class RecognitionRule:
    """Every choice of the protocol. A variant is the official rule with some fields replaced."""

    reproduces: str
    unknown: Part = choice("negatives", "what images without a label of the class (NaN) are in the default setting")
    unknown_object: Part = choice("left-out", "what they are in the known-object setting")
    uncertain: Part = choice("left-out", "what images labelled 0 are")
    thresholds: str = choice("start-plus-steps", "how the 11 recall thresholds come about")
    ties: Ties = choice("image-order", "equal scores: in the order of the images; or undefined, with bounds given")
    undecided: Undecided = choice(
        "left-out", "classes without a positive, or without a negative: left out of the mean; or AP 0 without positives"
    )

    @property
    def settings(self) -> dict[str, Array]:
        """By setting what images with no label, and with the labels -1, 0 and 1, are in the ranking of a class."""
        part = {"negatives": NEGATIVE, "left-out": LEFT_OUT}
        unknown = {DEFAULT: self.unknown, KNOWN_OBJECT: self.unknown_object}
        return {
            name: np.array([part[which], NEGATIVE, part[self.uncertain], POSITIVE], np.int8)
            for name, which in unknown.items()
        }


OFFICIAL = RecognitionRule("the official MATLAB code of HICO (eval_pr_score_label.m of hico_benchmark)")

VARIANTS: dict[str, RecognitionRule] = {
    "official": OFFICIAL,
    "defr": replace(
        OFFICIAL,
        reproduces="AveragePrecisionMeter of DEFR (meters.py of hts)",
        thresholds="symmetric",
        ties="unstable",
        undecided="zero",
    ),
}


def evaluate(truth: Dataset, predictions: Predictions, variant: str = "official") -> Result:
    """Score image-level predictions under a variant of the rule.

    Metrics: mAP, as a fraction. Raises DataError when the truth has no image-level labels of interactions, or when the
    predictions do not have scores of exactly its images and interactions.
    """
    rule = VARIANTS[variant]
    table = _label_table(truth)
    scores = _scores(predictions, truth)
    notes = _remarks(scores)
    settings = _settings(table, rule)
    if KNOWN_OBJECT not in settings:
        notes.append(
            "no image of the truth is labelled -1 (the object without the interaction), so there is no "
            f"{KNOWN_OBJECT!r} setting"
        )
    figures = rank_images(table - UNKNOWN, scores, settings, rule.thresholds, rule.ties == "unstable")
    scored = _scored_classes(figures[DEFAULT].positives, figures[DEFAULT].negatives, rule, notes)
    groups = _splits(truth.meta.labels)
    return Result(
        protocol="hico",
        variant=variant,
        signature=signature(f"hico/{variant}", rule),
        rows=tuple(_rows(figures, groups, scored, rule)),
        per_class=_per_class(truth, table, figures, groups, scored),
        inputs=_inputs(truth, predictions, groups),
        notes=tuple(notes),
    )


def ledger(truth: Dataset, predictions: Predictions, variant: str = "official") -> Ledger:
    """What the figures are made of: images ranked for each class; the row of each is its place in the truth.

    Raises what `evaluate` does.
    """
    rule = VARIANTS[variant]
    table, scores = _label_table(truth), _scores(predictions, truth)
    settings = _settings(table, rule)
    held = list(rankings(table - UNKNOWN, scores, settings, rule.ties == "unstable"))
    ranked = {
        f"{setting}{end}": _ranked([each[setting][end] for each in held], truth, scores, rule)
        for setting in settings
        for end in held[0][setting]
    }
    positives = ranked[DEFAULT].truths
    scored = _scored_classes(positives, np.diff(ranked[DEFAULT].starts) - positives, rule, [])
    figures = [
        Figure(setting, split, f"mAP{end}", f"{setting}{end}", "ap", group & scored)
        for setting in settings
        for split, group in _splits(truth.meta.labels).items()
        for end in held[0][setting]
    ]
    return Ledger(truth.key, ranked, tuple(figures))


def _ranked(held: list[tuple[Array, Array]], truth: Dataset, scores: Array, rule: RecognitionRule) -> Ranked:
    """The ranking of one setting, from the images of each class and whether each is a positive."""
    image = np.concatenate([images for images, _ in held]).astype(np.int32)
    hit = np.concatenate([hits for _, hits in held])
    label = np.repeat(np.arange(len(held)), [len(images) for images, _ in held])
    return Ranked(
        names=np.array([truth.meta.label_name(k) for k in range(len(held))], object),
        starts=offsets_of(np.array([len(images) for images, _ in held])),
        image=image,
        hit=hit,
        score=scores[image, label],
        row=image,
        true_image=image[hit],
        true_class=label[hit],
        formula=rule.thresholds,
        bare_recall=np.zeros(len(held)),
    )


def _settings(table: Array, rule: RecognitionRule) -> dict[str, Array]:
    """The settings of the rule, without the known-object one where no image is labelled -1."""
    return {name: part for name, part in rule.settings.items() if name == DEFAULT or (table == -1).any()}


def _label_table(truth: Dataset) -> Array:
    """(K, I) int8 the label of each class in each image, UNKNOWN where there is none."""
    if truth.image_label is None or truth.image_value is None or truth.meta.label_kind != "interactions":
        held = "image-level labels of interactions"
        raise DataError(f"{truth!r} has no {held}, which recognition is scored against: convert HICO's anno.mat")
    image = truth.image_of("image_label")
    table = np.full((truth.meta.classes, len(truth)), UNKNOWN, np.int8)
    table[truth.image_label, image] = truth.image_value
    if np.count_nonzero(table != UNKNOWN) < len(image):
        key = image.astype(np.int64) * truth.meta.classes + truth.image_label
        values, count = np.unique(key, return_counts=True)
        at, label = divmod(int(values[count > 1][0]), truth.meta.classes)
        raise DataError(f"image {truth.key[at]!r} of the truth has more than one label of interaction {label}")
    return table


def _scores(predictions: Predictions, truth: Dataset) -> Array:
    """(I, K) scores in the truth's order."""
    if predictions.image_scores is None:
        raise DataError(
            f"{predictions!r} has no scores of whole images, which the protocol 'hico' ranks; pairs are scored by "
            "--protocol hico-det"
        )
    if predictions.meta.label_kind != "interactions":
        raise DataError(f"{predictions!r} scores {predictions.meta.label_kind}, expected interactions")
    return align(predictions, truth).need("image_scores")


def _remarks(scores: Array) -> list[str]:
    missing = int(np.isnan(scores).sum())
    return [f"{missing:,} scores are NaN, which the official sort puts before all others"] if missing else []


def _scored_classes(positives: Array, negatives: Array, rule: RecognitionRule, notes: list[str]) -> Array:
    """(K,) the classes in the means, from the images of each in the default setting."""
    lacking: Array = positives == 0
    if rule.undecided == "zero":
        if lacking.any():
            notes.append(f"{int(lacking.sum())} of the {len(lacking)} interactions have no positive image here: AP 0")
        return np.ones(len(lacking), bool)
    lacking = lacking | (negatives == 0)
    if lacking.any():
        notes.append(
            f"{int(lacking.sum())} of the {len(lacking)} interactions have no positive or no negative image here; the "
            "official code stops there, and they are left out of the means"
        )
    return ~lacking


def _splits(labels: LabelSpace) -> dict[str, Array]:
    """Class groups (K,) by name: full, and the few-shot groups in HICO's own label space."""
    groups = {"full": np.ones(len(labels), bool)}
    return groups | {name: np.isin(np.arange(len(labels)), few) for name, few in few_classes(labels).items()}


def _rows(
    figures: dict[str, ClassFigures], groups: dict[str, Array], scored: Array, rule: RecognitionRule
) -> Iterator[Row]:
    for setting, made in figures.items():
        for split, group in groups.items():
            among = group & scored
            metrics = {"mAP": mean(made.ap[among])}
            if rule.ties == "unstable":
                metrics |= {"mAP_low": mean(made.low[among]), "mAP_high": mean(made.high[among])}
            yield Row(setting, split, int(among.sum()), metrics)


def _per_class(
    truth: Dataset, table: Array, figures: dict[str, ClassFigures], groups: dict[str, Array], scored: Array
) -> dict[str, Array]:
    labels = truth.meta.labels
    ids = np.arange(len(labels))
    columns: dict[str, Array] = {
        "id": ids,
        "official_id": ids + 1,
        "object": np.array([*labels.objects, ""], object)[labels.interaction_objects],
        "verb": np.array(labels.verbs, object)[labels.interaction_verbs],
    }
    columns |= {name.replace("@", "_"): group for name, group in groups.items() if name != "full"}
    for name, value in (("present", 1), ("absent", -1), ("uncertain", 0), ("unknown", UNKNOWN)):
        columns[name] = np.count_nonzero(table == value, axis=1)
    for setting, made in figures.items():
        suffix = setting.replace("-", "_")
        columns[f"negatives_{suffix}"] = made.negatives
        columns[f"AP_{suffix}"] = np.where(scored, made.ap, np.nan)
    return columns


def _inputs(truth: Dataset, predictions: Predictions, groups: dict[str, Array]) -> dict[str, Any]:
    return {
        "truth": told_truth(truth, image_labels=len(truth.need("image_label"))),
        "predictions": told_predictions(
            predictions, images=len(predictions), scores=predictions.need("image_scores").size
        ),
        "splits": {name: told_group(group) for name, group in groups.items()},
    }
