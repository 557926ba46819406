"""Region embeddings end to end against the bare encoder, and the prompts of labels in one pass.

    python benchmarks/embed.py                                  # on what the machine has
    python benchmarks/embed.py --device cpu --images 40
    python benchmarks/embed.py --arch ViT-L-14 --precision bf16

Images are JPEGs of 640x480 with 8 boxes each, weights are random (they cost the same time). Rates in crops a second,
medians of some rounds after one that is not counted, in which the three are measured one after the other:

    loading   decode, crop and resize in threads, no encoder: the bound of the processor
    encoder   the encoder alone on pixels that are in memory, in the same batches: the bound of the device
    together  `hoitool embed regions` as a library call: files in, store out

and what together is of the lower bound, round by round, so that a machine whose speed drifts does not matter.
Texts: 600 interactions x 7 templates through one job, against one call for each text.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hoitool.data import Dataset, Meta, offsets_of, strings
from hoitool.embed import engine
from hoitool.embed.about import about
from hoitool.embed.crops import CropRule
from hoitool.embed.encoder import Encoder, Settings
from hoitool.embed.labels import Labels
from hoitool.embed.load import load
from hoitool.embed.pictures import album_of
from hoitool.embed.regions import Regions, boxes_of
from hoitool.labels import load_labels
from hoitool.labels.prompts import load_prompts
from hoitool.labels.texts import texts_of
from hoitool.report.embedding import default_workers

SIZE, BOXES = (640, 480), 8


def scenes(folder: Path, images: int) -> Dataset:
    """JPEGs of smooth noise, about as large as COCO's, and random boxes in them."""
    rng = np.random.default_rng(0)
    names = [f"{i:06d}.jpg" for i in range(images)]
    for name in names:
        coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
        coarse.save(folder / name, quality=90)
    corner = rng.uniform(0, [400, 300], (images * BOXES, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(40, [240, 180], corner.shape)], axis=1)
    return Dataset(
        meta=Meta(load_labels("hico"), dataset="bench", box_frame="continuous"),
        key=strings(names),
        boxes=boxes,
        categories=np.zeros(len(boxes), np.int32),
        box_offsets=offsets_of(np.full(images, BOXES)),
        subject=np.empty(0, np.int32),
        object=np.empty(0, np.int32),
        label=np.empty(0, np.int32),
        pair_offsets=np.zeros(images + 1, np.int64),
    )


def random_weights(arch: str, path: Path) -> Path:
    """A checkpoint of an open_clip architecture with random weights."""
    import open_clip
    import torch

    torch.manual_seed(0)
    torch.save(open_clip.create_model(arch, pretrained=None).state_dict(), path)
    return path


def rates(work: dict[str, tuple[Callable[[], None], int]], unit: str, rounds: int) -> dict[str, list[float]]:
    """Things a second of several ways (how, how many), in rounds after one that is not counted; shown."""
    made: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds + 1):
        for name, (way, count) in work.items():
            start = time.perf_counter()
            way()
            if turn:
                made[name].append(count / (time.perf_counter() - start))
    for name, held in made.items():
        middle, low, high = statistics.median(held), min(held), max(held)
        print(f"{name:<44} {middle:10,.1f} {unit}/s  ({low:,.1f}..{high:,.1f})", flush=True)
    return made


def regions(encoder: Encoder, folder: Path, images: int, batch: int, workers: int, rounds: int) -> None:
    data = scenes(folder, images)
    album, boxes = album_of(data, folder), boxes_of(data)
    manifest = about(encoder, "regions", dtype="float16", boxes="truth", box_frame=boxes.frame)
    job = Regions(boxes, album, encoder, manifest, CropRule())
    count = images * BOXES

    def loading() -> None:
        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(job.load, range(images)):
                pass

    pixels = np.concatenate([job.load(i)["image"] for i in range(min(images, -(-batch // BOXES)))])
    pixels = np.concatenate([pixels] * -(-batch // len(pixels)))[:batch]

    def alone() -> None:
        under_way: list[Any] = []
        for start in range(0, count, batch):
            under_way.append(encoder.images(pixels[: min(batch, count - start)]))
            if len(under_way) > engine.UNDER_WAY:
                under_way.pop(0)()
        for wait in under_way:
            wait()

    def together() -> None:
        with tempfile.TemporaryDirectory() as out:
            engine.run(job, Path(out) / "regions.h5", engine.Pace(batch, workers))

    print(f"\nregions: {count:,} crops of {images:,} images, batches of {batch}, {workers} loading threads")
    ways = {"loading (processor)": loading, "encoder on ready pixels (device)": alone, "together": together}
    held = list(rates({name: (way, count) for name, way in ways.items()}, "crops", rounds).values())
    shares = [made / min(loaded, encoded) for loaded, encoded, made in zip(*held, strict=True)]
    middle = statistics.median(shares)
    print(
        f"of the lower bound: {middle:.1%} ({min(shares):.1%}..{max(shares):.1%}); time over it: {1 / middle - 1:.1%}"
    )


def labels(encoder: Encoder, rounds: int) -> None:
    texts = texts_of(load_labels("hico"), "interactions", [load_prompts("clip-7")])
    job = Labels(texts, encoder, about(encoder, "labels", parts=texts.parts))

    def one_pass() -> None:
        with tempfile.TemporaryDirectory() as out:
            engine.run(job, Path(out) / "labels.h5", engine.Pace(4096, 1))

    def one_by_one() -> None:
        for text in texts.text[::10]:
            encoder.texts([text])()

    print(f"\ntexts: {len(texts):,} prompts of {len(texts.key)} interactions")
    ways = {"one job": (one_pass, len(texts)), "one call each, of every tenth": (one_by_one, -(-len(texts) // 10))}
    batched, single = rates(ways, "texts", rounds).values()
    faster = statistics.median(a / b for a, b in zip(batched, single, strict=True))
    print(f"one job is {faster:.1f} times as fast; all of them take {len(texts) / statistics.median(batched):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="ViT-B-32-quickgelu", help="an open_clip architecture")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--batch", type=int, default=0, help="default: what --batch-size auto finds")
    parser.add_argument("--workers", type=int, default=0, help="default: one a core, at most 16")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = random_weights(given.arch, folder / "weights.pt")
        settings = Settings(weights=str(weights), device=given.device, precision=given.precision, compile=given.compile)
        encoder = load(f"clip:{given.arch}", settings, "image")
        device = getattr(encoder, "device", "cpu")
        print(f"{given.arch} on {device}, {given.precision}{', compiled' if given.compile else ''}")
        pictures = folder / "pictures"
        pictures.mkdir()
        batch, workers = given.batch or encoder.best_batch(), given.workers or default_workers()
        regions(encoder, pictures, given.images, batch, workers, given.rounds)
        labels(encoder, given.rounds)


if __name__ == "__main__":
    main()
