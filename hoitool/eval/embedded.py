"""Images and their captions as rows of numbers, out of feature stores or arrays: what searches are scored on.

The similarity of two rows is their dot product. An ensemble's is the mean of its models' similarities: that is the dot
product of rows that stand side by side, but for a factor, which no ranking and no rank correlation depends on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data.dataset import Array, strings
from hoitool.errors import DataError, UsageError
from hoitool.files import load_npz, sha256
from hoitool.store import Store

# of an .npz: (I, dim), (C, dim); and, where they are known, the image (C,) of each caption, names (I,), ids (C,)
ARRAYS = ("images", "captions", "image", "key", "caption_id")
ROUNDED = 0.01  # how far the length of a row may be from 1, which float16 stays well below


@dataclass(frozen=True, eq=False)
class Embedded:
    """I images and C captions.

    images      (I, D), captions (C, D) rows, of length 1 where similarity is the cosine
    image       (C,) int64 the image of each caption, rising
    key         (I,) names of the images; caption_id: (C,) int64 ids of the captions
    sources     what the rows came from, JSON-ready, one entry a model
    text        (C,) the captions, where they are known
    """

    images: Array
    captions: Array
    image: Array
    key: Array
    caption_id: Array
    sources: tuple[dict[str, Any], ...] = ()
    text: Array | None = None

    def __post_init__(self) -> None:
        shapes = self.images.shape, self.captions.shape
        if len(shapes[0]) != 2 or len(shapes[1]) != 2 or shapes[0][1] != shapes[1][1]:
            raise UsageError(f"embeddings are images (I, D) and captions (C, D), came {shapes[0]} and {shapes[1]}")
        if self.image.shape != shapes[1][:1] or self.caption_id.shape != shapes[1][:1] or len(self.key) != shapes[0][0]:
            raise UsageError("an image and an id are needed for each caption, and a key for each image")
        if len(self.image) and (
            self.image[0] < 0 or self.image[-1] >= len(self.key) or (np.diff(self.image) < 0).any()
        ):
            raise UsageError("captions stand in the order of their images, which are numbered 0..I-1")

    def select(self, images: Array, captions: Array) -> Embedded:
        """The images (I,) bool, and those of the captions (C,) bool whose images are among them."""
        kept = captions & images[self.image]
        return replace(
            self,
            images=self.images[images],
            captions=self.captions[kept],
            image=(np.cumsum(images) - 1)[self.image[kept]],
            key=self.key[images],
            caption_id=self.caption_id[kept],
            text=None if self.text is None else self.text[kept],
        )

    def first_captions(self, count: int) -> Embedded:
        """The images with at most their first `count` captions."""
        start = np.searchsorted(self.image, np.arange(len(self.key)))
        kept = np.arange(len(self.image)) - start[self.image] < count
        return self if kept.all() else self.select(np.ones(len(self.key), bool), kept)

    def told(self) -> dict[str, Any]:
        """What a result says of it."""
        return {"images": len(self.images), "captions": len(self.captions), "dim": self.images.shape[1]}


def from_arrays(images: Array, captions: Array, image: Array | None = None) -> Embedded:
    """Embeddings (I, D) and (C, D); without `image` (C,) each image has C / I captions, one image after the other.

    Raises UsageError for shapes that do not go together.
    """
    count = len(captions) // max(1, len(images))
    if image is None:
        image = np.repeat(np.arange(len(images)), count)
    key = strings([str(i) for i in range(len(images))])
    return Embedded(images, captions, image, key, np.arange(1, len(captions) + 1))


def from_npz(path: Path) -> Embedded:
    """Embeddings that were made elsewhere: an .npz of ARRAYS, of which images and captions are needed.

    Rows are taken as they are; the others are told by `from_arrays`. Raises MissingData, and DataError for arrays that
    do not go together and for rows that are no finite numbers.
    """
    held = load_npz(path, "embeddings of images and captions", set(ARRAYS))
    for name in ("images", "captions"):
        rows = held.get(name, np.empty(0))
        if rows.ndim != 2 or rows.dtype.kind != "f":
            raise DataError(f"{path}: {name} is {_kind(held.get(name))}, expected rows of floats (N, dim)")
        if len(wrong := np.flatnonzero(~np.isfinite(rows).all(1))):
            raise DataError(f"{path}: {name}[{wrong[0]}] has numbers that are not finite ({len(wrong):,} rows are so)")
    for name in ("image", "caption_id"):
        if name in held and (held[name].ndim != 1 or held[name].dtype.kind not in "iu"):
            raise DataError(f"{path}: {name} is {_kind(held[name])}, expected a whole number for each caption")
    if "key" in held and held["key"].ndim != 1:
        raise DataError(f"{path}: key is {_kind(held['key'])}, expected a name for each image")
    try:
        made = from_arrays(held["images"], held["captions"], held.get("image"))
        key = strings(held["key"].astype(str)) if "key" in held else made.key
        made = replace(made, key=key, caption_id=held.get("caption_id", made.caption_id).astype(np.int64))
    except UsageError as error:
        raise DataError(f"{path}: {error}") from error
    return replace(made, sources=({"path": str(path), "sha256": sha256(path), "dim": made.images.shape[1]},))


def _kind(held: Array | None) -> str:
    return "not there" if held is None else f"{held.dtype} {held.shape}"


def ensemble(models: Sequence[Embedded]) -> Embedded:
    """The same images and captions by several models (at least one), whose similarities are averaged.

    Raises DataError where they are not the same.
    """
    first = models[0]
    for other in models[1:]:
        _require_same(first, other)
    if len(models) == 1:
        return first
    return replace(
        first,
        images=np.concatenate([each.images for each in models], axis=1),
        captions=np.concatenate([each.captions for each in models], axis=1),
        sources=tuple(source for each in models for source in each.sources),
    )


def _require_same(one: Embedded, other: Embedded) -> None:
    """Raise DataError unless both are of the same images and captions in the same order."""
    where, whose = ("".join(str(held["path"]) for held in each.sources[:1]) for each in (other, one))
    where, whose = f"{where}: " if where else "", whose or "the first model"
    columns = [("image", one.key, other.key), ("caption", one.caption_id, other.caption_id)]
    if one.text is not None and other.text is not None:
        columns.append(("caption", one.text, other.text))
    for what, mine, theirs in columns:
        if len(mine) != len(theirs):
            raise DataError(f"{where}{len(theirs):,} {what}s, expected the {len(mine):,} of {whose}")
        wrong = np.flatnonzero(mine != theirs)
        if len(wrong):
            came, expected = theirs[wrong[0]], mine[wrong[0]]
            raise DataError(
                f"{where}{what} {wrong[0]} is {came!s:.60}, expected {expected!s:.60} as in {whose}; embed one file"
            )
    if not np.array_equal(one.image, other.image):
        raise DataError(f"{where}its captions are of other images than those of {whose}; embed one file")


def from_store(store: Store) -> Embedded:
    """The images and captions of a store.

    Raises DataError for a store of other things, of rows that are not normalised, and with an image that could not be
    embedded.
    """
    store.require(of="captions", normalised=True)
    if store.failed:
        raise DataError(
            f"{store.path}: {len(store.failed)} images could not be embedded, the first is {store.failed[0]!r}; "
            "scores would be of other images than those of its data: mend the pictures and embed again"
        )
    (at_image, images), (at_caption, captions) = store.part("image"), store.part("text")
    of_row = store.image_of_rows()
    if not np.array_equal(of_row[at_image], np.arange(len(store))):
        raise DataError(f"{store.path}: an image does not have exactly one row of part 'image'")
    _require_unit(store, of_row, at_image, images)
    _require_unit(store, of_row, at_caption, captions)
    named = "caption" in store.columns
    return Embedded(
        images.astype(np.float32, copy=False),
        captions.astype(np.float32, copy=False),
        of_row[at_caption],
        store.key,
        store.column("caption")[at_caption] if named else np.arange(1, len(at_caption) + 1),
        (_told(store),),
        store.column("text")[at_caption] if "text" in store.columns else None,
    )


def _require_unit(store: Store, of_row: Array, places: Array, rows: Array) -> None:
    """Raise DataError for a row (n, dim) without the length 1 that the manifest says; places (n,) in the store."""
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows, dtype=np.float64))
    wrong = np.flatnonzero(~(np.abs(lengths - 1) < ROUNDED))
    if len(wrong):
        key = store.key[of_row[places[wrong[0]]]]
        raise DataError(
            f"{store.path}: row {places[wrong[0]]}, of image {key!r}, has the length {lengths[wrong[0]]:g}, expected 1 "
            f"({len(wrong):,} rows are so); embed again, without --raw"
        )


def _told(store: Store) -> dict[str, Any]:
    held = store.manifest
    return {
        "path": str(store.path),
        "content": store.content,
        "model": held.model,
        "weights": held.weights,
        "dim": held.dim,
    }
