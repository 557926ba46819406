"""DEFR: recognition of human-object interactions in whole pictures, detection-free.

A vision transformer's class token f, and a classifier with a row for each interaction, which starts from the
embedding of a sentence ("a person riding a bicycle") and is then free. Probabilities are sigmoid(logits).

    logits = exp(s) f' W'^T    f' and the rows of W' have length 1, s = 4.61 (cosine)
Source: Jin et al., The Overlooked Classifier in Human-Object Interaction Recognition, CVPR 2022 (DEFR), and its
published code, from which are: f is CLIP's before its projection; with s = 0 f is neither normalised nor scaled; a
trainable s is held at 4.61 or less. Pictures are squashed to 672 x 672 with bicubic interpolation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from open_clip.transformer import QuickGELU
from open_clip.transformer import VisionTransformer as ClipTransformer
from timm.models.vision_transformer import VisionTransformer as TimmTransformer
from torch import Tensor, nn
from torch.nn.functional import normalize

from hoitool.data.dataset import Array
from hoitool.errors import UsageError
from hoitool.lookup import unknown_name
from hoitool.models.weights import KeyMap, Match, fill, matched
from hoitool.nn.classifiers import Cosine, Linear, Mixing, rows
from hoitool.nn.tensors import read_tensors
from hoitool.nn.towers import ClipTower, TimmTower, Tower, fitted

SUMMARY = "DEFR: interactions of whole pictures, a classifier that starts from language"
SCALE = 4.61  # s: exp(4.61) = 100.5

# checkpoints of the published code, and our own
CHECKPOINTS: KeyMap = (
    (r"(backbone\..+|classifier\..+|log_scale)", r"\1"),
    (r"logit_scale", "log_scale"),
    (r"classifier", "classifier.weight"),
    (r"m_classifier", "classifier.mixing"),
    (r"visual_encoder\.(visual\..+)", r"backbone.\1"),
    (r"(vit\..+)", r"backbone.\1"),
)
# CLIP in the layout of OpenAI and open_clip, without its texts, and without the projection of its pictures
CLIP: KeyMap = (
    (r"visual\.proj", None),
    (r"(visual\..+)", r"\1"),
    (r"(transformer|token_embedding|ln_final)\..+", None),
    (r"positional_embedding|text_projection|logit_scale|logit_bias", None),
    (r"input_resolution|context_length|vocab_size", None),
)
CLIP_PROJECTED: KeyMap = ((r"(visual\.proj)", r"\1"), *CLIP)
# a ViT of timm, without its head
TIMM: KeyMap = ((r"(head|pre_logits)\..+", None), (r"(.+)", r"vit.\1"))


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
        """(B, K) logits of pictures (B, 3, S, S)."""
        return self.classify(self.backbone(images))

    def classify(self, features: Tensor) -> Tensor:
        """(..., K) logits of the tower's features (..., dim), as a linear probe has them in a store."""
        if self.normalised:
            features = normalize(features, dim=-1)
        scale = self.log_scale.clamp(max=SCALE) if isinstance(self.log_scale, nn.Parameter) else self.log_scale
        made: Tensor = self.classifier(scale.exp() * features)
        return made

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute the states of the tower's blocks again on the way back, in place of keeping them."""
        self.backbone.set_grad_checkpointing(enable)


def build(
    backbone: str = "clip-b32",
    classifier: str = "cosine",
    classes: int = 600,
    image_size: int = 672,
    log_scale: float = SCALE,
    train_scale: bool = False,
    projected: bool = False,
    language: Array | None = None,
    weights: Path | None = None,
) -> Defr:
    """A recogniser of `classes` interactions.

    projected  features go through CLIP's projection, into the space of its texts
    language   (K, dim) embeddings of the classes that the classifier starts from (hoitool/models/language.py); random
               without
    weights    a file of the backbone's own weights, for pictures of any size; random without
    Raises UsageError for unknown names and sizes that do not fit, DataError for weights that do not.
    """
    tower = build_backbone(backbone, image_size, projected)
    if weights is not None:
        load_backbone(tower, weights)
    return Defr(tower, build_classifier(classifier, tower.dim, classes, language), log_scale, train_scale)


def build_backbone(name: str, image_size: int = 672, projected: bool = False) -> Tower:
    """A tower with random weights. Raises UsageError for an unknown name, and for a size that is no whole patches."""
    if name not in BACKBONES:
        raise unknown_name("backbone of DEFR", name, BACKBONES)
    return BACKBONES[name](image_size, projected)


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


def load_backbone(tower: Tower, path: Path) -> Match:
    """Copy published weights (CLIP's in the layout of OpenAI or open_clip, a ViT's of timm) into a tower.

    The grid of positions is made to fit the tower's pictures. Raises MissingData, and DataError for other weights.
    """
    state = read_tensors(path, "the weights of a backbone")
    keys = TIMM if isinstance(tower, TimmTower) else CLIP if tower.visual.proj is None else CLIP_PROJECTED
    name, *_ = matched(tower, state, keys).wrong.get(tower.positions, ("",))
    if name:
        state[name] = fitted(state[name], tower.grid)
    return fill(tower, state, keys, str(path))


@dataclass(frozen=True)
class Size:
    """The numbers of a transformer; joint: of the space behind CLIP's projection."""

    width: int
    layers: int
    heads: int
    joint: int


def _clip(size: Size, patch: int, image_size: int, projected: bool) -> ClipTower:
    _require_whole(image_size, patch)
    visual: Any = ClipTransformer(
        image_size, patch, size.width, size.layers, size.heads, 4.0, output_dim=size.joint, act_layer=QuickGELU
    )
    if not projected:
        visual.proj = None
    return ClipTower(visual)


def _imagenet(size: Size, patch: int, image_size: int, projected: bool) -> TimmTower:
    _require_whole(image_size, patch)
    if projected:
        raise UsageError("a backbone of ImageNet has no projection; CLIP's have")
    vit = TimmTransformer(
        image_size, patch, num_classes=0, embed_dim=size.width, depth=size.layers, num_heads=size.heads
    )
    return TimmTower(vit)


def _require_whole(image_size: int, patch: int) -> None:
    if image_size < 1 or image_size % patch:
        raise UsageError(f"pictures of {image_size} pixels: not a multiple of the backbone's patches, {patch} pixels")


BASE = Size(width=768, layers=12, heads=12, joint=512)
TINY = Size(width=64, layers=2, heads=2, joint=32)  # for tests and the demo
BACKBONES: dict[str, Callable[[int, bool], Tower]] = {
    "clip-b32": partial(_clip, BASE, 32),
    "clip-b16": partial(_clip, BASE, 16),
    "imagenet-b32": partial(_imagenet, BASE, 32),
    "imagenet-b16": partial(_imagenet, BASE, 16),
    "clip-tiny": partial(_clip, TINY, 16),
    "imagenet-tiny": partial(_imagenet, TINY, 16),
}
CLASSIFIERS: dict[str, Callable[[Tensor], nn.Module]] = {
    "cosine": Cosine,
    "linear": Linear,
    "mixing": Mixing,  # i-clip and i-bert of the published code
}
