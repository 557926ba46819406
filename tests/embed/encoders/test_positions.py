"""Grids of positions for pictures of another size, and encoders that take them."""

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
from hoitool.embed.encoders.positions import resized  # noqa: E402
from hoitool.embed.preprocess import Preprocess  # noqa: E402
from hoitool.errors import DataError, UsageError  # noqa: E402


def cubic(distance):
    """Keys' kernel with a = -0.75, PyTorch's for bicubic."""
    x, a = abs(distance), -0.75
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def by_hand(row, count):
    """A row of numbers as `count` numbers: four neighbours each, those over the edge as the edge."""
    made = []
    for i in range(count):
        at = (i + 0.5) * len(row) / count - 0.5
        first = int(np.floor(at)) - 1
        taps = range(first, first + 4)
        made.append(sum(cubic(at - tap) * row[min(max(tap, 0), len(row) - 1)] for tap in taps))
    return np.array(made)


@pytest.mark.parametrize("new", [(6, 5), (2, 3), (4, 7), (9, 1)])
def test_a_grid_is_interpolated_in_both_directions(new):
    held = np.random.default_rng(2).normal(size=(2 + 4 * 3, 5))
    made = resized(torch.from_numpy(held.astype(np.float32)), (4, 3), new).numpy()
    grid = held[2:].reshape(4, 3, 5)
    tall = np.array([[by_hand(grid[:, x, d], new[0]) for d in range(5)] for x in range(3)])  # (3, 5, h)
    expected = np.array([[by_hand(tall[:, d, y], new[1]) for d in range(5)] for y in range(new[0])])  # (h, 5, w)
    np.testing.assert_array_equal(made[:2], held[:2].astype(np.float32))
    np.testing.assert_allclose(made[2:], expected.transpose(0, 2, 1).reshape(-1, 5), atol=1e-5)


def test_a_grid_of_its_own_size_stays():
    held = torch.randn(1, 17, 8)
    torch.testing.assert_close(resized(held, (4, 4), (4, 4)), held)


@pytest.fixture(scope="module")
def defr(shared):
    return load_file(shared("parity/defr/clip_vit.safetensors"))


def test_the_grid_of_defr_agrees_with_the_published_one(defr):
    made = resized(defr["openai_clip_state/visual.positional_embedding"], (4, 4), (6, 6))
    expected = defr["clip/state/visual_encoder.visual.positional_embedding"]
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-6)


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
