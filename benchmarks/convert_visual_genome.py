"""Converting scene graphs as a stream, as a user runs it: 20,000 and 200,000 images of Visual Genome's kind.

Each image has 35 objects and 21 relations, as Visual Genome's have on average; 4,000 images a shard. Memory should be
the same for both.
python benchmarks/convert_visual_genome.py
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from process import measure, report

OBJECTS, RELATIONS, SHARD = 35, 21, 4000


def main() -> None:
    """Make the files, then measure conversions without filters and with those of relational pre-training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, nargs="*", default=[20_000, 200_000])
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    hoitool = [sys.executable, "-m", "hoitool"] if shutil.which("hoitool") is None else ["hoitool"]
    for images in options.images:
        with tempfile.TemporaryDirectory() as folder:
            source, out = Path(folder) / "vg", Path(folder) / "out.parquet"
            _make(source, images)
            shards = ["--shards", str(max(2, images // SHARD)), "--overwrite"]
            for name, more in (("", []), (", --filter rlip", ["--filter", "rlip"])):
                command = [*hoitool, "convert", str(source), "-o", str(out), *shards, *more]
                size = (source / "scene_graphs.json").stat().st_size / 1e6
                report(f"{images:,} images, {size:,.0f} MB{name}", measure(command, options.runs, warmup=0))


def _make(folder: Path, images: int) -> None:
    """Scene graphs and image data from a seed, written image by image."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    with (folder / "scene_graphs.json").open("w") as graphs, (folder / "image_data.json").open("w") as sizes:
        for i in range(images):
            graphs.write("[" if i == 0 else ",\n")
            json.dump(_image(i, rng), graphs)
            sizes.write(("[" if i == 0 else ",\n") + json.dumps({"image_id": i, "width": 800, "height": 600}))
        graphs.write("]")
        sizes.write("]")


def _image(number: int, rng: np.random.Generator) -> dict[str, object]:
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
