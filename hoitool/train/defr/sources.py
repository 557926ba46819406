"""The images that DEFR is trained on: of a dataset of the workspace or a file, and of those beside it."""

from __future__ import annotations

from pathlib import Path

from hoitool.convert.inputs import load_truth
from hoitool.data import Meta
from hoitool.train.defr.images import Images, images_of, joined
from hoitool.train.defr.settings import Data
from hoitool.train.sources import Say, dataset_path, pictures_of
from hoitool.train.spelling import as_settings


def training_images(rule: Data, inputs: dict[str, Path], say: Say) -> tuple[Images, Meta]:
    """The images that are trained on, of the dataset and those beside it, and what their labels are."""
    path = dataset_path(rule.dataset, rule.subset)
    if rule.dataset is None:
        say(f"took the images {path} (name others with data.dataset=)")
    inputs["images"] = path
    inputs |= {f"beside {each}": Path(each) for each in rule.beside}
    held = [load_truth(each)[0] for each in (path, *map(Path, rule.beside))]
    with as_settings():
        parts = [images_of(data, pictures_of(data, rule), rule.labels, rule.split) for data in held]
    return joined(held, parts), held[0].meta
