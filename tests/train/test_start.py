"""Trainings that start from checkpoints: published ones, our own, other sizes of pictures, and what is none."""

from __future__ import annotations

import pickle

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from hoitool.errors import DataError, MissingData  # noqa: E402
from hoitool.models import MODELS  # noqa: E402
from hoitool.models.defr import build  # noqa: E402
from hoitool.nn.positions import resized  # noqa: E402
from hoitool.train.start import load_checkpoint  # noqa: E402

POSITIONS = "backbone.visual.positional_embedding"
PUBLISHED = (("backbone.visual.", "visual_encoder.visual."), ("classifier.weight", "classifier"))


def model(size=32, classes=5):
    return build("tiny", "cosine", classes, size, 8)


@pytest.fixture
def trained(tmp_path):
    """A model, and its weights as the published code saves them: its names, `module.` before each, the options."""
    made = model()
    state = {}
    for name, held in made.state_dict().items():
        for ours, theirs in PUBLISHED:
            name = name.replace(ours, theirs)
        state[f"module.{name}".replace("log_scale", "logit_scale")] = held
    torch.save({"model": state, "epoch": 3}, tmp_path / "published.pth")
    return made, tmp_path / "published.pth"


def test_a_published_checkpoint_starts_a_model(trained):
    made, path = trained
    module = model()
    match = load_checkpoint(module, "defr", path)
    assert match.complete
    assert match.summary() == f"{len(made.state_dict())} matched"
    pictures = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(module(pictures), made(pictures), rtol=0, atol=0)


def test_positions_are_made_to_fit_other_pictures(trained):
    made, path = trained
    module = model(size=64)
    assert load_checkpoint(module, "defr", path).complete
    expected = resized(made.state_dict()[POSITIONS], (4, 4), (8, 8))
    torch.testing.assert_close(module.state_dict()[POSITIONS], expected)


def test_detection_has_them_below_another_name(trained):
    made, path = trained
    module = MODELS["defr-detection"].build(backbone="tiny", classes=5, image_size=64, patch=8)
    (name,) = [each for each in module.state_dict() if each.endswith(POSITIONS)]
    state = {f"{name.removesuffix(POSITIONS)}{own}": held for own, held in made.state_dict().items()}
    save_file(state, path.with_suffix(".safetensors"))
    assert load_checkpoint(module, "defr-detection", path.with_suffix(".safetensors")).complete


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"backbone.more": torch.zeros(2)}, r"1 left over \(backbone.more\)"),
        ({"classifier.weight": torch.zeros(6, 64)}, r"classifier.weight is \[6, 64\], expected \[5, 64\]"),
        ({POSITIONS: torch.zeros(3)}, r"positional_embedding is \[3\], expected \[17, 64\]"),
        ({POSITIONS: torch.zeros(12, 64)}, r"positional_embedding is \[12, 64\], expected \[17, 64\]"),
        ({POSITIONS: torch.zeros(26, 63)}, r"positional_embedding is \[26, 63\], expected \[17, 64\]"),
        ({"classifier": torch.zeros(5, 64)}, "'classifier' and 'classifier.weight' of the checkpoint are both"),
    ],
)
def test_what_does_not_fit_is_one_line_and_changes_nothing(change, told, tmp_path):
    state = model().state_dict() | change
    path = tmp_path / "w.safetensors"
    save_file(state, path)
    module = model()
    before = {name: held.clone() for name, held in module.state_dict().items()}
    with pytest.raises(DataError, match=told) as refused:
        load_checkpoint(module, "defr", path)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)
    assert all(torch.equal(held, before[name]) for name, held in module.state_dict().items())


def test_another_number_of_classes_may_be_left_at_random(tmp_path):
    save_file(model(classes=6).state_dict(), tmp_path / "w.safetensors")
    match = load_checkpoint(model(), "defr", tmp_path / "w.safetensors", strict=False)
    assert list(match.wrong) == ["classifier.weight"]
    assert not match.missing


def test_a_pickle_that_wants_to_run_code_does_not(tmp_path):
    class Code:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    (tmp_path / "w.pth").write_bytes(pickle.dumps({"classifier": Code()}))
    with pytest.raises(DataError, match="w.pth") as refused:
        load_checkpoint(model(), "defr", tmp_path / "w.pth")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "ran").exists()


def test_files_and_folders_that_are_not_there(tmp_path):
    with pytest.raises(MissingData, match="absent.pth: no such file"):
        load_checkpoint(model(), "defr", tmp_path / "absent.pth")
    with pytest.raises(MissingData, match="no weights of a model here"):
        load_checkpoint(model(), "defr", tmp_path)


def test_the_folder_of_a_run_means_its_last_weights(tmp_path):
    made = model()
    save_file(made.state_dict(), tmp_path / "weights.safetensors")
    module = model()
    assert load_checkpoint(module, "defr", tmp_path).complete
    torch.testing.assert_close(module.state_dict(), made.state_dict(), rtol=0, atol=0)
