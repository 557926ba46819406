"""A result's JSON is looked at in every place before anything is made of it."""

from __future__ import annotations

import json

import pytest
from broken import changed
from small_files import small
from strategies import HICO

from hoitool.errors import DataError
from hoitool.eval import from_json, score
from hoitool.report.terminal import result_report


@pytest.fixture(scope="module")
def held():
    """The JSON value of a result with intervals."""
    made = json.loads(score(small(HICO, False), small(HICO, True), "hico-det").to_json())
    made["results"][0]["intervals"] = {"mAP": [0.0, 0.5], "recall": [0.0, None]}
    made["sampling"] = {"resamples": 10, "seed": 0, "level": 0.95, "method": "percentile", "rule": "left out"}
    made["inputs"]["stores"] = [{"path": "x.h5", "content": "ab", "model": "clip"}, {"path": "x.npz", "sha256": "ab"}]
    return made


def test_whatever_stands_in_a_place_is_refused_in_one_line_or_shown(held):
    refused = 0
    for what, tree in changed(held):
        try:
            result_report(from_json(json.dumps(tree), "here"))
        except DataError as error:
            refused += 1
            assert str(error).startswith("here"), what
            assert "\n" not in str(error), what
    assert refused > 300


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [
        (("protocol",), None, "here: protocol is None, expected a text"),
        (("results",), [], "here: results has no figures"),
        (("results", 0, "classes"), 0.5, r"here: results\[0\].classes is 0.5, expected a whole number"),
        (("results", 0, "metrics", "mAP"), "x", r"here: results\[0\].metrics.mAP is 'x', expected a number or null"),
        (("results", 0, "intervals", "mAP"), [1], r"here: results\[0\].intervals.mAP has 1 ends, expected 2"),
        (("inputs", "truth", "images"), "x", "here: inputs.truth.images is 'x', expected a whole number"),
        (("inputs", "splits", "rare"), 7, "here: inputs.splits.rare is 7, expected an object"),
        (("inputs", "stores", 0), {}, r"here: inputs.stores\[0\].* has no 'path'"),
        (("sampling", "level"), "x", "here: sampling.* is 'x', expected"),
    ],
)
def test_the_place_is_named(held, place, value, told):
    tree = json.loads(json.dumps(held))
    at = tree
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    with pytest.raises(DataError, match=told):
        from_json(json.dumps(tree), "here")
