"""What every encoder keeps to, those of timm and CLIP among them, by tiny models."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("open_clip")
pytest.importorskip("timm")

from safetensors.torch import save_file
from tiny_texts import save_bert
from tiny_vision import pixels, timm_model

from hoitool.embed import KINDS
from hoitool.embed.encoder import Settings
from hoitool.embed.encoders.tiny import save_tiny_clip
from hoitool.embed.load import load
from hoitool.errors import UsageError

MADE = {  # those of one published model are other names of hf
    "clip": lambda folder: (f"clip:{save_tiny_clip(folder / 'tiny')}", {}),
    "timm": lambda folder: ("timm:test_vit", {"weights": str(saved(folder / "w.safetensors"))}),
    "hf": lambda folder: (f"hf:{save_bert(folder / 'tiny')}", {"pooling": "mean"}),
    "hashed": lambda folder: ("hashed", {}),
    "colours": lambda folder: ("colours", {}),
}
TEXTS = ["a person riding a bicycle", "a dog", "a photo of a person eating an apple"]


def saved(path):
    save_file(timm_model("test_vit").state_dict(), path)
    return path


@pytest.fixture(params=MADE)
def made(request, tmp_path):
    model, settings = MADE[request.param](tmp_path)
    return request.param, load(model, Settings(device="cpu", **settings))


def test_an_encoder_does_what_its_kinds_say(made):
    name, encoder = made
    side = encoder.preprocess.height if encoder.preprocess else 32
    calls = {"text": lambda: encoder.texts(TEXTS), "image": lambda: encoder.images(pixels(3, side))}
    calls["map"] = lambda: encoder.maps(pixels(3, side))
    for kind, call in calls.items():
        if kind not in KINDS[name]:
            with pytest.raises(UsageError):
                call()
            continue
        rows = call()()
        assert rows.dtype == np.float32
        assert (len(rows), rows.shape[-1], rows.ndim) == (3, encoder.dim, 4 if kind == "map" else 2)
        assert np.isfinite(rows).all()
        assert np.abs(rows[0] - rows[1]).max() > 0
        np.testing.assert_array_equal(rows, call()())


def test_an_encoder_says_what_it_is(made):
    name, encoder = made
    assert encoder.name.partition(":")[0] == name
    assert (encoder.preprocess is None) == (not KINDS[name] & {"image", "map"})
    assert len(encoder.facts["weights_sha256"]) == 64
    assert encoder.facts["weights"]
    assert encoder.best_batch() > 0


def test_kinds_that_are_asked_for_are_checked_before_anything_is_loaded():
    with pytest.raises(UsageError, match="encoder 'timm' embeds no texts.*these do what is asked: clip, "):
        load("timm:test_vit", kinds="text")
