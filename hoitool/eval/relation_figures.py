"""The figures of Open Images' relations: what they are by name, and the same where images count several times.

Score: 0.2 R@50 + 0.4 AP of relations + 0.4 AP of phrases, by the weighted means of AP (score_wtd) and the plain ones.
Source: docs/protocols/open-images-vrd.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.eval.ledger import Key, Ranked
from hoitool.eval.shares import Shares
from hoitool.eval.weighted import quotient

Array = NDArray[Any]
SETTING = "default"
WEIGHTS = (0.2, 0.4, 0.4)  # of R@50, the AP of relations and the AP of phrases


def metrics(recall: dict[str, Any], weighted: dict[str, Any], plain: dict[str, Any]) -> dict[str, Any]:
    """All figures by name, from R@K and both means of AP, of relations and of phrases."""
    metrics = {"score_wtd": _score(recall, weighted)} | recall
    metrics |= {f"wmAP_{name}": value for name, value in weighted.items()}
    metrics |= {f"mAP_{name}": value for name, value in plain.items()}
    return metrics | {"score": _score(recall, plain)}


def _score(recall: dict[str, Any], ap: dict[str, Any]) -> Any:
    return WEIGHTS[0] * recall["R@50"] + WEIGHTS[1] * ap["rel"] + WEIGHTS[2] * ap["phr"]


@dataclass(frozen=True)
class RelationLedger:
    """What the figures are made of: they can be had again for other weights of images.

    recalled  R@K by name; ranked: triplets as relations (rel) and as phrases (phr); among (C,) classes of plain means
    """

    images: Array
    recalled: dict[str, Shares]
    ranked: dict[str, Ranked]
    among: Array

    def figures_of(self, weights: Array) -> dict[Key, Array]:
        """Each figure (B,) when images count `weights` (I, B) times; a class without a truth left is not in a mean."""
        recall = {name: held.resampled(weights) for name, held in self.recalled.items()}
        weighted, plain = {}, {}
        for name, ranked in self.ranked.items():
            ap, _ = ranked.weighted(weights)
            truths = ranked.truths_of(weights)
            gone = np.isnan(ap)
            ap[gone] = 0
            left, total = (~gone)[self.among].sum(axis=0), truths.sum(axis=0)
            plain[name] = quotient(ap[self.among].sum(axis=0), left)
            weighted[name] = quotient((ap * truths).sum(axis=0), total)
        return {(SETTING, "full", name): value for name, value in metrics(recall, weighted, plain).items()}
