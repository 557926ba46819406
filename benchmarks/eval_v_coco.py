"""V-COCO as a user runs it: converting the annotations, reading the official pickle, scoring from Parquet.

    python benchmarks/eval_v_coco.py                                  # 286,700 detections, made here
    python benchmarks/eval_v_coco.py --annotations path/to/v-coco     # also the conversion of the official files

The made set has the size of V-COCO's val (2,867 images, 100 detections each, all 51 scores). Detections come in two
kinds: `one object` shares a box among the roles of a person, as the QPIC line writes it; `many objects` draws a box for
every role of half of them, which is the worst case for the dense layout.
"""

from __future__ import annotations

import argparse
import pickle
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from process import measure, report

from hoitool import data
from hoitool.convert import load
from hoitool.data import Dataset, Meta, offsets_of, strings
from hoitool.labels import load_labels

IMAGES, BOXES, PEOPLE, EACH = 2867, 9, 4, 100
SIZE = (640, 480)


def make_truth(rng: np.random.Generator) -> Dataset:
    """Images of 9 boxes, 4 of them people, 2 of these annotated, who do some three actions each."""
    labels = load_labels("v-coco")
    boxes = _boxes(IMAGES * BOXES, rng)
    categories = rng.integers(1, 80, (IMAGES, BOXES))
    categories[:, :PEOPLE] = labels.person
    annotated = np.zeros((IMAGES, BOXES), bool)
    annotated[:, :2] = True
    columns: dict[str, list[int]] = {"subject": [], "object": [], "label": []}
    counts = []
    for _ in range(IMAGES):
        before = len(columns["label"])
        for person in range(2):
            for action in sorted(rng.choice(26, 3, replace=False).tolist()):
                for verb in np.flatnonzero(labels.verb_actions == action).tolist():
                    empty = not labels.roles[verb].name or rng.random() < 0.3
                    columns["subject"].append(person)
                    columns["object"].append(-1 if empty else int(rng.integers(PEOPLE, BOXES)))
                    columns["label"].append(verb)
        counts.append(len(columns["label"]) - before)
    names = strings([f"COCO_train2014_{i + 1:012d}.jpg" for i in range(IMAGES)])
    return Dataset(
        meta=Meta(labels, dataset="v-coco", subset="val", label_kind="verbs", box_frame="continuous"),
        key=names,
        file_name=names,
        width=np.full(IMAGES, SIZE[0], np.int32),
        height=np.full(IMAGES, SIZE[1], np.int32),
        boxes=boxes,
        categories=categories.reshape(-1).astype(np.int32),
        annotated=annotated.reshape(-1),
        crowd=np.zeros(len(boxes), bool),
        box_ids=np.arange(1, len(boxes) + 1),
        **{name: np.array(values, np.int32) for name, values in columns.items()},
        box_offsets=offsets_of(np.full(IMAGES, BOXES)),
        pair_offsets=offsets_of(counts),
    )


def write_pickle(truth: Dataset, path: Path, many: bool, rng: np.random.Generator) -> None:
    """The official list of dicts: people near true ones, objects near true boxes, random scores."""
    labels, boxes = truth.meta.labels, truth.boxes.reshape(IMAGES, BOXES, 4)
    agents = [f"{action}_agent" for action in labels.actions]
    roles = [labels.verbs[v] for v in labels.role_verbs]
    held = []
    for image in range(IMAGES):
        people = boxes[image, rng.integers(0, PEOPLE, EACH)] + rng.normal(0, 12, (EACH, 4))
        objects = boxes[image, rng.integers(0, BOXES, (EACH, 25))] + rng.normal(0, 9, (EACH, 25, 4))
        if many:
            objects[::2] = objects[::2, :1]
        else:
            objects[:] = objects[:, :1]
        objects[rng.random((EACH, 25)) < 0.2] = 0
        scores = rng.random((EACH, 51))
        rows = np.concatenate([objects, scores[:, 26:, None]], axis=2).tolist()
        for person, agent, role in zip(people.tolist(), scores[:, :26].tolist(), rows, strict=True):
            made = {"image_id": image + 1, "person_box": person}
            held.append(made | dict(zip(agents, agent, strict=True)) | dict(zip(roles, role, strict=True)))
    with path.open("wb") as stream:
        pickle.dump(held, stream, protocol=2)


def _boxes(count: int, rng: np.random.Generator) -> np.ndarray:
    low = rng.uniform(0, [SIZE[0] - 200, SIZE[1] - 200], (count, 2)).round(2)
    return np.hstack([low, low + rng.uniform(20, 200, (count, 2)).round(2)])


def main() -> None:
    """Make the files, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotations", type=Path, help="a folder of the official V-COCO files")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    hoitool = shutil.which("hoitool", path=str(Path(sys.executable).parent)) or "hoitool"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.annotations:
            command = [hoitool, "convert", str(options.annotations), "-o", str(folder / "official"), "--overwrite"]
            report("the official annotations to Parquet", measure(command, options.runs), "limit 15 s")
        truth = make_truth(np.random.default_rng(0))
        data.write(truth, folder / "val.parquet")
        for kind, many in (("one object", False), ("many objects", True)):
            source, target = folder / "detections.pkl", folder / "detections.parquet"
            write_pickle(truth, source, many, np.random.default_rng(1))
            command = [hoitool, "convert", str(source), "--truth", str(folder / "val.parquet"), "-o", str(target)]
            costs = measure([*command, "--overwrite"], 2, 0)
            report(f"{kind}: pickle, {source.stat().st_size / 1e6:.0f} MB, to Parquet", costs)
            code = "import sys; from hoitool import load; load(sys.argv[1], truth=load(sys.argv[2]))"
            code_of = [sys.executable, "-c", code, str(source), str(folder / "val.parquet")]
            report(f"{kind}: reading the pickle", measure(code_of, 2, 0), "limit 20 s")
            command = [hoitool, "eval", str(target), "--truth", str(folder / "val.parquet"), "--protocol", "v-coco"]
            size = f"Parquet, {target.stat().st_size / 1e6:.0f} MB, {len(load(target).subject):,} candidates"
            report(f"{kind}: scoring, {size}", measure(command, options.runs), "limit 3 s, 1500 MB")


if __name__ == "__main__":
    main()
