"""Curves from a ledger: they give back the figures, and agree with a slow way of counting."""

from __future__ import annotations

import numpy as np
import pytest
from builders import KITS
from hypothesis import given, settings
from hypothesis import strategies as st

from hoitool.diagnose.curves import COUNTS, mean_curve, pr_curve, recall_curve
from hoitool.eval.curves import THRESHOLDS, average_precision
from hoitool.eval.ledger import Ranked, ledger_of


def ranked_of(classes, truths, formula="symmetric"):
    """A ranking from (image, hit, score) rows of each class, sorted by score here, and (image, class) truths."""
    held = [sorted(rows, key=lambda row: -row[2]) for rows in classes]
    rows = [row for one in held for row in one]
    image, hit, score = (np.array(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    true = np.array(truths, int).reshape(-1, 2)
    return Ranked(
        names=np.array([f"class {k}" for k in range(len(classes))], object),
        starts=np.concatenate([[0], np.cumsum([len(one) for one in held])]),
        image=np.array(image, int),
        hit=np.array(hit, bool),
        score=np.array(score, float),
        row=np.arange(len(rows)),
        true_image=true[:, 0],
        true_class=true[:, 1],
        formula=formula,
        bare_recall=np.zeros(len(classes)),
    )


@pytest.fixture(scope="module", params=["hico-det", "v-coco"])
def ledger(request, small, detected):
    kit = KITS[request.param]
    truth = kit.truth(small.test)
    return ledger_of(truth, kit.imperfect(truth, detected), request.param)


def test_the_mean_curve_at_the_thresholds_has_the_mean_ap(ledger):
    figures = ledger.figures_of(np.ones((len(ledger.images), 1), np.uint16))
    eleven = [f for f in ledger.figures if f.what == "ap" and ledger.ranked[f.ranked].formula in THRESHOLDS]
    for figure in eleven:
        ranked = ledger.ranked[figure.ranked]
        points = np.array(THRESHOLDS[ranked.formula])
        mean = mean_curve(ranked, figure.among, points).mean()
        assert mean == pytest.approx(figures[figure.setting, figure.split, figure.metric][0], abs=1e-12)


def test_the_area_of_a_curve_is_the_ap_of_all_points(ledger):
    for name, ranked in ledger.ranked.items():
        ap, recall = ledger.classes_of(name, np.ones((len(ledger.images), 1), np.uint16))
        for number in np.flatnonzero(ranked.truths):
            curve = pr_curve(ranked, number)
            x, y = curve.steps()
            assert (np.diff(x) >= 0).all() and (np.diff(y) <= 0).all()
            if ranked.formula == "area":
                assert (np.diff(x) * y[:-1]).sum() == pytest.approx(ap[number, 0], abs=1e-12)
            assert x[-1] == pytest.approx(recall[number, 0])


def test_all_detections_find_the_final_recall(ledger):
    for name, ranked in ledger.ranked.items():
        held = ranked.truths > 0
        _, recall = ledger.classes_of(name, np.ones((len(ledger.images), 1), np.uint16))
        told = recall_curve(ranked, held, (10**6,))[0]
        assert told == pytest.approx(recall[held, 0].mean())
        over = recall_curve(ranked, held, COUNTS)
        assert (np.diff(over) >= 0).all() and over[-1] <= told + 1e-12


ROWS = st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.integers(0, 5).map(lambda n: n / 5)), max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=3))
def test_curves_agree_with_counting_by_hand(classes):
    truths = [(0, k) for k, rows in enumerate(classes) for _ in range(sum(hit for _, hit, _ in rows) + 1)]
    ranked = ranked_of(classes, truths)
    for k in range(len(classes)):
        curve, hits = pr_curve(ranked, k), ranked.hit[ranked.of_class(k)]
        total = int(ranked.truths[k])
        for asked in (0.0, 0.25, 0.5, 1.0):
            held = [hits[: n + 1].sum() / (n + 1) for n in range(len(hits)) if hits[: n + 1].sum() / total >= asked]
            assert curve.at(np.array([asked]))[0] == pytest.approx(max(held, default=0.0))
        ap = average_precision(np.flatnonzero(hits), total, "symmetric")
        assert curve.at(np.array(THRESHOLDS["symmetric"])).mean() == pytest.approx(ap)
    by_image = {image: [] for image in range(4)}
    for at in np.argsort(-ranked.score, kind="stable"):
        by_image[int(ranked.image[at])].append(int(at))
    for count in (1, 2, 5):
        looked = {at for rows in by_image.values() for at in rows[:count]}
        found = [
            sum(ranked.hit[at] for at in range(*ranked.of_class(k).indices(len(ranked.hit))) if at in looked)
            / ranked.truths[k]
            for k in range(len(classes))
        ]
        assert recall_curve(ranked, np.ones(len(classes), bool), (count,))[0] == pytest.approx(np.mean(found))


def test_classes_without_detections_or_truths_have_no_curve():
    ranked = ranked_of([[], [(0, False, 0.5)], [(0, True, 0.5)]], [(0, 0), (0, 2)])
    assert pr_curve(ranked, 0).at(np.array([0.0, 1.0])).tolist() == [0.0, 0.0]
    assert (pr_curve(ranked, 1).truths, len(pr_curve(ranked, 1).recall)) == (0, 0)
    assert pr_curve(ranked, 0).steps()[0].tolist() == [0.0]
    assert mean_curve(ranked, np.ones(3, bool), np.array([0.0, 1.0])).tolist() == pytest.approx([1 / 3, 1 / 3])
    assert np.isnan(mean_curve(ranked, np.zeros(3, bool))).all()
    assert recall_curve(ranked, np.ones(3, bool), (1, 2)).tolist() == [0.0, 0.5]
    assert np.isnan(recall_curve(ranked, np.array([False, True, False]), (1,)))
