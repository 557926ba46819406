"""The engine against a bare loop over the same samples on the CPU: what logging, seeding and bookkeeping cost.

    python benchmarks/train.py
    python benchmarks/train.py --width 64 --steps 400       # steps so short that the engine shows

A small transformer, AdamW, batches that lie in memory. The bare loop is a DataLoader, forward, backward, step, and
nothing else. Both are run in turn, in rounds after one that is not counted; the engine's time is all of `train`: its
start, a line of metrics every 10 steps and the checkpoint at the end. Wanted: less than 5 % over the bare loop.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from hoitool.train.loop import train
from hoitool.train.plan import Pace, Plan
from hoitool.train.task import Task

TOKENS, CLASSES, BATCH = 50, 600, 16


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

    def loss(self, module: torch.nn.Module, batch: dict[str, Any]) -> torch.Tensor:
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
        task.loss(module, batch).backward()
        optimiser.step()


def engine(task: Tokens, module: torch.nn.Module) -> None:
    with tempfile.TemporaryDirectory() as folder:
        train(task, module, Plan(epochs=1, batch=BATCH, lr=1e-4), Path(folder), Pace(device="cpu"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
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


if __name__ == "__main__":
    main()
