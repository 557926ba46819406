"""Boxes from one frame to another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import truth_of
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import either

from hoitool.data import to_frame
from hoitool.data.meta import FRAMES
from hoitool.errors import DataError

# a box of 10 x 20 pixels at the image's left top, and one in its right bottom corner; images of 40 x 80 pixels
EXPECTED = {
    "inclusive": [[0, 0, 9, 19], [30, 60, 39, 79]],
    "continuous": [[0, 0, 10, 20], [30, 60, 40, 80]],
    "normalised": [[0, 0, 0.25, 0.25], [0.75, 0.75, 1, 1]],
}


def data_in(frame, dtype="float64"):
    made = truth_of([(1, *EXPECTED[frame], 0)], images=2)
    size = {"width": np.array([0, 40], np.int32), "height": np.array([0, 80], np.int32)}
    return made.with_columns(replace(made.meta, box_frame=frame), boxes=made.boxes.astype(dtype), **size)


@pytest.mark.parametrize("came", FRAMES)
@pytest.mark.parametrize("wanted", FRAMES)
def test_the_same_box_in_every_frame(came, wanted):
    made = to_frame(data_in(came), wanted)
    assert made.meta.box_frame == wanted
    assert made.boxes.tolist() == EXPECTED[wanted]


@settings(deadline=None, max_examples=50)
@given(either(sizes=True), st.sampled_from(FRAMES))
def test_there_and_back_is_the_same_box(data, through):
    back = to_frame(to_frame(data, through), data.meta.box_frame)
    scale = 2000 if "normalised" in (through, data.meta.box_frame) else 1
    np.testing.assert_allclose(back.boxes, data.boxes, rtol=1e-12, atol=1e-12 * scale)
    assert back.meta == data.meta


@settings(deadline=None, max_examples=30)
@given(either(sizes=True), st.sampled_from(FRAMES))
def test_only_boxes_and_their_frame_change(data, frame):
    made = to_frame(data, frame)
    assert replace(made.meta, box_frame=data.meta.box_frame) == data.meta
    assert list(made.columns()) == list(data.columns())
    for name, values in data.columns().items():
        if name != "boxes":
            assert getattr(made, name) is values
    assert made.boxes.dtype == (data.boxes.dtype if frame == data.meta.box_frame else np.float64)


def test_float32_boxes_are_widened_before_the_arithmetic():
    made = data_in("inclusive", "float32")
    thirds = made.with_columns(boxes=made.boxes + np.float32(1 / 3))
    expected = np.add(thirds.boxes.astype(np.float64), [0, 0, 1, 1])
    assert to_frame(thirds, "continuous").boxes.tolist() == expected.tolist()


def test_the_former_data_stay_as_they_are():
    data = data_in("inclusive")
    to_frame(data, "normalised")
    assert data.boxes.tolist() == EXPECTED["inclusive"]


@pytest.mark.parametrize(("came", "wanted"), [("inclusive", "normalised"), ("normalised", "continuous")])
def test_the_normalised_frame_needs_sizes(came, wanted):
    for unknown in ({"width": np.zeros(2, np.int32)}, {"height": np.array([80, -1], np.int32)}):
        with pytest.raises(DataError, match=r"^image 'image-1\.jpg' has no known size"):
            to_frame(data_in(came).with_columns(**unknown), wanted)
    with pytest.raises(DataError, match="has no width and height of its images"):
        to_frame(data_in(came).with_columns(width=None, height=None), wanted)


def test_pixel_frames_need_no_sizes():
    data = data_in("inclusive").with_columns(width=None, height=None)
    assert to_frame(data, "continuous").boxes.tolist() == EXPECTED["continuous"]
