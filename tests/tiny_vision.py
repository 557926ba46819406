"""Tiny image and text models, made here: real architectures of open_clip and timm, random weights, in any layout."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from hoitool.embed.encoders.tiny import MODEL, PREPROCESS

SIZES = [(40, 40), (32, 32), (61, 47), (47, 61), (33, 200), (301, 35), (20, 9), (1, 1), (64, 63)]  # width, height


def clip_config(**changes: Any) -> dict[str, Any]:
    """The numbers of the tiny CLIP, changed: vision_cfg__layers=1 is a number of its image tower."""
    made = copy.deepcopy(MODEL)
    for name, value in changes.items():
        part, _, key = name.rpartition("__")
        (made[part] if part else made)[key] = value
    return made


def clip_model(config: dict[str, Any], seed: int = 0) -> Any:
    """A model with weights wide enough that texts and pictures differ."""
    torch.manual_seed(seed)
    kind = open_clip.CustomTextCLIP if config.get("custom_text") else open_clip.CLIP
    model = kind(**{name: value for name, value in config.items() if name != "custom_text"}).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model


def save_clip(folder: Path, config: dict[str, Any], state: dict[str, Any], **preprocess: Any) -> Path:
    """A folder as open_clip saves it."""
    folder.mkdir(parents=True)
    save_file({name: held.contiguous() for name, held in state.items()}, folder / "open_clip_model.safetensors")
    text = json.dumps({"model_cfg": config, "preprocess_cfg": PREPROCESS | preprocess})
    (folder / "open_clip_config.json").write_text(text)
    return folder


def timm_model(name: str, seed: int = 0) -> Any:
    """A model with its classifier; its norms have seen something, so that its features differ."""
    torch.manual_seed(seed)
    model = timm.create_model(name).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


def picture(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """Noise and a slope."""
    random = np.random.default_rng(seed)
    rows = random.integers(0, 128, (size[1], size[0], 3)) + np.linspace(0, 127, size[0])[None, :, None]
    return Image.fromarray(rows.astype(np.uint8))


def pixels(count: int, side: int, seed: int = 0) -> np.ndarray[Any, Any]:
    """(count, side, side, 3) noise."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)
