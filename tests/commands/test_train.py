"""hoitool train and what follows it on the command line: predict, eval."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")

from tiny_run import RECIPE, TEST, TRAIN, make_workspace

from hoitool.convert import load

DETECTION = "predict.task=detection"


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(make_workspace(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workspace in which the bare command has run, in a process of its own."""
    folder = make_workspace(tmp_path_factory.mktemp("workspace"))
    made = subprocess.run([sys.executable, "-m", "hoitool", "train"], cwd=folder, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return folder, made


@pytest.fixture
def inside(trained, monkeypatch):
    monkeypatch.chdir(trained[0])
    return trained[0]


def test_the_bare_command_says_what_it_took_and_eval_scores_what_it_left(trained, inside, hoitool):
    said = trained[1].stderr
    assert "took the recipe recipe.yaml" in said
    assert "took the images data/demo/train.parquet" in said
    assert "effective batch 8 = 1 device x 8 samples x 1 accumulated" in said
    assert "runs/recipe/predictions-test.parquet" in trained[1].stdout
    assert "Warning" not in said
    scored = hoitool("eval", "--split", "rare", "--json")
    assert scored.code == 0, scored.err
    assert json.loads(scored.out)["protocol"] == "hico-det"


def test_the_default_recipe_is_detection_with_defr(workspace, hoitool):
    (workspace / "recipe.yaml").unlink()
    made = hoitool("train", "--print-config", "--json")
    held = json.loads(made.out)
    assert (held["name"], held["predict"]["task"], held["model"]["backbone"]) == ("defr-detection", "detection", "clip")
    assert "took the recipe defr-detection" in made.err


def test_recipes_are_listed_and_printed(hoitool, tmp_path):
    listed = json.loads(hoitool("train", "--list", "--json").out)
    full = {each["name"]: (each["reference"] or {"figures": {}})["figures"].get("full") for each in listed}
    assert full["defr-clip-b16-lse"] == 65.6
    assert "tiny" in hoitool("train", "--list").out
    printed = hoitool("train", "tiny", "optimise.epochs=3", "--print-config").out
    (tmp_path / "mine.yaml").write_text(printed)
    again = hoitool("train", "-c", tmp_path / "mine.yaml", "--print-config").out
    assert again == printed
    assert "epochs: 3" in printed


def test_a_file_goes_over_the_recipe_that_is_named(hoitool, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("optimise: {epochs: 7}\n")
    held = json.loads(hoitool("train", "defr-clip-bce", "-c", file, "--print-config", "--json").out)
    assert (held["optimise"]["epochs"], held["loss"]["name"]) == (7, "bce")
    file.write_text("base: tiny\n")
    made = hoitool("train", "defr-clip-bce", "-c", file, "--print-config")
    assert made.code == 2
    assert "name one" in made.err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["defr-clip-lsee"], 2, "defr-clip-lse"),
        (["tiny", "defr-clip-lse"], 2, "one recipe at a time"),
        (["tiny", "optimise.lrr=1"], 2, "optimise.lr"),
        (["tiny", "optimise.lr=fast"], 2, "optimise.lr"),
        (["nowhere.yaml"], 4, "nowhere.yaml"),
        (["--device", "gpu"], 2, "auto or cpu"),
        (["--resume"], 4, "no run in runs/"),
        (["recipe.yaml", "optimise.batch=8", "optimise.per_device=3"], 2, "per_device 2"),
        (["recipe.yaml", "optimise.per_device=4", "optimise.accumulate=refuse"], 2, "accumulation is refused"),
        (["defr-clip-lse"], 4, "weights"),
        (["recipe.yaml", "name=.."], 2, "name: "),
        (["recipe.yaml", "name=a/b"], 2, "name: "),
        (["recipe.yaml", "name=''"], 2, "name: "),
        (["recipe.yaml", "optimise.momentum=1"], 2, "optimise.momentum"),
        (["recipe.yaml", "seed=99999999999999999999999999"], 2, "seed"),
        (["recipe.yaml", "data.images=nowhere"], 4, "data.images=DIR"),
        (["recipe.yaml", "optimise.precision=float16", "--dry-run", "--device", "cpu"], 2, "float16 needs a GPU"),
        (["--resume", "--name", "nowhere"], 4, "no such run"),
        (["recipe.yaml", "model.checkpoint=nowhere.pt"], 4, "nowhere.pt"),
    ],
)
def test_what_is_wrong_is_one_line(workspace, hoitool, arguments, code, told, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    made = hoitool("train", *arguments)
    assert made.code == code, made.err
    assert told in made.err
    assert "Traceback" not in made.err
    assert made.err.splitlines()[-1].startswith("hoitool: ")


def test_a_dry_run_writes_nothing(workspace, hoitool):
    made = hoitool("train", "--dry-run", "--json", "--device", "cpu")
    assert made.code == 0, made.err
    held = json.loads(made.out)
    assert held["steps"] == 2 * TRAIN // 8
    assert held["memory"]["total"] > 0
    assert not (workspace / "runs").exists()
    assert "parameters" in hoitool("train", "--dry-run", "--device", "cpu").out


def test_a_dry_run_shows_how_a_checkpoint_fits(inside, hoitool):
    weights = sorted((inside / "runs" / "recipe" / "checkpoint").glob("step-*"))[-1] / "weights.safetensors"
    arguments = ["train", "--dry-run", "--device", "cpu", "--checkpoint", weights]
    table = json.loads(hoitool(*arguments, "--json").out)["checkpoint"]
    assert {row[0] for row in table} == {"matched"}
    assert "classifier.weight" in hoitool(*arguments).out


def test_a_dry_run_shows_where_a_checkpoint_does_not_fit(inside, hoitool, tmp_path):
    from safetensors.torch import load_file, save_file

    path = sorted((inside / "runs" / "recipe" / "checkpoint").glob("step-*"))[-1] / "weights.safetensors"
    held = load_file(path)
    held |= {"classifier.weight": held["classifier.weight"][:3], "extra": held.pop("backbone.visual.ln_pre.bias")}
    save_file(held, tmp_path / "other.safetensors")
    arguments = ["--device", "cpu", "--checkpoint", tmp_path / "other.safetensors"]
    made = hoitool("train", "--dry-run", "--json", *arguments)
    assert made.code == 3
    assert "1 missing (backbone.visual.ln_pre.bias), 1 left over (extra)" in made.err
    first = [row[0] for row in json.loads(made.out)["checkpoint"][:4]]
    assert first == ["shape [3, 64] for [30, 64]", "missing", "left over", "matched"]
    assert hoitool("train", "--name", "other", *arguments).code == 1


def test_a_run_is_not_run_over_and_goes_on_by_itself(inside, hoitool):
    again = hoitool("train")
    assert again.code == 2
    assert "--resume" in again.err
    gone_on = hoitool("train", "--resume", "--json")
    assert gone_on.code == 0, gone_on.err
    assert "going on with runs/recipe" in gone_on.err
    assert json.loads(gone_on.out)["steps"] == 2 * TRAIN // 8


def test_other_words_for_the_run_and_its_settings(workspace, hoitool):
    made = hoitool("train", "recipe.yaml", "optimise.epochs=1", "predict.task=recognition", "--name", "other", "--json")
    assert made.code == 0, made.err
    held = json.loads(made.out)
    assert held["run"] == "runs/other"
    assert set(held["figures"]) == {"full"}
    assert load(workspace / held["predictions"][0]).image_scores.shape == (TEST, 30)


def test_any_folder_of_pictures_is_predicted_for_and_drawn(inside, hoitool, tmp_path):
    import shutil

    folder = shutil.copytree(inside / "raw" / "demo" / "images", tmp_path / "pictures")
    (folder / "notes.txt").write_text("no picture")
    out = tmp_path / "out" / "p.parquet"
    made = hoitool("predict", "runs/recipe", folder, "-o", out, "--draw", "--json", "--workers", 0)
    assert made.code == 0, made.err
    assert "1 " in made.err and "notes.txt" in made.err
    held = json.loads(made.out)
    assert (held["task"], held["images"], held["left_out"]) == ("recognition", TRAIN + TEST, {})
    assert len(list((tmp_path / "out" / "p").rglob("*.jpg"))) == TRAIN + TEST
    one = sorted((folder / "test").iterdir())[0]
    alone = hoitool("predict", "runs/recipe", one, "-o", tmp_path / "one.parquet", "--workers", 0)
    assert alone.code == 0, alone.err


def test_labels_that_are_sure_become_a_dataset(inside, hoitool, tmp_path):
    sure = tmp_path / "sure.parquet"
    arguments = ["predict", "runs/recipe", "data/demo/test.parquet", "-o", tmp_path / "p.parquet", "--workers", 0]
    refused = hoitool(*arguments, "--as-dataset", sure)
    assert (refused.code, sure.exists()) == (2, False)
    assert "--task recognition" in refused.err
    made = hoitool(*arguments, "--as-dataset", sure, "--task", "recognition", "--threshold", 0.05)
    assert made.code == 0, made.err
    assert load(sure).meta.extras["pseudo_labels"]["threshold"] == 0.05
    assert hoitool("check", sure).code == 0


def test_predictions_are_not_written_over(inside, hoitool, tmp_path):
    out = tmp_path / "p.parquet"
    arguments = ["predict", "runs/recipe", "data/demo/test.parquet", "-o", out, "--workers", 0]
    assert hoitool(*arguments).code == 0
    refused = hoitool(*arguments)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert hoitool(*arguments, "--overwrite", "--best").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["nowhere", "data/demo/test.parquet"], 4, "nowhere: no such model"),
        (["recipe", "data/demo/test.parquet"], 4, "did you mean runs/recipe?"),
        (["runs/recipe", "nowhere"], 4, "nowhere: no such dataset, folder or picture"),
        (["raw", "data/demo/test.parquet"], 4, "model.json"),
        (["runs/recipe", "data/demo/test.parquet", "--task", "detecting"], 2, "detection"),
        (["runs/recipe", "raw/demo/images", "--task", "detection"], 2, "--boxes FILE"),
        (["runs/recipe", "data/demo/test.parquet", "--boxes", "nowhere.json"], 4, "nowhere.json"),
        (["runs/recipe", "data/demo/test.parquet", "--detector", "dettr"], 2, "detr"),
        (["runs/recipe", "data/demo/test.parquet", "--mask", "blockin"], 2, "blocking"),
        (["runs/recipe", "data/demo/test.parquet", "-o", "p.csv"], 2, ".parquet"),
        (["runs/recipe", "data/demo/test.parquet", "--precision", "foo"], 2, "fp32"),
        (["runs/recipe", "data/demo/test.parquet", "--human-power", "inf"], 2, "finite"),
        (["runs/recipe", "data/demo/test.parquet", "--task", "recognition", "--boxes", "x.json"], 2, "of pairs"),
        (
            ["runs/recipe", "raw/demo/images", "--task", "recognition", "-o", "p.parquet", "--as-dataset", "p.parquet"],
            2,
            "--as-dataset needs another",
        ),
    ],
)
def test_what_cannot_be_predicted_is_one_line(inside, hoitool, arguments, code, told):
    made = hoitool("predict", *arguments, "--workers", 0, "--overwrite")
    assert made.code == code, made.err
    assert told in made.err
    assert made.err.splitlines()[-1].startswith("hoitool: ")


def test_a_setting_stands_once(workspace, hoitool):
    (workspace / "twice.yaml").write_text("base: tiny\noptimise: {epochs: 1, epochs: 2}\n")
    made = hoitool("train", "twice.yaml", "--print-config")
    assert made.code == 1
    assert "twice.yaml, line 2" in made.err and "'epochs' twice" in made.err


def test_pictures_that_cannot_be_read_are_listed_and_end_with_3(inside, hoitool, tmp_path):
    import shutil

    whole = sorted((inside / "raw" / "demo" / "images" / "test").iterdir())[0]
    (tmp_path / "p").mkdir()
    shutil.copy(whole, tmp_path / "p" / "whole.jpg")
    (tmp_path / "p" / "empty.jpg").write_bytes(b"")
    (tmp_path / "p" / "cut.jpg").write_bytes(whole.read_bytes()[:-400])
    arguments = ["predict", "runs/recipe", tmp_path / "p", "-o", tmp_path / "p.parquet", "--workers", 0]
    assert hoitool(*arguments).code == 1
    made = hoitool(*arguments, "--skip-broken", "--json")
    assert made.code == 3
    assert set(json.loads(made.out)["left_out"]) == {"empty.jpg", "cut.jpg"}
    (tmp_path / "p" / "whole.jpg").unlink()
    none = hoitool(*arguments, "--skip-broken", "--overwrite")
    assert none.code == 1
    assert "could be read" in none.err or "can be read" in none.err


def test_weights_that_are_no_numbers_write_nothing(inside, hoitool, tmp_path):
    from safetensors.torch import load_file, save_file

    weights = sorted((inside / "runs" / "recipe" / "checkpoint").glob("step-*"))[-1] / "weights.safetensors"
    save_file({name: tensor * float("nan") for name, tensor in load_file(weights).items()}, tmp_path / "w.safetensors")
    for task in ("recognition", "detection"):
        made = hoitool(
            *("predict", tmp_path / "w.safetensors", "data/demo/test.parquet", "-o", tmp_path / "p.parquet"),
            *("--recipe", "recipe.yaml", "--labels", "data/demo/test.parquet", "--task", task, "--workers", 0),
        )
        assert made.code == 1, task
        assert "numbers that are not finite" in made.err
        assert not (tmp_path / "p.parquet").exists()


def test_boxes_that_show_nothing_are_counted_and_not_paired(inside, hoitool, tmp_path):
    truth = load(inside / "data" / "demo" / "test.parquet")
    labels = truth.meta.labels
    person, other = (int(labels.coco_ids[i]) for i in (labels.person, 1 if labels.person == 0 else 0))
    rows = [([5, 5, 20, 40], person), ([10, 10, 20, 20], other), ([-500, -500, 10, 10], other), ([5, 5, 0, 0], person)]
    image = str(truth.key[0])
    held = [{"image_id": image, "category_id": c, "bbox": box, "score": 0.9} for box, c in rows]
    (tmp_path / "boxes.json").write_text(json.dumps([*held, held[0] | {"bbox": [1e300, 0, 1, 1]}]))
    made = hoitool(
        *("predict", "runs/recipe", "data/demo/test.parquet", "--boxes", tmp_path / "boxes.json"),
        *("-o", tmp_path / "p.parquet", "--json", "--workers", 0),
    )
    assert made.code == 0, made.err
    assert "dropped 3: boxes without size, or outside of their picture" in made.err
    assert json.loads(made.out)["pairs"] == 5


def test_a_file_of_weights_needs_a_recipe(inside, hoitool, tmp_path):
    import shutil

    weights = sorted((inside / "runs" / "recipe" / "checkpoint").glob("step-*"))[-1] / "weights.safetensors"
    alone = shutil.copy(weights, tmp_path / "given.safetensors")
    out = tmp_path / "p.parquet"
    arguments = ["predict", alone, "data/demo/test.parquet", "-o", out, "--workers", 0]
    assert "--recipe" in hoitool(*arguments).err
    made = hoitool(*arguments, "--recipe", "recipe.yaml", "--labels", "data/demo/test.parquet")
    assert made.code == 0, made.err
    ours = hoitool("predict", weights.parent, "data/demo/test.parquet", "-o", tmp_path / "q.parquet", "--workers", 0)
    assert ours.code == 0, ours.err
    assert (load(out).score == load(tmp_path / "q.parquet").score).all()
    part = hoitool(*arguments, "--recipe", "recipe.yaml", "--overwrite", "--lenient")
    assert part.code == 0, part.err
    assert "classifier.weight is [30, 64], expected [600, 64]" in part.err
    wrong = hoitool(*arguments, "--recipe", "recipe.yaml", "--overwrite")
    assert wrong.code == 1
    assert "classifier.weight" in wrong.err


@pytest.mark.slow
def test_two_processes_are_one_with_the_whole_batch(workspace, hoitool):
    """torchrun over gloo; the same effective batch, so the same weights up to the rounding of sums."""
    import torch

    from hoitool.models import checkpoints

    (workspace / "recipe.yaml").write_text(RECIPE.replace("epochs: 2", "epochs: 1"))
    assert hoitool("train", "--name", "one", "--device", "cpu").code == 0
    spread = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    made = subprocess.run(
        [*spread, "-m", "hoitool", "train", "--name", "two", "--device", "cpu"],
        cwd=workspace,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert made.returncode == 0, made.stderr
    assert "effective batch 8 = 2 devices x 4 samples x 1 accumulated" in made.stderr
    assert made.stderr.count("took the images") == 1
    one, two = (
        checkpoints.evaluated(checkpoints.steps(workspace / "runs" / name / "checkpoint")[-1])
        for name in ("one", "two")
    )
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=1e-4)
    found = (workspace / "runs" / name / "predictions-test.parquet" for name in ("one", "two"))
    labels = [load(path).label.tolist() for path in found]
    assert labels[0] == labels[1]


def test_predictions_that_are_there_stay_and_another_name_is_said(inside, hoitool):
    kept = (inside / "runs" / "recipe" / "predictions-test.parquet").read_bytes()
    made = hoitool("predict", "runs/recipe", "data/demo/test.parquet", "--task", "recognition", "--workers", 0)
    path = "runs/recipe/predictions-test.parquet"
    assert (made.code, made.out) == (2, "")
    assert made.err.endswith(f"hoitool: {path} exists; -o names another, --overwrite replaces it\n")
    assert (inside / path).read_bytes() == kept
