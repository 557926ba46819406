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

import numpy as np

from hoitool.errors import DataError
from hoitool.eval.embedded import Embedded
from hoitool.eval.result import Result, Row
from hoitool.eval.search_figures import (
    FULL,
    IMAGE_TO_TEXT,
    RECALLS,
    TEXT_TO_IMAGE,
    Ties,
    per_query,
    remark,
    search_figures,
    stacked,
    without_idle_bounds,
)
from hoitool.eval.search_ranks import Ranks, rank
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
    taken = embedded.first_captions(rule.captions)
    lacking = np.flatnonzero(np.bincount(taken.image, minlength=len(taken.key)) == 0)
    if len(lacking) or not len(taken.key):
        where = "".join(f"{source['path']}: " for source in embedded.sources[:1])
        said = f"image {taken.key[lacking[0]]!r} has no caption ({len(lacking):,} have none)" if len(lacking) else ""
        raise DataError(where + (said or "there are no images to score"))
    ranks = ranks_of(taken)
    made = {FULL: [_figures(ranks, rule)]}
    if rule.folds > 1 and len(taken.key) == rule.folds * rule.fold_images:
        made[FIVE_FOLD] = [_figures(ranks_of(fold), rule) for fold in _folds(taken, rule.fold_images)]
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


def ranks_of(embedded: Embedded) -> tuple[Ranks, Ranks]:
    """Ranks of images (I,) among captions by the best of their own, and of captions (C,) among images."""
    captions, images = rank(embedded.captions, embedded.images, (np.arange(len(embedded.image)), embedded.image))
    return images, captions


def _figures(ranks: tuple[Ranks, Ranks], rule: RetrievalRule) -> dict[str, dict[str, float]]:
    """The figures of one run by setting."""
    images, captions = (search_figures(each, rule.ties, rule.recalls) for each in ranks)
    rsum = sum(each[f"R@{k}"] for each in (images, captions) for k in rule.recalls)
    return {IMAGE_TO_TEXT: images, TEXT_TO_IMAGE: captions, BOTH: {"rsum": rsum}}


def _folds(embedded: Embedded, size: int) -> Iterator[Embedded]:
    """Runs of `size` consecutive images with their captions."""
    place = np.arange(len(embedded.key)) // size
    every = np.ones(len(embedded.image), bool)
    for fold in range(len(embedded.key) // size):
        yield embedded.select(place == fold, every)


def _means(runs: list[dict[str, float]]) -> dict[str, float]:
    """Each figure's mean over runs."""
    return {name: sum(run[name] for run in runs) / len(runs) for name in runs[0]}
