"""What every format must do: recognise its own files and bring data back unchanged."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from builders import v_coco_predictions, v_coco_truth
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from meaning import meaning
from strategies import DEMO, HICO, V_COCO, datasets, predictions

from hoitool.convert import FORMATS, PREDICTION_FORMATS, format_named, load, one_part, read, sniff
from hoitool.convert.fit import Fitted, fit, in_pairs
from hoitool.data import Dataset, Meta, align
from hoitool.errors import DataError, UsageError
from hoitool.labels import LabelSpace, load_labels

SUFFIXES = {"pairs": [".npz", ".csv", ".parquet"], "recognition": [".h5", ".hdf5", ".npz", ".parquet"]}
SUFFIXES |= {n: [".json"] for n in ("qpic", "gen-vlkt", "ppdm", "coco-results")}
WRITTEN = [(name, suffix) for name in PREDICTION_FORMATS for suffix in SUFFIXES.get(name, [""])]


@pytest.fixture
def detected(detected, small):
    """An imperfect detector's predictions with the sizes of their images, which normalised boxes need."""
    return align(detected, small.test)


def of_boxes(name: str) -> bool:
    """Whether a format has boxes; those without are about whole images."""
    return bool(format_named(name).HOLDS.boxes)


def objects(name: str) -> set[str]:
    """Whether a format takes boxes alone, and whether it takes nothing else."""
    kinds = format_named(name).HOLDS.label_kinds
    return {"too", "alone"} if kinds == ("objects",) else {"too"} if "objects" in kinds else set()


def of_captions(name: str) -> bool:
    """Whether a format has captions, and nothing else about images."""
    return "caption_id" in format_named(name).HOLDS.always


def held_by(name: str, data: Dataset) -> Dataset:
    """Synthetic data with scores of whole images, as a format other than hoitool's holds them."""
    if name in PREDICTION_FORMATS:
        scores = np.random.default_rng(0).random((len(data), data.meta.classes))
        data = data.with_columns(image_scores=scores, box_scores=np.linspace(0, 1, len(data.boxes)))
    return data if name == "hoitool" else fit([data], format_named(name).HOLDS).parts[0]


def same(a: Dataset, b: Dataset) -> None:
    """Both hold the same columns, to the last bit."""
    assert a.columns().keys() == b.columns().keys()
    for name, values in a.columns().items():
        assert values.dtype == b.columns()[name].dtype, name
        assert np.array_equal(values, b.columns()[name]), name


# the label spaces that a format is tried with, where not all: MATLAB files of 600 interactions are slow to write
TRIED = {name: [DEMO] for name in ("hico-det", "hico", "hico-matlab", "hico-matlab-alphabetical", "hico-matlab-all")}
TRIED |= {"v-coco": [V_COCO], "v-coco-pickle": [V_COCO]}


def tried(*names: str) -> list[LabelSpace]:
    """The label spaces that all these formats are tried with."""
    return [s for s in (HICO, V_COCO, DEMO) if all(s in TRIED.get(name, [s]) for name in names)]


def drawn(data: Any, *names: str) -> Dataset:
    """Random data of the kind that formats hold."""
    kind = predictions if names[0] in PREDICTION_FORMATS else datasets
    labels = data.draw(st.sampled_from(tried(*names)))
    return data.draw(kind(labels=labels, subset="test", subsets=False, dataset="made-up", extras={}))


def fitted(name: str, part: Dataset) -> Fitted:
    """Data as a format holds them; skips the example where it is for another label space or frame altogether."""
    try:
        return fit([part], format_named(name).HOLDS)
    except (UsageError, DataError):
        reject()


def sized(part: Dataset, origin: Dataset, name: str) -> Dataset:
    """Data for a format that measures in parts of images: with their sizes, as aligning with a truth gives them."""
    if (name != "vg-sgg" and format_named(name).HOLDS.box_frame != "normalised") or origin.width is None:
        return part
    at = {key: i for i, key in enumerate(origin.key.tolist())}
    rows = [at[key] for key in part.key.tolist()]
    return part.with_columns(width=origin.width[rows], height=origin.need("height")[rows])


def come_back(name: str, part: Dataset, folder: Path) -> Dataset:
    """A part written in a format and read again; predictions against the images they were written with."""
    path = folder / f"out{SUFFIXES.get(name, [''])[0]}"
    format_named(name).write([part], path, True)
    truth = None
    if part.kind == "predictions":
        shown = {name: getattr(part, name) for name in ("key", "width", "height")}
        none = np.zeros(len(part) + 1, np.int64)
        truth = Dataset(
            Meta(part.meta.labels, part.meta.dataset, part.meta.subset, part.meta.label_kind, box_frame="continuous"),
            **shown,
            boxes=np.empty((0, 4)),
            categories=np.empty(0, np.int32),
            subject=np.empty(0, np.int32),
            object=np.empty(0, np.int32),
            label=np.empty(0, np.int32),
            box_offsets=none,
            pair_offsets=none,
        )
    return one_part(read(path, name, truth), path, part.meta.subset)


def content_for(name: str, annotations: Dataset, detected: Dataset) -> Dataset:
    """Data for a format: made by hand where it is only for label spaces with roles."""
    if DEMO in tried(name):
        return annotations if name in FORMATS else detected
    return v_coco_truth() if name in FORMATS else v_coco_predictions(v_coco_truth())


TABLES = (FORMATS, PREDICTION_FORMATS)
HELD = [name for name in [*FORMATS, *PREDICTION_FORMATS] if name != "hoitool"]
HELD_TWICE = [(a, b) for table in TABLES for a in HELD for b in HELD if a != b and {a, b} <= {*table} and tried(a, b)]
# else nothing is common
HELD_TWICE = [(a, b) for a, b in HELD_TWICE if of_captions(a) == of_captions(b)]
HELD_TWICE = [(a, b) for a, b in HELD_TWICE if a in FORMATS or of_boxes(a) == of_boxes(b)]
HELD_TWICE = [(a, b) for a, b in HELD_TWICE if objects(a) & objects(b) or "alone" not in objects(a) | objects(b)]


@pytest.mark.parametrize("name", HELD)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_what_a_format_holds_comes_back_and_what_it_loses_is_said(name, data):
    part = drawn(data, name)
    held = fitted(name, part)
    with TemporaryDirectory() as folder:
        back = come_back(name, held.parts[0], Path(folder))
    assert meaning(back) == meaning(held.parts[0])
    assert not fit(held.parts, format_named(name).HOLDS).lost
    if not held.lost:  # then nothing that the data said is missing
        assert len(held.parts[0].subject) >= len(part.subject)  # V-COCO states roles that are empty
        assert len(held.parts[0].boxes) >= len(part.boxes) - (~in_pairs(part)).sum()
        for column in part.columns():
            if column in ("label", "scores"):  # of another kind now
                continue
            default = fitted_default(part, column)
            assert default or held.parts[0].columns().get(column) is not None, column


def fitted_default(part: Dataset, column: str) -> bool:
    """Whether a column says nothing that its absence does not."""
    values = part.columns()[column]
    if column == "file_name":
        return bool((values == part.key).all())
    return not len(values) or (values.dtype == bool and not values.any())


@pytest.mark.parametrize(("first", "second"), HELD_TWICE)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_between_two_formats_what_both_hold_is_the_same(first, second, data):
    part = drawn(data, first, second)
    once = fitted(first, part).parts[0]
    both = fitted(second, sized(once, part, second)).parts[0]
    again = fitted(first, sized(both, part, first)).parts[0]
    with TemporaryDirectory() as folder:
        back = come_back(second, both, Path(folder))
        assert meaning(back) == meaning(both)
        once_more = come_back(first, fitted(first, sized(back, part, first)).parts[0], Path(folder) / "first")
    if both.box_ids is None:  # ids that the first format made up, by the order of boxes, which the second may change
        again, once_more = again.with_columns(box_ids=None), once_more.with_columns(box_ids=None)
    assert meaning(once_more) == meaning(again)


@pytest.mark.parametrize(("name", "suffix"), [row for row in WRITTEN if DEMO in tried(row[0])])
def test_predictions_come_back(detected, small, name, suffix, tmp_path):
    detected = held_by(name, align(_by_label(detected), small.test))
    PREDICTION_FORMATS[name].write([detected], tmp_path / f"out{suffix}")
    assert not suffix or sniff(tmp_path / f"out{suffix}") == name
    assert name == "hico-matlab-all" or suffix or sniff(tmp_path / "out") is None  # NN decides only for HICO's labels
    same(detected, load(tmp_path / f"out{suffix}", name, truth=small.test))


@pytest.mark.parametrize("name", [*FORMATS, *PREDICTION_FORMATS])
def test_a_format_says_what_it_is_and_sniffs_nothing_foreign(name, tmp_path):
    table = FORMATS if name in FORMATS else PREDICTION_FORMATS
    assert table[name].SUMMARY
    for foreign in ("notes.txt", "anno_bbox.mat", "detections.json", "empty.npz", "x.parquet", "x.csv"):
        (tmp_path / foreign).write_text("hello")
        assert not table[name].sniff(tmp_path / foreign)
    (tmp_path / "folder").mkdir()
    assert not table[name].sniff(tmp_path / "folder")
    assert not table[name].sniff(tmp_path / "absent")


@pytest.mark.parametrize("name", [*FORMATS, *PREDICTION_FORMATS])
def test_nothing_is_overwritten_unasked(small, detected, name, tmp_path):
    table = FORMATS if name in FORMATS else PREDICTION_FORMATS
    content = [held_by(name, content_for(name, small.test, detected))]
    path = tmp_path / f"out{SUFFIXES.get(name, [''])[0]}"
    table[name].write(content, path)
    with pytest.raises(UsageError, match="--overwrite"):
        table[name].write(content, path)
    table[name].write(content, path, True)


def test_loading_all_formats_needs_no_torch():
    code = (
        "import sys; from hoitool.convert import FORMATS, PREDICTION_FORMATS;"
        "[t[n] for t in (FORMATS, PREDICTION_FORMATS) for n in t]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_folder_with_several_subsets_asks_which(small, tmp_path):
    FORMATS["hoitool"].write([small.test, small.train], tmp_path / "demo")
    with pytest.raises(UsageError, match="name one of test, train"):
        load(tmp_path / "demo")
    same(load(tmp_path / "demo", subset="train"), small.train)
    with pytest.raises(UsageError, match="named 'tset'.*'test'"):
        load(tmp_path / "demo", subset="tset")


def _by_label(detected):
    """In the order that caches by interaction give: by image, then by label."""
    order = np.lexsort((detected.label, detected.image_of("pair")))
    from hoitool.data import Predictions

    return Predictions.from_pairs(
        detected.image_of("pair")[order],
        detected.boxes[detected.pair_boxes("subject")][order],
        detected.boxes[detected.pair_boxes("object")][order],
        detected.label[order],
        detected.score[order],
        images=detected.key,
        labels=detected.meta.labels,
        subset="test",
    )


def test_the_packaged_label_space_is_found_by_its_actions(small, tmp_path):
    """Annotations in HICO's own 600 interactions are read into the packaged label space."""
    hico = load_labels("hico")
    at = [hico.interaction_index(*small.test.meta.labels.interaction_name(i).split(" ")) for i in range(30)]
    objects = [hico.object_index(name) for name in small.test.meta.labels.objects]
    part = small.test.with_columns(
        replace(small.test.meta, labels=hico),
        label=np.array(at, np.int32)[small.test.label],
        image_label=np.array(at, np.int32)[small.test.image_label],
        categories=np.array(objects, np.int32)[small.test.categories],
    )
    FORMATS["hico-det"].write([part], Path(tmp_path))
    back = load(tmp_path)
    assert meaning(part) == meaning(back)
    assert (back.meta.labels.name, back.meta.dataset) == ("hico", "hico-det")


@pytest.mark.parametrize("name", [name for name in HELD if of_boxes(name) and not format_named(name).HOLDS.objectless])
def test_a_pair_without_an_object_is_not_written_as_another_one(small, detected, name, tmp_path):
    content = small.test if name in FORMATS else detected
    lonely = content.with_columns(object=np.where(np.arange(len(content.object)) == 3, -1, content.object).astype("i4"))
    with pytest.raises(DataError, match="cannot hold .*1 pairs without an object"):
        format_named(name).write([lonely], tmp_path / ("x.npz" if name == "pairs" else "x"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name",
    ["v-coco", "hoia", "pocket", "coco", "csv", "label-studio", "open-images", "open-images-json", "visual-genome"],
)
def test_a_byte_order_mark_changes_nothing(name, small, detected, tmp_path):
    part = fit([content_for(name, small.test, detected)], format_named(name).HOLDS).parts[0]
    format_named(name).write([part], tmp_path)
    plain = meaning(one_part(read(tmp_path), tmp_path, part.meta.subset))
    for file in [*tmp_path.glob("*.json"), *tmp_path.glob("*.csv")]:
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert sniff(tmp_path) == name
    assert meaning(one_part(read(tmp_path), tmp_path, part.meta.subset)) == plain
