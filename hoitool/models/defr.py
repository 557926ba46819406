"""DEFR: recognition of human-object interactions in whole pictures, detection-free.

A vision transformer's class token f, and a classifier with a row for each interaction, which starts from the
embedding of a sentence ("a person riding a bicycle") and is then free. Probabilities are sigmoid(logits).

    logits = exp(s) f' W'^T    f' and the rows of W' have length 1, s = 4.61 (cosine)
Source: Jin et al., The Overlooked Classifier in Human-Object Interaction Recognition, CVPR 2022 (DEFR), and its
published code, from which are: f is CLIP's before its projection; with s = 0 f is neither normalised nor scaled; a
trainable s is held at 4.61 or less. Pictures are squashed to 672 x 672 with bicubic interpolation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from hoitool.data.dataset import Array
from hoitool.errors import UsageError
from hoitool.lookup import unknown_name
from hoitool.models.backbones import build_backbone, load_backbone
from hoitool.models.weights import KeyMap
from hoitool.nn.classifiers import Cosine, Linear, Mapped, rows
from hoitool.nn.towers import Tower

SUMMARY = "DEFR: interactions of whole pictures, a classifier that starts from language"
SCALE = 4.61  # s: exp(4.61) = 100.5

# checkpoints of the published code, and our own
CHECKPOINTS: KeyMap = (
    (r"(backbone\..+|classifier\..+|log_scale)", r"\1"),
    (r"logit_scale", "log_scale"),
    (r"classifier", "classifier.weight"),
    (r"m_classifier", "classifier.map"),
    (r"visual_encoder\.(visual\..+)", r"backbone.\1"),
    (r"(vit\..+)", r"backbone.\1"),
)


class Defr(nn.Module):
    """A tower and a classifier over what it gives."""

    log_scale: Tensor

    def __init__(self, backbone: Tower, classifier: nn.Module, log_scale: float = SCALE, train_scale: bool = False):
        """log_scale: s, 0 for features as they are; train_scale: train it, up to SCALE."""
        super().__init__()
        self.backbone, self.classifier = backbone, classifier
        self.normalised = log_scale != 0
        scale = torch.tensor(float(log_scale))
        if train_scale:
            self.log_scale = nn.Parameter(scale)
        else:
            self.register_buffer("log_scale", scale)

    def forward(self, images: Tensor) -> Tensor:
        """(B, K) logits of pictures (B, 3, S, S), or of the tower's features of them (B, dim)."""
        return self.classify(images if images.ndim == 2 else self.backbone(images))

    def classify(self, features: Tensor) -> Tensor:
        """(..., K) logits of the tower's features (..., dim), as a linear probe has them in a store.

        In float32 or better whatever the tower computes in: of a scale of 100, half precision leaves steps of 1/4.
        """
        with torch.autocast(features.device.type, enabled=False):
            features = features.to(torch.promote_types(features.dtype, torch.float32))
            if self.normalised:
                features = normalize(features, dim=-1)
            scale = self.log_scale.clamp(max=SCALE) if isinstance(self.log_scale, nn.Parameter) else self.log_scale
            made: Tensor = self.classifier(scale.exp() * features)
        return made

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute the states of the tower's blocks again on the way back, in place of keeping them."""
        self.backbone.set_grad_checkpointing(enable)


def build(
    backbone: str = "clip",
    classifier: str = "cosine",
    classes: int = 600,
    image_size: int = 672,
    patch: int | None = None,
    log_scale: float = SCALE,
    train_scale: bool = False,
    projected: bool = False,
    config: Mapping[str, Any] | None = None,
    language: Array | None = None,
    weights: Path | None = None,
) -> Defr:
    """A recogniser of `classes` interactions; what it is not told starts at random.

    backbone, patch, projected, config  as `build_backbone` takes them
    language   (K, dim) embeddings of the classes that the classifier starts from (hoitool/models/language.py)
    weights    a file of the backbone's own weights, which fit pictures of any size
    Raises UsageError for unknown names and numbers that do not fit, DataError for weights that do not.
    """
    tower = build_backbone(backbone, image_size, patch, projected, config)
    if weights is not None:
        load_backbone(tower, weights)
    return Defr(tower, build_classifier(classifier, tower.dim, classes, language), log_scale, train_scale)


def build_classifier(name: str, dim: int, classes: int, language: Array | None = None) -> nn.Module:
    """A classifier that starts from language (K, dim), or at random. Raises UsageError for a name or shape that is not
    right.
    """
    if name not in CLASSIFIERS:
        raise unknown_name("classifier of DEFR", name, CLASSIFIERS)
    if language is not None and language.shape != (classes, dim):
        raise UsageError(
            f"the classifier starts from {language.shape[0]} rows of {language.shape[1]}, expected {classes} of {dim}; "
            "embed the labels for this backbone (of CLIP: hoitool embed labels --space pre-projection)"
        )
    weight = rows(classes, dim) if language is None else torch.as_tensor(language, dtype=torch.get_default_dtype())
    made: nn.Module = CLASSIFIERS[name](weight)
    return made


CLASSIFIERS: dict[str, Callable[[Tensor], nn.Module]] = {
    "cosine": Cosine,
    "linear": Linear,
    "mapped": Mapped,  # i-clip and i-bert of the published code
}
