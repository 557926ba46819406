"""Pairs of a dataset's boxes against the record of the published code, and what each may be against its definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoitool.data import Dataset, Meta, no_pairs, offsets_of, strings, to_frame
from hoitool.errors import UsageError
from hoitool.labels import build, load_labels
from hoitool.models.pairing import PUBLISHED, pairs
from hoitool.predict.candidates import candidates

HICO = load_labels("hico")


def boxes_of(boxes, categories, scores, counts, frame="continuous", space=HICO):
    columns = {"boxes": boxes, "categories": categories.astype(np.int32), "box_scores": scores}
    return Dataset(
        meta=Meta(space, box_frame=frame),
        key=strings([str(i) for i in range(len(counts))]),
        width=np.full(len(counts), 200, np.int32),
        height=np.full(len(counts), 100, np.int32),
        **no_pairs(len(counts)) | columns | {"box_offsets": offsets_of(counts)},
    )


def test_pairs_and_powers_of_the_published_code(shared):
    load_file = pytest.importorskip("safetensors.numpy").load_file
    held = load_file(shared("parity/defr/hoi_detection.safetensors"))
    boxes, scores, classes = (held[f"pair/in/{name}"] for name in ("boxes", "scores", "labels"))
    classes = np.where(classes == 49, HICO.person, classes)
    made = candidates(boxes_of(boxes, classes, scores, [len(boxes)]))
    np.testing.assert_array_equal(boxes[made.human], held["pair/out/boxes_h"])
    np.testing.assert_array_equal(boxes[made.object], held["pair/out/boxes_o"])
    expected = held["pair/out/prior"].prod(axis=0).max(axis=1)
    takes = expected > 0  # the record's own table has no interaction of some objects
    np.testing.assert_allclose(made.prior[takes], expected[takes], rtol=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=5), st.integers(0, 2**32 - 1))
def test_each_image_has_its_own_pairs_and_each_pair_its_interactions(counts, seed):
    rng = np.random.default_rng(seed)
    total = sum(counts)
    low = rng.integers(0, 60, (total, 2))
    boxes = np.concatenate([low, low + rng.integers(0, 40, (total, 2))], axis=1).astype(float)
    classes, scores = rng.choice([-1, HICO.person, 3, 17], total), rng.integers(0, 11, total) / 10
    made = candidates(boxes_of(boxes, classes, scores, counts))
    start = 0
    for image, count in enumerate(counts):
        rows = start + np.flatnonzero(classes[start : start + count] >= 0)
        human, obj = (rows[side] for side in pairs(boxes[rows], scores[rows], classes[rows], HICO.person))
        mine = slice(made.offsets[image], made.offsets[image + 1])
        np.testing.assert_array_equal(made.human[mine], human - start)
        np.testing.assert_array_equal(made.object[mine], obj - start)
        pair, label = made.rows(image)
        taken = HICO.interaction_objects == classes[obj][:, None]  # (P, K)
        np.testing.assert_array_equal([pair - made.offsets[image], label], np.nonzero(taken))
        start += count


@pytest.mark.parametrize("frame", ["inclusive", "normalised"])
def test_frames_do_not_change_what_overlaps(frame):
    rng = np.random.default_rng(0)
    low = rng.integers(0, 50, (40, 2))
    boxes = np.concatenate([low, low + rng.integers(5, 50, (40, 2))], axis=1).astype(float)
    data = boxes_of(boxes, rng.choice([HICO.person, 3], 40), rng.random(40), [40])
    expected, made = candidates(data), candidates(to_frame(data, frame))
    np.testing.assert_array_equal(made.human, expected.human)
    np.testing.assert_array_equal(made.object, expected.object)
    assert len(expected.human) > 50


def test_the_rule_is_asked(small):
    few = replace(PUBLISHED, most_humans=1, most_others=1)
    assert len(candidates(small.test, few).human) < len(candidates(small.test).human)


def test_labels_without_a_person_are_told():
    space = build("cats", "a test", [("cat", 17), ("dog", 18)], [("chase", "chasing")], [("chase", "dog", 3)])
    data = boxes_of(np.array([[0.0, 0, 5, 5]]), np.array([0]), np.array([0.5]), [1], space=space)
    with pytest.raises(UsageError, match="label space 'cats' has no object 'person'"):
        candidates(data)
