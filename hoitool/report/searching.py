"""A search's score from feature stores to a result: embeddings of images and captions, and perhaps ratings of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hoitool.convert.cxc import files_of, read_ratings
from hoitool.data.dataset import Array
from hoitool.data.image_ids import trailing_number
from hoitool.data.ratings import Ratings, places
from hoitool.diagnose.bootstrap import Sampling, with_intervals
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.eval import Result, choose_variant, cxc, retrieval
from hoitool.eval.embedded import Embedded, ensemble, from_npz, from_store
from hoitool.files import sha256
from hoitool.store import Store

DEFAULT_SUBSET = "test"
KINDS_OF = {"sts": ("caption", "caption"), "sis": ("image", "image"), "sits": ("caption", "image")}


def score_stores(
    stores: Sequence[Path],
    protocol: str = "retrieval",
    variant: str | None = None,
    truth: Path | None = None,
    subset: str | None = None,
    sampling: Sampling | None = None,
) -> Result:
    """Score stores of images and captions (`hoitool embed captions`), several as an ensemble, under a named protocol.

    An .npz of embeddings that were made elsewhere stands for a store (hoitool/eval/embedded.py).

    truth, subset  of cxc: the folder of its tables, and which of them, test unless another is named
    sampling       how the intervals of the figures are made, None: there are none
    Raises UsageError for unknown names, for ratings where none are used and for intervals of cxc, MissingData for what
    is not there, DataError for stores of other things.
    """
    variant = choose_variant(protocol, variant)
    if not stores:
        raise MissingData(
            f"protocol {protocol!r} scores stores of images and captions: name those that `hoitool embed captions` made"
        )
    if protocol == "cxc" and truth is None:
        raise MissingData("which ratings? Give the folder of sts_test.csv, sis_test.csv and sits_test.csv with --truth")
    if protocol != "cxc" and (truth is not None or subset is not None):
        raise UsageError(f"--truth and --subset say which ratings protocol 'cxc' takes; {protocol!r} needs stores only")
    if protocol == "cxc" and sampling is not None:
        raise UsageError("protocol 'cxc' has no --ci: it rates pairs of images, which cannot be drawn one by one")
    embedded = ensemble([from_npz(path) if path.suffix == ".npz" else from_store(Store(path)) for path in stores])
    if truth is None:
        result = retrieval.evaluate(embedded, variant)
        return result if sampling is None else with_intervals(result, retrieval.ledger(embedded, variant), sampling)
    subset = subset or DEFAULT_SUBSET
    pool, ratings = rated(embedded, read_ratings(truth, subset), str(truth))
    result = cxc.evaluate(pool, ratings, variant)
    sources = {file.name: sha256(file) for file in files_of(truth, subset).values()}
    result.inputs["truth"] |= {"path": str(truth), "subset": subset, "sources": sources}
    if left_out := len(embedded.key) - len(pool.key):
        result = replace(result, notes=(*result.notes, f"{left_out:,} images of the store are not rated: left out"))
    return result


def rated(embedded: Embedded, ratings: dict[str, Ratings], where: str) -> tuple[Embedded, dict[str, Ratings]]:
    """The images and captions that are rated, and the ratings by their places.

    Raises DataError for a rated image or caption that was not embedded.
    """
    image_id = np.array([_number(key) for key in embedded.key.tolist()], np.int64)
    held = {"image": image_id, "caption": embedded.caption_id}
    named = {what: np.unique(np.concatenate(_ids(ratings, what))) for what in held}
    for what, ids in named.items():
        lacking = ids[places(ids, held[what]) < 0]
        if len(lacking):
            raise DataError(
                f"{where}: {what} {lacking[0]} is rated, which the store does not have ({len(lacking):,} of "
                f"{len(ids):,}); embed COCO's captions of the subset, with their ids"
            )
    pool = embedded.select(np.isin(image_id, named["image"]), np.isin(embedded.caption_id, named["caption"]))
    held = {"image": image_id[np.isin(image_id, named["image"])], "caption": pool.caption_id}
    return pool, {kind: each.placed(*(held[what] for what in KINDS_OF[kind])) for kind, each in ratings.items()}


def _ids(ratings: dict[str, Ratings], what: str) -> list[Array]:
    columns = {kind: (each.first, each.second) for kind, each in ratings.items()}
    return [columns[kind][i] for kind, kinds in KINDS_OF.items() for i in (0, 1) if kinds[i] == what]


def _number(key: str) -> int:
    number = trailing_number(key)
    return -1 if number is None else number
