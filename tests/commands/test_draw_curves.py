"""hoitool draw curves as people run it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from builders import KITS, predictions_of, truth_of

from hoitool.data import write
from hoitool.demo.detector import imperfect

HUMAN, THING = (10, 10, 29, 49), (5, 40, 44, 59)


@pytest.fixture
def folder(small, tmp_path, monkeypatch):
    """A truth and two models' predictions."""
    monkeypatch.chdir(tmp_path)
    write(small.test, tmp_path / "truth.parquet")
    for seed, name in enumerate(("first", "second")):
        write(imperfect(small.test, seed=seed)[0], tmp_path / f"{name}.parquet")
    return tmp_path


LINE = ("draw", "curves", "first.parquet", "--truth", "truth.parquet")


def test_curves_of_one_model_by_split(folder, hoitool):
    done = hoitool(*LINE, "--json", "--class", "ride_bicycle", "--class", "walk dog")
    assert done.code == 0, done.err
    held = json.loads(done.out)
    names = [f"curves/{kind}.{form}" for kind in ("precision-recall", "classes", "frequency", "recall")
             for form in ("png", "svg")]  # fmt: skip
    assert held["written"] == names
    assert all((folder / name).is_file() for name in names)
    (panel,) = held["figures"]["precision-recall"]
    assert [series["name"] for series in panel["series"]] == ["Full", "Rare", "Non-Rare"]
    (panel,) = held["figures"]["classes"]
    assert [series["name"] for series in panel["series"]] == ["ride bicycle", "walk dog"]


def test_the_mean_curve_at_eleven_recalls_has_the_map(folder, hoitool):
    held = json.loads(hoitool(*LINE, "--json", "--what", "precision-recall", "--format", "svg").out)
    scored = json.loads(hoitool("eval", "first.parquet", "--truth", "truth.parquet", "--json").out)
    told = {row["split"]: row["metrics"]["mAP"] for row in scored["results"] if row["setting"] == "default"}
    for series, split in zip(
        held["figures"]["precision-recall"][0]["series"], ("full", "rare", "non-rare"), strict=True
    ):
        at = np.searchsorted(np.array(series["x"]), np.linspace(0, 1, 11) - 1e-9)
        assert np.array(series["y"])[at].mean() == pytest.approx(told[split], abs=0.01)


def test_several_models_share_axes_and_a_result_folder_is_one_of_them(folder, hoitool):
    assert hoitool("eval", "second.parquet", "--truth", "truth.parquet", "-o", "scored").code == 0
    only = ("--json", "--what", "precision-recall", "--format", "svg")
    done = hoitool(*LINE[:3], "scored", *LINE[3:], "--split", "all", "--setting", "known-object", *only)
    assert done.code == 0, done.err
    panels = json.loads(done.out)["figures"]["precision-recall"]
    assert [panel["title"] for panel in panels] == ["Full", "Rare", "Non-Rare"]
    assert {series["name"] for panel in panels for series in panel["series"]} == {"first", "second"}
    first = json.loads(hoitool(*LINE, "second.parquet", *only, "-o", "second").out)
    assert len(first["figures"]["precision-recall"]) == 1


def test_a_named_split_and_a_protocol_without_training_pairs(tmp_path, monkeypatch, hoitool, small, detected):
    monkeypatch.chdir(tmp_path)
    write(truth_of([(0, HUMAN, THING, 18), (1, HUMAN, THING, 19)]), tmp_path / "truth.parquet")
    write(predictions_of([(0, HUMAN, THING, 18, 0.5), (1, HUMAN, THING, 3, 0.5)]), tmp_path / "first.parquet")
    done = hoitool(*LINE, "--split", "rf-uc", "--what", "precision-recall", "--json")
    assert done.code == 0, done.err
    (panel,) = json.loads(done.out)["figures"]["precision-recall"]
    assert [each["name"] for each in panel["series"]] == ["rf-uc Unseen", "rf-uc Seen", "rf-uc Full"]
    kit = KITS["v-coco"]
    write(kit.truth(small.test), tmp_path / "truth2.parquet")
    write(kit.imperfect(kit.truth(small.test), detected), tmp_path / "other.parquet")
    done = hoitool("draw", "curves", "other.parquet", "--truth", "truth2.parquet", "-o", "v")
    assert done.code == 0, done.err
    assert "note: no frequency: the training pairs of the classes are not known" in done.err
    assert not (tmp_path / "v" / "frequency.png").exists()


def test_what_is_there_stays_unless_it_may_be_replaced(folder, hoitool):
    (folder / "curves").mkdir()
    (folder / "curves" / "recall.svg").write_text("mine")
    done = hoitool(*LINE)
    assert (done.code, done.out) == (2, "")
    assert "curves/recall.svg exists; --overwrite replaces it" in done.err
    assert [path.name for path in (folder / "curves").iterdir()] == ["recall.svg"]
    assert hoitool(*LINE, "--what", "recall", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--what", "roc"], 2, "No curve named 'roc'. Known: precision-recall"),
        (["--format", "jpg"], 2, "No format of curves named 'jpg'"),
        (["--class", "ride bicycel"], 2, "No class named 'ride bicycel'. Did you mean 'ride bicycle'"),
        (["--split", "raer"], 2, "raer"),
        (["--setting", "known"], 2, "No setting named 'known'"),
        (["--variant", "qpicc"], 2, "No variant of hico-det named 'qpicc'"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(folder, hoitool, arguments, code, told):
    done = hoitool(*LINE, *arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert done.err.count("\n") == 1
    assert not (folder / "curves").exists()


def test_data_that_are_gone_are_told(folder, hoitool):
    assert hoitool("eval", "second.parquet", "--truth", "truth.parquet", "-o", "scored").code == 0
    (folder / "second.parquet").unlink()
    done = hoitool("draw", "curves", "scored")
    assert (done.code, done.out) == (4, "")
    assert "second: curves need the data that were scored: the predictions second.parquet is not there" in done.err


@pytest.mark.parametrize("protocol", ["sgg", "open-images-vrd"])
def test_protocols_without_rankings_of_classes_are_refused(tmp_path, monkeypatch, hoitool, small, detected, protocol):
    monkeypatch.chdir(tmp_path)
    kit = KITS[protocol]
    truth = kit.truth(small.test)
    write(truth, tmp_path / "truth.parquet")
    write(kit.imperfect(truth, detected), tmp_path / "first.parquet")
    done = hoitool(*LINE, "--protocol", protocol)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"hoitool: protocol {protocol!r} has no ranking of detections by class\n"


def test_results_of_different_rules_do_not_share_a_figure(folder, hoitool):
    line = ("eval", "second.parquet", "--truth", "truth.parquet", "--variant", "qpic", "-o", "scored")
    assert hoitool(*line).code == 0
    done = hoitool(*LINE[:3], "scored", *LINE[3:])
    assert (done.code, done.out) == (2, "")
    assert "curves of hico-det/official and hico-det/qpic do not belong into one figure" in done.err
