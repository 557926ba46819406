"""Random data for property tests: what hypothesis draws is the structure; the numbers come from a drawn seed.

`datasets()` and `predictions()` take what shall be fixed, as keyword arguments; everything else varies: which optional
columns there are, sparse or dense, float32 or float64, images without boxes or pairs, no images, the label space.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from hypothesis import strategies as st

from hoitool.data import Dataset, Meta, Predictions, offsets_of, strings
from hoitool.data.meta import FRAMES, LABEL_KINDS, SCORE_KINDS
from hoitool.data.synthetic import scenes
from hoitool.labels import load_labels

HICO, V_COCO, DEMO = load_labels("hico"), load_labels("v-coco"), scenes(seed=0, scale=0.0).train.meta.labels
SCORES = np.array([0.0, 0.25, 0.5, 0.5, 1.0, -3.0, 1e-30, 1e30, -np.inf, np.inf])  # ties, signs and extremes
NAME = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)  # no file name holds NUL
Data = TypeVar("Data", bound=Dataset)


def datasets(**fixed: Any) -> st.SearchStrategy[Dataset]:
    """Random valid annotations."""
    return _drawn(Dataset, fixed)


def predictions(**fixed: Any) -> st.SearchStrategy[Predictions]:
    """Random valid predictions; fix `dense=False` for sparse ones."""
    return _drawn(Predictions, fixed)


def either(**fixed: Any) -> st.SearchStrategy[Dataset]:
    """Random valid annotations or predictions."""
    return datasets(**fixed) | predictions(**fixed)


def assert_same(a: Dataset, b: Dataset) -> None:
    """Both hold the same: kind, metadata, columns, dtypes, values, offsets."""
    assert a.kind == b.kind
    assert list(a.columns()) == list(b.columns())
    for name, values in a.columns().items():
        other = b.need(name)
        assert values.dtype == other.dtype, name
        np.testing.assert_array_equal(values, other, err_msg=name, strict=True)
    for group in ("box", "pair", "image_label", "caption"):
        mine, theirs = a.offsets(group), b.offsets(group)
        assert (mine is None) == (theirs is None), group
        if mine is not None:
            np.testing.assert_array_equal(mine, theirs, err_msg=group, strict=True)
    for field in fields(Meta):
        if field.name != "labels":
            assert getattr(a.meta, field.name) == getattr(b.meta, field.name), field.name
    for field in fields(a.meta.labels):
        np.testing.assert_array_equal(
            getattr(a.meta.labels, field.name), getattr(b.meta.labels, field.name), field.name
        )


@dataclass
class _Maker:
    """Draws choices from hypothesis, unless they are fixed, and bulk numbers from one generator."""

    draw: Any
    fixed: dict[str, Any]
    rng: np.random.Generator

    def choose(self, name: str, options: Any) -> Any:
        return self.fixed[name] if name in self.fixed else self.draw(st.sampled_from(options), label=name)

    def has(self, name: str) -> bool:
        return bool(self.choose(name, (False, True)))

    def counts(self, images: int, most: int) -> np.ndarray:
        return np.array(self.draw(st.lists(st.integers(0, most), min_size=images, max_size=images)), np.int64)

    def real(self, name: str) -> np.dtype:
        return np.dtype(self.choose(f"{name}_dtype", ("float64", "float32")))

    def score(self, name: str, *shape: int) -> np.ndarray:
        dtype = self.real(name)
        return np.where(self.rng.random(shape) < 0.5, self.rng.choice(SCORES, shape), self.rng.random(shape)).astype(
            dtype
        )

    def whole(self, low: int, high: int, rows: int, dtype: str = "int32") -> np.ndarray:
        return self.rng.integers(low, high, rows).astype(dtype)

    def texts(self, rows: int) -> np.ndarray:
        return strings(self.draw(st.lists(st.text(max_size=6), min_size=rows, max_size=rows)))


@st.composite
def _drawn(draw: Any, kind: type[Data], fixed: dict[str, Any]) -> Data:
    make = _Maker(draw, fixed, np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed")))
    predicted = kind is Predictions
    space = make.choose("labels", (HICO, DEMO, V_COCO))
    kinds = LABEL_KINDS if space.roles else LABEL_KINDS[:4] if len(space) else ("predicates", "objects")
    label_kind = make.choose("label_kind", kinds)
    if label_kind == "objects":
        make.fixed = fixed | {"box_scores": True, "dense": False, "score": "final"}
    classes = Meta(space, label_kind=label_kind).classes
    images = fixed.get("images", draw(st.integers(fixed.get("least_images", 0), 6), label="images"))
    boxes = make.counts(images, 4)
    pairs = np.where((boxes > 0) & (label_kind != "objects"), make.counts(images, 5), 0)
    columns = _image_columns(make, images, classes) | _box_columns(make, int(boxes.sum()), space, predicted)
    columns |= _pair_columns(make, boxes, pairs, classes, predicted)
    columns |= _image_label_columns(make, images, Meta(space, label_kind=label_kind).image_classes) | _caption_columns(
        make, images
    )
    subset = "+".join(dict.fromkeys(columns["subset"])) if "subset" in columns else make.choose("subset", ("test", ""))
    meta = Meta(
        space,
        dataset=make.choose("dataset", ("", "made-up")),
        subset=subset,
        label_kind=label_kind,
        score=make.choose("score", SCORE_KINDS) if predicted and "box_scores" in columns else "final",
        box_frame=make.choose("box_frame", FRAMES),
        sources=make.choose("sources", ({}, {"anno.mat": "12ab", "b": "34cd"})),
        extras=make.choose("extras", ({}, {"some-format": {"image ids": {"a": 1, "b": [2, "é"]}, "year": 2015}})),
    )
    return kind(meta=meta, box_offsets=offsets_of(boxes), pair_offsets=offsets_of(pairs), **columns)


def _image_columns(make: _Maker, images: int, classes: int) -> dict[str, Any]:
    made: dict[str, Any] = {"key": strings(make.draw(st.lists(NAME, min_size=images, max_size=images, unique=True)))}
    if make.has("file_names"):
        made["file_name"] = make.texts(images)
    if make.has("sizes"):
        made |= {"width": make.whole(1, 2000, images), "height": make.whole(1, 2000, images)}
    if images > 1 and make.has("subsets"):
        made["subset"] = strings(["train", "test", *make.rng.choice(["train", "val"], images - 2)])
    if make.has("image_scores"):
        made["image_scores"] = make.score("image_scores", images, classes)
    return made


def _box_columns(make: _Maker, rows: int, space: Any, predicted: bool) -> dict[str, Any]:
    boxes = np.where(
        make.rng.random((rows, 4)) < 0.5, make.whole(-9, 700, (rows, 4)), make.rng.uniform(-9, 700, (rows, 4))
    )
    made: dict[str, Any] = {
        "boxes": boxes.astype(make.real("boxes")),
        "categories": make.whole(-1, len(space.objects), rows),
    }
    if make.fixed.get("known_objects"):
        made["categories"] = np.abs(made["categories"])
    if predicted and make.has("box_scores"):
        made["box_scores"] = make.rng.random(rows).astype(make.real("box_scores"))
    for name in ("annotated", "crowd"):
        if make.has(name):
            made[name] = make.rng.random(rows) < 0.5
    if make.has("box_ids"):
        made["box_ids"] = make.whole(-(2**62), 2**62, rows, "int64")
    return made


def _pair_columns(make: _Maker, boxes: np.ndarray, pairs: np.ndarray, classes: int, predicted: bool) -> dict[str, Any]:
    rows, limit = int(pairs.sum()), np.repeat(boxes, pairs)
    least = 0 if make.fixed.get("known_objects") else -1
    made: dict[str, Any] = {"subject": make.rng.integers(0, limit), "object": make.rng.integers(least, limit)}
    made = {name: values.astype(np.int32) for name, values in made.items()}
    if predicted and make.has("dense"):
        made["scores"] = make.score("scores", rows, classes)
        made["scores"][make.rng.random((rows, classes)) < 0.2] = np.nan
        return made
    made["label"] = make.whole(0, classes, rows)
    if predicted:
        made["score"] = make.score("score_column", rows)
    return made


def _image_label_columns(make: _Maker, images: int, classes: int) -> dict[str, Any]:
    if not make.has("image_labels"):
        return {}
    offsets = offsets_of(make.counts(images, 3))
    rows = int(offsets[-1])
    label, value = make.whole(0, classes, rows), make.whole(-1, 2, rows, "int8")
    return {"image_label": label, "image_value": value, "image_label_offsets": offsets}


def _caption_columns(make: _Maker, images: int) -> dict[str, Any]:
    if not make.has("captions"):
        return {}
    offsets = offsets_of(make.counts(images, 2))
    rows = int(offsets[-1])
    return {
        "caption_id": make.whole(0, 2**62, rows, "int64"),
        "caption_text": make.texts(rows),
        "caption_offsets": offsets,
    }
