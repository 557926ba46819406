"""Pictures of comparisons: written whole, the same bytes each time, with names in them."""

from __future__ import annotations

import numpy as np

from hoitool.viz.comparison import Classes, Differences, draw_classes, draw_differences

VALUES = np.array([1.0, -2.0, 0.5])


def differences(name):
    return Differences(name, VALUES, VALUES - 1, VALUES + 1, np.array([False, True, False]))


def test_differences_as_png_and_svg_the_same_each_time(tmp_path):
    made = []
    for turn in ("a", "b"):
        paths = [tmp_path / turn / f"x{suffix}" for suffix in (".png", ".svg")]
        draw_differences(["Full", "Rare <b>", "Non-Rare"], [differences("one"), differences("two")], "base", paths)
        made.append([path.read_bytes() for path in paths])
    assert made[0] == made[1]
    assert made[0][0][:4] == b"\x89PNG"
    assert b"Rare &lt;b&gt;" in made[0][1]


def test_classes_with_one_side_empty_and_some_without_a_figure(tmp_path):
    first, other = np.array([10.0, 20, np.nan, 50]), np.array([20.0, 40, np.nan, 50])
    held = Classes(
        "one",
        ["hold cup", "sit_on " + "very " * 10 + "long", "none", "same"],
        np.array([1, 5, 0, 9]),
        first,
        other,
        np.array([True, False, False, False]),
    )
    draw_classes([held], "base", [tmp_path / "x.svg"])
    text = (tmp_path / "x.svg").read_text()
    assert "2 classes up, 0 down" in text
    assert "hold cup" in text
    assert "…" in text
