"""Crops of several contexts agree with published numbers."""

from __future__ import annotations

import numpy as np
import pytest

load_file = pytest.importorskip("safetensors.numpy").load_file

from hoitool.embed.ensembles import unit  # noqa: E402
from hoitool.embed.regions import of_contexts  # noqa: E402


@pytest.mark.parametrize("case", ["n6d8k3m4", "n32d64k48m10"])
def test_two_contexts_are_vild_s_target(shared, case):
    """ViLD: normalise(normalise(1x) + normalise(1.5x))."""
    held = load_file(shared("parity/losses/vild.safetensors"))
    views = np.stack([held[f"{case}/in/clip_crop_{size}"] for size in ("1x", "1p5x")], axis=1)
    expected = held[f"{case}/image/target_f64"]
    np.testing.assert_allclose(unit(of_contexts(views), "box"), expected, atol=1e-12)
    np.testing.assert_allclose(unit(of_contexts(views.astype(np.float32)), "box"), expected, atol=1e-6)
