"""Predictions on pictures: what is drawn where, in which colours, and what stands beside it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from hoitool.viz.pairs import INK, LONGEST, OBJECT, PERSON, best, columns_page, grouped, one_page, score_text, sized
from hoitool.viz.seen import Seen
from hoitool.viz.shapes import PAPER, raster

GREY = (128, 128, 128)
BOXES = np.array([[40, 30, 140, 250], [220, 150, 380, 260], [40, 30, 140, 250]], float)


def picture(width=640, height=320):
    return Image.new("RGB", (width, height), GREY)


def near(drawn, spot, colour, reach=5):
    """Whether a colour is found near a place."""
    x, y = spot
    part = np.asarray(drawn)[y - reach : y + reach + 1, x - reach : x + reach + 1].reshape(-1, 3)
    return bool((part == colour).all(axis=1).any())


def draw_pairs(picture, boxes, subject, object, names, scores, top=10, **options):
    people = np.isin(np.arange(len(boxes)), subject)
    return raster(one_page(picture, Seen("pairs", names, scores, boxes, people, subject, object), top, **options))


def draw_objects(picture, boxes, people, names, scores, top=10):
    rows = np.arange(len(boxes))
    seen = Seen("objects", names, scores, boxes, people, rows, np.full(len(boxes), -1))
    return raster(one_page(picture, seen, top))


def draw_labels(picture, names, scores, top=10):
    return raster(one_page(picture, Seen("labels", names, scores), top))


def drawn_pairs(**options):
    names, scores = ["ride bicycle", "hold bicycle", "walk"], np.array([0.9, 0.3, 0.5])
    return draw_pairs(picture(), BOXES, np.array([0, 2, 0]), np.array([1, 1, -1]), names, scores, **options)


def test_people_objects_and_the_line_between_them_have_their_colours():
    drawn = drawn_pairs()
    assert near(drawn, (40, 140), PERSON) and near(drawn, (140, 200), PERSON)
    assert near(drawn, (300, 260), OBJECT) and not near(drawn, (300, 260), PERSON)
    assert near(drawn, (195, 172), INK, 30)  # on the line from middle to middle
    assert drawn.getpixel((600, 20)) == GREY
    assert drawn.width > 640 and drawn.getpixel((drawn.width - 1, drawn.height - 1)) == PAPER


def test_pairs_below_the_least_score_leave_no_trace():
    drawn = drawn_pairs(min_score=0.95)
    np.testing.assert_array_equal(np.asarray(drawn)[:, :640], np.asarray(picture()))
    assert (np.asarray(drawn)[:, 640:] != PAPER).any()  # it says so


def test_rows_with_the_same_boxes_are_one_pair_by_falling_score():
    rows = best(np.array([0.9, 0.3, 0.5]), 3, 10, 0.0)
    assert rows == [0, 2, 1]
    assert grouped(BOXES, np.array([0, 2, 0]), np.array([1, 1, -1]), rows) == {(0, 1): [0, 1], (0, -1): [2]}
    assert grouped(np.empty((0, 4)), np.empty(0, int), np.empty(0, int), []) == {}


def test_the_best_are_taken_and_the_earlier_wins_a_tie():
    scores = np.array([0.5, 0.9, 0.5, 0.1, 0.5])
    assert best(scores, 5, 3, 0.0) == [1, 0, 2] and best(scores, 5, 9, 0.5) == [1, 0, 2, 4]
    assert best(scores[:0], 0, 3, 0.0) == [] and best(None, 5, 3, 0.5) == [0, 1, 2]


@pytest.mark.parametrize("size", [(64, 48), (3, 900), (640, 480), (4000, 1000), (1, 1)])
def test_any_size_is_drawn_in_one_that_can_be_read(size):
    made, scale = sized(picture(*size))
    assert LONGEST[0] <= max(made.size) <= LONGEST[1] and max(made.size) == round(max(size) * scale)
    drawn = draw_pairs(
        picture(*size), np.array([[0, 0, *size], [0, 0, 1, 1]], float), np.zeros(1, int), np.ones(1, int), ["a"],
        np.ones(1),
    )  # fmt: skip
    assert drawn.width > made.width and drawn.height >= made.height


def test_boxes_outside_the_picture_and_turned_around_are_no_obstacle():
    boxes = np.array([[500, 300, 900, 700], [100, 90, 20, 10]], float)
    drawn = draw_pairs(picture(), boxes, np.zeros(1, int), np.ones(1, int), ["hold kite"], np.array([2.5]))
    assert near(drawn, (20, 50), OBJECT) and near(drawn, (500, 310), PERSON)


def test_a_long_list_makes_the_paper_longer_and_texts_wider():
    short = draw_labels(picture(640, 64), ["ride bicycle"], np.array([0.5]))
    long = draw_labels(picture(640, 64), [f"ride bicycle {i}" for i in range(30)], np.linspace(0, 1, 30), top=30)
    assert short.height == 64 < long.height and long.width > short.width
    wide = draw_labels(picture(640, 64), ["ride " * 20], np.array([0.5]))
    assert wide.width > long.width


def test_a_bar_is_as_long_as_the_score():
    def inked(score):
        return int((np.asarray(draw_labels(picture(), [" "], np.array([score]))) == (214, 230, 241)).all(axis=2).sum())

    assert 0 == inked(0.0) == inked(-0.4) == inked(7.0) < inked(0.25) < inked(0.5) < inked(1.0)


def test_scores_are_short():
    told = [score_text(score) for score in (1.0, 0.127, 0.0051, 0.0049, 0.0, -0.25, 12.3)]
    assert told == ["1.00", "0.13", "0.01", "5e-03", "0.00", "-0.25", "12.30"]


def test_the_same_is_drawn_again_and_the_picture_is_left_as_it_was():
    given = picture()
    before = np.asarray(given).copy()
    first, second = (np.asarray(draw_labels(given, ["a", "b"], np.array([0.1, 0.2]))) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(before, np.asarray(given))


def test_objects_have_a_numbered_box_each_in_the_colour_of_people_or_things():
    drawn = draw_objects(picture(), BOXES[:2], np.array([True, False]), ["person", "dog"], np.array([0.2, 0.9]))
    assert near(drawn, (40, 140), PERSON)
    assert near(drawn, (220, 205), OBJECT)
    best_alone = draw_objects(picture(), BOXES[:2], np.array([True, False]), ["person", "dog"], np.array([0.2, 0.9]), 1)
    assert not near(best_alone, (40, 140), PERSON)
    assert near(best_alone, (220, 205), OBJECT)


def test_columns_show_the_same_picture_with_each_view_under_its_title():
    truth = Seen("pairs", ["ride_bicycle"], None, BOXES[:2], np.array([True, False]), np.zeros(1, int), np.ones(1, int))
    page = columns_page(picture(), [("Truth", truth), ("a model", Seen("pairs", []))], title="a.jpg")
    drawn = raster(page)
    assert page.text == "Truth: 1 ride bicycle\na model: no pairs"
    photos = [shape for shape in page.shapes if type(shape).__name__ == "Photo"]
    assert len(photos) == 2 and photos[0].spot[1] == photos[1].spot[1] > 0
    left, top = (round(at) for at in photos[1].spot)
    assert near(drawn, (40, 140 + top), PERSON) and not near(drawn, (left + 40, 140 + top), PERSON)
    assert drawn.getpixel((left + 600, top + 20)) == GREY


def test_boxes_stay_inside_their_own_column():
    wide = Seen("objects", ["dog"], None, np.array([[-50, -50, 5000, 5000.0]]), np.array([False]), np.zeros(1, int),
                np.full(1, -1))  # fmt: skip
    page = columns_page(picture(), [("one", Seen("objects", [])), ("two", wide)])
    first = np.asarray(raster(page))[:, :640]
    assert not (first == OBJECT).all(axis=2).any()


def test_what_is_left_out_of_annotations_is_said():
    names = [f"label {i}" for i in range(5)]
    page = one_page(picture(), Seen("labels", names), 3)
    assert page.text.endswith("label 2; ... and 2 more")
    assert one_page(picture(), Seen("labels", names, np.ones(5)), 3).text.endswith("label 2 1.00")
    assert "a very long" in one_page(picture(), Seen("captions", ["a very long caption " * 9])).text
