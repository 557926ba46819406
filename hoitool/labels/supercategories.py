"""COCO's twelve supercategories of the objects of a label space, by their COCO category ids.

Source: Lin et al., Microsoft COCO, ECCV 2014, and the `supercategory` of each category in its instances JSON.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hoitool.labels.space import LabelSpace

# the last category id of each, in their order
LAST = {
    "person": 1,
    "vehicle": 9,
    "outdoor": 15,
    "animal": 25,
    "accessory": 33,
    "sports": 43,
    "kitchen": 51,
    "food": 61,
    "furniture": 71,
    "electronic": 77,
    "appliance": 83,
    "indoor": 91,
}
NAMES = tuple(LAST)


def supercategories(space: LabelSpace) -> NDArray[np.int64]:
    """(O,) the supercategory of each object, an index into NAMES; -1 for an object that is none of COCO's."""
    last = np.array(list(LAST.values()))
    known = (space.coco_ids > 0) & (space.coco_ids <= last[-1])
    return np.where(known, np.searchsorted(last, space.coco_ids), -1)
