"""Synthetic scenes: people and objects whose relation is decided by where the object is, with a long tail.

Each person-object pair has its own cell of the image, and the zone of the object around the person (above, below,
beside, on, far) decides the verb. Training counts fall from many to a handful, so that rare means something.
Everything is drawn from one seed. Boxes: the inclusive frame, integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hoitool.data.dataset import Array, Dataset, offsets_of, strings
from hoitool.data.meta import Meta
from hoitool.labels import LabelSpace, build, load_labels

CELL_WIDTH, HEIGHT = 100, 120  # pixels
ZONES = ("above", "below", "beside", "on", "far")
# object -> width and height in pixels, and the verb of each zone; all of them HICO's own interactions
OBJECTS: dict[str, tuple[int, int, tuple[str, ...]]] = {
    "bicycle": (36, 24, ("carry", "ride", "walk", "hold", "no_interaction")),
    "horse": (40, 30, ("jump", "ride", "walk", "hug", "no_interaction")),
    "skateboard": (30, 10, ("carry", "ride", "pick_up", "hold", "no_interaction")),
    "umbrella": (30, 20, ("stand_under", "set", "carry", "hold", "no_interaction")),
    "dog": (26, 18, ("carry", "straddle", "walk", "hug", "no_interaction")),
    "chair": (24, 28, ("carry", "sit_on", "lie_on", "hold", "no_interaction")),
}
COMMON, RARE = (90, 12), (9, 2)  # training pairs of the first and the last common and rare class
RARE_SHARE = 0.3


@dataclass(frozen=True)
class Scenes:
    """The two subsets of a synthetic dataset."""

    train: Dataset
    test: Dataset


def scenes(seed: int = 0, scale: float = 1.0) -> Scenes:
    """Make a training and a test subset with the same label space; every class occurs in both.

    scale  multiplies the common classes' counts.
    """
    rng = np.random.default_rng(seed)
    space, counts = _label_space(rng, scale)
    return Scenes(
        _subset(space, "train", np.repeat(np.arange(len(space)), counts), rng),
        _subset(space, "test", np.repeat(np.arange(len(space)), np.maximum(2, counts // 3)), rng),
    )


def zone_of(human: Array, obj: Array) -> str:
    """The zone of an object box around a human box, both x1 y1 x2 y2: the geometry that decides the verb."""
    (hx, hy), (ox, oy) = ((box[:2] + box[2:]) / 2 for box in (human, obj))
    dx, dy = abs(ox - hx), oy - hy
    if dx > 50:
        return "far"
    if dx > 20:
        return "beside"
    if abs(dy) <= 10:
        return "on"
    return "above" if dy < 0 else "below"


def _label_space(rng: np.random.Generator, scale: float) -> tuple[LabelSpace, Array]:
    """The label space with its training counts: classes in a random order of frequency."""
    hico = load_labels("hico")
    rows = [(verb, obj) for obj in sorted(OBJECTS) for verb in OBJECTS[obj][2]]
    rare = round(RARE_SHARE * len(rows))
    common = np.geomspace(*COMMON, len(rows) - rare) * scale
    counts = np.concatenate([np.maximum(common, COMMON[1]), np.geomspace(*RARE, rare)]).round().astype(np.int64)
    counts = rng.permutation(counts)
    verbs = sorted({verb for verb, _ in rows})
    objects = sorted([*OBJECTS, "person"])
    space = build(
        name="demo",
        source="synthetic scenes of hoitool",
        objects=[(name, int(hico.coco_ids[hico.object_index(name)])) for name in objects],
        verbs=[(name, hico.verbs_ing[hico.verb_index(name)]) for name in verbs],
        interactions=[(verb, obj, int(n)) for (verb, obj), n in zip(rows, counts, strict=True)],
    )
    return space, counts


def _subset(space: LabelSpace, subset: str, labels: Array, rng: np.random.Generator) -> Dataset:
    """Images of one or two pairs each, and a few with none or with a label whose pair is not visible."""
    labels = rng.permutation(labels)
    per_image: list[int] = []
    while sum(per_image) < len(labels):
        per_image.append(min(int(rng.integers(1, 3)), len(labels) - sum(per_image)))
    per_image = [*per_image, 0, 0]
    images = len(per_image)
    pair_offsets = offsets_of(per_image)
    cell = np.arange(len(labels)) - np.repeat(pair_offsets[:-1], per_image)
    boxes = np.stack([_pair(space, int(label), rng) for label in labels])
    boxes[:, :, [0, 2]] += (cell * CELL_WIDTH)[:, None, None]
    categories = np.stack([np.full(len(labels), space.person), space.interaction_objects[labels]], axis=1)
    subject = (2 * cell).astype(np.int32)
    image_labels, image_offsets = _image_labels(space, labels, pair_offsets, rng)
    names = strings([f"demo_{subset}_{i + 1:08d}.jpg" for i in range(images)])
    return Dataset(
        meta=Meta(space, dataset="demo", subset=subset),
        key=names,
        file_name=names,
        width=np.array([CELL_WIDTH * max(1, n) for n in per_image], np.int32),
        height=np.full(images, HEIGHT, np.int32),
        boxes=boxes.reshape(-1, 4).astype(np.float64),
        categories=categories.reshape(-1).astype(np.int32),
        subject=subject,
        object=subject + np.int32(1),
        label=labels.astype(np.int32),
        image_label=image_labels,
        image_value=np.ones(len(image_labels), np.int8),
        box_offsets=2 * pair_offsets,
        pair_offsets=pair_offsets,
        image_label_offsets=image_offsets,
    )


def _image_labels(
    space: LabelSpace, labels: Array, pair_offsets: Array, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Each image's labels, and in one image of twenty another that no visible pair shows."""
    held, counts = [], []
    for start, stop in pairwise(pair_offsets.tolist()):
        mine = list(dict.fromkeys(labels[start:stop].tolist()))
        hidden = int(rng.integers(len(space)))
        if rng.random() < 0.05 and hidden not in mine:
            mine.append(hidden)
        held += mine
        counts.append(len(mine))
    return np.array(held, np.int32), offsets_of(counts)


def _pair(space: LabelSpace, label: int, rng: np.random.Generator) -> Array:
    """(2, 4) a human and an object box inside a cell, in the zone that the label's verb asks for."""
    name = space.objects[space.interaction_objects[label]]
    width, height, verbs = OBJECTS[name]
    zone = ZONES[verbs.index(space.verbs[space.interaction_verbs[label]])]
    human_size = np.array([rng.integers(18, 23), rng.integers(40, 49)])
    object_size = np.round(np.array([width, height]) * rng.uniform(0.85, 1.1)).astype(int)
    cell = np.array([CELL_WIDTH, HEIGHT])
    while True:
        human, obj = rng.integers(0, cell - human_size), rng.integers(0, cell - object_size)
        pair = np.array([[*human, *(human + human_size - 1)], [*obj, *(obj + object_size - 1)]])
        if zone_of(*pair) == zone:
            return pair
