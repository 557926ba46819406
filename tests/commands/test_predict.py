"""hoitool predict --zero-shot: from two stores to a score on the command line."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from builders import image_truth_of
from strategies import HICO

from hoitool.convert import load
from hoitool.data import offsets_of, strings, write
from hoitool.store import Layout, Manifest, Writer

IMAGES, DIM = 12, 16
NEEDS_TORCH = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="a model needs torch")


def save(path, manifest, keys, rows, failed=()):
    layout = Layout(strings(keys), offsets_of(np.ones(len(keys), int)))
    with Writer(Path(path), manifest, layout) as writer:
        writer.write(0, [None if i in failed else row[None].astype(np.float32) for i, row in enumerate(rows)])
        writer.finish()


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A truth in HICO's label space, labels in random directions, and images that look like their labels."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    table = np.full((IMAGES, len(HICO)), -1.0)
    table[np.arange(len(HICO)) % IMAGES, np.arange(len(HICO))] = 1
    truth = image_truth_of(table)
    write(truth, tmp_path / "data" / "hico" / "test.parquet")
    labels = rng.normal(size=(len(HICO), DIM))
    labels /= np.linalg.norm(labels, axis=1, keepdims=True)
    images = (table > 0) @ labels
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    names = [HICO.interaction_name(i) for i in range(len(HICO))]
    made = {"model": "clip:ViT-B-32", "dim": DIM, "weights_sha256": "ab"}
    space = {"label_space": {"name": "hico", "hash": HICO.hash}, "label_kind": "interactions"}
    save("labels.h5", Manifest(of="labels", **made, **space), names, labels)
    of_images = Manifest(of="images", dataset="hico", subset="test", **made)
    save("images.h5", of_images, truth.key.tolist(), images)
    save("broken.h5", of_images, truth.key.tolist(), images, failed={4})
    return images @ labels.T


def test_from_two_stores_to_the_mean_average_precision(workspace, hoitool):
    done = hoitool("predict", "--zero-shot", "images.h5", "labels.h5", "-o", "predictions.parquet")
    assert (done.code, done.err) == (0, "")
    assert "wrote predictions.parquet" in done.out
    np.testing.assert_allclose(load("predictions.parquet").image_scores, workspace, atol=1e-6)
    scored = hoitool("eval", "--protocol", "hico", "predictions.parquet", "--truth", "data/hico/test.parquet", "--json")
    assert scored.code == 0, scored.err
    row = next(r for r in json.loads(scored.out)["results"] if (r["setting"], r["split"]) == ("default", "full"))
    held = load("data/hico/test.parquet")
    present = np.zeros((IMAGES, len(HICO)), bool)
    present[held.image_of("image_label"), held.image_label] = held.image_value == 1
    rank = 1 + (workspace > workspace[present.argmax(axis=0), np.arange(len(HICO))]).sum(axis=0)
    found = row["metrics"]["mAP"]
    assert found == pytest.approx((1 / rank).mean(), abs=1e-9)  # one positive a class: AP is 1 / its rank
    assert 0.3 < found < 1


def test_the_bare_names_of_a_workspace(workspace, hoitool):
    done = hoitool("predict", "--zero-shot", "images.h5", "labels.h5", "--json")
    assert done.code == 0, done.err
    made = json.loads(done.out)
    assert made["path"] == "runs/zero-shot-clip-ViT-B-32/predictions-test.parquet"
    assert (made["images"], made["classes"], made["model"], made["left_out"]) == (IMAGES, 600, "clip:ViT-B-32", [])
    scored = hoitool("eval")
    assert scored.code == 0, scored.err
    assert "took the truth data/hico/test.parquet" in scored.err
    again = hoitool("predict", "--zero-shot", "images.h5", "labels.h5")
    assert again.code == 2
    assert again.err.strip() == f"hoitool: {made['path']} exists; --overwrite replaces it"
    assert hoitool("predict", "--zero-shot", "images.h5", "labels.h5", "--overwrite").code == 0


def test_images_left_out_are_told_and_then_missed(workspace, hoitool):
    refused = hoitool("predict", "--zero-shot", "broken.h5", "labels.h5", "-o", "p.parquet")
    assert (refused.code, refused.out) == (1, "")
    done = hoitool("predict", "--zero-shot", "broken.h5", "labels.h5", "-o", "p.parquet", "--allow-missing")
    assert done.code == 0
    assert "left out 1 images that could not be embedded, the first 'image-4.jpg'" in done.err
    scored = hoitool("eval", "p.parquet", "--truth", "data/hico/test.parquet")
    assert scored.code == 1
    assert "predictions have no scores of the image 'image-4.jpg'" in scored.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        pytest.param(["images.h5", "labels.h5"], 2, "--zero-shot", marks=NEEDS_TORCH),
        (["--zero-shot", "images.h5", "absent.h5"], 4, "absent.h5: no such file"),
        (["--zero-shot", "labels.h5", "images.h5"], 1, "labels.h5 is not what is needed: of is 'labels'"),
        (["--zero-shot", "images.h5", "data/hico/test.parquet"], 1, "test.parquet: not an HDF5 file"),
        (["--zero-shot", "images.h5", "labels.h5", "--threshold", "0.4"], 2, "--threshold is of the labels"),
        (["--zero-shot", "images.h5", "labels.h5", "-o", "x.csv"], 2, "expected a name that ends in .parquet"),
    ],
)
def test_what_cannot_be_meant_is_one_line(workspace, hoitool, arguments, code, told):
    done = hoitool("predict", *arguments)
    assert (done.code, len(done.err.strip().splitlines())) == (code, 1)
    assert told in done.err
