"""Training filters on a small dataset written by hand, draws, and index files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from builders import truth_of
from hypothesis import given, settings
from hypothesis import strategies as st

from hoitool.data import class_counts, concat, read, write
from hoitool.errors import DataError, UsageError
from hoitool.splits import Draw, Space, Split, apply, named, rare_in, read_index, violations, with_images
from hoitool.splits.draw import drawn, first_images, ranks

BIKE, CAR = (10, 10, 50, 50), (60, 10, 90, 40)
ANNA, BEN = (0, 0, 30, 60), (60, 0, 80, 60)
NEAR = (1, 0, 30, 60)  # Anna, drawn a second time
# HICO: 0..3 are board, direct, exit, fly airplane
ROWS = [
    (0, ANNA, BIKE, 0), (0, ANNA, BIKE, 1), (0, BEN, BIKE, 1),  # Anna's pair carries the unseen 0 and the seen 1
    (1, ANNA, CAR, 0),  # nothing else in the image
    (2, ANNA, CAR, 2), (2, NEAR, CAR, 0),
    # image 3 has no pair
    (4, BEN, CAR, 3),
]  # fmt: skip
IMAGE_LABELS = [(0, 0), (0, 1), (1, 0), (4, 0), (4, 3)]


def toy():
    return truth_of(ROWS, 5, image_labels=IMAGE_LABELS, subset="train")


def split(filter=None, **more):
    space = Space.of(toy().meta.labels)
    return Split("mine", space, {"unseen": (0,), "seen": tuple(range(1, 600))}, filter, **more)


def rows(data):
    return list(zip(data.key[data.image_of("pair")].tolist(), data.label.tolist(), strict=True))


def images(data):
    return [int(key.removeprefix("image-").removesuffix(".jpg")) for key in data.key.tolist()]


@pytest.mark.parametrize(
    ("filter", "kept", "pairs", "labels"),
    [
        ("labels", [0, 1, 2, 3, 4], [(0, 1), (0, 1), (2, 2), (4, 3)], [1, 3]),
        ("pairs", [0, 2, 4], [(0, 1), (2, 2), (4, 3)], [1, 3]),
        ("near-pairs", [0, 4], [(0, 1), (4, 3)], [1, 3]),
        ("images", [3], [], []),
        ("empty", [], [], []),
    ],
)
def test_filters_by_hand(filter, kept, pairs, labels):
    made = apply(toy(), split(filter)).data
    assert images(made) == kept
    assert rows(made) == [(f"image-{i}.jpg", label) for i, label in pairs]
    assert made.image_label.tolist() == labels
    counts = dict(zip(images(toy()), toy().counts("box").tolist(), strict=True))
    assert made.counts("box").tolist() == [counts[i] for i in kept]  # boxes stay with their images


def test_pairs_are_told_by_their_boxes_and_not_by_their_indices():
    """Each row brings boxes of its own, as in HICO-DET's official file: Anna's pair is one all the same."""
    data = toy()
    first = data.subject[:2]
    assert first[0] != first[1]
    assert rows(apply(data, split("pairs")).data)[0] == ("image-0.jpg", 1)
    other = data.with_columns(
        categories=np.where(np.arange(len(data.boxes)) == data.pair_boxes("object")[1], 7, data.categories)
    )
    assert (
        rows(apply(other, split("pairs")).data)[:2] == [("image-0.jpg", 1)] * 2
    )  # of another category: another object


def test_an_absent_or_uncertain_unseen_class_keeps_its_image_and_loses_its_label():
    data = toy().with_columns(image_value=np.array([1, 1, 1, 0, 1], np.int8))
    made = apply(data, split("images")).data
    assert images(made) == [3, 4]
    assert made.image_label.tolist() == [3]


def test_what_was_done_is_said_and_kept(tmp_path):
    held = toy()
    held = held.with_columns(replace(held.meta, extras={"hico-det": {"entries": {}}}))
    made = apply(held, split("labels"), {"train.parquet": "abc"})
    assert made.dropped == {"images": 0, "boxes": 0, "pairs": 3, "image labels": 3}
    assert made.data.meta.extras == {"split": split("labels").summary() | {"of": {"train.parquet": "abc"}}}
    assert "hico-det" in made.notes[0]
    write(made.data, tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet").meta.extras == made.data.meta.extras
    again = apply(made.data, named("50%"))
    assert again.data.meta.extras["split"]["after"]["hash"] == split("labels").hash
    assert again.data.meta.extras["split"]["seed"] == 0


def test_it_is_said_when_whole_pairs_were_asked_for_and_none_has_equal_boxes():
    data = truth_of([(0, ANNA, BIKE, 0), (0, NEAR, BIKE, 1)], 1)
    assert any("uo/near-pairs takes boxes that overlap as one" in note
               for note in apply(data, replace(split("pairs"), name="uo/pairs")).notes)  # fmt: skip
    assert not apply(toy(), split("pairs")).notes


def test_test_data_are_taken_for_what_they_are():
    (note,) = (note for note in apply(toy().with_columns(replace(toy().meta, subset="test")), split("labels")).notes)
    assert note.startswith("these are test data")


@pytest.mark.parametrize(
    ("data", "by", "told"),
    [
        (toy(), split(), "different ones are in use under one name"),
        (toy(), named("rare"), "nothing to lose"),
        (toy(), replace(split("labels"), space=Space("other", "0", 600)), "is of the label space 'other'"),
        (toy().with_columns(replace(toy().meta, label_kind="verbs")), named("uo/pairs"), "labelled with verbs"),
    ],
)
def test_what_cannot_be_applied(data, by, told):
    with pytest.raises(UsageError, match=told):
        apply(data, by)


def test_no_fine_tuning_leaves_nothing(small, tmp_path):
    made = apply(toy(), named("nf")).data
    assert (len(made), len(made.boxes)) == (0, 0)
    write(made, tmp_path / "nothing.parquet")
    assert len(read(tmp_path / "nothing.parquet")) == 0


def test_nothing_unseen_is_left_by_any_filter(small):
    space = small.train.meta.labels
    unseen = tuple(range(0, len(space), 3))
    seen = tuple(c for c in range(len(space)) if c not in unseen)
    for filter in ("labels", "pairs", "near-pairs", "images"):
        mine = Split("mine", Space.of(space), {"unseen": unseen, "seen": seen}, filter)
        made = apply(small.train, mine).data
        assert not violations(made, mine)[0]
        assert not violations(made, mine, small.train)[0]
        assert not set(made.label.tolist()) & set(unseen)
        assert not set(made.image_label.tolist()) & set(unseen)
        assert violations(small.train, mine)[0]


class TestDraws:
    def test_the_order_is_that_of_sha256(self):
        keys = np.array([f"image {i}.jpg" for i in range(50)], object)
        expected = sorted(range(50), key=lambda i: hashlib.sha256(f"3:{keys[i]}".encode()).hexdigest())
        assert np.argsort(ranks(keys, 3)).tolist() == expected

    @settings(deadline=None)
    @given(st.sets(st.text(max_size=5), min_size=1, max_size=60), st.integers(0, 9))
    def test_fractions_are_nested_exact_and_do_not_depend_on_the_order_of_images(self, keys, seed):
        held = np.array([*keys, ""], object)[:-1]
        before: set[str] = set()
        for percent in ("1", "5", "10", "25", "50"):
            taken = set(held[first_images(held, Draw(percent=percent, seed=seed))].tolist())
            assert len(taken) == -(-len(held) * int(percent) // 100)
            assert before <= taken
            before = taken
            assert taken == set(held[::-1][first_images(held[::-1], Draw(percent=percent, seed=seed))].tolist())

    def test_a_tenth_of_a_thousand_is_a_hundred(self):
        keys = np.array([str(i) for i in range(1000)], object)
        counts = [first_images(keys, Draw(percent=p)).sum() for p in ("1", "5", "7.3", "10", "25", "50")]
        assert counts == [10, 50, 73, 100, 250, 500]

    def test_shots_are_k_pairs_of_each_class_or_all_and_nested(self, small):
        full, before = class_counts(small.train), set()
        for k in (1, 2, 5, 10):
            made = drawn(small.train, Draw(shots=k, seed=4))
            assert class_counts(made).tolist() == np.minimum(full, k).tolist()
            assert (made.counts("pair") > 0).all()
            boxes = made.boxes[made.pair_boxes("subject")], made.boxes[made.pair_boxes("object")]
            held = set(zip(rows(made), *(map(tuple, side) for side in boxes), strict=True))
            assert before <= held
            before = held
            shown = set(zip(made.image_of("image_label").tolist(), made.image_label.tolist(), strict=True))
            assert shown <= set(zip(made.image_of("pair").tolist(), made.label.tolist(), strict=True))

    def test_other_seeds_draw_otherwise(self, small):
        held = [apply(small.train, named("25%", seed)) for seed in (0, 0, 1)]
        assert held[0].split == held[1].split
        assert held[0].split.images == tuple(held[0].data.key.tolist())
        assert held[0].split.hash == held[1].split.hash != held[2].split.hash
        assert held[0].data.key.tolist() != held[2].data.key.tolist()

    def test_classes_that_are_gone_are_said(self, small):
        assert any("have no pair left" in note for note in apply(small.train, named("1%")).notes)


class TestIndexFiles:
    @pytest.mark.parametrize(
        ("text", "meant"),
        [("image-3.jpg\n# none\n\nimage-1.jpg\n", "keys"), ('["image-1.jpg", "image-3.jpg"]', "keys"),
         ("1\n3\n", "zero-based rows"), ("[3, 1, 1]", "zero-based rows"),
         ('[{"file_name": "image-3.jpg"}, {"file_name": "image-1.jpg", "annotations": []}]', "keys")],
    )  # fmt: skip
    def test_names_rows_and_annotation_files(self, tmp_path, text, meant):
        path = tmp_path / "list"
        path.write_text(text)
        held = read_index(path, toy())
        assert held.keys == ("image-1.jpg", "image-3.jpg")
        assert (held.meant, held.repeated) == (meant, text.count("1, 1"))
        made = apply(toy(), with_images(named("10%"), held.keys, "list"))
        assert images(made.data) == [1, 3]
        assert made.split.draw is None

    def test_file_names(self, tmp_path):
        (tmp_path / "list").write_text("train/0\ntrain/4")
        data = toy().with_columns(file_name=np.array([f"train/{i}" for i in range(5)], object))
        held = read_index(tmp_path / "list", data)
        assert (held.keys, held.meant) == (("image-0.jpg", "image-4.jpg"), "file names")

    @pytest.mark.parametrize(
        ("text", "told"),
        [("image-9.jpg", "entry 1 is 'image-9.jpg'"), ("0\n5", "entry 2 is '5'"), ("-1", "entry 1"),
         ("#x", "lists no image"),
         ('{"a": 1}', "holds a dict"), ("[[1]]", "[0]: expected a name"), ("[true]", "expected a name"),
         ("[", "not readable"), ("1" * 50, "entry 1"), ("[1.5]", "expected a name"), ("[" * 100_000, "not readable")],
    )  # fmt: skip
    def test_what_is_no_list_is_said(self, tmp_path, text, told):
        (tmp_path / "list").write_text(text)
        with pytest.raises(DataError) as error:
            read_index(tmp_path / "list", toy())
        assert told in str(error.value)


def test_rare_classes_of_other_training_data():
    data = concat([toy()])
    assert rare_in(data, "mine.parquet").groups["rare"] == tuple(range(600))
    many = truth_of([(0, ANNA, BIKE, 5)] * 10 + [(0, ANNA, BIKE, 6)] * 9, 1)
    made = rare_in(many, "mine.parquet")
    assert made.groups["non-rare"] == (5,)
    assert "19 training pairs in mine.parquet" in made.source


def test_a_list_may_hold_nothing_but_strings(tmp_path):
    (tmp_path / "list").write_text(json.dumps(["image-0.jpg", None]))
    with pytest.raises(DataError, match=r"\[1\]"):
        read_index(tmp_path / "list", toy())
