"""A trained model, ready to predict: its module, and the card that says what its outputs are.

It is the folder of a run, of which the last weights are taken or the best; one of a run's checkpoints; a folder with
model.json and weights.safetensors; or a file of published weights with a card that says what they are of.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from hoitool import workspace
from hoitool.embed.encoder import PRECISIONS, Settings
from hoitool.embed.encoders.device import place
from hoitool.errors import MissingData, UsageError
from hoitool.files import naming, sha256
from hoitool.lookup import unknown_name
from hoitool.models import MODELS, checkpoints
from hoitool.models.card import FILE, Card, read_card
from hoitool.models.weights import Match, load


@dataclass(frozen=True, eq=False)
class Opened:
    """A model in evaluation mode on its device.

    name, sha256  what it is called, and the hash of the weights that were read
    dtype         of its tower's arithmetic; match: how the names of the file fitted
    """

    module: nn.Module
    card: Card
    name: str
    sha256: str
    device: torch.device
    dtype: torch.dtype
    match: Match


def opened(
    path: Path,
    card: Card | None = None,
    best: bool = False,
    device: str = "auto",
    precision: str = "fp32",
    strict: bool = True,
) -> Opened:
    """A model with its weights.

    path    see the module; card: what a file of weights is of; best: of a run the best weights, not the last
    strict  whether each name of the file must have its place (hoitool/models/weights.py)
    Raises MissingData, DataError and UsageError, each naming the file.
    """
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    where, precise = place(Settings(device=device, precision=precision))
    folder = card_folder(path)
    if card is None:
        if folder is None:
            raise _unknown(path)
        card = read_card(folder)
    with naming(folder or path):
        module = card.build()
    file = path if path.is_file() else weights_of(path, best)
    match = load(module, file, MODELS[card.model].CHECKPOINTS, strict)
    name = folder.resolve().name if folder is not None else path.stem
    _in_precision(module.to(where), precise)
    return Opened(module.eval(), card, name, sha256(file), where, precise, match)


def _in_precision(module: nn.Module, dtype: torch.dtype) -> None:
    """The tower computes in `dtype`; what makes logits of its features, a scale of 100 for one, stays in float32."""
    tower = getattr(module, "backbone", module)
    tower.to(dtype)


def card_folder(path: Path) -> Path | None:
    """The folder of the card that a run, a checkpoint or a file of weights has; None: it has none."""
    inside = path if path.is_dir() else path.parent
    near = (inside, inside.resolve().parent.parent) if path.is_dir() or path.name in OWN else ()
    return next((folder for folder in near if (folder / FILE).is_file()), None)


def weights_of(folder: Path, best: bool = False) -> Path:
    """The file of weights that a folder means. Raises MissingData where it has none."""
    if (folder / checkpoints.ABOUT).is_file():
        return checkpoints.evaluated_file(folder)
    made = checkpoints.steps(folder / checkpoints.FOLDER, "best" if best else "step")
    if made:
        return checkpoints.evaluated_file(made[-1])
    if not best and (folder / checkpoints.WEIGHTS).is_file():
        return folder / checkpoints.WEIGHTS
    raise MissingData(f"{folder}: no {'best weights' if best else 'weights'} of a model here; has its training ended?")


def _unknown(path: Path) -> UsageError | MissingData:
    if not path.exists():
        run = workspace.RUNS / path.name
        near = f"; did you mean {run}?" if run.is_dir() else ""
        return MissingData(
            f"{path}: no such model; a run's folder, a checkpoint or a file of weights was expected{near}"
        )
    if path.is_dir():
        return MissingData(f"{path}: no {FILE} in it, which says what a model is; is it the folder of a run?")
    if path.suffix in STORES:
        return UsageError(f"{path}: a feature store predicts with --zero-shot IMAGES LABELS")
    return UsageError(f"{path}: say what these weights are of with --recipe, such as --recipe defr-clip-lse")


OWN = (checkpoints.WEIGHTS, checkpoints.AVERAGE)
STORES = (".h5", ".hdf5")
