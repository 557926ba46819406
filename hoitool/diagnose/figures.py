"""Score calibration, and AP against how often a class was trained."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.diagnose.diagnosis import Calibration, Frequency
from hoitool.eval.rank_correlation import spearman
from hoitool.eval.result import mean

Array = NDArray[Any]
BINS = 15  # of scores, as in Guo et al., ICML 2017
TRAINED = (0, 10, 50, 100, 500, 1000)  # least training pairs of each bin; fewer than 10 is rare in HICO-DET


def calibration(score: Array, hit: Array) -> Calibration:
    """Score (N,) against whether a detection is a true positive (N,); no error for scores that are no probabilities."""
    score = score.astype(np.float64)
    finite = score[np.isfinite(score)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    probable = low >= 0 and high <= 1 and len(finite) == len(score)
    edges = np.linspace(0, 1, BINS + 1) if probable else np.linspace(low, max(high, low + 1e-12), BINS + 1)
    at = np.clip(np.searchsorted(edges, score, side="right") - 1, 0, BINS - 1)
    count = np.bincount(at, minlength=BINS)
    means = [_mean(np.bincount(at, values, BINS), count) for values in (score, hit)]
    gap = np.abs(means[1] - means[0])[count > 0]
    error = float((gap * count[count > 0]).sum() / len(score)) if probable and len(score) else math.nan
    return Calibration(edges[:-1], edges[1:], count, means[0], means[1], error)


def frequency(ap: Array, trained: Array) -> Frequency | None:
    """AP against training pairs, of some classes (K,). None where the training pairs are not known."""
    if not len(trained) or (trained < 0).any():
        return None
    at = np.searchsorted(TRAINED, trained, side="right") - 1
    high = np.append(np.array(TRAINED[1:]) - 1, max(int(trained.max()), TRAINED[-1]))
    among = [ap[at == b] for b in range(len(TRAINED))]
    classes, means = np.array([len(values) for values in among]), np.array([mean(values) for values in among])
    return Frequency(np.array(TRAINED), high, classes, means, spearman(ap, trained))


def _mean(total: Array, count: Array) -> Array:
    made: Array = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return made
