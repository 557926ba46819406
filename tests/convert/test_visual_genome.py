"""Visual Genome: scene graphs and relationships, the filters against a literal oracle, streams and shards."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from builders import RELATIONS
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from meaning import meaning
from strategies import datasets

from hoitool.convert import FORMATS, load, one_part, read, sniff
from hoitool.convert.fit import fit
from hoitool.convert.scene_filters import Aliases, Filters, filtered, filters_of
from hoitool.convert.scenes import Scene
from hoitool.convert.visual_genome import stream
from hoitool.data import concat, shard_files
from hoitool.data import read as read_parquet
from hoitool.errors import DataError, MissingData, UsageError

VG = FORMATS["visual-genome"]


def thing(number, names, box=(0, 0, 10, 10)):
    """An object of a scene graph."""
    return {"object_id": number, **dict(zip("xywh", box, strict=True)), "names": names, "synsets": []}


def link(subject, obj, predicate):
    """A relationship of a scene graph."""
    return {"relationship_id": 1, "predicate": predicate, "subject_id": subject, "object_id": obj, "synsets": []}


GRAPHS = [
    {
        "image_id": 2,
        "objects": [thing(7, ["cat", "animal"], (1, 2, 30.5, 40)), thing(5, ["table"], (0, 0, 9, 9)), thing(6, [])],
        "relationships": [link(7, 5, "ON"), link(5, 7, "under")],
    },
    {"image_id": 10, "objects": [], "relationships": []},
]
IMAGES = [{"image_id": 10, "width": 5, "height": 6}, {"image_id": 2, "width": 640, "height": 480, "coco_id": None}]


def wrote(folder, graphs=GRAPHS, images=IMAGES, name="scene_graphs.json"):
    """A folder as it is downloaded."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(graphs))
    if images is not None:
        (folder / "image_data.json").write_text(json.dumps(images))
    return folder


def relations(data):
    """(image, subject, predicate, object) of every pair, in names."""
    space = data.meta.labels
    sides = [data.categories[data.pair_boxes(side)] for side in ("subject", "object")]
    rows = zip(data.key[data.image_of("pair")], *sides, data.label, strict=True)
    return [(key, space.objects[s], space.verbs[p], space.objects[o]) for key, s, o, p in rows]


class TestReading:
    """The two files, and what has their form."""

    def test_scene_graphs_are_read_as_they_stand(self, tmp_path):
        held = read(wrote(tmp_path / "vg"))
        (data,) = held.parts
        assert sniff(tmp_path / "vg") == sniff(tmp_path / "vg" / "scene_graphs.json") == "visual-genome"
        assert relations(data) == [("2", "cat", "ON", "table"), ("2", "table", "under", "cat")]
        assert data.key.tolist() == ["2", "10"]
        assert data.file_name.tolist() == ["2.jpg", "10.jpg"]
        assert (data.width.tolist(), data.height.tolist()) == ([640, 5], [480, 6])
        assert data.boxes[0].tolist() == [1, 2, 31.5, 42]
        assert data.box_ids.tolist() == [7, 5, 6]
        assert data.categories.tolist() == [0, 1, -1]
        assert data.meta.labels.objects == ("cat", "table")
        assert (data.meta.label_kind, data.meta.box_frame, data.meta.subset) == ("predicates", "continuous", "")
        assert held.dropped == {"names of objects after the first": 1}

    def test_relationships_hold_their_objects(self, tmp_path):
        rows = [dict(row) for row in GRAPHS]
        held = {row["object_id"]: row for row in rows[0]["objects"]}
        inside = [
            {"predicate": r["predicate"], "subject": held[r["subject_id"]], "object": held[r["object_id"]]}
            for r in rows[0]["relationships"]
        ]
        inside[0]["object"] = {"name" if key == "names" else key: value for key, value in held[5].items()}
        inside[0]["object"]["name"] = "table"
        folder = wrote(tmp_path / "vg", [{"image_id": 2, "relationships": inside}], name="relationships.json")
        data = load(folder)
        assert sniff(folder) == "visual-genome"
        assert relations(data) == relations(load(wrote(tmp_path / "other")))
        assert data.box_ids.tolist() == [7, 5]

    def test_the_preprocessed_form_has_names_as_texts(self, tmp_path):
        rows = json.loads(json.dumps(GRAPHS))
        for row in rows[0]["objects"]:
            row["names"] = row["names"][0] if row["names"] else ""
        data = load(wrote(tmp_path / "vg", rows, name="scene_graphs_preprocessv1.json"))
        assert meaning(data) == meaning(load(wrote(tmp_path / "other")))

    def test_what_means_nothing_is_counted(self, tmp_path):
        row = {
            "image_id": 1,
            "objects": [thing(1, ["a"]), thing(1, ["b"])],
            "relationships": [link(1, 1, "of"), link(1, 9, "of")],
        }
        held = read(wrote(tmp_path / "vg", [row]))
        assert held.dropped == {
            "objects whose id stands before in their image": 1,
            "relationships with an object that their image does not have": 1,
        }
        assert relations(held.parts[0]) == [("1", "a", "of", "a")]

    def test_without_image_data_sizes_are_unknown_and_it_says_so(self, tmp_path):
        held = read(wrote(tmp_path / "vg", images=None))
        assert held.parts[0].width is None
        assert held.notes == ["no image_data.json beside scene_graphs.json: the images' sizes are not known"]

    def test_two_scene_graphs_in_a_folder_must_be_named(self, tmp_path):
        folder = wrote(wrote(tmp_path / "vg"), name="scene_graphs_val.json")
        with pytest.raises(UsageError, match=r"holds scene_graphs.json and scene_graphs_val.json; name one"):
            load(folder, "visual-genome")
        assert load(folder / "scene_graphs_val.json").meta.subset == "val"

    @pytest.mark.parametrize(
        ("graphs", "told"),
        [
            ([{"image_id": "2"}], r"json\[0\].image_id is '2', expected an integer"),
            ([{"image_id": 2}], r"json\[0\].relationships is None, expected a list"),
            ([*GRAPHS, GRAPHS[0]], r"\[2\].image_id is 2, which .*\[0\] has too"),
            (
                [{"image_id": 2, "objects": [thing(1, ["a"], (0, 0, 1, "x"))]}],
                r"objects\[0\].h is 'x', expected a finite",
            ),
            ([{"image_id": 2, "objects": [thing(1, [3])]}], r"objects\[0\].names is .* expected a list of texts"),
            (
                [{"image_id": 2, "relationships": [link(1, 1, None)]}],
                r"relationships\[0\].predicate is None, expected text",
            ),
            ([{"image_id": 2, "relationships": [link(None, 1, "a")]}], r"subject_id is None, expected an integer"),
            ([1], r"json\[0\] is 1, expected an object"),
        ],
    )
    def test_what_does_not_fit_is_refused_with_its_place(self, tmp_path, graphs, told):
        with pytest.raises(DataError, match=told):
            load(wrote(tmp_path / "vg", graphs), "visual-genome")

    def test_names_that_the_label_space_beside_does_not_have_are_refused(self, tmp_path):
        folder = wrote(tmp_path / "vg")
        RELATIONS.save(folder / "labels.json")
        with pytest.raises(DataError, match=r"an object is 'cat', which .*labels.json does not have"):
            load(folder)


@settings(max_examples=60, deadline=None)
@given(datasets(labels=RELATIONS, subset="test", subsets=False, known_objects=True, sizes=True))
def test_relations_without_a_person_come_back(part):
    if part.meta.label_kind == "objects":  # boxes alone have no relations
        reject()
    (held,) = fit([part], VG.HOLDS).parts
    if "" in held.key:
        reject()
    with TemporaryDirectory() as folder:
        VG.write([held], Path(folder))
        back = one_part(read(Path(folder), "visual-genome"), Path(folder))
    assert meaning(back) == meaning(held)


def literal(scene, filters, aliases):
    """Repeated, redundant and too many relations, as the source says them, one comparison after the other."""

    def overlap(a, b):
        if aliases.objects.get(scene.names[a], scene.names[a]) != aliases.objects.get(scene.names[b], scene.names[b]):
            return 0
        (ax, ay, aw, ah), (bx, by, bw, bh) = scene.boxes[a], scene.boxes[b]
        left, right = max(ax, bx), min(ax + aw, bx + bw)
        top, bottom = max(ay, by), min(ay + ah, by + bh)
        if left >= right or top >= bottom:
            return 0
        inter = (right - left + 1) * (bottom - top + 1)
        return inter / ((aw + 1) * (ah + 1) + (bw + 1) * (bh + 1) - inter)

    kept = []
    for relation in scene.relations:
        if not (filters.repeated and relation in kept):
            kept.append(relation)
    if filters.redundant:
        relations, kept = kept, []
        for s, o, name in relations:
            same = [r for r in kept if aliases.predicates.get(r[2], r[2]) == aliases.predicates.get(name, name)]
            overlaps = [min(overlap(r[0], s), overlap(r[1], o)) for r in same]
            if not any(value >= filters.redundant for value in overlaps):
                kept.append((s, o, name))
    return kept[: filters.most or None]


@st.composite
def drawn_scenes(draw):
    """A crowded image: few classes, boxes on a small grid."""
    count = draw(st.integers(1, 7))
    names = draw(st.lists(st.sampled_from(["cat", "cats", "dog", ""]), min_size=count, max_size=count))
    side = st.integers(0, 12).map(float)
    boxes = [[draw(side), draw(side), draw(side), draw(side)] for _ in range(count)]
    place = st.integers(0, count - 1)
    held = draw(st.lists(st.tuples(place, place, st.sampled_from(["on", "On", "near"])), max_size=20))
    return Scene(1, list(range(count)), names, boxes, held)


class TestFilters:
    """What is left out."""

    ALIASES = Aliases({"cats": "cat", "cat": "cat"}, {"on top of": "on"})

    @settings(deadline=None, max_examples=200)
    @given(drawn_scenes(), st.booleans(), st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.sampled_from([0, 1, 4]))
    def test_relations_are_those_of_a_literal_count(self, scene, repeated, redundant, most):
        filters = Filters(repeated=repeated, redundant=redundant, most=most)
        expected, before = literal(scene, filters, self.ALIASES), len(scene.relations)
        dropped = Counter()
        made = filtered(scene, filters, self.ALIASES, (0, 0), dropped)
        assert made.relations == expected
        assert sum(dropped.values()) == before - len(expected)

    def test_improper_boxes_go_with_their_relations(self):
        boxes = [[0.0, 0.0, 5.0, 5.0], [0.0, 0.0, 0.0, 5.0], [100.0, 0.0, 5.0, 5.0], [95.0, 1.0, 50.0, 5.0]]
        scene = Scene(1, [4, 5, 6, 7], ["a", "b", "c", "d"], boxes, [(0, 1, "on"), (2, 0, "on"), (3, 0, "on")])
        dropped = Counter()
        made = filtered(scene, Filters(improper_boxes=True), Aliases({}, {}), (100, 80), dropped)
        assert (made.ids, made.names, made.relations) == ([4, 7], ["a", "d"], [(1, 0, "on")])
        assert dropped == {"boxes without an area or outside their image": 2}

    def test_names_in_lower_case_and_by_their_aliases(self, tmp_path):
        folder = wrote(tmp_path / "vg")
        (folder / "relationship_alias.txt").write_text("on top of,on,ON\nbelow,under\n")
        with pytest.raises(MissingData, match=r"object_alias.txt: no such file; the filter 'aliases' needs it"):
            stream(folder, filters_of(["aliases"]))
        (folder / "object_alias.txt").write_text("\ufefffeline,cat\r\n")  # of an editor on Windows
        (data,) = stream(folder, filters_of(["lower-case", "aliases"])).parts(9)
        assert relations(data) == [("2", "feline", "on top of", "table"), ("2", "table", "below", "feline")]

    def test_seldom_names_lose_their_relations(self, tmp_path):
        rows = [
            {
                "image_id": i,
                "objects": [thing(1, ["cat"]), thing(2, ["dog" if i else "cow"])],
                "relationships": [link(1, 2, "on"), link(2, 1, "near" if i else "at")],
            }
            for i in range(4)
        ]
        held = stream(wrote(tmp_path / "vg", rows), filters_of(["least=2"]))
        (data,) = held.parts(9)
        assert data.meta.labels.objects == ("cat", "dog")
        assert data.meta.labels.verbs == ("near", "on")
        assert data.counts("pair").tolist() == [0, 2, 2, 2]
        assert data.categories[:2].tolist() == [0, -1]
        assert held.dropped == {"relations with a name that occurs too seldom": 2}
        every = stream(tmp_path / "vg", filters_of(["least=1"]))
        assert sum(len(part.subject) for part in every.parts(9)) == 8
        assert every.dropped == {}  # nothing is told of what did not happen

    def test_the_steps_of_rlip_by_one_name(self):
        assert filters_of(["rlip"]) == Filters(repeated=True, redundant=0.7, most=100, improper_boxes=True)
        assert filters_of(["rlip", "redundant=0.5", "least=20"]).redundant == 0.5

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("repeat", "No filter named 'repeat'. Did you mean 'repeated'"),
            ("repeated=1", "filter 'repeated' takes no value, came '1'"),
            ("redundant", "filter 'redundant' is '', expected a number over 0, to 1, such as redundant=0.7"),
            ("redundant=2", "expected a number over 0, to 1"),
            ("redundant=nan", "expected a number over 0, to 1"),
            ("most=-1", "filter 'most' is '-1', expected a whole number over 0, such as most=100"),
            ("least=x", "filter 'least' is 'x', expected a whole number"),
        ],
    )
    def test_an_unknown_filter_and_a_bad_value_are_refused(self, name, told):
        with pytest.raises(UsageError, match=told):
            filters_of([name])


class TestShards:
    """Part by part."""

    @pytest.fixture
    def many(self, tmp_path):
        rng = np.random.default_rng(0)
        rows = []
        for i in range(50):
            objects = [
                thing(10 * i + j, [f"name {rng.integers(8)}"], rng.integers(1, 40, 4).tolist()) for j in range(6)
            ]
            ends = 10 * i + rng.integers(0, 6, (8, 2))
            held = [link(*row, f"predicate {rng.integers(3)}") for row in ends.tolist()]
            rows.append({"image_id": i, "objects": objects, "relationships": held})
        return wrote(tmp_path / "vg", rows, [{"image_id": i, "width": 50, "height": 50} for i in range(50)])

    def test_parts_are_the_whole(self, many):
        whole = load(many)
        parts = list(stream(many).parts(7))
        assert [len(part) for part in parts] == [7] * 7 + [1]
        assert meaning(concat(parts)) == meaning(whole)
        assert len({part.meta.labels.hash for part in parts}) == 1

    def test_the_command_writes_shards_and_counts(self, many, hoitool, tmp_path):
        done = hoitool("convert", many, "-o", tmp_path / "out.parquet", "--shards", 3, "--filter", "rlip")
        assert done.code == 0, done.err
        assert len(shard_files(tmp_path / "out.parquet")) == 3
        data = read_parquet(tmp_path / "out.parquet")
        (plain,) = stream(many, filters_of(["rlip"])).parts(50)
        assert meaning(data) == meaning(plain)
        assert "dropped" in done.err
        assert len(data.subject) < len(load(many).subject)
        again = hoitool("convert", many, "-o", tmp_path / "out.parquet", "--shards", 3)
        assert again.code == 2
        assert "--overwrite" in again.err

    def test_one_file_where_no_shards_are_asked_for(self, many, hoitool, tmp_path):
        done = hoitool("convert", many, "-o", tmp_path / "out", "--filter", "most=2")
        assert done.code == 0, done.err
        assert int(read_parquet(tmp_path / "out" / "all.parquet").counts("pair").max()) == 2

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--filter", "rlips"], "No filter named 'rlips'"),
            (["--shards", "0"], "--shards .at least 1."),
            (["--shards", "2", "--to", "coco"], "write hoitool's format, without --to"),
        ],
    )
    def test_what_cannot_be_meant_is_said(self, many, hoitool, tmp_path, arguments, told):
        done = hoitool("convert", many, "-o", tmp_path / "out", *arguments)
        assert done.code == 2
        assert told.replace(".at", "(at").replace("1.", "1)") in done.err
        assert not (tmp_path / "out").exists()

    def test_formats_that_are_read_whole_say_so(self, small, hoitool, tmp_path):
        FORMATS["csv"].write([fit([small.test], FORMATS["csv"].HOLDS).parts[0]], tmp_path / "a.csv")
        done = hoitool("convert", tmp_path / "a.csv", "--shards", "2")
        assert done.code == 2
        assert "(csv): --shards and --filter are for the formats visual-genome" in done.err
