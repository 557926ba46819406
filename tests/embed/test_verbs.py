"""Visual semantic arithmetic: recorded outputs of the original, a slow literal oracle, what holds of any data."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from builders import truth_of, v_coco_scenes, v_coco_truth
from hypothesis import given
from hypothesis import strategies as st

from hoitool.data import Dataset, Meta, offsets_of, select_images, select_pairs, strings
from hoitool.embed.ensembles import unit
from hoitool.embed.regions import boxes_of
from hoitool.embed.verbs import FORMULAS, add, counting, mean_of_interactions, verb_features, write_verbs
from hoitool.errors import DataError, UsageError
from hoitool.labels import load_labels
from hoitool.splits import named
from hoitool.splits.split import Space, Split
from hoitool.store import Manifest, Store, Writer

HICO = load_labels("hico")
DIM = 6


def regions(path, data, rows=None, failed=(), **said):
    """A regions store of data with random rows, or those given: for each image its boxes, then its pairs."""
    layout = boxes_of(data, ("union",)).layout
    made = np.random.default_rng(0).normal(1, 2, (layout.rows, DIM)) if rows is None else rows
    about = {"parts": ("box", "union", "union-masked"), "normalised": False, "boxes": "truth"} | said
    manifest = Manifest("regions", "clip:small", made.shape[1], box_frame=data.meta.box_frame, **about)
    with Writer(path, manifest, layout) as writer:
        pieces = [made[a:b] for a, b in zip(layout.offsets[:-1], layout.offsets[1:], strict=True)]
        writer.write(0, [None if i in failed else piece for i, piece in enumerate(pieces)])
        writer.finish()
    return Store(path)


def features_of(store):
    """(image key, subject, object) -> the union's row, and (image key, box) -> the box's row."""
    unions, boxes = {}, {}
    part, subject, obj = (store.column(name) for name in ("part", "subject", "object"))
    for i, key in enumerate(store.key):
        start, stop = store.layout.offsets[i : i + 2]
        for row in range(start, stop):
            value = store.rows(row, row + 1)[0].astype(float)
            if part[row] == 0:
                boxes[key, row - start] = value
            else:
                unions[key, subject[row], obj[row]] = value
    return unions, boxes


def instances_of(data):
    """(image key, verb, object class, subject, object) of each pair with an object, as `label_kind` says."""
    found = []
    for image, key in enumerate(data.key):
        for pair in range(data.pair_offsets[image], data.pair_offsets[image + 1]):
            label, subject, obj = data.label[pair], data.subject[pair], data.object[pair]
            if obj < 0:
                continue
            verb = data.meta.labels.interaction_verbs[label] if data.meta.label_kind == "interactions" else label
            found.append((key, int(verb), int(data.categories[data.box_offsets[image] + obj]), subject, obj))
    return found


def last_of_each(rows, what):
    """Of rows with equal what(row) the last."""
    return list({what(row): row for row in rows}.values())


def slow(formula, store, data):
    """(V, d) by the formula's text, one instance after the other; NaN for a verb without any."""
    unions, boxes = features_of(store)
    rows = instances_of(data)
    made = np.full((len(data.meta.labels.verbs), store.manifest.dim), np.nan)
    last = formula.endswith("-last")

    def length_one(x):
        return x / np.sqrt((x**2).sum())

    if formula.startswith("hoiclip"):
        of_hoi, of_object = {}, {}
        for key, verb, thing, subject, obj in last_of_each(rows, lambda r: r[:3]) if last else rows:
            of_hoi[verb, thing] = of_hoi.get((verb, thing), 0) + unions[key, subject, obj]
        for key, _, thing, _, obj in last_of_each(rows, lambda r: (r[0], r[2])) if last else rows:
            of_object[thing] = of_object.get(thing, 0) + boxes[key, obj]
        for key in {row[0] for row in rows}:
            humans = [boxes[key, row[3]] for row in rows if row[0] == key]
            person = data.meta.labels.person
            of_object[person] = of_object.get(person, 0) + sum(humans) / len(humans)
        for verb in {verb for verb, _ in of_hoi}:
            gaps = [length_one(s) - length_one(of_object[thing]) for (v, thing), s in of_hoi.items() if v == verb]
            made[verb] = length_one(sum(gaps) / len(gaps))
        return made
    for verb in {row[1] for row in rows}:
        total = 0
        for key, v, _, subject, obj in last_of_each(rows, lambda r: r[:2]) if last else rows:
            if v == verb:
                union, human, thing = unions[key, subject, obj], boxes[key, subject], boxes[key, obj]
                total = total + (union - thing if formula == "union-object" else (2 * union - thing - human) / 2)
        made[verb] = length_one(total)
    return made


def crowd(images=12, seed=3):
    """Random HICO data: people who do things to few objects, pairs and labels repeated, persons among the objects."""
    rng = np.random.default_rng(seed)
    labels = np.array([0, 1, 2, 5, 9, 18, 150, 160, 159, 596])
    rows = []
    for image in range(images):
        for _ in range(rng.integers(0, 7)):
            human, obj = (np.sort(rng.choice([0, 10, 40, 80], 4)) + rng.choice([0, 1]) for _ in range(2))
            rows.append((image, tuple(human.tolist()), tuple(obj.tolist()), int(rng.choice(labels))))
    return truth_of(rows, images)


@pytest.fixture(scope="module")
def data():
    return crowd()


@pytest.fixture(scope="module")
def store(tmp_path_factory, data):
    return regions(tmp_path_factory.mktemp("verbs") / "regions.h5", data)


def same(a, b):
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


# ---- recorded outputs of the original


@pytest.fixture(scope="module")
def recorded(shared):
    """The tensors of the parity file, read by hand: a header in JSON, then raw numbers."""
    raw = shared("parity/hoiclip/visual_semantic_arithmetic.safetensors").read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:start])
    dtypes = {"F16": "<f2", "F32": "<f4", "I64": "<i8"}
    return {
        name: np.frombuffer(raw[start:], dtypes[held["dtype"]], offset=held["data_offsets"][0], count=size(held))
        .reshape(held["shape"])
        for name, held in header.items()
        if name != "__metadata__"
    }  # fmt: skip


def size(held):
    return int(np.prod(held["shape"]))


def test_the_formula_of_interactions_gives_the_recorded_verbs(recorded):
    sums, things = (recorded[f"represent/in/{name}_sum_f16"].astype(float) for name in ("hoi", "obj"))
    verb, thing = (recorded[f"represent/hoi_to_{name}_index"] for name in ("verb", "object"))
    made = unit(mean_of_interactions(sums, verb, things[thing], 117), "verb")
    np.testing.assert_allclose(made, recorded["represent/out/original_hoi_minus_object"], rtol=0, atol=1e-6)
    assert (verb == HICO.interaction_verbs).all()


def test_the_formula_of_instances_normalises_their_sum_as_recorded(recorded):
    made = unit(recorded["represent/in/verb_sum_f16"], "verb")
    np.testing.assert_allclose(made, recorded["represent/out/ours_hoi_minus_object_minus_human"], rtol=0, atol=1e-6)


def accumulated(recorded):
    """What the recorded code added up, by (image, class) rows, through `counting` and `add`."""
    images = range(4)
    held = {name: [recorded[f"accumulate/in/{i}/{name}"] for i in images] for name in INPUTS}
    image = np.repeat(images, [len(part) for part in held["hoi_cls"]])
    union, thing, human = (np.concatenate(held[name]).astype(float) for name in INPUTS[:3])
    hoi, obj = np.concatenate(held["hoi_cls"]) - 1, np.concatenate(held["obj_cls"])
    verb = HICO.interaction_verbs[hoi]
    sums = {}
    for name, group, rows in (("hoi", hoi, union), ("obj", obj, thing), ("verb", verb, union - (thing + human) / 2)):
        sums[name] = np.zeros((600, 512))
        add(sums[name], group, rows, counting(image, group, "last"))
    return sums, image, human


INPUTS = ("hoi_area_img", "object_img", "human_img", "hoi_cls", "obj_cls")


def test_the_last_of_each_class_adds_up_as_recorded(recorded):
    sums, image, human = accumulated(recorded)
    sums["obj"][0] += sum(human[image == i].mean(axis=0) for i in range(4))
    for name, made in sums.items():
        rows = recorded[f"accumulate/out/{name}_rows"]
        assert np.flatnonzero(made.any(axis=1)).tolist() == rows.tolist()
        np.testing.assert_allclose(made[rows], recorded[f"accumulate/out/{name}_values"], rtol=0, atol=1e-5)


def recorded_data(recorded):
    """The recorded crops as data and a store's rows: each instance has its own two boxes."""
    counts = [len(recorded[f"accumulate/in/{i}/hoi_cls"]) for i in range(4)]
    things = {4: "airplane", 1: "bicycle", 19: "cow", 22: "zebra", 5: "bus"}
    boxes, categories, labels, rows = [], [], [], []
    for i, count in enumerate(counts):
        union, thing, human, hoi, obj = (recorded[f"accumulate/in/{i}/{name}"] for name in INPUTS)
        for k in range(count):
            boxes += [(k, 0, k + 1, 1), (k, 5, k + 1, 6)]
            categories += [HICO.person, HICO.object_index(things[int(obj[k])])]
            labels.append(int(hoi[k]) - 1)
            rows += [human[k], thing[k]]
        rows += list(union)
    index = np.concatenate([np.arange(count) for count in counts]).astype(np.int32)
    data = Dataset(
        Meta(HICO),
        key=strings([str(i) for i in range(4)]),
        boxes=np.array(boxes, float),
        categories=np.array(categories, np.int32),
        subject=2 * index,
        object=2 * index + 1,
        label=np.array(labels, np.int32),
        box_offsets=2 * offsets_of(counts),
        pair_offsets=offsets_of(counts),
    )
    return data, np.array(rows)


@pytest.mark.parametrize("formula", ["hoiclip-last", "union-object-human-last"])
def test_the_recorded_sums_become_the_verbs_of_a_store(recorded, tmp_path, formula):
    data, rows = recorded_data(recorded)
    made = verb_features(regions(tmp_path / "r.h5", data, rows), data, formula)
    verbs = recorded["accumulate/out/verb_rows"]
    assert np.flatnonzero(made.count).tolist() == verbs.tolist()
    if formula == "union-object-human-last":
        expected = unit(recorded["accumulate/out/verb_values"], "verb")
    else:
        hoi = recorded["accumulate/out/hoi_rows"]
        things = dict(zip(recorded["accumulate/out/obj_rows"], recorded["accumulate/out/obj_values"], strict=True))
        of = np.array([things[k] for k in (4, 4, 1, 5, 19, 22)])  # of hoi 9 the file's own object, an airplane
        values = recorded["accumulate/out/hoi_values"]
        expected = unit(mean_of_interactions(values, HICO.interaction_verbs[hoi], of, 117)[verbs], "verb")
    np.testing.assert_allclose(made.rows[verbs], expected, rtol=0, atol=1e-5)


# ---- the literal oracle


@pytest.mark.parametrize("formula", FORMULAS)
def test_every_formula_equals_its_text(data, store, formula):
    same(verb_features(store, data, formula).rows, slow(formula, store, data))


@pytest.mark.parametrize("formula", FORMULAS)
def test_every_formula_takes_verbs_as_labels(tmp_path, formula):
    data = v_coco_scenes(8)
    store = regions(tmp_path / "r.h5", data)
    made = verb_features(store, data, formula)
    same(made.rows, slow(formula, store, data))
    assert made.without_object == int((data.object < 0).sum()) > 0
    assert "stand" in made.missing and "stand" in data.meta.labels.verbs


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("block", [1, 3])
def test_blocks_do_not_matter(data, store, formula, block, monkeypatch):
    whole = verb_features(store, data, formula).rows
    monkeypatch.setattr("hoitool.embed.instances.BLOCK", block)
    same(verb_features(store, data, formula).rows, whole)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.floats(-9, 9)), max_size=20),
    st.sampled_from(["all", "last"]),
)
def test_sums_equal_a_loop(rows, repeats):
    image, group, value = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.empty(0, int),) * 3
    total = np.ones((5, 1))
    add(total, group, value[:, None].astype(float), counting(image, group, repeats))
    counted = rows if repeats == "all" else last_of_each(rows, lambda row: row[:2])
    expected = [1 + sum(v for _, g, v in counted if g == k) for k in range(5)]
    np.testing.assert_allclose(total[:, 0], expected, rtol=0, atol=1e-12)


# ---- what must hold


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_order_of_images_is_free(data, store, formula):
    turned = select_images(data, np.arange(len(data))[::-1])
    same(verb_features(store, turned, formula).rows, verb_features(store, data, formula).rows)


def test_a_verb_with_one_instance_is_its_union_without_its_object(tmp_path):
    data = truth_of([(0, (0, 0, 5, 5), (3, 3, 9, 9), 18)], 1)
    rows = np.array([[1.0, 0, 0, 0], [0, 2, 0, 0], [3, 4, 0, 5]])  # human, object, union
    made = verb_features(regions(tmp_path / "r.h5", data, rows), data, "union-object")
    same(made.rows[HICO.interaction_verbs[18]], np.array([3, 2, 0, 5]) / np.sqrt(38))
    assert made.count.sum() == 1 and len(made.missing) == 116


def test_repeated_instances_count_unless_the_last_alone_does(tmp_path):
    a, b = (0, 0, 5, 5), (3, 3, 9, 9)
    data = truth_of([(0, a, b, 18), (0, a, b, 18), (0, b, a, 18), (1, a, b, 18)], 2)
    store = regions(tmp_path / "r.h5", data)
    verb = HICO.interaction_verbs[18]
    assert verb_features(store, data, "union-object-human").count[verb] == 4
    last = verb_features(store, data, "union-object-human-last")
    assert last.count[verb] == 2
    kept = select_pairs(data, np.array([False, False, True, True]))
    same(last.rows, verb_features(store, kept, "union-object-human").rows)


def test_the_means_are_the_rows_before_their_last_normalisation(data, store):
    made = verb_features(store, data, "union-object")
    held = made.count > 0
    same(unit(made.means[held], "verb"), made.rows[held])
    unions, boxes = features_of(store)
    rows = [row for row in instances_of(data) if row[1] == int(np.argmax(made.count))]
    same(made.means[np.argmax(made.count)], np.mean([unions[r[0], r[3], r[4]] - boxes[r[0], r[4]] for r in rows], 0))


def test_images_that_could_not_be_read_are_left_out_and_counted(data, tmp_path):
    first = int(np.flatnonzero(data.counts("pair"))[0])
    store = regions(tmp_path / "r.h5", data, failed=(first,))
    made = verb_features(store, data, "hoiclip")
    assert made.unread == data.counts("pair")[first]
    rest = select_images(data, np.arange(len(data)) != first)
    same(made.rows, slow("hoiclip", store, rest))


def test_instances_that_cancel_out_have_no_direction(tmp_path):
    data = truth_of([(0, (0, 0, 9, 9), (0, 0, 9, 9), 18)], 1)
    store = regions(tmp_path / "r.h5", data, np.ones((3, 4)))
    made = verb_features(store, data, "union-object")
    verb = HICO.verbs[HICO.interaction_verbs[18]]
    assert verb in made.missing and made.count.sum() == 1
    write_verbs(made, tmp_path / "unit.h5")
    write_verbs(made, tmp_path / "plain.h5", normalised=False)
    assert verb in Store(tmp_path / "unit.h5").failed
    assert verb not in Store(tmp_path / "plain.h5").failed and not Store(tmp_path / "plain.h5")[verb].any()


# ---- splits


def unseen_verb(data):
    """A split in which every class of the data's most frequent verb is unseen, and that verb."""
    verb = int(np.bincount(HICO.interaction_verbs[data.label]).argmax())
    unseen = tuple(np.flatnonzero(HICO.interaction_verbs == verb).tolist())
    seen = tuple(np.flatnonzero(HICO.interaction_verbs != verb).tolist())
    return Split("mine/labels", Space.of(HICO), {"unseen": unseen, "seen": seen}, "labels"), verb


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_split_takes_the_unseen_away(data, store, formula, tmp_path):
    split, verb = unseen_verb(data)
    made = verb_features(store, data, formula, split)
    gone = HICO.interaction_verbs[data.label] == verb
    assert made.excluded == gone.sum() > 0
    same(made.rows, slow(formula, store, select_pairs(data, ~gone)))
    assert HICO.verbs[verb] in made.missing and made.count[verb] == 0
    write_verbs(made, tmp_path / "v.h5")
    held = Store(tmp_path / "v.h5")
    assert held.manifest.split == {"name": "mine/labels", "hash": split.hash}
    assert held.manifest.notes["excluded"] == made.excluded
    assert np.isnan(held[HICO.verbs[verb]]).all()


def test_unseen_verbs_of_a_named_split_have_no_row(tmp_path):
    split = named("uv/pairs")
    unseen = sorted(split.groups["unseen"])
    a, b = (0, 0, 5, 5), (3, 3, 9, 9)
    seen = split.groups["seen"][0]
    data = truth_of([(k, a, b, label) for k, label in enumerate([*unseen, seen])], len(unseen) + 1)
    made = verb_features(regions(tmp_path / "r.h5", data), data, split=split)
    assert made.excluded == 84 and np.flatnonzero(made.count).tolist() == [HICO.interaction_verbs[seen]]


def test_data_that_a_split_made_say_so_and_use_the_store_of_all(data, store):
    from hoitool.splits import apply

    split, _ = unseen_verb(data)
    split = replace(split, name="mine/images", filter="images")
    applied = apply(data, split).data
    assert len(applied) < len(data)
    a, b = verb_features(store, applied), verb_features(store, data, split=split)
    same(a.rows, b.rows)
    assert a.manifest.split == b.manifest.split == {"name": "mine/images", "hash": split.hash}
    assert (a.excluded, b.excluded) == (0, len(data.subject) - len(applied.subject))


def test_a_split_without_a_filter_or_of_verbs_is_refused(data, store, tmp_path):
    with pytest.raises(UsageError, match="uv/"):
        verb_features(store, data, split=named("uv"))
    verbs = v_coco_truth()
    with pytest.raises(UsageError, match="labelled with verbs"):
        verb_features(regions(tmp_path / "r.h5", verbs), verbs, split=named("uv/labels"))


# ---- the store


def test_a_store_of_verbs_says_how_it_was_made(data, store, tmp_path):
    made = verb_features(store, data, "hoiclip")
    content = write_verbs(made, tmp_path / "verbs.h5", {"train.parquet": "ab" * 32})
    held = Store(tmp_path / "verbs.h5")
    assert held.content == content
    assert held.key.tolist() == list(HICO.verbs) and held.failed == made.missing
    known = made.count > 0
    np.testing.assert_allclose(held.rows(0, 117)[known], made.rows[known], rtol=0, atol=1e-7)
    assert held.column("count").tolist() == made.count.tolist()
    assert held.column("label").tolist() == list(range(117))
    held.require(
        of="verbs",
        model="clip:small",
        normalised=True,
        label_kind="verbs",
        label_space={"name": "hico", "hash": HICO.hash},
        subset="test",
        boxes="truth",
        sources={"train.parquet": "ab" * 32, "regions.h5": store.content},
        notes={"formula": "hoiclip", "excluded": 0, "without_object": 0, "unread": 0},
    )
    assert held.manifest.parts == () and held.manifest.box_frame == "" and not held.manifest.split


def test_rows_may_stay_as_long_as_they_are(data, store, tmp_path):
    made = verb_features(store, data, "union-object-human")
    write_verbs(made, tmp_path / "verbs.h5", normalised=False)
    held, known = Store(tmp_path / "verbs.h5").require(normalised=False), made.count > 0
    np.testing.assert_allclose(held.rows(0, 117)[known], made.means[known], rtol=1e-6, atol=0)


# ---- what is refused


def refused(kind, match, *arguments, **options):
    with pytest.raises(kind, match=match) as caught:
        verb_features(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_an_unknown_formula_is_refused(data, store):
    refused(UsageError, "Did you mean 'hoiclip'", store, data, "hoi-clip")


def test_stores_of_another_kind_are_refused(data, tmp_path):
    refused(DataError, "normalised", regions(tmp_path / "a.h5", data, normalised=True), data)
    refused(DataError, "holds box, expected boxes and unions", regions(tmp_path / "b.h5", data, parts=("box",)), data)
    write_verbs(verb_features(regions(tmp_path / "c.h5", data), data), tmp_path / "v.h5")
    refused(DataError, "of is 'verbs', expected 'regions'", Store(tmp_path / "v.h5"), data)


def test_stores_of_other_images_boxes_or_pairs_are_refused(data, store):
    last = len(data) - 1
    other = data.key.copy()
    other[last] = "other.jpg"
    refused(DataError, "has no image 'other.jpg'", store, data.with_columns(key=other))
    moved = data.boxes.copy()
    moved[-1, 0] += 0.5
    refused(DataError, "boxes of image .* are not those", store, data.with_columns(boxes=moved))
    fewer = data.with_columns(boxes=data.boxes[:-1], box_offsets=np.minimum(data.box_offsets, len(data.boxes) - 1))
    refused(DataError, r"boxes, the data have \d", store, fewer)
    swapped = data.with_columns(subject=data.object, object=data.subject)
    refused(DataError, "has no union of boxes", store, swapped)


def test_data_that_say_no_verbs_are_refused(data, store):
    dense = data.with_columns(label=None, scores=np.zeros((len(data.subject), 600)))
    refused(UsageError, "no interaction or verb", store, dense)
    refused(UsageError, "agents", store, data.with_columns(replace(data.meta, label_kind="agents+roles")))
    unknown = data.with_columns(categories=np.full_like(data.categories, -1))
    refused(DataError, "has no class", store, unknown)
    nothing = select_pairs(data, np.zeros(len(data.subject), bool))
    refused(DataError, "no pair of two boxes", store, nothing)
