"""The backbone that a recipe names: its architecture, where its weights lie, and how pictures are normalised for it.

Weights are, unless the recipe says which, those in weights/<backbone> of the workspace, as `hoitool embed` takes them,
then the published ones (caches, then the hub); `random` starts any backbone from random numbers. Pictures are
normalised as the weights were trained, else as DEFR does it (Jin et al., CVPR 2022): CLIP's way for CLIP's towers, 0.5
and 0.5 for the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import open_clip
import timm

from hoitool import workspace
from hoitool.embed.encoders import clip_weights
from hoitool.embed.encoders import timm as timm_weights
from hoitool.errors import DataError
from hoitool.files import load_json, require, sha256
from hoitool.train.defr.settings import Model
from hoitool.train.spelling import as_settings

RANDOM = "random"
Colour = tuple[float, float, float]
Colours = tuple[Colour, Colour]  # mean and standard deviation of pictures from 0 to 1, RGB
CLIPS: Colours = (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
PLAIN: Colours = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
NUMBERS = ("embed_dim", "vision_cfg", "quick_gelu")  # of open_clip's configuration of a model: those of images


@dataclass(frozen=True)
class Backbone:
    """A backbone and its weights.

    name, config  as `build_backbone` takes them, so that it is built anywhere; config: None where the name says all
    weights       the file, sha256: of it; None: random numbers
    encoder       the same model as an encoder of texts, as `embed` takes --model and --weights; None: it is none
    mean, std     of pictures
    note          a line for the user that says what was taken
    """

    name: str
    config: dict[str, Any] | None
    weights: Path | None
    sha256: str | None
    encoder: tuple[str, str | None] | None
    mean: Colour
    std: Colour
    note: str


def resolved(model: Model) -> Backbone:
    """The backbone of a recipe's model.

    Raises UsageError for an unknown name, MissingData where there are no weights, DataError for a folder that is none.
    """
    kind, _, variant = model.backbone.partition(":")
    source = _source(model)
    with as_settings():
        name, config, weights, colours = FINDERS.get(kind, _other)(model.backbone, variant, source)
    if source == RANDOM or weights is None:
        return Backbone(name, config, None, None, None, *colours, f"backbone {name}: starts from random numbers")
    hint = "" if model.weights else " (name others with model.weights)"
    told = f"backbone {name}: took {source if source and Path(source).exists() else weights}{hint}"
    encoder = (model.backbone, source) if kind == "clip" else None
    return Backbone(name, config, weights, sha256(weights), encoder, *colours, told)


def architecture(model: Model) -> Backbone:
    """The backbone without weights, for weights of the whole model: only a folder that has its numbers is read."""
    source = _source(model)
    folder = source is not None and (Path(source).expanduser() / clip_weights.CONFIG).is_file()
    made = resolved(model if folder else model.model_copy(update={"weights": RANDOM}))
    return replace(made, weights=None, sha256=None, encoder=None, note="")


def _source(model: Model) -> str | None:
    """What the recipe names as weights, else the workspace's; None: the published ones."""
    local = workspace.weights_of(model.backbone)
    return str(local) if model.weights is None and local is not None else model.weights


Found = tuple[str, dict[str, Any] | None, Path | None, Colours]


def _clip(asked: str, variant: str, source: str | None) -> Found:
    named = Path(variant).expanduser() / clip_weights.CONFIG
    if source == RANDOM and not (variant and named.is_file()):
        return f"clip:{variant or clip_weights.ARCH}", None, None, CLIPS
    found = clip_weights.find(variant or None, None if source == RANDOM else source)
    if not found.name.startswith("local-dir:"):
        return f"clip:{found.arch}", None, found.path, _colours(found.pictures, CLIPS, found.weights)
    path = Path(found.name.removeprefix("local-dir:")) / clip_weights.CONFIG
    stated = load_json(path, "the configuration of a CLIP model", dict).get("preprocess_cfg", {})
    config = {name: held for name, held in found.config().items() if name in NUMBERS}
    return "clip", config, found.path, _colours(stated, CLIPS, str(path))


def _timm(asked: str, variant: str, source: str | None) -> Found:
    stated = timm.get_pretrained_cfg(variant)
    colours = PLAIN if stated is None else _colours({"mean": stated.mean, "std": stated.std}, PLAIN, asked)
    return asked, None, None if source == RANDOM else timm_weights.find(variant, source)[0], colours


def _other(asked: str, variant: str, source: str | None) -> Found:
    """A backbone for which nothing is published; `build_backbone` refuses it where it is not known."""
    path = None if source in (None, RANDOM) else require(Path(str(source)).expanduser(), f"the weights of {asked}")
    return asked, None, path, PLAIN


FINDERS = {"clip": _clip, "timm": _timm}


def _colours(stated: Any, default: Colours, where: str) -> Colours:
    """The mean and standard deviation that are stated with weights, where they are."""
    held = stated if isinstance(stated, Mapping) else {}
    mean, std = default
    return _colour(held.get("mean"), mean, f"{where}: mean"), _colour(held.get("std"), std, f"{where}: std")


def _colour(held: Any, default: Colour, where: str) -> Colour:
    if held is None:
        return default
    if not isinstance(held, list | tuple) or len(held) != 3 or not all(type(each) in (int, float) for each in held):
        raise DataError(f"{where} of pictures is {held!r:.60}, expected three numbers: red, green, blue")
    red, green, blue = map(float, held)
    return red, green, blue
