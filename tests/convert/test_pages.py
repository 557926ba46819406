"""Every format has a page with an example that works, and `hoitool convert --explain` shows it."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from builders import truth_of
from strategies import HICO, V_COCO

from hoitool.convert import FORMATS, PREDICTION_FORMATS, format_named, read, sniff
from hoitool.convert.page import SHARED, page
from hoitool.data import strings
from hoitool.errors import DataError

NAMES = [*FORMATS, *PREDICTION_FORMATS]
EXAMPLE = re.compile(r"^File `([^`\n]+)`:\n+```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", NAMES)
def test_every_format_has_a_page_with_an_example(name):
    text = page(name)
    assert f"`{name}`" in text or text.startswith(f"# {SHARED.get(name, name)}\n")
    assert "Frame" in text or "frame" in text
    _, _, example = text.partition("\n## Example\n")
    assert EXAMPLE.search(example), "an example is a line: File `name`: and a fenced block"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SHARED])
def test_the_example_of_a_page_is_in_the_format(name, tmp_path, monkeypatch):
    """Text is written to the file that the page names; Python makes it."""
    monkeypatch.chdir(tmp_path)
    files = []
    for file, language, content in EXAMPLE.findall(page(name)):
        files.append(tmp_path / file)
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        if language == "python":
            exec(compile(content, file, "exec"), {})
            assert files[-1].exists()
        else:
            files[-1].write_text(content, encoding="utf-8")
    path = files[0] if len(files) == 1 else tmp_path
    sniffed = sniff(path)
    assert sniffed is not None
    assert SHARED.get(sniffed, sniffed) == name
    held = read_example(path, sniffed)
    assert not held.dropped
    held_by = [part.columns() for part in held.parts]
    content = ("subject", "boxes", "image_scores", "image_label", "caption_text")
    assert any(len(columns.get(name, ())) for columns in held_by for name in content)


def read_example(path, name):
    """An example, with a truth of two images in the first label space that fits where its images have no names."""
    holds = format_named(name).HOLDS
    if holds is None or holds.names_images:
        return read(path, name)
    for labels in (HICO, V_COCO):
        truth = truth_of([], images=2, labels=labels)
        truth = truth.with_columns(key=strings([f"COCO_val2014_{i:012d}.jpg" for i in (42, 43)]))
        with contextlib.suppress(DataError):
            return read(path, name, truth)
    raise AssertionError(f"{name}: no label space fits")


@pytest.mark.parametrize("name", NAMES)
def test_explain_shows_the_page(hoitool, name):
    told = hoitool("convert", "--explain", name)
    assert (told.code, told.err) == (0, "")
    assert told.out == page(name).rstrip("\n") + "\n"
    as_json = json.loads(hoitool("convert", "--explain", name, "--json").out)
    assert as_json["page"] == page(name)
    assert as_json["name"] == name
    assert as_json["summary"] == format_named(name).SUMMARY
    assert as_json["holds"] in ("annotations", "predictions", "both")


def test_explaining_an_unknown_format_suggests_the_nearest(hoitool):
    told = hoitool("convert", "--explain", "label-studo")
    assert (told.code, told.out) == (2, "")
    assert told.err == "hoitool: No format named 'label-studo'. Did you mean 'label-studio'?\n"


def test_explain_does_not_read_the_source(hoitool, tmp_path):
    assert hoitool("convert", tmp_path / "absent", "--explain", "csv").code == 0
