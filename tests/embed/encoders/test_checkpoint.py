"""Where a model is looked for, what a folder must hold, and the hash of its weights."""

from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest

from hoitool.embed.encoders import checkpoint
from hoitool.errors import MissingData, UsageError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WHOLE = ("config.json", "tokenizer.json", "model.safetensors")


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}")
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub's own layout; the hub itself cannot be reached."""
    hub = pytest.importorskip("huggingface_hub")

    def refuse(*_, **__):
        raise hub.utils.OfflineModeIsEnabled("offline")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refuse)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache"


def cached(cache, repository, *names):
    home = cache / f"models--{repository.replace('/', '--')}"
    make(home, "refs/main").joinpath("refs/main").write_text(COMMIT)
    return make(home / "snapshots" / COMMIT, *names)


def test_a_folder_is_found(tmp_path):
    folder = make(tmp_path / "own", *WHOLE)
    found = checkpoint.find(str(folder))
    assert found == checkpoint.Checkpoint("own", folder, (folder / "model.safetensors",))
    assert found.sha256() == hashlib.sha256(b"content of model.safetensors").hexdigest()


def test_safetensors_go_before_older_weights_and_one_file_before_shards(tmp_path):
    names = ["config.json", "vocab.txt"]
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    older = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"]
    expected = [older, ["pytorch_model.bin"], shards, ["model.safetensors"]]
    for i, chosen in enumerate(expected):
        folder = make(tmp_path / str(i), *names, *(name for kinds in expected[: i + 1] for name in kinds))
        assert [path.name for path in checkpoint.find(str(folder)).weights] == chosen


def test_the_hash_of_shards_depends_on_each(tmp_path):
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    folder = make(tmp_path, "config.json", "vocab.txt", *shards)
    lines = "".join(f"{name}\0{hashlib.sha256(f'content of {name}'.encode()).hexdigest()}\n" for name in shards)
    before = checkpoint.find(str(folder)).sha256()
    assert before == hashlib.sha256(lines.encode()).hexdigest()
    (folder / shards[1]).write_text("other")
    assert checkpoint.find(str(folder)).sha256() != before


@pytest.mark.parametrize("lacks", WHOLE)
def test_a_folder_that_lacks_a_file_names_it(tmp_path, lacks):
    make(tmp_path, *(name for name in WHOLE if name != lacks))
    with pytest.raises(MissingData, match=f"no {lacks}.* in this folder"):
        checkpoint.find(str(tmp_path))


def test_paths_that_are_no_models(tmp_path):
    make(tmp_path, *WHOLE)
    with pytest.raises(UsageError, match="model.safetensors: a file; expected its folder"):
        checkpoint.find(str(tmp_path / "model.safetensors"))
    for missing in (str(tmp_path / "absent"), "./absent", "~/absent/absent", "a/b/c", "../up"):
        with pytest.raises(MissingData, match="no such folder, nor can it be the name of a model"):
            checkpoint.find(missing)


def test_the_cache_is_used_without_the_hub(cache):
    folder = cached(cache, "someone/tiny", *WHOLE)
    found = checkpoint.find("someone/tiny")
    assert (found.source, found.folder) == ("someone/tiny", folder)


def test_a_folder_goes_before_the_cache(cache, tmp_path):
    cached(cache, "tiny", *WHOLE)
    make(tmp_path / "tiny", *WHOLE)
    assert checkpoint.find("tiny").folder.resolve() == tmp_path / "tiny"


def test_an_incomplete_cache_without_a_hub_is_missing_data(cache):
    cached(cache, "someone/tiny", "config.json")
    with pytest.raises(
        MissingData, match=r"^someone/tiny: no folder[^\n]*\(offline\)[^\n]*model.safetensors of https:"
    ):
        checkpoint.find("someone/tiny")


def test_only_what_is_needed_is_downloaded(cache, tmp_path, monkeypatch):
    small = ("config.json", "vocab.txt", "tokenizer.json", "1_Pooling/config.json")
    listed = [*small, "model.safetensors", "pytorch_model.bin", "tf_model.h5", "onnx/model.onnx", "onnx/config.json"]
    asked = []

    def model_info(self, repository, timeout):
        assert timeout <= 10
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in listed])

    def snapshot_download(repository, allow_patterns):
        asked.extend(allow_patterns)
        return str(make(tmp_path / "fetched", *allow_patterns))

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", model_info)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    found = checkpoint.find("someone/tiny")
    assert sorted(asked) == sorted([*small, "model.safetensors"])
    assert (found.source, found.folder) == ("someone/tiny", tmp_path / "fetched")

    listed[:] = ["README.md", "config.json", "model.safetensors"]
    (tmp_path / "fetched" / "tokenizer.json").unlink()
    (tmp_path / "fetched" / "vocab.txt").unlink()
    with pytest.raises(MissingData, match="the repository on the Hugging Face hub has no tokenizer.json"):
        checkpoint.find("someone/tiny")
