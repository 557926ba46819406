"""The page on recipes says what the recipes and their settings are."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from hoitool.train.recipe import names, paths, resolve
from hoitool.train.systems import RECIPES

DOCS = Path(__file__).parent.parent.parent / "docs"


@pytest.fixture(scope="module")
def page():
    return (DOCS / "recipes.md").read_text(encoding="utf-8")


def test_the_tables_are_what_the_recipes_say(page):
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert page == generate.recipes_page(page), "run python docs/generate.py"


def test_every_recipe_and_setting_is_on_it(page):
    settings = [path for recipe in RECIPES.values() for path in paths(recipe)]
    for name in [*names(), *settings]:
        assert f"| `{name}` |" in page, name


def test_the_example_of_a_file_is_a_recipe(page, tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "own.yaml").write_text(text)
    made = resolve(tmp_path / "own.yaml")
    assert (made.model.image_size, made.optimise.batch, made.optimise.schedule.warmup) == (352, 64, 1)
