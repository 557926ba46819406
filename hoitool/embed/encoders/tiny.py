"""A CLIP model small enough to save anywhere, with random weights: for demonstrations and tests."""

from __future__ import annotations

import json
from pathlib import Path

import open_clip
import torch
from safetensors.torch import save_file

from hoitool.files import atomic_folder

MODEL = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2},
}
PREPROCESS = {
    "mean": list(open_clip.OPENAI_DATASET_MEAN),
    "std": list(open_clip.OPENAI_DATASET_STD),
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def save_tiny_clip(folder: Path, seed: int = 0) -> Path:
    """Write a model of 3 MB as open_clip saves them; `--weights FOLDER` or `--model clip:FOLDER` loads it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = open_clip.CLIP(**MODEL)
    with atomic_folder(folder) as made:
        save_file(model.state_dict(), made / "open_clip_model.safetensors")
        text = json.dumps({"model_cfg": MODEL, "preprocess_cfg": PREPROCESS}, indent=1)
        (made / "open_clip_config.json").write_text(text, encoding="utf-8")
    return folder
