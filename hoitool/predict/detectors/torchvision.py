"""Detectors of torchvision, trained on COCO: its published weights, or a state dict of such a model from a file.

A model with 91 classes, numbered as COCO numbers categories. Each resizes pictures by its own rule, thins boxes by its
own NMS and has a least score of its own, 0.01 to 0.2. The published files lie in the cache that torchvision keeps
(TORCH_HOME) or are downloaded into it. Sources: Ren et al., NeurIPS 2015 (Faster R-CNN); Lin et al., ICCV 2017
(RetinaNet); Tian et al., ICCV 2019 (FCOS); Liu et al., ECCV 2016 (SSD); with torchvision's weights.
"""

from __future__ import annotations

import socket
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.models import get_model_builder, get_model_weights

from hoitool.data.dataset import Array
from hoitool.embed.encoder import Settings as Place
from hoitool.embed.encoders import device as devices
from hoitool.errors import DataError, MissingData, UsageError, first_line
from hoitool.files import sha256
from hoitool.nn.tensors import read_tensors
from hoitool.predict.detectors.detector import Detector, Found, Settings, found

BATCH = {"cpu": 2, "cuda": 8}
TIMEOUT = 5  # seconds until the publisher must have answered at all
COUNTED = "num_batches_tracked"  # of batch norms; torchvision's files of frozen ones do not have it
# published before batch norms had an epsilon here, and torchvision still computes without it
WITHOUT_EPSILON = ("fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", "retinanet_resnet50_fpn_coco-eeacb38b.pth")


def load(settings: Settings) -> Detector:
    """The model of the settings. See hoitool.predict.detectors.detector.load_detector."""
    if settings.variant is not None:
        raise UsageError(f"{settings.name} has no variants, came {settings.variant!r}; --detector hf:ID takes others")
    published = get_model_weights(settings.name).DEFAULT
    device, _ = devices.place(Place(device=settings.device))
    path = Path(settings.weights).expanduser() if settings.weights else _cached(settings.name, published.url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_model_builder(settings.name)(weights=None, weights_backbone=None)
    digest = sha256(path) if path.is_file() else ""
    _fill(model, path, settings.name)
    if any(digest.startswith(_digest(name)) for name in WITHOUT_EPSILON if digest):
        _without_epsilon(model)
    facts = {"weights": path.name, "weights_sha256": digest}
    return Torchvision(settings.name, published.meta["categories"], model.eval().to(device), device, facts)


class Torchvision:
    """See hoitool.predict.detectors.detector.Detector."""

    def __init__(
        self, name: str, classes: Sequence[str], model: nn.Module, device: torch.device, facts: dict[str, Any]
    ) -> None:
        self.name, self.classes, self.model, self.device, self.facts = name, classes, model, device, facts
        self.batch = BATCH.get(device.type, 1)

    def __call__(self, pictures: Sequence[Array]) -> list[Found]:
        """What is found in pictures (H, W, 3) uint8, all of one size."""
        with devices.computing():
            inputs = [torch.tensor(each, device=self.device).permute(2, 0, 1).float() / 255 for each in pictures]
            made = self.model(inputs)
        return [found(each) for each in made]


def _fill(model: nn.Module, path: Path, name: str) -> None:
    """Load a state dict, which must have each tensor. Raises DataError, naming the first that does not fit."""
    state = read_tensors(path, f"the weights of {name}")
    try:
        fitted = model.load_state_dict(state, strict=False)  # torchvision's modules know their older names
    except RuntimeError as error:
        told = str(error).splitlines()[1:] or [str(error)]
        raise DataError(f"{path}: not the weights of {name} with COCO's 91 classes: {told[0].strip()[:160]}") from error
    missing = [key for key in fitted.missing_keys if not key.endswith(COUNTED)]
    for what, names in (("lacks", missing), ("has, in no place,", fitted.unexpected_keys)):
        if names:
            raise DataError(f"{path}: not the weights of {name}: {what} {names[0]} and {len(names) - 1} more")


def _without_epsilon(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0


def _digest(file: str) -> str:
    """The first digits of a published file's hash, which its name ends with."""
    return file.rpartition("-")[2].partition(".")[0]


def _cached(name: str, url: str) -> Path:
    """The published file in torchvision's cache, where it comes to if it is not. Raises MissingData."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        _download(name, url, path)
    return path


def _download(name: str, url: str, path: Path) -> None:
    waited = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), _digest(path.name), progress=False)
    except Exception as error:  # the system's, the network's, or another hash
        raise MissingData(
            f"{name}: its weights are not in {path.parent} and could not be had ({first_line(error)}); download {url} "
            "and give it with --detector-weights FILE"
        ) from error
    finally:
        socket.setdefaulttimeout(waited)
