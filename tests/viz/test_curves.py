"""Curves as pictures: the size of a paper's column, every name once, nothing over anything, the same bytes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hoitool.viz.curves import DPI, WIDTHS, Axes, Panel, Series, draw_curves
from hoitool.viz.figure import FORMS

X = np.linspace(0, 1, 5)
AXES = Axes("recall (%)", "precision (%)")


def lines(*names):
    return [Series(name, X, 1 - X * (i + 1) / 9) for i, name in enumerate(names)]


def texts(path):
    """The words of an SVG whose letters are outlines: matplotlib leaves them as remarks."""
    return re.findall(r"<!-- (.*?) -->", Path(path).read_text())


def test_a_figure_is_as_wide_as_a_column_or_a_page(tmp_path):
    for width, panels in (("column", 1), ("page", 3)):
        draw_curves([Panel(str(i), lines("a", "b")) for i in range(panels)], AXES, [tmp_path / "a.png"], width)
        with Image.open(tmp_path / "a.png") as made:
            assert made.width == pytest.approx(WIDTHS[width] * DPI, abs=2)


def test_each_series_is_named_once_and_each_panel_has_its_title(tmp_path):
    panels = [Panel(title, lines("first", "second")) for title in ("Full", "Rare", "Non-Rare", "Unseen")]
    draw_curves(panels, AXES, [tmp_path / "a.svg"], "page")
    held = texts(tmp_path / "a.svg")
    for name in ("first", "second", "Full", "Rare", "Non-Rare", "Unseen"):
        assert held.count(name) == 1, name
    assert held.count("recall (%)") == 3 and held.count("precision (%)") == 2
    draw_curves([Panel("", lines("alone"))], AXES, [tmp_path / "b.svg"])
    assert "alone" not in texts(tmp_path / "b.svg")


def test_long_names_stand_below_each_other(tmp_path):
    held = [f"a method with a very long name, number {i}" for i in range(6)]
    draw_curves([Panel("", lines(*held))], AXES, [tmp_path / "a.png", tmp_path / "b.svg"])
    with Image.open(tmp_path / "a.png") as made:
        pixels = np.asarray(made.convert("L"))
    assert (pixels[:, -4:] == 255).all()  # nothing is cut off at the right edge
    assert set(held) <= set(texts(tmp_path / "b.svg"))


def test_counts_are_on_a_log_scale_with_their_points(tmp_path):
    x = np.array([1.0, 10, 1000])
    series = Series("a", x, np.array([0.1, 0.5, 0.9]), (np.array([1.0, 3]), np.array([0.0, 1.0])))
    draw_curves([Panel("", [series])], Axes("training pairs", "AP (%)", counts=True, marked=True), [tmp_path / "a.svg"])
    assert {"1", "10", "100", "1,000"} <= set(texts(tmp_path / "a.svg"))


def test_names_too_long_for_the_figure_lose_their_middle(tmp_path):
    held = [f"{'a' * 60}-{i}" for i in range(2)]
    draw_curves([Panel(held[0], lines(*held))], AXES, [tmp_path / "a.png", tmp_path / "b.svg"])
    with Image.open(tmp_path / "a.png") as made:
        pixels = np.asarray(made.convert("L"))
    assert (pixels[:, -4:] == 255).all()
    shown = [text for text in texts(tmp_path / "b.svg") if "…" in text]
    assert [text[-2:] for text in shown].count("-0") == 2 and [text[-2:] for text in shown].count("-1") == 1


def test_nothing_on_a_log_scale_is_an_empty_figure(tmp_path):
    nothing = Series("a", np.array([1.0, 10]), np.full(2, np.nan))
    draw_curves([Panel("", [nothing])], Axes("detections", "recall", counts=True, marked=True), [tmp_path / "a.svg"])
    assert {"1", "10"} <= set(texts(tmp_path / "a.svg"))


@pytest.mark.parametrize("form", FORMS)
def test_the_same_values_are_the_same_bytes(form, tmp_path):
    for name in ("one", "two"):
        draw_curves([Panel("", lines("a", "b"))], AXES, [tmp_path / f"{name}.{form}"])
    held = (tmp_path / f"one.{form}").read_bytes()
    assert held == (tmp_path / f"two.{form}").read_bytes()
    assert form != "pdf" or (b"/FontFile2" in held and b"/Type3" not in held)
