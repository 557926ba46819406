"""Training starts from a checkpoint of a whole model: published, a run of ours, or one of another size of pictures."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from hoitool.models import MODELS
from hoitool.models.weights import Match, load
from hoitool.predict.opened import weights_of


def load_checkpoint(module: nn.Module, model: str, path: Path, strict: bool = True) -> Match:
    """Copy the weights of a file, or the last ones of a run's folder, into a module, and say how they fitted.

    model: its name in MODELS; strict: whether each name must have its place, with its shape
    Raises MissingData, and DataError for a file of anything else, in one line that names the first difference.
    """
    file = weights_of(path) if path.is_dir() else path
    return load(module, file, MODELS[model].CHECKPOINTS, strict)
