"""p-values of permutations and their correction for several tests, as arrays.

Sources: Phipson and Smyth, Permutation p-values should never be zero, 2010; Holm, A simple sequentially rejective
multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
SAME = 1e-12  # differences of figures that only rounding tells apart


def as_large(observed: Array, permuted: Array) -> Array:
    """(n,) how many of the permuted differences (n, p) are as large as the observed ones (n,), in either direction."""
    return np.asarray((np.abs(permuted) >= np.abs(observed)[:, None] - SAME).sum(axis=1))


def p_values(as_large: Array, permutations: Array | int) -> Array:
    """(n,) the share of permutations that are as large, the data themselves counted as one."""
    return np.asarray((as_large + 1) / (np.asarray(permutations) + 1))


def holm(p: Array, tests: int | None = None) -> Array:
    """(n,) p-values corrected for all of them, or for `tests`, together (family-wise); NaN stays and is no test."""
    corrected = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")[: int((~np.isnan(p)).sum())]
    left = (len(order) if tests is None else tests) - np.arange(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * left), 1.0)
    return corrected
