"""Open Images: the official rows, the tables beside them, the processed JSON, the challenge's predictions."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from builders import RELATIONS
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from meaning import meaning
from PIL import Image
from strategies import datasets, predictions

from hoitool.convert import FORMATS, PREDICTION_FORMATS, format_named, load, one_part, read, sniff
from hoitool.convert.fit import fit
from hoitool.convert.job import Options, convert
from hoitool.convert.open_images_tables import descriptions, triplets
from hoitool.data import to_frame
from hoitool.errors import DataError, MissingData
from hoitool.eval import score

CSV, JSON, SCORED = FORMATS["open-images"], FORMATS["open-images-json"], PREDICTION_FORMATS["open-images-challenge"]
HEADER = (
    "ImageID,LabelName1,LabelName2,XMin1,XMax1,YMin1,YMax1,XMin2,XMax2,YMin2,YMax2,RelationshipLabel"  # as published
)
MAN = "0.049375,0.560625,0.08427,0.999064"
IS = f"000ac95750ac7399,/m/04yx4,/m/019nj4,{MAN},{MAN},is"  # a published row
AT = f"000ac95750ac7399,/m/04yx4,/m/04bcr3,{MAN},0.3,0.9,0.6,0.95,at"
OTHER = "00aa,/m/04bcr3,/m/083vt,0,1,0,1,0,1,0,1,is"
NAMES = "/m/04yx4,Man\n/m/04bcr3,Table\n"


def wrote(folder: Path, rows=(IS, AT, OTHER), name="oidv6-validation-annotations-vrd.csv", header=HEADER, **beside):
    """A folder with relationships and the files beside them (name without .csv, content)."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join([header, *rows, ""]))
    for other, content in beside.items():
        (folder / f"{other.replace('_', '-')}.csv").write_text(content)
    return folder


def relations(data):
    """(image, subject, predicate, object) of every pair, in names."""
    space, boxes = data.meta.labels, data.categories
    sides = [boxes[data.pair_boxes(side)] for side in ("subject", "object")]
    rows = zip(data.key[data.image_of("pair")], *sides, data.label, strict=True)
    return [(key, space.objects[s], space.verbs[p], space.objects[o]) for key, s, o, p in rows]


class TestRows:
    """The official files."""

    def test_a_published_row_is_read_as_it_stands(self, tmp_path):
        data = load(wrote(tmp_path / "a", class_descriptions=NAMES), subset="val")
        assert sniff(tmp_path / "a") == "open-images"
        assert relations(data) == [
            ("000ac95750ac7399", "Man", "is", "/m/019nj4"),
            ("000ac95750ac7399", "Man", "at", "Table"),
            ("00aa", "Table", "is", "/m/083vt"),
        ]
        assert data.meta.label_kind == "predicates"
        assert data.meta.box_frame == "normalised"
        assert (data.meta.dataset, data.meta.subset) == ("open-images", "val")
        assert data.file_name.tolist() == ["000ac95750ac7399.jpg", "00aa.jpg"]
        assert data.boxes[0].tolist() == [0.049375, 0.08427, 0.560625, 0.999064]
        assert data.boxes[data.pair_boxes("object")[1]].tolist() == [0.3, 0.6, 0.9, 0.95]

    def test_a_box_that_stands_in_two_rows_is_one_and_an_attribute_has_its_own(self, tmp_path):
        data = load(wrote(tmp_path / "a"))
        assert data.counts("box").tolist() == [3, 2]
        assert data.subject.tolist() == [0, 0, 0]
        assert np.array_equal(data.boxes[0], data.boxes[1])
        assert data.meta.labels.objects[data.categories[1]] == "/m/019nj4"

    def test_columns_are_found_by_name_in_any_order_under_either_spelling(self, tmp_path):
        plain = load(wrote(tmp_path / "a"))
        names, rows = HEADER.split(","), [row.split(",") for row in (IS, AT, OTHER)]
        turned = [",".join(["x", *row[::-1]]) for row in rows]
        header = ",".join(["Extra", *names[::-1]]).replace("RelationshipLabel", "RelationLabel")
        held = read(wrote(tmp_path / "b", turned, header=header))
        assert meaning(held.parts[0]) == meaning(plain)
        assert any("columns not read: Extra" in note for note in held.notes)

    def test_rows_of_an_image_may_stand_apart(self, tmp_path):
        data = load(wrote(tmp_path / "a", (IS, OTHER, AT)))
        assert data.key.tolist() == ["000ac95750ac7399", "00aa"]
        assert data.counts("pair").tolist() == [2, 1]
        assert meaning(data) == meaning(load(wrote(tmp_path / "b")))

    @pytest.mark.parametrize(
        ("name", "subset"),
        [
            ("oidv6-train-annotations-vrd.csv", "train"),
            ("oidv6-test-annotations-vrd.csv", "test"),
            ("challenge-2019-validation-vrd.csv", "val"),
            ("validation-annotations-vrd.csv", "val"),
            ("mine.csv", ""),
        ],
    )
    def test_the_name_says_the_subset(self, tmp_path, name, subset):
        assert load(wrote(tmp_path / "a", name=name)).meta.subset == subset

    def test_the_files_of_a_folder_share_a_label_space(self, tmp_path):
        folder = wrote(wrote(tmp_path / "a", (IS,)), (OTHER,), "oidv6-train-annotations-vrd.csv")
        parts = {part.meta.subset: part for part in read(folder).parts}
        assert set(parts) == {"train", "val"}
        assert len({part.meta.labels.hash for part in parts.values()}) == 1
        assert parts["train"].meta.labels.verbs == ("is",)

    def test_two_files_of_one_subset_are_refused(self, tmp_path, hoitool):
        folder = wrote(wrote(tmp_path / "a", (IS,)), (OTHER,), "challenge-2019-validation-vrd.csv")
        told = "holds challenge-2019-validation-vrd.csv and oidv6-validation-annotations-vrd.csv, both of one subset"
        done = hoitool("convert", folder)
        assert done.code == 2
        assert told in done.err
        assert len(read(folder / "challenge-2019-validation-vrd.csv").parts[0]) == 1

    @pytest.mark.parametrize(
        ("row", "told"),
        [
            (IS.replace("0.08427", "up", 1), "line 2: YMin1 is 'up', expected a number"),
            (IS.replace("0.08427", "", 1), "line 2: YMin1 is empty, expected a number"),
            (IS.replace("0.08427", "nan", 1), "line 2: YMin1 is 'nan', expected a finite number"),
            (IS.replace("/m/019nj4", ""), "line 2: LabelName2 is empty, expected a label"),
            (IS.removesuffix("is"), "line 2: RelationshipLabel is empty, expected a label"),
            (IS[16:], "line 2: ImageID is empty, expected a label"),
        ],
    )
    def test_a_bad_cell_is_refused_with_its_line_and_column(self, tmp_path, row, told):
        with pytest.raises(DataError, match=told):
            load(wrote(tmp_path / "a", (row, AT)))

    def test_a_missing_column_is_named(self, tmp_path):
        with pytest.raises(DataError, match="line 1: no column 'XMin2'"):
            load(wrote(tmp_path / "a", header=HEADER.replace("XMin2", "left")) / "oidv6-validation-annotations-vrd.csv",
                 "open-images")  # fmt: skip
        with pytest.raises(DataError, match="no column 'RelationshipLabel' .nor 'RelationLabel'"):
            load(wrote(tmp_path / "b", header=HEADER.replace("RelationshipLabel", "what")) /
                 "oidv6-validation-annotations-vrd.csv", "open-images")  # fmt: skip

    def test_boxes_in_pixels_are_remarked(self, tmp_path):
        held = read(wrote(tmp_path / "a", (OTHER.replace("0,1,0,1,is", "0,640,0,480,is"),)))
        assert any("1 boxes of relations reach outside 0..1" in note for note in held.notes)


class TestTables:
    """The files beside the relationships."""

    @pytest.mark.parametrize("head", ["", "LabelName,DisplayName\n", "id,name\n"])
    def test_descriptions_with_and_without_a_header(self, tmp_path, head):
        (tmp_path / "d.csv").write_text(head + NAMES)
        assert descriptions(tmp_path / "d.csv") == {"/m/04yx4": "Man", "/m/04bcr3": "Table"}

    def test_objects_are_the_boxable_classes_then_attributes_then_what_occurs(self, tmp_path):
        folder = wrote(
            tmp_path / "a",
            class_descriptions="/m/0abc,Anything\n",
            class_descriptions_boxable="LabelName,DisplayName\n/m/04bcr3,Table\n/m/04yx4,Man\n/m/01,Cup\n",
            oidv6_attributes_description="/m/083vt,Wooden\n",
            oidv6_relationships_description="is,is\nat,at\nholds,holds\n",
        )
        space = load(folder).meta.labels
        assert space.objects == ("Table", "Man", "Cup", "Wooden", "/m/019nj4")
        assert space.verbs == ("is", "at", "holds")
        assert len(space) == 0

    def test_a_challenge_calls_its_descriptions_by_other_names(self, tmp_path):
        folder = wrote(tmp_path / "a", challenge_2019_classes_vrd=NAMES, challenge_2018_class_descriptions_500="/m/1,a")
        assert load(folder).meta.labels.objects[:2] == ("Man", "Table")
        folder = wrote(tmp_path / "b", challenge_2019_classes_description_500=NAMES)
        assert load(folder).meta.labels.objects[:2] == ("Man", "Table")

    def test_two_labels_of_one_name_stay_apart(self, tmp_path):
        data = load(wrote(tmp_path / "a", class_descriptions="/m/04yx4,Man\n/m/04bcr3,Man\n"))
        assert data.meta.labels.objects[:2] == ("Man", "Man (/m/04bcr3)")

    def test_triplets_give_the_predicates_and_count_what_they_do_not_list(self, tmp_path):
        listed = "LabelName1,LabelName2,RelationshipLabel\n/m/04yx4,/m/04bcr3,at\n/m/04yx4,/m/04bcr3,under\n"
        folder = wrote(tmp_path / "a", oidv6_relationship_triplets=listed)
        held = read(folder)
        assert held.parts[0].meta.labels.verbs == ("at", "under", "is")
        assert any("2 relations are of triplets that the list beside it does not have" in note for note in held.notes)
        assert triplets(folder / "oidv6-relationship-triplets.csv") == {
            ("/m/04yx4", "at", "/m/04bcr3"),
            ("/m/04yx4", "under", "/m/04bcr3"),
        }

    def test_sizes_come_from_a_table(self, tmp_path):
        data = load(wrote(tmp_path / "a", image_sizes="ImageID,Width,Height\n000ac95750ac7399,1024,683\n"))
        assert (data.width.tolist(), data.height.tolist()) == ([1024, 0], [683, 0])
        with pytest.raises(DataError, match="'00aa' has no known size"):
            to_frame(data, "inclusive")

    def test_sizes_come_from_the_images(self, tmp_path):
        folder = wrote(tmp_path / "a")
        (folder / "validation").mkdir()
        Image.new("RGB", (30, 20)).save(folder / "validation" / "00aa.jpg")
        data = load(folder)
        assert (data.width.tolist(), data.height.tolist()) == ([0, 30], [0, 20])
        (folder / "validation" / "00aa.jpg").write_text("no image")
        with pytest.raises(DataError, match=r"00aa.jpg: not readable as an image"):
            load(folder)

    def test_without_sizes_the_frame_cannot_be_left(self, tmp_path):
        data = load(wrote(tmp_path / "a"))
        assert data.width is None
        with pytest.raises(DataError, match="width"):
            to_frame(data, "continuous")

    @pytest.mark.parametrize(
        ("beside", "told"),
        [
            ({"image_sizes": "ImageID,Width,Height\n00aa,10,x\n"}, "line 2: Height is 'x', expected a number"),
            ({"image_sizes": "ImageID,Width,Height\n00aa,10,1.5\n"}, "line 2: Height is '1.5', expected whole pixels"),
            ({"image_sizes": "ImageID,Width,Height\na,1,1\na,1,1\n"}, "line 3: ImageID is 'a', expected the id of an"),
            ({"class_descriptions": "/m/04yx4\n"}, "class-descriptions.csv, line 1: expected a label and its name"),
            ({"class_descriptions": "/m/1,a\n/m/1,b\n"}, "line 2: expected a label and its name, each label once"),
        ],
    )
    def test_a_bad_table_is_refused_with_its_line(self, tmp_path, beside, told):
        with pytest.raises(DataError, match=told):
            load(wrote(tmp_path / "a", **beside))

    def test_names_and_sizes_and_mids_come_back(self, tmp_path):
        sizes = "ImageID,Width,Height\n000ac95750ac7399,1024,683\n00aa,10,20\n"
        data = load(wrote(tmp_path / "a", class_descriptions_boxable=NAMES, image_sizes=sizes))
        written = CSV.write([data], tmp_path / "b")
        assert {file.name for file in written} == {
            "validation-annotations-vrd.csv",
            "image-sizes.csv",
            "class-descriptions.csv",
            "labels.json",
        }
        assert "/m/04yx4" in written[0].read_text()
        back = load(tmp_path / "b")
        assert meaning(back) == meaning(data)
        assert back.meta.labels.hash == data.meta.labels.hash
        assert back.meta.extras == data.meta.extras


class TestProcessed:
    """vrd-*-anno.json."""

    IMAGE = {  # noqa: RUF012
        "img_fn": "000ac95750ac7399",
        "img_size": [1024, 683],
        "bbox": [[51, 58, 574, 682], [307, 410, 922, 649]],
        "det_labels": [1, 0],
        "rel": [[0, 1, 0], [0, 0, 1]],
    }
    NAMES = {"obj": ["Table", "Man"], "rel": ["at", "is"]}  # noqa: RUF012

    def wrote(self, folder, images, names=None):
        (folder / "vrd-test-anno.json").write_text(json.dumps(images))
        (folder / "categories_dict.json").write_text(json.dumps(names or self.NAMES))
        return folder

    def test_it_is_read_as_it_stands(self, tmp_path):
        folder = self.wrote(
            tmp_path, [self.IMAGE, {**self.IMAGE, "img_fn": "b", "bbox": [], "det_labels": [], "rel": []}]
        )
        assert sniff(folder) == sniff(folder / "vrd-test-anno.json") == "open-images-json"
        data = load(folder)
        assert relations(data) == [("000ac95750ac7399", "Man", "at", "Table"), ("000ac95750ac7399", "Man", "is", "Man")]
        assert data.key.tolist() == ["000ac95750ac7399", "b"]
        assert data.boxes.tolist() == self.IMAGE["bbox"]
        assert (data.meta.subset, data.meta.box_frame, data.meta.label_kind) == ("test", "inclusive", "predicates")
        assert data.width.tolist() == [1024, 1024]

    def test_it_is_written_as_it_was(self, tmp_path):
        data = load(self.wrote(tmp_path, [self.IMAGE]))
        JSON.write([data], tmp_path / "out")
        assert json.loads((tmp_path / "out" / "vrd-test-anno.json").read_text()) == [self.IMAGE]
        assert json.loads((tmp_path / "out" / "categories_dict.json").read_text()) == self.NAMES

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"rel": [[0, 2, 0]]}, r"\[0\].rel\[0\] is \[0.0, 2.0, 0.0\], expected two places among 2 boxes"),
            ({"rel": [[0, 1, 2]]}, "a predicate 0..1"),
            ({"rel": [[0, 1, 0.5]]}, "a predicate 0..1"),
            ({"rel": [[0, 1]]}, "expected 3 numbers"),
            ({"det_labels": [0]}, "2 boxes for 1 det_labels"),
            ({"det_labels": [0, 2]}, r"det_labels\[1\] is 2, expected 0..1"),
            ({"img_size": [-1, 2]}, "img_size is .* expected width and height in pixels"),
            ({"bbox": [[0, 0, 1], [0, 0, 1, 1]]}, r"bbox\[0\] is .* expected 4 numbers"),
        ],
    )
    def test_what_does_not_fit_is_refused_with_its_place(self, tmp_path, change, told):
        with pytest.raises(DataError, match=told):
            load(self.wrote(tmp_path, [{**self.IMAGE, **change}]))

    def test_the_categories_are_needed(self, tmp_path):
        folder = self.wrote(tmp_path, [self.IMAGE])
        (folder / "categories_dict.json").unlink()
        with pytest.raises(MissingData, match="categories_dict.json: no such file"):
            load(folder)

    def test_the_rows_of_the_csv_give_the_same_relations(self, tmp_path):
        sizes = "ImageID,Width,Height\n000ac95750ac7399,1024,683\n00aa,10,20\n"
        data = load(wrote(tmp_path / "a", class_descriptions=NAMES, image_sizes=sizes))
        JSON.write(fit([data], JSON.HOLDS).parts, tmp_path / "b")
        back = load(tmp_path / "b")
        assert relations(back) == relations(data)
        assert np.allclose(back.boxes[0], [50.56, 57.55641, 573.08, 681.360712])  # pixels, both corners inside


class TestChallenge:
    """Predictions."""

    SCORED = HEADER.replace("RelationshipLabel", "RelationshipLabel,Score")

    def wrote(self, folder, rows, header=None):
        (folder / "predictions.csv").write_text("\n".join([header or self.SCORED, *rows, ""]))
        return folder / "predictions.csv"

    def test_rows_without_scores_are_annotations_which_look_at_no_truth(self, tmp_path):
        folder = wrote(tmp_path / "a", class_descriptions=NAMES)
        done = convert(folder, Options(out=tmp_path / "b", truth=tmp_path / "truth.parquet"))
        assert any("these are annotations, for which" in note for note in done.notes)

    def test_rows_are_predictions_of_the_truth(self, tmp_path):
        truth = load(wrote(tmp_path / "a", class_descriptions=NAMES, image_sizes="ImageID,Width,Height\n00aa,10,20\n"))
        path = self.wrote(tmp_path, [f"{AT},0.5", f"{AT},0.75", f"{IS},0.25"])
        assert sniff(path) == "open-images-challenge"
        data = load(path, truth=truth)
        assert relations(data) == [relations(truth)[i] for i in (1, 1, 0)]
        assert data.score.tolist() == [0.5, 0.75, 0.25]
        assert data.key.tolist() == truth.key.tolist()
        assert data.width.tolist() == truth.width.tolist()
        assert len(data.boxes) == 6
        SCORED.write([data], tmp_path / "again.csv")
        assert meaning(load(tmp_path / "again.csv", truth=truth)) == meaning(data)
        assert "/m/04bcr3" in (tmp_path / "again.csv").read_text()

    def test_descriptions_beside_it_name_mids_that_the_truth_does_not_have(self, tmp_path):
        folder = TestProcessed().wrote(tmp_path, [{**TestProcessed.IMAGE, "rel": [[0, 1, 0]]}])
        truth = load(folder)
        path = self.wrote(tmp_path, [f"{AT},0.5"])
        with pytest.raises(DataError, match="line 2: LabelName1: No object named '/m/04yx4'"):
            load(path, truth=truth)
        (tmp_path / "class-descriptions-boxable.csv").write_text(NAMES)
        assert relations(load(path, truth=truth)) == relations(truth)

    @pytest.mark.parametrize(
        ("row", "told"),
        [
            (f"{AT},x", "line 2: Score is 'x', expected a number"),
            (f"{AT},nan", "line 2: Score is 'nan', expected a number"),
            (f"{AT},", "line 2: Score is empty, expected a number"),
            (f"{AT.replace('/m/04bcr3', 'Tabel')},1", "line 2: LabelName2: No object named 'Tabel'. Did you mean"),
            (f"{AT.replace(',at', ',att')},1", "line 2: RelationshipLabel: No verb named 'att'. Did you mean 'at'"),
            (
                f"{AT.replace('000ac', 'fff')},1",
                "line 2: ImageID is 'fff95750ac7399', which the truth does not have .1 of 1 ima",
            ),
        ],
    )
    def test_a_bad_row_is_refused_with_its_place(self, tmp_path, row, told):
        truth = load(wrote(tmp_path / "a", class_descriptions=NAMES))
        with pytest.raises(DataError, match=told):
            load(self.wrote(tmp_path, [row]), truth=truth)


class TestVerifiedLabels:
    """What people saw in an image, or saw not."""

    HEAD = "ImageID,Source,LabelName,Confidence\n"
    ROWS = "00aa,verification,/m/04yx4,0\n000ac95750ac7399,crowdsource,/m/04bcr3,1\nffff,verification,/m/04yx4,1\n"

    def labelled(self, folder, content, name="oidv6-validation-annotations-human-imagelabels-boxable"):
        made = wrote(folder, class_descriptions=NAMES)
        (made / f"{name}.csv").write_text(content)
        return made

    def test_they_become_labels_of_images(self, tmp_path):
        held = read(self.labelled(tmp_path / "a", self.HEAD + self.ROWS + "00aa,verification,/m/0zzz,1\n"))
        (data,) = held.parts
        names = [data.meta.labels.objects[label] for label in data.image_label]
        rows = zip(data.key[data.image_of("image_label")], names, data.image_value.tolist(), strict=True)
        assert list(rows) == [("000ac95750ac7399", "Table", 1), ("00aa", "Man", -1)]
        assert any("1 labels of images are of classes that the label space does not have" in n for n in held.notes)

    def test_other_subsets_machines_and_boxes_are_not_read(self, tmp_path):
        for name, head in (
            ("oidv6-train-annotations-human-imagelabels-boxable", self.HEAD),
            ("validation-annotations-machine-imagelabels", self.HEAD),
            ("validation-annotations-bbox", "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax\n"),
        ):
            assert load(self.labelled(tmp_path / name, head + self.ROWS, name)).image_label is None

    @pytest.mark.parametrize(
        ("row", "told"),
        [
            ("00aa,v,/m/04yx4,0.5", "line 2: Confidence is '0.5', expected 1 .present. or 0"),
            ("00aa,v,/m/04yx4,", "line 2: Confidence is empty, expected 1"),
            ("00aa,v,,1", "line 2: LabelName is empty, expected a label"),
            (",v,/m/04yx4,1", "line 2: ImageID is empty, expected a label"),
        ],
    )
    def test_a_bad_row_is_refused_with_its_place(self, tmp_path, row, told):
        with pytest.raises(DataError, match=told):
            load(self.labelled(tmp_path / "a", f"{self.HEAD}{row}\n"))

    def test_the_challenge_leaves_out_what_is_not_verified(self, tmp_path):
        """No relation of image 00aa has a man, so that without a label nothing is known of one there."""
        rows = [f"{AT},0.5", f"00aa{AT.removeprefix('000ac95750ac7399')},0.5"]
        for name, labels, detections in (("unknown", "", 1), ("absent", self.ROWS, 2)):
            folder = self.labelled(tmp_path / name, self.HEAD + labels)
            (folder / "scored.csv").write_text("\n".join([TestChallenge.SCORED, *rows, ""]))
            truth = load(folder)
            result = score(truth, load(folder / "scored.csv", truth=truth), "open-images-vrd", "oid-challenge")
            assert result.inputs["predictions"]["detections"] == detections

    @pytest.mark.parametrize("word", ["validation", "val"])
    def test_the_file_may_say_its_subset_as_v6_or_as_v7(self, tmp_path, word):
        name = f"oidv7-{word}-annotations-human-imagelabels"
        assert load(self.labelled(tmp_path / "a", self.HEAD + self.ROWS, name)).image_value.tolist() == [1, -1]

    def test_what_stands_again_counts_once_and_a_contradiction_is_told(self, tmp_path):
        folder = self.labelled(tmp_path / "a", self.HEAD + self.ROWS + "00aa,crowdsource,/m/04yx4,0\n")
        (folder / "validation-annotations-human-imagelabels.csv").write_text(self.HEAD + self.ROWS)
        held = read(folder)
        assert held.parts[0].image_value.tolist() == [1, -1]
        assert not held.notes
        (folder / "validation-more.csv").write_text(self.HEAD + "00aa,verification,/m/04yx4,1\n")
        held = read(folder)
        assert held.parts[0].image_value.tolist() == [1, -1, 1]
        assert "1 labels of images are said to be present and absent; both are kept" in held.notes[0]

    def test_they_come_back(self, tmp_path):
        (data,) = read(self.labelled(tmp_path / "a", self.HEAD + self.ROWS)).parts
        written = CSV.write([data], tmp_path / "b")
        assert tmp_path / "b" / "validation-annotations-human-imagelabels.csv" in written
        assert meaning(load(tmp_path / "b")) == meaning(data)
        uncertain = data.with_columns(image_value=np.array([0, 1], np.int8))
        assert fit([uncertain], CSV.HOLDS).lost == {"uncertain labels of images": 1}
        offsets = np.array([0, 0, 2])
        again = data.with_columns(image_label=data.image_label[[1, 1]], image_value=np.full(2, -1, np.int8))
        again = again.with_columns(image_label_offsets=offsets)
        assert fit([again], CSV.HOLDS).lost == {"labels of images that stand again": 1}


@pytest.mark.parametrize("name", ["open-images", "open-images-json", "open-images-challenge"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_relations_without_a_person_come_back(name, data):
    kind = predictions if name in PREDICTION_FORMATS else datasets
    part = data.draw(kind(labels=RELATIONS, subset="test", subsets=False, sizes=True, known_objects=True))
    if part.meta.label_kind == "objects":  # boxes alone have no relations
        reject()
    held = fit([part], format_named(name).HOLDS).parts
    if "" in held[0].key:
        reject()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        format_named(name).write(held, path)
        truth = held[0] if name in PREDICTION_FORMATS else None
        assert meaning(one_part(read(path, name, truth), path)) == meaning(held[0])
