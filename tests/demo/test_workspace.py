"""The demo's workspace: its recipes, and people who wear what they do."""

from __future__ import annotations

import numpy as np
import pytest

import hoitool.demo
from hoitool.convert.captions import read_captions
from hoitool.data.synthetic import ZONES, zone_of
from hoitool.demo import make_workspace
from hoitool.demo.draw import CLOTHES, COLOURS, IDLE, SKIN, draw
from hoitool.demo.recognising import RECIPES
from hoitool.errors import MissingData, UsageError
from hoitool.train.recipe import resolve


@pytest.mark.parametrize("encoder", RECIPES)
def test_its_recipes_start_from_language(tmp_path, encoder):
    (tmp_path / "recipe.yaml").write_text(RECIPES[encoder])
    made = resolve(tmp_path / "recipe.yaml")
    assert (made.name, made.model.classifier.init, made.model.classifier.encoder) == ("demo", "language", encoder)
    assert made.predict.task == "detection"


@pytest.mark.parametrize(("extras", "encoder"), [({"torch"}, "hashed"), ({"torch", "minilm"}, "minilm")])
def test_it_takes_the_recipe_for_what_is_installed(tmp_path, monkeypatch, extras, encoder):
    pytest.importorskip("torch")
    monkeypatch.setattr(hoitool.demo, "has", lambda extra: extra in extras)
    written = make_workspace(tmp_path / "w")
    assert tmp_path / "w" / "recipe.yaml" in written
    assert (tmp_path / "w" / "recipe.yaml").read_text() == RECIPES[encoder]


def test_matching_needs_torch_and_makes_pictures_and_captions(tmp_path, monkeypatch):
    monkeypatch.setattr(hoitool.demo, "has", lambda extra: False)
    with pytest.raises(MissingData, match=r"^[^\n]*--system vse[^\n]*pip install[^\n]*$"):
        make_workspace(tmp_path / "w", system="vse")
    assert not (tmp_path / "w").exists()
    monkeypatch.setattr(hoitool.demo, "has", lambda extra: True)
    make_workspace(tmp_path / "w", system="vse")
    held = read_captions(tmp_path / "w" / "raw" / "demo" / "captions_test.json")
    assert set(held.counts("caption").tolist()) == {5}
    assert len(list((tmp_path / "w" / "raw" / "demo" / "images" / "test").iterdir())) == len(held)
    assert resolve(tmp_path / "w" / "recipe.yaml").model.name == "vse"


def test_an_unknown_system_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match="No system to demonstrate named 'vsee'. Did you mean 'vse'"):
        make_workspace(tmp_path / "w", system="vsee")
    assert not (tmp_path / "w").exists()


def test_has_looks_for_every_package_of_an_extra(monkeypatch):
    monkeypatch.setattr(hoitool.demo, "EXTRAS", {"numpy": "one", "not_there": "two", "scipy": "two"})
    assert (hoitool.demo.has("one"), hoitool.demo.has("two")) == (True, False)


def test_people_wear_the_colour_of_their_object_s_zone(small):
    data = small.train
    human, obj = (data.boxes[data.pair_boxes(side)] for side in ("subject", "object"))
    seen = set()
    for pair, image in enumerate(data.image_of("pair").tolist()):
        zone = zone_of(human[pair], obj[pair])
        x1, y1, x2, y2 = human[pair]
        torso = int((x1 + x2) / 2), int(y1 + 0.6 * (y2 - y1))
        assert draw(data, image, np.random.default_rng(0)).getpixel(torso) == CLOTHES[zone]
        seen.add(zone)
    assert seen == set(ZONES) == set(CLOTHES)


def test_no_two_things_look_alike():
    colours = [SKIN, IDLE, *CLOTHES.values(), *COLOURS.values()]
    assert len(set(colours)) == len(colours)
