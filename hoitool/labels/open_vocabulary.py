"""COCO's 48 base and 17 novel objects of open-vocabulary detection, as a packaged table; 15 of COCO's 80 are neither.

A detector learns boxes of base objects and finds novel ones by their names. Objects of a label space are found by
name. Source: Bansal et al., Zero-Shot Object Detection, ECCV 2018, whose split OVR-CNN and ViLD use.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from hoitool.errors import UsageError
from hoitool.labels.space import LabelSpace

FILE = "open_vocabulary.json"


@cache
def table() -> dict[str, list[tuple[str, int]]]:
    """(name, COCO category id) of the objects of each group, base and novel."""
    held = json.loads((files("hoitool.labels") / FILE).read_text(encoding="utf-8"))
    return {group: [(name, number) for name, number in held[group]] for group in ("base", "novel")}


def base_and_novel(space: LabelSpace) -> dict[str, NDArray[np.bool_]]:
    """(O,) masks of the objects of a label space that are base, and that are novel; the others are neither.

    Raises UsageError where the label space has no object of one of the groups.
    """
    made = {}
    for group, rows in table().items():
        held = [i for name, _ in rows for i in [_index(space, name)] if i >= 0]
        if not held:
            raise UsageError(f"label space {space.name!r} has none of COCO's {len(rows)} {group} objects")
        made[group] = np.isin(np.arange(len(space.objects)), held)
    return made


def _index(space: LabelSpace, name: str) -> int:
    """The index of an object, -1 where the label space has none of that name."""
    try:
        return space.object_index(name)
    except UsageError:
        return -1
