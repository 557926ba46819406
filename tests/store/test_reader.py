"""Reading: by key and place, in other processes of both kinds, from a DataLoader, lazily, and what is refused."""

from __future__ import annotations

import multiprocessing
import pickle
import shutil

import h5py
import numpy as np
import pytest
from store.making import WHATEVER, layout_of, rows_of, write
from store.workers import Features, read_in_worker

from hoitool.errors import DataError, MissingData, UsageError
from hoitool.store import Store, Stream, Writer, merge, partial_path, verify

ROWS = rows_of(layout_of(["a.jpg", "bü.jpg", "c.jpg"], [2, 0, 3]))


def test_rows_by_key_and_by_place(path):
    store = Store(path)
    for i, key in enumerate(["a.jpg", "bü.jpg", "c.jpg"]):
        for at in (i, i - 3, np.int64(i), key):
            np.testing.assert_array_equal(store[at], ROWS[i])
    np.testing.assert_array_equal(store.read([2, -3, 1, 2]), np.concatenate([ROWS[2], ROWS[0], ROWS[2]]))
    assert store.read([]).shape == (0, 4)
    np.testing.assert_array_equal(store.rows(1, 4), np.concatenate(ROWS)[1:4])
    assert (len(store), store.index("c.jpg"), store.image_of_rows().tolist()) == (3, 2, [0, 0, 2, 2, 2])
    assert "3 regions, 5 rows of 4, test:tiny" in repr(store)
    assert len(list(store)) == 3


def test_what_is_not_there_is_one_line(path):
    store = Store(path)
    for call, told in (
        (lambda: store["a.jpeg"], "Did you mean 'a.jpg'"),
        (lambda: store.column("labels"), "Did you mean 'label'"),
        (lambda: store.part("boxes"), "Did you mean 'box'"),
        (lambda: store.rows(2, 6), "rows 2..6 are outside 0..5"),
        (lambda: store.require(modell="x"), "a manifest has no field 'modell'"),
    ):
        with pytest.raises(UsageError) as caught:
            call()
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)
    for wrong in ([3], [-4], [0, 7]):
        with pytest.raises(IndexError):
            store.read(wrong)


def test_an_unknown_key_among_many_is_told_at_once(tmp_path):
    write(tmp_path / "x.h5", layout_of([f"{i:08d}.jpg" for i in range(20_000)], [0] * 20_000, columns=False))
    with pytest.raises(UsageError, match=r"It has 20,000, such as '00000000.jpg'"):
        Store(tmp_path / "x.h5")["nowhere.jpg"]


def test_require_says_what_differs(path):
    store = Store(path)
    assert store.require(model="test:tiny", dim={3, 4}, split={}) is store
    with pytest.raises(DataError) as caught:
        store.require(model={"a", "b"}, normalised=False, split={"hash": "x"})
    assert str(caught.value) == (
        f"{path} is not what is needed: model is 'test:tiny', expected 'a' or 'b'; normalised is True, expected False; "
        'split is {}, expected {"hash": "x"}'
    )


def test_a_copy_of_rows_may_be_changed_without_changing_the_file(path):
    before = path.read_bytes()
    store = Store(path)
    store["a.jpg"][:] = 0
    np.testing.assert_array_equal(store["a.jpg"], ROWS[0])
    assert path.read_bytes() == before


def test_opening_reads_neither_keys_nor_columns(path):
    store = Store(path)
    store[0]
    assert store._read == {}
    assert store.index("a.jpg") == 0
    assert set(store._read) == {"key"}


@pytest.mark.parametrize("kind", ["fork", "spawn"])
@pytest.mark.parametrize("name", ["small.h5", "virtual.h5", "stream.h5"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_store_that_was_read_is_read_by_workers(path, tmp_path, kind, name):
    if name == "virtual.h5":
        merge([path], tmp_path / name)
    elif name == "stream.h5":
        stream = Stream(tmp_path / name, WHATEVER)
        stream.append(layout_of(["a.jpg", "bü.jpg", "c.jpg"], [2, 0, 3]), np.concatenate(ROWS))
        stream.finish()
    store = Store(tmp_path / name)
    mine = store["c.jpg"].tolist(), store.read([0, 2]).tolist(), store.column("text").tolist()
    context = multiprocessing.get_context(kind)
    queue = context.Queue()
    workers = [context.Process(target=read_in_worker, args=(store, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    told = [queue.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert [tuple(held) for _, *held in told] == [mine, mine]
    assert {pid for pid, *_ in told} == {worker.pid for worker in workers}


def test_sending_a_store_is_sending_its_name(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    store = Store("small.h5")
    store.index("a.jpg")
    sent = pickle.dumps(store)
    assert len(sent) < 1000
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(store["c.jpg"], ROWS[2])  # and another current folder does not matter
    again = pickle.loads(sent)
    np.testing.assert_array_equal(again["c.jpg"], ROWS[2])
    assert again.path == store.path


@pytest.mark.parametrize(("kind", "workers"), [("fork", 2), ("spawn", 1)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_a_torch_data_loader(path, kind, workers):
    data = pytest.importorskip("torch.utils.data")
    loader = data.DataLoader(Features(path), batch_size=None, num_workers=workers, multiprocessing_context=kind)
    assert len(list(loader)) == 3
    for i, rows in loader:
        np.testing.assert_array_equal(rows, ROWS[i])


def test_a_store_that_is_replaced_while_it_is_used_is_refused(path):
    store, mapped = Store(path), Store(path)
    mapped[0]
    sent = pickle.dumps(store)
    write(path, layout_of(["a.jpg", "b.jpg", "c.jpg"], [2, 0, 3]), [row + 1 for row in ROWS])
    for call in (lambda: store[0], lambda: store.key, lambda: pickle.loads(sent)):
        with pytest.raises(DataError, match="was replaced while it was in use; open it again"):
            call()
    np.testing.assert_array_equal(mapped[0], ROWS[0])  # the file that was opened


def test_an_unfinished_store_is_refused(tmp_path):
    layout = layout_of(["a", "b"], [1, 1])
    with Writer(tmp_path / "x.h5", WHATEVER, layout) as writer:
        writer.write(0, rows_of(layout)[:1])
    for name in ("x.h5.partial", "renamed.h5"):
        if name == "renamed.h5":
            shutil.copy(partial_path(tmp_path / "x.h5"), tmp_path / name)
        with pytest.raises(DataError, match="was never finished"):
            Store(tmp_path / name)
    with pytest.raises(MissingData, match=r"x.h5: no such file"):
        Store(tmp_path / "x.h5")


@pytest.mark.parametrize("packed", [{"compression": "gzip"}, {"chunks": (2, 2)}, {"chunks": (2, 4)}])
def test_rows_in_chunks_and_packed_ones_are_read(path, packed):
    expected = Store(path).rows(0, 5)
    with h5py.File(path, "r+") as file:
        del file["features"]
        file.create_dataset("features", data=expected, **packed)
    store = Store(path)
    np.testing.assert_array_equal(store.rows(0, 5), expected)
    np.testing.assert_array_equal(store.read([2, 0]), np.concatenate([ROWS[2], ROWS[0]]))
    verify(path).raise_for()
