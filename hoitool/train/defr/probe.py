"""Linear probes: a classifier alone learns, on what a backbone that stays makes of pictures as they are.

Each picture goes through the backbone once, into a feature store of the workspace's features/, which an interrupted
run goes on with and a later one of the same backbone and pictures finds; then the classifier is trained on its rows.
The module is the whole recogniser, which takes features for pictures, so that checkpoints and predictions are as ever.
A recipe whose pictures vary (augment) sends them through the backbone every time instead.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hoitool import launch, workspace
from hoitool.data.dataset import Array
from hoitool.embed import engine
from hoitool.embed.about import about
from hoitool.embed.encoder import Pending, Settings
from hoitool.embed.encoders.device import Eye, awaited, best_batch, computing, place
from hoitool.embed.images import Images
from hoitool.embed.load import short_name
from hoitool.embed.pictures import Album
from hoitool.embed.preprocess import Preprocess
from hoitool.errors import DataError, UsageError
from hoitool.models.card import Labelled
from hoitool.predict.recognition import squash
from hoitool.store import Store
from hoitool.train.defr.evaluate import evaluated, figures
from hoitool.train.defr.recognition import Recognition
from hoitool.train.defr.settings import Recipe
from hoitool.train.settings import Augment

AS_THEY_ARE = Augment(flip=0.0, brightness=0.0, contrast=0.0, crop_scale=None)
ROWS = 4096  # rows at once through the classifier when it is evaluated


def is_probe(recipe: Recipe) -> bool:
    """Whether the classifier alone is trained, on pictures as they are."""
    varied = recipe.augment.model_copy(update={"crop_ratio": AS_THEY_ARE.crop_ratio})
    return recipe.model.train == "classifier" and varied == AS_THEY_ARE


@dataclass(frozen=True, eq=False)
class Probe(Recognition):
    """Recognition whose samples are features: (I, dim) of its images, (J, dim) of those of its examination."""

    features: Array
    examined: Array | None

    def sample(self, index: int, epoch: int) -> dict[str, Any]:
        """The features of a picture (dim,), what is said of its labels (K,); its number."""
        return {"features": self.features[index], "target": self.images.target(index), "index": index}

    def loss(self, module: nn.Module, batch: dict[str, Any], at: float) -> torch.Tensor:
        """The criterion of the module's logits; only 1 is positive."""
        return self.criterion(module(batch["features"]), batch["target"])

    def evaluate(self, module: nn.Module) -> dict[str, float]:
        """mAP by split, as recognition has it."""
        held = self.examination
        if held is None or self.examined is None:
            return {}
        device = next(module.parameters()).device
        parts = torch.split(torch.from_numpy(self.examined), ROWS)
        logits = torch.cat([module(part.to(device)).float().cpu() for part in parts]).numpy()
        return figures(evaluated(held.truth, logits, held.protocol, held.variant))


def probe(task: Recognition, module: nn.Module, device: str, workers: int, say: Callable[[str], None]) -> Probe:
    """A task of pictures as one of their features, which are made where they are not there.

    module: with a `backbone`, which is moved to `device` (auto, cpu). Raises DataError for a picture that cannot be
    read, naming it, when all others are made.
    """
    tower = Tower(module.backbone, task.card, device)  # type: ignore[arg-type]
    made = [tower.rows(album, workers, say) for album in task.images.albums]
    examined = None if task.examination is None else tower.rows(task.examination.album, workers, say)
    held = {field.name: getattr(task, field.name) for field in fields(Recognition)}
    return Probe(**held, features=np.concatenate(made), examined=examined)


class Tower:
    """A model's backbone as an encoder of pictures (hoitool/embed/encoder.py), by the hash of its weights."""

    def __init__(self, backbone: nn.Module, card: Labelled, device: str) -> None:
        self.device, dtype = place(Settings(device=_own(device)))
        self.backbone = backbone.to(self.device).eval()
        self.name = str(card.numbers["backbone"])
        self.dim = int(backbone.dim)  # type: ignore[arg-type]
        self.preprocess: Preprocess | None = squash(card)
        space = "joint" if card.numbers.get("projected") else "pre-projection"
        self.facts: dict[str, Any] = {"weights_sha256": digest(backbone), "space": space, "normalised": False}
        self._eye = Eye(squash(card), self.device, dtype)

    def images(self, pixels: Array) -> Pending:
        """(N, dim) of N pictures (N, H, W, 3) uint8."""
        with computing():
            return awaited(self.backbone(self._eye(pixels)))

    def texts(self, texts: Sequence[str]) -> Pending:
        """Raises UsageError: it encodes pictures alone."""
        raise UsageError(f"the backbone {self.name} encodes pictures alone")

    def maps(self, pixels: Array) -> Pending:
        """Raises UsageError: it encodes whole pictures alone."""
        raise UsageError(f"the backbone {self.name} encodes whole pictures alone")

    def best_batch(self) -> int:
        """A batch of pictures that keeps the device busy."""
        assert self.preprocess is not None
        return best_batch(self.images, self.preprocess, self.device)

    def rows(self, album: Album, workers: int, say: Callable[[str], None]) -> Array:
        """(I, dim) float32 of an album's pictures, out of their store."""
        job = Images(album, self, about(self, "images"))
        plan = hashlib.sha256("\n".join([job.manifest.dump(), *map(str, album.keys)]).encode()).hexdigest()
        path = workspace.features_path(f"pictures-{plan[:12]}", short_name(self.name))
        if launch.is_first():
            _make(job, path, workers, self.best_batch, say)
        while not path.exists() or Store(path).failed:  # in other processes; torchrun ends them where the first fails
            time.sleep(0.1)
        store = Store(path)
        return store.rows(0, len(store))


def _make(job: Images, path: Path, workers: int, best_batch: Callable[[], int], say: Callable[[str], None]) -> None:
    """Make a store, or go on with it, unless it is there."""
    count = len(job.album.names)
    try:
        done = engine.found(job, path) if path.exists() else None
    except UsageError:  # pictures have changed, or others have their names
        say(f"features: {path} is of other pictures, and made anew")
        path.unlink()
        done = None
    if done is None:
        say(f"features: each of {count:,} pictures once through {job.manifest.model}, into {path}")
        done = engine.run(job, path, engine.Pace(best_batch(), max(1, workers)))
    else:
        say(f"features: those of {count:,} pictures are in {path}")
    if done.failed:
        raise DataError(f"{next(iter(done.failed.values()))}; {len(done.failed):,} of {count:,} pictures are like it")


def _own(device: str) -> str:
    """The GPU of this process, where there are GPUs and it may have one."""
    if device != "auto" or not torch.cuda.is_available():
        return device
    return f"cuda:{launch.place().local_rank}"


def digest(module: nn.Module) -> str:
    """SHA-256 of a module's weights and their names."""
    made = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        made.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        made.update(tensor.detach().cpu().contiguous().numpy().data)
    return made.hexdigest()
