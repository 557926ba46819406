"""The folder of a run says what it was made from, and is continued with the same only."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("torch")

from hoitool.errors import DataError, MissingData, UsageError
from hoitool.files import sha256
from hoitool.train import run

CONFIG = "seed: 0\nlr: 0.1\n"


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "train.parquet"
    path.write_text("data")
    return path


def starts(folder):
    return json.loads((folder / run.ENVIRONMENT).read_text())


def test_a_run_says_what_it_was_made_from(tmp_path, data, monkeypatch):
    monkeypatch.setattr("sys.argv", ["hoitool", "train", "a name"])
    folder = tmp_path / "runs" / "first"
    run.begin(folder, CONFIG, {"data": data})
    (start,) = starts(folder)
    assert (folder / run.CONFIG).read_text() == CONFIG
    assert start["inputs"] == {"data": sha256(data)}
    assert {"python", "torch"} <= start["versions"].keys()
    assert start["processes"] == 1
    assert start["command"] == "hoitool train 'a name'"


def test_going_on_enters_another_start(tmp_path, data):
    run.begin(tmp_path / "run", CONFIG, {"data": data})
    run.begin(tmp_path / "run", CONFIG, {"data": data})
    assert len(starts(tmp_path / "run")) == 1, "what has no checkpoint begins anew"
    (tmp_path / "run" / "checkpoint" / "step-00000001").mkdir(parents=True)
    with pytest.raises(UsageError, match="--resume goes on"):
        run.begin(tmp_path / "run", CONFIG, {"data": data})
    run.begin(tmp_path / "run", CONFIG, {"data": data}, resume=True)
    assert len(starts(tmp_path / "run")) == 2


def test_one_process_trains_a_run(tmp_path):
    with run.held(tmp_path / "run"), pytest.raises(UsageError, match="another process"), run.held(tmp_path / "run"):
        pass
    with run.held(tmp_path / "run"):
        pass


def test_starts_that_are_none_are_told(tmp_path, data):
    run.begin(tmp_path / "run", CONFIG, {"data": data})
    (tmp_path / "run" / run.ENVIRONMENT).write_text("[{}]")
    with pytest.raises(DataError, match="inputs"):
        run.begin(tmp_path / "run", CONFIG, {"data": data}, resume=True)
    with pytest.raises(MissingData, match="no such run"):
        run.named(str(tmp_path / "other"))


def test_a_run_that_is_not_there_yet_may_be_resumed(tmp_path, data):
    run.begin(tmp_path / "run", CONFIG, {"data": data}, resume=True)
    assert len(starts(tmp_path / "run")) == 1


@pytest.mark.parametrize(
    ("other", "told"), [("seed: 0\nlr: 0.2\n", "'lr: 0.1' there, 'lr: 0.2' here"), (CONFIG + "x: 1\n", "longer")]
)
def test_another_configuration_is_refused(tmp_path, data, other, told):
    run.begin(tmp_path / "run", CONFIG, {"data": data})
    with pytest.raises(UsageError, match=told):
        run.begin(tmp_path / "run", other, {"data": data}, resume=True)


def test_a_changed_input_is_refused(tmp_path, data):
    run.begin(tmp_path / "run", CONFIG, {"data": data})
    data.write_text("other data")
    with pytest.raises(DataError, match="train.parquet: not the data that the run was started with"):
        run.begin(tmp_path / "run", CONFIG, {"data": data}, resume=True)
    with pytest.raises(MissingData):
        run.begin(tmp_path / "new", CONFIG, {"data": tmp_path / "absent.parquet"})
    assert not (tmp_path / "new").exists()


def test_the_other_processes_of_torchrun_write_nothing(tmp_path, data, monkeypatch):
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    run.begin(tmp_path / "run", CONFIG, {"data": data})
    assert not (tmp_path / "run").exists()


def test_of_a_feature_store_the_content_is_what_counts(tmp_path):
    """Stores may be large: what they say of their content is taken, which another file may have as well."""
    import numpy as np

    from hoitool.data import strings
    from hoitool.store import Layout, Manifest, Store, Writer

    for i, name in enumerate("abc"):
        layout = Layout(strings(["x"]), np.array([0, 1], np.int64))
        with Writer(tmp_path / f"{name}.h5", Manifest(of="regions", model="m", dim=2), layout) as writer:
            writer.write(0, [np.full((1, 2), i // 2, np.float32)])
            writer.finish()
    run.begin(tmp_path / "run", CONFIG, {"features": tmp_path / "a.h5"})
    assert starts(tmp_path / "run")[0]["inputs"] == {"features": Store(tmp_path / "a.h5").content}
    (tmp_path / "run" / "checkpoint" / "step-00000001").mkdir(parents=True)
    run.begin(tmp_path / "run", CONFIG, {"features": tmp_path / "b.h5"}, resume=True)
    with pytest.raises(DataError, match=r"c.h5: not the features that the run was started with"):
        run.begin(tmp_path / "run", CONFIG, {"features": tmp_path / "c.h5"}, resume=True)
