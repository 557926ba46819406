"""A detector over the pictures of a dataset, by a stub that finds what the test says: order, classes, files, faults."""

from __future__ import annotations

import numpy as np
import pytest
from stub_encoders import noise

pytest.importorskip("torch")

from hoitool.convert.detections import read_detections
from hoitool.data import read, select_images, validate, write
from hoitool.errors import DataError, UsageError
from hoitool.labels import load_labels
from hoitool.labels.space import build
from hoitool.predict.detectors.detector import Found, objects_of
from hoitool.predict.detectors.finding import boxes_in, file_name, find_boxes
from hoitool.predict.folder import images_in

HICO = load_labels("hico")
CLASSES = ("__background__", "person", "bicycle", "unicorn")


class Stub:
    """Finds in each picture what `of` says of its width."""

    name, batch = "stub", 2

    def __init__(self, of=None):
        self.classes, self.facts, self.calls = CLASSES, {"weights": "none", "weights_sha256": "0" * 64}, []
        self.of = of or (lambda width: [((1, 2, width, 4.5), 0.25, 2), ((0, 0, 3, 3), 0.5, 1)])

    def __call__(self, pictures):
        self.calls.append([each.shape for each in pictures])
        return [self._found(self.of(each.shape[1])) for each in pictures]

    def _found(self, rows):
        boxes = np.array([row[0] for row in rows], float).reshape(-1, 4)
        return Found(boxes, np.array([row[1] for row in rows]), np.array([row[2] for row in rows], np.int64))


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for i, width in enumerate((20, 30, 40)):
        noise(width, 10, i).save(tmp_path / "photos" / f"{i}.png")
    return images_in([tmp_path / "photos"], HICO)[:2]


def test_boxes_are_aligned_with_the_images_the_surest_first(photos):
    stub = Stub()
    data = find_boxes(*photos, stub).data
    validate(data)
    assert data.key.tolist() == ["0.png", "1.png", "2.png"] and data.box_offsets.tolist() == [0, 2, 4, 6]
    assert data.boxes[:, 2].tolist() == [3, 20, 3, 30, 3, 40] and data.box_scores.tolist() == [0.5, 0.25] * 3
    assert [HICO.objects[i] for i in data.categories[:2]] == ["person", "bicycle"]
    assert data.meta.box_frame == "continuous" and not len(data.subject)


def test_only_pictures_of_one_size_are_looked_at_together(tmp_path):
    for i, width in enumerate((30, 20, 30, 20, 20, 40)):
        noise(width, 10, i).save(tmp_path / f"{i}.png")
    images, album, *_ = images_in([tmp_path], HICO)
    stub = Stub()
    data = find_boxes(images, album, stub).data
    assert [[shape[1] for shape in call] for call in stub.calls] == [[20, 20], [20], [30], [30], [40]]
    assert data.boxes[1::2, 2].tolist() == [30, 20, 30, 20, 20, 40]
    sizeless, stub = images.with_columns(width=None, height=None), Stub()
    np.testing.assert_array_equal(find_boxes(sizeless, album, stub).data.boxes, data.boxes)


def test_unsure_boxes_and_those_of_no_object_are_left_out(photos):
    def of(width):
        return [] if width == 30 else [((0, 0, 1, 1), score, kind) for score, kind in ((0.1, 1), (0.3, 3), (0.2, 2))]

    data = find_boxes(*photos, Stub(of), min_score=0.15).data
    assert data.box_offsets.tolist() == [0, 1, 1, 2] and data.box_scores.tolist() == [0.2, 0.2]
    assert data.meta.extras["detector"] == {
        "name": "stub",
        "weights": "none",
        "weights_sha256": "0" * 64,
        "min_score": 0.15,
        "of_no_object": 2,
        "not_read": {},
    }
    nothing = find_boxes(*photos, Stub(lambda width: []))
    validate(nothing.data)
    assert nothing.data.boxes.shape == (0, 4) and len(nothing.data) == 3


def test_they_are_found_once(photos, tmp_path):
    path, stub = tmp_path / file_name("hf:some/detr"), Stub()
    assert path.name == "boxes-hf-some-detr.parquet"
    first = boxes_in(path, *photos, stub)
    again = boxes_in(path, *photos, stub)
    assert len(stub.calls) == 3 and again.held and not first.held
    np.testing.assert_array_equal(first.data.boxes, again.data.boxes)
    assert boxes_in(path, *photos, stub, overwrite=True).held is False and len(stub.calls) == 6
    with pytest.raises(UsageError, match="holds boxes of min_score 0.05, not 0.2; --overwrite replaces it"):
        boxes_in(path, *photos, stub, min_score=0.2)
    fewer = select_images(photos[0], np.arange(2))
    with pytest.raises(UsageError, match="holds boxes of other images"):
        boxes_in(path, fewer, photos[1], stub)


def test_the_file_is_read_as_detections_of_the_images(photos, tmp_path):
    made = boxes_in(tmp_path / "boxes.parquet", *photos, Stub()).data
    held, dropped = read_detections(tmp_path / "boxes.parquet", photos[0])
    assert not dropped
    for name in ("boxes", "categories", "box_scores", "box_offsets"):
        np.testing.assert_array_equal(getattr(made, name), getattr(held, name))
    assert read(tmp_path / "boxes.parquet").meta.extras["detector"]["name"] == "stub"


def test_a_broken_picture_stops_or_has_no_boxes(photos, tmp_path):
    (tmp_path / "photos" / "1.png").write_bytes(b"broken")
    with pytest.raises(DataError, match="1.png: not readable as a picture"):
        find_boxes(*photos, Stub())
    made = find_boxes(*photos, Stub(), skip_broken=True)
    assert list(made.broken) == ["1.png"] and made.data.box_offsets.tolist() == [0, 2, 2, 4]


def test_a_file_tells_which_pictures_were_not_read(photos, tmp_path):
    (tmp_path / "photos" / "1.png").write_bytes(b"broken")
    path = tmp_path / "boxes.parquet"
    boxes_in(path, *photos, Stub(), skip_broken=True)
    assert list(boxes_in(path, *photos, Stub(), skip_broken=True).broken) == ["1.png"]
    with pytest.raises(UsageError, match=r"boxes.parquet: holds no boxes of '1.png', which could not be read then"):
        boxes_in(path, *photos, Stub())
    write(photos[0], tmp_path / "images.parquet")
    with pytest.raises(UsageError, match="images.parquet: holds no boxes of a detector"):
        boxes_in(tmp_path / "images.parquet", *photos, Stub())


def test_a_picture_of_another_size_than_the_data_say_is_refused(photos):
    images = photos[0].with_columns(width=np.array([20, 31, 40], np.int32))
    with pytest.raises(DataError, match="image '1.png' is 30 x 10 pixels, the data say 31 x 10"):
        find_boxes(images, photos[1], Stub())
    unknown = photos[0].with_columns(width=np.zeros(3, np.int32))
    assert len(find_boxes(unknown, photos[1], Stub()).data.boxes) == 6


def test_classes_are_objects_by_name_or_as_cocos():
    stub = Stub()
    stub.classes = ("", "Hot Dog", "tvmonitor", "sofa", "unicorn", "cell phone", "N/A")
    found = [HICO.objects[i] if i >= 0 else None for i in objects_of(stub, HICO)]
    assert found == [None, "hot_dog", "tv", "couch", None, "cell_phone", None]
    own = build("own", "a test", [("Mensch", 1), ("unicorn", -1)], [("ride", "riding")], [("ride", "unicorn", -1)])
    stub.classes = CLASSES
    assert objects_of(stub, own).tolist() == [-1, 0, -1, 1]
    stub.classes = ("LABEL_0", "LABEL_1")
    with pytest.raises(
        DataError, match=r"stub: none of its classes \('LABEL_0', 'LABEL_1', ...\) is an object of 'own'"
    ):
        objects_of(stub, own)
