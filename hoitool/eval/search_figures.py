"""The figures of a search from the ranks of its queries: recall at K, median and mean rank.

Ranks are counted from 1. The median rank is the floor of the median, as vse_infty and the codes before it print it.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from hoitool.eval.result import mean
from hoitool.eval.search_ranks import Array, Ranks

Ties = Literal["last", "first"]  # where the positive stands among items as similar as it
IMAGE_TO_TEXT, TEXT_TO_IMAGE = "image-to-text", "text-to-image"
FULL = "full"
RECALLS = (1, 5, 10)


def search_figures(ranks: Ranks, ties: Ties, recalls: tuple[int, ...] = RECALLS) -> dict[str, float]:
    """R@K as fractions, their mean mR, medR and meanR; where ties leave them open, the other bound of each R@K too.

    ties  last: the best positive stands behind all that are as similar as it; first: before them
    """
    rank, other = (ranks.worst, ranks.best) if ties == "last" else (ranks.best, ranks.worst)
    made = {f"R@{k}": mean(rank < k) for k in recalls}
    made["mR"] = sum(made.values()) / len(made)
    made["medR"] = math.floor(np.median(rank)) + 1 if len(rank) else math.nan
    made["meanR"] = mean(rank) + 1
    suffix = "high" if ties == "last" else "low"
    return made | {f"R@{k}_{suffix}": mean(other < k) for k in recalls}


def resampled_figures(ranks: Ranks, weights: Array, ties: Ties, recalls: tuple[int, ...] = RECALLS) -> dict[str, Array]:
    """The figures (B,) of `search_figures`, all bounds among them, where queries count weights (Q, B) times.

    Without a query that counts they are NaN.
    """
    rank, other = (ranks.worst, ranks.best) if ties == "last" else (ranks.best, ranks.worst)
    counts = weights.sum(axis=0, dtype=float)
    counts[counts == 0] = np.nan
    made = {f"R@{k}": weights[rank < k].sum(axis=0) / counts for k in recalls}
    made["mR"] = sum(made.values()) / len(made)
    made["medR"] = np.floor(_medians(rank, weights)) + 1
    made["meanR"] = rank.astype(float) @ weights / counts + 1
    suffix = "high" if ties == "last" else "low"
    return made | {f"R@{k}_{suffix}": weights[other < k].sum(axis=0) / counts for k in recalls}


def _medians(values: Array, weights: Array) -> Array:
    """(B,) the medians of values (Q,) that count weights (Q, B) times: the mean of both in the middle; NaN of none."""
    order = np.argsort(values, kind="stable")
    ends = np.cumsum(weights[order], axis=0, dtype=np.int64)
    total = ends[-1]
    low, high = (
        values[order[np.minimum((ends <= at).sum(axis=0), len(order) - 1)]] for at in ((total - 1) // 2, total // 2)
    )
    return np.where(total > 0, (low + high) / 2, np.nan)


def without_idle_bounds(metrics: dict[str, float]) -> dict[str, float]:
    """The figures without bounds where all of them equal the figures that they bound."""
    bounds = {name: name.rpartition("_")[0] for name in metrics if name.endswith(("_low", "_high"))}
    if any(metrics[bound] != metrics[name] and not math.isnan(metrics[name]) for bound, name in bounds.items()):
        return metrics
    return {name: value for name, value in metrics.items() if name not in bounds}


def remark(name: str, ranks: Ranks, ties: str) -> list[str]:
    """A sentence on the ties of a search, none where there are none."""
    tied = int(np.count_nonzero(ranks.best != ranks.worst))
    if not tied:
        return []
    where = "behind" if ties == "last" else "before"
    return [
        f"{name}: {tied:,} of {len(ranks.best):,} queries have items as similar as their best positive, which is put "
        f"{where} them"
    ]


def per_query(setting: str, image: Array, caption: Array, ranks: Ranks) -> dict[str, Array]:
    """Columns with a row for each query: its image, its caption (-1 for none), the bounds of its rank, from 1."""
    return {
        "setting": np.full(len(image), setting, object),
        "image": image,
        "caption": caption,
        "rank_best": ranks.best + 1,
        "rank_worst": ranks.worst + 1,
    }


def stacked(tables: list[dict[str, Array]]) -> dict[str, Array]:
    """Tables with the same columns, one below the other."""
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
