"""Reading rows of a feature store at random: the store, plain h5py slicing, and a .npy file for each image.

    python benchmarks/read_features.py                          # 2 GB of float16, made here
    python benchmarks/read_features.py --images 20000 --runs 3

Each image has 10 rows of 512 numbers. A run reads the rows of 1,000 random images, others in each run, from files that
the operating system holds in memory (just written, and the store is read once before). The files per image are
of the first 20,000 images only, which favours them. Times are of one process, opening included for the store and h5py.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from hoitool.data.dataset import Array, offsets_of, strings
from hoitool.store import Layout, Manifest, Store, Writer

ROWS, DIM, READ, FILES = 10, 512, 1000, 20_000
BLOCK = 1000


def make(folder: Path, images: int) -> None:
    """The store, and the files of its first images."""
    rng = np.random.default_rng(0)
    layout = Layout(strings([f"{i:012d}.jpg" for i in range(images)]), offsets_of([ROWS] * images))
    with Writer(
        folder / "features.h5", Manifest(of="regions", model="none", dim=DIM, dtype="float16"), layout
    ) as writer:
        for first in range(0, images, BLOCK):
            count = min(BLOCK, images - first)
            rows = rng.random((count, ROWS, DIM), np.float32).astype(np.float16)
            writer.write(first, list(rows))
            for i in range(first, min(first + count, FILES)):
                np.save(folder / f"{i}.npy", rows[i - first])
        writer.finish()


def by_store(folder: Path, images: Array) -> int:
    """All rows at once."""
    return len(Store(folder / "features.h5").read(images))


def by_image(folder: Path, images: Array) -> int:
    """Image by image, as a DataLoader asks."""
    store = Store(folder / "features.h5")
    return sum(len(store[i]) for i in images.tolist())


def by_h5py(folder: Path, images: Array) -> int:
    """A slice of the dataset for each image."""
    with h5py.File(folder / "features.h5") as file:
        offsets, features = file["offsets"][()], file["features"]
        return sum(len(features[offsets[i] : offsets[i + 1]]) for i in images.tolist())


def by_files(folder: Path, images: Array) -> int:
    """A file for each image."""
    return sum(len(np.load(folder / f"{i}.npy")) for i in images.tolist())


WAYS: dict[str, Callable[[Path, Array], int]] = {
    "Store.read of all": by_store,
    "Store[image], one after the other": by_image,
    "h5py, a slice each": by_h5py,
    "a .npy file each": by_files,
}


def main() -> None:
    """Make the files, read each way, print the median and range in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--folder", type=Path, help="where to write; a temporary folder if not given")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        make(folder, asked.images)
        print(f"{(folder / 'features.h5').stat().st_size / 1e9:.2f} GB, {asked.images:,} images; {READ} of them:")
        (folder / "features.h5").read_bytes()
        for way, function in WAYS.items():
            rng, spent = np.random.default_rng(1), []
            for _ in range(asked.runs + 1):
                images = rng.integers(0, min(FILES, asked.images) if function is by_files else asked.images, READ)
                start = time.perf_counter()
                assert function(folder, images) == READ * ROWS
                spent.append(1000 * (time.perf_counter() - start))
            spent = sorted(spent[1:])
            print(f"{way:<36} {statistics.median(spent):7.1f} ms ({spent[0]:.1f}..{spent[-1]:.1f})", flush=True)


if __name__ == "__main__":
    main()
