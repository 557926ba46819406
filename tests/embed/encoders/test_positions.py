"""Encoders that take pictures of another size than their weights'."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")
timm = pytest.importorskip("timm")

from safetensors.torch import load_file  # noqa: E402
from tiny_vision import clip_config, clip_model, pixels, save_clip, timm_model  # noqa: E402

from hoitool.embed.encoder import Settings  # noqa: E402
from hoitool.embed.encoders import clip  # noqa: E402
from hoitool.embed.encoders import timm as timm_images  # noqa: E402
from hoitool.embed.preprocess import Preprocess  # noqa: E402
from hoitool.errors import DataError, UsageError  # noqa: E402


@pytest.fixture(scope="module")
def defr(shared):
    return load_file(shared("parity/defr/clip_vit.safetensors"))


@pytest.mark.parametrize(
    ("space", "feature"), [("pre-projection", "clip/out/feature"), ("joint", "rand512_proj/out/feature")]
)
def test_features_of_larger_pictures_agree_with_published_ones(space, feature, defr, tmp_path):
    """DEFR's, from the CLIP of 64 pixels that it started from."""
    tower = {"image_size": 64, "layers": 2, "width": 128, "head_width": 64, "patch_size": 16}
    config, start = clip_config(embed_dim=64, vision_cfg=tower), "clip/state/visual_encoder."
    state = clip_model(config).state_dict()
    state |= {name.removeprefix(start): held for name, held in defr.items() if name.startswith(start)}
    state |= {name: defr[f"openai_clip_state/{name}"] for name in ("visual.positional_embedding", "visual.proj")}
    folder = save_clip(tmp_path / "defr", config, state)
    encoder = clip.load(Settings(str(folder), space=space, image_size=96, device="cpu"))
    with torch.no_grad():
        made = encoder._model.encode_image(defr["img"])  # the published input is already normalised
    torch.testing.assert_close(made, defr[feature], rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    save_clip(folder / "tiny", clip_config(), clip_model(clip_config()).state_dict())
    for name in ("test_vit", "test_resnet"):
        torch.save(timm_model(name).state_dict(), folder / f"{name}.pth")
    return folder


def load(name, saved, side):
    if name == "clip":
        return clip.load(Settings(str(saved / "tiny"), device="cpu", image_size=side))
    return timm_images.load(Settings(name, str(saved / f"{name}.pth"), device="cpu", image_size=side))


@pytest.mark.parametrize(("name", "side", "cells"), [("clip", 48, 6), ("test_vit", 96, 6), ("test_resnet", 96, 3)])
def test_pictures_of_another_size_are_squashed_and_the_map_follows(name, side, cells, saved):
    encoder = load(name, saved, side)
    rule = encoder.preprocess
    assert rule == Preprocess(side, side, "squash", rule.interpolation, rule.mean, rule.std)
    assert encoder.maps(pixels(2, side))().shape == (2, cells, cells, encoder.dim)
    assert encoder.images(pixels(2, side))().shape == (2, encoder.dim)


@pytest.mark.parametrize(("name", "side"), [("clip", 32), ("test_vit", 160), ("test_resnet", 160)])
def test_the_size_of_the_training_changes_nothing(name, side, saved):
    asked, plain = load(name, saved, side), load(name, saved, None)
    assert asked.preprocess == plain.preprocess
    np.testing.assert_array_equal(asked.images(pixels(2, side))(), plain.images(pixels(2, side))())


@pytest.mark.parametrize("name", ["clip", "test_vit"])
@pytest.mark.parametrize("side", [50, 0, -32])
def test_a_size_that_patches_do_not_fill_is_refused(name, side, saved):
    with pytest.raises(UsageError, match=rf"^--image-size {side}: not a multiple of the patches of [^\n]*pixels$"):
        load(name, saved, side)


def test_a_model_that_is_bound_to_its_size_keeps_it(saved):
    torch.save(timm_model("test_coatnet").state_dict(), saved / "test_coatnet.pth")
    with pytest.raises(UsageError, match="--image-size 96: test_coatnet takes pictures of its own size"):
        load("test_coatnet", saved, 96)


def test_a_tower_that_is_no_transformer_keeps_its_size(tmp_path):
    config = clip_config(vision_cfg={"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "head_width": 8})
    folder = save_clip(tmp_path / "resnet", config, clip_model(config).state_dict())
    with pytest.raises(UsageError, match="--image-size 64: resnet takes pictures of its own size"):
        clip.load(Settings(str(folder), device="cpu", image_size=64))


@pytest.mark.parametrize(
    ("name", "shape"), [("visual.positional_embedding", (37, 32)), ("positional_embedding", (50, 16))]
)
def test_weights_for_another_size_are_not_made_to_fit(name, shape, tmp_path):
    state = clip_model(clip_config()).state_dict() | {name: torch.zeros(shape)}
    folder = save_clip(tmp_path / "other", clip_config(), state)
    with pytest.raises(DataError, match=rf"not the weights of other: {name} is \[{shape[0]}, .*1 differences in all"):
        clip.load(Settings(str(folder), device="cpu"))
