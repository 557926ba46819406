"""timm equal to timm called by hand: features, maps of every layout, preprocessing, and files that are wrong."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from safetensors.torch import load_file, save_file  # noqa: E402
from timm.data import create_transform, resolve_model_data_config  # noqa: E402
from tiny_vision import SIZES, picture, pixels, timm_model  # noqa: E402

from hoitool.embed.encoder import Settings  # noqa: E402
from hoitool.embed.encoders import timm as own  # noqa: E402
from hoitool.embed.encoders.device import Eye  # noqa: E402
from hoitool.embed.load import load as load_named  # noqa: E402
from hoitool.errors import DataError, MissingData, UsageError  # noqa: E402

# a CNN, a transformer with a class token, one without, channels last, and one whose pooled features are wider
NAMES = ["test_resnet", "test_vit", "test_vit_relpos", "test_mambaout", "mobilenetv3_small_050"]


def saved(name, tmp_path, seed=0):
    model = timm_model(name, seed)
    path = tmp_path / "model.safetensors"
    save_file({key: held.contiguous() for key, held in model.state_dict().items()}, path)
    return model, path


def load(name, path, **settings):
    return load_named(f"timm:{name}", Settings(**({"device": "cpu", "weights": str(path)} | settings)))


def by_hand(model, shown):
    """What its classifier takes, and its last map, by timm."""
    config = resolve_model_data_config(model)
    held = ((shown / 255 - config["mean"]) / config["std"]).astype(np.float32)
    with torch.no_grad():
        last = model.forward_features(torch.from_numpy(held).permute(0, 3, 1, 2))
        return model.forward_head(last, pre_logits=True).numpy(), last.numpy()


@pytest.mark.parametrize("name", NAMES)
def test_features_are_those_of_timm(name, tmp_path):
    model, path = saved(name, tmp_path)
    encoder = load(name, path)
    shown = pixels(3, encoder.preprocess.height)
    pooled, _ = by_hand(model, shown)
    rows = encoder.images(shown)()
    assert (encoder.name, rows.shape, rows.dtype) == (f"timm:{name}", (3, encoder.dim), np.float32)
    np.testing.assert_allclose(rows, pooled, atol=1e-5)
    alone = np.concatenate([encoder.images(shown[i : i + 1])() for i in range(3)])
    np.testing.assert_allclose(rows, alone, atol=1e-5)
    np.testing.assert_array_equal(rows, load(name, path).images(shown)())
    assert "state_dict" not in encoder.model.pretrained_cfg


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_vit_relpos"])
def test_maps_are_the_last_features_row_by_row(name, tmp_path):
    model, path = saved(name, tmp_path)
    encoder = load(name, path)
    shown = pixels(2, 160)
    _, last = by_hand(model, shown)
    maps = encoder.maps(shown)()
    high, wide = maps.shape[1:3]
    assert maps.shape == (2, high, wide, encoder.dim)
    for row, column in [(0, 0), (0, wide - 1), (2, 3), (high - 1, 1)]:
        cell = last[:, :, row, column] if last.ndim == 4 else last[:, row * wide + column - high * wide]
        np.testing.assert_allclose(maps[:, row, column], cell, atol=1e-5)
    side = 160 // wide
    shown[0, side : 2 * side, 3 * side : 4 * side] = 0  # row 1, column 3
    moved = np.abs(encoder.maps(shown)()[0] - maps[0]).sum(axis=2)
    assert np.unravel_index(moved.argmax(), moved.shape) == (1, 3)


def test_maps_with_channels_last_are_not_turned(tmp_path):
    """A small Swin."""
    swin = timm.create_model(
        "swin_tiny_patch4_window7_224", embed_dim=16, depths=(1, 1), num_heads=(1, 2), num_classes=0
    ).eval()
    _, path = saved("test_resnet", tmp_path)
    encoder = load("test_resnet", path)
    encoder.model, encoder.dim, encoder.name = swin, 32, "timm:swin"
    shown = pixels(2, 224)
    held = ((shown / 255 - encoder.preprocess.mean) / encoder.preprocess.std).astype(np.float32)
    with torch.no_grad():
        expected = swin.forward_features(torch.from_numpy(held).permute(0, 3, 1, 2)).numpy()
    assert expected.shape == (2, 28, 28, 32)
    np.testing.assert_allclose(encoder.maps(shown)(), expected, atol=1e-4)


@pytest.mark.parametrize("name", ["test_mambaout", "mobilenetv3_small_050"])
def test_maps_of_another_width_than_the_features_are_refused(name, tmp_path):
    encoder = load(name, saved(name, tmp_path)[1])
    with pytest.raises(UsageError, match=rf"timm:{name} has no map of {encoder.dim} numbers a cell: its last is \[1, "):
        encoder.maps(pixels(1, encoder.preprocess.height))


@pytest.mark.parametrize("mode", ["center", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("share", [1.0, 0.875, 0.95])
def test_pictures_are_prepared_as_timm_does(mode, interpolation, share):
    model = timm.create_model("test_vit", num_classes=0)
    how = {"crop_mode": mode, "interpolation": interpolation, "crop_pct": share, "input_size": (3, 36, 36)}
    model.pretrained_cfg.update(how, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    preprocess = own._preprocess("test_vit", model)
    eye = Eye(preprocess, torch.device("cpu"), torch.float32)
    reference = create_transform(**resolve_model_data_config(model))
    for size in SIZES:
        made = eye(preprocess.pixels(picture(size))[None])[0]
        torch.testing.assert_close(made, reference(picture(size)), rtol=0, atol=0)


@pytest.mark.parametrize(
    "how", [{"crop_mode": "border"}, {"input_size": (1, 32, 32)}, {"input_size": (3, 32, 64)}, {"interpolation": "box"}]
)
def test_a_way_of_preparing_that_is_not_built_is_refused(how):
    model = timm.create_model("test_vit", num_classes=0)
    model.pretrained_cfg.update(how)
    with pytest.raises(UsageError, match=r"^test_vit takes . x .* which is not built"):
        own._preprocess("test_vit", model)


def test_other_layouts_of_a_file_give_the_same(tmp_path):
    model, path = saved("test_resnet", tmp_path)
    shown = pixels(2, 160)
    expected = load("test_resnet", path).images(shown)()
    np.testing.assert_array_equal(load("test_resnet", tmp_path).images(shown)(), expected)  # its folder
    state = model.state_dict()
    torch.save({"state_dict": {f"module.{name}": held for name, held in state.items()}}, tmp_path / "module.pth")
    torch.save({name: held for name, held in state.items() if not name.startswith("fc.")}, tmp_path / "bare.pth")
    torch.save(state | {"fc.weight": torch.zeros(7, 96), "fc.bias": torch.zeros(7)}, tmp_path / "seven.pth")
    for name in ("module.pth", "bare.pth", "seven.pth"):
        encoder = load("test_resnet.r160_in1k", tmp_path / name)
        np.testing.assert_array_equal(encoder.images(shown)(), expected)
        assert encoder.facts["weights"] == name


def test_weights_that_are_not_all_there_are_refused(tmp_path):
    """Where classes differ in number, timm itself takes a part of a model without a word."""
    model, path = saved("test_resnet", tmp_path)
    state = model.state_dict()
    torch.save({name: held for name, held in state.items() if "layer4" not in name}, tmp_path / "part.pth")
    torch.save(state | {"layer9.weight": torch.zeros(3)}, tmp_path / "more.pth")
    for name, told in (("part.pth", "Missing key.*layer4"), ("more.pth", "Unexpected key.*layer9")):
        with pytest.raises(DataError, match=rf"{name}: not the weights of test_resnet \(.*{told}") as caught:
            load("test_resnet", tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"model.safetensors: not the weights of test_vit"):
        load("test_vit", path)


@pytest.mark.parametrize("name", ["efficientvit_m0", "repvit_m0_9"])
def test_a_classifier_with_a_norm_before_it_is_left_out(name, tmp_path):
    model, _ = saved(name, tmp_path)
    assert load(name, tmp_path / "model.safetensors").dim == model.head_hidden_size


class Harm:
    def __reduce__(self):
        return print, ("code of the file has run",)


def test_spoilt_files_are_one_line(tmp_path, capsys):
    model, path = saved("test_resnet", tmp_path)
    torch.save({"state_dict": model.state_dict(), "extra": Harm()}, tmp_path / "code.pth")
    torch.save(model.state_dict(), tmp_path / "cut.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "cut.pth").read_bytes()[:-3000])
    path.write_bytes(path.read_bytes()[:-3000])
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("code.pth", "cut.pth", "model.safetensors", "list.pth"):
        with pytest.raises(DataError, match=f"{name}: not") as caught:
            load("test_resnet", tmp_path / name)
        assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_settings_that_mean_nothing(tmp_path):
    with pytest.raises(UsageError, match="timm needs a model: --model timm:NAME"):
        load_named("timm", Settings())
    with pytest.raises(UsageError, match=r"No model of timm named 'test_resnt'.*test_resnet"):
        load("test_resnt", tmp_path)
    with pytest.raises(UsageError, match=r"No model of timm named 'resnet18.wrong'"):
        load("resnet18.wrong", tmp_path)
    for settings in ({"pooling": "cls"}, {"space": "pre-projection"}):
        with pytest.raises(UsageError, match="neither --pooling nor --space"):
            load("test_resnet", tmp_path, **settings)
    with pytest.raises(MissingData, match="no weights in this folder, expected model.safetensors or"):
        load("test_resnet", tmp_path)
    with pytest.raises(MissingData, match=r"absent: no such file or folder \(the weights of test_resnet expected\)"):
        load("test_resnet", tmp_path / "absent")
    with pytest.raises(UsageError, match="timm:test_resnet encodes images alone"):
        load("test_resnet", saved("test_resnet", tmp_path)[1]).texts(["a cup"])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_short_numbers_are_near(precision, tmp_path):
    _, path = saved("test_vit", tmp_path)
    shown = pixels(2, 160)
    exact, short = load("test_vit", path), load("test_vit", path, precision=precision)
    for wide, near in ((exact.images(shown)(), short.images(shown)()), (exact.maps(shown)(), short.maps(shown)())):
        cosine = (wide * near).sum(-1) / np.linalg.norm(wide, axis=-1) / np.linalg.norm(near, axis=-1)
        assert near.dtype == np.float32
        assert 0.99 < cosine.min() < 1


def test_without_weights_what_to_fetch_is_named(monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("no route\nto the hub")

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refuse)
    with pytest.raises(
        MissingData, match=r"^the weights of test_vit [^\n]*\(no route\); download https[^\n]*--weights FILE$"
    ):
        load("test_vit", None, weights=None)


def test_the_cache_is_used_without_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = timm.get_pretrained_cfg("test_resnet").hf_hub_id
    folder = tmp_path / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
    model, _ = saved("test_resnet", folder / "snapshots" / ("0" * 40))
    encoder = load("test_resnet", None, weights=None)
    assert encoder.facts["weights"] == repository
    np.testing.assert_allclose(encoder.images(pixels(1, 160))(), by_hand(model, pixels(1, 160))[0], atol=1e-5)


def test_features_agree_with_published_ones(shared):
    """DEFR's ImageNet tower, of timm 0.4: the class token after the last norm."""
    path = shared("parity/defr/imagenet_vit.safetensors")
    held = load_file(path)
    model = timm.create_model(
        "vit_base_patch32_224", patch_size=16, img_size=96, embed_dim=128, depth=2, num_heads=4, num_classes=0
    ).eval()
    start = "bert/state/vit."
    model.load_state_dict({name.removeprefix(start): each for name, each in held.items() if name.startswith(start)})
    with torch.no_grad():
        torch.testing.assert_close(model(held["img"]), held["bert/out/feature"], rtol=0, atol=1e-5)
