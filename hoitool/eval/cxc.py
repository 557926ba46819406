"""Crisscrossed Captions: retrieval with the positives that people rated, within and across images and captions.

Settings with R@K, split `full`: `image-to-text` and `text-to-image` (positives: an image's own captions, and pairs
rated at least 3 in SITS), `text-to-text` (the other captions of the image, and pairs rated at least 3 in STS) and
`image-to-image` (pairs rated at least 2.5 in SIS); a query without a positive is left out, and its similarity with
itself is 0. Settings `sts`, `sis`, `sits`: Spearman's rank correlation of similarities and ratings, over all pairs and
as mean and standard deviation over samples, each of half of the queries with one rated partner each.
Ratings run from 0 to 5. Source: Parekh et al., EACL 2021; evaluation.py of vse_infty; docs/protocols/cxc.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hoitool.data.ratings import Ratings
from hoitool.eval.embedded import Embedded
from hoitool.eval.rank_correlation import sampled, spearman
from hoitool.eval.result import Result, Row, mean
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
from hoitool.eval.search_ranks import Array, Ranks, rank, rank_among, similarities
from hoitool.eval.signature import choice, signature

TEXT_TO_TEXT, IMAGE_TO_IMAGE = "text-to-text", "image-to-image"
STS, SIS, SITS = "sts", "sis", "sits"  # rated pairs of captions, of images, of a caption and an image
Pairs = tuple[Array, Array]


@dataclass(frozen=True)
class CxcRule:
    """Every choice of the protocol. A variant is the official rule with some fields replaced."""

    reproduces: str
    text: float = choice(3.0, "least rating that makes a positive in STS and SITS")
    image: float = choice(2.5, "least rating that makes a positive in SIS")
    symmetric: bool = choice(True, "whether a rated pair of captions or of images counts in both directions")
    recalls: tuple[int, ...] = choice(RECALLS, "K of the recalls R@K; mR is their mean")
    ties: Ties = choice("last", "where the positive stands among items exactly as similar as it")
    samples: int = choice(1000, "samples that the correlations' mean and standard deviation are over")
    seed: int = choice(0, "of the draws")


OFFICIAL = CxcRule("eval of CxC in vse_infty, with the pairs of the CSV files; correlations as the paper says")

VARIANTS: dict[str, CxcRule] = {
    "official": OFFICIAL,
    "directed": replace(
        OFFICIAL,
        reproduces="the same where lists of positives hold a pair of captions or of images only as the files order it",
        symmetric=False,
    ),
}


def evaluate(embedded: Embedded, ratings: Mapping[str, Ratings], variant: str = "official") -> Result:
    """Score embeddings against ratings under a variant of the rule. Recalls and correlations are fractions.

    embedded  the images and captions of the pool, no more
    ratings   by the names sts, sis and sits: pairs by the places of images and captions
    """
    rule = VARIANTS[variant]
    found = searches(embedded, ratings, rule)
    rows, queries, notes = [], [], []
    for setting, (taking, ranks) in found.items():
        some = ranks[taking]
        figures = search_figures(some, rule.ties, rule.recalls)
        rows.append(Row(setting, FULL, len(some.best), without_idle_bounds(figures)))
        queries.append(per_query(setting, *_named(embedded, setting, taking), some))
        notes += remark(setting, some, rule.ties)
        if left_out := len(taking) - len(some.best):
            notes.append(f"{setting}: {left_out:,} of {len(taking):,} queries have no positive and are left out")
    rows += [_correlation(name, embedded, ratings[name], rule) for name in (STS, SIS, SITS)]
    return Result(
        protocol="cxc",
        variant=variant,
        signature=signature(f"cxc/{variant}", rule),
        rows=tuple(rows),
        per_class=stacked(queries),
        inputs={
            "truth": {f"{name}_pairs": len(ratings[name]) for name in (STS, SIS, SITS)},
            "predictions": embedded.told(),
            "stores": list(embedded.sources),
        },
        notes=tuple(notes),
    )


def searches(embedded: Embedded, ratings: Mapping[str, Ratings], rule: CxcRule) -> dict[str, tuple[Array, Ranks]]:
    """By setting which queries (Q,) bool have a positive, and the ranks of all."""
    images, captions = len(embedded.images), len(embedded.captions)
    across = across_pairs(embedded, ratings[SITS], rule.text)
    of_images, of_captions = rank(embedded.images, embedded.captions, across)
    texts = within_pairs(_co_captions(embedded.image), ratings[STS], rule.text, rule.symmetric)
    pictures = within_pairs(_none(), ratings[SIS], rule.image, rule.symmetric)
    return {
        IMAGE_TO_TEXT: (_held(across[0], images), of_images),
        TEXT_TO_IMAGE: (_held(across[1], captions), of_captions),
        TEXT_TO_TEXT: (_held(texts[0], captions), rank_among(embedded.captions, texts)),
        IMAGE_TO_IMAGE: (_held(pictures[0], images), rank_among(embedded.images, pictures)),
    }


def across_pairs(embedded: Embedded, sits: Ratings, least: float) -> Pairs:
    """Positive pairs of images (P,) and captions (P,): own captions, and pairs rated at least so much."""
    rated = sits.score >= least
    own = embedded.image, np.arange(len(embedded.image))
    return _distinct(np.append(own[0], sits.second[rated]), np.append(own[1], sits.first[rated]))


def within_pairs(own: Pairs, ratings: Ratings, least: float, symmetric: bool) -> Pairs:
    """Positive pairs of queries (P,) and items (P,): given ones, and those rated at least so much."""
    rated = ratings.score >= least
    one, two = ratings.first[rated], ratings.second[rated]
    if symmetric:
        one, two = np.append(one, two), np.append(two, one)
    apart = one != two
    return _distinct(np.append(own[0], one[apart]), np.append(own[1], two[apart]))


def rated_similarities(embedded: Embedded, name: str, ratings: Ratings) -> Array:
    """(N,) float64 similarity of each rated pair of a kind (sts, sis or sits)."""
    one = embedded.images if name == SIS else embedded.captions
    two = embedded.captions if name == STS else embedded.images
    return similarities(one, two, (ratings.first, ratings.second))


def _correlation(name: str, embedded: Embedded, ratings: Ratings, rule: CxcRule) -> Row:
    similarity = rated_similarities(embedded, name, ratings)
    samples = sampled(ratings.first, similarity, ratings.score, rule.samples, np.random.default_rng(rule.seed))
    metrics = {
        "spearman": spearman(similarity, ratings.score),
        "spearman_mean": mean(samples),
        "spearman_std": float(np.std(samples)) if len(samples) else math.nan,
    }
    return Row(name, FULL, len(ratings), metrics)


def _co_captions(image: Array) -> Pairs:
    """All pairs of different captions of one image, of captions (C,) in the order of their images."""
    count = np.bincount(image) if len(image) else np.zeros(0, np.int64)
    start = np.append(0, np.cumsum(count))[:-1]
    query = np.repeat(np.arange(len(image)), count[image])
    first = np.append(0, np.cumsum(count[image]))[:-1]
    item = np.arange(len(query)) - first[query] + start[image[query]]
    return query[item != query], item[item != query]


def _none() -> Pairs:
    return np.zeros(0, np.int64), np.zeros(0, np.int64)


def _distinct(one: Array, two: Array) -> Pairs:
    """Pairs without those that come again."""
    width = int(two.max(initial=0)) + 1
    one, two = np.divmod(np.unique(one * width + two), width)
    return one, two


def _held(queries: Array, count: int) -> Array:
    """(count,) which queries have a positive."""
    return np.bincount(queries, minlength=count) > 0


def _named(embedded: Embedded, setting: str, taking: Array) -> tuple[Array, Any]:
    """The image of each query that takes part, and the id of its caption, -1 where the query is an image."""
    if setting.startswith("image"):
        return embedded.key[taking], np.full(int(taking.sum()), -1)
    return embedded.key[embedded.image[taking]], embedded.caption_id[taking]
