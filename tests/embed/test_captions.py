"""Images and their captions through the engine: rows, columns, failures, a run that is killed and goes on."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from builders import truth_of
from PIL import Image

from hoitool.data import offsets_of, strings
from hoitool.embed.about import about, of_data
from hoitool.embed.captions import Captions, layout_of
from hoitool.embed.engine import Pace, run
from hoitool.embed.pictures import album_of
from hoitool.embed.preprocess import Preprocess
from hoitool.errors import UsageError
from hoitool.store import Store, partial_path, verify

DIM, COUNTS = 4, [2, 0, 3, 1, 0, 5, 1, 2, 1, 1]
TEXTS = [f"caption {'x' * i}" for i in range(sum(COUNTS))]


class Killed(Exception):
    """What ends a run in the middle."""


class Stub:
    """An encoder of means of pictures and of lengths of texts; it ends a run at its `calls`-th call."""

    name, dim, preprocess = "stub", DIM, Preprocess(8, 8)

    def __init__(self, calls=10**9):
        self.facts = {"weights_sha256": "ab", "family": "stubs"}
        self.left, self.batches = calls, []

    def _started(self, kind, count):
        self.left -= 1
        if self.left < 0:
            raise Killed
        self.batches.append((kind, count))

    def images(self, pixels):
        self._started("image", len(pixels))
        means = pixels.reshape(len(pixels), -1, 3).mean(axis=1)
        return lambda: np.concatenate([means, np.ones((len(means), 1))], axis=1).astype(np.float32)

    def texts(self, texts):
        self._started("text", len(texts))
        return lambda: np.array([row_of(text) for text in texts], np.float32)


def row_of(text):
    return [len(text), 1, text.count("x"), 2]


def unit(row):
    return np.asarray(row, float) / np.linalg.norm(row)


@pytest.fixture
def data(tmp_path):
    """Ten images of one colour each, with captions; ids from 100."""
    made = truth_of([], images=len(COUNTS))
    for i, key in enumerate(made.key.tolist()):
        Image.new("RGB", (9 + i, 12), (20 * i, 255 - 20 * i, 3)).save(tmp_path / key, quality=95, subsampling=0)
    ids = 100 + np.arange(len(TEXTS))
    return made.with_columns(caption_id=ids, caption_text=strings(TEXTS), caption_offsets=offsets_of(COUNTS))


def job_of(data, folder, encoder=None):
    encoder = encoder or Stub()
    return Captions(data, album_of(data, folder), encoder, about(encoder, "captions", **of_data(data.meta)))


def test_rows_are_the_image_and_then_its_captions(data, tmp_path):
    run(job_of(data, tmp_path), tmp_path / "x.h5", Pace(batch=3))
    store = Store(tmp_path / "x.h5").require(of="captions", model="stub", parts=("image", "text"), normalised=True)
    assert np.diff(store.layout.offsets).tolist() == [1 + count for count in COUNTS]
    at = offsets_of(COUNTS)
    for i, key in enumerate(data.key.tolist()):
        mean = np.asarray(Image.open(tmp_path / key)).reshape(-1, 3).mean(axis=0)
        np.testing.assert_allclose(store[key][0], unit([*mean, 1]), atol=2e-2)
        expected = [unit(row_of(text)) for text in TEXTS[at[i] : at[i + 1]]]
        np.testing.assert_allclose(store[key][1:], np.reshape(expected, (-1, DIM)), atol=1e-6)
    assert verify(tmp_path / "x.h5").altered == []


def test_columns_say_the_text_and_its_id(data):
    layout = layout_of(data)
    part, text, ids = (layout.columns[name] for name in ("part", "text", "caption"))
    assert np.flatnonzero(part == 0).tolist() == layout.offsets[:-1].tolist()
    assert text[part == 1].tolist() == TEXTS
    assert ids[part == 1].tolist() == data.caption_id.tolist()
    assert (set(text[part == 0]), set(ids[part == 0])) == ({""}, {-1})
    assert "caption" not in layout_of(data.with_columns(caption_id=None)).columns


def test_the_parts_of_a_store_are_found(data, tmp_path):
    run(job_of(data, tmp_path), tmp_path / "x.h5", Pace(batch=4))
    store = Store(tmp_path / "x.h5")
    places, rows = store.part("text")
    assert store.column("text")[places].tolist() == TEXTS
    np.testing.assert_allclose(rows, [unit(row_of(text)) for text in TEXTS], atol=1e-6)
    assert len(store.places("image")) == len(data)


@pytest.mark.parametrize("calls", [0, 1, 3, 6])
def test_a_killed_run_goes_on_and_ends_with_the_same_store(data, tmp_path, monkeypatch, calls):
    monkeypatch.setattr("hoitool.embed.engine.BATCHES", 2)
    whole = run(job_of(data, tmp_path), tmp_path / "whole.h5", Pace(batch=2))
    with pytest.raises(Killed):
        run(job_of(data, tmp_path, Stub(calls)), tmp_path / "x.h5", Pace(batch=2))
    assert partial_path(tmp_path / "x.h5").exists()
    assert not (tmp_path / "x.h5").exists()
    again = run(job_of(data, tmp_path), tmp_path / "x.h5", Pace(batch=2, workers=3))
    assert (again.content, again.made + again.found) == (whole.content, len(data))
    one, two = Store(tmp_path / "x.h5"), Store(tmp_path / "whole.h5")
    assert one.rows(0, one.layout.rows).tobytes() == two.rows(0, two.layout.rows).tobytes()
    assert verify(tmp_path / "x.h5").found == whole.content


def test_pictures_and_texts_are_batched_apart(data, tmp_path):
    encoder = Stub()
    run(job_of(data, tmp_path, encoder), tmp_path / "x.h5", Pace(batch=4))
    assert [count for kind, count in encoder.batches if kind == "image"] == [4, 4, 2]
    assert [count for kind, count in encoder.batches if kind == "text"] == [4, 4, 4, 4]


def test_an_image_that_cannot_be_read_takes_its_captions_with_it(data, tmp_path):
    (tmp_path / "image-2.jpg").write_bytes(b"no picture")
    done = run(job_of(data, tmp_path), tmp_path / "x.h5", Pace(batch=3))
    assert list(done.failed) == Store(tmp_path / "x.h5").failed == ["image-2.jpg"]
    assert np.isnan(Store(tmp_path / "x.h5")["image-2.jpg"]).all()


def test_what_cannot_be_embedded_is_refused(data, tmp_path):
    with pytest.raises(UsageError, match="has no captions"):
        job_of(truth_of([], images=len(COUNTS)), tmp_path)
    texts = SimpleNamespace(name="bert:tiny", dim=DIM, facts={}, preprocess=None)
    with pytest.raises(UsageError, match="bert:tiny embeds no images"):
        job_of(data, tmp_path, texts)
