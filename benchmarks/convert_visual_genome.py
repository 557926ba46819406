"""Converting scene graphs as a user does it: streams of 20,000 and 200,000 images, and VG150 in HDF5.

Each image has 35 objects and 21 relations, as Visual Genome's have on average; 4,000 images a shard. So have the
pseudo-labelled ones, with confidences, and paths of images for twice as many. Memory should be the same for 20,000 and
200,000. VG150 is of its own size: 108,073 images, 11 boxes and 6 relations each.
python benchmarks/convert_visual_genome.py
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from process import apart, measure, report

OBJECTS, RELATIONS, SHARD = 35, 21, 4000
VG150 = (108_073, 11, 6)  # images; boxes and relations of each
GRAPHS, LABELLED = "scene_graphs.json", "RLIPv2_o365trainval.json"
FILTERS = {"": [], ", --filter rlip": ["--filter", "rlip"]}
PSEUDO = {", pseudo-labelled, --filter confident=0.5": ["--filter", "confident=0.5"]}


def main() -> None:
    """Make the files, then measure conversions without filters and with those of relational pre-training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="*", default=[20_000, 200_000])
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    hoitool = [sys.executable, "-m", "hoitool"] if shutil.which("hoitool") is None else ["hoitool"]
    for images in options.images:
        for make, name, filters in ((visual_genome, GRAPHS, FILTERS), (pseudo_labels, LABELLED, PSEUDO)):
            with tempfile.TemporaryDirectory() as folder:
                source = Path(folder) / "vg" / "annotations" / name
                apart(make, source, images)
                shards = ["--shards", str(max(2, images // SHARD)), "--overwrite"]
                for told, more in filters.items():
                    command = [*hoitool, "convert", str(source), "-o", f"{folder}/out.parquet", *shards, *more]
                    size = source.stat().st_size / 1e6
                    report(f"{images:,} images, {size:,.0f} MB{told}", measure(command, options.runs, warmup=0))
    with tempfile.TemporaryDirectory() as folder:
        apart(vg150, Path(folder) / "vg150", *VG150)
        command = [*hoitool, "convert", f"{folder}/vg150", "-o", f"{folder}/out"]
        report(f"VG150, {VG150[0]:,} images", measure(command, options.runs, warmup=0))


def visual_genome(path: Path, images: int) -> None:
    """Scene graphs and image data from a seed."""
    _write(path.parent / "image_data.json", ({"image_id": i, "width": 800, "height": 600} for i in range(images)))
    rng = np.random.default_rng(0)
    _write(path, (_image(i, rng) for i in range(images)))


def pseudo_labels(path: Path, images: int) -> None:
    """Objects365 as RLIPv2 labels it, and the paths of its images."""
    path.parent.mkdir(parents=True)
    paths = {str(i): f"train/patch{i % 51}/objects365_v1_{i:08d}.jpg" for i in range(2 * images)}
    (path.parent.parent / "image_id_to_filepath.json").write_text(json.dumps(paths))
    rng = np.random.default_rng(0)
    _write(path, (_labelled(_image(i, rng), rng) for i in range(images)))


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """A list, written row by row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for i, row in enumerate(rows):
            file.write(("[" if i == 0 else ",\n") + json.dumps(row))
        file.write("]")


def _labelled(image: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """An image as a model labels it."""
    for relation, confidence in zip(image["relationships"], rng.random(RELATIONS).tolist(), strict=True):
        relation["confidence"] = confidence
    return image | {"dataset": "o365", "data_split": "train"}


def vg150(folder: Path, images: int, boxes: int, relations: int) -> None:
    """VG-SGG.h5, its names and its image data."""
    import h5py

    rng = np.random.default_rng(0)
    image = np.arange(images)
    arrays = {
        "split": np.where(rng.random(images) < 0.7, 0, 2),
        "img_to_first_box": image * boxes,
        "img_to_last_box": (image + 1) * boxes - 1,
        "img_to_first_rel": image * relations,
        "img_to_last_rel": (image + 1) * relations - 1,
        "boxes_1024": rng.integers(1, 600, (images * boxes, 4)),
        "labels": rng.integers(1, 151, (images * boxes, 1)),
        "predicates": rng.integers(1, 51, (images * relations, 1)),
        "relationships": np.repeat(image * boxes, relations)[:, None] + rng.integers(0, boxes, (images * relations, 2)),
    }
    _write(folder / "image_data.json", ({"image_id": i, "width": 800, "height": 600} for i in range(images)))
    with h5py.File(folder / "VG-SGG.h5", "w") as file:
        for name, values in arrays.items():
            file[name] = values.astype(np.int32)
    sizes = {"label_to_idx": 150, "predicate_to_idx": 50}
    names = {field: {f"name {i}": i for i in range(1, count + 1)} for field, count in sizes.items()}
    (folder / "VG-SGG-dicts.json").write_text(json.dumps(names))


def _image(number: int, rng: np.random.Generator) -> dict[str, Any]:
    """An image with names whose counts fall as in a long tail."""
    first = number * OBJECTS
    names = np.minimum(rng.zipf(1.3, OBJECTS), 20_000)
    boxes, ends = rng.integers(1, 300, (OBJECTS, 4)), first + rng.integers(0, OBJECTS, (RELATIONS, 2))
    predicates = np.minimum(rng.zipf(1.5, RELATIONS), 10_000)
    objects = [
        {"synsets": [f"name{n}.n.01"], "h": h, "object_id": first + i, "names": [f"name {n}"], "w": w, "y": y, "x": x}
        for i, (n, (x, y, w, h)) in enumerate(zip(names.tolist(), boxes.tolist(), strict=True))
    ]
    relationships = [
        {
            "predicate": f"predicate {p}",
            "object_id": o,
            "relationship_id": number * RELATIONS + i,
            "synsets": ["along.r.01"],
            "subject_id": s,
        }
        for i, (p, (s, o)) in enumerate(zip(predicates.tolist(), ends.tolist(), strict=True))
    ]
    return {"relationships": relationships, "image_id": number, "objects": objects}


if __name__ == "__main__":
    main()
