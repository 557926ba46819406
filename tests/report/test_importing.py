"""hoitool embed import: stores of precomputed features, resumed and refused, and what training finds in them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hoitool.convert import load
from hoitool.embed import engine
from hoitool.report.importing import precomputed
from hoitool.store import Store, verify

CAPTIONS = "".join(f"caption {i}\n" for i in range(60))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Twelve images with five captions each, whose features stand five times each, in the current folder's raw/."""
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "raw" / "coco_precomp"
    made.mkdir(parents=True)
    (made / "test_caps.txt").write_text(CAPTIONS)
    (made / "test_ids.txt").write_text("".join(f"{7 * i + 3}\n" for i in range(12) for _ in range(5)))
    np.save(made / "test_ims.npy", np.repeat(features(), 5, axis=0))
    return made


def features():
    return np.random.default_rng(3).standard_normal((12, 4, 6)).astype(np.float32)


def test_the_store_has_the_regions_of_the_images_of_the_dataset(folder, hoitool):
    told = hoitool("embed", "import", folder)
    assert told.code == 0, told.err
    assert "features/coco-test-regions-scan.h5: 48 rows of 6 (bottom-up-attention)" in told.out
    assert hoitool("convert").code == 0
    data = load("data/coco/test.parquet")
    store = Store("features/coco-test-regions-scan.h5").require(of="regions", normalised=False, dataset="coco")
    assert store.key.tolist() == data.key.tolist()
    for i, key in enumerate(data.key.tolist()):
        assert np.array_equal(store[key], features()[i])
    assert set(store.manifest.sources) == {"test_caps.txt", "test_ids.txt", "test_ims.npy"}
    assert verify(store.path).altered == []


def test_what_is_there_is_left_alone_and_another_one_refused(folder, hoitool):
    assert hoitool("embed", "import", folder, "-o", "x.h5", "--dry-run").out.startswith("would write x.h5")
    assert hoitool("embed", "import", folder, "-o", "x.h5").code == 0
    assert "up to date: x.h5" in hoitool("embed", "import", folder, "-o", "x.h5").out
    told = hoitool("embed", "import", folder, "-o", "x.h5", "--dtype", "float16")
    assert (told.code, "x.h5 exists and was made otherwise: dtype" in told.err) == (2, True)
    told = hoitool("embed", "import", folder, "-o", "x.h5", "--dtype", "float16", "--overwrite", "--json")
    assert json.loads(told.out)[0]["manifest"]["dtype"] == "float16"
    np.testing.assert_allclose(Store("x.h5")["3"], features()[0], rtol=1e-3)


def test_a_killed_import_goes_on(folder, tmp_path, monkeypatch):
    (job,) = precomputed(folder).values()
    monkeypatch.setattr(engine, "BATCHES", 1)
    whole = engine.run(job, tmp_path / "whole.h5", engine.Pace(batch=2))
    (job,) = precomputed(folder).values()
    job.rows = np.where(np.arange(12) == 7, 10**6, job.rows)  # its row is not there
    with pytest.raises(IndexError):
        engine.run(job, tmp_path / "x.h5", engine.Pace(batch=2))
    (job,) = precomputed(folder).values()
    again = engine.run(job, tmp_path / "x.h5", engine.Pace(batch=2))
    assert 0 < again.found < 12
    assert again.content == whole.content


def test_an_image_with_numbers_that_are_not_finite_is_left_out(folder, hoitool):
    broken = features()
    broken[2, 1, 0] = np.nan
    np.save(folder / "test_ims.npy", broken)
    told = hoitool("embed", "import", folder)
    assert told.code == 3
    assert "left out 17: row 2 of the features has numbers that are not finite" in told.err
    assert Store("features/coco-test-regions-scan.h5").failed == ["17"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["raw/nowhere"], 4, "no such file or folder"),
        (["raw/coco_precomp", "--subset", "tset"], 2, "'test'"),
        (["raw/coco_precomp", "--dtype", "int8"], 2, "float32"),
        (["raw/coco_precomp", "-o", "x.npz"], 2, "a feature store ends in .h5"),
        (["raw"], 4, "no <subset>_ims.npy"),
    ],
)
def test_what_is_refused_in_one_line(folder, hoitool, arguments, code, told):
    done = hoitool("embed", "import", *arguments)
    lines = [line for line in done.err.splitlines() if line.startswith("hoitool: ")]
    assert (done.code, len(lines)) == (code, 1), done.err
    assert told in lines[0]


def test_one_name_for_several_subsets(folder, hoitool):
    for name in ("caps.txt", "ids.txt", "ims.npy"):
        (folder / f"dev_{name}").write_bytes((folder / f"test_{name}").read_bytes())
    told = hoitool("embed", "import", folder, "-o", "x.h5")
    assert (told.code, "name one with --subset" in told.err) == (2, True)
    assert hoitool("embed", "import", folder).out.count("wrote ") == 2
