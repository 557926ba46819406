"""Prompt sets: the packaged ones, a user's own, and files that are wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from hoitool.errors import DataError, MissingData, UsageError
from hoitool.labels.prompts import INSTEAD, PHRASES, PROMPT_SETS, fields_of, load_prompts, parse

PACKAGED = Path(__file__).parents[2] / "hoitool" / "labels" / "prompt_sets"
OWN = """
name: own
templates: ["a sketch of {phrase}"]
phrases:
  interaction: "{verb_ing} {an_object}"
"""


# the packaged sets


def test_the_table_names_the_packaged_files():
    assert sorted(PROMPT_SETS) == sorted(path.stem for path in PACKAGED.glob("*.yaml"))


@pytest.mark.parametrize("name", PROMPT_SETS)
def test_every_packaged_set_has_what_every_label_needs(name):
    prompts = load_prompts(name)
    assert prompts.name == name
    assert prompts.source
    for kind, known in PHRASES.items():
        assert set(fields_of(prompts.phrase(kind))) <= set(known)
    assert load_prompts(PACKAGED / f"{name}.yaml") == prompts


@pytest.mark.parametrize("name", ["clip-7", "clip-ensemble"])
def test_clip_templates_are_the_published_ones(name):
    metadata = pytest.importorskip("open_clip.zero_shot_metadata")
    published = {
        "clip-7": metadata.SIMPLE_IMAGENET_TEMPLATES,
        "clip-ensemble": metadata.OPENAI_IMAGENET_TEMPLATES,
    }
    assert load_prompts(name).templates == tuple(template("{phrase}") for template in published[name])


def test_clip_s_seven_are_among_its_eighty():
    seven, eighty = load_prompts("clip-7").templates, load_prompts("clip-ensemble").templates
    assert (len(seven), len(eighty), len(set(eighty))) == (7, 80, 80)
    assert set(seven) <= set(eighty)


def test_sets_of_different_wording_have_different_hashes():
    sets = [load_prompts(name) for name in PROMPT_SETS]
    assert len({prompts.hash for prompts in sets}) == len(sets)


def test_the_hash_is_of_the_wording_only():
    photo = load_prompts("photo")
    assert replace(photo, name="other", source="nobody").hash == photo.hash
    turned = dict(reversed(photo.phrases.items()))
    assert replace(photo, phrases=turned).hash == photo.hash
    for changed in (
        {"templates": (*photo.templates, "{phrase}")},
        {"phrases": photo.phrases | {"object": "{object}"}},
        {"an_before": "aeiou"},
    ):
        assert replace(photo, **changed).hash != photo.hash


# a user's own


def test_a_file_is_a_set(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("\ufeff" + OWN, encoding="utf-8")
    prompts = load_prompts(path)
    assert prompts.templates == ("a sketch of {phrase}",)
    assert prompts.phrases == {"interaction": "{verb_ing} {an_object}"}
    assert load_prompts(str(path)) == prompts


def test_what_a_set_leaves_out_is_taken_from_the_nearest_phrase():
    own = parse(OWN, "own.yaml")
    assert own.phrase("no_interaction") == own.phrases[INSTEAD["no_interaction"]]
    assert own.phrase("line") == "{line}"
    with pytest.raises(UsageError, match=r"set 'own' has no phrase 'object'; it has interaction\. .*photo"):
        own.phrase("object")


# wrong names and files


def test_an_unknown_name_is_told_the_nearest():
    with pytest.raises(UsageError, match="No prompt set named 'foto'. Did you mean 'photo'"):
        load_prompts("foto")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MissingData, match=r"none\.yaml: no such file"):
        load_prompts(tmp_path / "none.yaml")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00n", b"name: \x00"])
def test_bytes_that_are_no_text(tmp_path, content):
    path = tmp_path / "own.yaml"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"own\.yaml") as caught:
        load_prompts(path)
    assert "\n" not in str(caught.value)


def changed(**changes):
    table = yaml.safe_load(OWN)
    return yaml.safe_dump({k: v for k, v in (table | changes).items() if v != "absent"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: [", r"own.yaml, line \d+: not YAML \(.*quotes"),
        ("name: own\nphrases:\n  object: {object}: b", r"line 3: not YAML"),
        ("!!python/object/apply:os.system ['true']", "line 1: not YAML"),
        ("- photo", r"expected keys with values \(name, .*came a list"),
        ("# nothing", "expected keys with values .*came nothing"),
        (changed(templats=["{phrase}"]), "No key named 'templats'. Did you mean 'templates'"),
        (changed(templates="absent"), "no key 'templates', which a prompt set needs; it has name, phrases"),
        (changed(name=2024), "name: expected a text, came a int"),
        (changed(name="a/b"), "name: expected letters, digits.*came 'a/b'"),
        (changed(source=["x"]), "source: expected a text, came a list"),
        (changed(an_before=""), "an_before: expected a text, came nothing"),
        (changed(templates="{phrase}"), "templates: expected a list of texts with {phrase}, came a str"),
        (changed(templates=[]), "templates: expected a list.*came nothing"),
        (changed(templates=["{phrase}", 3]), "templates, number 2: expected a text, came a int"),
        (changed(templates=["a photo"]), "templates, number 1: expected a text with {phrase}, came 'a photo'"),
        (changed(templates=["{phrase}", "{phrase}"]), "templates, number 2: repeats number 1"),
        (changed(templates=["{frase}"]), "templates, number 1: No field named 'frase'. Did you mean 'phrase'"),
        (changed(templates=["{phrase"]), r"templates, number 1: expected fields as {phrase}, came '{phrase' \("),
        (changed(phrases=[]), "phrases: expected keys with values .*came nothing"),
        (changed(phrases={}), "phrases: expected at least one of interaction, .*came none"),
        (changed(phrases={"objects": "x"}), "phrases: No key named 'objects'. Did you mean 'object'"),
        (changed(phrases={"object": None}), "phrases: object: expected a text, came nothing"),
        (changed(phrases={"object": "{an_objct}"}), "object: No field named 'an_objct'. Did you mean 'an_object'"),
        (changed(phrases={"object": "{verb_ing}"}), "object: No field named 'verb_ing'. Known: object, an_object"),
        (changed(phrases={"object": "{}"}), "object: No field named ''"),
        (changed(phrases={"object": "{0}"}), "object: No field named '0'"),
        (changed(phrases={"object": "{object.__class__}"}), "object: No field named 'object.__class__'"),
        (changed(phrases={"object": "{object!r}"}), "object: expected {object} without a format"),
        (changed(phrases={"object": "{object:>999999999}"}), "object: expected {object} without a format"),
        (changed(phrases={3: "x"}), "phrases: No key named '3'"),
        ("name: " + "[" * 5000, "own.yaml"),
        ("a: &a [x,x,x,x]\nb: &b [*a,*a,*a,*a]\nname: [*b,*b,*b,*b]", "No key named 'a'"),
    ],
)
def test_wrong_sets_are_told_in_one_line(text, told):
    with pytest.raises(DataError, match=told) as caught:
        parse(text, "own.yaml")
    assert re.match(r"own\.yaml[:,]", str(caught.value))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
