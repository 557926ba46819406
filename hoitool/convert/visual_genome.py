"""Visual Genome's scene graphs: scene_graphs.json or relationships.json, with image_data.json for the images' sizes.

Also what has their form: RLIPv2's preprocessed scene graphs, and its pseudo-labelled relations of COCO and Objects365.
Files are read as streams (convert/scenes.py), twice: once for the names, once for the data, so that memory holds one
shard; what pre-training leaves out are filters (convert/scene_filters.py).
Frame: continuous, x, y, x + w, y + h. Label kind: predicates. Label space: labels.json beside the file, else the names
that occur, in alphabetical order. An object has the first of its names; one without a name has no class.
Source: visualgenome.org/api/v0/api_readme; Krishna et al., IJCV 2017.
"""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import extents
from hoitool.convert.coco_instances import own_ids
from hoitool.convert.fields import brief
from hoitool.convert.fit import Holds, Lost, require_held
from hoitool.convert.open_images import with_file_names
from hoitool.convert.own_labels import LABELS, write_labels
from hoitool.convert.reading import Reading
from hoitool.convert.scene_filters import Aliases, Filters, aliases_beside, filtered, without_rare
from hoitool.convert.scene_images import IMAGES, Known, each_once, image_rows, known_beside
from hoitool.convert.scenes import Dropped, Scene, scenes
from hoitool.data import Dataset, Meta, concat, offsets_of
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.files import atomic, refuse_overwrite, require, sha256
from hoitool.labels import LabelSpace, build, parse

Array = NDArray[Any]
SUMMARY = "Visual Genome scene graphs, and what has their form: RLIPv2's preprocessed and pseudo-labelled files"
NAME, RELATIONSHIPS = "visual-genome", "relationships.json"
WORDS = ("train", "val", "test", "trainval")  # the subsets that a file's name can say
HEAD = 1 << 16
SHARD = 4096  # images that become columns together where nothing says how many


def _as_scenes(data: Dataset) -> tuple[Dataset, Lost]:
    """Data as scene graphs give them back: boxes have ids of their own, the file's name says the subset."""
    data, lost = own_ids(data)
    data, names = with_file_names(data)
    told = data.meta.subset in ("", *WORDS)
    if not told:
        data = data.with_columns(replace(data.meta, subset=""))
    return data, lost | names | {"names of subsets other than train, val, test and trainval": int(not told)}


HOLDS = Holds(
    label_kinds=("predicates",),
    box_frame="continuous",
    extents=True,
    always=frozenset({"width", "box_ids"}),
    optional=frozenset({"file_name"}),
    lonely_boxes=True,
    unknown_objects=True,
    one_subset=True,
    also=_as_scenes,
)


def sniff(path: Path) -> bool:
    """Whether a path is such a file, or a folder that holds one."""
    return any(_looks_like_scenes(file) for file in ([path] if path.is_file() else _files(path)))


def _files(folder: Path) -> list[Path]:
    """The files of a folder that it can mean: scene graphs, where there are none relationships."""
    graphs = [file for file in sorted(folder.glob("scene_graphs*.json")) if file.is_file()]
    return graphs or [file for file in [folder / RELATIONSHIPS] if file.is_file()]


def _looks_like_scenes(file: Path) -> bool:
    if file.suffix != ".json":
        return False
    with file.open("rb") as stream:
        head = stream.read(HEAD).removeprefix(b"\xef\xbb\xbf")
    inside = b'"subject' in head or b'"object_id"' in head
    return head.lstrip()[:1] == b"[" and b'"image_id"' in head and inside and b'"hoi_annotation"' not in head


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """All of a file, as one part. Raises MissingData, UsageError for several files, DataError with image and field."""
    held = stream(path)
    parts = list(held.parts(SHARD))
    return Reading([concat(parts)], dict(held.dropped), held.notes)


@dataclass
class Stream:
    """A file that has been looked through: how many images it has, and its label space.

    dropped  what filters and the reader left out, complete when all parts have been made
    """

    file: Path
    images: int
    meta: Meta
    filters: Filters
    aliases: Aliases
    kept: tuple[set[str], set[str]]
    known: Known
    dropped: Dropped = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def parts(self, images: int) -> Iterator[Dataset]:
        """The data, that many images at a time; one part without images where there are none."""
        found = self._scenes()
        first = list(islice(found, images))
        yield self._dataset(first)
        while chunk := list(islice(found, images)):
            yield self._dataset(chunk)

    def _scenes(self) -> Iterator[Scene]:
        ignored: Dropped = Counter()
        for scene in _filtered(self.file, self.filters, self.aliases, self.known, ignored):
            yield without_rare(scene, *self.kept, self.dropped) if self.filters.least else scene

    def _dataset(self, chunk: list[Scene]) -> Dataset:
        """The columns of some images."""
        space = self.meta.labels
        objects, predicates = ({n: i for i, n in enumerate(names)} for names in (space.objects, space.verbs))
        box = np.array([row for scene in chunk for row in scene.boxes], np.float64).reshape(-1, 4)
        relations = [relation for scene in chunk for relation in scene.relations]
        ends = np.array([relation[:2] for relation in relations], np.int32).reshape(-1, 2)
        return Dataset(
            meta=self.meta,
            **self.known.columns(chunk),
            boxes=np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1),
            categories=np.array([objects[n] if n else -1 for scene in chunk for n in scene.names], np.int32),
            box_ids=np.array([number for scene in chunk for number in scene.ids], np.int64),
            subject=ends[:, 0],
            object=ends[:, 1],
            label=np.array([predicates[relation[2]] for relation in relations], np.int32),
            box_offsets=offsets_of([len(scene.ids) for scene in chunk]),
            pair_offsets=offsets_of([len(scene.relations) for scene in chunk]),
        )


def stream(path: Path, filters: Filters | None = None) -> Stream:
    """Look through a file, or the one that a folder means, once: its images, names and what filters leave out."""
    filters = filters or Filters()
    file = file_of(path)
    aliases, known = aliases_beside(file.parent, filters.aliases), known_beside(file.parent)
    objects: Counter[str] = Counter()
    predicates: Counter[str] = Counter()
    ids, dropped = array("q"), Counter[str]()
    for scene in _filtered(file, filters, aliases, known, dropped):
        ids.append(scene.image_id)
        objects.update(name for name in scene.names if name)
        predicates.update(relation[2] for relation in scene.relations)
    each_once(np.array(ids, np.int64), str(file))
    kept = [{name for name, count in found.items() if count >= filters.least} for found in (objects, predicates)]
    meta = Meta(
        _label_space(file, *kept),
        dataset=NAME,
        subset=_subset(file),
        label_kind="predicates",
        box_frame="continuous",
        sources={file.name: sha256(file)},
    )
    notes = [] if known.data is not None else [f"no {IMAGES} beside {file.name}: the images' sizes are not known"]
    return Stream(file, len(ids), meta, filters, aliases, (kept[0], kept[1]), known, dropped, notes)


def file_of(path: Path) -> Path:
    """The file that a path means: itself, or the only one of a folder. Raises MissingData and UsageError."""
    require(path, "scene graphs")
    if path.is_file():
        return path
    files = _files(path)
    if not files:
        raise MissingData(f"{path}: no scene_graphs.json or {RELATIONSHIPS} in this folder")
    if len(files) > 1:
        raise UsageError(f"{path}: holds {' and '.join(file.name for file in files)}; name one of them")
    return files[0]


def _filtered(file: Path, filters: Filters, aliases: Aliases, known: Known, dropped: Dropped) -> Iterator[Scene]:
    """The images of a file after the filters that look at one image."""
    plain = filters == Filters()
    for scene in scenes(file, dropped):
        yield scene if plain else filtered(scene, filters, aliases, known.size(scene.image_id), dropped)


def _subset(file: Path) -> str:
    """The subset that a file's name ends in, '' where it says none."""
    found = re.search(rf"[_-]({'|'.join(WORDS)})$", file.stem)
    return found[1] if found else ""


def _label_space(file: Path, objects: set[str], predicates: set[str]) -> LabelSpace:
    """That of labels.json beside the file, else the names that occur. DataError for a name that it does not have."""
    beside = file.parent / LABELS
    if not beside.is_file():
        names, verbs = [(name, -1) for name in sorted(objects)], [(name, name) for name in sorted(predicates)]
        return build(NAME, f"the names in {file.name}", names, verbs, [])
    space = parse(beside.read_text(encoding="utf-8", errors="replace"), str(beside))
    for what, found, known in (("an object", objects, space.objects), ("a predicate", predicates, space.verbs)):
        if unknown := sorted(found - set(known)):
            raise DataError(f"{file}: {what} is {brief(unknown[0])}, which {beside} does not have")
    return space


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
    """Write scene_graphs.json or scene_graphs_<subset>.json, image_data.json and labels.json into the folder `path`."""
    (data,) = require_held(parts, HOLDS, "scene graphs")
    target = path / f"scene_graphs{'_' if data.meta.subset else ''}{data.meta.subset}.json"
    for file in (target, path / IMAGES):
        refuse_overwrite(file, overwrite)
    written = write_labels(data.meta.labels, path, overwrite)
    for file, rows in ((target, graphs(data)), (path / IMAGES, image_rows(data))):
        with atomic(file) as temporary:
            temporary.write_text(json.dumps(rows, allow_nan=False), encoding="utf-8")
    return [target, path / IMAGES, *written]


def graphs(data: Dataset) -> list[dict[str, Any]]:
    """The images of a part as scene graphs."""
    space, ids = data.meta.labels, data.need("box_ids").tolist()
    corners = np.stack([data.boxes[:, 0], data.boxes[:, 1], *extents(data.boxes)], axis=1).tolist()
    objects = [
        dict(
            zip(
                ("object_id", "x", "y", "w", "h", "names"),
                (number, *box, [space.objects[c]] if c >= 0 else []),
                strict=True,
            )
        )
        for number, box, c in zip(ids, corners, data.categories.tolist(), strict=True)
    ]
    sides = [data.pair_boxes(side).tolist() for side in ("subject", "object")]
    relations = [
        {"relationship_id": i, "predicate": space.verbs[v], "subject_id": ids[s], "object_id": ids[o]}
        for i, (s, o, v) in enumerate(zip(*sides, data.need("label").tolist(), strict=True), 1)
    ]
    box_at, pair_at = data.box_offsets.tolist(), data.pair_offsets.tolist()
    return [
        {
            "image_id": number,
            "objects": objects[box_at[i] : box_at[i + 1]],
            "relationships": relations[pair_at[i] : pair_at[i + 1]],
        }
        for i, number in enumerate(image_ids(data).tolist())
    ]
