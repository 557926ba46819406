"""PASCAL VOC: folders as the kits have them, difficult objects, and foreign or broken XML, each in one line."""

from __future__ import annotations

import numpy as np
import pytest
from builders import box_detector, box_scenes
from meaning import meaning

from hoitool.convert import load, read, sniff
from hoitool.convert.fit import fit
from hoitool.convert.voc import CLASSES, HOLDS, write
from hoitool.data import Dataset, select_images, to_frame
from hoitool.data.dataset import strings
from hoitool.errors import DataError, HoitoolError, MissingData
from hoitool.eval import score

OBJECT = """<object><name>{name}</name><pose>Left</pose><difficult>{difficult}</difficult>
<bndbox><xmin>{xmin}</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40.5</ymax></bndbox></object>"""


def xml(*objects: str, head: str = "", size: str = "<size><width>50</width><height>60</height></size>") -> str:
    return f"{head}<annotation><filename>{{stem}}.jpg</filename>{size}{''.join(objects)}</annotation>"


def thing(name: str = "car", difficult: str = "0", xmin: str = "1") -> str:
    return OBJECT.format(name=name, difficult=difficult, xmin=xmin)


@pytest.fixture
def kit(tmp_path):
    """A folder as VOC's kits have it: three images, two of them for training."""
    folder = tmp_path / "VOC2007"
    (folder / "Annotations").mkdir(parents=True)
    (folder / "ImageSets" / "Main").mkdir(parents=True)
    contents = {"000001": xml(thing(), thing("dog", "1")), "000002": xml(), "000003": xml(thing("person"))}
    for stem, text in contents.items():
        (folder / "Annotations" / f"{stem}.xml").write_text(text.replace("{stem}", stem))
    for name, stems in {"train": "000003 000001", "val": "000002", "trainval": "000001 000002 000003"}.items():
        lines = [f"{stem}  1\n" for stem in stems.split()]
        (folder / "ImageSets" / "Main" / f"{name}.txt").write_text("".join(lines))
    (folder / "ImageSets" / "Main" / "car_train.txt").write_text("000001 1\n")
    return folder


def test_a_kit(kit):
    assert sniff(kit) == "voc"
    held = read(kit)
    assert [(part.meta.subset, part.meta.dataset, len(part)) for part in held.parts] == [
        ("train", "voc2007", 2),
        ("val", "voc2007", 1),
    ]
    train = held.parts[0]
    assert train.key.tolist() == ["000003.jpg", "000001.jpg"]
    assert train.meta.labels.objects == CLASSES
    assert (train.meta.label_kind, train.meta.box_frame) == ("objects", "inclusive")
    assert train.boxes[0].tolist() == [0, 1, 29, 39.5]
    assert [train.meta.labels.objects[c] for c in train.categories] == ["person", "car", "dog"]
    assert train.meta.extras == {"coco": {"ignored": [3]}}
    assert (train.width.tolist(), train.height.tolist()) == ([50, 50], [60, 60])
    assert held.notes == ["not kept of objects: pose"]


def test_a_folder_of_files_and_one_file(kit, tmp_path):
    whole = load(kit / "Annotations")
    assert (len(whole), whole.meta.subset) == (3, "")
    assert len(load(kit / "Annotations" / "000001.xml")) == 1
    own = tmp_path / "mine"
    own.mkdir()
    (own / "a.xml").write_text(xml(thing("gizmo"), thing("car"), size="").replace("{stem}", "a"))
    data = load(own)
    assert data.meta.labels.objects == ("car", "gizmo")
    assert (data.width.tolist(), data.meta.dataset) == ([0], "voc")


def test_what_is_written_is_what_was_read(kit, tmp_path):
    for part in read(kit).parts:
        write([part], tmp_path / part.meta.subset)
        back = load(tmp_path / part.meta.subset)
        assert meaning(back) == meaning(part)
        assert (back.meta.subset, back.meta.extras) == (part.meta.subset, part.meta.extras)


def test_difficult_objects_travel_to_coco_and_back(kit, tmp_path):
    from hoitool.convert import FORMATS

    train = read(kit).parts[0]
    (held,) = fit([train], FORMATS["coco"].HOLDS).parts
    FORMATS["coco"].write([held], tmp_path / "instances.json")
    assert '"ignore": 1' in (tmp_path / "instances.json").read_text()
    (back,) = fit([load(tmp_path / "instances.json")], HOLDS).parts
    assert back.meta.extras["coco"] == {"ignored": [3]}


def test_difficult_objects_are_not_scored(tmp_path):
    truth = to_frame(box_scenes(), "inclusive")
    marked = truth.with_columns(truth.meta.__class__(**vars(truth.meta) | {"extras": {"coco": {"ignored": [1, 5]}}}))
    write([fit([marked], HOLDS).parts[0]], tmp_path / "out")
    back = load(tmp_path / "out")
    assert isinstance(back, Dataset)
    result = score(back, box_detector(back), "open-vocab", "voc07")
    assert result.per_class["truths"].sum() == len(truth.boxes) - 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (xml(thing(xmin="x")), r"object 0: <bndbox/xmin> is 'x', expected a number"),
        (xml(thing(), thing(xmin="nan")), r"object 1: <bndbox/xmin> is 'nan', expected a number"),
        (xml(thing(xmin="1e99")), r"<bndbox/xmin> is '1e99', expected a number"),
        (xml("<object><name>car</name></object>"), r"object 0: no <bndbox/xmin>"),
        (xml("<object></object>"), r"object 0: no <name>"),
        (xml(thing(" ")), r"object 0: no <name>"),
        (xml(thing(difficult="maybe")), r"<difficult> is 'maybe', expected a number"),
        (xml(size="<size><width>wide</width></size>"), r"<size/width> is 'wide', expected a number"),
        ("<other/>", r"its root is <other>, expected <annotation>"),
        ("<annotation>", r"not readable as PASCAL VOC annotations \(no element found"),
        ("", r"not readable as PASCAL VOC annotations"),
        (xml(head='<!DOCTYPE a [<!ENTITY b "c">]>'), r"declares a document type or entities"),
        (xml(head='<!DOCTYPE a SYSTEM "file:///etc/passwd">'), r"declares a document type or entities"),
    ],
)
def test_a_broken_file_is_named(kit, content, told):
    (kit / "Annotations" / "000001.xml").write_text(content)
    with pytest.raises(DataError, match=r"000001\.xml.*" + told) as caught:
        read(kit, "voc")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "cp037", "latin-1"])
def test_entities_hide_in_no_encoding(kit, encoding):
    declared = f"<?xml version='1.0' encoding='{encoding}'?>"
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]>'
    text = xml(head=declared + bomb).replace("</annotation>", "é&c;</annotation>")
    whole = text.encode(encoding)
    mixed = declared.encode() + text.removeprefix(declared).encode(encoding)
    for content in (whole, mixed):
        (kit / "Annotations" / "000001.xml").write_bytes(content)
        with pytest.raises(HoitoolError, match=r"000001\.xml"):
            read(kit, "voc")


def test_lists_that_do_not_fit(kit):
    (kit / "ImageSets" / "Main" / "val.txt").write_text("000009\n")
    with pytest.raises(MissingData, match=r"val\.txt: names '000009', which has no \.xml file"):
        read(kit, "voc")
    (kit / "ImageSets" / "Main" / "val.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"val\.txt: not readable as a list of images"):
        read(kit, "voc")


def test_names_with_blanks_and_names_in_folders_without_an_ending(kit, tmp_path):
    data = select_images(read(kit).parts[0], np.array([0, 1]))
    for names in (["a", "a b"], ["a b -1.jpg", "a b.jpg"], ["x/b", "x/c.d"]):
        named = data.with_columns(key=strings(names), file_name=None)
        folder = tmp_path / names[0].replace("/", "-")
        write([fit([named], HOLDS).parts[0]], folder)
        assert load(folder).key.tolist() == names


def test_two_files_of_one_image(kit):
    text = (kit / "Annotations" / "000001.xml").read_text()
    (kit / "Annotations" / "000002.xml").write_text(text)
    with pytest.raises(DataError, match=r"its image '000001\.jpg' is that of another file too"):
        read(kit / "Annotations", "voc")


def test_a_folder_without_annotations(tmp_path):
    with pytest.raises(DataError, match=r"no \.xml file in it"):
        read(tmp_path, "voc")
    with pytest.raises(MissingData, match="no such file or folder"):
        read(tmp_path / "absent", "voc")


def test_labels_beside_decide_and_unknown_names_are_refused(kit):
    data = read(kit).parts[0]
    data.meta.labels.save(kit / "labels.json")
    (kit / "Annotations" / "000002.xml").write_text(xml(thing("gizmo")).replace("{stem}", "000002"))
    with pytest.raises(DataError, match=r"000002\.xml: an object is 'gizmo', which .*labels\.json does not have"):
        read(kit)


def test_names_that_no_file_can_have_are_left_out_and_counted(tmp_path):
    data = box_scenes(4)
    data = data.with_columns(key=np.array(["a.jpg", "../b.jpg", "c\n.jpg", ""], object))
    fitted = fit([data], HOLDS)
    assert fitted.lost["images without a name that a file can have"] == 3
    write(fitted.parts, tmp_path)
    assert load(tmp_path).key.tolist() == ["a.jpg"]
    twice = box_scenes(2).with_columns(key=np.array(["a/1.jpg", "b/1.png"], object))
    with pytest.raises(DataError, match=r"image 'b/1\.png' has the name of another one but for folder and ending"):
        write(fit([twice], HOLDS).parts, tmp_path / "twice")
