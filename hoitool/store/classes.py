"""The rows of a store of labels as classes: one for each, in the order of their label space, whatever the store's."""

from __future__ import annotations

import numpy as np

from hoitool.data.dataset import Array
from hoitool.data.meta import Meta
from hoitool.errors import DataError
from hoitool.store.reader import Store


def class_rows(store: Store, meta: Meta, prompts: str = "") -> Array:
    """(K, dim) the row of each of meta's classes, as stored; prompts: of that prompt set, where the store has several.

    Raises DataError where there is not one row for each, and UsageError for a prompt set that the store does not have.
    """
    if store.failed:
        raise DataError(f"{store.path}: the label {store.failed[0]!r} could not be embedded; make it again")
    places = store.places(prompts) if prompts else np.arange(store.layout.rows)
    require_one_each(store, places, f"label{f' and prompt set {prompts!r}' if prompts else ''}")
    wanted = [meta.label_name(label) for label in range(meta.classes)]
    place = {key: i for i, key in enumerate(store.key.tolist())}
    missing = [name for name in wanted if name not in place]
    if missing or len(place) != len(wanted):
        what = f"{store.path}: its {len(place)} labels are not the {len(wanted)} {meta.label_kind}"
        hint = f": {missing[0]!r} is missing" if missing else ""
        raise DataError(f"{what} of label space {meta.labels.name!r}{hint}")
    rows = store.part(prompts)[1] if prompts else store.rows(0, store.layout.rows)
    made: Array = rows[[place[name] for name in wanted]]
    return made


def require_one_each(store: Store, places: Array, what: str) -> None:
    """Raise DataError, naming the first, where the rows at `places` are not one for each entry of the store."""
    counts = np.bincount(store.image_of_rows()[places], minlength=len(store))
    if (counts != 1).any():
        at = int((counts != 1).argmax())
        raise DataError(f"{store.path}: {store.key[at]!r} has {counts[at]} rows, expected one for each {what}")
