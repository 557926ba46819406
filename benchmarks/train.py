"""What training costs: the engine over a bare loop, the loading of pictures, and steps of DEFR on a GPU.

    python benchmarks/train.py
    python benchmarks/train.py overhead --width 64 --steps 400      # steps so short that the engine shows
    python benchmarks/train.py loading gpu

overhead  On the CPU: a small transformer, AdamW, batches that lie in memory. The bare loop is a DataLoader, forward,
          backward, step, and nothing else. Both are run in turn, in rounds after one that is not counted; the engine's
          time is all of `train`: its start, a line of metrics every 10 steps and the checkpoint at the end.
loading   Synthetic JPEGs of 640 x 480 decoded and varied as DEFR's recipes do it, for 672 pixels, by 0 (this process),
          1, 2, ... workers up to the number of processors; pictures a second, after the first batches, and of this
          process the time of a processor, which holds on a shared machine too.
gpu       DEFR with ViT-B/32 and B/16 at 672 pixels, AdamW, pictures that lie on the GPU: the engine in bfloat16 with
          torch.compile, and the plain way of the published code, a loop in float32. Left out where there is no GPU.
matching  VSE-infinity at its real size on random regions (36 x 2,048) out of a store and captions of 12 words: samples
          that a processor makes in a second, and steps of 128 pairs with a GRU; on a GPU also with BERT, in bfloat16.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from hoitool.data import strings
from hoitool.losses import LOSSES
from hoitool.models.defr import build
from hoitool.models.vse import build as build_vse
from hoitool.models.vse_words import words_of
from hoitool.predict.image_sets import region_sets
from hoitool.store import Layout, Manifest, Writer
from hoitool.train import metrics
from hoitool.train.augment import augmented
from hoitool.train.estimate import operations
from hoitool.train.loader import batches
from hoitool.train.loop import train
from hoitool.train.order import Order, Parts
from hoitool.train.plan import Pace, Plan
from hoitool.train.settings import Augment
from hoitool.train.task import Task, generator
from hoitool.train.vse.pairs import Pairs
from hoitool.train.vse.settings import Augment as Vary
from hoitool.train.vse.settings import Loss
from hoitool.train.vse.task import Matching

TOKENS, CLASSES, BATCH = 50, 600, 16
SIZE = 672  # pixels
FILES, LOADED = 64, 32  # JPEGs, and pictures in a batch that is loaded
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}  # dense bfloat16, published
PAIRS, PRECISIONS = 128, {"bigru": "float32", "bert": "bfloat16"}  # of matching: a batch, by the text encoder
TOWERS = {"ViT-B/32": ("clip", 128), "ViT-B/16": ("clip:ViT-B-16-quickgelu", 32)}  # and pictures in a batch


class Tokens(Task):
    """Random sequences of tokens with random labels."""

    def __init__(self, samples: int, width: int) -> None:
        rng = np.random.default_rng(0)
        self.x = torch.tensor(rng.normal(size=(64, TOKENS, width)), dtype=torch.float32)
        self.y = torch.tensor(rng.random((64, CLASSES)) < 0.01, dtype=torch.float32)
        self.samples = samples

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"x": self.x[index % 64], "y": self.y[index % 64]}

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        return self[index]

    def loss(self, module: torch.nn.Module, batch: dict[str, Any], at: float) -> torch.Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(module(batch["x"]), batch["y"])

    def names(self, batch: dict[str, Any]) -> list[str]:
        return []


class Classifier(torch.nn.Module):
    """A transformer over tokens and a linear classifier."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layer = torch.nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.body = torch.nn.TransformerEncoder(layer, 4, enable_nested_tensor=False)
        self.head = torch.nn.Linear(width, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.body(x).mean(1))
        return logits


def bare(task: Tokens, module: torch.nn.Module) -> None:
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-4)
    module.train()
    for batch in DataLoader(task, BATCH, shuffle=True):
        optimiser.zero_grad()
        task.loss(module, batch, 0.0).backward()
        optimiser.step()


def engine(task: Tokens, module: torch.nn.Module) -> None:
    with tempfile.TemporaryDirectory() as folder:
        train(task, module, Plan(epochs=1, batch=BATCH, lr=1e-4), Path(folder), Pace(device="cpu"))


def overhead(given: argparse.Namespace) -> None:
    task = Tokens(given.steps * BATCH, given.width)
    seconds: dict[str, list[float]] = {"bare loop": [], "engine": []}
    for turn in range(given.rounds + 1):
        for name, way in (("bare loop", bare), ("engine", engine)):
            torch.manual_seed(0)
            module = Classifier(given.width)
            start = time.perf_counter()
            way(task, module)
            if turn:
                seconds[name].append(time.perf_counter() - start)
    for name, held in seconds.items():
        middle, low, high = (1e3 * value / given.steps for value in (statistics.median(held), min(held), max(held)))
        print(f"{name:<12} {middle:8.2f} ms a step ({low:.2f}..{high:.2f})")
    over = [made / plain - 1 for plain, made in zip(*seconds.values(), strict=True)]
    print(f"over the bare loop: {statistics.median(over):+.1%} ({min(over):+.1%}..{max(over):+.1%}), wanted +5.0%")


class Files(Task):
    """JPEGs, decoded and varied."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.paths = [folder / f"{i}.jpg" for i in range(FILES)]
        for path in self.paths:  # smooth with some noise, so that they decode as photographs do
            coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).resize((640, 480))
            noise = rng.normal(0, 8, (480, 640, 3))
            Image.fromarray((np.asarray(coarse) + noise).clip(0, 255).astype(np.uint8)).save(path, quality=90)

    def __len__(self) -> int:
        return len(self.paths)

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        with Image.open(self.paths[index]) as picture:
            pixels = augmented(picture.convert("RGB"), Augment(), SIZE, generator(0, epoch, index))
        return {"pixels": pixels, "target": np.zeros(CLASSES, np.int8)}

    def loss(self, module: torch.nn.Module, batch: dict[str, Any], at: float) -> torch.Tensor:
        raise NotImplementedError  # it is only loaded

    def names(self, batch: dict[str, Any]) -> list[str]:
        return []


def loading(given: argparse.Namespace) -> None:
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        task = Files(Path(folder))
        size = sum(path.stat().st_size for path in task.paths) / FILES
        print(f"JPEGs of 640 x 480, {size / 1e3:.0f} kB each, for {SIZE} pixels, {cores} processors")
        busy = time.process_time()
        for index in range(FILES):
            task.sample(index, 0)
        busy = (time.process_time() - busy) / FILES
        print(f"a processor  {1 / busy:8.1f} pictures/s, {1e3 * busy:.1f} ms each")
        for workers in sorted({0, *(2**i for i in range(8) if 2**i < cores), cores}):
            rates = [_loaded(task, workers, given.batches) for _ in range(3)]
            told = f"{statistics.median(rates):8.1f} pictures/s ({min(rates):.1f}..{max(rates):.1f})"
            print(f"{workers:>3} workers  {told}", flush=True)


def _loaded(task: Task, workers: int, count: int) -> float:
    """Pictures a second, after as many batches as workers have in advance."""
    skipped = 2 * max(1, workers)
    order = Order(Plan(steps=count + skipped, batch=LOADED, lr=1), len(task))
    held = batches(task, Parts(order, 0, 0, 1, LOADED), workers, pinned=torch.cuda.is_available())
    for _ in itertools.islice(held, skipped):
        pass
    start = time.perf_counter()
    made = sum(len(batch["pixels"]) for batch in held)
    return made / (time.perf_counter() - start)


class OnDevice(Task):
    """Pictures that lie on the device already, so that steps alone are measured."""

    def __init__(self, batch: int, steps: int) -> None:
        self.samples = batch * steps
        self.images = torch.randn(batch, 3, SIZE, SIZE, device="cuda")
        self.targets = (torch.rand(batch, CLASSES, device="cuda") < 0.01).to(torch.int8)
        self.criterion = LOSSES["lse-sign"]()

    def __len__(self) -> int:
        return self.samples

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        return {"index": index}

    def loss(self, module: torch.nn.Module, batch: dict[str, Any], at: float) -> torch.Tensor:
        count = len(batch["index"])
        return self.criterion(module(self.images[:count]), self.targets[:count])

    def names(self, batch: dict[str, Any]) -> list[str]:
        return []


def gpu(given: argparse.Namespace) -> None:
    if not torch.cuda.is_available():
        print("no GPU: left out")
        return
    name = torch.cuda.get_device_name()
    peak = next((held for part, held in PEAKS.items() if part in name), None)
    print(f"{name}, torch {torch.__version__}, DEFR at {SIZE} pixels, forward, backward and AdamW")
    for tower, (backbone, batch) in TOWERS.items():
        needed = operations(build(backbone), lambda n: torch.rand(n, 3, SIZE, SIZE))
        print(f"{tower}: {needed / 1e9:.0f} GFLOP a picture, batches of {batch}")
        for told, way in (("engine, bfloat16, compiled", _engine_on_gpu), ("plain loop, float32", _plain_on_gpu)):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            rate = way(OnDevice(batch, given.gpu_steps), build(backbone).cuda(), batch)
            memory = torch.cuda.max_memory_allocated() / batch / 1e6
            share = "" if peak is None else f", {rate * needed / peak:.1%} of the bfloat16 peak"
            print(f"  {told:<28} {rate:8.1f} pictures/s, {1e3 * batch / rate:7.1f} ms a step{share}", flush=True)
            print(f"  {'':<28} peak memory {memory:.0f} MB a picture, weights and optimiser included")


def _engine_on_gpu(task: OnDevice, module: torch.nn.Module, batch: int) -> float:
    """Pictures a second, of the middle line of metrics: the first one holds the compilation."""
    every = max(1, len(task) // batch // 5)
    with tempfile.TemporaryDirectory() as folder:
        plan = Plan(epochs=1, batch=batch, lr=1e-4, precision="bfloat16")
        train(task, module, plan, Path(folder), Pace(compile=True, log_every=every, checkpoint_minutes=None))
        held = metrics.lines(Path(folder) / metrics.FILE)
    return statistics.median([line["samples_per_second"] for line in held[1:] if "loss" in line])


def _plain_on_gpu(task: OnDevice, module: torch.nn.Module, batch: int) -> float:
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-4)
    module.train()
    steps = len(task) // batch
    for step in range(steps):
        if step == steps // 5:
            torch.cuda.synchronize()
            start = time.perf_counter()
        optimiser.zero_grad()
        task.criterion(module(task.images), task.targets).backward()
        optimiser.step()
    torch.cuda.synchronize()
    return (steps - steps // 5) * batch / (time.perf_counter() - start)


def matching(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pairs = _pairs(Path(folder))
        task = Matching(pairs, Loss(), 0, None)
        busy = time.process_time()
        for index in range(len(task)):
            task.sample(index, 0)
        print(f"a processor  {len(task) / (time.process_time() - busy):8.0f} pairs/s")
        for texts in ("bigru", "bert") if torch.cuda.is_available() else ("bigru",):
            module = build_vse("regions", texts, vocabulary=len(pairs.words))
            plan = Plan(steps=given.pair_steps, batch=PAIRS, lr=5e-4, clip=2.0, precision=PRECISIONS[texts])
            out = Path(folder) / texts
            train(task, module, plan, out, Pace(log_every=1, checkpoint_minutes=None, threads=given.threads))
            rates = [line["samples_per_second"] for line in metrics.lines(out / metrics.FILE) if "loss" in line][1:]
            middle = statistics.median(rates)
            told = f"{middle:8.1f} pairs/s, {1e3 * PAIRS / middle:.0f} ms a step of {PAIRS}"
            print(f"{texts:<12} {told} ({min(rates):.1f}..{max(rates):.1f})", flush=True)


def _pairs(folder: Path) -> Pairs:
    """Random regions in a store, and captions of random words."""
    rng, images = np.random.default_rng(0), 2 * PAIRS
    key = strings([str(i) for i in range(images)])
    layout = Layout(key, np.arange(images + 1, dtype=np.int64) * 36)
    with Writer(folder / "regions.h5", Manifest(of="regions", model="random", dim=2048), layout) as writer:
        writer.write(0, list(rng.normal(size=(images, 36, 2048)).astype(np.float32)))
        writer.finish()
    named = strings([f"word{i}" for i in range(5000)])
    captions = strings([" ".join(rng.choice(named, 12)) for _ in range(images)])
    sets = region_sets(key, [folder / "regions.h5"])
    return Pairs(sets, captions, np.arange(images), key, words_of([*captions, *named], 1), Vary(), 0)


PARTS = {"overhead": overhead, "loading": loading, "gpu": gpu, "matching": matching}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="which; all of them where none is named")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, default=12, help="of loading")
    parser.add_argument("--gpu-steps", type=int, default=50)
    parser.add_argument("--pair-steps", type=int, default=8, help="of matching")
    parser.add_argument("--threads", type=int, default=None, help="of matching on the CPU")
    given = parser.parse_args()
    for part in given.parts or PARTS:
        print(f"-- {part}")
        PARTS[part](given)


if __name__ == "__main__":
    main()
