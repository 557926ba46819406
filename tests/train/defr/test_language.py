"""Where the rows of a classifier come from: a store that is named, one that fits, one that is made."""

from __future__ import annotations

import numpy as np
import pytest
from strategies import DEMO

torch = pytest.importorskip("torch")

from hoitool.data import Meta  # noqa: E402
from hoitool.embed.encoders.tiny import MODEL, save_tiny_clip  # noqa: E402
from hoitool.errors import DataError, MissingData, UsageError  # noqa: E402
from hoitool.models.language import language  # noqa: E402
from hoitool.store import Store  # noqa: E402
from hoitool.train.defr.backbone import resolved  # noqa: E402
from hoitool.train.defr.language import language_rows  # noqa: E402
from hoitool.train.defr.settings import Classifier, Model  # noqa: E402

META = Meta(DEMO)
WIDTH, JOINT = MODEL["vision_cfg"]["width"], MODEL["embed_dim"]
DEFR = {"init": "language", "encoder": "clip", "space": "pre-projection"}
MADE = f"features/{DEMO.name}-interactions-defr-clip-pre-projection.h5"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A workspace with a small CLIP."""
    monkeypatch.chdir(tmp_path)
    save_tiny_clip(tmp_path / "weights" / "clip")
    DEMO.save(tmp_path / "labels.json")
    return tmp_path


@pytest.fixture
def rows(here):
    """The rows of a classifier, their store and what was said; the backbone is the workspace's CLIP unless named."""

    def made(backbone="clip", dim=WIDTH, weights=None, **classifier):
        told = []
        tower = resolved(Model(backbone=backbone, weights=weights, patch=8, image_size=32))
        found, path = language_rows(Classifier(**classifier), META, tower, dim, told.append)
        return found, path, told

    return made


def test_random_needs_no_store(rows):
    assert rows() == (None, None, [])


def test_bare_embed_leaves_the_joint_space_and_what_is_needed_is_made_beside_it(here, rows, hoitool):
    assert hoitool("embed", "labels", "labels.json", "--model", "clip").code == 0
    found, path, told = rows(**DEFR)
    assert (found.shape, str(path)) == ((len(DEMO), WIDTH), MADE)
    assert told == [f"language: embedding {len(DEMO)} interactions with clip:clip into {MADE}"]
    held = Store(path).manifest
    assert (held.space, held.normalised, list(held.prompts)) == ("pre-projection", False, ["defr"])
    np.testing.assert_array_equal(found, language(path, META, WIDTH))

    again, same, told = rows(**DEFR)
    np.testing.assert_array_equal(again, found)
    assert (same, told) == (path, [])


def test_rows_are_those_of_embed_labels_bit_for_bit(here, rows, hoitool):
    arguments = ("--model", "clip", "--space", "pre-projection", "--prompts", "defr")
    assert hoitool("embed", "labels", "labels.json", *arguments, "-o", "features/a.h5").code == 0
    found, path, told = rows(**DEFR)
    assert (path.name, told) == ("a.h5", [])
    path.unlink()
    made, path, told = rows(**DEFR)
    np.testing.assert_array_equal(made, found)
    assert (str(path), len(told)) == (MADE, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--prompts", "photo", "--space", "pre-projection"),
        ("--prompts", "defr"),
        ("--prompts", "defr", "--space", "pre-projection", "--weights", "other"),
        ("--prompts", "defr", "--space", "pre-projection", "--what", "verbs"),
        ("--prompts", "defr", "--space", "pre-projection", "--expand", "attributes.txt"),
    ],
)
def test_a_store_of_something_else_is_not_taken(here, rows, hoitool, arguments):
    save_tiny_clip(here / "other" / "clip", seed=1)
    (here / "attributes.txt").write_text("red\n")
    given = ["other/clip" if each == "other" else each for each in arguments]
    ran = hoitool("embed", "labels", "labels.json", "--model", "clip", *given, "-o", "features/a.h5")
    assert ran.code == 0, ran.err
    (here / "features" / "b.h5").write_text("no store")
    _, path, told = rows(**DEFR)
    assert (str(path), len(told)) == (MADE, 1)


def test_the_weights_of_the_backbone_embed_the_labels(here, rows):
    folder = save_tiny_clip(here / "mine", seed=3)
    _, path, _ = rows(weights=str(folder), **DEFR)
    found = resolved(Model(backbone="clip", weights=str(folder), patch=8, image_size=32))
    assert Store(path).manifest.weights_sha256 == found.sha256
    with pytest.raises(UsageError, match="is of other weights or labels than this training; remove it, or name"):
        rows(**DEFR)  # now the workspace's own


@pytest.mark.parametrize("backbone", ["tiny", "clip"])
def test_another_tower_starts_from_the_workspace_s_model(rows, backbone):
    found, path, _ = rows(backbone, weights="random", **DEFR)
    assert found.shape == (len(DEMO), WIDTH)
    assert Store(path).manifest.model == "clip:clip"


def test_hashed_words_start_a_tiny_tower(here, rows):
    found, path, told = rows("tiny", 64, init="language", encoder="hashed", prompts="bare")
    assert (found.shape, path.name) == ((len(DEMO), 64), f"{DEMO.name}-interactions-bare-hashed.h5")
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)
    assert len(told) == 1
    assert rows("tiny", 64, init="language", encoder="hashed", prompts="bare")[2] == []


def test_a_space_that_does_not_fit_is_refused_before_it_is_embedded(here, rows):
    with pytest.raises(
        UsageError,
        match=f"the joint space of clip:clip has {JOINT} numbers, features of clip {WIDTH}; .*space=pre-projection",
    ):
        rows(init="language", encoder="clip")
    assert not (here / "features").exists()


def test_a_store_that_is_named_is_taken_and_another_clip_told_of(here, rows, hoitool):
    save_tiny_clip(here / "other", seed=1)
    arguments = ("--model", "clip", "--weights", "other", "--space", "pre-projection", "-o", "mine.h5")
    assert hoitool("embed", "labels", "labels.json", *arguments).code == 0
    found, path, told = rows(init="language", store="mine.h5")
    assert (found.shape, path.name) == ((len(DEMO), WIDTH), "mine.h5")
    assert len(told) == 1
    assert told[0].startswith("note: mine.h5 is of clip:other with other weights than the backbone's, weights/clip/")
    with pytest.raises(DataError, match="mine.h5: has rows of 32"):
        rows("tiny", 64, init="language", store="mine.h5")


def test_what_is_missing_is_one_line(here, rows, monkeypatch):
    with pytest.raises(MissingData, match="absent.h5: no such file"):
        rows(init="language", store="absent.h5")
    with pytest.raises(UsageError, match="No encoder named 'bart'. Did you mean 'bert'"):
        rows(init="language", encoder="bart")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(here / "hub"))

    def refuse(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refuse)
    with pytest.raises(
        MissingData, match=r"^bert-base-uncased: .*; the command is `hoitool embed labels --model bert --prompts defr`$"
    ):
        rows(init="language", encoder="bert")


def test_other_processes_wait_for_the_first(here, rows, monkeypatch):
    made, path, _ = rows(**DEFR)
    hidden = path.rename(here / "hidden.h5")
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("time.sleep", lambda _: hidden.rename(here / MADE))
    found, same, told = rows(**DEFR)
    np.testing.assert_array_equal(found, made)
    assert (same, told) == (path, [])
