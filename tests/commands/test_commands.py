"""The commands as people run them: a whole workspace, the bare commands, JSON, files, exit codes."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from builders import relation_scenes

from hoitool.convert import FORMATS, PREDICTION_FORMATS, load
from hoitool.data import read, select_images, write


@pytest.fixture
def workspace(small, detected, tmp_path, monkeypatch):
    """A workspace with raw data, as the current folder."""
    FORMATS["hico-det"].write([small.train, small.test], tmp_path / "raw" / "demo")
    PREDICTION_FORMATS["pairs"].write([detected], tmp_path / "raw" / "mine.npz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_bare_commands_in_a_workspace(workspace, hoitool):
    (workspace / "raw" / "notes.txt").write_text("nothing")
    converted = hoitool("convert")
    assert converted.code == 0, converted.err
    assert "skipped raw/notes.txt" in converted.err
    assert (workspace / "data/demo/train.parquet").exists()
    assert (workspace / "data/demo/test.parquet").exists()
    assert (workspace / "runs/mine/predictions-test.parquet").exists()
    scored = hoitool("eval", "--split", "rare")
    assert scored.code == 0, scored.err
    assert "took the predictions runs/mine/predictions-test.parquet" in scored.err
    assert "took the truth data/demo/test.parquet" in scored.err
    assert "Rare" in scored.out
    assert "Non-Rare" not in scored.out
    held = json.loads((workspace / "runs/mine/result.json").read_text())
    assert {row["split"] for row in held["results"]} == {"full", "rare", "non-rare"}


def test_convert_says_what_it_read_and_refuses_to_overwrite(workspace, hoitool):
    first = hoitool("convert", "raw/demo", "--json")
    (made,) = json.loads(first.out)
    assert made["from"] == "hico-det"
    assert [part["images"] for part in made["parts"]] == [len(read(workspace / p)) for p in made["written"]]
    assert made["dropped"] == {}
    again = hoitool("convert", "raw/demo")
    assert (again.code, again.err.strip()) == (2, "hoitool: data/demo/train.parquet exists; --overwrite replaces it")
    assert hoitool("convert", "raw/demo", "--overwrite").code == 0


def test_convert_there_and_back(workspace, hoitool):
    assert hoitool("convert", "raw/demo", "-o", "data/demo").code == 0
    assert hoitool("convert", "data/demo", "--to", "hico-det", "-o", "back").code == 0
    assert sorted(p.name for p in (workspace / "back").iterdir()) == ["anno.mat", "anno_bbox.mat"]
    for target in ("pairs", "hico-matlab-all"):
        out = {"pairs": "x.csv", "hico-matlab-all": "detections.mat"}[target]
        done = hoitool("convert", "raw/mine.npz", "--truth", "data/demo/test.parquet", "--to", target, "-o", out)
        assert done.code == 0, done.err
    scored = [
        json.loads(hoitool("eval", name, "--json").out)["results"]
        for name in ("raw/mine.npz", "x.csv", "detections.mat")
    ]
    assert scored[0] == scored[1] == scored[2]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["convert", "raw/demo", "--to", "pairs", "-o", "x.npz"], 2, "'pairs' does not hold annotations"),
        (["convert", "raw/mine.npz", "--to", "hico-det", "-o", "x"], 2, "'hico-det' does not hold predictions"),
        (["convert", "raw/demo", "--to", "hico-det"], 2, "--to hico-det needs -o"),
        (["convert", "raw/demo", "--to", "hicodet"], 2, "Did you mean 'hico-det'"),
        (["convert", "raw/demo", "--from", "nonsense"], 2, "No format named 'nonsense'"),
        (["convert", "raw/demo", "--subset", "val"], 2, "No subset in raw/demo named 'val'. Known: train, test."),
        (["convert", "raw/demo", "-o", "one.parquet"], 2, "holds 2 subsets (train, test); name a folder"),
        (["convert", "absent"], 4, "absent: no such file or folder"),
        (["convert", "raw/demo/images"], 4, "no such file or folder"),
        (["eval", "raw/mine.npz", "--protocol", "hoi"], 2, "No protocol named 'hoi'"),
        (["eval"], 4, "no predictions: name a file, or work in a folder that has runs/"),
        (["eval", "raw/mine.npz"], 4, "Give them with --truth"),
        (["eval", "raw/mine.npz", "--truth", "raw/demo", "--split", "rrae"], 2, "Did you mean 'rare'"),
        (["eval", "raw/mine.npz", "--truth", "raw/demo", "--setting", "ko"], 2, "No setting named 'ko'"),
        (["eval", "raw/mine.npz", "--truth", "raw/demo", "--per-class", "x.txt"], 2, "written as .csv or .parquet"),
        (["eval", "raw/demo", "--truth", "raw/demo"], 2, "expected predictions"),
        (["explain", "hoi"], 2, "No protocol named 'hoi'"),
        (["inspect", "raw/demo"], 1, "it is in the format 'hico-det'"),
        (["inspect", "absent"], 4, "no such file"),
        (["nonsense"], 2, "No such command"),
        (["eval", "--nonsense"], 2, "No such option"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(workspace, hoitool, arguments, code, told):
    done = hoitool(*arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert "Traceback" not in done.err
    if done.err.startswith("hoitool: "):
        assert done.err.count("\n") == 1


def test_eval_writes_what_it_says(workspace, hoitool):
    hoitool("convert")
    done = hoitool("eval", "raw/mine.npz", "-o", "out", "--per-class", "classes.parquet", "--json")
    assert done.code == 0, done.err
    held = json.loads(done.out)
    assert held["schema"] == 1
    assert {tuple(row["metrics"]) for row in held["results"]} == {("mAP", "recall")}
    assert held["inputs"]["predictions"]["path"] == "raw/mine.npz"
    assert len(held["inputs"]["truth"]["sha256"]) == 64
    assert json.loads((workspace / "out/result.json").read_text()) == held
    rows = list(csv.DictReader((workspace / "out/per-class.csv").read_text().splitlines()))
    assert len(rows) == 30
    expected = ["id", "official_id", "object", "verb", "rare", "truths"]
    for suffix in ("default", "known_object"):
        expected += [f"{name}_{suffix}" for name in ("detections", "true_positives", "AP", "recall")]
    assert list(rows[0]) == expected
    full = next(r for r in held["results"] if (r["setting"], r["split"]) == ("default", "full"))
    assert sum(float(row["AP_default"]) for row in rows) / 30 == pytest.approx(full["metrics"]["mAP"], abs=1e-12)
    latex = (workspace / "out/table.tex").read_text()
    assert r"\multicolumn{3}{c}{Default} & \multicolumn{3}{c}{Known Object}" in latex
    figure = f"{100 * full['metrics']['mAP']:.2f}"
    assert figure in latex
    assert figure in (workspace / "out/table.md").read_text()
    import pyarrow.parquet as pq

    assert pq.read_table(workspace / "classes.parquet").column_names == expected


def test_eval_of_another_subset_and_setting(workspace, hoitool):
    hoitool("convert")
    done = hoitool("eval", "raw/mine.npz", "--truth", "data/demo", "--subset", "test", "--setting", "default", "--json")
    assert [row["setting"] for row in json.loads(done.out)["results"]] == ["default"] * 3
    wrong = hoitool("eval", "runs/mine/predictions-test.parquet", "--truth", "data/demo", "--subset", "train")
    assert wrong.code == 1
    assert "they are for the subset 'test', the truth is 'train'" in wrong.err


def test_several_truths_that_fit_are_not_guessed(workspace, hoitool, small):
    hoitool("convert")
    write(small.test, workspace / "data" / "copy" / "test.parquet")
    done = hoitool("eval", "raw/mine.npz")
    assert done.code == 2
    assert "say which with --truth" in done.err


def test_inspect_shows_data_predictions_results_and_labels(workspace, hoitool):
    hoitool("convert")
    hoitool("eval")
    for path in ("data/demo/test.parquet", "runs/mine/predictions-test.parquet", "runs/mine/result.json", "data/demo"):
        assert hoitool("inspect", path).code == 0, path
        assert json.loads(hoitool("inspect", path, "--json").out)
    labels = next(p for p in (workspace / "data/demo").iterdir() if p.suffix == ".json")
    assert json.loads(hoitool("inspect", labels, "--json").out)["interactions"] == 30
    held = json.loads(hoitool("inspect", "data/demo/test.parquet", "--json").out)
    assert held["kind"] == "dataset"
    assert held["statistics"]["pairs"] > 0


def test_inspect_shows_no_table_of_nothing(tmp_path, hoitool):
    write(relation_scenes(), tmp_path / "test.parquet")  # without sources
    done = hoitool("inspect", tmp_path / "test.parquet")
    assert "statistics" in done.out
    assert "sources" not in done.out
    assert max(map(len, done.out.splitlines())) < 400


def test_explain_shows_every_field_and_every_variant(hoitool):
    from hoitool.eval import explained

    told = hoitool("explain", "hico-det")
    for field in explained("hico-det")["fields"]:
        assert field["name"] in told.out
    for variant in explained("hico-det")["variants"]:
        assert variant["name"] in told.out
    assert json.loads(hoitool("explain", "hico-det", "--json").out) == explained("hico-det")
    assert "hico-det" in hoitool("explain").out


def test_list_names_every_format(hoitool):
    told = hoitool("convert", "--list")
    assert all(name in told.out for name in [*FORMATS, *PREDICTION_FORMATS])
    assert len(json.loads(hoitool("convert", "--list", "--json").out)) == len(FORMATS) + len(PREDICTION_FORMATS)


def test_version(hoitool):
    import hoitool as package

    first, *rest = hoitool("--version").out.splitlines()
    assert first == f"hoitool {package.__version__}"
    held = dict(line.split(maxsplit=1) for line in rest)
    assert held["numpy"] == np.__version__
    assert {"Python", "pyarrow", "torch"} <= set(held)


def test_debug_shows_the_traceback(tmp_path):
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "hoitool", "eval", "absent", "--debug"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_missing_extra_is_named_with_the_line_that_installs_it(hoitool, monkeypatch):
    from hoitool.lookup import Lookup

    def needs_torch(*_):
        Lookup("model", {"x": "open_clip_is_not_here.model"})["x"]

    monkeypatch.setattr("hoitool.eval.explained", needs_torch)
    assert hoitool("explain", "hico-det").code == 1
    monkeypatch.setattr("hoitool.errors.EXTRAS", {"open_clip_is_not_here": "torch"})
    done = hoitool("explain", "hico-det")
    assert done.code == 1
    assert "pip install 'hoitool[torch]'" in done.err


def test_raw_folders_may_nest_one_level_and_hold_pictures_and_other_things(workspace, hoitool):
    (workspace / "raw/others").mkdir()
    (workspace / "raw/mine.npz").rename(workspace / "raw/others/mine.npz")
    (workspace / "raw/others/readme.txt").write_text("x")
    (workspace / "raw/pictures").mkdir()
    (workspace / "raw/pictures/a.jpg").write_bytes(b"\xff\xd8")
    done = hoitool("convert")
    assert done.code == 0, done.err
    skipped = [line.split()[1].rstrip(":") for line in done.err.splitlines() if line.startswith("skipped")]
    assert skipped == ["raw/others/readme.txt", "raw/pictures"]
    assert (workspace / "runs/mine/predictions-test.parquet").exists()


def test_raw_without_anything_known_says_so(tmp_path, monkeypatch, hoitool):
    monkeypatch.chdir(tmp_path)
    assert hoitool("convert").err == "hoitool: no folder raw/ here; name a source, or see `hoitool convert --list`\n"
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/x.txt").write_text("x")
    done = hoitool("convert")
    assert (done.code, "nothing in raw/ is in a known format" in done.err) == (4, True)


def test_the_bare_convert_can_run_again_and_a_bad_source_does_not_stop_the_others(workspace, hoitool):
    (workspace / "raw/broken.npz").write_bytes(b"PK\x03\x04 no archive")
    first = hoitool("convert")
    assert first.code == 1
    assert "hoitool: raw/broken.npz" in first.err
    assert (workspace / "runs/mine/predictions-test.parquet").exists()
    (workspace / "raw/broken.npz").unlink()
    (workspace / "data/demo/test.parquet").unlink()
    before = (workspace / "data/demo/train.parquet").stat().st_mtime_ns
    again = hoitool("convert")
    assert again.code == 0, again.err
    assert "note: data/demo/train.parquet is up to date" in again.err
    assert (workspace / "data/demo/test.parquet").exists()
    assert (workspace / "data/demo/train.parquet").stat().st_mtime_ns == before


def test_the_bare_convert_does_not_put_several_sources_in_one_place(workspace, hoitool):
    done = hoitool("convert", "-o", "all")
    assert (done.code, "one output for 2 sources" in done.err) == (2, True)
    assert not (workspace / "all").exists()


def test_parts_of_one_subset_are_joined(workspace, hoitool, detected):
    half = len(detected) // 2
    for i, rows in enumerate((range(half), range(half, len(detected)))):
        write(select_images(detected, np.array(rows)), workspace / f"ranks/rank{i}.parquet")
    assert hoitool("convert", "ranks", "-o", "merged").code == 0
    assert len(read(workspace / "merged/test.parquet").subject) == len(detected.subject)
    assert hoitool("convert", "ranks", "--to", "pairs", "-o", "r.npz").code == 0
    whole = load("r.npz", truth=read(workspace / "merged/test.parquet"))
    assert len(whole.subject) == len(detected.subject)
    write(select_images(detected, np.arange(half + 1)), workspace / "ranks/rank0.parquet")
    twice = hoitool("convert", "ranks", "-o", "again")
    assert (twice.code, "stands twice" in twice.err) == (1, True)


def test_caches_are_written_in_the_truths_order_and_folders_of_other_things_stay(workspace, hoitool, small, detected):
    hoitool("convert", "raw/demo")
    shuffled = select_images(detected, np.random.default_rng(0).permutation(len(detected)))
    write(shuffled, workspace / "shuffled.parquet")
    arguments = ("convert", "shuffled.parquet", "--to", "hico-matlab-all")
    absent = hoitool(*arguments, "-o", "a", "--truth", "absent")
    assert absent.code == 4
    assert hoitool(*arguments, "-o", "caches").code == 0
    scored = json.loads(hoitool("eval", "caches", "--json").out)
    assert scored["results"] == json.loads(hoitool("eval", "shuffled.parquet", "--json").out)["results"]
    (workspace / "mine").mkdir()
    (workspace / "mine/thesis.txt").write_text("years of work")
    kept = hoitool("convert", "shuffled.parquet", "--to", "hico-matlab-alphabetical", "-o", "mine", "--overwrite")
    assert (kept.code, "'thesis.txt'" in kept.err) == (2, True)
    assert (workspace / "mine/thesis.txt").exists()


def test_detections_without_an_object_are_false_positives_and_said_where_they_are_lost(workspace, hoitool, detected):
    hoitool("convert", "raw/demo")
    lonely = detected.with_columns(
        object=np.where(np.arange(len(detected.object)) % 2, detected.object, -1).astype("i4")
    )
    write(lonely, workspace / "lonely.parquet")
    far = detected.boxes.copy()
    far[detected.pair_boxes("object")[::2]] += 10_000
    write(detected.with_columns(boxes=far), workspace / "far.parquet")
    figures = [json.loads(hoitool("eval", f"{name}.parquet", "--json").out)["results"] for name in ("lonely", "far")]
    assert figures[0] == figures[1]
    done = hoitool("convert", "lonely.parquet", "--to", "pairs", "-o", "lonely.npz")
    assert f"left out: {(len(detected.object) + 1) // 2} pairs without an object" in done.err


def test_the_result_of_a_variant_does_not_replace_the_official_one(workspace, hoitool):
    hoitool("convert")
    hoitool("eval")
    official = (workspace / "runs/mine/result.json").read_text()
    hoitool("eval", "--variant", "pocket")
    assert (workspace / "runs/mine/result.json").read_text() == official
    assert json.loads((workspace / "runs/mine/result-pocket.json").read_text())["variant"] == "pocket"


def test_a_run_that_cannot_be_written_still_shows_its_score(workspace, hoitool):
    hoitool("convert")
    (workspace / "runs/mine/result.json").mkdir()
    done = hoitool("eval")
    assert done.code == 0
    assert "Rare" in done.out
    assert "could not be written" in done.err


def test_names_are_printed_as_they_are(workspace, hoitool):
    done = hoitool("convert", "raw/demo", "-o", "out[final]/:smile:")
    assert done.code == 0, done.err
    assert "wrote out[final]/:smile:/train.parquet" in done.out


def test_per_class_figures_do_not_replace_data(workspace, hoitool):
    hoitool("convert")
    done = hoitool("eval", "--per-class", "data/demo/train.parquet")
    assert (done.code, "holds a dataset" in done.err) == (2, True)


def test_json_has_no_infinity(workspace, hoitool, detected):
    write(detected.with_columns(score=np.where(detected.score > 0.5, np.inf, 0.0)), workspace / "infinite.parquet")
    held = json.loads(
        hoitool("inspect", "infinite.parquet", "--json").out, parse_constant=lambda name: pytest.fail(name)
    )
    assert held["statistics"]["score_max"] is None


def test_a_name_that_leads_out_of_the_folder_is_refused(workspace, hoitool, detected):
    for name in ("../../evil", "/tmp/evil", ".hidden"):
        write(detected.with_columns(replace(detected.meta, subset=name)), workspace / "odd.parquet")
        done = hoitool("convert", "odd.parquet", "-o", "out")
        assert (done.code, "expected a plain name" in done.err) == (1, True)
    assert not (workspace / "out").exists()


def test_the_bare_convert_may_write_another_format(workspace, hoitool):
    (workspace / "raw/demo").rename(workspace / "annotations")
    done = hoitool("convert", "--to", "pairs", "-o", "x.csv", "--truth", "annotations")
    assert done.code == 0, done.err
    assert (workspace / "x.csv").is_file()


def test_a_source_whose_format_is_not_decided_stops_only_itself(workspace, hoitool, monkeypatch):
    from hoitool.convert import PREDICTION_FORMATS

    for name in ("hico-matlab", "hico-matlab-alphabetical"):
        monkeypatch.setattr(type(PREDICTION_FORMATS[name]), "sniff", lambda self, path: path.name == "cache")
    (workspace / "raw/cache").mkdir()
    done = hoitool("convert")
    assert (done.code, "could be hico-matlab or hico-matlab-alphabetical" in done.err) == (2, True)
    assert (workspace / "runs/mine/predictions-test.parquet").exists()


def test_an_interrupt_while_modules_load_is_no_error_of_ours(hoitool, monkeypatch):
    def interrupted(arguments):
        raise RuntimeError("Error calling __set_name__") from KeyboardInterrupt()

    monkeypatch.setattr("hoitool.cli.app", interrupted)
    assert hoitool("eval").code == 130
    assert hoitool("eval").err == ""
