"""Groups of objects that open-vocabulary detection tells apart, by what the data say of their classes.

LVIS states how frequent each category is: rare (in 1 to 10 training images), common (11 to 100), frequent (more). It
stands in meta.extras["lvis"]["frequency"], one of the letters r, c, f for each object of the label space, in its order,
and ? where it is not known. Data that state nothing have COCO's base and novel objects (labels/open_vocabulary.py).
Source: Gupta et al., LVIS, CVPR 2019; for ViLD (Gu et al., ICLR 2022) LVIS's rare categories are the novel ones.
"""

from __future__ import annotations

import numpy as np

from hoitool.data.dataset import Array, Dataset
from hoitool.errors import DataError, UsageError
from hoitool.labels.open_vocabulary import base_and_novel

EXTRA = "lvis"
LETTERS = {"rare": "r", "common": "c", "frequent": "f"}
UNKNOWN = "?"


def frequencies(data: Dataset) -> dict[str, Array]:
    """(O,) masks of the objects that are rare, common and frequent. UsageError where the data do not say."""
    said = data.meta.extras.get(EXTRA, {}).get("frequency")
    if said is None:
        raise UsageError(f"{data!r} does not say which categories are rare, common or frequent, as LVIS's files do")
    if not isinstance(said, str) or len(said) != len(data.meta.labels.objects) or set(said) - set("rcf?"):
        raise DataError(
            f"{data!r}: meta.extras['lvis']['frequency'] is {said!r:.40}, expected a letter of r, c, f, ? for each of "
            f"{len(data.meta.labels.objects)} objects"
        )
    letters = np.array(list(said))
    return {name: letters == letter for name, letter in LETTERS.items()}


def base_or_novel(data: Dataset) -> dict[str, Array]:
    """(O,) masks of the objects that are base, and that are novel: where the data state frequencies, the rare ones.

    Raises UsageError where the data state none and their label space has no COCO objects of both groups.
    """
    if EXTRA not in data.meta.extras:
        return base_and_novel(data.meta.labels)
    held = frequencies(data)
    return {"base": held["common"] | held["frequent"], "novel": held["rare"]}
