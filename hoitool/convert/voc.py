"""PASCAL VOC annotations: an XML file for each image, and lists of images for each subset.

A folder is one of VOC's (Annotations/, ImageSets/Main/<subset>.txt) or holds the .xml files itself. Corners are pixel
indices from 1 there, from 0 here. Frame: inclusive. Label kind: objects, VOC's 20 classes, or the names that occur in
alphabetical order. An object that is difficult is to be ignored: its id stands in meta.extras["coco"]["ignored"], as
COCO's `ignore` does; ids count the boxes. Foreign XML: a file that declares a document type or entities is refused.
Source: Everingham et al., IJCV 2010; the development kits of 2007 and 2012.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import numpy as np

from hoitool.convert.coco_instances import EXTRA
from hoitool.convert.fields import brief
from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.own_labels import LABELS, write_labels
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Meta, no_pairs, offsets_of, select_images, strings
from hoitool.data.dataset import Array
from hoitool.errors import DataError, MissingData
from hoitool.files import atomic_folder, reading, refuse_overwrite, require, write_text
from hoitool.labels import LabelSpace, build, parse
from hoitool.progress import progress

SUMMARY = "PASCAL VOC annotations: an .xml for each image"
WHAT = "PASCAL VOC annotations"
FOLDER, LISTS = "Annotations", Path("ImageSets") / "Main"
SUBSETS = ("train", "val", "test", "trainval")
CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
CORNERS = ("xmin", "ymin", "xmax", "ymax")
HEAD = 1 << 10
LARGEST = 10**9  # pixels


def _as_voc(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as the files give them back: boxes counted, those to ignore among them, names that files can have."""
    named = np.array([_writable(key) for key in data.key.tolist()], bool)
    lost: Lost = {"images without a name that a file can have": int((~named).sum())}
    data = data if named.all() else select_images(data, named)
    if data.meta.subset not in ("", *SUBSETS):
        data = data.with_columns(replace(data.meta, subset=""))
        lost["names of subsets other than train, val, test and trainval"] = 1
    extra = {name: held for name, held in data.meta.extras.items() if name != EXTRA}
    ignored = np.flatnonzero(_ignored(data)) + 1
    counted = np.arange(1, len(data.boxes) + 1)
    if data.box_ids is not None:
        lost["ids of boxes"] = int((data.box_ids != counted).sum())
    boxes = data.boxes + 1.0 - 1.0  # as the numbers that are written give them back
    lost["last bits of the corners of boxes"] = int((boxes != data.boxes).any(axis=1).sum())
    meta = replace(data.meta, extras=extra | ({EXTRA: {"ignored": ignored.tolist()}} if len(ignored) else {}))
    return data.with_columns(meta, boxes=boxes, box_ids=counted), lost


def _writable(key: str) -> bool:
    """Whether an image's name can be that of a file below a folder, and stand in XML and on a line."""
    parts = key.split("/")
    fine = (part.isprintable() and part == part.strip() and len(part.encode()) < 200 for part in parts)
    return all(part not in ("", ".", "..") for part in parts) and all(fine)


def _ignored(data: Dataset) -> Array:
    """(B,) whether a box is difficult."""
    marked = data.meta.extras.get(EXTRA, {}).get("ignored", [])
    if data.box_ids is None or not marked:
        return np.zeros(len(data.boxes), bool)
    return np.isin(data.box_ids, marked)


HOLDS = Holds(
    label_kinds=("objects",),
    box_frame="inclusive",
    always=frozenset({"file_name", "width", "box_ids"}),
    objectless=True,
    lonely_boxes=True,
    one_subset=True,
    also=_as_voc,
)


def sniff(path: Path) -> bool:
    """Whether a path is such a file, or a folder of them."""
    if path.is_dir():
        path = next(iter(sorted(_folder(path).glob("*.xml"))), path)
    return path.suffix.lower() == ".xml" and path.is_file() and b"<annotation" in _head(path)


def _head(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(HEAD)


def _folder(path: Path) -> Path:
    """The folder of the .xml files."""
    return path / FOLDER if (path / FOLDER).is_dir() else path


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """One part for each list of images that says a subset, all files where there is none.

    Raises MissingData for a listed image that has no file, DataError with file and field.
    """
    require(path, WHAT)
    folder = _folder(path) if path.is_dir() else path.parent
    files = {file.stem: file for file in (sorted(folder.rglob("*.xml")) if path.is_dir() else [path])}
    lists = {name: path / LISTS / f"{name}.txt" for name in SUBSETS if (path / LISTS / f"{name}.txt").is_file()}
    if not files and not lists:
        raise DataError(f"{path}: no .xml file in it")
    if {"train", "val"} <= set(lists):
        lists.pop("trainval", None)  # which is both of them
    wanted = {name: _listed(file, files) for name, file in lists.items()} or {"": list(files.values())}
    scenes = {file: _scene(file) for file in progress(dict.fromkeys(chain(*wanted.values())), "reading annotations")}
    space = _label_space(folder, path, scenes)
    named = next((part for part in reversed(path.resolve().parts) if part.upper().startswith("VOC")), "voc").lower()
    parts = [_dataset([scenes[file] for file in held], space, name, named) for name, held in wanted.items()]
    return Reading(parts, notes=_told(scenes))


def _listed(file: Path, files: dict[str, Path]) -> list[Path]:
    """The annotations of the images that a list names: a line, or its first word, which lists of a class have."""
    with reading(file, "a list of images"):
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    names = [line if line in files else line.split()[0] for line in lines]
    missing = next((name for name in names if name not in files), None)
    if missing is not None:
        raise MissingData(f"{file}: names {brief(missing)}, which has no .xml file")
    return [files[name] for name in dict.fromkeys(names)]


@dataclass(frozen=True)
class _Scene:
    """What one file says. others: fields of objects that are not kept."""

    file: Path
    name: str
    size: tuple[int, int]
    classes: list[str]
    boxes: list[list[float]]
    difficult: list[bool]
    others: set[str]


def _scene(file: Path) -> _Scene:
    root = _parsed(file)
    size = tuple(int(_number(root, f"size/{side}", file, 0)) for side in ("width", "height"))
    made = _Scene(
        file, (root.findtext("filename") or f"{file.stem}.jpg").strip(), (size[0], size[1]), [], [], [], set()
    )
    for i, obj in enumerate(root.iterfind("object")):
        where = f"{file}: object {i}"
        name = (obj.findtext("name") or "").strip()
        if not name:
            raise DataError(f"{where}: no <name>")
        made.classes.append(name)
        made.boxes.append([_number(obj, f"bndbox/{corner}", where) for corner in CORNERS])
        made.difficult.append(_number(obj, "difficult", where, 0) != 0)
        made.others.update(child.tag for child in obj if child.tag not in ("name", "bndbox", "difficult"))
    return made


def _parsed(file: Path) -> ElementTree.Element:
    """The root of a file. Raises DataError for what is no annotation, and for a declaration of types or entities."""
    with reading(file, WHAT):
        content = file.read_bytes().decode("utf-8-sig")  # as text its own word for its encoding is not followed
        if "<!DOCTYPE" in content or "<!ENTITY" in content:
            raise DataError(f"{file}: declares a document type or entities, which annotations have no need of")
        root = ElementTree.fromstring(content)  # noqa: S314 - no entities are left that could grow or reach out
    if root.tag != "annotation":
        raise DataError(f"{file}: its root is <{root.tag!s:.40}>, expected <annotation>")
    return root


def _number(parent: ElementTree.Element, name: str, where: object, default: float | None = None) -> float:
    """The number in a child. Raises DataError where it is none, is not there and has no default, or is too large."""
    text = parent.findtext(name)
    if text is None and default is not None:
        return default
    if text is None:
        raise DataError(f"{where}: no <{name}>")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= LARGEST:
        raise DataError(f"{where}: <{name}> is {brief(text.strip())}, expected a number")
    return value


def _label_space(folder: Path, path: Path, scenes: dict[Path, _Scene]) -> LabelSpace:
    """That of labels.json beside the annotations; else VOC's 20 classes where all names are of them, else the names."""
    found = {name: scene for scene in scenes.values() for name in scene.classes}
    beside = next((base / LABELS for base in (path, folder) if (base / LABELS).is_file()), None)
    if beside is not None:
        space = parse(beside.read_text(encoding="utf-8", errors="replace"), str(beside))
        if unknown := sorted(set(found) - set(space.objects)):
            raise DataError(f"{found[unknown[0]].file}: an object is {brief(unknown[0])}, which {beside} does not have")
        return space
    if set(found) <= set(CLASSES):
        return build("voc", "the 20 classes of PASCAL VOC, Everingham et al., IJCV 2010", _objects(CLASSES), [], [])
    return build("voc-own", f"the names in {folder.name}", _objects(sorted(found)), [], [])


def _objects(names: Sequence[str]) -> list[tuple[str, int]]:
    return [(name, -1) for name in names]


def _dataset(scenes: list[_Scene], space: LabelSpace, subset: str, dataset: str) -> Dataset:
    index = {name: i for i, name in enumerate(space.objects)}
    names = [scene.name for scene in scenes]
    if len(set(names)) < len(names):
        again = next(i for i, name in enumerate(names) if name in names[:i])
        raise DataError(f"{scenes[again].file}: its image {names[again]!r} is that of another file too")
    size = np.array([scene.size for scene in scenes], np.int32).reshape(-1, 2)
    boxes = np.array([box for scene in scenes for box in scene.boxes], np.float64).reshape(-1, 4) - 1
    ids = np.arange(1, len(boxes) + 1)
    ignored = ids[np.array([mark for scene in scenes for mark in scene.difficult], bool)].tolist()
    columns: dict[str, Any] = no_pairs(len(scenes)) | {
        "boxes": boxes,
        "categories": np.array([index[name] for scene in scenes for name in scene.classes], np.int32),
        "box_offsets": offsets_of([len(scene.boxes) for scene in scenes]),
    }
    return Dataset(
        meta=Meta(
            space,
            dataset=dataset,
            subset=subset,
            label_kind="objects",
            extras={EXTRA: {"ignored": ignored}} if ignored else {},
        ),
        key=strings(names),
        file_name=strings(names),
        width=size[:, 0].copy(),
        height=size[:, 1].copy(),
        box_ids=ids,
        **columns,
    )


def _told(scenes: dict[Path, _Scene]) -> list[str]:
    others = sorted(set().union(*(scene.others for scene in scenes.values())))
    return [f"not kept of objects: {', '.join(others)}"] if others else []


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write Annotations/*.xml, the list of the subset, and labels.json into the folder `path`."""
    (data,) = require_held(parts, HOLDS, WHAT)
    listed = path / LISTS / f"{data.meta.subset}.txt"
    names = [key.rpartition("/")[2] for key in data.key.tolist()]
    stems = [name.rpartition(".")[0] or name for name in names]
    if len(set(stems)) < len(stems):
        again = next(i for i, stem in enumerate(stems) if stem in stems[:i])
        raise DataError(f"{data!r}: image {data.key[again]!r} has the name of another one but for folder and ending")
    refuse_overwrite(path / FOLDER, overwrite)
    written = write_labels(data.meta.labels, path, overwrite)
    if data.meta.subset:
        refuse_overwrite(listed, overwrite)
    with atomic_folder(path / FOLDER) as folder:
        for i, stem in enumerate(progress(stems, "writing annotations")):
            (folder / f"{stem}.xml").write_text("\n".join(_lines(data, i)) + "\n", encoding="utf-8")
    if data.meta.subset:
        write_text(listed, "".join(f"{stem}\n" for stem in stems))
    return [path / FOLDER, *written]


def _lines(data: Dataset, image: int) -> Iterator[str]:
    """The XML of an image, line by line."""
    yield "<annotation>"
    yield f"  <filename>{escape(str(data.key[image]))}</filename>"
    sides = f"<width>{data.need('width')[image]}</width><height>{data.need('height')[image]}</height>"
    yield f"  <size>{sides}<depth>3</depth></size>"
    ignored = _ignored(data)
    for box in range(*data.box_offsets[image : image + 2].tolist()):
        corners = "".join(
            f"<{name}>{_text(value)}</{name}>"
            for name, value in zip(CORNERS, (data.boxes[box] + 1).tolist(), strict=True)
        )
        yield "  <object>"
        yield f"    <name>{escape(data.meta.labels.objects[data.categories[box]])}</name>"
        yield f"    <difficult>{int(ignored[box])}</difficult>"
        yield f"    <bndbox>{corners}</bndbox>"
        yield "  </object>"
    yield "</annotation>"


def _text(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
