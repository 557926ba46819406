"""The demonstration of ViLD: its pictures, its workspace, and that novel things are found."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

import hoitool.demo as making
from hoitool.data import validate
from hoitool.data.class_groups import base_or_novel
from hoitool.data.synthetic_colours import THINGS
from hoitool.demo import make_workspace
from hoitool.demo.things import PAPER, draw_all, pictures, proposals
from hoitool.errors import MissingData


def test_things_lie_where_their_boxes_say(tmp_path):
    data = pictures("train", 20, 0)
    validate(data)
    draw_all(data, tmp_path)
    for row, image in enumerate(data.image_of("box").tolist()):
        pixels = np.asarray(Image.open(tmp_path / data.key[image]))
        x1, y1, x2, y2 = data.boxes[row].astype(int)
        colour = THINGS[data.meta.labels.objects[data.categories[row]]]
        assert (pixels[(y1 + y2) // 2, (x1 + x2) // 2] == colour).all()
        inside = np.zeros(pixels.shape[:2], bool)
        inside[y1:y2, x1:x2] = True
        others = np.delete(data.boxes.reshape(-1, 2, 4)[image], row % 2, axis=0)[0].astype(int)
        inside[others[1] : others[3], others[0] : others[2]] = True
        assert (pixels[~inside] == PAPER).all()


def test_twelve_things_are_base_and_four_are_novel():
    data = pictures("train", 400, 0)
    held = base_or_novel(data)
    shown = np.bincount(data.categories, minlength=80) > 0
    assert (shown.sum(), (shown & held["base"]).sum(), (shown & held["novel"]).sum()) == (16, 12, 4)


def test_proposals_have_no_class_and_are_near_what_is_there():
    data = pictures("train", 30, 0)
    made = proposals(data, 0)
    validate(made)
    assert (made.categories == -1).all()
    near = made.boxes.reshape(30, 4, 4)[:, :2].reshape(-1, 4)
    assert np.abs(near - data.boxes).max() < 12


def test_without_torch_it_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(making, "has", lambda extra: False)
    with pytest.raises(MissingData, match="--system vild trains, which needs pip install"):
        make_workspace(tmp_path / "w", system="vild")


@pytest.mark.slow
def test_novel_things_are_found(tmp_path, monkeypatch, hoitool):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    done = hoitool("demo", "here", "--system", "vild")
    assert done.code == 0, done.err
    result = json.loads((tmp_path / "here" / "report" / "result.json").read_text())
    found = {each["split"]: each["metrics"]["AP50"] for each in result["results"]}
    assert found["base"] > 0.7
    assert found["novel"] > 0.4
