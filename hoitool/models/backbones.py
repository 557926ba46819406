"""Backbones by name: vision transformers of open_clip and timm, for pictures of any size, and their published weights.

The numbers of an architecture are open_clip's and timm's own; a tower that is not a plain transformer over patches
(hoitool/nn/towers.py) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import open_clip
import timm
from open_clip.transformer import QuickGELU
from open_clip.transformer import VisionTransformer as ClipTransformer
from timm.models.vision_transformer import Block as TimmBlock
from timm.models.vision_transformer import VisionTransformer as TimmTransformer
from torch import nn

from hoitool.errors import DataError, UsageError
from hoitool.lookup import unknown_name
from hoitool.models.weights import KeyMap, Match, fill
from hoitool.nn.tensors import read_tensors
from hoitool.nn.towers import ClipTower, TimmTower, Tower

ORIGINAL = ("input_resolution", "context_length", "vocab_size")  # what only OpenAI's own state dicts hold
# CLIP in the layout of OpenAI and open_clip, without its texts, and without the projection of its pictures
CLIP: KeyMap = (
    (r"visual\.proj", None),
    (r"(visual\..+)", r"\1"),
    (r"(transformer|token_embedding|ln_final|text)\..+", None),
    (r"positional_embedding|text_projection|logit_scale|logit_bias", None),
    ("|".join(ORIGINAL), None),
)
CLIP_PROJECTED: KeyMap = ((r"(visual\.proj)", r"\1"), *CLIP)
# a ViT of timm, without its head
TIMM: KeyMap = ((r"(head|pre_logits)\..+", None), (r"(.+)", r"vit.\1"))


def build_backbone(
    name: str,
    image_size: int = 672,
    patch: int | None = None,
    projected: bool = False,
    config: Mapping[str, Any] | None = None,
) -> Tower:
    """A tower with random weights, for pictures of image_size x image_size pixels.

    name       clip (ViT-B-32-quickgelu), clip:ARCH of open_clip, timm:NAME, tiny, tiny:N: those that are plain
               transformers; N are the numbers that tiny's projection gives, 32
    patch      side of its patches: for tiny to choose, for the others to be as they have it
    projected  features of CLIP, and tiny, go through the projection, into the space of texts
    config     of clip: the numbers of an architecture that open_clip has no name for, as it writes them beside weights
               (`model_cfg`: embed_dim, vision_cfg, quick_gelu)
    Raises UsageError for an unknown name and numbers that do not fit, DataError for a config that is none.
    """
    kind, _, arch = name.partition(":")
    if kind not in BACKBONES:
        raise unknown_name("backbone", name, BACKBONES)
    if config is not None and name != "clip":
        raise UsageError(f"{name} has numbers of its own; only clip takes those of a config")
    tower = BACKBONES[kind](arch, image_size, patch) if config is None else _of_config(config, image_size, patch)
    if projected and not isinstance(tower, ClipTower):
        raise UsageError(f"{name} has no projection; backbones of CLIP have")
    if isinstance(tower, ClipTower) and not projected:
        tower.drop_projection()
    return tower


def load_backbone(tower: Tower, path: Path) -> Match:
    """Copy published weights (CLIP's in the layout of OpenAI or open_clip, a ViT's of timm) into a tower.

    The grid of positions is made to fit the tower's pictures. Raises MissingData, DataError for other weights, and
    UsageError for OpenAI's own in a tower that does not compute with QuickGELU.
    """
    state = read_tensors(path, "the weights of a backbone")
    if set(ORIGINAL) & set(state) and isinstance(tower, ClipTower) and not tower.quick:
        raise UsageError(f"{path}: OpenAI's own weights were trained with QuickGELU; name the -quickgelu architecture")
    keys = TIMM if isinstance(tower, TimmTower) else CLIP if tower.visual.proj is None else CLIP_PROJECTED
    return fill(tower, state, keys, str(path))


def _tiny(arch: str, image_size: int, patch: int | None) -> ClipTower:
    """Two blocks of 64 numbers a token; arch is how many numbers its projection gives."""
    if arch and not re.fullmatch(r"[1-9]\d{0,4}", arch):
        raise unknown_name("backbone", f"tiny:{arch}", BACKBONES)
    side = _patch("tiny", patch or 16, patch, image_size)
    visual = ClipTransformer(image_size, side, width=64, layers=2, heads=2, mlp_ratio=4.0, output_dim=int(arch or 32))
    return ClipTower(visual)


def _clip(arch: str, image_size: int, patch: int | None) -> ClipTower:
    """An image tower of open_clip, of the numbers that it has for it."""
    arch = arch or "ViT-B-32-quickgelu"
    config = open_clip.get_model_config(arch)
    if config is None:
        raise unknown_name("architecture of open_clip", arch, open_clip.list_models())
    if not _is_plain_clip(config["vision_cfg"]):
        raise UsageError(f"clip:{arch}: its image tower is no plain transformer over patches, which is what is built")
    return _clip_tower(arch, config, image_size, patch)


def _of_config(config: Mapping[str, Any], image_size: int, patch: int | None) -> ClipTower:
    """An image tower of CLIP of the numbers in a file. Raises DataError where they are not what they should be."""
    told = "the configuration of a CLIP model: "
    vision = config.get("vision_cfg") if isinstance(config, Mapping) else None
    if not isinstance(vision, Mapping) or not {"layers", "width", "patch_size"} <= set(vision):
        raise DataError(f"{told}expected an object vision_cfg with layers, width and patch_size, came {vision!r:.80}")
    if not _is_plain_clip(vision):
        raise DataError(f"{told}vision_cfg is of no plain transformer over patches, which is what is built")
    numbers = {"embed_dim": config.get("embed_dim")} | {name: held for name, held in vision.items() if name in WHOLE}
    for name, held in numbers.items():
        if type(held) is not int or not 0 < held <= LARGEST:
            raise DataError(f"{told}{name} is {held!r:.40}, expected a whole number from 1 to {LARGEST}")
    head, ratio = vision.get("head_width", 64), vision.get("mlp_ratio", 4.0)
    if vision["width"] % head:
        raise DataError(f"{told}width is {vision['width']}, expected a multiple of head_width, {head}")
    if type(ratio) not in (int, float) or not 0 < ratio <= LARGEST:
        raise DataError(f"{told}mlp_ratio is {ratio!r:.40}, expected a number above 0")
    return _clip_tower("clip", config, image_size, patch)


def _is_plain_clip(vision: Mapping[str, Any]) -> bool:
    return set(vision) <= PLAIN_CLIP and isinstance(vision["layers"], int)


def _clip_tower(name: str, config: Mapping[str, Any], image_size: int, patch: int | None) -> ClipTower:
    """A tower of the numbers of open_clip."""
    vision = config["vision_cfg"]
    width = vision["width"]
    visual = ClipTransformer(
        image_size,
        _patch(name, vision["patch_size"], patch, image_size),
        width=width,
        layers=vision["layers"],
        heads=width // vision.get("head_width", 64),
        mlp_ratio=vision.get("mlp_ratio", 4.0),
        output_dim=config["embed_dim"],
        act_layer=QuickGELU if config.get("quick_gelu") else nn.GELU,
    )
    return ClipTower(visual)


def _timm(name: str, image_size: int, patch: int | None) -> TimmTower:
    """A ViT of timm, of the numbers that it has for it."""
    known = [*timm.list_models(), *timm.list_pretrained()]
    if name not in known:
        raise unknown_name("model of timm", name, known)
    model = timm.create_model(name, num_classes=0)
    if not isinstance(model, TimmTransformer) or not _is_plain(model):
        raise UsageError(f"timm:{name} is no plain transformer over patches with a class token, which is what is built")
    _patch(name, model.patch_embed.patch_size[0], patch, image_size)
    model.set_input_size(img_size=(image_size, image_size))
    return TimmTower(model)


def _patch(name: str, has: int, asked: int | None, image_size: int) -> int:
    """The side of the patches. Raises UsageError where another is asked for, and where they do not fill pictures."""
    if asked not in (None, has):
        raise UsageError(f"patch {asked}: {name} has patches of {has} pixels")
    if image_size < 1 or image_size % has:
        raise UsageError(f"pictures of {image_size} pixels: not a multiple of the patches of {name}, {has} pixels")
    return has


def _is_plain(vit: TimmTransformer) -> bool:
    """Whether a ViT of timm is the one of the paper, a class token and pre-norm blocks: by the names of its weights."""
    names = {re.sub(r"^blocks\.\d+", "block", name) for name in vit.state_dict()}
    blocks = all(type(block) is TimmBlock for block in vit.blocks)
    return blocks and names == PLAIN_TIMM and vit.global_pool == "token" and not vit.no_embed_class


# what open_clip's numbers for an image tower are, and the weights that timm's have, where it is a plain transformer
PLAIN_CLIP = {"image_size", "layers", "width", "head_width", "patch_size", "mlp_ratio"}
WHOLE, LARGEST = (
    ("layers", "width", "head_width", "patch_size"),
    2**16,
)  # numbers of a config, and more than any tower has
IN_BLOCK = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
PLAIN_TIMM = {"cls_token", "pos_embed"} | {
    f"{layer}.{part}"
    for layer in ("patch_embed.proj", "norm", *(f"block.{name}" for name in IN_BLOCK))
    for part in ("weight", "bias")
}
BACKBONES: dict[str, Callable[[str, int, int | None], Tower]] = {"tiny": _tiny, "clip": _clip, "timm": _timm}
