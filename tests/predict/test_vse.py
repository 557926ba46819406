"""`hoitool predict` of a matcher: a store that searches score, of runs, checkpoints and published files."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tiny_matching import CAPTIONS, TEST, make_workspace
from tiny_texts import save_bert

from hoitool.convert import FORMATS, load
from hoitool.convert.fit import fit as fitted
from hoitool.errors import DataError, MissingData
from hoitool.models.card import read_card
from hoitool.models.vse import build
from hoitool.models.vse_card import matcher
from hoitool.models.vse_words import FILE, read_words
from hoitool.store import Store
from hoitool.train.fit import fit
from hoitool.train.recipe import resolve


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A workspace with a run of each kind of images."""
    folder = make_workspace(tmp_path_factory.mktemp("workspace"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("grid", "region"):
            fit(resolve(f"{name}.yaml"), folder / "runs" / name, lambda _: None, device="cpu")
    return folder


@pytest.fixture
def workspace(trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path / "w")
    monkeypatch.chdir(tmp_path / "w")
    return tmp_path / "w"


def rows(path):
    store = Store(path)
    return store.rows(0, int(store.offsets[-1]))


@pytest.mark.parametrize("name", ["grid", "region"])
def test_a_run_embeds_a_dataset_as_it_did_at_its_end(workspace, hoitool, name):
    done = hoitool("predict", f"runs/{name}", "data/demo/test.parquet", "--best", "-o", "again.h5", "--device", "cpu")
    assert done.code == 0, done.err
    assert f"{TEST:,} images and {TEST * CAPTIONS:,} captions by {name}" in done.out
    np.testing.assert_allclose(rows("again.h5"), rows(f"runs/{name}/predictions-test.h5"), atol=1e-6)
    store = Store("again.h5")
    assert (store.manifest.of, store.manifest.dataset, store.manifest.subset) == ("captions", "demo", "test")
    data = load(workspace / "data" / "demo" / "test.parquet")
    assert store.column("text")[store.places("text")].tolist() == data.caption_text.tolist()
    assert store.column("caption")[store.places("text")].tolist() == data.caption_id.tolist()


def test_stores_of_several_models_are_scored_alone_and_together(workspace, hoitool):
    paths = [f"runs/{name}/predictions-test.h5" for name in ("grid", "region")]
    for given in ([paths[0]], paths):
        done = hoitool("eval", *given, "--json")
        assert done.code == 0, done.err
        held = json.loads(done.out)
        assert (held["protocol"], len(held["inputs"]["stores"])) == ("retrieval", len(given))


def test_crisscrossed_captions_score_what_a_matcher_left(workspace, hoitool):
    """Ratings name COCO's ids: those of images are the numbers in their file names."""
    (workspace / "cxc").mkdir()
    data = load(workspace / "data" / "demo" / "test.parquet")
    captions = [f"COCO_val2014:sentid:{number}" for number in data.caption_id.tolist()]
    images = [f"COCO_val2014_{i:012d}.jpg" for i in range(1, TEST + 1)]
    from hoitool.data import strings, write

    write(data.with_columns(key=strings(images)), workspace / "cxc.parquet")
    shutil.copytree("raw/demo/images/test", "pictures")
    done = hoitool("predict", "runs/grid", "cxc.parquet", "--images", "pictures", "-o", "cxc.h5", "--device", "cpu")
    assert done.code == 0, done.err
    pairs = {
        "sts": ("caption1,caption2", [f"{captions[0]},{captions[3]}", f"{captions[1]},{captions[5]}"]),
        "sis": ("image1,image2", [f"{images[0]},{images[1]}", f"{images[2]},{images[3]}"]),
        "sits": ("caption,image", [f"{captions[0]},{images[4]}", f"{captions[2]},{images[5]}"]),
    }
    for kind, (head, lines) in pairs.items():
        text = "".join(f"{line},{4.0 - i},c\n" for i, line in enumerate(lines))
        (workspace / "cxc" / f"{kind}_test.csv").write_text(f"{head},agg_score,sampling_method\n{text}")
    done = hoitool("eval", "cxc.h5", "--protocol", "cxc", "--truth", "cxc", "--json")
    assert done.code == 0, done.err
    assert {row["setting"] for row in json.loads(done.out)["results"]} >= {"image-to-text", "text-to-text", "sits"}


def test_captions_of_a_file_and_features_of_a_store_are_taken(workspace, hoitool):
    format, data = FORMATS["captions"], load(workspace / "data" / "demo" / "test.parquet")
    format.write(fitted([data], format.HOLDS).parts, workspace / "captions_test.json")
    shutil.move("features/regions-tiny.h5", "elsewhere.h5")
    done = hoitool("predict", "runs/region", "captions_test.json", "--device", "cpu", "-o", "a.h5")
    assert (done.code, "no features of all 6 images" in done.err) == (4, True)
    done = hoitool("predict", "runs/region", "captions_test.json", "elsewhere.h5", "--device", "cpu", "-o", "a.h5")
    assert done.code == 0, done.err
    assert len(Store("a.h5")) == TEST


def test_a_published_checkpoint_opens_by_its_recipe(workspace, hoitool, tmp_path):
    """Two states in a list beside the script's options, with module. before the names; the words are BERT's."""
    folder = save_bert(workspace / "weights" / "bert")
    module = build("tiny", "tiny", dim=16, vocabulary=len(read_words(folder)))
    parts = [{}, {}]
    for name, value in module.state_dict().items():
        part, _, rest = name.partition(".")
        parts[part == "text"][f"module.{rest}"] = value
    held = {"epoch": 25, "model": parts, "best_rsum": np.float64(520.0), "opt": Namespace(margin=0.2), "Eiters": 9}
    torch.save(held, workspace / "published.pth")
    (workspace / "p.yaml").write_text(
        "model: {name: vse, images: tiny, texts: tiny, vocabulary: weights/bert, dim: 16, image_size: 32}\n"
        "optimise: {lr: 1.0e-3, epochs: 1, batch: 8, schedule: {name: constant}}\n"
    )
    given = ("predict", "published.pth", "data/demo/test.parquet", "--device", "cpu", "-o", "p.h5")
    assert hoitool(*given).code == 2
    done = hoitool(*given, "--recipe", "p.yaml")
    assert done.code == 0, done.err
    assert Store("p.h5").manifest.model == "vse:published"


def test_a_training_starts_from_bert(workspace, monkeypatch):
    """Its weights and its words, out of weights/bert; the words travel with the run."""
    from hoitool.models import vse
    from hoitool.train.vse.prepare import prepare

    save_bert(workspace / "weights" / "bert", pooler=False, positions=512)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    monkeypatch.setitem(vse.BERTS, "bert", sizes)
    said = []
    job = prepare(resolve("region.yaml", ["model.texts=bert", "optimise.groups={text.bert.: 0.1}"]), said.append)
    assert any("weights/bert" in line for line in said)
    assert job.inputs["language"].name == "model.safetensors"
    assert (len(job.card.words), job.card.numbers["vocabulary"]) == (23, 23)
    from safetensors.torch import load_file

    own = load_file(job.inputs["language"])
    name = "embeddings.word_embeddings.weight"
    assert torch.equal(job.module.text.bert.state_dict()[name], own[name])
    loss = job.task.loss(job.module, job.task.collate([job.task.sample(i, 0) for i in range(8)]), 0.0)
    assert torch.isfinite(loss)


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        (["runs/region", "data/demo/test.parquet", "--draw"], 2, "--draw is of other models"),
        (["runs/region", "data/demo/test.parquet", "--task", "detection"], 2, "--task is of other models"),
        (["runs/region", "data/demo/test.parquet", "--vocabulary", "a.h5"], 2, "--vocabulary is of other models"),
        (["runs/region", "data/demo/test.parquet", "--attributes", "a.h5"], 2, "--attributes is of other models"),
        (["runs/region", "data/demo/test.parquet", "--skip-broken"], 2, "other images than"),
        (["runs/region", "data/demo/test.parquet", "data/demo/train.parquet"], 2, "2 files of captions"),
        (["runs/region", "features/regions-tiny.h5"], 2, "0 files of captions"),
        (["runs/grid", "data/demo/test.parquet", "features/regions-tiny.h5"], 2, "takes pictures"),
        (["runs/grid", "data/demo/test.parquet", "--images", "nowhere"], 4, "nowhere"),
        (["runs/grid", "nowhere.json"], 4, "nowhere.json"),
        (["runs/region", "data/demo/test.parquet"], 2, "predictions-test.h5 exists"),
        (["runs/region", "data/demo/test.parquet", "-o", "x.txt"], 2, "x.txt: a feature store ends in .h5"),
        (["runs/region", "bare.parquet"], 2, "has no captions"),
    ],
)
def test_what_cannot_be_meant_is_one_line(workspace, hoitool, given, code, told):
    from hoitool.data import write
    from hoitool.data.synthetic import scenes

    write(scenes(1, 0.2).test, workspace / "bare.parquet")
    done = hoitool("predict", *given, "--device", "cpu")
    assert (done.code, told in done.err) == (code, True), done.err
    assert "Traceback" not in done.err


def test_a_card_of_other_words_is_refused(workspace):
    folder = workspace / "runs" / "region"
    size = (folder / "model.json").read_text()
    (folder / "model.json").write_text(size.replace('"image_size": 32', '"image_size": "32"'))
    with pytest.raises(DataError, match=r"^[^\n]*region/model.json: predict.image_size is '32', expected pixels$"):
        matcher(read_card(folder), folder)
    (folder / "model.json").write_text(size)
    assert matcher(read_card(folder), folder).words.tokens
    with (folder / FILE).open("a") as stream:
        stream.write("another\n")
    with pytest.raises(DataError, match=r"^[^\n]*vocabulary.txt: [0-9]+ tokens, the model has [0-9]+$"):
        matcher(read_card(folder), folder)
    (folder / FILE).unlink()
    with pytest.raises(MissingData, match=r"vocabulary.txt"):
        matcher(read_card(folder), folder)
