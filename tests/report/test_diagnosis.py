"""`hoitool diagnose`: what it shows and writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pyarrow.parquet as pq
import pytest
from builders import v_coco_detector, v_coco_scenes
from PIL import Image

from hoitool.data import select_pairs, write
from hoitool.diagnose.causes import diagnose
from hoitool.diagnose.diagnosis import CAUSES, MISSES, REPAIRS
from hoitool.errors import UsageError
from hoitool.report.diagnosis import save_diagnosis
from hoitool.viz.diagnosis import draw_causes

PICTURES = ("causes", "calibration", "frequency")


@pytest.fixture(scope="module")
def files(small, detected, tmp_path_factory):
    """The truth and the predictions as files, and their folder."""
    folder = tmp_path_factory.mktemp("diagnose")
    write(small.test, folder / "test.parquet")
    write(small.train, folder / "train.parquet")
    write(detected, folder / "found.parquet")
    return folder


@pytest.fixture
def run(files, hoitool):
    """The command on the predictions, with more options."""

    def ran(*more):
        return hoitool("diagnose", files / "found.parquet", "--truth", files / "test.parquet", *more)

    return ran


def test_the_table_has_every_cause_with_its_gain(run):
    made = run()
    assert made.code == 0, made.err
    for name in REPAIRS:
        assert name.replace("-", " ").replace("all missed", "all missed pairs") in made.out
    for text in (
        "mAP gained, Rare",
        "pairs recall",
        "expected calibration error",
        "rank correlation",
        "hico-det/official|",
    ):
        assert text in made.out


def test_json_is_the_library_s_and_adds_up(run, small, detected):
    told = json.loads(run("--json").out)
    assert list(told["causes"]) == [*CAUSES, *MISSES]
    assert told["inputs"]["predictions"]["sha256"]
    found = diagnose(small.test, detected)
    mine = json.loads(found.to_json())
    for name in ("splits", "objects", "verbs", "calibration", "frequency", "signature"):
        assert told[name] == mine[name]
    full = told["splits"][0]
    assert full["true_positives"] + sum(full["false_positives"].values()) == full["detections"]
    assert full["true_positives"] + sum(full["missed"].values()) == full["truths"]


def test_setting_and_split_are_those_asked_for(run):
    told = json.loads(run("--json", "--setting", "known-object", "--split", "rare").out)
    assert (told["setting"], [row["name"] for row in told["splits"]]) == ("known-object", ["rare"])
    assert run("--setting", "knwon-object").code == 2
    assert run("--split", "rrae").code == 2
    assert "no diagnosis" in run("--protocol", "open-vocab").err
    assert run("--split", "rf-uc").code == 2  # of HICO's classes, which these are not


def test_rare_is_counted_where_counts_says(run, files):
    told = json.loads(run("--json", "--counts", files / "train.parquet").out)
    assert {row["name"] for row in told["splits"]} == {"full", "rare", "non-rare"}
    assert told["inputs"]["training"]["sha256"]


def test_a_folder_holds_tables_and_pictures(run, small, tmp_path):
    before = dict(mpl.rcParams)
    made = run("-o", tmp_path / "why")
    assert made.code == 0, made.err
    assert dict(mpl.rcParams) == before
    names = {path.name for path in (tmp_path / "why").iterdir()}
    tables = {"diagnosis.json", "per-class.csv", "false-positives.parquet", "missed.parquet"}
    assert names == tables | {f"{name}{suffix}" for name in PICTURES for suffix in (".png", ".svg")}
    full = json.loads((tmp_path / "why" / "diagnosis.json").read_text())["splits"][0]
    with (tmp_path / "why" / "per-class.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert sum(int(row["verb-only"]) for row in rows) == full["false_positives"]["verb-only"]
    false = pq.read_table(tmp_path / "why" / "false-positives.parquet").to_pydict()
    assert false["cause"].count("verb-only") == full["false_positives"]["verb-only"]
    lost = pq.read_table(tmp_path / "why" / "missed.parquet")
    assert lost.num_rows == sum(full["missed"].values())
    assert not np.isnan(lost["true_human"].to_pylist()).any()
    for name in PICTURES:
        with Image.open(tmp_path / "why" / f"{name}.png") as image:
            assert image.width > 500
        assert "<svg" in (tmp_path / "why" / f"{name}.svg").read_text()[:600]
    errors_have_their_boxes(false, small)


def errors_have_their_boxes(false, small) -> None:
    """The true boxes of an error are those of a true pair of its image; background has none."""
    row = false["cause"].index("verb-only")
    image = small.test.key.tolist().index(false["image"][row])
    rows = range(*small.test.pair_offsets[image : image + 2])
    assert false["true_human"][row] in [small.test.boxes[small.test.pair_boxes("subject")[p]].tolist() for p in rows]
    assert np.isnan(np.array(false["true_human"])[[c == "background" for c in false["cause"]]]).all()


def test_v_coco_has_no_objects_and_asks_for_training_data(hoitool, tmp_path):
    truth = v_coco_scenes(6)
    write(truth, tmp_path / "truth.parquet")
    write(v_coco_detector(truth), tmp_path / "found.parquet")
    made = hoitool(
        "diagnose", tmp_path / "found.parquet", "--truth", tmp_path / "truth.parquet", "-o", tmp_path / "why"
    )
    assert made.code == 0, made.err
    assert "Objects that lose most" not in made.out
    assert "training pairs are not known" in made.out
    assert "objects" not in json.loads((tmp_path / "why" / "diagnosis.json").read_text())
    assert not (tmp_path / "why" / "frequency.png").exists()


def test_where_no_repair_gains_anything_none_is_named(small, files, hoitool, tmp_path):
    write(select_pairs(small.test, np.zeros(len(small.test.subject), bool)), tmp_path / "nothing.parquet")
    made = hoitool("diagnose", files / "found.parquet", "--truth", tmp_path / "nothing.parquet")
    assert made.code == 0, made.err
    worst = made.out[made.out.index("Objects that lose most") :]
    assert "+0.00" in worst and "duplicate" not in worst


def test_no_detections_are_not_said_to_have_scores(detected, files, hoitool, tmp_path):
    write(select_pairs(detected, np.zeros(len(detected.subject), bool)), tmp_path / "none.parquet")
    made = hoitool("diagnose", tmp_path / "none.parquet", "--truth", files / "test.parquet")
    assert made.code == 0, made.err
    assert "none: no detections" in made.out and "probabilities" not in made.out


def test_nothing_to_draw_is_drawn_without_a_warning(small, detected, tmp_path):
    none = select_pairs(detected, np.zeros(len(detected.subject), bool))
    assert all(path.exists() for path in save_diagnosis(diagnose(small.test, none), tmp_path))


def test_pictures_are_the_same_bytes_and_png_or_svg(tmp_path):
    for name in ("a", "b"):
        draw_causes(["$x_$", "missed"], [1, 2], [0.1, float("nan")], 1, [tmp_path / f"{name}.svg"])
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    with pytest.raises(UsageError, match=r"written as .png or .svg"):
        draw_causes(["x"], [1], [0.1], 0, [Path("a.gif")])
