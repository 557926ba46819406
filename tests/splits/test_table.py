"""The named splits against the lists that were collected, and their hashes and spellings."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hoitool.errors import DataError, UsageError
from hoitool.labels import load_labels
from hoitool.splits import CHOICES, FILTERS, facts, load, named, names, parse, rare, require_filter, resolve, zero_shot

COUNTS = {"rf-uc": 120, "nf-uc": 120, **{f"uc{i}": 120 for i in range(5)}, "uo": 100, "uv": 84, "ua": 100, "nf": 600}


def collected(shared):
    return json.loads(shared("data/hico_zero_shot_splits.json").read_text())


def row_of(held, name):
    if name.startswith("uc"):
        return {"sorted": held["UC"]["sets"][name], "facts": held["UC"]["facts"][name]}
    return held[{"rf-uc": "UC_RF", "nf-uc": "UC_NF"}.get(name, name.upper())]


def test_counts():
    assert {name: len(named(name).groups["unseen"]) for name in zero_shot()} == COUNTS
    for name in zero_shot():
        split = named(name)
        assert sorted(split.groups["unseen"] + split.groups["seen"]) == list(range(600))
    assert {name: len(classes) for name, classes in named("rare").groups.items()} == {"rare": 138, "non-rare": 462}


@pytest.mark.parametrize("name", [name for name in COUNTS if name != "nf"])
def test_lists_and_facts_are_the_collected_ones(shared, name):
    row = row_of(collected(shared), name)
    assert list(named(name).groups["unseen"]) == row["sorted"]
    made, told = facts(named(name), load_labels("hico")), row["facts"]
    assert made == {
        "unseen": told["n_unseen"],
        "seen": told["n_seen"],
        "seen_objects": told["seen_objects"],
        "seen_verbs": told["seen_verbs"],
        "verbs_without_a_seen_class": told["verbs_with_no_seen_hoi"],
        "objects_without_a_seen_class": told["objects_with_no_seen_hoi"],
        "unseen_no_interaction": told["no_interaction_members"],
        "unseen_rare": told["rare_members"],
    }


def test_other_spellings_are_the_collected_aliases(shared):
    held = collected(shared)
    for name in ("rf-uc", "nf-uc", "uo", "uv"):
        for alias in row_of(held, name)["alias"]:
            assert named(alias).name == name
    assert list(named("rare").groups["rare"]) == held["rare_test"]["sorted"]


def test_how_the_lists_lie_in_each_other():
    rare_classes = set(named("rare").groups["rare"])
    assert set(named("rf-uc").groups["unseen"]) < rare_classes
    assert not set(named("nf-uc").groups["unseen"]) & rare_classes
    labels = load_labels("hico")
    for name, index in (("uo", labels.interaction_objects), ("uv", labels.interaction_verbs)):
        unseen = list(named(name).groups["unseen"])
        assert not {*index[unseen]} & {*index[list(named(name).groups["seen"])]}
    assert named("uv").hash != named("ua").hash


def test_every_name_resolves_to_itself_and_hashes_differ():
    made = [named(name) for name in names()]
    assert [split.name for split in made] == names()
    assert len({split.hash for split in made}) == len(made)
    for name in zero_shot()[:-1]:
        assert {f"{name}/{choice}" for choice in CHOICES} < set(names())


def test_the_hash_is_of_what_a_split_decides_and_stays():
    split = named("rf-uc/pairs")
    assert split.hash == "25bd825d200580d28a6487ab005368526650f9579740ce54038bc4ebeb56464f"
    assert replace(split, name="mine", source="me", title="", version=9).hash == split.hash
    assert replace(split, filter="labels").hash != split.hash
    assert (
        replace(split, groups={"unseen": split.groups["unseen"][1:], "seen": split.groups["seen"]}).hash != split.hash
    )
    assert named("10%", seed=1).hash != named("10%").hash
    assert named("10%").hash == named("10.0%").hash


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("RF-UC/pairs", "rf-uc/pairs"), ("uc_rf/LABELS", "rf-uc/labels"), ("rare_first", "rf-uc"), ("UC3", "uc3"),
     ("unseen_object/images", "uo/images"), ("NF", "nf"), ("no-fine-tuning", "nf"), ("0%", "nf"), ("5shot", "5-shot"),
     ("7.50%", "7.5%"), ("Rare", "rare")],
)  # fmt: skip
def test_spellings(spelling, name):
    assert named(spelling).name == name


@pytest.mark.parametrize(
    ("name", "told"),
    [("rf-cu", "Did you mean"), ("uo/pair", "Did you mean 'pairs'"), ("nf/labels", "no training filter"),
     ("100%", "No split named"), ("0-shot", "No split named"), ("rare/labels", "No split named")],
)  # fmt: skip
def test_unknown_names(name, told):
    with pytest.raises(UsageError, match=told):
        named(name)


def test_the_filter_is_part_of_the_name():
    with pytest.raises(UsageError) as error:
        require_filter(named("uo"))
    for choice in CHOICES:
        assert f"uo/{choice}: {FILTERS[choice]}" in str(error.value)


def test_a_file_of_a_split_holds_all_of_it(tmp_path):
    for name in ("rf-uc/images", "rare", "nf", "10%", "3-shot"):
        path = tmp_path / "mine.json"
        path.write_text(json.dumps(named(name).to_json()))
        assert resolve(str(path)) == named(name)


SMALL = {"kind": "split", "format": 1, "name": "x", "labels": {"name": "a", "hash": "b", "interactions": 4}}


@pytest.mark.parametrize(
    ("change", "told"),
    [({"kind": "other"}, "expected kind 'split'"), ({"format": 2}, "format 1"), ({"name": "a b"}, "name is 'a b'"),
     ({"groups": {"unseen": [4]}}, "unseen[0] is 4, expected a class 0..3"),
     ({"groups": {"unseen": [1, 1]}}, "stands twice"),
     ({"groups": {"unseen": [1], "seen": [1]}}, "both seen and unseen"),
     ({"groups": {"seen": [1]}}, "no 'unseen'"), ({"groups": {"unseen": [True]}}, "expected a class"),
     ({"groups": [1]}, "groups is [1]"), ({"filter": "half"}, "expected one of labels, pairs"),
     ({"filter": ["labels"]}, "expected one of labels, pairs"),
     ({"draw": {"percent": "0"}}, "expected a percent"), ({"draw": {"shots": -1}}, "expected a percent"),
     ({"images": [1]}, "images[0] is 1"), ({"labels": None, "groups": {"unseen": []}}, "no label space"),
     ({"labels": {"name": "a", "hash": 3, "interactions": 4}}, "hash is 3"), ({"hash": "0"}, "it was altered"),
     ({"version": "1"}, "version is '1'")],
)  # fmt: skip
def test_malformed_files_are_named(tmp_path, change, told):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(SMALL | change))
    with pytest.raises(DataError) as error:
        load(path)
    assert told in str(error.value)
    assert str(error.value).startswith(f"{path}: ")


def test_seen_is_all_that_is_not_unseen():
    assert parse(SMALL | {"groups": {"unseen": [2, 0]}}, "x").groups == {"unseen": (0, 2), "seen": (1, 3)}


def test_rare_says_in_which_training_set(small):
    assert "117,654" in named("rare").source
    split = rare(small.train.meta.labels)
    assert split.groups["rare"] == tuple((small.train.meta.labels.train_instances < 10).nonzero()[0])
    assert f"{len(small.train.subject)} training pairs" in split.source
