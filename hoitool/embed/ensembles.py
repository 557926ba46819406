"""Ensembles: the embeddings of several texts of one label become one row.

Source: CLIP (Radford et al., ICML 2021), section 3.1.4: each text's embedding is normalised, then their mean is taken
and normalised again.
"""

from __future__ import annotations

import numpy as np

from hoitool.data.dataset import Array
from hoitool.errors import DataError, UsageError


def average(rows: Array, group: Array, normalise: bool = True) -> Array:
    """(G, d): the mean of the L2-normalised rows of each group, normalised again when asked; in float64.

    rows (N, d), of any float type, which the result has too; group (N,): 0..G-1, each at least once, in any order.
    Raises DataError for a row, or the mean of a group, that has no direction (zero or not finite), UsageError for a
    group that is not one number for each row or leaves one out.
    """
    if rows.ndim != 2 or group.shape != rows.shape[:1]:
        raise UsageError(f"an ensemble averages rows (N, d) by group (N,), came {rows.shape} and {group.shape}")
    if len(group) and group.min() < 0:
        raise UsageError(f"groups of an ensemble are numbered from 0, came {group.min()}")
    counts = np.bincount(group)
    if not counts.all():
        raise UsageError(f"group {int(np.argmin(counts))} of {len(counts)} has no row to average")
    means = np.zeros((len(counts), rows.shape[1]))
    np.add.at(means, group, unit(rows, "row"))
    means /= counts[:, None]
    return (unit(means, "the mean of ensemble") if normalise else means).astype(rows.dtype)


def unit(rows: Array, what: str) -> Array:
    """Rows (N, d) of length 1, in float64. Raises DataError, naming the first, for one that has no direction."""
    wide = rows.astype(np.float64)
    largest = np.abs(wide).max(axis=1, initial=0.0, keepdims=True)
    wrong = np.flatnonzero(~(np.isfinite(largest) & (largest > 0)))
    if len(wrong):
        kind = "is zero" if largest[wrong[0]] == 0 else "holds a number that is not finite"
        raise DataError(f"{what} {wrong[0]} of {len(rows)} {kind}, so it has no direction")
    wide /= largest  # so that no square over- or underflows
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    return wide
