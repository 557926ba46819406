"""What every format must do: recognise its own files and bring data back unchanged."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hoitool.convert import FORMATS, PREDICTION_FORMATS, load, read, sniff
from hoitool.data import Dataset
from hoitool.errors import DataError, UsageError
from hoitool.labels import load_labels

SUFFIXES = {"pairs": [".npz", ".csv", ".parquet"]}
WRITTEN = [(name, suffix) for name in PREDICTION_FORMATS for suffix in SUFFIXES.get(name, [""])]


def same(a: Dataset, b: Dataset) -> None:
    """Both hold the same columns, to the last bit."""
    assert a.columns().keys() == b.columns().keys()
    for name, values in a.columns().items():
        assert values.dtype == b.columns()[name].dtype, name
        assert np.array_equal(values, b.columns()[name]), name


def meaning(data: Dataset) -> dict:
    """What a dataset says of each image, whatever the order of its boxes."""
    sides = [data.boxes[data.pair_boxes(side)].tolist() for side in ("subject", "object")]
    pairs = list(zip(*sides, data.label.tolist(), strict=True))
    labels = list(zip(data.image_label.tolist(), data.image_value.tolist(), strict=True))
    return {
        key: (
            data.width[i],
            data.height[i],
            sorted(pairs[data.pair_offsets[i] : data.pair_offsets[i + 1]]),
            sorted(labels[data.image_label_offsets[i] : data.image_label_offsets[i + 1]]),
        )
        for i, key in enumerate(data.key.tolist())
    }


@pytest.mark.parametrize("name", FORMATS)
def test_annotations_come_back(small, name, tmp_path):
    FORMATS[name].write([small.test, small.train], tmp_path / "out")
    assert sniff(tmp_path / "out") == name
    back = {part.meta.subset: part for part in read(tmp_path / "out").parts}
    FORMATS[name].write(list(back.values()), tmp_path / "again")
    again = {part.meta.subset: part for part in read(tmp_path / "again").parts}
    for part in (small.train, small.test):
        held = back[part.meta.subset]
        assert meaning(part) == meaning(held)
        same(held, again[part.meta.subset])
        assert held.meta.labels.hash == part.meta.labels.hash
        assert held.meta.labels.train_instances.tolist() == part.meta.labels.train_instances.tolist()


@pytest.mark.parametrize(("name", "suffix"), WRITTEN)
def test_predictions_come_back(detected, small, name, suffix, tmp_path):
    detected = _by_label(detected)
    PREDICTION_FORMATS[name].write(detected, tmp_path / f"out{suffix}")
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
    content = [small.test] if name in FORMATS else detected
    path = tmp_path / ("out.npz" if name == "pairs" else "out")
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


@pytest.mark.parametrize("name", [name for name in [*FORMATS, *PREDICTION_FORMATS] if name != "hoitool"])
def test_a_pair_without_an_object_is_not_written_as_another_one(small, detected, name, tmp_path):
    content = small.test if name in FORMATS else detected
    lonely = content.with_columns(object=np.where(np.arange(len(content.object)) == 3, -1, content.object).astype("i4"))
    table = FORMATS if name in FORMATS else PREDICTION_FORMATS
    with pytest.raises(DataError, match="it has no object, which .* cannot hold"):
        table[name].write([lonely] if name in FORMATS else lonely, tmp_path / ("x.npz" if name == "pairs" else "x"))
    assert not list(tmp_path.iterdir())
