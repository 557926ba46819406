"""Caps and pair NMS against slow, literal code."""

from __future__ import annotations

import numpy as np
from builders import predictions_of
from hypothesis import given, settings
from hypothesis import strategies as st

from hoitool.data import top_k
from hoitool.eval.matching import Overlap, Pairs
from hoitool.eval.suppression import PairSuppression, best_per_image, suppress

RULE = PairSuppression(threshold=0.7, human_power=1.0, object_power=0.5)
coordinate = st.sampled_from([0.0, 1.0, 2.0, 18.0, 20.0])
box = st.tuples(coordinate, coordinate, st.sampled_from([20.0, 21.0, 30.0]), st.sampled_from([20.0, 22.0, 30.0]))
row = st.tuples(st.integers(0, 2), box, box, st.integers(0, 2), st.sampled_from([0.1, 0.2, 0.5, 0.9]))


def _iou(a, b):
    width, height = (max(0.0, min(a[k + 2], b[k + 2]) - max(a[k], b[k]) + 1) for k in (0, 1))
    size = [(v[2] - v[0] + 1) * (v[3] - v[1] + 1) for v in (a, b)]
    return width * height / (sum(size) - width * height)


@settings(deadline=None)
@given(st.lists(row, max_size=20))
def test_suppression_is_greedy_nms_of_each_image_and_label(rows):
    predictions = predictions_of(rows)
    pairs = Pairs.of(predictions)
    human, obj = predictions.boxes[pairs.human], predictions.boxes[pairs.object]
    expected = []
    for image in range(3):
        for label in range(3):
            mine = [i for i in range(len(pairs)) if (pairs.image[i], pairs.label[i]) == (image, label)]
            left = sorted(mine, key=lambda i: pairs.score[i])[::-1]
            while left:
                best = left.pop(0)
                expected.append(best)
                left = [i for i in left if _iou(human[best], human[i]) * _iou(obj[best], obj[i]) ** 0.5 <= 0.7]
    kept = suppress(pairs, RULE, Overlap())
    assert sorted(kept.tolist()) == sorted(expected)
    ranked = [(int(pairs.image[i]), -float(pairs.score[i]), -i) for i in kept]
    assert ranked == sorted(ranked)


@settings(deadline=None)
@given(st.lists(row, max_size=20), st.integers(1, 4))
def test_the_cap_keeps_what_top_k_keeps(rows, most):
    predictions = predictions_of(rows)
    kept = Pairs.of(predictions).take(best_per_image(Pairs.of(predictions), most))
    expected = Pairs.of(top_k(predictions, most))
    assert np.array_equal(kept.image, expected.image)
    assert np.array_equal(kept.score, expected.score)
