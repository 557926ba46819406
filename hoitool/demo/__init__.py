"""The whole way on synthetic scenes: a workspace with raw data in the official layouts, ready for the bare commands."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from hoitool.convert import FORMATS, PREDICTION_FORMATS
from hoitool.data.synthetic import scenes
from hoitool.demo.detector import imperfect
from hoitool.demo.draw import draw_all
from hoitool.errors import UsageError
from hoitool.workspace import RAW, WEIGHTS


def make_workspace(folder: Path, seed: int = 0) -> list[Path]:
    """Fill an empty folder with raw/: annotations, images, and an imperfect detector's output; say what was written.

    Raises UsageError when the folder holds something already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name another folder, or remove it first")
    made = scenes(seed)
    raw = folder / RAW
    written: list[Path] = FORMATS["hico-det"].write([made.train, made.test], raw / "demo")
    written.append(draw_all([made.train, made.test], raw / "demo" / "images", seed))
    predictions, _ = imperfect(made.test, seed)
    written += PREDICTION_FORMATS["pairs"].write([predictions], raw / "imperfect-detector.npz")
    if can_embed():
        written.append(_random_clip(folder / WEIGHTS / "clip", seed))
    return written


def can_embed() -> bool:
    """Whether the packages are installed that a CLIP model needs."""
    return all(find_spec(name) is not None for name in ("torch", "open_clip"))


def _random_clip(folder: Path, seed: int) -> Path:
    """A CLIP model of a megabyte whose weights are random, where `hoitool embed --model clip` finds it."""
    from hoitool.embed.encoders.tiny import save_tiny_clip

    save_tiny_clip(folder, seed)
    return folder
