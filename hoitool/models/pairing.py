"""Human-object pairs out of a detector's boxes, as DEFR's detection has them.

Boxes are x1 y1 x2 y2, continuous. Of those scored `min_score` or more, each class is thinned by NMS; the best humans
are paired with the best boxes of other classes and with one another, no box with itself.
Source: the published code of DEFR (Jin et al., CVPR 2022), after UPT's predecessor SCG (Zhang et al., ICCV 2021).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hoitool.boxes import iou
from hoitool.data.dataset import Array


@dataclass(frozen=True)
class PairRule:
    """Which pairs are made and how they are scored.

    min_score, nms               least score of a box; largest IoU of two boxes of a class
    most_humans, most_others     boxes kept an image
    human_power, object_power    exponents of the boxes' scores in a pair's score
    interaction_power            exponent of the recogniser's probability
    """

    min_score: float = 0.2
    nms: float = 0.5
    most_humans: int = 15
    most_others: int = 15
    human_power: float = 2.8
    object_power: float = 2.8
    interaction_power: float = 1.0


PUBLISHED = PairRule()
EXPORTED = replace(PUBLISHED, human_power=6.0, object_power=3.0)  # as the published figures were tuned at the end


def pairs(boxes: Array, scores: Array, classes: Array, person: int, rule: PairRule = PUBLISHED) -> tuple[Array, Array]:
    """(P,) humans and (P,) objects: places among an image's N boxes, by falling score of the human, then the object.

    boxes (N, 4), scores (N,), classes (N,), of which `person` is the human. Humans come before others as objects.
    """
    kept = suppressed(boxes, scores, classes, rule)
    humans = kept[classes[kept] == person][: rule.most_humans]
    others = kept[classes[kept] != person][: rule.most_others]
    human, obj = (grid.ravel() for grid in np.meshgrid(humans, np.concatenate([humans, others]), indexing="ij"))
    return human[human != obj], obj[human != obj]


def suppressed(boxes: Array, scores: Array, classes: Array, rule: PairRule) -> Array:
    """Places of the boxes that are kept, by falling score; of equal scores the earlier box comes first."""
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= rule.min_score]
    held, kind = boxes[order], classes[order]
    covers = (kind[:, None] == kind) & (iou(held[:, None], held, "continuous") > rule.nms)  # (n, n): a row by its box
    kept = np.ones(len(order), bool)
    for place in range(len(order)):
        if kept[place]:
            kept[place + 1 :] &= ~covers[place, place + 1 :]
    return order[kept]


def priors(
    human_scores: Array, object_scores: Array, classes: Array, interaction_objects: Array, rule: PairRule = PUBLISHED
) -> Array:
    """(2, P, K): the human's and the object's part in the score of each interaction of P pairs, 0 where an interaction
    is not with the object.

    human_scores, object_scores, classes (P,), of the pairs; interaction_objects (K,): the class that each takes.
    """
    takes = classes[:, None] == interaction_objects  # (P, K)
    made: Array = powers(human_scores, object_scores, rule)[:, :, None] * takes
    return made


def powers(human_scores: Array, object_scores: Array, rule: PairRule = PUBLISHED) -> Array:
    """(2, P): the human's and the object's part in the score of P pairs, of the scores of their boxes (P,)."""
    made: Array = np.stack([human_scores**rule.human_power, object_scores**rule.object_power])
    return made
