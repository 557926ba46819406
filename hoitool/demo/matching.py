"""The demonstration of VSE-infinity: synthetic scenes and captions of them find each other.

raw/demo       COCO's captions, and pictures
recipe.yaml    a small network on the pictures and a small GRU on the words
"""

from __future__ import annotations

from pathlib import Path

from hoitool import demo
from hoitool.convert import FORMATS
from hoitool.convert.fit import fit
from hoitool.data.synthetic import scenes
from hoitool.data.synthetic_captions import captioned
from hoitool.demo.draw import draw_all
from hoitool.errors import MissingData
from hoitool.files import write_text
from hoitool.workspace import RAW, RECIPE

COMMANDS = ("convert", "train", "eval", "eval -o report")
TEXT = """\
# What `hoitool train` trains here: a small network on the pictures and a small GRU on the words of their captions.
base: vse-tiny
name: demo
"""


def make(folder: Path, seed: int) -> list[Path]:
    """Fill an empty folder and say what was written. Raises MissingData without torch, which all of it needs."""
    if not demo.has("torch"):
        raise MissingData("hoitool demo --system vse trains, which needs pip install 'hoitool[torch]'")
    made = scenes(seed)
    parts = [captioned(data, seed=seed) for data in (made.train, made.test)]
    format, raw = FORMATS["captions"], folder / RAW / "demo"
    written: list[Path] = format.write(fit(parts, format.HOLDS).parts, raw)
    written.append(draw_all(parts, raw / "images", seed))
    write_text(folder / RECIPE, TEXT)
    return [*written, folder / RECIPE]
