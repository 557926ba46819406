"""The demonstration of ViLD: a detector that learns twelve kinds of things finds four more by their names.

raw/things          COCO's annotations, and pictures
proposals.parquet   boxes without classes in the training pictures, as a detector of base objects would find them
recipe.yaml         a small detector; names and regions are embedded by their colours, where words meet pictures
"""

from __future__ import annotations

from pathlib import Path

from hoitool import demo
from hoitool.convert import FORMATS
from hoitool.convert.fit import fit
from hoitool.data import write
from hoitool.demo.things import draw_all, pictures, proposals
from hoitool.errors import MissingData
from hoitool.files import write_text
from hoitool.workspace import RAW, RECIPE

SIZES = {"train": 200, "test": 80}  # pictures
COMMANDS = (
    "convert",
    "embed labels --what objects --model colours",
    "embed regions --subset train --boxes proposals.parquet --context 1.5 --model colours",
    "train",
    "eval",
    "eval -o report",
)
TEXT = """\
# What `hoitool train` trains here: a small detector, on boxes of COCO's base objects alone.
base: vild-tiny
name: demo
"""


def make(folder: Path, seed: int) -> list[Path]:
    """Fill an empty folder and say what was written. Raises MissingData without torch, which all of it needs."""
    if not demo.has("torch"):
        raise MissingData("hoitool demo --system vild trains, which needs pip install 'hoitool[torch]'")
    parts = [pictures(subset, count, 2 * seed + i) for i, (subset, count) in enumerate(SIZES.items())]
    format, raw = FORMATS["coco"], folder / RAW / "things"
    written: list[Path] = format.write(fit(parts, format.HOLDS).parts, raw)
    written += [draw_all(data, raw / "images" / data.meta.subset) for data in parts]
    write(proposals(parts[0], seed), folder / "proposals.parquet")
    write_text(folder / RECIPE, TEXT)
    return [*written, folder / "proposals.parquet", folder / RECIPE]
