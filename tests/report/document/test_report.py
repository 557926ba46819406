"""Reports from files: what they take, what they hold in every format, and what they say when something is missing."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from builders import box_detector, box_scenes, relation_detector, relation_scenes, v_coco_detector, v_coco_scenes
from PIL import Image
from searches import embedded

from hoitool.data import select_pairs, write
from hoitool.demo.detector import imperfect
from hoitool.demo.draw import draw_all
from hoitool.diagnose.diagnosis import CAUSES, MISSES
from hoitool.eval import from_json, score
from hoitool.report.document.errors import told
from hoitool.report.document.making import FORMATS, SUFFIXES
from hoitool.splits import Space, Split

CHEAP = ("--resamples", 40)


@pytest.fixture(scope="module")
def made(small, detected, tmp_path_factory):
    """A workspace with the truth, two runs that are not scored yet, and pictures."""
    folder = tmp_path_factory.mktemp("workspace")
    write(small.test, folder / "data" / "demo" / "test.parquet")
    write(detected, folder / "runs" / "first" / "predictions-test.parquet")
    write(imperfect(small.test, seed=8)[0], folder / "runs" / "second" / "predictions-test.parquet")
    draw_all([small.test], folder / "images", seed=7)
    return folder


@pytest.fixture
def workspace(made, tmp_path, monkeypatch):
    """A copy of it to work in."""
    shutil.copytree(made, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    return tmp_path / "w"


@pytest.fixture
def report(hoitool, tmp_path):
    """The report on what is named, as JSON values; it must be made."""

    def run(*arguments):
        out = tmp_path / "report.json"
        ran = hoitool("report", *arguments, "-o", out, "--overwrite", *CHEAP)
        assert ran.code == 0, ran.err
        return json.loads(out.read_text())

    return run


def sections(held):
    return [section["name"] for section in held["sections"]]


def section(held, name):
    return next(section for section in held["sections"] if section["name"] == name)


def table(held, name):
    found = [table for section in held["sections"] for table in section["tables"] if table["name"] == name]
    columns = [column["title"] for column in found[0]["columns"]]
    return [dict(zip(columns, row, strict=True)) for row in found[0]["rows"]]


def test_one_run_has_every_section_but_a_comparison(workspace, report):
    held = report("runs/first")
    assert sections(held) == ["summary", "curves", "frequency", "errors", "classes", "provenance"]
    assert held["title"] == "first on demo test"


def test_figures_are_those_of_the_evaluation_with_their_intervals(workspace, report, small, detected):
    result = score(small.test, detected)
    held = report("runs/first")
    for row, told_row in zip(result.rows, table(held, "figures"), strict=True):
        figure = told_row["mAP (%)"]
        assert figure["value"] == row.metrics["mAP"]
        assert figure["low"] <= figure["value"] <= figure["high"]
    classes = table(held, "per-class")
    assert [row["AP, Default (%)"]["value"] for row in classes if row["Truths"]] == pytest.approx(
        result.per_class["AP_default"].tolist()
    )
    assert result.signature in [row["Signature"] for row in table(held, "signatures")]


def test_causes_sum_to_the_errors_of_the_evaluation(workspace, report, small, detected):
    result = score(small.test, detected)
    false = result.per_class["detections_default"].sum() - result.per_class["true_positives_default"].sum()
    missed = result.per_class["truths"].sum() - result.per_class["true_positives_default"].sum()
    counts = {row["Cause"]: row["Errors"] for row in table(report("runs/first"), "causes")}
    assert sum(counts[told(cause)] for cause in CAUSES) == false
    assert sum(counts[told(cause)] for cause in MISSES) == missed


def test_several_runs_are_compared_in_words(workspace, report):
    held = report("first", "second")
    assert "comparison" in sections(held)
    assert any("noise" in line for line in section(held, "comparison")["lines"])
    assert {row["Against it"] for row in table(held, "differences")} == {"second"}
    assert [row["Method"] for row in table(held, "figures-mAP")] == ["first", "second"]


def test_of_a_truth_without_pairs_nothing_is_said_that_is_not_known(workspace, report, small):
    none = np.zeros(len(small.test.subject), bool)
    write(select_pairs(small.test, none), workspace / "data" / "demo" / "test.parquet")
    held = report("first", "second")
    (line, *_) = section(held, "frequency")["lines"]
    assert line.endswith("does not exist, as one of the two is the same for all classes.")
    assert "no repair would gain any mAP" in section(held, "errors")["lines"][0]
    recall = [row for row in table(held, "differences") if row["Metric"] == "recall"]
    assert recall and {row["Verdict"] for row in recall} == {"not known"}


def test_without_intervals_nothing_is_resampled_or_compared(workspace, hoitool, tmp_path):
    out = tmp_path / "plain.json"
    assert hoitool("report", "first", "second", "--no-ci", "-o", out).code == 0
    held = json.loads(out.read_text())
    assert "comparison" not in sections(held)
    assert isinstance(table(held, "figures-mAP")[0]["Default Full"], float)


@pytest.mark.parametrize("place", ["result.json", "."])
def test_a_result_is_made_whole_from_the_files_it_names(workspace, report, hoitool, place):
    fresh = report("runs/first")
    hoitool("eval", "runs/first/predictions-test.parquet", "-o", "out")
    held = report(f"out/{place}")
    assert [s for s in sections(held) if s not in sections(fresh)] == []
    assert table(held, "figures") == table(fresh, "figures")
    assert table(held, "causes") == table(fresh, "causes")


def test_a_result_whose_truth_has_gone_says_so_and_shows_what_it_has(workspace, report, hoitool):
    hoitool("eval", "runs/first/predictions-test.parquet", "-o", "out")
    (workspace / "data" / "demo" / "test.parquet").unlink()
    held = report("out")
    assert sections(held) == ["summary", "classes", "provenance"]  # of per-class.csv, which lies beside it
    assert any("truth data/demo/test.parquet is not there" in line for line in section(held, "summary")["lines"])
    assert len(table(held, "per-class")) == 30


def test_a_result_whose_predictions_changed_is_not_mixed_with_them(workspace, report, hoitool):
    hoitool("eval", "runs/first/predictions-test.parquet", "-o", "out")
    shutil.copy("runs/second/predictions-test.parquet", "runs/first/predictions-test.parquet")
    before = from_json((workspace / "out" / "result.json").read_text(), "out")
    held = report("out")
    assert any("its content has another SHA-256" in line for line in section(held, "summary")["lines"])
    assert table(held, "figures")[0]["mAP (%)"] == before.mean()


def test_a_result_that_says_other_figures_than_its_files_is_told(workspace, report, hoitool):
    hoitool("eval", "runs/first/predictions-test.parquet", "-o", "out")
    file = workspace / "out" / "result.json"
    result = from_json(file.read_text(), "out")
    wrong = replace(result.rows[0], metrics=result.rows[0].metrics | {"mAP": 0.99})
    file.write_text(replace(result, rows=(wrong, *result.rows[1:])).to_json())
    assert any("scored again, mAP of full" in line for line in section(report("out"), "summary")["lines"])


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("inputs",), {}, "does not say of which truth it is"),
        (("inputs", "predictions"), {}, "does not say of which predictions it is"),
        (("results", 0, "metrics", "mAP"), 1e400, "scored again"),
    ],
)
def test_a_result_that_lacks_what_it_is_of_shows_the_rest(workspace, report, hoitool, place, value, message):
    hoitool("eval", "runs/first/predictions-test.parquet", "-o", "out")
    file = workspace / "out" / "result.json"
    held = at = json.loads(file.read_text())
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    file.write_text(json.dumps(held))
    assert any(message in line for line in section(report("out"), "summary")["lines"])


def test_the_truth_may_lie_elsewhere_now(workspace, report, hoitool):
    hoitool("eval", "runs/first/predictions-test.parquet", "-o", "out")
    shutil.move("data/demo", "elsewhere")  # with its label space
    assert "errors" in sections(report("out", "--truth", "elsewhere/test.parquet"))


def test_every_format_holds_the_same_figures(workspace, hoitool, tmp_path, small, detected):
    for format, suffix in SUFFIXES.items():
        ran = hoitool("report", "first", "-o", tmp_path / f"r{suffix}", "--images", "images", *CHEAP)
        assert ran.code == 0, (format, ran.err)
    value = score(small.test, detected).mean()
    shown = f"{100 * value:.2f}"
    assert all(shown in (tmp_path / f"r{suffix}").read_text() for suffix in (".html", ".md", ".tex"))
    rows = list(csv.DictReader(io.StringIO((tmp_path / "r.csv").read_text())))
    figures = [float(r["value"]) for r in rows if (r["table"], r["column"]) == ("figures", "mAP (%)")]
    assert figures[0] == value
    held = json.loads((tmp_path / "r.json").read_text())
    tables = {each["name"] for section in held["sections"] for each in section["tables"]}
    assert tables == {row["table"] for row in rows}
    assert (tmp_path / "r.html").read_text().count("data:image/jpeg") == 60


def test_the_same_files_give_the_same_bytes(workspace, hoitool):
    for name in ("a.html", "b.html"):
        assert hoitool("report", "first", "-o", name, "--images", "images", *CHEAP).code == 0
    assert (workspace / "a.html").read_bytes() == (workspace / "b.html").read_bytes()


def test_errors_are_shown_on_their_pictures(workspace, report):
    held = section(report("first", "--images", "images", "--gallery", 18), "gallery")
    pictures = held["tables"][0]["pictures"]
    assert len(pictures) == 18
    assert {p["kind"] for p in pictures} == {"false positive", "missed pair"}
    causes = [p["cause"] for p in pictures]
    assert len({*causes}) >= 5
    assert max(causes.count(cause) for cause in causes) <= 6
    assert all(any(fact.startswith(("Predicted: ", "True: ")) for fact in p["facts"]) for p in pictures)


def test_pictures_that_are_not_there_or_broken_are_left_out_and_counted(workspace, report):
    files = sorted((workspace / "images" / "test").iterdir())
    for file in files[::2]:
        file.unlink()
    files[1].write_bytes(b"no picture")
    held = section(report("first", "--images", "images"), "gallery")
    assert any("are not in images, or cannot be read" in line for line in held["lines"])
    there = {file.name for file in files[3::2]}
    assert {p["image"] for p in held["tables"][0]["pictures"]} <= there


def test_pictures_of_another_size_are_drawn_on_in_the_size_of_the_annotations(workspace, hoitool):
    for file in (workspace / "images" / "test").iterdir():
        with Image.open(file) as picture:
            picture.resize((picture.width * 4, picture.height * 4)).save(file)
    assert hoitool("report", "first", "-o", "r.html", "--images", "images", *CHEAP).code == 0
    assert 'width="100" height="120"' in (workspace / "r.html").read_text()


@pytest.mark.parametrize(
    ("scenes", "detector", "expected"),
    [
        (v_coco_scenes, v_coco_detector, {"curves", "errors", "classes"}),
        (relation_scenes, relation_detector, {"classes"}),
        (box_scenes, box_detector, {"classes"}),
    ],
)
def test_every_protocol_has_a_report(tmp_path, monkeypatch, report, scenes, detector, expected):
    monkeypatch.chdir(tmp_path)
    truth = scenes()
    write(truth, tmp_path / "truth.parquet")
    write(detector(truth), tmp_path / "predictions.parquet")
    held = report("predictions.parquet", "--truth", "truth.parquet")
    assert {"summary", "provenance"} | expected <= {*sections(held)}


def test_results_by_different_rules_stand_apart(workspace, report, hoitool):
    for variant in ("official", "qpic"):
        hoitool("eval", "runs/first/predictions-test.parquet", "--variant", variant, "-o", f"out-{variant}")
    held = report("out-official", "out-qpic")
    assert [name for name in sections(held) if name.startswith("summary")] == ["summary-1", "summary-2"]
    names = [each["name"] for section in held["sections"] for each in section["tables"]]
    assert len(names) == len({*names})
    assert held["title"].startswith("first (official) and first (qpic)")


def test_a_split_is_reported_on_with_intervals(workspace, report, hoitool, small):
    labels = small.test.meta.labels
    mine = Split("mine", Space.of(labels), {"unseen": (1, 3, 5), "seen": tuple(range(6, len(labels)))})
    (workspace / "mine.json").write_text(json.dumps(mine.to_json()))
    rows = table(report("runs/first", "--split", "mine.json"), "figures")
    shown = [row for row in rows if row["Split"].startswith("mine")]
    assert [row["Split"] for row in shown[:4]] == ["mine Unseen", "mine Seen", "mine Full", "mine HM"]
    assert all(isinstance(row["mAP (%)"], dict) for row in shown)
    hoitool("eval", "runs/first/predictions-test.parquet")
    of_result = table(report("runs/first", "--split", "mine.json"), "figures")
    assert of_result == rows


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nothing-here"], 4, "hoitool: nothing-here: no such file or folder"),
        (["first", "-o", "data"], 2, "is a folder"),
        (["first", "-o", "report.docx"], 2, "another name needs --format"),
        (["first", "--format", "pdf"], 2, "No format of reports named 'pdf'"),
        (["first", "--images", "nowhere"], 4, "no such folder"),
        (["first", "--images", "data"], 4, "holds none of the images"),
        (["first"] * 7, 2, "6 results are told apart at most"),
        (["first", "--resamples", 3], 2, "resamples are too few"),
        (["first", "--protocol", "v-coco"], 1, "V-COCO"),
        (["first", "--split", "rf-uc"], 2, "label space"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line_and_leaves_nothing(workspace, hoitool, arguments, code, message):
    ran = hoitool("report", *arguments, *([] if "--resamples" in arguments else CHEAP))
    assert ran.code == code, ran.err
    assert message in ran.err.splitlines()[-1]
    assert not (workspace / "report.html").exists()


def test_a_folder_of_pictures_that_is_not_there_is_told_before_the_work(workspace, hoitool, monkeypatch):
    from hoitool.report.document import sources

    monkeypatch.setattr(sources, "open_sources", lambda *_: pytest.fail("the work was begun"))
    assert "nowhere: no such folder" in hoitool("report", "first", "--images", "nowhere").err


def test_a_report_is_not_replaced_unasked(workspace, hoitool):
    assert hoitool("report", "first", "--no-ci").code == 0
    assert "--overwrite replaces it" in hoitool("report", "first", "--no-ci").err
    assert hoitool("report", "first", "--no-ci", "--overwrite").code == 0


def test_a_result_of_another_protocol_than_is_asked_for_is_refused(workspace, hoitool):
    hoitool("eval", "runs/first/predictions-test.parquet")
    ran = hoitool("report", "first", "--variant", "qpic")
    assert ran.code == 2
    assert "is a result by variant 'official', not 'qpic'" in ran.err


def test_the_newest_run_is_taken_and_the_command_says_what_it_wrote(workspace, hoitool):
    ran = hoitool("report", "--json", "--no-ci")
    assert json.loads(ran.out) in (
        {"report": "report.html", "format": "html", "results": [name]} for name in ("first", "second")
    )
    assert "took the predictions runs/" in ran.err


def test_all_formats_have_a_suffix():
    assert {*FORMATS} == {*SUFFIXES}


def test_results_of_searches_say_what_they_lack_and_only_those_of_the_same_queries_stand_together(
    tmp_path, monkeypatch, report, hoitool
):
    monkeypatch.chdir(tmp_path)
    for name, images in (("one", 6), ("two", 6), ("other", 7)):
        held = embedded([5] * images, seed=len(name))
        np.savez(tmp_path / f"{name}.npz", images=held.images, captions=held.captions)
        assert hoitool("eval", f"{name}.npz", "-o", name).code == 0
    lines = section(report("one", "two"), "summary")["lines"]
    assert sum("are made of its data, because searches are made again from their stores" in line for line in lines) == 2
    assert sections(report("one", "two", "other")) == ["summary-1", "provenance-1", "summary-2", "provenance-2"]
    assert "[" in section(report("one.npz"), "summary")["lines"][0]
    curves, compared = hoitool("draw", "curves", "one"), hoitool("compare", "one.npz", "two.npz")
    assert curves.code == 2 and "'retrieval' has no ranking of detections" in curves.err
    assert compared.code == 2 and "searches over feature stores (retrieval) are not compared" in compared.err
