"""Label spaces: HICO's tables, look-ups, identity, and files that were altered."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoitool.errors import DataError, UsageError
from hoitool.labels import LABEL_SPACES, Role, build, difference, load_labels, parse
from hoitool.labels.space import checksum, dump

HICO, V_COCO = load_labels("hico"), load_labels("v-coco")
TEXT = (files("hoitool.labels") / "hico.json").read_text(encoding="utf-8")


def tiny(**changes):
    """A label space of two objects, two verbs and three interactions."""
    rows = {
        "objects": [("cup", 47), ("person", 1)],
        "verbs": [("hold", "holding"), ("see", "seeing")],
        "interactions": [("hold", "cup", 12), ("see", "cup", 3), ("see", "person", 9)],
    }
    return build("tiny", "made up", **(rows | changes))


# HICO


def test_hico_has_its_published_sizes():
    assert (len(HICO), len(HICO.verbs), len(HICO.objects)) == (600, 117, 80)
    assert int(HICO.rare.sum()) == 138
    assert int(HICO.train_instances.sum()) == 117_654
    assert HICO.train_instances.min() >= 1


@pytest.mark.parametrize(
    ("number", "name", "pairs"),
    [
        (1, "board airplane", 176),
        (10, "no_interaction airplane", 274),
        (11, "carry bicycle", 23),
        (19, "ride bicycle", 2206),
        (600, "no_interaction zebra", 2),
    ],
)
def test_hico_is_in_the_official_order(number, name, pairs):
    index = HICO.from_official(number)
    assert HICO.interaction_name(index) == name
    assert HICO.train_instances[index] == pairs


def test_hico_names_are_sorted_and_coco_ids_are_coco_s():
    assert list(HICO.objects) == sorted(HICO.objects)
    assert list(HICO.verbs) == sorted(HICO.verbs)
    assert len(set(HICO.coco_ids.tolist())) == 80
    assert {HICO.objects[i]: int(HICO.coco_ids[i]) for i in (HICO.person, 0, 79)} == {
        "person": 1,
        "airplane": 5,
        "zebra": 24,
    }


def test_hico_counts_are_the_shared_ones(shared):
    with shared("oracles/hico-det/hoi_counts.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["hoi_id"]) for row in rows] == [HICO.official(i) for i in range(600)]
    assert [f"{row['verb']} {row['object']}" for row in rows] == [HICO.interaction_name(i) for i in range(600)]
    assert [int(row["train_instances"]) for row in rows] == HICO.train_instances.tolist()
    assert [row["rare"] == "1" for row in rows] == HICO.rare.tolist()


def test_hico_tables_are_the_shared_ones(shared):
    table = json.loads(shared("data/hico_zero_shot_splits.json").read_text())
    assert table["object_names"] == list(HICO.objects)
    assert table["verb_names"] == list(HICO.verbs)
    assert table["hoi_to_object_verb"] == np.stack([HICO.interaction_objects, HICO.interaction_verbs], axis=1).tolist()
    assert table["rare_test"]["sorted"] == np.flatnonzero(HICO.rare).tolist()


# look-ups


@pytest.mark.parametrize("name", ["cell_phone", "cell phone", "Cell Phone", "cell-phone", " CELL_PHONE "])
def test_objects_are_found_in_any_spelling(name):
    assert HICO.objects[HICO.object_index(name)] == "cell_phone"


@pytest.mark.parametrize("name", ["sit_on", "sit on", "Sit-On", "sitting_on", "sitting on", "SITTING-ON"])
def test_verbs_are_found_in_any_spelling_and_in_their_ing_form(name):
    assert HICO.verbs[HICO.verb_index(name)] == "sit_on"


def test_every_name_finds_itself():
    assert [HICO.object_index(name) for name in HICO.objects] == list(range(80))
    assert [HICO.verb_index(name) for name in HICO.verbs] == list(range(117))
    assert [HICO.verb_index(name) for name in HICO.verbs_ing] == list(range(117))


def test_every_interaction_is_found_by_names_and_by_indices():
    for i in range(600):
        verb, obj = int(HICO.interaction_verbs[i]), int(HICO.interaction_objects[i])
        assert HICO.interaction_index(HICO.verbs[verb], HICO.objects[obj]) == i
        assert HICO.interaction_index(verb, obj) == i


@pytest.mark.parametrize(
    ("look_up", "told"),
    [
        (lambda: HICO.object_index("bicicle"), "No object named 'bicicle'. Did you mean 'bicycle'"),
        (lambda: HICO.verb_index("rdie"), "No verb named 'rdie'. Did you mean 'ride'"),
        (lambda: HICO.interaction_index("ride", "bicicle"), "Did you mean 'bicycle'"),
        (lambda: load_labels("hicco"), "No label space named 'hicco'. Did you mean 'hico'?"),
    ],
)
def test_a_misspelling_gets_a_suggestion(look_up, told):
    with pytest.raises(UsageError) as caught:
        look_up()
    assert told in str(caught.value)


def test_an_interaction_that_is_none_lists_the_verbs_of_its_object():
    with pytest.raises(UsageError, match=r"no interaction 'ride' with 'apple'; its verbs for it: buy, cut, .*wash$"):
        HICO.interaction_index("ride", "apple")


def test_objects_are_found_by_their_coco_id():
    assert [HICO.object_of_coco(int(number)) for number in HICO.coco_ids] == list(range(80))
    for unknown in (0, 12, 91):  # 12 is one of the numbers that COCO left out
        with pytest.raises(UsageError, match=f"no object with the COCO category id {unknown}"):
            HICO.object_of_coco(unknown)


@pytest.mark.parametrize(
    ("verb", "obj"), [(117, 0), (0, 80), (-113, 0), (4, -80)]
)  # the last two wrap to board airplane
def test_an_index_out_of_range_is_a_usage_error(verb, obj):
    with pytest.raises(UsageError):
        HICO.interaction_index(verb, obj)


@given(st.integers(0, 599))
@settings(deadline=None, max_examples=30)
def test_official_numbers_count_from_1_and_come_back(index):
    assert HICO.official(index) == index + 1
    assert HICO.from_official(HICO.official(index)) == index


@pytest.mark.parametrize("number", [0, -1, 601])
def test_an_official_number_out_of_range_is_refused(number):
    with pytest.raises(UsageError, match=rf"interaction number {number} is outside 1\.\.600"):
        HICO.from_official(number)


@pytest.mark.parametrize("space", [HICO, tiny()], ids=["hico", "tiny"])
def test_the_matrix_says_what_the_table_says(space):
    assert space.matrix.shape == (len(space.objects) + 1, len(space.verbs))
    assert (space.matrix[-1] == -1).all()
    for obj in range(len(space.objects)):
        for verb in range(len(space.verbs)):
            rows = np.flatnonzero((space.interaction_objects == obj) & (space.interaction_verbs == verb)).tolist()
            assert rows == ([] if space.matrix[obj, verb] < 0 else [space.matrix[obj, verb]])


def test_person_is_an_index_or_minus_1():
    assert HICO.objects[HICO.person] == "person"
    assert tiny().person == 1
    assert tiny(objects=[("cup", 47)], interactions=[]).person == -1


def test_rare_means_fewer_than_10_and_needs_counts():
    assert tiny().rare.tolist() == [False, True, True]
    assert tiny(interactions=[("hold", "cup", 10), ("see", "cup", 9)]).rare.tolist() == [False, True]
    with pytest.raises(UsageError, match="'tiny' has no training counts"):
        _ = tiny(interactions=[("hold", "cup", 5), ("see", "cup", -1)]).rare


# files


@pytest.mark.parametrize("name", LABEL_SPACES)
def test_every_packaged_label_space_loads_under_its_name(name):
    assert load_labels(name).name == name


@pytest.mark.parametrize("space", [HICO, V_COCO, tiny()], ids=["hico", "v-coco", "tiny"])
def test_a_saved_label_space_comes_back(tmp_path, space):
    space.save(tmp_path / "labels.json")
    back = parse((tmp_path / "labels.json").read_text(), "labels.json")
    assert back.hash == space.hash
    assert dump(back) == dump(space)
    for name in ("name", "source", "objects", "verbs", "verbs_ing", "roles"):
        assert getattr(back, name) == getattr(space, name)
    for name in ("interaction_verbs", "interaction_objects", "coco_ids", "train_instances"):
        np.testing.assert_array_equal(getattr(back, name), getattr(space, name), strict=True)


def test_the_packaged_file_is_what_dump_writes():
    assert dump(HICO) == TEXT


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ('["board", "airplane", 176]', '["board", "airplane", 177]'),
        ('["airplane", 5]', '["airplane", 6]'),
        ('["adjust", "adjusting"]', '["adjust", "adjustin"]'),
        ('["zebra", 24]\n', '["zebra", 24],\n  ["zebu", 25]\n'),
        ('"sha256": "', '"sha256": "0'),
    ],
)
def test_an_altered_file_fails_its_checksum(was, now):
    assert TEXT.count(was) == 1
    with pytest.raises(
        DataError, match=r"^here\.json: names the checksum [0-9a-f]{16}, its rows give .*it was altered$"
    ):
        parse(TEXT.replace(was, now), "here.json")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "null",
        "{}",
        "[" * 10**5,
        TEXT[: len(TEXT) // 2],
        TEXT.replace('["board", "airplane", 176]', '["board", "aeroplane", 176]'),
        TEXT.replace('["board", "airplane", 176]', '["board", "airplane"]'),
        TEXT.replace('["board", "airplane", 176]', '["board", "airplane", "many"]'),
        TEXT.replace('["board", "airplane", 176]', f'["board", "airplane", {10**30}]'),
        TEXT.replace('["airplane", 5]', f'["airplane", {2**40}]'),
    ],
    ids=range(12),
)
def test_a_malformed_file_is_a_data_error(text):
    with pytest.raises(DataError, match=r"^here\.json: "):
        parse(text, "here.json")


# identity


def test_the_hash_is_that_of_names_in_order_and_not_of_facts():
    facts = tiny(
        objects=[("cup", -1), ("person", -1)],
        interactions=[("hold", "cup", 1), ("see", "cup", 2), ("see", "person", 3)],
    )
    assert replace(facts, name="other").hash == tiny().hash
    assert tiny(objects=[("person", 1), ("cup", 47)]).hash != tiny().hash
    assert tiny(interactions=[("see", "cup", 3), ("hold", "cup", 12), ("see", "person", 9)]).hash != tiny().hash


def test_the_same_label_space_has_no_difference():
    assert difference(HICO, HICO.summary()) == ""
    assert difference(tiny(), tiny().summary()) == ""


@pytest.mark.parametrize(
    ("changes", "differ", "agree"),
    [
        ({"interactions": [("hold", "cup", 12)]}, ["interactions (1 with"], "; the objects and verbs agree"),
        (
            {"verbs": [("hold", ""), ("see", ""), ("eat", "")]},
            ["verbs (3 with"],
            "; the objects and interactions agree",
        ),
        (
            {"objects": [("mug", 47), ("person", 1)], "interactions": [("hold", "mug", 12)]},
            ["objects (2 with", "interactions (1 with"],
            "; the verbs agree",
        ),
    ],
)
def test_a_difference_says_which_part_differs(changes, differ, agree):
    told = difference(tiny(), replace(tiny(**changes), name="mine").summary())
    assert told.startswith("label space 'mine' differs from 'tiny' in its ")
    for part in differ:
        assert part in told
    assert told.endswith(agree)


def test_the_summary_can_be_json_and_holds_hashes_and_sizes():
    summary = json.loads(json.dumps(HICO.summary()))
    assert summary["hash"] == HICO.hash
    assert {part: count for part, (count, _) in summary["parts"].items()} == {
        "objects": 80,
        "verbs": 117,
        "interactions": 600,
    }
    assert json.loads(TEXT)["sha256"] == checksum(json.loads(TEXT))


# roles


def kitchen(**changes):
    """A label space with roles: two of one action, and an action without any."""
    rows = {
        "objects": [("person", 1), ("pan", 2)],
        "verbs": [("stir_instr", ""), ("stir_obj", ""), ("rest", "")],
        "interactions": [("stir_instr", "pan", -1), ("rest", "-", -1), ("stir_obj", "-", -1)],
        "roles": [Role("stir", "instr", ("pan",)), Role("stir", "obj"), Role("rest", "")],
    }
    return build("kitchen", "made up", **(rows | changes))


def test_v_coco_has_its_published_sizes_and_order():
    assert (len(V_COCO.actions), len(V_COCO.verbs), len(V_COCO.role_verbs), len(V_COCO)) == (26, 29, 25, 263)
    assert len(V_COCO.objects) == 80
    assert sum(V_COCO.interaction_objects < 0) == 29
    assert V_COCO.verbs[6:10] == ("hit_instr", "hit_obj", "eat_obj", "eat_instr")
    assert V_COCO.verbs[16:18] == ("cut_instr", "cut_obj")
    assert [V_COCO.verbs[v] for v in range(29) if v not in V_COCO.role_verbs] == ["stand", "walk", "run", "smile"]
    assert V_COCO.agents_and_roles[:2] == ("hold_agent", "stand_agent")
    assert V_COCO.agents_and_roles[26:28] == ("hold_obj", "sit_instr")
    assert len(V_COCO.agents_and_roles) == 51
    assert V_COCO.coco_ids.tolist() == sorted(V_COCO.coco_ids.tolist())


def test_v_coco_actions_roles_and_includes_are_the_official_file_s(shared):
    blocks = json.loads(shared("oracles/v-coco/mini/vcoco_mini.json").read_text())
    made = []
    for block in blocks:
        names = list(zip(block["role_name"], block["include"], strict=True))[1:]
        made += [Role(block["action_name"], name, tuple(include)) for name, include in names or [("", [])]]
    assert V_COCO.roles == tuple(made)


def test_v_coco_interactions_are_the_263_triplets_in_the_shared_order(shared):
    table = json.loads(shared("data/vcoco_263_triplets.json").read_text())
    rows = next(value for value in table.values() if isinstance(value, list) and len(value) == 263)
    pairs = [tuple(row[:2]) if isinstance(row, list) else (row["verb"], row["object"]) for row in rows]
    objects = np.where(V_COCO.interaction_objects < 0, 80, V_COCO.interaction_objects)
    by_index = list(zip(V_COCO.interaction_verbs.tolist(), objects.tolist(), strict=True))
    assert pairs == by_index


def test_what_roles_mean():
    space = kitchen()
    assert space.actions == ("stir", "rest")
    assert space.verb_actions.tolist() == [0, 0, 1]
    assert space.role_verbs.tolist() == [0, 1]
    assert space.agents_and_roles == ("stir_agent", "rest_agent", "stir_instr", "stir_obj")
    assert space.possible.tolist() == [[False, True], [True, True], [True, True]]
    assert space.interaction_name(1) == "rest"
    assert space.interaction_index("rest", -1) == 1
    with pytest.raises(UsageError):
        space.interaction_index("stir_instr", -1)


def test_without_roles_what_is_possible_is_what_has_an_interaction():
    assert tiny().roles == tiny().actions == ()
    assert tiny().possible.tolist() == [[True, False], [True, True]]


def test_roles_are_part_of_the_identity():
    other = kitchen(roles=[Role("stir", "instr", ("pan",)), Role("stir", "obj", ("pan",)), Role("rest", "")])
    assert other.hash != kitchen().hash
    assert kitchen(roles=[]).hash != kitchen().hash
    assert "in its verbs" in difference(kitchen(), other.summary())
    assert difference(kitchen(), kitchen().summary()) == ""


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        ([Role("stir", "instr")], "1 roles for 3 verbs"),
        ([Role("stir", "instr"), Role("rest", ""), Role("stir", "obj")], "do not stand beside each other"),
    ],
)
def test_roles_that_do_not_fit_are_refused(roles, told):
    with pytest.raises(ValueError, match=told):
        kitchen(roles=roles)


def test_an_altered_role_fails_its_checksum():
    text = dump(V_COCO)
    was, now = '["kick", "obj", ["sports ball"]]', '["kick", "obj", ["sports bull"]]'
    assert text.count(was) == 1
    with pytest.raises(DataError, match="it was altered"):
        parse(text.replace(was, now), "here.json")
