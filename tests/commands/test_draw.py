"""hoitool draw embeddings as people run it: stores of labels, verbs, regions and images; what cannot be drawn."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from strategies import HICO

from hoitool.data import offsets_of, strings
from hoitool.report import embeddings
from hoitool.store import Layout, Manifest, Writer, partial_path

SPACE = {"name": "hico", "hash": HICO.hash}


def save(path, keys, rows, counts=None, columns=None, failed=(), finish=True, **said):
    """A store of rows (R, d): one for each key, or as many as counts say."""
    offsets = offsets_of(np.ones(len(keys), int) if counts is None else np.array(counts))
    manifest = Manifest(**{"of": "images", "model": "clip:ViT-B-32", "dim": rows.shape[1]} | said)
    with Writer(Path(path), manifest, Layout(strings(keys), offsets, columns or {})) as writer:
        held = np.split(rows.astype(np.float32), offsets[1:-1])
        writer.write(0, [None if i in failed else row for i, row in enumerate(held)])
        if finish:
            writer.finish()


def random_rows(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 6)) + 0.5


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def labels(folder, hoitool):
    """The interactions of HICO in two prompt sets."""
    sets = ("--prompts", "photo", "--prompts", "plain")
    done = hoitool("embed", "labels", "hico", "--model", "hashed", *sets, "-o", "labels.h5")
    assert done.code == 0, done.err
    return folder / "labels.h5"


def texts(path):
    return re.findall(r"<text[^>]*>([^<]*)</text>", Path(path).read_text())


def test_labels_become_two_maps_a_table_and_facts(labels, hoitool):
    done = hoitool("draw", "embeddings", "labels.h5", "--part", "photo", "--method", "pca")
    assert done.code == 0, done.err
    assert done.err == "wrote labels.png\nwrote labels.svg\n"
    assert "mean cosine" in done.out
    assert "nearest has the same object" in done.out
    assert "... and 580 more" in done.out
    with Image.open("labels.png") as image:
        assert image.format == "PNG"
    found = texts("labels.svg")
    assert "hico interactions · hashed · prompts photo · 600 rows" in found
    assert {"supercategory", "animal", "sports", "hollow: no interaction"} <= set(found)


def test_json_has_every_row(labels, hoitool):
    done = hoitool("draw", "embeddings", "labels.h5", "--method", "pca", "-o", "a.png", "--neighbours", 3, "--json")
    assert "note: took part 'photo' of photo, plain (--part names another)" in done.err
    held = json.loads(done.out)
    assert (held["model"], held["of"], held["part"], held["drawn_from"]) == ("hashed", "labels", "photo", 600)
    assert held["pictures"] == ["a.png"]
    assert held["isotropy"]["rows"] == len(held["rows"]) == 600
    row = held["rows"][HICO.interaction_index("ride", "bicycle")]
    assert (row["name"], row["verb"], row["object"]) == ("ride bicycle", "ride", "bicycle")
    assert row["supercategory"] == "vehicle"
    assert len(row["pca"]) == 2
    assert len(row["neighbours"]) == 3
    cosines = [near["cosine"] for near in row["neighbours"]]
    assert cosines == sorted(cosines, reverse=True)
    nearest = {each["name"]: each["neighbours"][0]["name"] for each in held["rows"]}
    of = {each["name"]: each["object"] for each in held["rows"]}
    same = np.mean([of[name] == of[near] for name, near in nearest.items()])
    assert held["nearest_alike"]["object"] == pytest.approx(same)


def test_the_same_command_writes_the_same_bytes(folder, hoitool):
    rows = random_rows(20)
    save("a.h5", [f"image {i}" for i in range(20)], rows)
    for name in ("one", "two"):
        assert hoitool("draw", "embeddings", "a.h5", "-o", f"{name}.png", "-o", f"{name}.svg").code == 0
    for suffix in ("png", "svg"):
        assert Path(f"one.{suffix}").read_bytes() == Path(f"two.{suffix}").read_bytes()
    assert {"PCA", "t-SNE", "image 3"} <= {text.partition(" (")[0] for text in texts("one.svg")}


def test_a_picture_that_is_there_stays_unless_it_may_be_replaced(folder, hoitool):
    save("a.h5", [f"image {i}" for i in range(6)], random_rows(6))
    Path("a.svg").write_text("mine")
    done = hoitool("draw", "embeddings", "a.h5", "--method", "pca")
    assert (done.code, done.err) == (2, "hoitool: a.svg exists; --overwrite replaces it\n")
    assert Path("a.svg").read_text() == "mine" and not Path("a.png").exists()
    assert hoitool("draw", "embeddings", "a.h5", "--method", "pca", "--overwrite").code == 0


@pytest.mark.parametrize(
    ("colour", "told"), [("verb", ["verb", "hold", "105 others"]), ("object", ["object", "dog", "68 others"])]
)
def test_labels_coloured_by_their_verbs_or_objects(labels, hoitool, colour, told):
    done = hoitool("draw", "embeddings", labels, "--colour", colour, "--method", "pca", "-o", "a.svg")
    assert done.code == 0, done.err
    assert set(told) <= set(texts("a.svg"))


@pytest.mark.parametrize(
    ("arguments", "told", "shared"),
    [
        (["hico", "--what", "objects+nothing"], ["supercategory", "food", "none", "nothing", *HICO.objects], True),
        (["v-coco", "--what", "agents+roles"], ["verb", "hit", "hit_agent", "hit_instr", "stand_agent"], True),
        (["v-coco", "--what", "actions"], ["hit", "stand"], False),
    ],
)
def test_labels_of_other_kinds(folder, hoitool, arguments, told, shared):
    done = hoitool("embed", "labels", *arguments, "--model", "hashed", "-o", "labels.h5")
    assert done.code == 0, done.err
    done = hoitool("draw", "embeddings", "labels.h5", "--method", "pca", "-o", "a.svg")
    assert done.code == 0, done.err
    assert set(told) <= set(texts("a.svg"))
    assert ("nearest has the same" in done.out) == shared


def test_verbs_have_their_names_beside_them(folder, hoitool):
    done = hoitool("embed", "labels", "hico", "--what", "verbs", "--model", "hashed", "-o", "verbs.h5")
    assert done.code == 0, done.err
    done = hoitool("draw", "embeddings", "verbs.h5", "--method", "pca", "-o", "a.svg")
    assert done.code == 0, done.err
    assert set(HICO.verbs) <= set(texts("a.svg"))
    assert "nearest has the same" not in done.out


def test_verb_features_leave_out_what_could_not_be_made(folder, hoitool):
    columns = {"label": np.arange(117, dtype=np.int32)}
    said = {"of": "verbs", "label_space": SPACE, "label_kind": "verbs"}
    save("verbs.h5", HICO.verbs, random_rows(117), columns=columns, failed=[4], **said)
    done = hoitool("draw", "embeddings", "verbs.h5", "--method", "pca", "-o", "a.svg", "--json")
    assert "note: left out 1 of 117 rows, which could not be made" in done.err
    names = [row["name"] for row in json.loads(done.out)["rows"]]
    assert names == [*HICO.verbs[:4], *HICO.verbs[5:]]


def test_regions_are_coloured_by_category(folder, hoitool):
    names = ["airplane", "airplane", "bicycle", "bicycle", "", "apple", "apple", "apple"]
    category = np.array([HICO.object_index(n) if n else -1 for n in names], np.int32)
    columns = {"category": category, "boxes": np.zeros((8, 4), np.float32)}
    save("regions.h5", ["a", "b"], random_rows(8), [5, 3], columns, of="regions", label_space=SPACE)
    done = hoitool("draw", "embeddings", "regions.h5", "--method", "pca", "-o", "a.svg", "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)["rows"]
    assert [row["name"] for row in rows] == [*(f"a #{i}" for i in range(5)), *(f"b #{i}" for i in range(3))]
    assert [row["object"] for row in rows] == [None if c < 0 else HICO.objects[c] for c in category]
    kinds = ["vehicle", "vehicle", "vehicle", "vehicle", None, "food", "food", "food"]
    assert [row["supercategory"] for row in rows] == kinds
    assert {"vehicle", "food", "none"} <= set(texts("a.svg"))
    refused = hoitool("draw", "embeddings", "regions.h5", "--colour", "verb")
    assert (refused.code, refused.out) == (2, "")
    assert "its regions have no verb to colour by; it colours by supercategory or object" in refused.err


def test_many_rows_become_a_seeded_sample(folder, hoitool, monkeypatch):
    monkeypatch.setattr(embeddings, "MOST", 10)
    rows = random_rows(30)
    save("a.h5", [f"image {i}" for i in range(30)], rows)
    runs = [
        hoitool("draw", "embeddings", "a.h5", "--method", "pca", "-o", "a.png", "--seed", seed, "--json", "--overwrite")
        for seed in (1, 1, 2)
    ]
    assert "note: drew 10 of 30 rows (--seed 1); all figures are of them" in runs[0].err
    names = [[row["name"] for row in json.loads(run.out)["rows"]] for run in runs]
    assert len(names[0]) == 10
    assert names[0] == names[1] != names[2]
    assert json.loads(runs[0].out)["drawn_from"] == 30


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({"name": "mine", "hash": "ab" * 32}, "label space 'mine' is neither packaged nor beside the store"),
        (
            {"name": "hico", "hash": "ab" * 32},
            f"label space 'hico' is {HICO.hash:.12} here, the store's is abababababab",
        ),
    ],
)
def test_labels_of_a_label_space_that_is_not_here_have_names_only(folder, hoitool, space, told):
    columns = {"label": np.arange(6, dtype=np.int32)}
    said = {"of": "labels", "label_space": space, "label_kind": "interactions"}
    save("a.h5", [f"label {i}" for i in range(6)], random_rows(6), columns=columns, **said)
    done = hoitool("draw", "embeddings", "a.h5", "--method", "pca", "-o", "a.svg")
    assert done.code == 0, done.err
    assert told in done.err
    assert "label 3" in texts("a.svg")


def test_captions_and_their_images_are_parts(folder, hoitool):
    columns = {"part": np.tile(np.array([0, 1], np.uint8), 6), "text": strings(["", "a text"] * 6)}
    save("a.h5", [f"i{i}" for i in range(6)], random_rows(12), [2] * 6, columns, of="captions", parts=("image", "text"))
    done = hoitool("draw", "embeddings", "a.h5", "--part", "text", "--method", "pca", "-o", "a.png", "--json")
    assert done.code == 0, done.err
    assert [row["name"] for row in json.loads(done.out)["rows"]] == [f"i{i}" for i in range(6)]


def zero(count):
    rows = random_rows(count)
    rows[3] = 0
    return rows


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nowhere.h5"], 4, "nowhere.h5: no such file"),
        (["text.h5"], 1, "text.h5: not an HDF5 file, expected a feature store"),
        (["unfinished.h5"], 1, "unfinished.h5: was never finished"),
        (["good.h5", "--part", "union"], 2, "good.h5: has no parts, so none named 'union'"),
        (["parts.h5", "--part", "unio"], 2, "Did you mean 'union'?"),
        (["few.h5"], 2, "few.h5: a map needs at least 5 rows, came 4"),
        (["zero.h5"], 1, "zero.h5: the row of 'k3' is zero, so it has no direction"),
        (["wrong.h5"], 1, "wrong.h5: holds labels 0..600, its label space has 600"),
        (["good.h5", "-o", "a.png", "-o", "a.pdf"], 2, "a.pdf: pictures are written as .png or .svg"),
        (["good.h5", "--colour", "object"], 2, "its images have no object to colour by"),
        (["good.h5", "--colour", "red"], 2, "red"),
        (["good.h5", "--method", "umap"], 2, "umap"),
        (["good.h5", "--neighbours", 0], 2, "neighbours"),
        (["good.h5", "--seed", -1], 2, "seed"),
    ],
)
def test_what_cannot_be_drawn(folder, hoitool, arguments, code, told):
    keys = [f"k{i}" for i in range(6)]
    Path("text.h5").write_text("no store")
    save("good.h5", keys, random_rows(6))
    save("few.h5", keys[:4], random_rows(4))
    save("zero.h5", keys, zero(6))
    save("unfinished.h5", keys, random_rows(6), finish=False)
    partial_path(Path("unfinished.h5")).rename("unfinished.h5")
    columns = {"part": np.array([0, 1] * 3, np.uint8)}
    save("parts.h5", keys, random_rows(6), columns=columns, of="regions", parts=("box", "union"))
    label = {"label": np.array([0, 1, 2, 3, 4, 600], np.int32)}
    save("wrong.h5", keys, random_rows(6), columns=label, of="labels", label_space=SPACE, label_kind="interactions")
    done = hoitool("draw", "embeddings", *arguments)
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert not list(Path().glob("*.png")) + list(Path().glob("*.svg"))
