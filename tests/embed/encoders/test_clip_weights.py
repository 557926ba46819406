"""Where CLIP's weights are looked for, what is named when they are nowhere, and how their pictures are prepared."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
open_clip = pytest.importorskip("open_clip")

from tiny_vision import clip_config, clip_model, save_clip  # noqa: E402

from hoitool.embed.encoders import clip, clip_weights  # noqa: E402
from hoitool.errors import DataError, MissingData, UsageError  # noqa: E402

COMMIT = "0" * 40
OPENAI = "timm/vit_base_patch32_clip_224.openai"


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A home without anything, and a hub that cannot be reached."""

    def refuse(*_, **__):
        raise ConnectionError("no route\nto the hub")

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refuse)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    monkeypatch.setattr("open_clip.download_pretrained", refuse)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cached(disk, repository, *names):
    home = disk / "hub" / f"models--{repository.replace('/', '--')}"
    folder = home / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    for name in names:
        (folder / name).write_text("weights")
    return folder


def test_the_default_is_what_the_field_uses(disk):
    folder = cached(disk, OPENAI, "open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    found = clip_weights.find(None, None)
    assert (found.arch, found.weights, found.quick_gelu) == ("ViT-B-32-quickgelu", "openai", True)
    assert found.path == folder / "open_clip_model.safetensors"
    assert found.pictures["mean"] == open_clip.OPENAI_DATASET_MEAN


def test_weights_of_other_libraries_in_a_repository_are_not_taken(disk):
    cached(disk, OPENAI, "model.safetensors", "pytorch_model.bin")
    with pytest.raises(MissingData):
        clip_weights.find(None, None)


def test_a_tag_may_name_its_file(disk):
    folder = cached(disk, "jienengchen/ViTamin-B", "pytorch_model.bin", "open_clip_pytorch_model.bin")
    assert clip_weights.find("ViTamin-B", "datacomp1b").path == folder / "pytorch_model.bin"


def test_openai_s_own_cache_is_found(disk):
    (disk / ".cache" / "clip").mkdir(parents=True)
    (disk / ".cache" / "clip" / "ViT-B-32.pt").write_text("weights")
    assert clip_weights.find(None, None).path == disk / ".cache" / "clip" / "ViT-B-32.pt"


def test_a_hub_out_of_reach_is_one_line_that_says_what_to_fetch(disk):
    with pytest.raises(MissingData) as caught:
        clip_weights.find(None, None)
    assert str(caught.value) == (
        "the weights 'openai' of ViT-B-32-quickgelu are not in the caches, and could not be fetched (no route); "
        f"download https://huggingface.co/{OPENAI} (open_clip_model.safetensors) and give the file with --weights FILE"
    )
    assert caught.value.exit_code == 4


def test_a_download_takes_what_is_listed(disk, monkeypatch):
    asked = []

    def model_info(self, repository, timeout):
        assert timeout <= 10
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in listed])

    def download(repository, name):
        asked.append((repository, name))
        return str(disk / name)

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    listed = ["README.md", "model.safetensors", "open_clip_pytorch_model.bin"]
    clip_weights.find(None, None)
    listed.append("open_clip_model.safetensors")
    clip_weights.find(None, None)
    assert asked == [(OPENAI, "open_clip_pytorch_model.bin"), (OPENAI, "open_clip_model.safetensors")]


@pytest.mark.parametrize(("arch", "trained"), [("ViT-B-32", "with"), ("ViT-B/32", "with"), ("RN50", "with")])
def test_a_tag_of_the_other_activation_is_refused(disk, arch, trained):
    plain = arch.replace("/", "-")
    with pytest.raises(
        UsageError, match=rf"'openai' were trained {trained} QuickGELU, {plain} .*clip:{plain}-quickgelu"
    ):
        clip_weights.find(arch, "openai")


def test_a_tag_without_quickgelu_in_an_architecture_with_it(disk, monkeypatch):
    monkeypatch.setattr("open_clip.get_pretrained_cfg", lambda *_: {"hf_hub": "someone/tiny/"})
    with pytest.raises(UsageError, match=r"were trained without QuickGELU.*take --model clip:ViT-B-32$"):
        clip_weights.find(None, "laion")


def test_unknown_names_are_told(disk):
    with pytest.raises(UsageError, match=r"No architecture of open_clip named 'ViT-B-31'\. Did you mean 'ViT-B-32'"):
        clip_weights.find("ViT-B-31", None)
    with pytest.raises(UsageError, match=r"No weights of ViT-B-32-quickgelu \(nor a file\) named 'opnai'.*'openai'"):
        clip_weights.find(None, "opnai")
    with pytest.raises(UsageError, match=r"has no weights 'openai'; say which with --weights: "):
        clip_weights.find("ViT-H-14", None)
    for absent in ("./absent", "absent/model", str(disk / "absent")):
        with pytest.raises(MissingData, match=r"absent.*: no folder with open_clip_config.json in it"):
            clip_weights.find(absent, None)


def test_a_folder_is_a_model_by_itself(disk):
    config = clip_config()
    folder = save_clip(disk / "mine", config, clip_model(config).state_dict())
    for variant, weights in ((str(folder), None), (None, str(folder)), ("~/mine", None), ("mine", None)):
        found = clip_weights.find(variant, weights)
        assert (found.arch, found.path.resolve()) == ("mine", folder / "open_clip_model.safetensors")
        assert found.config() == config


def test_a_model_in_the_working_folder_is_not_the_default(disk, monkeypatch):
    config = clip_config()
    monkeypatch.chdir(save_clip(disk / "mine", config, clip_model(config).state_dict()))
    with pytest.raises(MissingData, match="the weights 'openai' of ViT-B-32-quickgelu"):
        clip_weights.find(None, None)


def test_a_folder_that_is_no_model_says_why(disk):
    folder = disk / "mine"
    folder.mkdir()
    (folder / "open_clip_config.json").write_text("{}")
    with pytest.raises(DataError, match="open_clip_config.json: has no object 'model_cfg'"):
        clip_weights.find(str(folder), None)
    (folder / "open_clip_config.json").write_text('{"model_cfg": {}}')
    with pytest.raises(MissingData, match=r"mine: no weights in this folder, expected open_clip_model.safetensors or"):
        clip_weights.find(str(folder), None)
    (folder / "open_clip_model.safetensors").touch()
    with pytest.raises(DataError, match="the file is empty"):
        clip_weights.find(str(folder), None)
    (disk / "empty").mkdir()
    with pytest.raises(MissingData, match=r"empty: no weights in this folder"):
        clip_weights.find(None, str(disk / "empty"))


def test_pictures_are_prepared_as_the_published_weights_were_trained(disk):
    """SigLIP's mean is a half and its pictures are squashed; a file of a known architecture is taken for its like."""
    folder = cached(disk, "timm/ViT-B-16-SigLIP", "open_clip_model.safetensors")
    expected = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    by_tag = clip_weights.find("ViT-B-16-SigLIP", "webli")
    by_file = clip_weights.find("ViT-B-16-SigLIP", str(folder / "open_clip_model.safetensors"))
    assert by_tag.pictures == by_file.pictures == expected
    disagreeing = clip_weights.find("ViT-H-14", str(folder / "open_clip_model.safetensors"))
    assert disagreeing.pictures == {}


def test_the_way_of_a_tag_reaches_the_pictures(disk, monkeypatch):
    from open_clip import factory

    config = clip_config()
    folder = save_clip(disk / "mine", config, clip_model(config).state_dict())
    monkeypatch.setattr(factory, "_MODEL_CONFIGS", factory._MODEL_CONFIGS | {"Tiny": config})
    tag = {
        "hf_hub": "someone/tiny/",
        "mean": (0.5,) * 3,
        "std": (0.25,) * 3,
        "resize_mode": "squash",
        "quick_gelu": True,
    }
    monkeypatch.setattr("open_clip.get_pretrained_cfg", lambda *_: tag | {"interpolation": "bilinear"})
    monkeypatch.setattr(clip_weights, "_cached", lambda _: folder / "open_clip_model.safetensors")
    encoder = clip.load(clip.Settings(variant="Tiny", weights="some-tag", device="cpu"))
    rule = encoder.preprocess
    assert (rule.fit, rule.mean, rule.std, rule.interpolation) == ("squash", (0.5,) * 3, (0.25,) * 3, "bilinear")
    assert encoder.facts["weights"] == "some-tag"
