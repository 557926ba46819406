"""The official detection caches: order told apart by content, shapes checked, duplicates and empties kept."""

from __future__ import annotations

import numpy as np
import pytest
from builders import predictions_of, truth_of
from scipy.io import loadmat, savemat

from hoitool.convert import PREDICTION_FORMATS, load, sniff
from hoitool.errors import HoitoolError, MissingData, UsageError
from hoitool.labels import load_labels

HICO = load_labels("hico")
RIDE = HICO.interaction_index("ride", "bicycle")
TRUTH = truth_of([(0, (0, 0, 9, 9), (5, 5, 20, 20), RIDE)])
MADE = predictions_of(
    [
        (0, (0.25, 0, 9, 9), (5, 5, 20, 20), RIDE, 0.5),
        (0, (0, 0, 9, 9), (5, 5, 20, 20), RIDE, 0.75),
        (2, (1, 1, 2, 2), (3, 3, 4, 4), 599, 1e-12),
    ]
)


@pytest.mark.parametrize(("name", "number"), [("hico-matlab", 2), ("hico-matlab-alphabetical", 10)])
def test_files_are_numbered_in_their_order(tmp_path, name, number):
    """The bicycle is the second COCO class and the tenth of HICO's alphabetical list."""
    PREDICTION_FORMATS[name].write([MADE], tmp_path / "cache")
    assert sniff(tmp_path / "cache") == name
    assert len(list((tmp_path / "cache").iterdir())) == 80
    cells = loadmat(tmp_path / "cache" / f"detections_{number:02d}.mat")["all_boxes"]
    rows = np.flatnonzero(HICO.interaction_objects == HICO.object_index("bicycle"))
    assert cells.shape == (len(rows), 3)
    held = cells[rows.tolist().index(RIDE), 0]
    assert held.tolist() == [[0.25, 0, 9, 9, 5, 5, 20, 20, 0.5], [0, 0, 9, 9, 5, 5, 20, 20, 0.75]]
    back = load(tmp_path / "cache", truth=TRUTH)
    for column, values in MADE.columns().items():
        assert np.array_equal(values, back.columns()[column]), column


def test_the_wrong_order_is_refused_not_guessed(tmp_path):
    PREDICTION_FORMATS["hico-matlab-alphabetical"].write([MADE], tmp_path / "cache")
    with pytest.raises(HoitoolError, match=r"detections_02.mat: all_boxes is \[10, 3\].*'bicycle' \(coco order\)"):
        load(tmp_path / "cache", "hico-matlab", truth=TRUTH)


def test_where_the_content_does_not_decide_the_format_must_be_named(tmp_path):
    """Object 36 has six interactions in both orders."""
    PREDICTION_FORMATS["hico-matlab"].write([MADE], tmp_path / "cache")
    from hoitool.convert.predictions.hico_matlab import interactions_of, object_order

    orders = [object_order(HICO, order) for order in ("coco", "alphabetical")]
    sizes = [[len(interactions_of(HICO, obj)) for obj in order] for order in orders]
    both = next(i + 1 for i in range(80) if sizes[0][i] == sizes[1][i])
    for file in (tmp_path / "cache").iterdir():
        if file.name != f"detections_{both:02d}.mat":
            file.unlink()
    with pytest.raises(UsageError, match="could be hico-matlab or hico-matlab-alphabetical; say which with --from"):
        sniff(tmp_path / "cache")


def test_missing_files_are_no_detections_and_said(tmp_path):
    PREDICTION_FORMATS["hico-matlab"].write([MADE], tmp_path / "cache")
    for number in range(3, 81):
        (tmp_path / "cache" / f"detections_{number:02d}.mat").unlink()
    found = PREDICTION_FORMATS["hico-matlab"].read(tmp_path / "cache", TRUTH)
    assert found.parts[0].label.tolist() == [RIDE, RIDE]
    assert "have no file" in found.notes[0]


def test_the_single_file(tmp_path):
    PREDICTION_FORMATS["hico-matlab-all"].write([MADE], tmp_path / "detections.mat")
    assert sniff(tmp_path / "detections.mat") == "hico-matlab-all"
    assert loadmat(tmp_path / "detections.mat")["all_boxes"].shape == (600, 3)
    assert load(tmp_path / "detections.mat", truth=TRUTH).score.tolist() == MADE.score.tolist()


def test_a_truth_is_needed(tmp_path):
    PREDICTION_FORMATS["hico-matlab-all"].write([MADE], tmp_path / "detections.mat")
    with pytest.raises(MissingData, match="--truth"):
        load(tmp_path / "detections.mat")


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (np.empty((600, 2), object), r"all_boxes is \[600, 2\], expected a cell array \[600, 3\]"),
        (np.zeros((600, 3)), r"all_boxes is \[600, 3\], expected a cell array"),
        (np.full((600, 3), None), r"all_boxes\{1, 1\} is \[1, 8\], expected \[n, 9\]"),
    ],
)
def test_other_shapes_are_named(tmp_path, cells, message):
    if cells.dtype == object:
        for i in np.ndindex(cells.shape):
            cells[i] = np.ones((1, 8)) if i == (0, 0) else np.zeros((0, 0))
    savemat(tmp_path / "detections.mat", {"all_boxes": cells})
    with pytest.raises(HoitoolError, match=message):
        load(tmp_path / "detections.mat", truth=TRUTH)
