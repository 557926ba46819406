"""SCAN's folders: captions, ids that stand once or for each caption, names, features, and each fault in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hoitool.convert import load, read, sniff
from hoitool.convert.scan import read_regions
from hoitool.data.image_ids import image_ids
from hoitool.errors import DataError, HoitoolError, MissingData, UsageError

CAPTIONS = ["a man", "a rider", "two cups", "cups", "a dog", "the dog"]
IDS = [42, 7, 100]
NAMES = {"42": "val2014/a_42.jpg", "7": "train2014/b.jpg", "100": "val2014/c_100.jpg"}


def lines(values):
    return "".join(f"{value}\n" for value in values)


def write(folder, subset="test", ids=IDS, captions=CAPTIONS, features=None, names=None):
    """Such a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{subset}_caps.txt").write_text(lines(captions))
    (folder / f"{subset}_ids.txt").write_text(lines(ids))
    if features is not None:
        np.save(folder / f"{subset}_ims.npy", features)
    if names is not None:
        (folder / "id_mapping.json").write_text(json.dumps(names))
    return folder


def features_of(rows, regions=3, dim=4):
    return np.random.default_rng(0).random((rows, regions, dim), np.float32)


@pytest.mark.parametrize("repeated", [False, True])
def test_ids_stand_once_for_an_image_or_for_each_caption(tmp_path, repeated):
    data = load(write(tmp_path / "coco_precomp", ids=np.repeat(IDS, 2) if repeated else IDS))
    assert data.key.tolist() == ["42", "7", "100"]
    assert data.caption_text.tolist() == CAPTIONS
    assert data.caption_offsets.tolist() == [0, 2, 4, 6]
    assert data.caption_id.tolist() == [1, 2, 3, 4, 5, 6]
    assert image_ids(data).tolist() == IDS
    assert (data.meta.dataset, data.meta.subset) == ("coco", "test")
    assert list(data.meta.sources) == ["test_caps.txt", "test_ids.txt"]


def test_images_may_have_different_numbers_of_captions(tmp_path):
    data = load(write(tmp_path / "x", ids=[42, 42, 42, 7, 100, 100]))
    assert data.caption_offsets.tolist() == [0, 3, 4, 6]


@pytest.mark.parametrize("place", ["f30k", "f30k/precomp"])
def test_names_and_ids_of_captions_are_taken_from_beside(tmp_path, place):
    folder = write(tmp_path / "f30k" / "precomp")
    (tmp_path / place / "id_mapping.json").write_text(json.dumps(NAMES))
    (folder / "test_capids.txt").write_text(lines(range(90, 96)))
    data = load(tmp_path / "f30k")
    assert sniff(tmp_path / "f30k") == sniff(folder) == "scan"
    assert data.key.tolist() == data.file_name.tolist() == list(NAMES.values())
    assert data.caption_id.tolist() == list(range(90, 96))
    assert image_ids(data).tolist() == IDS
    assert data.meta.dataset == "f30k"


def test_each_subset_is_a_part_and_features_are_told_of(tmp_path):
    write(tmp_path, "dev", features=features_of(3))
    held = read(write(tmp_path, "train"))
    assert [part.meta.subset for part in held.parts] == ["dev", "train"]
    assert held.notes == [f"{tmp_path}: the features of dev go to a store by `hoitool embed import {tmp_path}`"]


@pytest.mark.parametrize("rows", [3, 6])
@pytest.mark.parametrize("ids", [IDS, np.repeat(IDS, 2)])
def test_features_of_images_that_stand_several_times_count_once(tmp_path, rows, ids):
    features = features_of(rows)
    (found,) = read_regions(write(tmp_path, ids=ids, features=features))
    assert found.rows.tolist() == ([0, 1, 2] if rows == 3 else [0, 2, 4])
    assert np.array_equal(found.features[found.rows], features[:: rows // 3])
    assert isinstance(found.features, np.memmap)


def test_features_of_one_subset(tmp_path):
    for subset in ("dev", "test"):
        write(tmp_path, subset, features=features_of(3))
    write(tmp_path, "train")
    assert [found.data.meta.subset for found in read_regions(tmp_path)] == ["dev", "test"]
    assert len(read_regions(tmp_path, "dev")) == 1
    with pytest.raises(UsageError, match="'test'"):
        read_regions(tmp_path, "tset")
    with pytest.raises(UsageError, match="'train'"):
        read_regions(tmp_path, "train")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("test_ids.txt", "42\n7\n", "2 lines for 5 captions"),
        ("test_ids.txt", "", "0 lines for 5 captions"),
        ("test_ids.txt", "42\nseven\n", "line 2: is 'seven', expected the number of an image"),
        ("test_ids.txt", "42\n\n7\n", "line 2: is empty"),
        ("test_ids.txt", f"{'9' * 25}\n", "line 1: is '9999"),
        ("test_ids.txt", "42\n42\n7\n42\n7\n", "line 4: is 42, which line 1 is too"),
        ("test_ids.txt", "42\n7\n42\n100\n3\n", "line 3: is 42, which line 1 is too"),
        ("test_caps.txt", "a\n \nb\n", "line 2: is empty"),
        ("test_caps.txt", b"\xff\xfe\n", "not readable as a folder of SCAN's captions"),
        ("test_capids.txt", "1\n2\n", "2 lines for 5 captions"),
        ("test_capids.txt", "1\n2\n3\n4\n1\n", "line 5: is 1, which line 1 is too"),
        ("id_mapping.json", '{"42": 3}', "42 is 3, expected the file name of that image"),
        ("id_mapping.json", "{}", "42 is None, expected the file name"),
        ("id_mapping.json", "[]", "holds a list, expected an object"),
        ("id_mapping.json", '{"42": "a", "7": "a"', "not readable as names of images"),
    ],
)
def test_broken_files_are_refused_in_one_line(tmp_path, name, content, told):
    folder = write(tmp_path, captions=CAPTIONS[:5], ids=[42, 42, 7, 100, 100])
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        load(folder)
    assert told in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "allow_pickle" not in str(caught.value)


def test_two_images_of_one_name(tmp_path):
    with pytest.raises(DataError, match=r"id_mapping.json.*'a'.*too"):
        load(write(tmp_path, names=dict.fromkeys(NAMES, "a")))


@pytest.mark.parametrize(
    ("features", "told"),
    [
        (np.zeros((4, 3, 2), "f4"), "features of 4 images, expected 3 .* or 6"),
        (np.zeros((3, 2), "f4"), r"is float32\[3, 2\], expected numbers \[images, regions, numbers\]"),
        (np.zeros((3, 2, 2), "i4"), r"is int32\[3, 2, 2\]"),
        (np.array([{}, {}, {}]), "not readable as precomputed features .*Python objects"),
        (b"hello", "not readable as precomputed features"),
        (b"", "the file is empty"),
    ],
)
def test_broken_features_are_refused_in_one_line(tmp_path, features, told):
    folder = write(tmp_path, features=None if isinstance(features, bytes) else features)
    if isinstance(features, bytes):
        (folder / "test_ims.npy").write_bytes(features)
    with pytest.raises(DataError, match=f"test_ims.npy.*{told}") as caught:
        read_regions(folder)
    assert "\n" not in str(caught.value)


def test_features_that_are_cut_off(tmp_path):
    folder = write(tmp_path, features=features_of(3))
    whole = (folder / "test_ims.npy").read_bytes()
    for length in (1, 20, 130, len(whole) - 1):
        (folder / "test_ims.npy").write_bytes(whole[:length])
        with pytest.raises(HoitoolError, match=r"test_ims\.npy"):
            read_regions(folder)


def test_what_is_not_there(tmp_path):
    with pytest.raises(MissingData, match="no such file or folder"):
        read_regions(tmp_path / "nowhere")
    with pytest.raises(MissingData, match=r"no <subset>_ims\.npy"):
        read_regions(write(tmp_path))
    (tmp_path / "test_ids.txt").unlink()
    with pytest.raises(MissingData, match=r"test_ids\.txt: no such file"):
        read(tmp_path, "scan")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingData, match=r"no <subset>_caps\.txt"):
        read(tmp_path / "empty", "scan")
