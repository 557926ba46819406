"""Counts of the published datasets, compared with those that data have.

hico-det  images and pairs (visible instances): Chao et al., Learning to Detect Human-Object Interactions, WACV 2018
v-coco    images and annotated people: Gupta and Malik, Visual Semantic Role Labeling, 2015. Boxes, people, crowds and
          pairs: counted in the official vcoco_*.json with the instances of COCO 2014; a pair is an annotated person
          who does an action, once for each role of the action, empty ones included
Boxes and pairs of v-coco are compared only where the official files were the source, which mark people as annotated:
other codebases' files hold other things. Predictions are compared in their images.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hoitool.data.dataset import Dataset
from hoitool.data.quality.finding import Findings, of_subset
from hoitool.data.select import by_subset

VCOCO_FACTS = ("images", "annotated people", "boxes", "people", "crowds", "pairs", "pairs without an object")
PUBLISHED: dict[tuple[str, str], dict[str, int]] = {
    ("hico-det", "train"): {"images": 38_118, "pairs": 117_871},
    ("hico-det", "test"): {"images": 9_658, "pairs": 33_405},
    ("v-coco", "train"): dict(zip(VCOCO_FACTS, (2_533, 3_932, 22_100, 9_637, 228, 11_917, 5_509), strict=True)),
    ("v-coco", "val"): dict(zip(VCOCO_FACTS, (2_867, 4_499, 25_323, 10_936, 246, 13_893, 6_463), strict=True)),
    ("v-coco", "trainval"): dict(zip(VCOCO_FACTS, (5_400, 8_431, 47_423, 20_573, 474, 25_810, 11_972), strict=True)),
    ("v-coco", "test"): dict(zip(VCOCO_FACTS, (4_946, 7_768, 42_999, 19_058, 472, 23_209, 10_786), strict=True)),
}
SOURCES = {
    "hico-det": dict.fromkeys(("images", "pairs"), "Chao et al., WACV 2018"),
    "v-coco": dict.fromkeys(VCOCO_FACTS, "counted in the official files and COCO 2014")
    | dict.fromkeys(("images", "annotated people"), "Gupta and Malik, 2015"),
}
COUNTS: dict[str, Callable[[Dataset], int]] = {
    "images": len,
    "pairs": lambda data: len(data.subject),
    "pairs without an object": lambda data: int((data.object < 0).sum()),
    "boxes": lambda data: len(data.boxes),
    "people": lambda data: int((data.categories == data.meta.labels.person).sum()),
    "annotated people": lambda data: int(np.count_nonzero(data.need("annotated"))),
    "crowds": lambda data: int(np.count_nonzero(data.need("crowd"))),
}
NEEDS = {"annotated people": "annotated", "crowds": "crowd"}


def check_counts(data: Dataset) -> list[Findings]:
    """Numbers that differ from the published ones of the dataset and subset; nothing where none are known."""
    names = [data.meta.subset] if data.subset is None else list(dict.fromkeys(data.subset.tolist()))
    known = [name for name in names if (data.meta.dataset, name) in PUBLISHED]
    told = [(name, text) for name in known for text in _differences(by_subset(data, name))]
    return of_subset(data, "counts", [name for name, _ in told], [text for _, text in told])


def _differences(data: Dataset) -> list[str]:
    dataset, told = data.meta.dataset, []
    for fact, expected in PUBLISHED[dataset, data.meta.subset].items():
        came = COUNTS[fact](data) if _comparable(data, fact) else expected
        if came != expected:
            differs = f"{abs(expected - came):,} {'fewer' if came < expected else 'more'}"
            told.append(f"{came:,} {fact}, published {expected:,} ({SOURCES[dataset][fact]}): {differs}")
    return told


def _comparable(data: Dataset, fact: str) -> bool:
    if fact == "images":
        return True
    if data.kind == "predictions" or (fact in NEEDS and getattr(data, NEEDS[fact]) is None):
        return False
    return data.meta.dataset != "v-coco" or data.annotated is not None
