"""Parquet in and out: exact, refused where it is not ours, and never another exception than HoitoolError."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import predictions_of, truth_of
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import DEMO, HICO, assert_same, either, predictions

from hoitool.data import is_ours, iter_shards, parquet, read, read_header, select_images, shard_files, strings, write
from hoitool.data.arrow import from_arrow, from_lists, one_chunk
from hoitool.errors import DataError, HoitoolError, MissingData
from hoitool.labels import build

A, B = (0.0, 0, 9, 9), (10.0, 10, 19, 29)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.parquet"


def three() -> parquet.Predictions:
    return predictions_of([(0, A, B, 3, 0.5), (2, A, B, 18, 0.25)], subset="test")


def with_header(path, **changes):
    """Change the metadata of a written file, keys to None being left out."""
    table = pq.read_table(path)
    header = json.loads(table.schema.metadata[b"hoitool"]) | changes
    header = {key: value for key, value in header.items() if value is not None}
    pq.write_table(table.replace_schema_metadata({b"hoitool": json.dumps(header)}), path)


def with_column(path, name, values):
    """Replace a column of a written file."""
    table = pq.read_table(path)
    at = table.column_names.index(name)
    pq.write_table(table.set_column(at, name, values), path)


# there and back


@settings(deadline=None, max_examples=60)
@given(either())
def test_one_file_comes_back_exactly(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.parquet"
        write(data, path)
        assert_same(read(path), data)


@settings(deadline=None, max_examples=40)
@given(either(), st.integers(2, 4))
def test_shards_come_back_exactly(data, shards):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.parquet"
        write(data, path, shards=shards)
        assert len(shard_files(path)) == shards
        assert_same(read(path), data)


@settings(deadline=None, max_examples=30)
@given(either(least_images=3))
def test_many_row_groups_come_back_exactly(data):
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(parquet, "ROW_GROUP", 2):
        path = Path(folder) / "data.parquet"
        write(data, path)
        assert pq.read_metadata(path).num_row_groups == (len(data) + 1) // 2
        assert_same(read(path), data)


@settings(deadline=None, max_examples=30)
@given(predictions(images=0))
def test_no_images_come_back(data):
    with tempfile.TemporaryDirectory() as folder:
        write(data, Path(folder) / "data.parquet")
        assert_same(read(Path(folder) / "data.parquet"), data)


@pytest.mark.parametrize("layout", ["sparse", "dense"])
def test_images_without_pairs_come_back(path, layout):
    data = predictions_of([], images=4)
    if layout == "dense":
        data = data.with_columns(label=None, score=None, scores=np.empty((0, 600), np.float32))
    write(data, path)
    assert_same(read(path), data)


def test_a_shard_of_dense_predictions_may_have_no_pairs(path):
    data = three().with_columns(label=None, score=None, scores=np.ones((2, 600)))
    write(data, path, shards=3)
    assert_same(read(path), data)


def test_a_column_of_one_subset_comes_back_from_shards(path):
    data = truth_of([(0, A, B, 3)], images=4).with_columns(subset=strings(["test"] * 4))
    write(data, path, shards=2)
    assert read(path).key.tolist() == data.key.tolist()


@pytest.mark.parametrize("column", ["boxes", "score"])
def test_numbers_of_the_other_byte_order_are_written_as_they_are(path, column):
    data = three()
    write(data.with_columns(**{column: getattr(data, column).astype(">f8")}), path)
    assert getattr(read(path), column).tolist() == getattr(data, column).tolist()


def test_columns_of_other_strides_are_written_as_they_are(path):
    data = three()
    boxes = np.asfortranarray(data.boxes)
    write(
        data.with_columns(boxes=boxes, label=np.repeat(data.label, 2)[::2], crowd=np.array([1, 0] * 4, bool)[::2]), path
    )
    back = read(path)
    assert back.boxes.tolist() == data.boxes.tolist()
    assert back.label.tolist() == data.label.tolist()
    assert back.crowd.tolist() == [True] * 4


def test_shards_are_read_one_by_one_in_name_order(path):
    data = predictions_of([(i, A, B, i, 0.5) for i in range(12)], images=12)
    write(data, path, shards=11)
    (path / ".hidden.parquet").write_text("x")
    shards = list(iter_shards(path))
    assert [key for shard in shards for key in shard.key] == data.key.tolist()
    assert_same(shards[0], select_images(data, np.arange(2)))
    assert is_ours(path)


def test_a_shard_that_is_gone_is_told(path):
    write(three(), path, shards=3)
    (path / "00001.parquet").unlink()
    with pytest.raises(MissingData, match=r"00001\.parquet: no such file; the shards of this folder run to 00002"):
        read(path)
    assert len(read(path / "00002.parquet")) == 1  # one by itself may be read


def test_writing_again_replaces_the_former_file(path):
    write(truth_of([]), path)
    write(three(), path)
    assert_same(read(path), three())
    write(three(), path.with_name("shards"), shards=3)
    write(three(), path.with_name("shards"), shards=2)
    assert len(shard_files(path.with_name("shards"))) == 2


def test_shards_replace_one_file_of_that_name(path):
    write(three(), path)
    write(three(), path, shards=2)
    assert_same(read(path), three())


def test_the_same_data_give_the_same_bytes(path):
    write(three(), path)
    first = path.read_bytes()
    write(three(), path)
    assert path.read_bytes() == first


def test_pandas_reads_it_as_it_is(path):
    write(three(), path)
    frame = pd.read_parquet(path)
    assert frame["key"].tolist() == three().key.tolist()
    assert [len(boxes) for boxes in frame["boxes"]] == [2, 0, 2]
    assert frame["boxes"][2][1].tolist() == list(B)
    assert frame["pairs"][2][0] == {"subject": 0, "object": 1, "label": 18, "score": 0.25}
    assert frame["categories"][0].tolist() == three().categories[:2].tolist()


def test_the_header_says_what_it_is_without_the_columns(path):
    write(three(), path)
    header = read_header(path)
    assert {
        name: header[name] for name in ("kind", "version", "layout", "subset", "label_kind", "score", "box_frame")
    } == {
        "kind": "predictions",
        "version": parquet.VERSION,
        "layout": "sparse",
        "subset": "test",
        "label_kind": "interactions",
        "score": "final",
        "box_frame": "inclusive",
    }
    assert header["labels"] == json.loads(json.dumps(HICO.summary()))
    write(three(), path.with_name("shards"), shards=2)
    assert read_header(path.with_name("shards")) == header


# label spaces


@pytest.mark.parametrize("shards", [1, 2])
def test_a_label_space_of_one_s_own_is_stored_once_beside_the_data(path, shards):
    data = truth_of([(0, A, B, 3)], labels=DEMO)
    write(data, path, shards)
    folder = path if shards > 1 else path.parent
    assert [file.name for file in folder.glob("*.json")] == [f"labels-{DEMO.hash[:12]}.json"]
    assert_same(read(path), data)


@pytest.mark.parametrize("shards", [1, 2])
def test_without_its_label_space_the_data_are_missing_data(path, shards):
    write(truth_of([(0, A, B, 3)], labels=DEMO), path, shards)
    for file in path.parent.rglob("labels-*.json"):
        file.unlink()
    with pytest.raises(
        MissingData, match=r"data\.parquet.*: its label space 'demo' is neither packaged nor beside it \(labels-"
    ):
        read(path)


@pytest.mark.parametrize("content", [b"", b"no json", b"\xff\xfe\x00", b"[]", b'{"name": "demo"}'])
def test_a_label_space_file_of_nonsense_is_a_data_error(path, content):
    write(truth_of([(0, A, B, 3)], labels=DEMO), path)
    (file,) = path.parent.glob("labels-*.json")
    file.write_bytes(content)
    with pytest.raises(DataError, match="labels-"):
        read(path)


def test_another_label_space_in_that_file_says_what_differs(path):
    write(truth_of([(0, A, B, 3)], labels=DEMO), path)
    (file,) = path.parent.glob("labels-*.json")
    build(
        "demo",
        "made up",
        [(name, -1) for name in DEMO.objects],
        [(name, "") for name in DEMO.verbs],
        [(DEMO.verbs[0], DEMO.objects[0], 5)],
    ).save(file)
    with pytest.raises(
        DataError, match=r"in its interactions \(30 with .*, expected 1 with .*\); the objects and verbs agree"
    ):
        read(path)


def test_a_file_that_names_another_hico_says_what_differs(path):
    write(three(), path)
    header = read_header(path)
    labels = header["labels"] | {"hash": "0" * 64, "parts": header["labels"]["parts"] | {"verbs": [116, "abc"]}}
    with_header(path, labels=labels)
    told = r"data\.parquet: label space 'hico' differs from 'hico' in its verbs \(116 with hash abc, expected 117 with "
    with pytest.raises(DataError, match=told):
        read(path)


def test_data_are_not_there_without_their_label_space(path):
    data = truth_of([(0, A, B, 3)], labels=DEMO)
    (path.parent / f"labels-{DEMO.hash[:12]}.json").mkdir()  # so that the label space cannot be written
    with pytest.raises(HoitoolError, match="could not be written"):
        write(data, path)
    assert not path.exists()


# versions


def test_a_newer_version_is_refused(path, monkeypatch):
    monkeypatch.setattr(parquet, "VERSION", 7)
    write(three(), path)
    monkeypatch.undo()
    for look in (read, read_header, lambda p: list(iter_shards(p))):
        with pytest.raises(DataError, match=r"data\.parquet: format version 7, newer than .*; upgrade hoitool"):
            look(path)


def test_an_older_version_is_migrated_step_by_step(path, monkeypatch):
    write(three(), path)
    version = parquet.VERSION
    table = pq.read_table(path)
    older = table.rename_columns([{"key": "image"}.get(name, name) for name in table.column_names])
    pq.write_table(older.replace_schema_metadata(table.schema.metadata), path)

    def rename(table, header):
        names = [{"image": "key"}.get(name, name) for name in table.column_names]
        return table.rename_columns(names), header | {"version": version + 1}

    def say(table, header):
        return table, header | {"version": version + 2, "dataset": "migrated"}

    monkeypatch.setattr(parquet, "VERSION", version + 2)
    monkeypatch.setattr(parquet, "MIGRATIONS", {version: rename, version + 1: say})
    data = read(path)
    assert data.meta.dataset == "migrated"
    assert_same(data, three().with_columns(replace(three().meta, dataset="migrated")))


def test_a_newer_version_may_say_other_things_and_is_still_told_as_newer(path):
    write(three(), path)
    with_header(path, version=99, labels="elsewhere", sources=None, extras=None)
    with pytest.raises(DataError, match=r"data\.parquet: format version 99, newer than .*; upgrade hoitool"):
        read(path)


def test_an_older_version_may_lack_what_its_migration_adds(path, monkeypatch):
    write(three(), path)
    with_header(path, sources=None, extras=None)
    version = parquet.VERSION

    def add(table, header):
        return table, header | {"version": version + 1, "sources": {}, "extras": {}}

    monkeypatch.setattr(parquet, "VERSION", version + 1)
    monkeypatch.setattr(parquet, "MIGRATIONS", {version: add})
    assert_same(read(path), three())


@pytest.mark.parametrize("version", [0, -1, "1", 1.0, [1], {}])
def test_a_version_without_a_way_up_is_refused(path, version):
    write(three(), path)
    with_header(path, version=version)
    with pytest.raises(DataError, match=r"data\.parquet: format version .* is not known"):
        read(path)


# foreign and broken files


def test_a_plain_parquet_is_not_ours(path):
    pd.DataFrame({"key": ["a"]}).to_parquet(path)
    assert not is_ours(path)
    for look in (read, read_header):
        with pytest.raises(DataError, match=r"data\.parquet: a Parquet file, but not one of hoitool's .*--from pairs"):
            look(path)


def test_what_is_ours_is_told_without_an_exception(path, tmp_path):
    assert not is_ours(path)
    assert not is_ours(tmp_path)
    path.write_bytes(b"PAR1 and then nothing")
    assert not is_ours(path)
    write(three(), path)
    assert is_ours(path)
    assert is_ours(tmp_path)


def test_what_is_not_there_is_missing_data(path, tmp_path):
    with pytest.raises(MissingData, match=r"data\.parquet: no such file or folder"):
        read(path)
    with pytest.raises(MissingData, match="no .parquet file in this folder"):
        read(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PAR1", b"PAR1PAR1", b"PAR1" + b"\0" * 100 + b"PAR1", b"\x89HDF\r\n"]
)
def test_what_is_no_parquet_is_a_data_error(path, content):
    path.write_bytes(content)
    for look in (read, read_header):
        with pytest.raises(DataError, match=r"data\.parquet: "):
            look(path)


@pytest.fixture(scope="module")
def rich(small, detected):
    """Real-looking predictions, with all that predictions may have."""
    data = select_images(detected, np.arange(20))
    return data.with_columns(
        width=np.full(20, 640, np.int32),
        crowd=np.zeros(len(data.boxes), bool),
        box_scores=np.linspace(0, 1, len(data.boxes)),
        caption_id=np.arange(20),
        caption_text=strings(["a person and a horse"] * 20),
        caption_offsets=np.arange(21),
    )


def test_a_file_cut_anywhere_is_one_error(rich, path):
    write(rich, path)
    whole = path.read_bytes()
    for part in range(64):
        path.write_bytes(whole[: len(whole) * part // 64])
        with pytest.raises(HoitoolError, match=r"data\.parquet: "):
            read(path)
        with pytest.raises(HoitoolError):
            read_header(path)
        assert not is_ours(path)


@pytest.mark.parametrize("seed", range(4))
def test_a_file_with_changed_bytes_is_an_error_or_readable(rich, path, seed):
    write(rich, path)
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    rng = np.random.default_rng(seed)
    refused = 0
    for _ in range(60):
        broken = whole.copy()
        at = rng.integers(0, len(whole), rng.integers(1, 4))
        broken[at] ^= rng.integers(1, 256, len(at)).astype(np.uint8)
        path.write_bytes(broken.tobytes())
        try:
            read(path)
        except HoitoolError as error:
            assert "data.parquet: " in str(error) or "labels-" in str(error)
            refused += 1
        assert is_ours(path) in (True, False)
    assert refused > 0


def test_a_column_name_that_is_no_text_is_told_without_an_exception(path):
    write(three(), path)
    whole = path.read_bytes()
    for name in (b"key", b"boxes", b"pairs", b"subject"):
        path.write_bytes(whole.replace(name, b"\xff" + name[1:]))
        assert is_ours(path) in (True, False)
        with pytest.raises(HoitoolError):
            read(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "video"},
        {"kind": None},
        {"kind": ["dataset"]},
        {"label_kind": "agents"},
        {"score": None},
        {"box_frame": "polar"},
        {"labels": None},
        {"labels": []},
        {"labels": "hico"},
        {"labels": {"name": "hico"}},
        {"labels": {"name": "hico", "hash": "x", "parts": []}},
        {"labels": {"name": "hico", "hash": "x", "parts": {"verbs": []}}},
        {"labels": {"name": "hico", "hash": "x", "parts": {"verbs": 3}}},
        {"sources": ["a"]},
        {"sources": 5},
        {"extras": ["a"]},
        {"extras": "none"},
    ],
    ids=str,
)
def test_malformed_metadata_are_a_hoitool_error(path, changes):
    write(three(), path)
    with_header(path, **changes)
    with pytest.raises(HoitoolError):
        read(path)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b"null", b"\xff", b"[" * 10**5], ids=range(7))
def test_metadata_that_are_no_json_object_are_a_data_error(path, text):
    write(three(), path)
    pq.write_table(pq.read_table(path).replace_schema_metadata({b"hoitool": text}), path)
    for look in (read, read_header):
        with pytest.raises(DataError, match=r"data\.parquet: "):
            look(path)


boxes_type = pa.list_(pa.list_(pa.float64(), 4))


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("key", pa.array([1, 2, 3]), "column 'key' is int64, expected string"),
        ("key", pa.array(["a", None, "b"]), "column 'key' holds nulls"),
        ("key", pa.array(["a", "b", "a"]), "image 'a' stands twice, in rows 0 and 2"),
        ("boxes", pa.array([[], None, []], boxes_type), "column 'boxes' holds nulls, expected an empty list"),
        ("boxes", pa.array([[None, A], [], [A, B]], boxes_type), "column 'boxes' holds nulls"),
        ("boxes", pa.array([[(1.0, None, 2.0, 3.0), A], [], [A, B]], boxes_type), "column 'boxes' holds nulls"),
        (
            "boxes",
            pa.array([[A, B], [], [A]], boxes_type),
            "column 'categories' has another number of entries than 'boxes'",
        ),
        ("boxes", pa.array([[(1.0, 2.0)]] * 3, pa.list_(pa.list_(pa.float64(), 2))), "has 2 values a row, expected 4"),
        ("boxes", pa.array([[A, A[:3]], [], [A, B]], pa.list_(pa.list_(pa.float64()))), "has rows of 3 to 4 values"),
        ("boxes", pa.array([[1.0], [], [2.0]]), "column 'boxes' is double, expected lists of 4 numbers"),
        ("boxes", pa.array([1.0, 2.0, 3.0]), "columns do not fit the format|column 'boxes'"),
        ("categories", pa.array([["a", "b"], [], ["c", "d"]]), "column 'categories' is string, expected int32"),
        ("categories", pa.array([[0.5, 1], [], [1, 1]]), "column 'categories' is double, expected int32"),
        ("categories", pa.array([[2**40, 1], [], [1, 1]]), "column 'categories' is int64, expected int32"),
        ("categories", pa.array([[80, 1], [], [1, 1]]), "image 'image-0.jpg', box 0: a category is 80"),
        ("pairs", pa.array([[1], [], [2]]), "column 'pairs' is a list of int64, expected a list of structs"),
        ("pairs", pa.array([[{"subject": 0}], [], [{"subject": 0}]]), "no column 'pairs'"),
        (
            "pairs",
            pa.array([[{"subject": 0, "object": None, "label": 1, "score": 1.0}], [], []]),
            "'pairs.object' holds nulls",
        ),
    ],
)
def test_a_column_that_does_not_fit_is_named(path, name, values, told):
    write(three(), path)
    with_column(path, name, values)
    with pytest.raises(DataError, match=told) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["key", "boxes", "categories", "pairs"])
def test_a_column_that_is_not_there_is_named(path, name):
    write(three(), path)
    pq.write_table(pq.read_table(path).drop_columns([name]), path)
    with pytest.raises(DataError, match=rf"data\.parquet: (no column '{name}'|columns do not fit the format)"):
        read(path)


def test_numbers_of_other_widths_are_taken_as_they_mean(path):
    write(three(), path)
    with_column(path, "categories", pa.array([[0, 1], [], [2, 3]], pa.list_(pa.int64())))
    with_column(path, "boxes", pa.array([[A, B], [], [A, B]], pa.large_list(pa.large_list(pa.float32()))))
    with_column(path, "key", pa.array(["a", "b", "c"], pa.large_string()))
    data = read(path)
    assert (data.categories.dtype, data.categories.tolist()) == (np.int32, [0, 1, 2, 3])
    assert (data.boxes.dtype, data.boxes.tolist()) == (np.float32, [list(A), list(B)] * 2)
    assert data.key.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([True, False, True, True]), [False, True, True]),
        (pa.array([1, 2, 3, 4], pa.int32()), [2, 3, 4]),
        (pa.array([0.5, 1, 2, 3]), [1, 2, 3]),
        (pa.array(["a", "b", "c", "d"]), ["b", "c", "d"]),
    ],
)
def test_a_slice_of_an_arrow_array_is_that_slice(values, expected):
    dtype = {"bool": "bool", "int32": "int32", "double": "float64", "string": "str"}[str(values.type)]
    assert from_arrow(values.slice(1), "x", [dtype], None).tolist() == expected
    assert from_arrow(values.slice(1, 2), "x", [dtype], None).tolist() == expected[:2]


def test_a_slice_of_arrow_lists_starts_at_zero():
    lists = pa.array([[[1.0, 2]], [[3.0, 4], [5, 6]], [], [[7, 8]]], pa.list_(pa.list_(pa.float64(), 2)))
    values, offsets = from_lists(lists.slice(1), "x")
    assert offsets.tolist() == [0, 2, 2, 3]
    assert from_arrow(values, "x", ["float64"], 2).tolist() == [[3, 4], [5, 6], [7, 8]]


def test_chunks_become_one_array():
    assert one_chunk(pa.chunked_array([[1, 2], [], [3]])).tolist() == [1, 2, 3]
    assert one_chunk(pa.chunked_array([], pa.int32())).tolist() == []


def test_dense_scores_must_be_as_many_for_every_pair(path):
    data = three().with_columns(label=None, score=None, scores=np.ones((2, 600)))
    write(data, path)
    with_column(path, "scores", pa.array([[1.0] * 599, [], [1.0] * 601]))
    with pytest.raises(DataError, match="column 'scores' holds 1200 values for 2 pairs, not the same number for each"):
        read(path)


def test_a_data_error_in_a_shard_names_the_shard(path):
    write(three(), path, shards=3)
    with_column(path / "00001.parquet", "key", pa.array([None], pa.string()))
    with pytest.raises(DataError, match=r"data\.parquet/00001\.parquet: column 'key' holds nulls"):
        read(path)


def test_shards_of_different_data_are_refused(path):
    write(three(), path, shards=2)
    write(truth_of([(0, A, B, 3)]), path / "00002.parquet")
    with pytest.raises(DataError, match="columns differ"):
        read(path)


@pytest.mark.parametrize("extras", [{"f": 3}, {"f": [1]}, {"f": None}], ids=str)
def test_malformed_extras_of_shards_are_refused_or_kept(path, extras):
    write(three(), path, shards=2)
    for shard in shard_files(path):
        with_header(shard, extras=extras)
    try:
        assert read(path).meta.extras == extras
    except HoitoolError as error:
        assert str(error).startswith(str(path))


@pytest.mark.parametrize("name", ["scores", "image_scores"])
def test_shards_of_another_number_of_scores_are_refused(path, name):
    data = three().with_columns(label=None, score=None, scores=np.ones((2, 600)), image_scores=np.ones((3, 600)))
    write(data, path, shards=2)
    odd = select_images(data, np.array([2]))
    odd = odd.with_columns(key=strings(["another"]), **{name: np.ones((1, 599))})
    write(odd, path / "00002.parquet")
    with pytest.raises(DataError, match=r"data\.parquet"):
        read(path)


def test_shards_with_one_image_twice_are_refused(path):
    write(three(), path, shards=2)
    write(three(), path / "00002.parquet")
    with pytest.raises(DataError, match=r"image 'image-0\.jpg' stands twice, in rows 0 and 3"):
        read(path)
