"""hoitool eval of feature stores: what is printed and written, ensembles, ratings, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
from searches import embedded, ratings, write_ratings, write_store

from hoitool.data.dataset import strings
from hoitool.eval import cxc, retrieval
from hoitool.eval.embedded import ensemble
from hoitool.report.searching import score_stores


@pytest.fixture
def held():
    """Embeddings of eight images with captions."""
    return embedded([2, 3, 1, 2, 6, 2, 2, 2], near=0.7)


@pytest.fixture
def rated(held):
    """Ratings of them, by place."""
    rng = np.random.default_rng(5)
    count = {"sts": len(held.captions), "sis": len(held.key)}
    return {
        "sts": ratings(rng, count["sts"], count["sts"], 60),
        "sis": ratings(rng, count["sis"], count["sis"], 30),
        "sits": ratings(rng, count["sts"], count["sis"], 60),
    }


@pytest.fixture
def store(held, tmp_path, monkeypatch):
    """Their store, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return write_store(tmp_path / "one.h5", held)


def test_a_store_is_scored_by_retrieval_without_being_asked(store, held, hoitool):
    done = hoitool("eval", "one.h5", "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert told["protocol"] == "retrieval"
    assert told["results"] == json.loads(retrieval.evaluate(held).to_json())["results"]
    assert told["inputs"]["stores"][0]["model"] == "test:tiny"
    assert told["inputs"]["predictions"] == {"images": 8, "captions": 19, "dim": 6}


def write_arrays(path, held, **changed):
    arrays = {"images": held.images, "captions": held.captions, "image": held.image, "caption_id": held.caption_id}
    arrays = arrays | {"key": held.key.astype(str)} | changed
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def test_arrays_that_were_made_elsewhere_are_scored_like_a_store(store, held, rated, tmp_path, hoitool):
    write_arrays(tmp_path / "own.npz", held)
    done = hoitool("eval", "own.npz", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["results"] == json.loads(hoitool("eval", "one.h5", "--json").out)["results"]
    assert told["inputs"]["stores"][0]["path"] == "own.npz"
    assert f"own.npz sha256 {told['inputs']['stores'][0]['sha256'][:12]}" in hoitool("eval", "own.npz").out
    write_ratings(tmp_path / "cxc", held, rated)
    same = [score_stores([tmp_path / name], "cxc", truth=tmp_path / "cxc").rows for name in ("own.npz", "one.h5")]
    assert same[0] == same[1]
    both = score_stores([tmp_path / "own.npz", store])
    assert both.rows == retrieval.evaluate(ensemble([held, held])).rows


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"captions": None}, "captions is not there, expected rows of floats"),
        ({"images": np.zeros(8)}, r"images is float64 \(8,\), expected rows of floats"),
        ({"images": np.ones((8, 6), int)}, "images is int64"),
        ({"captions": np.full((20, 6), np.nan)}, r"captions\[0\] has numbers that are not finite \(20 rows are so\)"),
        ({"captions": np.ones((20, 5))}, r"came \(8, 6\) and \(20, 5\)"),
        ({"image": np.zeros(20)}, "image is float64"),
        ({"image": np.arange(20)}, "numbered 0..I-1"),
        ({"image": np.zeros(19, int)}, "an image and an id are needed for each caption"),
        ({"key": np.array(["a"])}, "a key for each image"),
        ({"key": np.array("a")}, "key is <U1 .*, expected a name for each image"),
        ({"image": None}, "an image and an id are needed"),
        ({"images": np.array([None])}, "own.npz"),
    ],
    ids=str,
)
def test_arrays_that_do_not_go_together_are_refused_in_one_line(changed, told, held, tmp_path, hoitool):
    path = write_arrays(tmp_path / "own.npz", held, **changed)
    done = hoitool("eval", "--protocol", "retrieval", path)
    assert done.code == 1
    assert re.search(told, done.err)
    assert "own.npz" in done.err and len(done.err.strip().splitlines()) == 1


def test_several_stores_are_an_ensemble(store, held, tmp_path):
    other = embedded([2, 3, 1, 2, 6, 2, 2, 2], seed=1, dim=9)
    second = write_store(tmp_path / "two.h5", other, model="test:other")
    result = score_stores([store, second])
    assert result.rows == retrieval.evaluate(ensemble([held, other])).rows
    assert [each["model"] for each in result.inputs["stores"]] == ["test:tiny", "test:other"]


def test_models_of_other_captions_under_the_same_ids_are_no_ensemble(held, tmp_path, hoitool):
    texts = [f"caption {i}" for i in range(len(held.captions))]
    write_store(tmp_path / "one.h5", held, text=texts)
    write_store(tmp_path / "two.h5", held, text=[*texts[:-2], texts[-1], texts[-2]])
    done = hoitool("eval", tmp_path / "one.h5", tmp_path / "two.h5")
    assert done.code == 1
    assert "two.h5: caption 18 is caption 19, expected caption 18 as in" in done.err
    assert hoitool("eval", tmp_path / "one.h5", tmp_path / "one.h5").code == 0


def test_a_store_that_is_not_there_is_told_by_its_name(store, hoitool):
    done = hoitool("eval", "none.h5", "one.h5")
    assert (done.code, "none.h5" in done.err) == (4, True)


def test_the_report_and_the_tables(store, hoitool, tmp_path):
    done = hoitool("eval", "--protocol", "retrieval", "one.h5", "-o", "out")
    assert done.code == 0, done.err
    for part in ("Image to text", "Median rank", "rsum (%)", "Queries", "test:tiny", "8 images, 19 captions"):
        assert part in done.out
    assert "1 captions do not take part" in done.out
    table = (tmp_path / "out" / "table.md").read_text()
    assert table.startswith("| % | Image to text Full | Text to image Full | Both Full |")
    assert "one (medR)" in table
    lines = (tmp_path / "out" / "per-class.csv").read_text().splitlines()
    assert lines[0] == "setting,image,caption,rank_best,rank_worst"
    assert len(lines) == 1 + 8 + 19


def test_ratings_are_found_by_the_ids_of_coco(store, held, rated, tmp_path, hoitool):
    write_ratings(tmp_path / "cxc", held, rated)
    done = hoitool("eval", "--protocol", "cxc", "one.h5", "--truth", "cxc", "--json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["results"] == json.loads(cxc.evaluate(held, rated).to_json())["results"]
    assert set(told["inputs"]["truth"]["sources"]) == {"sts_test.csv", "sis_test.csv", "sits_test.csv"}
    shown = hoitool("eval", "--protocol", "cxc", "one.h5", "--truth", "cxc", "--setting", "sts")
    assert "60 sts pairs" in shown.out


def test_images_that_nobody_rated_are_no_part_of_the_pool(held, rated, tmp_path):
    more = embedded([2, 3, 1, 2, 6, 2, 2, 2, 3], near=0.7)
    known = len(held.captions)
    rows = replace(
        more,
        images=np.vstack([held.images, more.images[8:]]),
        captions=np.vstack([held.captions, more.captions[known:]]),
    )
    result = score_stores(
        [write_store(tmp_path / "more.h5", rows)], "cxc", None, write_ratings(tmp_path / "c", held, rated)
    )
    assert result.rows == cxc.evaluate(held, rated).rows
    assert "1 images of the store are not rated: left out" in result.notes


def test_what_is_refused_in_one_line(store, held, rated, tmp_path, hoitool):
    write_store(tmp_path / "raw.h5", held, normalised=False)
    write_store(tmp_path / "regions.h5", held, of="regions")
    write_store(tmp_path / "other.h5", embedded([2, 3]))
    write_store(tmp_path / "failed.h5", held, failed=[4])
    write_store(tmp_path / "silent.h5", embedded([0, 2]))
    write_ratings(tmp_path / "cxc", held, rated)
    write_ratings(tmp_path / "far", replace(held, caption_id=held.caption_id + 1), rated)
    for arguments, code, told in (
        (["--protocol", "retrieval"], 4, "name those that `hoitool embed captions` made"),
        (["--protocol", "retrieval", "absent.h5"], 4, "absent.h5: no such file"),
        (["raw.h5"], 1, "normalised is False, expected True"),
        (["regions.h5"], 1, "of is 'regions', expected 'captions'"),
        (["failed.h5"], 1, "1 images could not be embedded, the first is 'COCO_val2014_000000000050.jpg'"),
        (["one.h5", "other.h5"], 1, "other.h5: 2 images, expected the 8 of one.h5"),
        (["one.h5", "--counts", "x.parquet"], 2, "--from and --counts are of predictions"),
        (["one.h5", "--split", "rare"], 2, "split named 'rare'"),
        (["one.h5", "--variant", "ties-frist"], 2, "'ties-first'"),
        (["--protocol", "cxc", "one.h5"], 4, "Give the folder of sts_test.csv"),
        (["--protocol", "cxc", "one.h5", "--truth", "cxc", "--subset", "val"], 4, "sts_val.csv: no such file"),
        (["--protocol", "cxc", "one.h5", "--truth", "far"], 1, "is rated, which the store does not have (1 of"),
        (["--protocol", "hico-det", "one.h5", "one.h5"], 2, "predictions are scored one file at a time"),
        (["--protocol", "hico-det", "one.h5"], 2, "one.h5 is a feature store; protocol 'hico-det' scores predictions"),
        (["one.h5", "--truth", "cxc"], 2, "'retrieval' needs stores only"),
        (["one.h5", "--subset", "val"], 2, "'retrieval' needs stores only"),
        (["silent.h5"], 1, "silent.h5: image 'COCO_val2014_000000000010.jpg' has no caption (1 have none)"),
        (["--protocol", "retreival", "one.h5"], 2, "'retrieval'"),
    ):
        done = hoitool("eval", *arguments)
        lines = [line for line in done.err.splitlines() if line.startswith("hoitool: ")]
        assert (done.code, len(lines)) == (code, 1), (arguments, done.err)
        assert told in lines[0], (arguments, lines[0])


@pytest.mark.parametrize(
    ("row", "value", "told"),
    [
        (0, np.nan, "row 0, of image 'COCO_val2014_000000000010.jpg', has the length nan, expected 1"),
        (7, np.inf, "row 7, of image 'COCO_val2014_000000000030.jpg', has the length inf"),
        (2, 40.0, "row 2, of image 'COCO_val2014_000000000010.jpg', has the length 40"),
    ],
)
def test_rows_that_are_not_what_the_manifest_says(store, hoitool, row, value, told):
    """Written by another program, or broken."""
    with h5py.File(store, "r+") as file:
        file["features"][row, 0] = value
    done = hoitool("eval", store)
    assert done.code == 1
    assert told in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_stores_that_are_cut_off(store, hoitool, share):
    whole = store.read_bytes()
    store.write_bytes(whole[: int(share * len(whole))])
    done = hoitool("eval", "--protocol", "retrieval", store)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("hoitool: ")
    assert "one.h5" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("name", ["notes.txt", "one.npz", "data.parquet", "folder"])
def test_what_is_no_store(store, hoitool, tmp_path, name):
    if name == "folder":
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_text("hello")
    done = hoitool("eval", "--protocol", "retrieval", "one.h5", name)
    assert done.code == 1
    assert name in done.err
    assert len(done.err.splitlines()) == 1


def test_ratings_of_what_a_store_does_not_name(held, rated, tmp_path, hoitool):
    """Images without COCO's ids; captions without ids, which are numbered 1, 2, ..."""
    write_ratings(tmp_path / "cxc", held, rated)
    keys = strings([f"picture-{chr(97 + i)}.jpg" for i in range(len(held.key))])
    write_store(tmp_path / "keys.h5", replace(held, key=keys))
    write_store(tmp_path / "ids.h5", replace(held, caption_id=np.arange(1, len(held.captions) + 1)))
    for name, told in (("keys.h5", "image 10 is rated"), ("ids.h5", "is rated, which the store does not have")):
        done = hoitool("eval", "--protocol", "cxc", tmp_path / name, "--truth", tmp_path / "cxc")
        assert done.code == 1
        assert told in done.err
        assert "embed COCO's captions of the subset, with their ids" in done.err


def test_searches_are_explained(hoitool):
    assert "retrieval" in hoitool("explain").out
    for name in ("retrieval", "cxc"):
        assert hoitool("explain", name).code == 0
