"""Searches as their definitions say, query by query, with a sort: slow and literal."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np


def positions(similarity, positives, itself=None):
    """The first and the last place (from 0) that the best positive of a query can take in a falling order.

    Other positives that are as similar as it do not push it back. itself: an item whose similarity is taken as 0.
    """
    values = [0 if i == itself else value for i, value in enumerate(similarity)]
    best = max(values[p] for p in positives)
    rivals = [value for i, value in enumerate(values) if i not in positives]
    return sum(value > best for value in rivals), sum(value >= best for value in rivals)


def figures(ranks, recalls=(1, 5, 10)):
    """Recall at K, their mean, the floor of the median rank and the mean rank, from 1; of ranks from 0."""
    made = {f"R@{k}": float(Fraction(sum(r < k for r in ranks), len(ranks))) for k in recalls}
    made["mR"] = sum(made.values()) / len(made)
    ordered = sorted(ranks)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return made | {"medR": math.floor(middle) + 1, "meanR": sum(ranks) / len(ranks) + 1}


def cxc_positives(kind, image, ratings, least, symmetric=True):
    """Query -> its positives. kind: text-to-text, image-to-image, image-to-text or text-to-image."""
    first, second, score = ratings
    held = {}

    def add(query, item):
        held.setdefault(query, set()).add(item)

    for a, b, rating in zip(first, second, score, strict=True):
        if rating < least or (kind in ("text-to-text", "image-to-image") and a == b):
            continue
        if kind != "image-to-text":
            add(a, b)
        if kind == "image-to-text" or (symmetric and kind != "text-to-image"):
            add(b, a)
    for caption, owner in enumerate(image):
        if kind == "text-to-image":
            add(caption, owner)
        elif kind == "image-to-text":
            add(owner, caption)
        elif kind == "text-to-text":
            for other, theirs in enumerate(image):
                if theirs == owner and other != caption:
                    add(caption, other)
    return held


def spearman(one, two):
    """The correlation of mean ranks, by their definition."""
    x, y = (
        np.array([sum(v < w for v in values) + (sum(v == w for v in values) + 1) / 2 for w in values], float)
        for values in (one, two)
    )
    x, y = x - x.mean(), y - y.mean()
    spread = math.sqrt((x**2).sum() * (y**2).sum())
    return (x * y).sum() / spread if spread else math.nan
