"""The backbones that recipes name: architectures, weights, and towers that are built again without the files."""

from __future__ import annotations

import hashlib
import json

import pytest

torch = pytest.importorskip("torch")

from hoitool.embed.encoders import clip_weights  # noqa: E402
from hoitool.embed.encoders.tiny import MODEL, save_tiny_clip  # noqa: E402
from hoitool.errors import DataError, HoitoolError, MissingData, UsageError  # noqa: E402
from hoitool.models.backbones import build_backbone, load_backbone  # noqa: E402
from hoitool.train.defr.backbone import CLIPS, PLAIN, Backbone, architecture, resolved  # noqa: E402
from hoitool.train.defr.settings import Model  # noqa: E402


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A workspace without anything, and a hub that cannot be reached."""

    def refuse(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in (
        "huggingface_hub.HfApi.model_info",
        "huggingface_hub.hf_hub_download",
        "open_clip.download_pretrained",
    ):
        monkeypatch.setattr(name, refuse)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def model(backbone, weights=None, patch=8):
    return Model(backbone=backbone, weights=weights, patch=patch, image_size=2 * patch)


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def tiny_clip(here):
    return save_tiny_clip(here / "weights" / "clip")


def test_the_workspace_has_the_weights_and_the_architecture(here, tiny_clip):
    found = resolved(model("clip"))
    assert (found.name, found.config) == ("clip", {name: MODEL[name] for name in clip_config()})
    assert found.weights.resolve() == tiny_clip / "open_clip_model.safetensors"
    assert found.sha256 == sha(found.weights)
    assert found.encoder == ("clip", "weights/clip")
    assert (found.mean, found.std) == CLIPS
    assert found.note == "backbone clip: took weights/clip (name others with model.weights)"


def clip_config():
    return ("embed_dim", "quick_gelu", "vision_cfg")


def test_the_tower_of_a_folder_is_built_again_without_it(here, tiny_clip):
    import open_clip

    found = resolved(model("clip"))
    tower = build_backbone(found.name, 32, 8, config=json.loads(json.dumps(found.config))).eval()
    assert load_backbone(tower, found.weights).complete
    published, pictures = open_clip.CLIP(**MODEL).eval(), torch.randn(2, 3, 32, 32)
    published.load_state_dict(open_clip.factory.load_state_dict(str(found.weights)))
    published.visual.proj = None
    torch.testing.assert_close(tower(pictures), published.encode_image(pictures), rtol=1e-5, atol=1e-5)


def test_a_folder_is_named_as_weights_or_as_the_variant(here):
    folder = save_tiny_clip(here / "mine")
    for asked in (model("clip", str(folder)), model(f"clip:{folder}")):
        found = resolved(asked)
        assert (found.name, found.config["embed_dim"], found.sha256) == ("clip", 16, sha(found.weights))
    assert found.encoder == (f"clip:{folder}", None)
    assert "mine" not in json.dumps([found.name, found.config])


def test_a_file_has_the_architecture_that_is_named(here):
    path = here / "own.safetensors"
    path.write_bytes(b"some")
    found = resolved(model("clip:ViT-B-16", str(path), 16))
    assert (found.name, found.config, found.weights, found.sha256) == ("clip:ViT-B-16", None, path, sha(path))
    assert found.note == f"backbone clip:ViT-B-16: took {path}"
    assert resolved(model("clip", str(path), 32)).name == "clip:ViT-B-32-quickgelu"


def test_the_published_weights_are_those_in_the_cache(here, monkeypatch):
    path = here / "cached.safetensors"
    path.write_bytes(b"some")
    monkeypatch.setattr(clip_weights, "_cached", lambda _: path)
    found = resolved(model("clip", patch=32))
    assert (found.name, found.weights, found.encoder) == ("clip:ViT-B-32-quickgelu", path, ("clip", None))
    assert resolved(model("clip", "openai", 32)).encoder == ("clip", "openai")


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        (model("clip"), MissingData, "'openai' of ViT-B-32-quickgelu .* give the file with model.weights=FILE"),
        (model("timm:vit_tiny_patch16_224"), MissingData, r"weights of vit_tiny_patch16_224 .* model\.weights=FILE"),
        (model("timm:vit_tiny"), UsageError, "No model of timm named 'vit_tiny'. Did you mean"),
        (model("clip:ViT-B-23"), UsageError, "No architecture of open_clip named 'ViT-B-23'. Did you mean"),
        (model("clip:ViT-B-32", "openai"), UsageError, "QuickGELU.*take model.backbone=clip:ViT-B-32-quickgelu"),
        (model("tiny", "absent.pt"), MissingData, "absent.pt: no such file"),
        (model("clip:absent/folder"), MissingData, "absent/folder: no folder with open_clip_config.json"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(here, asked, error, told):
    with pytest.raises(error, match=told) as refused:
        resolved(asked)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("backbone", "name", "colours"),
    [
        ("tiny", "tiny", PLAIN),
        ("clip", "clip:ViT-B-32-quickgelu", CLIPS),
        ("timm:vit_base_patch32_224.augreg_in21k_ft_in1k", "timm:vit_base_patch32_224.augreg_in21k_ft_in1k", PLAIN),
    ],
)
def test_any_backbone_starts_from_random_numbers(here, tiny_clip, backbone, name, colours):
    found = resolved(model(backbone, "random", 32))
    told = f"backbone {name}: starts from random numbers"
    assert found == Backbone(name, None, None, None, None, *colours, told)


def test_tiny_has_no_weights_of_its_own(here):
    assert resolved(model("tiny")) == resolved(model("tiny", "random"))


def test_random_numbers_in_the_architecture_of_a_folder(here):
    folder = save_tiny_clip(here / "mine")
    found = resolved(model(f"clip:{folder}", "random"))
    assert (found.name, found.weights, found.config["embed_dim"]) == ("clip", None, 16)


def test_weights_of_the_whole_model_need_an_architecture_alone(here):
    assert architecture(model("clip", patch=32)).name == "clip:ViT-B-32-quickgelu"
    assert architecture(model("clip:ViT-B-16", "absent.pt", 16)).name == "clip:ViT-B-16"
    folder = save_tiny_clip(here / "weights" / "clip")
    found = architecture(model("clip"))
    assert (found.name, found.config, found.weights) == ("clip", resolved(model("clip")).config, None)
    assert architecture(model("clip", str(folder))) == found


def test_timm_weights_of_the_workspace_and_its_own_colours(here):
    path = here / "weights" / "timm:deit_tiny_patch16_224"
    path.parent.mkdir()
    path.write_bytes(b"some")
    found = resolved(model("timm:deit_tiny_patch16_224", patch=16))
    assert (found.weights.resolve(), found.encoder) == (path, None)
    assert found.mean == (0.485, 0.456, 0.406)


def test_a_folder_may_state_how_it_takes_pictures(here, tiny_clip):
    path = tiny_clip / "open_clip_config.json"
    held = json.loads(path.read_text())
    path.write_text(json.dumps(held | {"preprocess_cfg": {"mean": [0.5, 0.5, 0.5]}}))
    found = resolved(model("clip"))
    assert (found.mean, found.std) == (PLAIN[0], CLIPS[1])
    path.write_text(json.dumps(held | {"preprocess_cfg": {"std": "wide"}}))
    with pytest.raises(DataError, match=r"open_clip_config\.json: std of pictures is 'wide', expected three numbers"):
        resolved(model("clip"))


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (["vision_cfg"], "expected an object vision_cfg with layers, width and patch_size, came None"),
        ({}, "expected an object vision_cfg with layers, width and patch_size, came None"),
        (MODEL | {"vision_cfg": {"width": 8}}, "expected an object vision_cfg"),
        (MODEL | {"embed_dim": "16"}, "embed_dim is '16', expected a whole number"),
        (MODEL | {"vision_cfg": MODEL["vision_cfg"] | {"width": 33}}, "width is 33, expected a multiple of head_width"),
        (MODEL | {"vision_cfg": MODEL["vision_cfg"] | {"mlp_ratio": "4"}}, "mlp_ratio is '4', expected a number"),
        (MODEL | {"vision_cfg": MODEL["vision_cfg"] | {"patch_size": 0}}, "patch_size is 0, expected a whole number"),
        (MODEL | {"vision_cfg": MODEL["vision_cfg"] | {"timm_model_name": "a"}}, "no plain transformer over patches"),
    ],
)
def test_a_configuration_that_is_none_is_refused(config, told):
    with pytest.raises(DataError, match=told):
        build_backbone("clip", 32, 8, config=config)


def test_numbers_of_a_config_are_of_clip_alone_and_have_their_patches():
    with pytest.raises(HoitoolError, match="tiny has numbers of its own; only clip takes those of a config"):
        build_backbone("tiny", 32, 8, config=MODEL)
    with pytest.raises(UsageError, match="patch 16: clip has patches of 8 pixels"):
        build_backbone("clip", 32, 16, config=MODEL)
