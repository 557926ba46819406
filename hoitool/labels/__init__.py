"""Label spaces as packaged tables.

>>> from hoitool.labels import load_labels
>>> hico = load_labels("hico")
>>> hico.interaction_index("ride", "bicycle"), int(hico.rare.sum())
(18, 138)
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from hoitool.labels.space import NOTHING, LabelSpace, Role, build, difference, parse
from hoitool.lookup import unknown_name

__all__ = ["LABEL_SPACES", "NOTHING", "LabelSpace", "Role", "build", "difference", "load_labels", "parse"]

# name -> packaged file
LABEL_SPACES = {"hico": "hico.json", "v-coco": "v-coco.json", "coco": "coco.json"}


@cache
def load_labels(name: str = "hico") -> LabelSpace:
    """The packaged label space `name`, its checksum verified. Raises UsageError for an unknown name."""
    if name not in LABEL_SPACES:
        raise unknown_name("label space", name, LABEL_SPACES)
    file = LABEL_SPACES[name]
    return parse((files("hoitool.labels") / file).read_text(encoding="utf-8"), file)
