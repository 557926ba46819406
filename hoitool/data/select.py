"""Parts of a dataset or of predictions, and their concatenation. Every function returns new data.

Boxes always stay with their image: selecting pairs leaves the boxes as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hoitool.data.dataset import GROUPS, Dataset, offsets_of, ranges, strings
from hoitool.errors import DataError, UsageError
from hoitool.labels import difference
from hoitool.lookup import unknown_name

Array = NDArray[Any]
Data = TypeVar("Data", bound=Dataset)


def select_images(data: Data, images: Array | Sequence[str]) -> Data:
    """The images given by a mask (I,), by row indices in the order wanted, or by keys (UsageError if unknown)."""
    rows = _image_rows(data, images)
    made: dict[str, Any] = {}
    for group in GROUPS:
        offsets = data.offsets(group)
        if offsets is None:
            continue
        counts = np.diff(offsets)[rows]
        taken = rows if group == "image" else ranges(offsets[:-1][rows], counts)
        made.update({name: values[taken] for name, values in data.columns(group).items()})
        if group != "image":
            made[f"{group}_offsets"] = offsets_of(counts)
    return data.with_columns(**made)


def select_pairs(data: Data, mask: Array) -> Data:
    """The pairs of a mask (P,), in their order."""
    kept: dict[str, Any] = {name: values[mask] for name, values in data.columns("pair").items()}
    return data.with_columns(**kept, pair_offsets=offsets_of(mask)[data.pair_offsets])


def select_boxes(data: Data, mask: Array) -> Data:
    """The boxes of a mask (B,), in their order. Pairs lose their place when a box of theirs goes."""
    new = offsets_of(mask)  # of a box, among all that stay
    subject, obj = data.pair_boxes("subject"), data.pair_boxes("object")
    stays = mask[subject] & np.where(obj < 0, True, mask[obj] if len(mask) else True)
    start = new[data.box_offsets[data.image_of("pair")]]
    sides: dict[str, Any] = {
        "subject": (new[subject] - start).astype(np.int32),
        "object": np.where(obj < 0, -1, new[obj] - start).astype(np.int32),
    }
    kept: dict[str, Any] = {name: values[mask] for name, values in data.columns("box").items()}
    return select_pairs(data.with_columns(**kept, **sides, box_offsets=new[data.box_offsets]), stays)


def by_subset(data: Data, subset: str) -> Data:
    """The images of one subset. Raises UsageError, with the subsets there are, when there is none of that name."""
    if data.subset is None:
        if data.meta.subset == subset:
            return data
        raise UsageError(f"the data hold the subset {data.meta.subset!r}, not {subset!r}")
    if subset not in data.subset:
        raise unknown_name("subset", subset, dict.fromkeys(data.subset.tolist()))
    part = select_images(data, data.subset == subset)
    return part.with_columns(replace(data.meta, subset=subset), subset=None)


def by_class(data: Data, labels: Sequence[int] | Array) -> Data:
    """The pairs with one of these labels; sparse data only."""
    wanted = np.zeros(data.meta.classes, bool)
    for label in np.asarray(labels, int).tolist():
        if not 0 <= label < len(wanted):
            raise UsageError(f"label {label} is outside 0..{len(wanted) - 1} ({data.meta.label_kind})")
        wanted[label] = True
    return select_pairs(data, wanted[data.need("label")])


def top_k(data: Data, k: int) -> Data:
    """The k best-scored pairs of each image, in their order; the earlier row wins a tie. Sparse predictions only."""
    order, image = best_first(data)
    rank = np.arange(len(order)) - data.pair_offsets[image[order]]
    mask = np.empty(len(order), bool)
    mask[order] = rank < k
    return select_pairs(data, mask)


def best_first(data: Dataset) -> tuple[Array, Array]:
    """(P,) pairs by image and falling score, ties in file order, and (P,) the image of every pair."""
    image = data.image_of("pair")
    order = np.argsort(-data.need("score"), kind="stable")
    return order[np.argsort(image[order], kind="stable")], image


def concat(parts: Sequence[Data]) -> Data:
    """Several datasets as one, images in order. They must agree in label space, kinds and columns.

    Where subsets differ a column `subset` says which image is of which, and meta.subset joins the names.
    """
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    for part in parts[1:]:
        _must_agree(first, part)
    held = np.concatenate([_subset_of(part) for part in parts])
    subsets = list(dict.fromkeys(held.tolist())) or [first.meta.subset]
    made: dict[str, Any] = {"subset": held if len(subsets) > 1 else None}
    for name in first.columns():
        if name != "subset":
            made[name] = np.concatenate([part.need(name) for part in parts])
    for group in GROUPS[1:]:
        if first.offsets(group) is not None:
            made[f"{group}_offsets"] = offsets_of(np.concatenate([part.counts(group) for part in parts]))
    sources = {name: digest for part in parts for name, digest in part.meta.sources.items()}
    meta = replace(first.meta, subset="+".join(subsets), sources=sources, extras=_merged_extras(parts))
    return first.with_columns(meta, **made)


def _image_rows(data: Dataset, images: Array | Sequence[str]) -> Array:
    wanted = np.asarray(images)
    if wanted.dtype.kind == "b":
        if wanted.shape != (len(data),):
            raise UsageError(f"a mask of {len(wanted)} for {len(data)} images")
        return np.flatnonzero(wanted)
    if wanted.dtype.kind in "iu":
        if len(wanted) and not (wanted.min() >= 0 and wanted.max() < len(data)):
            raise UsageError(f"image rows {wanted.min()}..{wanted.max()}, there are 0..{len(data) - 1}")
        return wanted
    row = {key: i for i, key in enumerate(data.key.tolist())}
    unknown = [key for key in wanted.tolist() if key not in row]
    if unknown:
        raise unknown_name("image", unknown[0], list(row)[:100_000])
    return np.array([row[key] for key in wanted.tolist()], np.int64)


def _subset_of(part: Dataset) -> Array:
    return part.subset if part.subset is not None else strings([part.meta.subset] * len(part))


def _must_agree(a: Dataset, b: Dataset) -> None:
    differs = difference(a.meta.labels, b.meta.labels.summary())
    if differs:
        raise DataError(differs)
    for name in ("label_kind", "score", "box_frame"):
        if getattr(a.meta, name) != getattr(b.meta, name):
            raise DataError(f"{name} differs: {getattr(a.meta, name)!r} and {getattr(b.meta, name)!r}")
    odd = (set(a.columns()) ^ set(b.columns())) - {"subset"}
    for name in ("scores", "image_scores"):
        mine, theirs = getattr(a, name), getattr(b, name)
        if name not in odd and mine is not None and mine.shape[1] != theirs.shape[1]:
            raise DataError(f"column {name!r} has {mine.shape[1]} and {theirs.shape[1]} values a row")
    if a.kind != b.kind or odd:
        raise DataError(f"columns differ: only one of {a!r} and {b!r} has {', '.join(sorted(odd)) or 'scores'}")


def _merged_extras(parts: Sequence[Dataset]) -> dict[str, Any]:
    """Extras are tables by image or facts about the whole: tables are joined, of facts the first is kept."""
    merged: dict[str, Any] = {}
    for part in parts:
        for name, held in part.meta.extras.items():
            mine = merged.setdefault(name, dict(held) if isinstance(held, dict) else held)
            for key, value in held.items() if isinstance(held, dict) and isinstance(mine, dict) else ():
                tables = isinstance(value, dict) and isinstance(mine.get(key, {}), dict)
                mine[key] = value | mine.get(key, {}) if tables else mine.get(key, value)
    return merged
