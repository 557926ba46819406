"""The whole way on synthetic scenes: a workspace with raw data in the official layouts, ready for the bare commands."""

from __future__ import annotations

from pathlib import Path

from hoitool.convert import FORMATS, PREDICTION_FORMATS
from hoitool.data.synthetic import scenes
from hoitool.demo.detector import imperfect
from hoitool.demo.draw import draw_all
from hoitool.errors import UsageError
from hoitool.workspace import RAW


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
    return written
