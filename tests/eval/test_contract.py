"""What every protocol must do, in every variant."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from builders import KITS, as_predictions

from hoitool.data import Meta, select_images, select_pairs
from hoitool.errors import DataError, UsageError
from hoitool.eval import PROTOCOLS, explained, from_json, score, variants
from hoitool.labels import load_labels

EVERY = [(protocol, variant) for protocol in PROTOCOLS for variant in variants(protocol)]


@pytest.fixture
def truth(small, protocol, variant):
    """The test scenes, or a truth of the protocol's own kind."""
    return KITS[protocol].variant(KITS[protocol].truth(small.test), variant)


@pytest.fixture
def found(truth, detected, protocol):
    """A protocol's kind of predictions for the truth."""
    return KITS[protocol].imperfect(truth, detected)


@pytest.mark.parametrize(("protocol", "variant"), EVERY)
class TestEveryVariant:
    def test_perfect_predictions_score_one(self, truth, protocol, variant):
        result = score(truth, KITS[protocol].perfect(truth), protocol, variant)
        for row in result.rows:
            assert row.metrics[result.headline] == pytest.approx(1), row
            assert row.metrics.get("recall", 1) == pytest.approx(1), row

    def test_no_predictions_score_zero_and_say_so(self, truth, protocol, variant):
        if KITS[protocol].every_image:
            with pytest.raises(DataError, match="has no scores of whole images"):
                score(truth, as_predictions(truth), protocol, variant)
            return
        nothing = KITS[protocol].nothing(KITS[protocol].perfect(truth))
        result = score(truth, nothing, protocol, variant)
        assert {row.metrics[result.headline] for row in result.rows} == {0}
        assert any("no predictions" in note for note in result.notes)

    def test_the_order_of_images_does_not_matter(self, truth, found, protocol, variant):
        shuffled = select_images(found, np.random.default_rng(0).permutation(len(found)))
        assert score(truth, shuffled, protocol, variant).rows == score(truth, found, protocol, variant).rows

    def test_a_monotone_change_of_scores_does_not_matter(self, truth, found, protocol, variant):
        changed = KITS[protocol].rescored(found)
        assert score(truth, changed, protocol, variant).rows == score(truth, found, protocol, variant).rows

    def test_predictions_are_between_nothing_and_perfect(self, truth, found, protocol, variant):
        assert 0.2 < score(truth, found, protocol, variant).mean() < 0.98

    def test_the_envelope_is_json_and_comes_back(self, truth, found, protocol, variant):
        result = score(truth, found, protocol, variant)
        held = json.loads(result.to_json())
        assert list(held)[:6] == ["schema", "protocol", "variant", "signature", "results", "inputs"]
        assert from_json(result.to_json(), "here").rows == result.rows

    def test_images_not_predicted_are_scored_as_empty(self, truth, detected, found, protocol, variant):
        some = (detected if KITS[protocol].every_image else found).counts(KITS[protocol].group) > 0
        assert not some.all()
        without = select_images(found, some)
        if KITS[protocol].every_image:
            with pytest.raises(DataError, match="no scores of the image 'demo_test_.*are missing"):
                score(truth, without, protocol, variant)
            return
        assert score(truth, without, protocol, variant).rows == score(truth, found, protocol, variant).rows

    def test_the_signature_names_the_variant_and_every_field(self, truth, found, protocol, variant):
        signature = score(truth, found, protocol, variant).signature
        assert signature.startswith(f"{protocol}/{variant}|")
        assert "\n" not in signature
        for field in explained(protocol)["fields"]:
            assert f"|{field['name']}:" in signature


def test_signatures_differ_between_variants():
    for protocol in PROTOCOLS:
        told = [variant["signature"].partition("|")[2] for variant in explained(protocol)["variants"]]
        assert len(set(told)) == len(told)


def test_unknown_names_are_suggested(small, detected):
    with pytest.raises(UsageError, match=r"protocol named 'hico-dte'.*'hico-det'"):
        score(small.test, detected, "hico-dte")
    with pytest.raises(UsageError, match=r"variant of hico-det named 'qpc'.*'qpic'"):
        score(small.test, detected, "hico-det", "qpc")
    result = score(small.test, detected)
    with pytest.raises(UsageError, match="split named 'rrae'"):
        result.mean("rrae")
    with pytest.raises(UsageError, match="setting named 'knwon-object'"):
        result.mean(setting="knwon-object")
    with pytest.raises(UsageError, match="metric named 'map'"):
        result.mean(metric="map")


def test_annotations_are_not_predictions_and_the_other_way_round(small, detected):
    with pytest.raises(DataError, match="expected predictions"):
        score(small.test, small.test)
    with pytest.raises(DataError, match="expected annotations"):
        score(detected, detected)


def test_predictions_for_another_subset_are_refused(small, detected):
    with pytest.raises(DataError, match=r"all \d+ images are unknown.*'test', the truth is 'train'"):
        score(small.train, detected)


def test_an_unknown_image_is_named(small, detected):
    key = detected.key.copy()
    key[3] = "elsewhere.jpg"
    with pytest.raises(DataError, match=r"'elsewhere.jpg'.*1 of \d+ images"):
        score(small.test, detected.with_columns(key=key))


def test_another_label_space_is_refused_and_told_apart(small, detected):
    other = detected.with_columns(replace(detected.meta, labels=load_labels("hico")))
    with pytest.raises(DataError, match=r"'hico' differs from 'demo' in its objects .*verbs .*interactions"):
        score(small.test, other)


def test_swapped_corners_are_scored_and_counted(small, detected):
    boxes = detected.boxes.copy()
    boxes[:2] = boxes[:2][:, [2, 3, 0, 1]]
    result = score(small.test, detected.with_columns(boxes=boxes))
    assert result.inputs["predictions"]["swapped_boxes"] == 2


def test_without_image_labels_known_object_has_another_name_and_says_so(small, detected):
    bare = small.test.with_columns(image_label=None, image_value=None, image_label_offsets=None)
    result = score(bare, detected)
    assert result.settings == ["default", "known-object-boxes"]
    assert any("no image-level labels" in note for note in result.notes)
    with pytest.raises(UsageError, match="known-object-boxes.*no image-level labels"):
        result.select("known-object")


def test_classes_without_truth_count_as_zero_officially_and_are_left_out_by_name(small, detected):
    one = small.test.label == small.test.label[0]
    truth = select_pairs(small.test, one)
    official, present = score(truth, as_predictions(truth)), score(truth, as_predictions(truth), variant="with-truth")
    assert official.mean() == pytest.approx(1 / 30)
    assert any("29 of the 30 interactions" in note for note in official.notes)
    assert present.mean() == pytest.approx(1)
    assert present.rows[0].classes == 1


def test_continuous_boxes_are_brought_into_the_protocols_frame(small):
    perfect = as_predictions(small.test)
    boxes = perfect.boxes + np.array([0, 0, 1, 1])
    moved = perfect.with_columns(replace(perfect.meta, box_frame="continuous"), boxes=boxes)
    assert score(small.test, moved).rows == score(small.test, perfect).rows


def test_the_library_way_of_the_readme(small, detected, tmp_path):
    from hoitool import load, score
    from hoitool.data import write

    write(small.test, tmp_path / "truth.parquet")
    write(detected, tmp_path / "predictions.parquet")
    result = score(load(tmp_path / "truth.parquet"), load(tmp_path / "predictions.parquet"), "hico-det")
    assert 0 < result.mean("rare") < result.mean("non-rare") < 1


def test_a_label_space_without_training_counts_has_no_rare_split(small, detected):
    labels = small.test.meta.labels
    unknown = replace(labels, train_instances=np.full(len(labels), -1))
    result = score(
        small.test.with_columns(replace(small.test.meta, labels=unknown)),
        detected.with_columns(Meta(unknown, subset="test")),
    )
    assert result.splits == ["full"]
    assert "rare" not in result.per_class


def test_normalised_predictions_take_their_sizes_from_the_truth(small):
    perfect = as_predictions(small.test)
    size = np.stack([small.test.width, small.test.height] * 2, axis=1)[perfect.image_of("box")]
    moved = perfect.with_columns(
        replace(perfect.meta, box_frame="normalised"), boxes=(perfect.boxes + np.array([0, 0, 1, 1])) / size
    )
    assert score(small.test, moved).mean() == pytest.approx(1)
    assert repr(score(small.test, moved)) == "<Result hico-det/official: default mAP 1.0000>"
