"""Articles by sound, pairs and masses, the third person."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoitool.labels import english, load_labels

NAMES = {english.words(name) for space in ("hico", "v-coco") for name in load_labels(space).objects}


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("umbrella", "an umbrella"),
        ("unicycle", "a unicycle"),
        ("uniform", "a uniform"),
        ("uninflated ball", "an uninflated ball"),
        ("used car", "a used car"),
        ("usher", "an usher"),
        ("utensil", "a utensil"),
        ("ukulele", "a ukulele"),
        ("urn", "an urn"),
        ("urinal", "a urinal"),
        ("ewe", "a ewe"),
        ("European car", "a European car"),
        ("one-eyed cat", "a one-eyed cat"),
        ("onion", "an onion"),
        ("hourglass", "an hourglass"),
        ("honest person", "an honest person"),
        ("house", "a house"),
        ("x-ray", "an x-ray"),
        ("tv", "a tv"),
        ("Apple", "an Apple"),
        ("scissors", "a pair of scissors"),
        ("skis", "a pair of skis"),
        ("broccoli", "some broccoli"),
        ("something", "something"),
        ("nothing", "nothing"),
    ],
)
def test_one_thing(phrase, expected):
    assert english.one(phrase) == expected


@pytest.mark.parametrize(
    ("noun", "attribute", "expected"),
    [
        ("car", "orange", "an orange car"),
        ("umbrella", "red", "a red umbrella"),
        ("skis", "orange", "a pair of orange skis"),
        ("broccoli", "old", "some old broccoli"),
        ("something", "red", "something red"),
    ],
)
def test_the_article_follows_the_attribute(noun, attribute, expected):
    assert english.one(noun, attribute) == expected


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("ride", "rides"),
        ("hop on", "hops on"),
        ("carry", "carries"),
        ("play", "plays"),
        ("watch", "watches"),
        ("push", "pushes"),
        ("kiss", "kisses"),
        ("toss to", "tosses to"),
        ("go", "goes"),
        ("have", "has"),
        ("be", "is"),
    ],
)
def test_third_person(verb, expected):
    assert english.third_person(verb) == expected


def test_the_objects_of_the_packaged_label_spaces_that_begin_with_a_vowel():
    an = {name for name in NAMES if english.one(name).startswith("an ")}
    assert an == {"airplane", "apple", "elephant", "orange", "oven", "umbrella"}


@given(st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1))
def test_consonants_other_than_h_and_x_take_a(word):
    if word[0] not in "aeiouhx":
        assert english.article(word) == "a"
    elif word[0] in "ai":
        assert english.article(word) == "an"
