"""Recognition without training: the cosine of each image's row with each label's row, from two feature stores.

Scores are the raw cosines in float32. A ranking of the images of one class, which recognition scores, is the same for
any temperature. Labels stand in the order of their label space, whatever the order of their store.
Images are scored in blocks of about a quarter of a gigabyte of rows and scores; what does not fit one block is written
as a folder of shards, so that any number of images takes about a gigabyte of memory.
Source: CLIP (Radford et al., ICML 2021), section 3.1; prompt sets are averaged as in its section 3.1.4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from hoitool import workspace
from hoitool.data import Meta, Predictions, no_pairs, write, write_shards
from hoitool.data.dataset import Array
from hoitool.data.meta import LabelKind
from hoitool.embed.ensembles import unit
from hoitool.errors import DataError, UsageError
from hoitool.files import refuse_overwrite
from hoitool.labels import LabelSpace
from hoitool.labels.beside import labels_of_file
from hoitool.progress import progress
from hoitool.store import Store, differences
from hoitool.store.classes import class_rows, require_one_each
from hoitool.store.layout import FAILED

SAME = ("model", "weights_sha256", "activation", "space", "dim")  # of two stores whose rows may be compared
LABEL_KINDS = ("interactions", "verbs")
IMAGE = "image"  # the part of a store of captions that is of images
ALL = "all"  # prompt sets: their average
BLOCK = 2**28  # bytes


@dataclass(frozen=True)
class Written:
    """What was written: where, how many images, of which classes, which images were left out."""

    path: Path
    images: int
    meta: Meta
    left_out: list[str] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """JSON-ready values."""
        meta, labels = self.meta, self.meta.labels
        return {
            "path": str(self.path),
            "images": self.images,
            "left_out": self.left_out,
            "classes": meta.classes,
            "label_space": {"name": labels.name, "hash": labels.hash},
            "label_kind": meta.label_kind,
            "sources": meta.sources,
            **meta.extras["zero_shot"],
        }


def zero_shot(
    images: Path,
    labels: Path,
    out: Path | None = None,
    prompts: str | None = None,
    allow_missing: bool = False,
    overwrite: bool = False,
) -> Written:
    """Score the images of one store by the labels of another, and write the predictions.

    images         a store of images, or of captions, whose images are taken
    labels         a store of labels; prompts: one of its prompt sets, or `all`: the average of them
    out            default: runs/zero-shot-<model>/predictions-<subset>.parquet
    allow_missing  leave images out that could not be embedded
    Raises DataError for stores that may not be compared or do not hold a row for each image and label, UsageError for
    a prompt set that must be named and for a file that exists.
    """
    made = compare(Store(images), Store(labels), prompts, allow_missing)
    path = default_path(made) if out is None else out
    if path.suffix != ".parquet":
        raise UsageError(f"{path}: expected a name that ends in .parquet")
    refuse_overwrite(path, overwrite)
    cuts = made.cuts()
    blocks = (made.block(first, last) for first, last in progress(cuts, "scoring images"))
    if len(cuts) == 1:
        write(next(blocks), path)
    else:
        write_shards(blocks, path)
    return Written(path, len(made.keys), made.meta, made.left_out)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Images and labels that may be compared.

    store, rows, keys  of the images: their store, the row (I,) and the key (I,) of each that is scored
    labels             (K, dim) float32 of length 1, in the order of meta's labels
    meta               of the predictions; left_out: keys of images that could not be embedded
    """

    store: Store
    rows: Array
    keys: Array
    labels: Array
    meta: Meta
    left_out: list[str]

    def cuts(self) -> list[tuple[int, int]]:
        """Images (first, last) whose rows and scores have at most BLOCK bytes; one block where there are none."""
        between = -(-self.store.layout.rows // max(1, len(self.store)))  # rows that are read for one image
        step = max(1, BLOCK // (4 * (len(self.labels) + between * self.store.manifest.dim)))
        count = len(self.keys)
        return [(first, min(first + step, count)) for first in range(0, max(1, count), step)]

    def block(self, first: int, last: int) -> Predictions:
        """The predictions for images first .. last - 1."""
        places = self.rows[first:last]
        rows = np.empty((0, self.store.manifest.dim), np.float32)
        if len(places):
            start = int(places[0])
            rows = _directions(self.store.rows(start, int(places[-1]) + 1)[places - start], self.store)
        columns = no_pairs(last - first) | {"score": np.empty(0)}
        return Predictions(meta=self.meta, key=self.keys[first:last], image_scores=rows @ self.labels.T, **columns)


def compare(images: Store, labels: Store, prompts: str | None = None, allow_missing: bool = False) -> Comparison:
    """Two stores, checked. See `zero_shot` for the arguments and what is raised."""
    images.require(of={"images", "captions"}, space="joint")
    labels.require(of="labels", label_kind=set(LABEL_KINDS))
    told = differences(images.manifest, {name: getattr(labels.manifest, name) for name in SAME})
    if told:
        raise DataError(f"{images.path} may not be compared with {labels.path}: {'; '.join(told)}; embed both alike")
    space = label_space(labels)
    sets = prompt_sets(labels, prompts)
    meta = Meta(
        space,
        dataset=images.manifest.dataset,
        subset=images.manifest.subset,
        label_kind=cast(LabelKind, labels.manifest.label_kind),
        sources=_sources(images, labels),
        extras={"zero_shot": {"model": labels.manifest.model, "prompts": sets}},
    )
    rows, keys = image_rows(images, allow_missing)
    return Comparison(images, rows, keys, label_rows(labels, meta, sets), meta, images.failed)


def default_path(made: Comparison) -> Path:
    """Where the predictions lie in a workspace."""
    model = re.sub(r"[^\w.-]+", "-", made.store.manifest.model)
    return workspace.predictions_path(f"zero-shot-{model}", made.meta.subset or "all")


def label_space(labels: Store) -> LabelSpace:
    """The label space that a store names. MissingData where it is not there, DataError where it is another one."""
    name, digest = (str(labels.manifest.label_space.get(each, "")) for each in ("name", "hash"))
    if not name or not digest:
        raise DataError(f"{labels.path}: its manifest names no label space")
    space = labels_of_file(name, digest, labels.path)
    if space.hash != digest:
        raise DataError(f"{labels.path}: is of label space {name!r} {digest:.12}, the one found is {space.hash:.12}")
    return space


def prompt_sets(labels: Store, prompts: str | None) -> list[str]:
    """The prompt sets to take. Raises UsageError where one must be named, or the one named is not there."""
    parts = list(labels.manifest.parts)
    held = parts or list(labels.manifest.prompts)  # without parts there is one row for a label, whatever it is of
    if prompts is None and len(parts) > 1:
        raise UsageError(
            f"{labels.path} holds the prompt sets {', '.join(parts)}: take one with --prompts NAME, or their average "
            f"with --prompts {ALL}"
        )
    if prompts is None or prompts == ALL:
        return held
    if prompts not in held:
        raise UsageError(f"{labels.path} holds no prompt set {prompts!r}; it holds {', '.join(held) or 'no named one'}")
    return [prompts]


def label_rows(labels: Store, meta: Meta, sets: list[str]) -> Array:
    """(K, dim) float32 of length 1: the row of each label, of several prompt sets the mean of them, normalised again.

    Raises DataError where there is not one row for each label and prompt set.
    """
    parts = sets if labels.manifest.parts else [""]
    rows = np.stack([_directions(class_rows(labels, meta, part), labels) for part in parts])
    made: Array = rows[0] if len(rows) == 1 else _mean(rows)
    return made


def image_rows(images: Store, allow_missing: bool = False) -> tuple[Array, Array]:
    """The row (I,) and the key (I,) of each image that could be embedded.

    Raises DataError where there is not one row for each image, and unless `allow_missing` for images without any.
    """
    places = np.arange(images.layout.rows) if images.manifest.of == "images" else images.places(IMAGE)
    require_one_each(images, places, "image")
    if images.failed and not allow_missing:
        raise DataError(
            f"{images.path}: {len(images.failed):,} images could not be embedded, the first {images.failed[0]!r}; make "
            "it again, or leave them out with --allow-missing"
        )
    made = images.status != FAILED
    return places[made], images.key[made]


def _mean(rows: Array) -> Array:
    """(K, dim) float32 of length 1: the mean over the first axis of rows (S, K, dim)."""
    return unit(rows.mean(axis=0, dtype=np.float64), "the mean of prompt sets, label").astype(np.float32)


def _directions(rows: Array, store: Store) -> Array:
    """Rows of length 1 as float32: as they are where the store says that they have it."""
    if store.manifest.normalised:
        return rows.astype(np.float32, copy=False)
    try:
        made: Array = unit(rows, "row").astype(np.float32)
    except DataError as error:
        raise DataError(f"{store.path}: {error}") from error
    return made


def _sources(images: Store, labels: Store) -> dict[str, str]:
    """The stores by name and content hash; by path where both have one name."""
    same = images.path.name == labels.path.name
    return {store.path.as_posix() if same else store.path.name: store.content for store in (images, labels)}
