"""The images that are predicted for: an annotated dataset of any format with its pictures, or just pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hoitool import workspace
from hoitool.convert import sniff
from hoitool.convert.inputs import load_truth
from hoitool.data import Dataset, Meta, no_pairs
from hoitool.embed.pictures import album_of
from hoitool.errors import MissingData, UsageError
from hoitool.labels import difference
from hoitool.models.card import Labelled
from hoitool.predict.folder import Images, images_in


def images_for(
    sources: Sequence[Path],
    card: Labelled,
    pictures: Path | None = None,
    subset: str | None = None,
    skip_broken: bool = False,
) -> Images:
    """What `sources` mean: one dataset, or folders and files of pictures.

    pictures  the folder of a dataset's pictures; None: the workspace's
    subset    of a dataset that holds several
    Raises MissingData and DataError naming a file, UsageError for a dataset among other sources.
    """
    for path in sources:
        if not path.exists():
            raise MissingData(f"{path}: no such dataset, folder or picture")
    annotated = [path for path in sources if _is_dataset(path)]
    if not annotated:
        return images_in(sources, card.labels, card.label_kind, skip_broken)
    if len(sources) > 1:
        raise UsageError(f"{annotated[0]} is a dataset; predict for it alone")
    data, notes = load_truth(annotated[0], subset)
    album = album_of(data, pictures or workspace.images_folder(data.meta.dataset))
    if differs := difference(card.labels, data.meta.labels.summary()):
        told = (
            f"{annotated[0]}: not of the model's labels ({differs}): its pictures are taken, its boxes and labels not"
        )
        return Images(_bare(data, card), album, [*notes, told], {})
    return Images(data, album, notes, {})


def _bare(data: Dataset, card: Labelled) -> Dataset:
    """The images alone, of the model's labels."""
    meta = Meta(card.labels, data.meta.dataset, data.meta.subset, label_kind=card.label_kind)
    held = {name: getattr(data, name) for name in ("key", "file_name", "width", "height")}
    return Dataset(meta=meta, **held, **no_pairs(len(data)))


def _is_dataset(path: Path) -> bool:
    """Whether annotations are meant. A folder of pictures may hold other files, but no annotations that are known."""
    return sniff(path) is not None
