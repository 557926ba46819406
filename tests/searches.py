"""Embeddings and ratings to test searches with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from store import making

from hoitool.data.dataset import offsets_of, strings
from hoitool.data.ratings import Ratings
from hoitool.eval.embedded import Embedded
from hoitool.store import Layout, Manifest

DIM = 6


def embedded(counts, seed=0, dim=DIM, near=1.0) -> Embedded:
    """Images with so many captions each, which are near to their image; COCO's ids 10, 20, ... and 100, 101, ..."""
    rng = np.random.default_rng(seed)
    image = np.repeat(np.arange(len(counts)), counts)
    images = rng.standard_normal((len(counts), dim))
    captions = near * images[image] + rng.standard_normal((len(image), dim))
    key = strings([image_name(10 + 10 * i) for i in range(len(counts))])
    return Embedded(unit(images), unit(captions), image, key, np.arange(len(image)) + 100)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def image_name(number) -> str:
    return f"COCO_val2014_{number:012d}.jpg"


def caption_name(number) -> str:
    return f"COCO_val2014:sentid:{number}"


def write_store(path: Path, held: Embedded, failed=(), text=None, **manifest) -> Path:
    """A store as `hoitool embed captions` makes it; images `failed` could not be embedded."""
    counts = np.bincount(held.image, minlength=len(held.key))
    start = np.cumsum(counts) - counts
    part = np.insert(np.ones(len(held.image), np.uint8), start, 0)
    ids = np.insert(held.caption_id, start, -1)
    columns = {"part": part, "caption": ids}
    if text is not None:
        columns["text"] = np.insert(strings(text), start, "")
    layout = Layout(held.key, offsets_of((counts + 1).tolist()), columns)
    rows = [np.vstack([held.images[i : i + 1], held.captions[held.image == i]]) for i in range(len(counts))]
    rows = [None if i in failed else each for i, each in enumerate(rows)]
    known = {"of": "captions", "model": "test:tiny", "dim": held.images.shape[1], "parts": ("image", "text")}
    making.write(path, layout, rows, Manifest(**known | manifest))
    return path


def ratings(rng, firsts, seconds, count) -> Ratings:
    """Ratings of random pairs, by place."""
    score = rng.integers(0, 11, count) / 2
    return Ratings(rng.integers(0, firsts, count), rng.integers(0, seconds, count), score, np.zeros(count, bool))


def write_ratings(folder: Path, held: Embedded, by_kind, subset="test") -> Path:
    """The three tables of ratings, given by place, as Crisscrossed Captions has them."""
    folder.mkdir(exist_ok=True)
    names = {"image": held.key.tolist(), "caption": [caption_name(i) for i in held.caption_id.tolist()]}
    heads = {"sts": ("caption", "caption"), "sis": ("image", "image"), "sits": ("caption", "image")}
    for kind, (one, two) in heads.items():
        each = by_kind[kind]
        columns = zip(each.first.tolist(), each.second.tolist(), each.score.tolist(), strict=True)
        lines = [f"{names[one][a]},{names[two][b]},{score},c2i_intrasim" for a, b, score in columns]
        (folder / f"{kind}_{subset}.csv").write_text(
            "\n".join([f"{one}1,{two}2,agg_score,sampling_method", *lines, ""])
        )
    return folder
