"""The embeddings that a recipe of ViLD learns from: texts of the objects, and regions of the same encoder.

What the recipe does not name is looked for in features/: the texts are the first store, by name, of the objects of the
data's label space in a joint space; the regions the first of the same encoder and images. What was taken is said.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hoitool import workspace
from hoitool.data import Dataset
from hoitool.data.dataset import Array
from hoitool.embed.ensembles import unit
from hoitool.errors import HoitoolError, MissingData
from hoitool.predict.vild.vocabulary import ENCODER
from hoitool.store import Store, differences
from hoitool.store.classes import class_rows
from hoitool.store.hdf5 import head
from hoitool.train.sources import Say
from hoitool.train.vild.settings import Recipe
from hoitool.train.vild.teacher import Teacher, teacher_of


def texts_of(recipe: Recipe, data: Dataset, say: Say) -> tuple[Array, Store]:
    """(O, D) float32 of length 1, the text of each object of the data's label space, and the store of them.

    Raises MissingData where there is none, DataError for a store of other labels.
    """
    needed = {"of": "labels", "label_kind": "objects", "label_space": {"hash": data.meta.labels.hash}, "space": "joint"}
    store = _named_or_found(recipe.model.texts, needed, "texts", "model.texts", say)
    if store is None:
        name = data.meta.labels.name
        raise MissingData(
            f"no embeddings of the objects of label space {name!r} in {workspace.FEATURES}/; the command is `hoitool "
            "embed labels --what objects --model clip`, or name a store with model.texts"
        )
    rows = class_rows(store.require(**needed), data.meta, recipe.model.prompts or "")
    return unit(rows, "text").astype("float32"), store


def regions_of(recipe: Recipe, texts: Store, data: Dataset, say: Say) -> Teacher | None:
    """What the texts' encoder says of regions of the images; None for heads that learn from texts alone.

    Raises MissingData where there is no store of it, DataError for one of another encoder or of other images.
    """
    if recipe.model.heads == "text":
        return None
    held = encoder_of(texts)
    needed = {"of": "regions", "dim": texts.manifest.dim} | held
    whose = {"dataset": data.meta.dataset, "subset": data.meta.subset}
    store = _named_or_found(recipe.data.regions, needed | whose, "regions", "data.regions", say)
    if store is None:
        raise MissingData(
            f"no embeddings of regions of {data!r} by {held['model']} in {workspace.FEATURES}/; the command is "
            "`hoitool embed regions DATASET --boxes PROPOSALS --context 1.5 --model clip`, or name a store with "
            "data.regions"
        )
    return teacher_of(store.require(**needed), data)


def encoder_of(store: Store) -> dict[str, str]:
    """What decides in which space the embeddings of a store lie."""
    return {name: getattr(store.manifest, name) for name in ENCODER}


def _named_or_found(named: str | None, needed: dict[str, Any], what: str, setting: str, say: Say) -> Store | None:
    if named is not None:
        return Store(Path(named).expanduser())
    for path in sorted(workspace.FEATURES.glob("*.h5")):
        try:
            fits = not differences(head(path).manifest, needed)
        except HoitoolError:
            continue  # unfinished, or something else
        if fits:
            say(f"{what}: took {path} (name others with {setting}=)")
            return Store(path)
    return None
