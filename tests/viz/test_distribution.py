"""The figure: a PNG with the three parts, of any data, without a display and without leaving settings behind."""

from __future__ import annotations

from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from builders import truth_of
from PIL import Image

from hoitool.data import select_images
from hoitool.data.distribution import distribution
from hoitool.errors import UsageError
from hoitool.labels import load_labels
from hoitool.viz.distribution import DPI, draw

HICO = load_labels("hico")
A, B = (0.0, 0, 9, 9), (10.0, 10, 19, 29)


def test_the_figure_is_a_png_with_a_map_below(small, tmp_path):
    before = dict(mpl.rcParams)
    draw([distribution(small.train), distribution(small.test)], tmp_path / "a.png", "demo")
    assert dict(mpl.rcParams) == before
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert image.width == 12 * DPI
        assert image.height > 7 * DPI
        colours = np.asarray(image.convert("RGB"))
    assert len(np.unique(colours.reshape(-1, 3), axis=0)) > 50


def test_without_pairs_there_is_no_map(small, tmp_path):
    none = select_images(small.test, np.zeros(len(small.test), bool))
    draw([distribution(none)], tmp_path / "none.png")
    with Image.open(tmp_path / "none.png") as image:
        assert image.height < 5 * DPI


def test_names_are_text_and_never_formulas(tmp_path):
    """A name with two dollar signs, or in a script that the font lacks, raises no error and no warning."""
    odd = replace(HICO, objects=tuple(f"${name}_^$ \u540d" for name in HICO.objects))
    draw([distribution(truth_of([(0, A, B, 0)], labels=odd))], tmp_path / "odd.png", "$x_^$")
    assert (tmp_path / "odd.png").stat().st_size > 10_000


def test_many_pairs_in_an_image_share_the_last_bar(tmp_path):
    draw([distribution(truth_of([(0, A, B, 0)] * 50))], tmp_path / "many.png")
    assert (tmp_path / "many.png").exists()


def test_another_suffix_is_refused(small, tmp_path):
    with pytest.raises(UsageError, match=r"pictures are written as \.png"):
        draw([distribution(small.test)], tmp_path / "a.pdf")
