"""Image-text retrieval: do images find their captions, and captions their image, among all others?

Similarity is the dot product of embeddings, in an ensemble the mean of the models' similarities. Settings:
`image-to-text` ranks captions for each image by the best of its own, `text-to-image` ranks images for each caption,
`both` has rsum. Splits: `full`, one run on all images; of exactly 5,000 images also `five-fold`: each figure is the
mean over five runs on 1,000 consecutive images (COCO's 1K; `full` is its 5K then, and Flickr30K's test of 1,000).
Source: evaluation.py of vse_infty (Chen et al., CVPR 2021), from VSE++ (Faghri et al., BMVC 2018); Karpathy's splits;
docs/protocols/retrieval.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hoitool.errors import DataError
from hoitool.eval.embedded import Embedded
from hoitool.eval.ledger import Key
from hoitool.eval.result import Result, Row
from hoitool.eval.search_figures import (
    FULL,
    IMAGE_TO_TEXT,
    RECALLS,
    TEXT_TO_IMAGE,
    Ties,
    per_query,
    remark,
    resampled_figures,
    search_figures,
    stacked,
    without_idle_bounds,
)
from hoitool.eval.search_ranks import Array, Ranks, rank
from hoitool.eval.signature import choice, signature

BOTH = "both"
FIVE_FOLD = "five-fold"


@dataclass(frozen=True)
class RetrievalRule:
    """Every choice of the protocol. A variant is the official rule with some fields replaced."""

    reproduces: str
    captions: int = choice(5, "how many captions of an image take part, the first ones")
    recalls: tuple[int, ...] = choice(RECALLS, "K of the recalls R@K; mR is their mean, rsum the sum of both settings'")
    folds: int = choice(5, "runs whose figures are averaged, where the images are so many times fold_images")
    fold_images: int = choice(1000, "consecutive images of such a run")
    ties: Ties = choice("last", "where the positive stands among items exactly as similar as it")


OFFICIAL = RetrievalRule("evaluation.py of vse_infty and of the codes before it, which leave the order of ties open")

VARIANTS: dict[str, RetrievalRule] = {
    "official": OFFICIAL,
    "ties-first": replace(
        OFFICIAL, reproduces="codes that count the items more similar than the positive", ties="first"
    ),
}


def evaluate(embedded: Embedded, variant: str = "official") -> Result:
    """Score embeddings under a variant of the rule. Recalls are fractions, rsum their sum (5.6 is printed as 560).

    Raises DataError for no images, and for an image without a caption.
    """
    rule = VARIANTS[variant]
    rows, ranks, notes = scored(embedded, rule)
    taken = embedded.first_captions(rule.captions)
    if left_out := len(embedded.captions) - len(taken.captions):
        notes.append(f"{left_out:,} captions do not take part: only the first {rule.captions} of an image do")
    queries = [
        per_query(IMAGE_TO_TEXT, taken.key, np.full(len(taken.key), -1), ranks[0]),
        per_query(TEXT_TO_IMAGE, taken.key[taken.image], taken.caption_id, ranks[1]),
    ]
    return Result(
        protocol="retrieval",
        variant=variant,
        signature=signature(f"retrieval/{variant}", rule),
        rows=tuple(rows),
        per_class=stacked(queries),
        inputs={"predictions": taken.told(), "stores": list(embedded.sources)},
        notes=tuple(notes),
    )


def scored(embedded: Embedded, rule: RetrievalRule) -> tuple[list[Row], tuple[Ranks, Ranks], list[str]]:
    """The rows of a rule, the ranks of images and of captions among all, and remarks. Raises as `evaluate` does."""
    taken = _taken(embedded, rule)
    runs = _runs(taken, rule)
    made = {split: [_figures(run, rule) for run in each] for split, each in runs.items()}
    ranks = runs[FULL][0].ranks
    count = {IMAGE_TO_TEXT: len(taken.key), TEXT_TO_IMAGE: len(taken.image), BOTH: len(taken.key) + len(taken.image)}
    rows = [
        Row(setting, split, count[setting], without_idle_bounds(_means([run[setting] for run in runs])))
        for setting in count
        for split, runs in made.items()
    ]
    notes = [
        *remark(IMAGE_TO_TEXT, ranks[0], rule.ties),
        *remark(TEXT_TO_IMAGE, ranks[1], rule.ties),
    ]
    return rows, ranks, notes


def _taken(embedded: Embedded, rule: RetrievalRule) -> Embedded:
    """The captions that take part. Raises DataError for no images, and for an image without a caption."""
    taken = embedded.first_captions(rule.captions)
    lacking = np.flatnonzero(np.bincount(taken.image, minlength=len(taken.key)) == 0)
    if len(lacking) or not len(taken.key):
        where = "".join(f"{source['path']}: " for source in embedded.sources[:1])
        said = f"image {taken.key[lacking[0]]!r} has no caption ({len(lacking):,} have none)" if len(lacking) else ""
        raise DataError(where + (said or "there are no images to score"))
    return taken


def ranks_of(embedded: Embedded) -> tuple[Ranks, Ranks]:
    """Ranks of images (I,) among captions by the best of their own, and of captions (C,) among images."""
    captions, images = rank(embedded.captions, embedded.images, (np.arange(len(embedded.image)), embedded.image))
    return images, captions


@dataclass(frozen=True, eq=False)
class Run:
    """One search: the ranks of images among captions and of captions among images; image: whose each query is."""

    ranks: tuple[Ranks, Ranks]
    image: tuple[Array, Array]


def _runs(taken: Embedded, rule: RetrievalRule) -> dict[str, list[Run]]:
    """By split the runs that its figures are the means over."""
    made = {FULL: [_run(taken, 0)]}
    if rule.folds > 1 and len(taken.key) == rule.folds * rule.fold_images:
        folds = _folds(taken, rule.fold_images)
        made[FIVE_FOLD] = [_run(fold, f * rule.fold_images) for f, fold in enumerate(folds)]
    return made


def _run(embedded: Embedded, first: int) -> Run:
    """A search among some images, the first of which has the place `first` among all."""
    return Run(ranks_of(embedded), (first + np.arange(len(embedded.key)), first + embedded.image))


def _figures(run: Run, rule: RetrievalRule) -> dict[str, dict[str, float]]:
    """The figures of one run by setting."""
    images, captions = (search_figures(each, rule.ties, rule.recalls) for each in run.ranks)
    return _with_sum(images, captions, rule)


def _with_sum(images: dict[str, Any], captions: dict[str, Any], rule: RetrievalRule) -> dict[str, dict[str, Any]]:
    """By setting the figures of a run, and the sum of both settings' recalls."""
    rsum = sum(each[f"R@{k}"] for each in (images, captions) for k in rule.recalls)
    return {IMAGE_TO_TEXT: images, TEXT_TO_IMAGE: captions, BOTH: {"rsum": rsum}}


@dataclass(frozen=True, eq=False)
class SearchLedger:
    """The ranks that the figures are of, by split: figures can be had again for other weights of images.

    A query counts as often as its image, and is searched for in the pool as it is.
    """

    images: Array
    runs: dict[str, list[Run]]
    rule: RetrievalRule

    def figures_of(self, weights: Array) -> dict[Key, Array]:
        """By setting, split and metric the figures (B,) where images count weights (I, B) times."""
        made: dict[Key, Array] = {}
        for split, runs in self.runs.items():
            each = [self._resampled(run, weights) for run in runs]
            for setting in each[0]:
                means = _means([figures[setting] for figures in each])
                made |= {(setting, split, name): value for name, value in means.items()}
        return made

    def _resampled(self, run: Run, weights: Array) -> dict[str, dict[str, Array]]:
        images, captions = (
            resampled_figures(ranks, weights[image], self.rule.ties, self.rule.recalls)
            for ranks, image in zip(run.ranks, run.image, strict=True)
        )
        return _with_sum(images, captions, self.rule)


def ledger(embedded: Embedded, variant: str = "official") -> SearchLedger:
    """What `evaluate` makes its figures of. Raises what it raises."""
    rule = VARIANTS[variant]
    taken = _taken(embedded, rule)
    return SearchLedger(taken.key, _runs(taken, rule), rule)


def _folds(embedded: Embedded, size: int) -> Iterator[Embedded]:
    """Runs of `size` consecutive images with their captions."""
    place = np.arange(len(embedded.key)) // size
    every = np.ones(len(embedded.image), bool)
    for fold in range(len(embedded.key) // size):
        yield embedded.select(place == fold, every)


def _means(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Each figure's mean over runs."""
    return {name: sum(run[name] for run in runs) / len(runs) for name in runs[0]}
