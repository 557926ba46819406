"""A trained model over images: which file it makes, what stands in it, and that it scores."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("torch")

from tiny_run import TEST, make_workspace

from hoitool.convert import load
from hoitool.data import select_images
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.eval import score
from hoitool.predict.job import predict
from hoitool.predict.opened import opened
from hoitool.predict.recognition import Pace, image_logits, image_predictions
from hoitool.predict.sources import images_for
from hoitool.train.fit import fit
from hoitool.train.recipe import resolve


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workspace with a run of one epoch, for detection."""
    folder = make_workspace(tmp_path_factory.mktemp("workspace"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fit(resolve("recipe.yaml", ["optimise.epochs=1"]), folder / "runs" / "tiny", lambda _: None)
    return folder


@pytest.fixture
def model(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return opened(trained / "runs" / "tiny", device="cpu")


@pytest.fixture
def test(model, trained):
    images, album, *_ = images_for([trained / "data" / "demo" / "test.parquet"], model.card)
    return images, album


def test_training_ends_with_scored_pairs_of_the_datasets_boxes(trained):
    made = load(trained / "runs" / "tiny" / "predictions-test.parquet")
    said = made.meta.extras["predict"]
    assert (said["task"], said["boxes"], said["model"]) == ("detection", "oracle-box", "tiny")
    truth = load(trained / "data" / "demo" / "test.parquet")
    assert score(truth, made, "hico-det").mean("full") > 0
    assert set(zip(made.image_of("pair").tolist(), made.label.tolist(), strict=True)) >= set(
        zip(truth.image_of("pair").tolist(), truth.label.tolist(), strict=True)
    ), "each true interaction is among those that are scored"


def test_recognition_writes_logits_of_every_image(model, test, tmp_path):
    images, album = test
    done = predict(model, images, album, tmp_path / "p.parquet", {"task": "recognition"}, Pace(batch=3))
    made = load(done.path)
    assert made.image_scores.shape == (TEST, 30)
    one_by_one, _ = image_logits(model.module, album, model.card, Pace(batch=1))
    np.testing.assert_allclose(made.image_scores, one_by_one, rtol=1e-5, atol=1e-5)
    with pytest.raises(DataError, match="expected"):
        image_predictions(images, one_by_one[:3], model.card.meta)


def test_many_images_come_as_shards(model, test, tmp_path, monkeypatch):
    """Blocks of four images or a batch more: the same rows, whatever lies in memory at once."""
    images, album = test
    whole = predict(model, images, album, tmp_path / "one.parquet", {"task": "recognition"}, Pace(batch=3))
    monkeypatch.setattr("hoitool.predict.job.BLOCK", 4 * 4 * 30)
    done = predict(model, images, album, tmp_path / "p.parquet", {"task": "recognition"}, Pace(batch=3))
    assert len(list(done.path.glob("*.parquet"))) == 2
    made = load(done.path)
    assert made.key.tolist() == images.key.tolist()
    assert np.array_equal(made.image_scores, load(whole.path).image_scores)


def test_a_broken_picture_stops_or_is_left_out(model, trained, tmp_path):
    folder = shutil.copytree(trained / "raw" / "demo" / "images", tmp_path / "images")
    broken = sorted((folder / "test").iterdir())[2]
    broken.write_bytes(b"\xff\xd8 no picture")
    images, album, *_ = images_for([trained / "data" / "demo" / "test.parquet"], model.card, folder)
    out, wanted = tmp_path / "p.parquet", model.card.predict
    for task in ("recognition", "detection"):
        with pytest.raises(DataError, match=broken.name):
            predict(model, images, album, out, wanted | {"task": task}, Pace())
        assert not out.exists()
        done = predict(model, images, album, out, wanted | {"task": task}, Pace(skip_broken=True))
        assert list(done.broken) == [broken.name]
        out.unlink()
    assert done.images == TEST


def test_what_does_not_fit_is_said(model, test, trained, tmp_path):
    images, album = test
    with pytest.raises(MissingData, match="nowhere"):
        images_for([tmp_path / "nowhere"], model.card)
    with pytest.raises(UsageError, match="alone"):
        images_for([trained / "data" / "demo" / "test.parquet", trained / "raw"], model.card)
    with pytest.raises(UsageError, match="mask"):
        predict(model, images, album, tmp_path / "p.parquet", model.card.predict | {"mask": "maks"}, Pace())


def test_models_that_cannot_be_opened(tmp_path, trained):
    with pytest.raises(MissingData, match="no such model"):
        opened(tmp_path / "nowhere")
    with pytest.raises(MissingData, match=r"model\.json"):
        opened(tmp_path)
    (tmp_path / "w.pt").write_bytes(b"")
    with pytest.raises(UsageError, match="--recipe"):
        opened(tmp_path / "w.pt")
    with pytest.raises(MissingData, match="best"):
        opened(_without_best(trained, tmp_path), best=True)


def _without_best(trained, tmp_path):
    made = shutil.copytree(trained / "runs" / "tiny", tmp_path / "run")
    for path in (made / "checkpoint").glob("best-*"):
        shutil.rmtree(path)
    return made


def test_no_images_are_told_and_write_nothing(model, test, tmp_path):
    none = select_images(test[0], np.arange(0))
    with pytest.raises(DataError, match="no images"):
        predict(model, none, test[1], tmp_path / "p.parquet", model.card.predict, Pace())
    assert not (tmp_path / "p.parquet").exists()
