"""What the loop trains: a task knows its samples and its loss, and nothing of devices, steps or checkpoints.

A task holds no module: it travels to the processes that load samples, and the module does not.
Whatever is random in a sample is drawn from `generator(seed, epoch, index)`, so that it depends neither on the number
of processes nor on where a training was interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch

from hoitool.data.dataset import Array
from hoitool.train.order import SAMPLE

Losses = torch.Tensor | Mapping[str, torch.Tensor]


class Task(Protocol):
    """Samples and a loss. A class that inherits from it need not write those methods that have a body here."""

    def __len__(self) -> int:
        """How many samples there are."""
        ...

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        """One sample, always the same for the same index and epoch; it is called in processes of its own.

        A sample that an epoch repeats comes with another, higher number for the epoch each time, so that its
        augmentation differs. Raises DataError naming the file for what cannot be read.
        """
        ...

    def collate(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch of samples; its tensors go to the device, whatever else it holds stays as it is."""
        return dict(torch.utils.data.default_collate(samples))

    def loss(self, module: torch.nn.Module, batch: dict[str, Any], at: float) -> Losses:
        """The mean over the batch's samples, or several of them of which "loss" is minimised and all are recorded.

        at: the fractional epoch of the step, 0 for the first, for losses that change while a model learns.
        `module` is called as a function, never by other methods: it may be wrapped for several devices.
        """
        ...

    def names(self, batch: dict[str, Any]) -> Sequence[str]:
        """What a message calls the samples of a batch: file names."""
        ...

    def factors(self) -> Array | None:
        """How often each sample is seen in an epoch, at least 0 and fractions allowed; None: once each."""
        return None

    def evaluate(self, module: torch.nn.Module) -> dict[str, float]:
        """Figures by name. Called in every process with the same weights, in evaluation mode and without gradients."""
        return {}


def generator(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The source of all randomness in a sample, for augmentation as well (hoitool/train/augment.py)."""
    return np.random.default_rng([SAMPLE, seed, epoch, index])
