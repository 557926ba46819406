"""Pair lists in JSON: a list over images of boxes and of the pairs between them, as three families of code write them.

  [{"filename": "a.jpg", "predictions": [{"bbox": [x1, y1, x2, y2], "category_id": n}, ...],
    "hoi_prediction": [{"subject_id": 0, "object_id": 1, "category_id": n, "score": s}, ...]}, ...]

  qpic      QPIC, CDN, RLIP, RLIPv2: boxes' classes from 0 in COCO's order, verbs from 0; continuous boxes
  gen-vlkt  GEN-VLKT, HOICLIP: boxes without a class, interactions from 0; continuous boxes
  ppdm      PPDM: COCO ids, verbs from 1; zero-based pixel indices

subject_id and object_id are places among the image's own boxes. CDN, GEN-VLKT and HOICLIP write a JSON string that
holds {'preds': [...], 'gts': [...]} as Python prints it. Specification and sources: hoitool/convert/pages/qpic.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hoitool.convert.fields import rows_of, texts
from hoitool.convert.fit import Holds, Lost, implied_classes, require_held
from hoitool.convert.literals import load_literal
from hoitool.convert.predictions.numbering import Ids
from hoitool.convert.predictions.pair_rows import PairRows, predictions
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, Meta, strings
from hoitool.errors import DataError, MissingData
from hoitool.files import atomic, no_garbage_collection, refuse_overwrite
from hoitool.labels import LabelSpace, load_labels
from hoitool.progress import progress

Array = NDArray[Any]
WHAT = "predictions as a list of images"
HEAD = 1 << 20  # bytes in which the first image ends
START = re.compile(r'\s*"?\s*(?:\{\s*"preds"\s*:\s*)?\[\s*\{\s*"\w+"\s*:')
BOX = re.compile(r'\{[^{}\[\]]*"bbox"\s*:[^\[{}]*\[[^\]]*\][^{}]*\}')
CLASS_0 = re.compile(r'"category_id"\s*:\s*(?:np\.\w+\()?"?0\b')
PAIR_FIELDS = {"subject": "subject_id", "object": "object_id", "label": "category_id", "score": "score"}


@dataclass(frozen=True)
class PairList:
    """One family's files: how they number things, and the field that names an image."""

    SUMMARY: str
    name: str
    ids: Ids
    HOLDS: Holds
    named: str = "filename"

    def sniff(self, path: Path) -> bool:
        """Whether a file begins as one of this family."""
        return family(path) == self.name

    def read(self, path: Path, truth: Dataset | None = None) -> Reading:
        """Predictions in the file's order of images, in the truth's label space.

        Raises MissingData where images have no names and there is no truth, DataError for a file that is no such list.
        """
        notes: list[str] = []
        with no_garbage_collection():
            images, where = _images(load_literal(path, WHAT), path, notes)
            names = _names(images, where, truth)
            rows = PairRows.of(images, where, classes=self.ids.objects is not None)
            del images
        dataset, subset = (truth.meta.dataset, truth.meta.subset) if truth is not None else ("", "")
        labels = truth.meta.labels if truth is not None else _guessed_labels(names, notes)
        kind, frame = self.HOLDS.label_kinds[0], self.HOLDS.box_frame
        assert frame is not None
        meta = Meta(labels, dataset=dataset, subset=subset, label_kind=kind, box_frame=frame)
        data, dropped = predictions(rows, self.ids, names, meta, notes)
        return Reading([data], {reason: count for reason, count in dropped.items() if count}, notes)

    def write(self, parts: Sequence[Dataset], path: Path, overwrite: bool = False) -> list[Path]:
        """Write the list as plain JSON, one image a line."""
        refuse_overwrite(path, overwrite)
        (data,) = require_held(parts, self.HOLDS, f"a {self.name} list")
        with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
            before = "["
            for image in self._listed(data):
                stream.write(f"{before}\n{json.dumps(image)}")
                before = ","
            stream.write("\n]\n" if len(data) else "[]\n")
        return [path]

    def _listed(self, data: Dataset) -> Iterator[dict[str, Any]]:
        """The images as JSON-ready values, one after the other."""
        boxes, pairs = data.columns("box"), data.columns("pair")
        fields = {"boxes": "bbox"}
        if self.ids.objects is not None:
            fields |= {"categories": "category_id"}
            boxes["categories"] = self.ids.object_ids(data.meta.labels)[data.categories]
        if data.box_scores is not None:
            fields |= {"box_scores": "score"}
        pairs["label"] = self.ids.label_ids(data.meta)[data.need("label")]
        for i in progress(range(len(data)), "writing predictions"):
            yield {
                self.named: data.key[i],
                "predictions": _objects(boxes, fields, data.box_offsets[i : i + 2].tolist()),
                "hoi_prediction": _objects(pairs, PAIR_FIELDS, data.pair_offsets[i : i + 2].tolist()),
            }


def family(path: Path) -> str | None:
    """Which family's file a path is, by its beginning: by the fields of its boxes, then by what names an image."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        head = stream.read(64)
        if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in (b"[", b"{", b'"'):
            return None
        head += stream.read(HEAD)
    text = head.decode("utf-8-sig", "replace").replace("\\", "").replace("'", '"')
    if not START.match(text) or '"predictions"' not in text or '"hoi_prediction"' not in text:
        return None
    boxes = BOX.findall(text)
    if boxes and '"category_id"' not in boxes[0]:
        return "gen-vlkt"
    counted_from_0 = any(CLASS_0.search(box) for box in boxes)
    return "ppdm" if '"file_name"' in text and not counted_from_0 else "qpic"


def _objects(columns: dict[str, Array], fields: dict[str, str], rows: list[int]) -> list[dict[str, Any]]:
    """The rows from..to of columns as JSON objects, under the names that `fields` gives the columns."""
    values = [columns[name][slice(*rows)].tolist() for name in fields]
    return [dict(zip(fields.values(), row, strict=True)) for row in zip(*values, strict=True)]


def _images(value: Any, path: Path, notes: list[str]) -> tuple[list[dict[str, Any]], str]:
    """The list of images and its place for messages."""
    if not isinstance(value, dict):
        return rows_of(value, str(path)), str(path)
    if "preds" not in value:
        raise DataError(f"{path}: no field 'preds'; it has {', '.join(map(repr, list(value)[:12])) or 'none'} ({WHAT})")
    if "gts" in value:
        notes.append("the annotations that stand beside the predictions ('gts') are not used")
    return rows_of(value["preds"], f"{path}: preds"), f"{path}: preds"


def _names(images: list[dict[str, Any]], where: str, truth: Dataset | None) -> Array:
    """(I,) the keys of the images: their names, or the truth's in its order where they have none."""
    for name in ("filename", "file_name"):
        if any(name in image for image in images):
            return texts(images, name, where)
    if not images:
        return strings([])
    if truth is None:
        raise MissingData(f"{where}: images have no names; give the annotations they belong to (--truth)")
    if len(images) != len(truth):
        expected = f"the {len(truth)} of {truth.meta.subset or 'the truth'}, in their order"
        raise DataError(f"{where}: images have no names and there are {len(images)} of them, expected {expected}")
    return truth.key


def _guessed_labels(names: Array, notes: list[str]) -> LabelSpace:
    """The label space where there is no truth: V-COCO's for images named as COCO's are, else HICO's."""
    name = "v-coco" if len(names) and names[0].startswith("COCO_") else "hico"
    notes.append(f"read with label space {name!r} (--truth gives another)")
    return load_labels(name)


QPIC = PairList(
    "pair lists in JSON of QPIC, CDN, RLIP and RLIPv2: verbs",
    "qpic",
    Ids("contiguous", base=0),
    Holds(
        "predictions",
        label_kinds=("verbs",),
        box_frame="continuous",
        optional=frozenset({"box_scores"}),
        objectless=True,
        lonely_boxes=True,
        one_subset=True,
    ),
)
GEN_VLKT = PairList(
    "pair lists in JSON of GEN-VLKT and HOICLIP: interactions",
    "gen-vlkt",
    Ids(None, base=0),
    Holds("predictions", box_frame="continuous", one_subset=True, also=implied_classes),
)


def _with_coco_ids(data: Dataset) -> tuple[Dataset, Lost]:
    """The data themselves. Raises UsageError where their objects have no COCO ids."""
    PPDM.ids.object_ids(data.meta.labels)
    return data, {}


# the verbs of V-COCO in the order of PPDM's ids (src/lib/eval/vcoco_eval.py)
PPDM_VERBS = (
    "surf_instr", "ski_instr", "cut_instr", "walk", "cut_obj", "ride_instr", "talk_on_phone_instr", "kick_obj",
    "work_on_computer_instr", "eat_obj", "sit_instr", "jump_instr", "lay_instr", "drink_instr", "carry_obj",
    "throw_obj", "eat_instr", "smile", "look_obj", "hit_instr", "hit_obj", "snowboard_instr", "run", "point_instr",
    "read_obj", "hold_obj", "skateboard_instr", "stand", "catch_obj",
)  # fmt: skip
PPDM = PairList(
    "PPDM's best_predictions.json: verbs, COCO ids",
    "ppdm",
    Ids("coco", base=1, order=PPDM_VERBS),
    Holds(
        "predictions",
        label_kinds=("verbs",),
        box_frame="inclusive",
        optional=frozenset({"box_scores"}),
        lonely_boxes=True,
        one_subset=True,
        also=_with_coco_ids,
    ),
    named="file_name",
)
