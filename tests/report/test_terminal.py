"""What a result and named values look like on a terminal."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from hoitool.eval import Result, Row
from hoitool.report.terminal import facts, result_report

RESULT = Result("p", "v", "p/v|x:1", (Row("default", "full", 2, {"mAP": 0.5}),), {})


def shown(what):
    console = Console(width=100)
    with console.capture() as held:
        console.print(what)
    return [line.rstrip() for line in held.get().splitlines()]


def test_inputs_are_told_by_their_files_or_by_their_counts_alone():
    inputs = {"truth": {"images": 3, "path": "a.parquet", "sha256": "0" * 64}, "predictions": {"images": 2}}
    lines = shown(result_report(replace(RESULT, inputs=inputs)))
    assert "Truth       a.parquet sha256 000000000000 · 3 images" in lines
    assert "Predictions 2 images" in lines


def test_lists_are_told_as_words():
    lines = shown(facts("what", {"parts": ["photo", "plain"], "none": [], "rows": 1200, "each": {"a": 1}}))
    assert [line.split("│")[2].strip() for line in lines if "│" in line] == ["photo, plain", "-", "1,200", "a 1"]
