"""Scoring image-text retrieval and Crisscrossed Captions: time and peak memory of a whole process.

    python benchmarks/eval_retrieval.py              # 5,000 images and 25,000 captions, made here
    python benchmarks/eval_retrieval.py --runs 3

The stores are made with the size of COCO's 5K test, in float32 of 64 and of 1,024 dimensions; the ratings with the
numbers of pairs of the test of Crisscrossed Captions. `text-to-text` is that search alone, by the library.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from process import apart, measure, report

from hoitool.data.dataset import offsets_of, strings
from hoitool.store import Layout, Manifest, Writer

IMAGES, EACH = 5000, 5
PAIRS = {"sts": 19_045, "sis": 46_719, "sits": 19_833}
T2T = """
import sys
import numpy as np
from hoitool.eval.embedded import from_store
from hoitool.eval.search_ranks import rank_among
from hoitool.store import Store
held = from_store(Store(sys.argv[1]))
query = np.repeat(np.arange(len(held.captions)), 4)
item = query // 5 * 5 + (query + np.tile(np.arange(1, 5), len(held.captions))) % 5
rank_among(held.captions, (query, item))
"""


def make_store(path: Path, dim: int, seed: int) -> None:
    """A store of images and captions that are near to their image."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((IMAGES, dim), np.float32)
    rows = np.repeat(images[:, None], 1 + EACH, axis=1)
    rows[:, 1:] += 1.5 * rng.standard_normal((IMAGES, EACH, dim), np.float32)
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    layout = Layout(
        strings([image_name(i) for i in range(IMAGES)]),
        offsets_of([1 + EACH] * IMAGES),
        {
            "part": np.tile(np.array([0] + [1] * EACH, np.uint8), IMAGES),
            "caption": (np.arange(IMAGES)[:, None] * EACH + np.arange(1 + EACH) - 1).ravel(),
        },
    )
    layout.columns["caption"][:: 1 + EACH] = -1
    manifest = Manifest(of="captions", model=f"made:{seed}", dim=dim, parts=("image", "text"))
    with Writer(path, manifest, layout) as writer:
        writer.write(0, list(rows))
        writer.finish()


def make_ratings(folder: Path) -> None:
    """Random ratings of pairs, beside those of co-captions and of captions with their images."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    captions, images = [caption_name(i) for i in range(IMAGES * EACH)], [image_name(i) for i in range(IMAGES)]
    things = {"sts": (captions, captions), "sis": (images, images), "sits": (captions, images)}
    same = {
        "sts": [(i, i // EACH * EACH + (i + 1) % EACH, "c2c_cocaption") for i in range(len(captions))],
        "sis": [],
        "sits": [(i, i // EACH, "c2i_original") for i in range(len(captions))],
    }
    for kind, (one, two) in things.items():
        pairs = zip(rng.integers(0, len(one), PAIRS[kind]), rng.integers(0, len(two), PAIRS[kind]), strict=True)
        rows = [*same[kind], *((a, b, "other") for a, b in pairs)]
        lines = (f"{one[a]},{two[b]},{rng.integers(0, 501) / 100},{method}" for a, b, method in rows)
        (folder / f"{kind}_test.csv").write_text("\n".join(["one,two,agg_score,sampling_method", *lines, ""]))


def caption_name(number: int) -> str:
    """COCO's name of a caption in Crisscrossed Captions."""
    return f"COCO_val2014:sentid:{number}"


def image_name(number: int) -> str:
    """COCO's name of an image."""
    return f"COCO_val2014_{number:012d}.jpg"


def main() -> None:
    """Make the files, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    hoitool = shutil.which("hoitool", path=str(Path(sys.executable).parent)) or "hoitool"
    with tempfile.TemporaryDirectory() as folder:
        small, other, large, ratings = (Path(folder) / name for name in ("64.h5", "64b.h5", "1024.h5", "cxc"))
        for path, dim, seed in ((small, 64, 0), (other, 64, 1), (large, 1024, 0)):
            apart(make_store, path, dim, seed)
        apart(make_ratings, ratings)
        score = [hoitool, "eval", "--protocol"]
        for name, command, limit in (
            ("retrieval, 64 dimensions", [*score, "retrieval", str(small)], "limit 1.5 s, 500 MB"),
            ("retrieval, two models of 64", [*score, "retrieval", str(small), str(other)], ""),
            ("retrieval, 1,024 dimensions", [*score, "retrieval", str(large)], "limit 8 s"),
            ("text-to-text, 64 dimensions", [sys.executable, "-c", T2T, str(small)], "limit 5 s, 1 GB"),
            ("cxc, 64 dimensions", [*score, "cxc", str(small), "--truth", str(ratings)], ""),
        ):
            report(name, measure(command, runs), limit)


if __name__ == "__main__":
    main()
