"""A workspace for ViLD that a small detector learns in seconds, of the demo's pictures and its encoder of colours."""

from __future__ import annotations

from pathlib import Path

from hoitool.data import write
from hoitool.demo.things import draw_all, pictures, proposals
from hoitool.embed import engine
from hoitool.embed.crops import CropRule
from hoitool.embed.load import load
from hoitool.embed.words import Stored, job_of, labels
from hoitool.labels.prompts import load_prompts
from hoitool.report import embedding_of as of

SIZES = {"train": 12, "test": 6}
RECIPE = """
base: vild-tiny
optimise: {epochs: 1, batch: 4}
evaluate: {every: 0}
"""


def make_workspace(folder: Path, **sizes: int) -> Path:
    """data/things/{train,test}.parquet, their pictures, proposals of both, embeddings of names and regions, a recipe.

    sizes: how many images a subset has.
    """
    for seed, (subset, count) in enumerate((SIZES | sizes).items()):
        data = pictures(subset, count, seed)
        write(data, folder / "data" / "things" / f"{subset}.parquet")
        draw_all(data, folder / "raw" / "things" / "images" / subset)
        write(proposals(data, seed), folder / f"proposals-{subset}.parquet")
    embed(folder)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def embed(folder: Path) -> None:
    """The names of objects, and the training proposals, by colours."""
    encoder = load("colours")
    found = of.scenes(folder / "data/things/train.parquet", folder / "raw/things/images")
    boxed, sources = of.boxes_from(folder / "proposals-train.parquet", found)
    job = of.regions(found, boxed, encoder, Stored(), of.Cut(CropRule((1.0, 1.5))), sources)
    words = labels(found.annotated.meta.labels, "objects", [load_prompts("photo")])
    for made, name in ((job, "regions"), (job_of(words, encoder, Stored()), "texts")):
        engine.run(made, folder / "features" / f"{name}.h5", engine.Pace(64)).raise_for()
