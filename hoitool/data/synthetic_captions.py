"""Captions of synthetic scenes: what their pairs show, in words that vary; the same scene is told in several ways."""

from __future__ import annotations

import numpy as np

from hoitool.data.dataset import Dataset, offsets_of, strings
from hoitool.data.select import select_images

SAYINGS = ("a person {verb} a {object}", "someone is {verb} the {object}", "a {object} and a person {verb} it")
BETWEEN = (" and ", " beside ", ", and there is ")
NOTHING = {"no interaction": "far from"}  # what a verb is called that is none


def captioned(data: Dataset, captions: int = 5, seed: int = 0) -> Dataset:
    """The images that show a pair, each with so many captions; their ids are 1, 2, ...

    data: with labels of pairs, interactions of a label space.
    """
    rng = np.random.default_rng([seed, len(data)])
    made = select_images(data, data.counts("pair") > 0)
    said = [_told(made, image, rng) for image in range(len(made)) for _ in range(captions)]
    return made.with_columns(
        caption_id=np.arange(1, len(said) + 1, dtype=np.int64),
        caption_text=strings(said),
        caption_offsets=offsets_of(np.full(len(made), captions)),
    )


def _told(data: Dataset, image: int, rng: np.random.Generator) -> str:
    """A sentence on the pairs of an image, in any order."""
    labels = data.need("label")[data.pair_offsets[image] : data.pair_offsets[image + 1]]
    return BETWEEN[rng.integers(len(BETWEEN))].join(_said(data, int(label), rng) for label in rng.permutation(labels))


def _said(data: Dataset, label: int, rng: np.random.Generator) -> str:
    space = data.meta.labels
    verb = space.verbs_ing[space.interaction_verbs[label]].replace("_", " ")
    thing = space.objects[space.interaction_objects[label]]
    return SAYINGS[rng.integers(len(SAYINGS))].format(verb=NOTHING.get(verb, verb), object=thing)
