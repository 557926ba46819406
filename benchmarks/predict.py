"""Pairs of boxes scored by a recogniser: the whole path against one pair at a time, as a model over pairs is often run.

    python benchmarks/predict.py                                  # ViT-B/32 at 224 and 672, on what the machine has
    python benchmarks/predict.py --device cuda --precision bf16 --images 512 --batch 32 --workers 14

Images are JPEGs of 640x480 with 4 people and 6 other boxes each, 36 pairs; weights are random (they cost the same
time). Rates in images and pairs a second, medians of some rounds after one that is not counted, in which each is
measured in turn:

    together   `pair_predictions` as a library call: files in, predictions out
    tower      the recogniser alone on pictures that are in memory: the bound of the device
    one pair   the module on one picture and one pair at a time, its picture read and squashed once
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hoitool.data import Dataset, Meta, no_pairs, offsets_of, select_images, strings
from hoitool.embed.encoder import Settings
from hoitool.embed.encoders.device import place
from hoitool.embed.pictures import Album, album_of
from hoitool.embed.preprocess import CLIP_MEAN, CLIP_STD
from hoitool.labels import load_labels
from hoitool.models.card import Labelled
from hoitool.models.defr import Defr
from hoitool.models.defr_detection import DefrDetection, squashed
from hoitool.predict.candidates import candidates
from hoitool.predict.detection import pair_predictions
from hoitool.predict.looking import Looking
from hoitool.predict.recognition import Pace

SIZE, PEOPLE, OTHERS, CELL = (640, 480), 4, 6, 100
PAIRS = PEOPLE * (PEOPLE - 1 + OTHERS)


def scenes(folder: Path, images: int) -> Dataset:
    """JPEGs of smooth noise, about as large as COCO's, and boxes that NMS leaves alone."""
    rng = np.random.default_rng(0)
    names = [f"{i:06d}.jpg" for i in range(images)]
    for name in names:
        coarse = Image.fromarray(rng.integers(0, 256, (60, 80, 3), np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
        coarse.save(folder / name, quality=90)
    each, space = PEOPLE + OTHERS, load_labels("hico")
    others = [space.object_index(name) for name in ("bicycle", "dog", "chair", "car", "cup", "umbrella")]
    low = np.array([(CELL * (i % 5), 2 * CELL * (i // 5)) for i in range(each)] * images, float)
    columns = no_pairs(images) | {
        "boxes": np.concatenate([low, low + rng.uniform(60, 140, low.shape)], axis=1),
        "categories": np.array(([space.person] * PEOPLE + others) * images, np.int32),
        "box_scores": rng.uniform(0.3, 1, each * images),
        "box_offsets": offsets_of([each] * images),
    }
    return Dataset(meta=Meta(space, dataset="bench", box_frame="continuous"), key=strings(names), **columns)


def one_at_a_time(module: Defr, data: Dataset, album: Album, card: Labelled, how: Looking) -> None:
    """Each pair alone."""
    assert how.mask != "crops"
    model, table, weight = DefrDetection(module, how.mask, how.mask_layers), candidates(data), module.backbone
    held = next(weight.parameters())
    scale = torch.tensor([card.image_size / side for side in SIZE * 2])
    for image in range(len(data)):
        pixels = torch.from_numpy(np.array(album.open(image))).to(held.device).permute(2, 0, 1) / 255
        squash = squashed(pixels, card.image_size, card.mean, card.std)[None].to(held.dtype)
        boxes = (torch.from_numpy(data.boxes[data.box_offsets[image] : data.box_offsets[image + 1]]) * scale).to(held)
        rows = slice(table.offsets[image], table.offsets[image + 1])
        for human, obj in zip(table.human[rows].tolist(), table.object[rows].tolist(), strict=True):
            none = torch.zeros(1, dtype=torch.long, device=held.device)
            model(squash, boxes[[human]], boxes[[obj]], none).sigmoid().cpu()


def rates(works: dict[str, tuple[int, Callable[[], object]]], rounds: int) -> dict[str, float]:
    """Images a second of each work over so many images: the median of some rounds after one that is not counted."""
    took: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 1):
        for name, (_, work) in works.items():
            start = time.perf_counter()
            with torch.inference_mode():
                work()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            took[name].append(time.perf_counter() - start)
    return {name: images / statistics.median(took[name][1:]) for name, (images, _) in works.items()}


def measure(side: int, asked: argparse.Namespace, data: Dataset, album: Album) -> None:
    """The three rates of pictures of a size."""
    numbers = {"backbone": asked.backbone, "classes": 600, "image_size": side}
    card = Labelled("defr", numbers, {}, data.meta.labels, "interactions", CLIP_MEAN, CLIP_STD)
    device, dtype = place(Settings(device=asked.device, precision=asked.precision))
    module = card.build().to(device).eval()
    assert isinstance(module, Defr)
    module.backbone.to(dtype)
    pace, how = Pace(asked.batch, asked.workers), Looking(asked.mask)
    pictures = torch.zeros(asked.batch, 3, side, side, device=device, dtype=dtype)
    works: dict[str, tuple[int, Callable[[], object]]] = {
        "together": (len(data), lambda: list(pair_predictions(module, data, album, card, how=how, pace=pace))),
        "tower": (asked.batch, lambda: module(pictures)),
    }
    if asked.slow:
        few = select_images(data, np.arange(asked.slow))
        part = Album(album.names[: asked.slow], few.key, album.pictures)
        works["one pair"] = asked.slow, lambda: one_at_a_time(module, few, part, card, how)
    for name, found in rates(works, asked.rounds).items():
        print(f"{side} px  {name:10s} {found:8.3f} images/s {found * PAIRS:9.2f} pairs/s")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="clip")
    parser.add_argument("--sides", type=int, nargs="+", default=[224, 672])
    parser.add_argument("--mask", default="as-written")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--slow", type=int, default=2, help="images for one pair at a time, 0: leave that out")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = scenes(Path(folder), asked.images)
        assert (np.diff(candidates(data).offsets) == PAIRS).all()
        for side in asked.sides:
            measure(side, asked, data, album_of(data, Path(folder)))


if __name__ == "__main__":
    main()
