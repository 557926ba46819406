"""Maps of embeddings: PCA by its definition, t-SNE that keeps groups, figures of the same bytes, few points."""

from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from hoitool.errors import UsageError
from hoitool.viz.embeddings import FEWEST, METHODS, SHOWN, Points, draw, frequent, kept, middles, project, write_names


@pytest.fixture(scope="module")
def rows():
    """Three tight groups of ten in 8 dimensions."""
    rng = np.random.default_rng(0)
    return np.repeat(np.eye(3, 8), 10, axis=0) + 0.02 * rng.normal(size=(30, 8))


def points_of(group, groups=("cup", "dog", "car"), by="object", hollow=(), names=()):
    held = np.zeros(len(group), bool)
    held[list(hollow)] = True
    return Points(np.asarray(group), groups, by, held, "no interaction", names)


def test_principal_components_by_their_definition(rows):
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    plane = project(rows, "pca")
    assert (plane.shape, plane.dtype) == ((30, 2), np.float64)
    for i in range(2):
        loading = vectors[:, -1 - i]
        loading = loading * np.sign(loading[np.abs(loading).argmax()])
        np.testing.assert_allclose(plane[:, i], (rows - rows.mean(axis=0)) @ loading, atol=1e-9)
    assert kept(rows, plane) == pytest.approx(values[-2:].sum() / values.sum())


def test_a_line_has_one_component():
    line = np.arange(6.0)[:, None]
    plane = project(line, "pca")
    np.testing.assert_allclose(plane, np.stack([line[:, 0] - 2.5, np.zeros(6)], axis=1))
    assert kept(line, plane) == pytest.approx(1)


def test_tsne_keeps_groups_and_follows_its_seed_only(rows):
    one, again = project(rows, "tsne", 3), project(rows, "tsne", 3)
    np.testing.assert_array_equal(one, again)
    assert (one.shape, one.dtype) == ((30, 2), np.float64)
    groups = one.reshape(3, 10, 2)
    centres = groups.mean(axis=1)
    inside = np.linalg.norm(groups - centres[:, None], axis=2).max()
    between = min(np.linalg.norm(centres[i] - centres[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert between > inside


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [FEWEST, FEWEST + 1])
def test_few_rows(method, count):
    found = project(np.random.default_rng(2).normal(size=(count, 3)).astype(np.float32), method)
    assert found.shape == (count, 2)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("method", METHODS)
def test_copies_of_one_row(method):
    found = project(np.ones((8, 3)), method)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("method", METHODS)
def test_fewer_rows_are_refused(method):
    with pytest.raises(UsageError, match="at least 5 rows, came 4"):
        project(np.eye(4), method)


def test_another_method_is_refused():
    with pytest.raises(UsageError, match="No map of embeddings named 'umap'"):
        project(np.eye(8), "umap")


def test_the_same_bytes_each_time(rows, tmp_path):
    plane, points = project(rows, "pca"), points_of(np.repeat([0, 1, 2], 10), hollow=[3])
    before = dict(mpl.rcParams)
    for name in ("a", "b"):
        draw({"PCA": plane}, points, [tmp_path / f"{name}{suffix}" for suffix in (".png", ".svg")], "labels")
    assert dict(mpl.rcParams) == before
    for suffix in (".png", ".svg"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
    assert "<dc:date>" not in (tmp_path / "a.svg").read_text()


def texts(path):
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text())


def test_the_legend_names_the_most_frequent_groups(rows, tmp_path):
    """Of 14 groups twelve have an entry, the most frequent first; hollow points do not count."""
    group = np.concatenate([np.arange(14), np.full(10, 13), np.full(6, 5)])
    names = [f"group {i}" for i in range(14)]
    points = points_of(group, names, hollow=[*range(24, 30)])
    assert frequent(points) == [13, *range(SHOWN - 1)]
    draw({"one": project(rows, "pca"), "two": rows[:, :2]}, points, [tmp_path / "a.svg"], "title")
    found = texts(tmp_path / "a.svg")
    legend = found[found.index("object") :]
    assert legend == ["object", *(names[i] for i in frequent(points)), "2 others", "hollow: no interaction"]
    assert {"one", "two", "title"} <= set(found)


def test_a_name_of_several_points_stands_in_their_middle_where_they_keep_together():
    plane = np.array([[0.5, 0.5], [0.5, 0.51], [0.52, 0.5], [0, 0], [1, 1], [0, 1], [0.2, 0.7], [0.3, 0.3]])
    names = ["near"] * 3 + ["far"] * 3 + ["alone", ""]
    assert middles(plane, names) == [("near", 0), ("alone", 6)]


@given(seed=st.integers(0, 2**32 - 1))
def test_middles_follow_their_points(seed):
    rng = np.random.default_rng(seed)
    plane, names, order = rng.uniform(size=(12, 2)) ** 8, [*"aaaaabbbcccd"], rng.permutation(12)
    moved = middles(plane[order], [names[i] for i in order])
    assert {(name, int(order[at])) for name, at in moved} == set(middles(plane, names))


@pytest.mark.parametrize("copies", [1, 4])
def test_names_cover_no_other_and_stay_on_the_map(copies):
    """Several names at one point find a place each."""
    figure = Figure(figsize=(8, 8))
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    plane = np.repeat(np.random.default_rng(0).permutation(36)[: 24 // copies], copies)
    plane = np.stack([plane % 6, plane // 6], axis=1).astype(float)
    axes.scatter(*plane.T)
    axes.margins(0.1)
    figure.draw_without_rendering()
    write_names(axes, plane, [f"name {i}" for i in range(24)])
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 24
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert Bbox.intersection(box, axes.get_window_extent()).extents == pytest.approx(box.extents)


def test_names_are_text_and_never_formulas(rows, tmp_path):
    """Names beside points, one of them with dollar signs, one in a script that the font lacks."""
    names = ["$a_^$", "\u540d", *(f"n{i}" for i in range(28))]
    points = points_of(np.full(30, -1), (), "", names=names)
    draw({"map": rows[:, :2]}, points, [tmp_path / "a.svg", tmp_path / "a.png"], "$x_^$")
    found = texts(tmp_path / "a.svg")
    assert set(names) | {"$x_^$"} <= set(found)
    assert "none" not in found


def test_another_suffix_is_refused_before_anything_is_written(rows, tmp_path):
    with pytest.raises(UsageError, match=r"a\.pdf: pictures are written as \.png or \.svg"):
        draw({"map": rows[:, :2]}, points_of(np.zeros(30, int)), [tmp_path / "a.png", tmp_path / "a.pdf"])
    assert not list(tmp_path.iterdir())
