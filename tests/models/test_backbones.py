"""Backbones by name, and published weights in them, for pictures of any size."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")
pytest.importorskip("timm")

from tiny_vision import clip_config, clip_model, timm_model  # noqa: E402

from hoitool.errors import DataError, MissingData, UsageError  # noqa: E402
from hoitool.models.backbones import build_backbone, load_backbone  # noqa: E402


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"name": "clop"}, "No backbone named 'clop'. Did you mean 'clip'"),
        ({"name": "tiny:er"}, "No backbone named 'tiny:er'. Did you mean 'tiny'"),
        ({"name": "tiny:0"}, "No backbone named 'tiny:0'. Did you mean 'tiny'"),
        ({"name": "clip:ViT-B-23"}, "No architecture of open_clip named 'ViT-B-23'. Did you mean"),
        ({"name": "clip:RN50"}, "clip:RN50: its image tower is no plain transformer over patches"),
        ({"name": "clip:ViT-B-16-SigLIP"}, "clip:ViT-B-16-SigLIP: its image tower is no plain transformer"),
        ({"name": "timm:tset_vit"}, "No model of timm named 'tset_vit'. Did you mean 'test_vit'"),
        ({"name": "timm:test_resnet"}, "timm:test_resnet is no plain transformer over patches"),
        ({"name": "timm:test_vit2"}, "timm:test_vit2 is no plain transformer over patches"),
        ({"image_size": 65}, "pictures of 65 pixels: not a multiple of the patches of tiny, 16"),
        ({"image_size": 0}, "pictures of 0 pixels"),
        ({"name": "timm:test_vit", "patch": 8}, "patch 8: test_vit has patches of 16 pixels"),
        ({"name": "timm:test_vit", "projected": True}, "timm:test_vit has no projection; backbones of CLIP have"),
    ],
)
def test_what_is_not_built_is_told(asked, told):
    with pytest.raises(UsageError, match=told):
        build_backbone(**{"name": "tiny", "image_size": 64} | asked)


def test_tiny_has_the_patches_that_are_asked_for():
    assert build_backbone("tiny", 64, patch=8).grid == (8, 8)


@pytest.mark.parametrize(("name", "projected", "dim"), [("tiny", False, 64), ("tiny", True, 32), ("tiny:9", True, 9)])
def test_tiny_projects_to_the_numbers_that_are_asked_for(name, projected, dim):
    tower = build_backbone(name, 64, projected=projected)
    assert tower.dim == dim == tower(torch.zeros(2, 3, 64, 64)).shape[1]


@pytest.mark.parametrize("arch", ["ViT-B-16", "ViT-L-14-quickgelu", "ViT-bigG-14"])
def test_architectures_are_those_of_open_clip(arch):
    config = open_clip.get_model_config(arch)
    with torch.device("meta"):
        made = build_backbone(f"clip:{arch}", config["vision_cfg"]["image_size"], projected=True)
        expected = open_clip.CLIP(**config).visual
    shapes = {name: held.shape for name, held in made.visual.state_dict().items()}
    assert shapes == {name: held.shape for name, held in expected.state_dict().items()}
    assert made.blocks[0].heads == expected.transformer.resblocks[0].attn.num_heads
    assert made.quick is arch.endswith("quickgelu")


def test_weights_of_timm_fit_pictures_of_another_size(tmp_path):
    torch.save(timm_model("test_vit").state_dict(), tmp_path / "vit.pth")
    tower = build_backbone("timm:test_vit", 96)
    assert load_backbone(tower, tmp_path / "vit.pth").unwanted == ("head.weight", "head.bias")
    assert tower.vit.pos_embed.shape == (1, 37, 64)
    with pytest.raises(DataError, match=r"vit.pth: not the weights of this ClipTower: 0 matched"):
        load_backbone(build_backbone("tiny", 64), tmp_path / "vit.pth")


@pytest.fixture
def clip(tmp_path):
    """The weights of a whole CLIP for 64 pixels, as tiny as `tiny`."""
    tower = {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16}
    model = clip_model(clip_config(embed_dim=32, vision_cfg=tower, quick_gelu=False))
    torch.save({"state_dict": model.state_dict()}, tmp_path / "clip.pt")
    return model, tmp_path / "clip.pt"


@pytest.mark.parametrize("projected", [False, True])
def test_weights_of_clip_without_its_texts(projected, clip):
    model, path = clip
    tower = build_backbone("tiny", 64, projected=projected)
    assert load_backbone(tower, path).complete
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        made = tower(images) if projected else tower(images) @ model.visual.proj
        torch.testing.assert_close(made, model.encode_image(images), rtol=1e-4, atol=1e-4)


def test_weights_of_the_other_activation_are_refused(clip, tmp_path):
    model, _ = clip
    torch.save(dict(model.state_dict()) | {"vocab_size": torch.tensor(1)}, tmp_path / "openai.pt")
    with pytest.raises(UsageError, match=r"openai.pt: OpenAI's own weights were trained with QuickGELU"):
        load_backbone(build_backbone("tiny", 64), tmp_path / "openai.pt")


def test_no_weights(tmp_path):
    with pytest.raises(MissingData, match="no.pt"):
        load_backbone(build_backbone("tiny", 64), tmp_path / "no.pt")
