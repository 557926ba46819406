"""Scores of human-object pairs: a recogniser of whole pictures looks at pairs of boxes that somebody else found.

Which boxes are paired: hoitool/predict/candidates.py; how a pair is looked at: hoitool/predict/looking.py. For each
interaction that the object's class takes a pair has one row,

    score = sigmoid(logit)^i s_human^h s_object^o    in float64; hoitool/models/pairing.py has the exponents

Rows stand in the order of the pairs, by falling score of the human, then of the object, then by label: no arithmetic
of a device decides it. Pictures of images without pairs are not opened.
Source: Jin et al., CVPR 2022 (DEFR), and its published code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from hoitool.data import Dataset, Meta, Predictions, offsets_of, select_images
from hoitool.data.dataset import Array
from hoitool.embed.crops import continuous
from hoitool.embed.encoders.device import computing
from hoitool.embed.pictures import Album
from hoitool.embed.regions import require_size
from hoitool.errors import DataError, UsageError
from hoitool.labels import difference
from hoitool.models.card import Labelled
from hoitool.models.defr import Defr
from hoitool.models.pairing import PUBLISHED, PairRule
from hoitool.predict.candidates import Candidates, candidates
from hoitool.predict.loading import loaded
from hoitool.predict.looking import Look, Looking, View, looking
from hoitool.predict.recognition import Pace, require_finite
from hoitool.progress import progress, working

BLOCK = 1000  # images of predictions that are kept in memory


def pair_predictions(
    module: Defr,
    boxes: Dataset,
    album: Album,
    card: Labelled,
    rule: PairRule = PUBLISHED,
    how: Looking | None = None,
    pace: Pace | None = None,
    said: dict[str, Any] | None = None,
    broken: dict[str, str] | None = None,
) -> Iterator[Predictions]:
    """Scored pairs, sparse, in blocks of images: all boxes stay as they came, and pairs name them.

    boxes   of the images of the album, in its order; without box_scores each counts as 1
    pace    pictures at a time; a GPU that has the module's weights computes
    said    goes into meta.extras["predict"], beside how it was looked and the rule
    broken  with pace.skip_broken: name -> why, filled with pictures that could not be read; they have no pairs
    Raises DataError where boxes and model are of different labels, a box's score is none, or a picture cannot be read
    or has another size than its boxes say; UsageError for a model that does not recognise interactions, for a mask
    there is not, and for a label space without a person.
    """
    how, pace, broken = how or Looking(), pace or Pace(), {} if broken is None else broken
    _require_fit(boxes, album, card)
    look = looking(module, card, how)
    with working("pairing boxes"):
        table = candidates(boxes, rule)
    extras = boxes.meta.extras | {"predict": {"looking": asdict(how), "rule": asdict(rule)} | (said or {})}
    stream = _scored(look, boxes, album, table, rule, pace, broken)
    coming = next(stream, None)
    for first in range(0, max(1, len(boxes)), BLOCK):
        last, found = min(first + BLOCK, len(boxes)), {}
        while coming is not None and coming[0] < last:
            found[coming[0]] = coming[1]
            coming = next(stream, None)
        yield _predictions(boxes, table, np.arange(first, last), found, extras)


def _require_fit(boxes: Dataset, album: Album, card: Labelled) -> None:
    if card.label_kind != "interactions":
        raise UsageError(f"a model that recognises {card.label_kind} scores no pairs, one of interactions does")
    if differs := difference(card.labels, boxes.meta.labels.summary()):
        raise DataError(f"boxes of {boxes!r} do not fit the model: {differs}")
    if not np.array_equal(album.keys, boxes.key):
        raise DataError(f"boxes of {boxes!r} are not of the {len(album.names)} pictures, or in another order")


def _scored(
    look: Look,
    boxes: Dataset,
    album: Album,
    table: Candidates,
    rule: PairRule,
    pace: Pace,
    broken: dict[str, str],
) -> Iterator[tuple[int, Array]]:
    """Each image that has pairs and could be read, in order, and the score of each of its rows."""
    images = np.flatnonzero(np.diff(table.offsets))
    part = Album([album.names[image] for image in images.tolist()], album.keys[images], album.pictures)
    batches = loaded(part, np.asarray, pace.batch, pace.workers, pace.skip_broken)
    for places, pictures, wrong in progress(batches, "scoring pairs", total=-(-len(images) // pace.batch)):
        broken |= wrong
        held = images[places].tolist()
        views = [_view(boxes, table, image, picture) for image, picture in zip(held, pictures, strict=True)]
        for image, scores in zip(held, _batch_scores(look, views, table, held, rule), strict=True):
            require_finite(scores[None], [str(boxes.key[image])])
            yield image, scores


def _view(boxes: Dataset, table: Candidates, image: int, pixels: Array) -> View:
    high, wide = pixels.shape[:2]
    if boxes.width is not None and boxes.height is not None:
        require_size((wide, high), np.array([boxes.width[image], boxes.height[image]]), str(boxes.key[image]))
    rows = slice(boxes.box_offsets[image], boxes.box_offsets[image + 1])
    held = continuous(boxes.boxes[rows], boxes.meta.box_frame, wide, high)
    mine = slice(table.offsets[image], table.offsets[image + 1])
    return View(pixels, held[table.human[mine]], held[table.object[mine]])


def _batch_scores(look: Look, views: list[View], table: Candidates, images: list[int], rule: PairRule) -> list[Array]:
    """The scores of the rows of each image."""
    if not views:
        return []
    rows = [table.rows(image) for image in images]
    with computing():
        taken = [
            logits[torch.from_numpy(pair - pair[0]), torch.from_numpy(label).long()]
            for logits, (pair, label) in zip(look(views), rows, strict=True)
        ]
        chances = [held.cpu().double().sigmoid().numpy() for held in taken]
    return [held**rule.interaction_power * table.prior[pair] for held, (pair, _) in zip(chances, rows, strict=True)]


def _predictions(
    boxes: Dataset, table: Candidates, images: Array, found: dict[int, Array], extras: dict[str, Any]
) -> Predictions:
    """The predictions for some images: those not found have no pairs."""
    part, held = select_images(boxes, images), boxes.meta
    pair, label = (
        np.concatenate([np.empty(0, np.int32), *column])
        for column in (zip(*(table.rows(image) for image in found), strict=True) if found else ([], []))
    )
    names = ("key", "file_name", "width", "height", "subset", "boxes", "categories", "box_scores", "box_ids", "crowd")
    return Predictions(
        meta=Meta(
            held.labels, held.dataset, held.subset, "interactions", "final", held.box_frame, held.sources, extras
        ),
        **{name: getattr(part, name) for name in (*names, "box_offsets")},
        subject=table.human[pair],
        object=table.object[pair],
        label=label,
        score=np.concatenate([np.empty(0), *found.values()]),
        pair_offsets=offsets_of([len(found.get(image, ())) for image in images.tolist()]),
    )
