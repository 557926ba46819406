"""A store knows its pictures by the sizes of their files: others are not mixed in, and unread ones are tried again."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from hoitool.embed import engine
from hoitool.store import Store, verify


@pytest.fixture
def pictures(tmp_path):
    """Twelve pictures of noise."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (20 + i, 30, 3), np.uint8)).save(folder / f"{i:02d}.png")
    return folder


def embed(hoitool, folder, out, *more):
    return hoitool("embed", "images", folder, "--model", "hashed", "-o", out, "--batch-size", "2", *more)


def test_other_pictures_of_the_same_names_are_not_called_up_to_date(pictures, tmp_path, hoitool):
    out = tmp_path / "x.h5"
    assert embed(hoitool, pictures, out).code == 0
    assert "up to date" in embed(hoitool, pictures, out).out
    Image.new("RGB", (9, 9)).save(pictures / "03.png")
    ran = embed(hoitool, pictures, out)
    assert ran.code == 2
    assert "made from other pictures (1 of 12 differ in size, the first '03.png'" in ran.err
    assert embed(hoitool, pictures, out, "--overwrite").code == 0
    assert "up to date" in embed(hoitool, pictures, out).out


def test_an_unfinished_store_is_not_gone_on_with_from_other_pictures(pictures, tmp_path, hoitool, monkeypatch):
    bad = pictures / "11.png"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:40])
    out = tmp_path / "x.h5"
    monkeypatch.setattr(engine, "BATCHES", 1)
    assert embed(hoitool, pictures, out, "--strict").code == 1
    assert out.with_name("x.h5.partial").exists()
    other = tmp_path / "other" / "pictures"
    shutil.copytree(pictures, other)
    for path in other.iterdir():
        Image.new("RGB", (9, 9)).save(path)
    ran = embed(hoitool, other, out)
    assert ran.code == 2
    assert "made from other pictures" in ran.err
    bad.write_bytes(whole)
    assert embed(hoitool, pictures, out).code == 0  # the one that stopped it was mended
    assert embed(hoitool, pictures, tmp_path / "y.h5").code == 0
    assert Store(out).content == Store(tmp_path / "y.h5").content


def test_pictures_that_could_not_be_read_are_tried_again_when_their_files_change(pictures, tmp_path, hoitool):
    bad = pictures / "05.png"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:40])
    out = tmp_path / "x.h5"
    assert embed(hoitool, pictures, out).code == 3
    assert Store(out).failed == ["05.png"]
    assert embed(hoitool, pictures, out).code == 3
    bad.write_bytes(whole)
    ran = embed(hoitool, pictures, out)
    assert ran.code == 0, ran.err
    assert "tried again" in ran.err
    assert Store(out).failed == []
    verify(out).raise_for()
    assert embed(hoitool, pictures, tmp_path / "y.h5").code == 0
    assert Store(out).content == Store(tmp_path / "y.h5").content


def test_sizes_of_pictures_survive_a_merge(pictures, tmp_path, hoitool):
    for part, names in (("a", ("00", "01")), ("b", ("02",))):
        (tmp_path / part).mkdir()
        for name in names:
            shutil.copy(pictures / f"{name}.png", tmp_path / part)
    for part in "ab":
        ran = hoitool("embed", "images", tmp_path / part, "--model", "hashed", "-o", tmp_path / f"{part}.h5")
        assert ran.code == 0, ran.err
    sizes = [(pictures / f"{name}.png").stat().st_size for name in ("00", "01", "02")]
    assert Store(tmp_path / "a.h5").pictures.tolist() == sizes[:2]
    assert hoitool("embed", "labels", "hico", "--model", "hashed", "-o", tmp_path / "l.h5").code == 0
    assert Store(tmp_path / "l.h5").pictures is None
