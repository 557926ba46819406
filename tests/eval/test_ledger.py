"""A ledger gives the figures of the result that it was kept for."""

from __future__ import annotations

import numpy as np
import pytest
from builders import KITS

from hoitool.data import select_images, strings
from hoitool.errors import UsageError
from hoitool.eval import PROTOCOLS, score, variants
from hoitool.eval.ledger import Ledger, ledger_of, weighable_of

KEPT = [(name, variant) for name in PROTOCOLS for variant in variants(name) if hasattr(PROTOCOLS[name], "ledger")]


@pytest.mark.parametrize(("protocol", "variant"), KEPT)
class TestEveryLedger:
    @pytest.fixture
    def made(self, small, detected, protocol, variant):
        kit = KITS[protocol]
        truth = kit.variant(kit.truth(small.test), variant)
        found = kit.imperfect(truth, detected)
        return score(truth, found, protocol, variant), weighable_of(truth, found, protocol, variant)

    def test_weights_of_one_give_the_figures_of_the_result(self, made):
        result, ledger = made
        figures = ledger.figures_of(np.ones((len(ledger.images), 2), np.uint16))
        told = {(row.setting, row.split, name): value for row in result.rows for name, value in row.metrics.items()}
        assert set(figures) == set(told)
        for key, values in figures.items():
            np.testing.assert_allclose(values, told[key], rtol=0, atol=1e-12, err_msg=str(key))

    def test_weights_of_two_change_nothing(self, made):
        _, ledger = made
        once, twice = (ledger.figures_of(np.full((len(ledger.images), 1), n, np.uint16)) for n in (1, 2))
        for key, values in once.items():
            np.testing.assert_allclose(twice[key], values, atol=1e-12, err_msg=str(key))

    def test_without_images_there_is_no_figure(self, made):
        _, ledger = made
        figures = ledger.figures_of(np.zeros((len(ledger.images), 1), np.uint16))
        if not isinstance(ledger, Ledger):
            assert all(np.isnan(value) or value == 0 for value in figures.values())
            return
        lacking = {f.ranked for f in ledger.figures if (ledger.ranked[f.ranked].truths[f.among] == 0).any()}
        for figure in ledger.figures:
            if figure.ranked not in lacking:
                assert np.isnan(figures[figure.setting, figure.split, figure.metric]).all()


@pytest.mark.parametrize(("protocol", "variant"), [each for each in KEPT if not KITS[each[0]].every_image])
def test_without_predictions_all_figures_are_those_of_the_result(small, protocol, variant):
    kit = KITS[protocol]
    truth = kit.variant(kit.truth(small.test), variant)
    nothing = kit.nothing(kit.perfect(truth))
    figures = weighable_of(truth, nothing, protocol, variant).figures_of(np.ones((len(truth), 1), np.uint16))
    for row in score(truth, nothing, protocol, variant).rows:
        for name, value in row.metrics.items():
            assert figures[row.setting, row.split, name][0] == value == 0


def repeated(data, times):
    """The data with each image as often as `times` says by its key, the copies one after the other, under new keys."""
    counts = np.array([times[key] for key in data.key.tolist()])
    rows = np.repeat(np.arange(len(data)), counts)
    first = dict(zip(times, np.cumsum([0, *times.values()]).tolist(), strict=False))
    copy = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    names = [f"{first[data.key[row]] + k:06d}.jpg" for row, k in zip(rows.tolist(), copy.tolist(), strict=True)]
    return select_images(data, rows).with_columns(key=strings(names))


LEAVING_OUT = [  # classes without truths, so that images may vanish
    ("hico-det", "with-truth"),
    ("hico-det", "qpic"),
    ("hico", "official"),
    ("v-coco", "official"),
    ("open-images-vrd", "oid-challenge"),
    ("open-images-vrd", "rlipv2"),
    ("open-vocab", "coco"),
    ("open-vocab", "voc07"),
]


@pytest.mark.parametrize(
    ("protocol", "variant", "least"), [(*each, 1) for each in KEPT] + [(*e, 0) for e in LEAVING_OUT]
)
def test_whole_weights_are_as_good_as_images_that_are_really_there_again(small, detected, protocol, variant, least):
    kit = KITS[protocol]
    truth = kit.variant(kit.truth(small.test), variant)
    found = kit.imperfect(truth, detected)
    ledger = weighable_of(truth, found, protocol, variant)
    weights = np.random.default_rng(3).integers(least, 4, (len(ledger.images), 2))
    figures = ledger.figures_of(weights.astype(np.uint16))
    for b in (0, 1):
        times = dict(zip(ledger.images.tolist(), weights[:, b].tolist(), strict=True))
        times = {key: times[key] for key in truth.key.tolist()}
        result = score(repeated(truth, times), repeated(found, times), protocol, variant)
        for row in result.rows:
            for name, value in row.metrics.items():
                if (protocol, variant, name) == ("v-coco", "qpic", "mAP"):  # it gives rows of one image equal scores
                    assert row.metrics["mAP_low"] <= value <= row.metrics["mAP_high"]
                    continue
                assert figures[row.setting, row.split, name][b] == pytest.approx(value, abs=1e-12), (row.split, name)


def test_a_class_that_vanishes_is_left_out(small, detected):
    kit = KITS["hico-det"]
    truth = kit.truth(small.test)
    ledger = ledger_of(truth, kit.imperfect(truth, detected), "hico-det")
    ranked = ledger.ranked["default"]
    gone = int(ranked.truths.argmax())
    weights = np.ones((len(ledger.images), 1), np.uint16)
    weights[ranked.true_image[ranked.true_class == gone]] = 0
    ap, _ = ledger.classes_of("default", weights)
    assert np.isnan(ap[gone, 0])
    held = (ranked.truths > 0) & ~np.isnan(ap[:, 0])
    expected = ap[held, 0].sum() / (held | (ranked.truths == 0)).sum()
    assert ledger.figures_of(weights)["default", "full", "mAP"][0] == pytest.approx(expected)


def test_a_protocol_without_one_is_refused(small, detected, monkeypatch):
    monkeypatch.delattr(PROTOCOLS["hico-det"], "ledger")
    with pytest.raises(UsageError, match="keeps no record"):
        ledger_of(small.test, detected, "hico-det")


def test_a_ledger_without_a_ranking_is_no_ledger_of_detections(small, detected):
    truth = KITS["sgg"].truth(small.test)
    with pytest.raises(UsageError, match="no ranking of detections"):
        ledger_of(truth, KITS["sgg"].imperfect(truth, detected), "sgg")
