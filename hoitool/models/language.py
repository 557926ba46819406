"""What a classifier starts from: the rows of a store that `hoitool embed labels` wrote, one for each class.

For a tower of CLIP without its projection they are of the pre-projection space (--space pre-projection): texts taken
back through the projection, as long as they come out of it (DEFR, Jin et al., CVPR 2022). Those of other language
models have length 1. No row is normalised here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hoitool.data.dataset import Array
from hoitool.data.meta import Meta
from hoitool.errors import DataError, UsageError
from hoitool.store import Store
from hoitool.store.classes import class_rows


def language(path: Path, classes: Meta, dim: int, prompts: str | None = None) -> Array:
    """(K, dim) float32: the row of each class, in the order of the label space.

    classes  whose label space and kind of labels they are; dim: numbers a feature of the model
    prompts  the prompt set, where the store has several
    Raises MissingData, DataError where the store is not of these labels or has not one row of `dim` for each, and
    UsageError for a prompt set that must be named, or is not there.
    """
    store = Store(path)
    store.require(of="labels", label_kind=classes.label_kind, label_space={"hash": classes.labels.hash})
    if store.manifest.dim != dim:
        raise DataError(
            f"{path}: has rows of {store.manifest.dim} ({store.manifest.model}, {store.manifest.space}), the model "
            f"has features of {dim}; for a backbone of CLIP make it with --space pre-projection"
        )
    return class_rows(store, classes, _prompts(store, prompts)).astype(np.float32)


def _prompts(store: Store, prompts: str | None) -> str:
    """The prompt set to take, empty for a store that has one alone."""
    parts = store.manifest.parts
    if prompts is None and len(parts) > 1:
        raise UsageError(f"{store.path} holds the prompt sets {', '.join(parts)}: name the one to start from")
    return "" if len(parts) < 2 and prompts in (None, *parts, *store.manifest.prompts) else str(prompts)
