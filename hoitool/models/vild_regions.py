"""Boxes of ViLD: which proposals a picture is taught by, how shifts move boxes, which detections are left.

Drawn are so many of the proposals and true boxes, a quarter of them at most on an object: IoU 0.5 or more with a true
box. Shifts are of centre and logarithm of size, 10 and 5 times. Of detections each class is thinned by its own
non-maximum suppression, and the surest of all classes together stay.
Source: Ren et al., NeurIPS 2015 (Faster R-CNN), with the numbers of Gu et al., ICLR 2022 (ViLD).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, BoxCoder
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image

ON_OBJECT, SHARE = 0.5, 0.25  # IoU from which a region is on an object, and how many of those drawn are
CODER = BoxCoder((10.0, 10.0, 5.0, 5.0))
CANDIDATES = 10_000  # detections of a picture that suppression looks at, the surest


class Lesson(NamedTuple):
    """What is to be found in B pictures: for each its size (height, width) without the rest of the square, boxes
    (n, 4) and labels (n,), 1 for the first class; and proposals (m, 4), for a model that makes none.
    """

    sizes: list[tuple[int, int]]
    boxes: list[Tensor]
    labels: list[Tensor]
    proposals: list[Tensor] | None = None


class Sampled(NamedTuple):
    """Regions (R, 5), the picture of each and its box; labels (R,), 0 for background; shifts (R, 4) to the true box,
    which mean something where the label is above 0.
    """

    regions: Tensor
    labels: Tensor
    shifts: Tensor


def sampled(proposals: list[Tensor], lesson: Lesson, count: int) -> Sampled:
    """`count` regions of each picture at most, of its proposals (m, 4) and true boxes, by torch's random numbers.

    A picture of neither is a region of background.
    """
    draw = BalancedPositiveNegativeSampler(count, SHARE)
    made = []
    for picture, (found, true, labels) in enumerate(zip(proposals, lesson.boxes, lesson.labels, strict=True)):
        boxes = torch.cat([found.to(true), true])
        if not len(boxes):
            boxes = true.new_tensor([[0, 0, *reversed(lesson.sizes[picture])]])
        label, of = _matched(boxes, true, labels)
        on, off = draw([label])
        drawn = torch.where(on[0].bool() | off[0].bool())[0]
        boxes, label = boxes[drawn], label[drawn]
        shifts = CODER.encode_single(true[of[drawn]], boxes) if len(true) else torch.zeros_like(boxes)
        made.append((torch.cat([boxes.new_full((len(boxes), 1), picture), boxes], dim=1), label, shifts))
    regions, label, shifts = (torch.cat(held) for held in zip(*made, strict=True))
    return Sampled(regions, label, shifts)


def _matched(boxes: Tensor, true: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The label (m,) of each box, 0 for background, and the true box (m,) that overlaps it most."""
    if not len(true):
        nothing = labels.new_zeros(len(boxes))
        return nothing, nothing
    overlap, of = box_iou(true, boxes).max(dim=0)
    return torch.where(overlap >= ON_OBJECT, labels[of], 0), of


def moved(boxes: Tensor, shifts: Tensor, size: tuple[int, int]) -> Tensor:
    """(R, 4) boxes that shifts (R, 4) have moved, inside of a picture of a size (height, width)."""
    made: Tensor = clip_boxes_to_image(CODER.decode_single(shifts, boxes), size)
    return made


@dataclass(frozen=True)
class Thinning:
    """Which detections stay.

    nms        a detection goes where a surer one of its class overlaps it by more
    min_score  the least score; most: of a picture, all classes together
    """

    nms: float = 0.5
    min_score: float = 0.0
    most: int = 300


def thinned(boxes: Tensor, scores: Tensor, rule: Thinning) -> tuple[Tensor, Tensor]:
    """Places among boxes (n,) and classes (n,) of the detections that stay, the surest first.

    boxes (R, 4) of a picture and scores (R, K) of their classes. Boxes without an area are no detections.
    """
    there = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(dim=1)
    flat = scores.masked_fill(~there[:, None], -1).flatten()
    surest, order = flat.sort(descending=True, stable=True)
    order = order[:CANDIDATES][surest[:CANDIDATES] >= max(rule.min_score, 0)]
    place, label = order // scores.shape[1], order % scores.shape[1]
    kept = batched_nms(boxes[place], flat[order], label, rule.nms)[: rule.most]
    return place[kept], label[kept]
