"""Synthetic scenes: seeded, valid, long-tailed, and geometry that decides the verb."""

from __future__ import annotations

import numpy as np
import pytest
from strategies import assert_same

from hoitool.data import class_counts, validate
from hoitool.data.synthetic import OBJECTS, RARE_SHARE, ZONES, scenes, zone_of
from hoitool.labels import load_labels


@pytest.fixture(scope="module", params=[0, 1, 2])
def made(request):
    return scenes(request.param, scale=0.5)


@pytest.fixture(params=["train", "test"])
def data(made, request):
    return getattr(made, request.param)


def test_the_same_seed_gives_the_same_scenes():
    for subset in ("train", "test"):
        assert_same(getattr(scenes(3, 0.2), subset), getattr(scenes(3, 0.2), subset))


def test_another_seed_gives_other_scenes():
    one, other = scenes(3, 0.2), scenes(4, 0.2)
    assert one.train.meta.labels.train_instances.tolist() != other.train.meta.labels.train_instances.tolist()
    assert one.train.boxes[:10].tolist() != other.train.boxes[:10].tolist()
    assert one.test.boxes[:10].tolist() != other.test.boxes[:10].tolist()


def test_they_are_valid(data):
    validate(data)


def test_every_class_occurs_in_both_subsets(made):
    assert class_counts(made.train).min() >= 1
    assert class_counts(made.test).min() >= 2


def test_rare_classes_have_fewer_than_10_training_pairs(made):
    labels, counts = made.train.meta.labels, class_counts(made.train)
    assert counts.tolist() == labels.train_instances.tolist()
    assert counts[labels.rare].max() < 10
    assert counts[~labels.rare].min() >= 10
    assert int(labels.rare.sum()) == round(RARE_SHARE * len(labels))


def test_more_scale_means_more_of_the_common_classes_only():
    few, many = (scenes(0, scale).train for scale in (0.2, 2.0))
    rare = few.meta.labels.rare
    assert rare.tolist() == many.meta.labels.rare.tolist()
    assert class_counts(few)[rare].tolist() == class_counts(many)[rare].tolist()
    assert class_counts(many).sum() > 2 * class_counts(few).sum()


def test_the_zone_of_the_object_decides_the_verb(data):
    labels = data.meta.labels
    human, obj = (data.boxes[data.pair_boxes(side)] for side in ("subject", "object"))
    for pair, label in enumerate(data.label):
        name, verb = labels.interaction_name(label).split()[1], labels.verbs[labels.interaction_verbs[label]]
        assert OBJECTS[name][2][ZONES.index(zone_of(human[pair], obj[pair]))] == verb


@pytest.mark.parametrize(
    ("shift", "zone"),
    [
        ((0, 0), "on"),
        ((0, -11), "above"),
        ((0, 11), "below"),
        ((21, 40), "beside"),
        ((-21, 0), "beside"),
        ((-51, 0), "far"),
    ],
)
def test_zones_are_what_they_are_called(shift, zone):
    human = np.array([100, 100, 119, 139])
    assert zone_of(human, human + np.array([*shift, *shift])) == zone


def test_boxes_are_whole_pixels_inside_their_image(data):
    image = data.image_of("box")
    assert (data.boxes == np.floor(data.boxes)).all()
    assert (data.boxes[:, :2] >= 0).all()
    assert (data.boxes[:, 2] < data.width[image]).all()
    assert (data.boxes[:, 3] < data.height[image]).all()
    assert (data.boxes[:, 2:] > data.boxes[:, :2]).all()


def test_pairs_join_a_person_to_the_object_of_their_label(data):
    labels = data.meta.labels
    assert (data.categories[data.pair_boxes("subject")] == labels.person).all()
    assert (data.categories[data.pair_boxes("object")] == labels.interaction_objects[data.label]).all()


def test_image_labels_hold_those_of_the_pairs(data):
    hidden = 0
    for image in range(len(data)):
        pairs = data.label[data.pair_offsets[image] : data.pair_offsets[image + 1]].tolist()
        held = data.image_label[data.image_label_offsets[image] : data.image_label_offsets[image + 1]].tolist()
        assert set(pairs) <= set(held)
        assert len(held) == len(set(held))
        hidden += len(set(held) - set(pairs))
    assert 0 < hidden < len(data) / 5
    assert (data.image_value == 1).all()


def test_some_images_show_no_pair(data):
    assert (data.counts("pair") == 0).any()


def test_all_its_interactions_are_hico_s(made):
    hico, labels = load_labels("hico"), made.train.meta.labels
    for label in range(len(labels)):
        verb, obj = labels.interaction_name(label).split()
        assert hico.interaction_index(verb, obj) >= 0
    assert labels.coco_ids[labels.person] == 1


def test_images_of_the_subsets_have_other_names(made):
    assert not set(made.train.key) & set(made.test.key)
    assert (made.train.meta.subset, made.test.meta.subset) == ("train", "test")
    assert made.train.meta.labels.hash == made.test.meta.labels.hash
