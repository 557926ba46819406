"""The formats of a report without a browser: well-formed, escaped, nothing from elsewhere; and the drawings in it."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.document.making import EVIL, everything

from hoitool.report.document import charts
from hoitool.report.document.html import html
from hoitool.report.document.parts import Estimate, interval, written
from hoitool.report.document.text import csv_text, json_text, latex, markdown

AXIS = charts.Axis("x", 0, 1, percent=True)


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def test_the_page_names_no_address_and_has_one_style_and_one_script():
    page = html(everything())
    assert not re.search(r" (src|href|action)=\"(?!data:|#)", page)
    assert "@import" not in page and "url(" not in page
    assert page.count("<style>") == page.count("<script>") == 1
    assert "default-src 'none'" in page


def test_markdown_lets_no_html_and_no_cells_out():
    page = markdown(everything())
    outside = re.sub(r"\\.|`[^`]*`", "", page)  # what is code is no HTML
    assert "<script" not in outside and "<img" not in outside
    for row in (line for line in page.splitlines() if line.startswith("| ")):
        assert re.sub(r"\\.", "", row).count("|") in (3, 4, 5, 6)
    assert "Six pictures" in page


def test_latex_has_no_command_of_the_data():
    page = latex(everything())
    assert r"\textbackslash{}x\_\{\}" in page
    assert page.count(r"\begin{longtable}") == page.count(r"\end{longtable}") == 5
    assert "[0.00, 10.00]" in page


def test_csv_has_a_line_for_every_figure():
    rows = list(csv.DictReader(io.StringIO(csv_text(everything()))))
    mine = [row for row in rows if row["table"] == "per-class" and row["column"] == "AP (%)"]
    assert len(mine) == 40
    assert mine[20] == {
        "section": "classes",
        "table": "per-class",
        "row": "verb 20 thing",
        "column": "AP (%)",
        "value": "0.5",
        "low": "0.4",
        "high": "0.6",
    }
    assert mine[5]["value"] == mine[5]["low"] == ""  # not known


def test_json_has_what_is_not_known_as_null():
    held = json.loads(json_text(everything()))
    rows = next(s for s in held["sections"] if s["name"] == "classes")["tables"][0]["rows"]
    assert rows[5][3] is None
    assert rows[20][3] == {"value": 0.5, "low": 0.4, "high": 0.6}
    assert held["sections"][2]["tables"][0]["pictures"][1]["class"] == EVIL


@pytest.mark.parametrize(
    ("cell", "kind", "text"),
    [
        (0.29074, "percent", "29.07"),
        (Estimate(-0.0123), "difference", "-1.23"),
        (0.01, "difference", "+1.00"),
        (1234567, "count", "1,234,567"),
        (3.0, "count", "3"),
        (math.nan, "percent", "–"),
        (None, "text", "–"),
        (12.345678, "number", "12.35"),
        ("a", "percent", "a"),
    ],
)
def test_cells_as_people_read_them(cell, kind, text):
    assert written(cell, kind) == text


def test_intervals_as_people_read_them():
    assert interval(Estimate(0.5, 0.4, 0.6), "percent") == "[40.00, 60.00]"
    assert interval(Estimate(0.5), "percent") == interval(0.5, "percent") == ""


@given(st.floats(0, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_few_and_on_the_axis(low, span):
    axis = charts.Axis("x", low, low + span)
    places = [value for value, _ in axis.ticks()]
    assert 2 <= len(places) <= 8
    assert all(-1e-6 <= axis.place(value) <= 1 + 1e-6 for value in places)


def test_ticks_of_a_log_axis_are_powers_of_ten():
    assert [text for _, text in charts.Axis("x", 1, 10_000, log=True).ticks()] == ["1", "10", "100", "1,000", "10,000"]


def test_curves_go_through_their_points():
    svg = charts.lines([charts.Points("a", [0, 1], [0, 1])], AXIS, AXIS)
    (line,) = ElementTree.fromstring(svg).findall("polyline")
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in line.get("points").split())
    assert (x1, y1) == (charts.LEFT, charts.HEIGHT - charts.BOTTOM)
    assert (x2, y2) == (charts.WIDTH - charts.RIGHT, charts.TOP)


def test_bars_are_as_long_as_their_values_and_say_them():
    svg = charts.bars([("one", [1.0, 4.0]), (EVIL, [2.0, math.nan])], lambda value: f"{value:g}")
    wide = [float(bar.get("width")) for bar in ElementTree.fromstring(svg).findall("rect")]
    assert wide == pytest.approx([wide[0], 4 * wide[0], 2 * wide[0]], abs=0.2)
    assert [text for text in texts(svg) if text in ("1", "2", "4")] == ["1", "4", "2"]


def test_bars_below_zero_lie_on_its_other_side():
    svg = ElementTree.fromstring(charts.bars([("a", [-1.0]), ("b", [1.0])], str))
    below, above = svg.findall("rect")
    assert float(below.get("x")) + float(below.get("width")) == pytest.approx(float(above.get("x")), abs=0.2)


def test_estimates_have_whiskers_where_they_have_intervals():
    svg = charts.estimates([("a", [Estimate(0.5, 0.4, 0.6)]), ("b", [Estimate(0.2)]), ("c", [Estimate(math.nan)])], "x")
    assert len([path for path in ElementTree.fromstring(svg).findall("path") if "whisker" in path.get("class")]) == 1
    assert len([g for g in ElementTree.fromstring(svg).findall("g") if "point" in g.get("class")]) == 2


def test_series_differ_by_shape_and_points_say_their_names():
    series = [charts.Points(str(i), [0.5], [0.5], [EVIL]) for i in range(4)]
    svg = ElementTree.fromstring(charts.points(series, AXIS, AXIS))
    shapes = [next(iter(group)) for group in svg.findall("g")]
    assert [shape.tag for shape in shapes] == ["circle", "rect", "polygon", "polygon"]
    assert shapes[2].get("points") != shapes[3].get("points")
    assert all(shape.find("title").text == EVIL for shape in shapes)
