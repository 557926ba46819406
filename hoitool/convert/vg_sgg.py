"""VG150, Visual Genome for scene graph generation: VG-SGG.h5 with VG-SGG-dicts.json and image_data.json beside it.

HDF5, rows from 0: of each image split (0 train, 1 val, 2 test), img_to_first_box and img_to_last_box, img_to_first_rel
and img_to_last_rel (-1: none); of each box labels and boxes_1024, boxes_512 (convert/vg_sgg_grid.py); of each relation
predicates and relationships (rows of subject and object). Labels and predicates count from 1, and the dicts name them.
The images are those of image_data.json in its order, where that has more, less four broken ones.
Frame: inclusive, as the evaluators of scene graphs measure (width x2 - x1 + 1). Label kind: predicates.
Source: Xu et al., CVPR 2017, vg_to_roidb.py; as Zellers et al., Neural Motifs, CVPR 2018, read it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.fields import brief, member
from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.hdf5 import array_in, names_in
from hoitool.convert.open_images import with_file_names
from hoitool.convert.own_labels import require_same_labels, space_of_names, write_labels
from hoitool.convert.reading import Reading
from hoitool.convert.scene_images import IMAGES, ImageData, image_data, image_rows
from hoitool.convert.vg_sgg_grid import centred, corners
from hoitool.data import Dataset, Meta, by_subset, concat, offsets_of, ranges, select_images, strings
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.files import atomic, load_json, reading, refuse_overwrite, require, sha256, write_text
from hoitool.labels import LabelSpace

Array = NDArray[Any]
SUMMARY = "VG150, Visual Genome for scene graph generation: VG-SGG.h5, VG-SGG-dicts.json and image_data.json"
NAME, FILE, DICTS, WHAT = "vg150", "VG-SGG.h5", "VG-SGG-dicts.json", "scene graphs of VG150"
SPLITS = ("train", "val", "test")  # the subset of each number
GRIDS = (1024, 512)
BROKEN = (1592, 1722, 4616, 4617)  # images that could not be opened when the file was made
OF_IMAGES = ("split", "img_to_first_box", "img_to_last_box", "img_to_first_rel", "img_to_last_rel")
NEEDED = {*OF_IMAGES, "labels", "predicates", "relationships"}
COUNTED = {"labels": "categories", "predicates": "label"}  # from 1 -> our column
LARGEST = int(np.iinfo(np.int32).max)


def _as_grid(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as the file gives them back: boxes on the grid of 1024, images of known size, subsets that it has.

    Raises DataError where no image is left: subsets stand beside images.
    """
    sized = (data.need("width") > 0) & (data.need("height") > 0)
    data = select_images(data, sized) if not sized.all() else data
    if not len(data):
        raise DataError("there is no image of known size to write")
    longer = _longer(data)
    boxes = corners(centred(data.boxes, longer, GRIDS[0]), longer, GRIDS[0])
    moved = int((boxes != data.boxes).any(axis=1).sum())
    known = data.meta.subset in SPLITS
    data, names = with_file_names(data.with_columns(boxes=boxes))
    data = data if known else data.with_columns(replace(data.meta, subset=SPLITS[0]))
    return data, names | {
        "images of unknown size": int((~sized).sum()),
        "places of boxes between those of an image of 1024 pixels": moved,
        f"names of subsets other than {', '.join(SPLITS)}, which become {SPLITS[0]}": int(not known),
    }


HOLDS = Holds(
    label_kinds=("predicates",),
    box_frame="inclusive",
    always=frozenset({"width"}),
    optional=frozenset({"file_name"}),
    lonely_boxes=True,
    also=_as_grid,
)


def sniff(path: Path) -> bool:
    """Whether a path is such a file, or a folder that holds one."""
    return any(names_in(file) >= NEEDED for file in _files(path))


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("[!.]*.h5")) if path.is_dir() else [path]


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """One part for each subset. Raises MissingData for what must lie beside, DataError naming array and row."""
    file = _file(path)
    images = image_data(file.parent)
    if images is None:
        raise MissingData(f"{file.parent / IMAGES}: no such file; it says which images {file.name} is of")
    space = _label_space(_dicts(file))
    with reading(file, WHAT):
        import h5py

        with h5py.File(file, "r") as opened:
            whole = _dataset(*_tables(opened, file), file, images, space)
            ignored = sorted(set(opened) - NEEDED - {f"boxes_{grid}" for grid in GRIDS})
    subsets = [name for name in SPLITS if name in whole.need("subset")]
    notes = [f"arrays not read: {', '.join(ignored)}"] if ignored else []
    return Reading([by_subset(whole, name) for name in subsets], notes=notes)


def _file(path: Path) -> Path:
    require(path, WHAT)
    if path.is_file():
        return path
    files = [file for file in _files(path) if names_in(file) >= NEEDED]
    if not files:
        raise MissingData(f"{path}: no {FILE} in this folder")
    if len(files) > 1:
        raise UsageError(f"{path}: holds {' and '.join(file.name for file in files)}; name one of them")
    return files[0]


def _dicts(file: Path) -> Path:
    """The names that belong to a file: its own name with -dicts in it, else the only such file of its folder."""
    own = file.with_name(file.stem.replace("VG-SGG", "VG-SGG-dicts") + ".json")
    found = [own] if own.is_file() else sorted(file.parent.glob("[!.]*dicts*.json"))
    if len(found) != 1:
        raise MissingData(f"{own}: no such file; it names the labels and predicates of {file.name}")
    return found[0]


def _label_space(file: Path) -> LabelSpace:
    """Objects and predicates in the order of their numbers. DataError for numbers that are not 1, 2, 3, ..."""
    table = load_json(file, "the names of labels and predicates", dict)
    tables = []
    for field in ("label_to_idx", "predicate_to_idx"):
        held = {name: at for name, at in member(table, field, str(file), dict).items() if name != "__background__"}
        for at in held.values():
            if type(at) is not int:
                raise DataError(f"{file}: {field} has {brief(at)}, expected numbers of names")
        if sorted(held.values()) != [*range(1, len(held) + 1)]:
            raise DataError(f"{file}: {field} does not number its {len(held)} names 1..{len(held)}")
        tables.append(sorted(held, key=held.__getitem__))
    return space_of_names(NAME, file, *tables)


def _tables(opened: Any, file: Path) -> tuple[dict[str, Array], int]:
    """All arrays, `boxes` among them, and the longer side of the images that these are in. DataError where they differ.

    Indices are int64 (n,), relationships (R, 2).
    """
    held = {name: _integers(opened, name, 1) for name in (*OF_IMAGES, *COUNTED)}
    held["relationships"] = _integers(opened, "relationships", 2)
    held["boxes"], grid = _boxes(opened, file)
    images = dict.fromkeys(OF_IMAGES, "split")
    for name, other in (images | {"labels": "boxes", "predicates": "relationships"}).items():
        if len(held[name]) != len(held[other]):
            raise DataError(f"{file}: {name} has {len(held[name])} rows, {other} {len(held[other])}; expected as many")
    return held, grid


def _dataset(table: dict[str, Array], grid: int, file: Path, images: ImageData, space: LabelSpace) -> Dataset:
    """All images, their subset as a column."""
    box_rows, box_offsets = _spans(table, "box", len(table["boxes"]), file)
    pair_rows, pair_offsets = _spans(table, "rel", len(table["relationships"]), file)
    labels, predicates = table["labels"][box_rows], table["predicates"][pair_rows]
    for name, values, low, high in (
        ("split", table["split"], 0, len(SPLITS) - 1),
        ("labels", labels, 1, len(space.objects)),
        ("predicates", predicates, 1, len(space.verbs)),
    ):
        _require_within(values, low, high, f"{file}: {name}")
    counts = np.diff(box_offsets)
    columns, longer = _image_columns(table["split"], counts, file, images)
    placed = _placed(table["relationships"][pair_rows], table["img_to_first_box"], counts, np.diff(pair_offsets), file)
    meta = Meta(
        space,
        dataset=NAME,
        subset="+".join(name for i, name in enumerate(SPLITS) if i in table["split"]),
        label_kind="predicates",
        box_frame="inclusive",
        sources={file.name: sha256(file)},
    )
    made = Dataset(
        meta=meta,
        **columns,
        boxes=corners(table["boxes"][box_rows], np.repeat(longer, counts), grid),
        categories=(labels - 1).astype(np.int32),
        subject=placed[:, 0],
        object=placed[:, 1],
        label=(predicates - 1).astype(np.int32),
        box_offsets=box_offsets,
        pair_offsets=pair_offsets,
    )
    return with_file_names(made)[0]


def _image_columns(split: Array, boxes: Array, file: Path, images: ImageData) -> tuple[dict[str, Array], Array]:
    """Key, subset and size of the images (I,), and their longer sides. DataError for one with boxes and no size."""
    rows = _image_rows(len(split), images, file)
    size, key = images.size[rows], strings([images.key(row) for row in rows.tolist()])
    unsized = (size.min(axis=1, initial=LARGEST) <= 0) & (boxes > 0)
    if unsized.any():
        raise DataError(f"{file}: image {key[unsized.argmax()]!r} has boxes, but {IMAGES} does not say its size")
    subset = strings([SPLITS[number] for number in split.tolist()])
    columns = {"key": key, "subset": subset, "width": size[:, 0].copy(), "height": size[:, 1].copy()}
    return columns, size.max(axis=1, initial=0)


def _image_rows(count: int, images: ImageData, file: Path) -> Array:
    """(I,) the rows of image_data.json that the file has. DataError where their numbers do not fit."""
    every = np.arange(len(images.ids))
    opened = every[~np.isin(images.ids, BROKEN)]
    if count not in (len(every), len(opened)):
        told = f"{len(every)}, or {len(opened)} without those that could not be opened"
        raise DataError(f"{file}: split has {count} images, {IMAGES} {told}; they are not of the same release")
    return every if count == len(every) else opened


def _integers(opened: Any, name: str, columns: int) -> Array:
    """(n,) or (n, columns) int64. Raises DataError for another kind or shape."""
    held = array_in(opened, name)
    shape = held.shape[:1] if columns == 1 and held.shape[1:] in ((), (1,)) else held.shape
    if held.dtype.kind not in "iu" or shape[1:] != (() if columns == 1 else (columns,)) or not shape:
        expected = "a column of integers" if columns == 1 else f"{columns} columns of integers"
        raise DataError(f"{opened.filename}: {name} is {held.dtype}{list(held.shape)}, expected {expected}")
    return held.reshape(shape).astype(np.int64)


def _boxes(opened: Any, file: Path) -> tuple[Array, int]:
    """(B, 4) centres and extents, and the longer side of the images that they are in."""
    grid = next((grid for grid in GRIDS if f"boxes_{grid}" in opened), GRIDS[0])
    held = array_in(opened, f"boxes_{grid}")
    if held.dtype.kind not in "iuf" or held.shape[1:] != (4,):
        raise DataError(f"{file}: boxes_{grid} is {held.dtype}{list(held.shape)}, expected 4 columns of numbers")
    wrong = ~np.isfinite(held).all(axis=1) | (np.abs(held.astype(np.float64)) > LARGEST).any(axis=1)
    wrong |= (held[:, 2:] <= 0).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{file}: boxes_{grid}[{row}] is {held[row].tolist()}, expected centre, width and height")
    return held, grid


def _spans(table: dict[str, Array], what: str, most: int, file: Path) -> tuple[Array, Array]:
    """The rows of all images, one image after the other, and offsets, from the first and last row of each."""
    first, last = table[f"img_to_first_{what}"], table[f"img_to_last_{what}"]
    none = (first == -1) & (last == -1)
    wrong = ~none & ((first < 0) | (last < first) | (last >= most))
    if wrong.any():
        row = int(wrong.argmax())
        told = f"{first[row]} and img_to_last_{what}[{row}] {last[row]}"
        raise DataError(f"{file}: img_to_first_{what}[{row}] is {told}, expected rows 0..{most - 1} in order")
    counts = np.where(none, 0, last - first + 1)
    if counts.sum() > most:
        raise DataError(
            f"{file}: img_to_first_{what} and img_to_last_{what} give some of the {most} rows to two images"
        )
    return ranges(np.maximum(first, 0), counts), offsets_of(counts)


def _placed(ends: Array, first: Array, boxes: Array, pairs: Array, file: Path) -> Array:
    """(P, 2) int32 the places of subject and object among the boxes of their image, from rows of all boxes."""
    image = np.repeat(np.arange(len(pairs)), pairs)
    placed = ends - first[image][:, None]
    wrong = ((placed < 0) | (placed >= boxes[image][:, None])).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{file}: a relationship of image {image[row]} is of boxes {ends[row].tolist()}, not its own")
    return placed.astype(np.int32)


def _require_within(values: Array, low: int, high: int, where: str) -> None:
    wrong = (values < low) | (values > high)
    if wrong.any():
        raise DataError(f"{where} has {values[wrong][0]}, expected {low}..{high}")


def _longer(data: Dataset) -> Array:
    """(B,) the longer side of each box's image."""
    side = np.maximum(data.need("width"), data.need("height"))
    return side[data.image_of("box")].astype(np.float64)


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write VG-SGG.h5, VG-SGG-dicts.json, image_data.json and labels.json into the folder `path`."""
    held = require_held(parts, HOLDS, WHAT)
    space, data = require_same_labels(held), concat(held)
    for name in (FILE, DICTS, IMAGES):
        refuse_overwrite(path / name, overwrite)
    written = write_labels(space, path, overwrite)
    with atomic(path / FILE) as temporary:
        import h5py

        with h5py.File(temporary, "w") as file:
            for name, values in _arrays(data).items():
                file.create_dataset(name, data=values)
    write_text(path / DICTS, json.dumps(_names(data)))
    write_text(path / IMAGES, json.dumps(image_rows(data)))
    return [path / FILE, path / DICTS, path / IMAGES, *written]


def _arrays(data: Dataset) -> dict[str, Array]:
    subset = np.full(len(data), data.meta.subset, object) if data.subset is None else data.subset
    made = {"split": np.array([SPLITS.index(name) for name in subset.tolist()], np.int32)}
    for what, offsets in (("box", data.box_offsets), ("rel", data.pair_offsets)):
        none = np.diff(offsets) == 0
        made[f"img_to_first_{what}"] = np.where(none, -1, offsets[:-1]).astype(np.int32)
        made[f"img_to_last_{what}"] = np.where(none, -1, offsets[1:] - 1).astype(np.int32)
    made |= {f"boxes_{grid}": centred(data.boxes, _longer(data), grid) for grid in GRIDS}
    made |= {name: (getattr(data, held) + 1).astype(np.int64)[:, None] for name, held in COUNTED.items()}
    sides = [data.pair_boxes("subject"), data.pair_boxes("object")]
    return made | {"relationships": np.stack(sides, axis=1).astype(np.int32)}


def _names(data: Dataset) -> dict[str, Any]:
    """Names and numbers, both ways, and how often each occurs."""
    made: dict[str, Any] = {}
    for short, long, names, found in (
        ("label", "object", data.meta.labels.objects, data.categories),
        ("predicate", "predicate", data.meta.labels.verbs, data.need("label")),
    ):
        counts = np.bincount(found, minlength=len(names)).tolist()
        made[f"{short}_to_idx"] = {name: i for i, name in enumerate(names, 1)}
        made[f"idx_to_{short}"] = {str(i): name for i, name in enumerate(names, 1)}
        made[f"{long}_count"] = dict(zip(names, counts, strict=True))
    return made
