"""Captions of synthetic scenes: seeded, valid, and they name what is there."""

from __future__ import annotations

from hoitool.data import validate
from hoitool.data.synthetic import scenes
from hoitool.data.synthetic_captions import captioned


def test_every_caption_names_the_objects_of_its_pairs():
    data = scenes(1, 0.2).test
    made = captioned(data, captions=3)
    validate(made)
    assert len(made) == (data.counts("pair") > 0).sum()
    assert set(made.counts("caption").tolist()) == {3}
    space, image = made.meta.labels, made.image_of("caption")
    for text, i in zip(made.need("caption_text"), image, strict=True):
        pairs = made.need("label")[made.pair_offsets[i] : made.pair_offsets[i + 1]]
        assert all(space.objects[space.interaction_objects[label]] in text for label in pairs)


def test_the_same_seed_says_the_same_and_a_scene_is_told_in_several_ways():
    data = scenes(1, 0.2).train
    one, again, other = (captioned(data, seed=seed).need("caption_text").tolist() for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert len(set(one)) > len(data)
