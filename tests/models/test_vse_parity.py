"""VSE-infinity equal to tensors recorded from the published code, in both precisions, and its checkpoints."""

from __future__ import annotations

import json
from argparse import Namespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")
transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file  # noqa: E402

from hoitool.errors import DataError  # noqa: E402
from hoitool.losses.triplet import Triplet  # noqa: E402
from hoitool.models.vse import CHECKPOINTS, Vse, build, similarity  # noqa: E402
from hoitool.models.vse_images import Cells, Regions  # noqa: E402
from hoitool.models.vse_texts import Bert  # noqa: E402
from hoitool.models.weights import fill, load, matched  # noqa: E402
from hoitool.nn.resnet import ResNet  # noqa: E402

both = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
CLOSE = {torch.float32: {"rtol": 0, "atol": 1e-6}, torch.float64: {"rtol": 1e-9, "atol": 1e-13}}


@pytest.fixture(scope="module")
def recorded(shared):
    return {name: load_file(shared(f"parity/vse/{name}.safetensors")) for name in ("vse_region_bert", "grid_cnn")}


@pytest.fixture(scope="module")
def config(shared):
    return json.loads(shared("parity/vse/vse_region_bert.json").read_text())["bert_config"]


def part(held, start):
    return {name.removeprefix(start): value for name, value in held.items() if name.startswith(start)}


def states(recorded, image="regions"):
    """The image encoder's state and the text encoder's, by the original's names."""
    held = recorded["vse_region_bert"]
    images = part(held, "img_enc/") if image == "regions" else part(recorded["grid_cnn"], "state/")
    return images, part(held, "txt_enc/")


def empty(config, image="regions"):
    network = ResNet((1, 2, 1, 1), caffe=True, stem=8, planes=(8, 16, 32, 64))
    images = Regions(40, 24) if image == "regions" else Cells(network, 24)
    return Vse(images, Bert(transformers.BertConfig(**config), 24))


def as_one(*parts):
    return {f"{i}.{name}": value for i, held in enumerate(parts) for name, value in held.items()}


def filled(recorded, config, image="regions"):
    model = empty(config, image)
    assert fill(model, as_one(*states(recorded, image)), CHECKPOINTS, "recorded").complete
    return model


def inputs(recorded, dtype):
    held = recorded["vse_region_bert"]
    mask = torch.arange(9) < held["in/image_lengths"][:, None]
    return held["in/images"].to(dtype), held["in/captions"], mask


def close(made, held, name, dtype):
    suffix = "_f64" if dtype == torch.float64 else ""
    torch.testing.assert_close(made, held[name + suffix], **CLOSE[dtype])


@both
def test_recorded_embeddings_of_regions_and_captions(recorded, config, dtype):
    model, held = filled(recorded, config).to(dtype).eval(), recorded["vse_region_bert"]
    with torch.no_grad():
        images, captions = model(*inputs(recorded, dtype))
    close(images, held, "out/img_emb", dtype)
    close(captions, held, "out/cap_emb", dtype)
    close(similarity(images, captions), held, "out/similarity", dtype)


@both
def test_recorded_step_of_training(recorded, config, dtype):
    """It was recorded in float32, without BERT's dropout."""
    model, held = filled(recorded, config).to(dtype).train(), recorded["vse_region_bert"]
    model.text.bert.eval()
    images, captions = model(*inputs(recorded, dtype))
    loss = Triplet()(similarity(images, captions))
    loss.backward()
    for made, name in ((images, "img_emb"), (captions, "cap_emb"), (loss, "loss_max_violation")):
        torch.testing.assert_close(made.detach().float(), held[f"train/{name}"], rtol=0, atol=1e-6)
    names = {"mlp.bns.0": "mlp.1", "txt.": ""}
    for name, slope in part(held, "train/grad/").items():
        ours = f"{'text' if name.startswith('txt.') else 'image'}.{name}"
        for theirs, own in names.items():
            ours = ours.replace(theirs, own)
        torch.testing.assert_close(model.get_parameter(ours).grad.float(), slope, rtol=1e-4, atol=2e-6)
    for name, value in part(held, "train/img_buffers_after/mlp.bns.0.").items():
        made = model.image.mlp[1].get_buffer(name)
        torch.testing.assert_close(made.to(value.dtype), value, rtol=0, atol=1e-6)


@both
def test_recorded_embeddings_of_pictures(recorded, config, dtype):
    model, held = filled(recorded, config, "grid").image.to(dtype), recorded["grid_cnn"]
    pictures = held["in/images"].to(dtype)
    with torch.no_grad():
        cells = model.backbone(pictures)
        torch.testing.assert_close(cells.float(), held["out/grid_features"], rtol=1e-5, atol=1e-4)
        close(model(pictures), held, "out/img_emb", dtype)
        close(model.embed(cells), held, "out/img_emb", dtype)


def doubled(state):
    """The state as the original saves it: the network's tensors under their first names as well."""
    first = {"base.0.": "conv1.", "base.1.": "bn1.", "base.4.": "layer1.", "base.5.": "layer2.", "base.6.": "layer3."}
    twins = {}
    for theirs, ours in {**first, "top.0.": "layer4."}.items():
        twins |= {f"backbone.resnet.{ours}{name}": value for name, value in part(state, f"backbone.{theirs}").items()}
    return twins | {"backbone.resnet.fc.weight": torch.zeros(1000, 256)} | state


def saved(path, *parts):
    """A file as the original's training writes it."""
    wrapped = [{f"module.{name}": value for name, value in held.items()} for held in parts]
    torch.save({"epoch": 24, "model": wrapped, "best_rsum": 500.0, "opt": Namespace(margin=0.2), "Eiters": 9}, path)
    return path


@pytest.mark.parametrize("image", ["regions", "grid"])
def test_a_published_file_loads(recorded, config, image, tmp_path):
    images, texts = states(recorded, image)
    path = saved(tmp_path / "model_best.pth", doubled(images) if image == "grid" else images, texts)
    model = empty(config, image)
    match = load(model, path, CHECKPOINTS)
    assert match.complete
    assert "1.bert.pooler.dense.weight" in match.unwanted
    expected = filled(recorded, config, image).state_dict()
    for name, value in model.state_dict().items():
        assert torch.equal(value, expected[name])


def test_a_network_saved_twice_that_differs_is_refused(recorded, config, tmp_path):
    images, texts = states(recorded, "grid")
    images = doubled(images)
    images["backbone.base.0.weight"] = images["backbone.base.0.weight"] + 1
    path = saved(tmp_path / "model_best.pth", images, texts)
    told = r"'0.backbone.resnet.conv1.weight' and '0.backbone.base.0.weight' of the checkpoint are both .* and differ"
    with pytest.raises(DataError, match=told):
        load(empty(config, "grid"), path, CHECKPOINTS)


@pytest.mark.parametrize(("images", "file"), [("regions", "region"), ("detector", "grid_butd")])
def test_the_layout_of_a_published_checkpoint_fits(images, file, shared):
    parts = [
        json.loads(shared(f"parity/vse/checkpoint_keys_{name}.json").read_text())["keys"]
        for name in (f"{file}_img_enc", "bert_txt_enc")
    ]
    with torch.device("meta"):
        model = build(images)
    state = as_one(*({name: torch.zeros(()).expand(shape) for name, (shape, _) in keys.items()} for keys in parts))
    match = matched(model, state, CHECKPOINTS)
    assert match.complete
    assert len(match.matched) + len(match.unwanted) == len(state)
    assert match.matched["text.bert.embeddings.word_embeddings.weight"].startswith("1.bert.")
