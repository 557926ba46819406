"""`hoitool predict` of a matcher: images and their captions into a feature store, which searches score.

DATA is a file of captions, or a dataset that has them, and the pictures of its images lie where a dataset's do; for a
model of regions a store with their features stands beside it, else one in features/ has them. The store is as `hoitool
embed captions` writes it: `hoitool eval STORE` scores it, several of them as an ensemble.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hoitool import __version__, workspace
from hoitool.convert.captions import read_captions
from hoitool.data import Dataset
from hoitool.embed.about import of_data
from hoitool.embed.captions import PARTS, layout_of
from hoitool.embed.encoders.device import DTYPES
from hoitool.embed.pictures import album_of
from hoitool.errors import UsageError
from hoitool.files import refuse_overwrite
from hoitool.models.vse import Vse
from hoitool.models.vse_card import Matcher, matcher
from hoitool.models.vse_images import GRIDS
from hoitool.predict.image_sets import OF, Home, ImageSets, PictureSets, home_of, region_sets
from hoitool.predict.job import Done
from hoitool.predict.matching import caption_rows, image_rows
from hoitool.predict.opened import Opened, card_folder
from hoitool.predict.recognition import Pace
from hoitool.predict.whole import Asked, Say
from hoitool.store import Manifest, Store, Writer
from hoitool.store.hdf5 import is_store, require_suffix
from hoitool.store.writer import discard

BLOCK = 1000  # images that are written at once
PRECISION_OF = {dtype: name for name, dtype in DTYPES.items()}
NOT_OURS = ("boxes", "detector", "detector_weights", "vocabulary", "attributes", "draw", "pseudo")


@dataclass(frozen=True)
class Made:
    """What was written: the store, of how many images and captions, by which model."""

    done: Done
    captions: int
    model: str

    def summary(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "path": str(self.done.path),
            "model": self.model,
            "images": self.done.images,
            "captions": self.captions,
        }

    def told(self) -> list[str]:
        """Lines for people."""
        return [f"wrote {self.done.path}: {self.done.images:,} images and {self.captions:,} captions by {self.model}"]


def predict_for(model: Opened, path: Path, sources: Sequence[Path], asked: Asked, say: Say) -> Made:
    """Embed the images and captions that the sources mean.

    path  where the model lies; say: called with a line for each thing that was chosen
    Raises UsageError, MissingData and DataError, before anything is computed where that can be known.
    """
    _require_ours(asked)
    stores = [source for source in sources if is_store(source)]
    files = [source for source in sources if source not in stores]
    if len(files) != 1:
        raise UsageError(
            f"{len(files)} files of captions; expected one, COCO's JSON, a table or a dataset, and perhaps stores"
        )
    data = read_captions(files[0], asked.subset)
    card = matcher(model.card, card_folder(path))
    images = images_of(card, data, stores, asked.pictures, say)
    out = asked.out or _default_out(path, data)
    require_suffix(out)
    refuse_overwrite(out, asked.overwrite, "" if asked.out else "-o")
    return embed(model, card, data, images, out, asked.pace)


def images_of(card: Matcher, data: Dataset, stores: Sequence[Path], pictures: Path | None, say: Say) -> ImageSets:
    """The images of data as a model takes them. stores: of regions; none: those in features/ that are.

    pictures: their folder; None: the workspace's. Raises UsageError for stores where pictures are taken.
    """
    if card.images == "regions":
        home = (data.meta.dataset, data.meta.subset)
        found = region_sets(data.key, list(stores) or region_stores(), card.numbers.get("features"), home)
        other = _of_another(found.store, home)
        if other or not stores:
            say(f"took the features {found.store.path}{other}")
        return found
    if stores:
        raise UsageError(f"{stores[0]}: the model takes pictures ({card.images}), not features of regions")
    album = album_of(data, pictures or workspace.images_folder(data.meta.dataset))
    return PictureSets(album, card.image_size, GRIDS[card.images])


def _of_another(store: Store, home: Home) -> str:
    """What tells that a store was made of another dataset or subset, empty where nothing says so."""
    if all(not there or not here or there == here for there, here in zip(home_of(store), home, strict=True)):
        return ""
    (there, here) = (" ".join(name for name in names if name) for names in (home_of(store), home))
    return f", which were made for {there}; that its images are those of {here} is known by their names alone"


def region_stores() -> list[Path]:
    """The stores in features/ that are of regions."""
    found = sorted(path for path in workspace.FEATURES.glob("*.h5") if is_store(path))
    return [path for path in found if Store(path).manifest.of in OF]


def embed(model: Opened, card: Matcher, data: Dataset, images: ImageSets, out: Path, pace: Pace) -> Made:
    """Write the rows of images and captions. Raises UsageError for data without captions and for another model."""
    layout = layout_of(data)
    captions, offsets = data.need("caption_text").tolist(), data.need("caption_offsets").tolist()
    if not isinstance(model.module, Vse):
        raise UsageError(f"{model.name} is of {model.card.model}, which embeds no captions")
    rows = image_rows(model.module, images, pace)
    words = caption_rows(model.module, [card.words.ids(text) for text in captions], pace)
    together = [np.concatenate([rows[i : i + 1], words[a:b]]) for i, (a, b) in enumerate(pairwise(offsets))]
    discard(out)
    with Writer(out, _manifest(model, card, data, rows.shape[1]), layout) as writer:
        for first in range(0, len(together), BLOCK):
            writer.write(first, list(together[first : first + BLOCK]))
        writer.finish()
    return Made(Done(out, len(data)), len(captions), model.name)


def _manifest(model: Opened, card: Matcher, data: Dataset, dim: int) -> Manifest:
    return Manifest(
        of="captions",
        model=f"{card.model}:{model.name}",
        dim=dim,
        weights=model.name,
        weights_sha256=model.sha256,
        precision=PRECISION_OF[model.dtype],
        parts=PARTS,
        sources=dict(data.meta.sources),
        hoitool=__version__,
        notes={"numbers": card.numbers},
        **of_data(data.meta),
    )


def _require_ours(asked: Asked) -> None:
    """Raise UsageError for an option of other models."""
    given = [name for name in NOT_OURS if getattr(asked, name)]
    if given or asked.how:
        name = next(iter([*given, *asked.how])).replace("_", "-").replace("pseudo", "as-dataset")
        raise UsageError(f"--{name} is of other models; a matcher embeds images and captions")
    if asked.pace.skip_broken:
        raise UsageError("--skip-broken would search among other images than the data's; mend the pictures")


def _default_out(path: Path, data: Dataset) -> Path:
    """The run's folder, or runs/<name of the weights>; the subset's name, or the dataset's."""
    folder = card_folder(path) or workspace.RUNS / path.stem
    return workspace.predictions_in(folder, data.meta.subset or data.meta.dataset or "images").with_suffix(".h5")
