"""Predicates: labels between a subject and an object of any class, in a label space without people."""

from __future__ import annotations

import json

import pytest
from builders import RELATIONS
from hypothesis import given, settings
from strategies import assert_same, either, predictions

from hoitool.data import Meta, relabel, statistics, to_interactions, validate
from hoitool.data.distribution import distribution
from hoitool.data.parquet import read, write
from hoitool.data.quality.labels import check_labels, check_subjects
from hoitool.errors import DataError, UsageError
from hoitool.eval import natural_protocol


def test_predicates_are_the_verbs_of_a_label_space():
    meta = Meta(RELATIONS, label_kind="predicates")
    assert (len(RELATIONS), RELATIONS.person) == (0, -1)
    assert (meta.classes, [meta.label_name(i) for i in range(3)]) == (3, ["at", "is", "inside_of"])


@settings(deadline=None, max_examples=40)
@given(either(labels=RELATIONS))
def test_they_are_valid_come_back_and_can_be_counted(tmp_path_factory, data):
    validate(data)
    path = tmp_path_factory.mktemp("out") / "a.parquet"
    write(data, path)
    assert_same(read(path), data)
    statistics(data)
    json.dumps(distribution(data).to_json())
    assert not check_labels(data)
    assert not check_subjects(data)


@settings(deadline=None, max_examples=20)
@given(predictions(labels=RELATIONS, label_kind="predicates"))
def test_they_become_nothing_else(data):
    assert natural_protocol(data) == "open-images-vrd" or data.image_scores is not None
    for kind in ("interactions", "verbs"):
        with pytest.raises(UsageError, match=f"^labels are predicates, expected {kind}: "):
            relabel(data, kind)
    with pytest.raises(DataError, match="holds predicates .* scored by --protocol open-images-vrd$"):
        to_interactions(data)
