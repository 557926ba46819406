"""A task that trains in a moment, with every kind of randomness: order, repetition, augmentation, dropout.

As a program it trains into a folder, in one process or under torchrun, and may kill itself on the way.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hoitool.errors import DataError
from hoitool.train.loop import Trained, train
from hoitool.train.plan import Pace, Plan
from hoitool.train.task import Task, generator

WIDTH = 6
FACTORS = np.linspace(0.5, 2.0, 22)  # of 22 samples, 27.5 in all


class Regression(Task):
    """A linear map with noise, learned by samples that vary a little every time."""

    def __init__(self, samples: int = 22, noise: float = 0.1, factors: Any = None, broken: int = -1) -> None:
        rng = np.random.default_rng(3)
        self.inputs = rng.normal(size=(samples, WIDTH))
        self.targets = self.inputs @ rng.normal(size=(WIDTH, 2))
        self.noise, self._factors, self.broken = noise, factors, broken
        self.seen: list[list[str]] = []
        self.evaluations: list[float] = []

    def __len__(self) -> int:
        return len(self.inputs)

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        if index == self.broken:
            raise DataError(f"{index}.jpg: not an image")
        noise = generator(5, epoch, index).normal(size=WIDTH) * self.noise
        return {
            "name": f"{index}.jpg",
            "x": torch.tensor(self.inputs[index] + noise, dtype=torch.float32),
            "y": torch.tensor(self.targets[index], dtype=torch.float32),
        }

    def loss(self, module: torch.nn.Module, batch: dict[str, Any], at: float) -> dict[str, torch.Tensor]:
        self.seen.append(batch["name"])
        error = (module(batch["x"]) - batch["y"]).square().mean()
        return {"loss": error, "root": error.sqrt()}

    def names(self, batch: dict[str, Any]) -> list[str]:
        return list(batch["name"])

    def factors(self) -> Any:
        return self._factors

    def evaluate(self, module: torch.nn.Module) -> dict[str, float]:
        inputs = torch.tensor(self.inputs, dtype=torch.float32)
        with torch.no_grad():
            error = (module(inputs) - torch.tensor(self.targets, dtype=torch.float32)).square().mean()
        self.evaluations.append(float(error))
        return {"error": float(error)}


def mlp(dropout: float = 0.0, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    layers = [torch.nn.Linear(WIDTH, 16), torch.nn.Tanh(), torch.nn.Dropout(dropout), torch.nn.Linear(16, 2)]
    return torch.nn.Sequential(*layers)


def plan(**changed: Any) -> Plan:
    return Plan(**({"epochs": 3, "batch": 8, "lr": 0.02} | changed))


def pace(**changed: Any) -> Pace:
    return Pace(**({"device": "cpu", "log_every": 1} | changed))


RICH = plan(
    epochs=5, weight_decay=0.1, clip=1.0, ema=0.9, schedule={"name": "cosine-restarts", "period": 2, "warmup": 0.5}
)
SPREAD: dict[str, Any] = {"clip": 1.0, "ema": 0.8}  # of what is trained by several processes
RICH_PACE = pace(per_device=4, checkpoint_steps=4, best="error", best_is="lowest")


def rich(folder: Path, task: Task | None = None, resume: bool = False) -> tuple[Trained, torch.nn.Module]:
    """A training with all that a checkpoint has to bring back."""
    module = mlp(dropout=0.3)
    task = task or Regression(factors=FACTORS)
    return train(task, module, RICH, folder, RICH_PACE, resume=resume), module


class Dying(Regression):
    """Is killed when its loss is asked for the n-th time."""

    def __init__(self, calls: int) -> None:
        super().__init__(factors=FACTORS)
        self.calls = calls

    def loss(self, module: torch.nn.Module, batch: dict[str, Any], at: float) -> dict[str, torch.Tensor]:
        if len(self.seen) == self.calls:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().loss(module, batch, at)


def _die_in_checkpoint(files: int) -> None:
    """Be killed when the n-th file of checkpoints has been written."""
    from hoitool.train import checkpoint

    real, left = checkpoint.sha256, [files]

    def counted(path: Path) -> str:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(path)

    checkpoint.sha256 = counted


def main() -> None:
    how, folder, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    if how == "die-in-step":
        rich(folder, Dying(number))
    elif how == "die-in-checkpoint":
        _die_in_checkpoint(number)
        rich(folder)
    else:
        module = mlp()
        trained = train(Regression(), module, plan(batch=number, **SPREAD), folder, pace(per_device=2))
        if os.environ["RANK"] == "0":
            torch.save(module.state_dict(), folder / "module.pt")
            (folder / "figures.json").write_text(json.dumps(trained.figures))


if __name__ == "__main__":
    main()
