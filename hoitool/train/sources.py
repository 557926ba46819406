"""Where the images of a training lie: a dataset of the workspace or a folder of files, its pictures, those beside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hoitool import workspace
from hoitool.convert.inputs import load_truth
from hoitool.data import Dataset, Meta
from hoitool.embed.pictures import Album, album_of
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.labels import LABEL_SPACES, difference, load_labels
from hoitool.lookup import unknown_name
from hoitool.predict.pseudo_labels import EXTRA, PICTURES
from hoitool.train import settings
from hoitool.train.spelling import as_settings

Say = Callable[[str], None]


def test_images(rule: settings.Data, meta: Meta, inputs: dict[str, Path]) -> tuple[Dataset, Album] | None:
    """The annotated images that are scored and predicted for, and their pictures; None where none are asked for.

    Raises DataError where their labels are not those that are trained on.
    """
    if rule.test is None:
        return None
    path = dataset_path(rule.dataset, rule.test)
    truth = load_truth(path)[0]
    differs = difference(meta.labels, truth.meta.labels.summary())
    if differs or truth.meta.label_kind != meta.label_kind:
        raise DataError(f"{path}: not of the labels that are trained on: {differs or truth.meta.label_kind}")
    inputs["test images"] = path
    with as_settings():
        return truth, album_of(truth, pictures_of(truth, rule))


def pictures_of(data: Dataset, rule: settings.Data) -> Path:
    """The folder of a dataset's pictures: pseudo-labels say it, others are looked for where the recipe says."""
    said = data.meta.extras.get(EXTRA, {}).get(PICTURES)
    if said is not None:
        return Path(said)
    return Path(rule.images) if rule.images is not None else workspace.images_folder(data.meta.dataset)


def dataset_path(name: str | None, subset: str) -> Path:
    """The file of a dataset's subset: of one of the workspace, the only one there, or below a folder that is named.

    Raises MissingData where it is not there, and UsageError where several could be meant.
    """
    if name is None:
        return _only(subset)
    named = Path(name)
    if named.is_file() or (named.is_dir() and named.suffix == ".parquet"):
        return named
    folder = named if named.is_dir() else workspace.dataset_folder(name)
    path = folder / f"{subset}.parquet"
    if not path.exists():
        held = ", ".join(sorted(file.stem for file in folder.glob("*.parquet")))
        there = f"; {folder} holds {held}, which data.subset=, data.test= and data.dev= may name" if held else ""
        raise MissingData(
            f"{path}: no such images{there}; `hoitool convert` makes them, or name others with data.dataset="
        )
    return path


def _only(subset: str) -> Path:
    found = workspace.datasets(subset)
    if not found:
        wanted = workspace.DATA / "*" / f"{subset}.parquet"
        raise MissingData(f"no {wanted} here; run `hoitool convert` first, or name a dataset with data.dataset=")
    if len(found) > 1:
        names = ", ".join(path.parent.name for path in found)
        raise UsageError(f"several datasets have a subset {subset!r}: {names}; name one with data.dataset=")
    return found[0]


def labels_named(name: str) -> Meta:
    """Interactions of a packaged label space, or those of a dataset's file. Raises UsageError for neither."""
    if name in LABEL_SPACES:
        return Meta(load_labels(name))
    if not Path(name).exists():
        raise unknown_name("label space or file", name, LABEL_SPACES)
    return load_truth(Path(name))[0].meta
