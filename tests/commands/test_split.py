"""hoitool split, and eval by split, as people run them, on synthetic scenes with a label space of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from builders import predictions_of, truth_of

from hoitool.data import Dataset, read, select_images, write
from hoitool.eval import score
from hoitool.eval.by_split import with_split
from hoitool.files import sha256
from hoitool.splits import Space, Split, named, names, zero_shot

UNSEEN = (0, 3, 6, 9, 12)


@pytest.fixture
def folder(small, tmp_path, monkeypatch):
    """Synthetic training data and a split of them in a JSON file, in the current folder."""
    monkeypatch.chdir(tmp_path)
    write(small.train, tmp_path / "train.parquet")
    write(small.test, tmp_path / "test.parquet")
    labels = small.train.meta.labels
    held = Split("mine/labels", Space.of(labels), {"unseen": UNSEEN}, "labels").to_json()
    del held["hash"]
    for choice in ("labels", "pairs", "images"):
        (tmp_path / f"{choice}.json").write_text(json.dumps(held | {"name": f"mine/{choice}", "filter": choice}))
    return tmp_path


def features(path, label=None, key=None, **manifest):
    with h5py.File(path, "w") as file:
        file.attrs["hoitool"] = json.dumps(manifest)
        if label is not None:
            file["label"] = label
        if key is not None:
            file["key"] = list(key)
    return path


def test_list_and_show(hoitool):
    listed = json.loads(hoitool("split", "list", "--json").out)
    assert [row["name"] for row in listed] == names()
    row = next(row for row in listed if row["name"] == "uv/images")
    assert (row["classes"], row["hash"]) == ({"unseen": 84, "seen": 516}, named("uv/images").hash)
    told = hoitool("split", "list").out
    assert all(name in told for name in names())
    shown = json.loads(hoitool("split", "show", "UO/pairs", "--json").out)
    assert shown["names"]["unseen"][0] == "carry dog"
    assert shown["facts"]["seen_verbs"] == 112
    assert "brush_with" in hoitool("split", "show", "uo/pairs").out
    assert "percent 10, seed 3" in hoitool("split", "show", "10%", "--seed", 3).out


def test_show_of_a_file_names_its_classes_where_its_label_space_lies_beside_it(folder, hoitool, small):
    shown = json.loads(hoitool("split", "show", "labels.json", "--json").out)
    assert shown["names"]["unseen"] == [small.train.meta.labels.interaction_name(c) for c in UNSEEN]
    for path in folder.glob("labels-*.json"):
        path.unlink()
    assert "names" not in json.loads(hoitool("split", "show", "labels.json", "--json").out)
    assert ", 27, 28, 29" in hoitool("split", "show", "labels.json").out


def test_rare_in_other_training_data(folder, hoitool, small):
    shown = json.loads(hoitool("split", "show", "rare", "--counts", "train.parquet", "--json").out)
    assert shown["groups"]["rare"] == np.flatnonzero(small.train.meta.labels.rare).tolist()
    assert "training pairs in train.parquet" in shown["source"]
    assert hoitool("split", "show", "uo", "--counts", "train.parquet").code == 2


def test_apply_then_check(folder, hoitool):
    for choice in ("labels", "pairs", "images"):
        out = f"{choice}.parquet"
        done = hoitool("split", "apply", f"{choice}.json", "train.parquet", "-o", out, "--json")
        assert done.code == 0, done.err
        made, data = json.loads(done.out), read(folder / out)
        assert made["written"]["pairs"] == len(data.subject) < made["of"]["pairs"]
        assert made["written"]["sha256"] == sha256(folder / out)
        assert data.meta.extras["split"]["hash"] == made["split"]["hash"]
        assert data.meta.extras["split"]["of"] == {"train.parquet": sha256(folder / "train.parquet")}
        for more in ((), ("--of", "train.parquet")):
            checked = hoitool("split", "check", f"{choice}.json", out, *more)
            assert (checked.code, "takes away is left" in checked.out) == (0, True), checked.err
    again = hoitool("split", "apply", "labels.json", "train.parquet", "-o", "labels.parquet")
    assert (again.code, "--overwrite replaces it" in again.err) == (2, True)
    other = hoitool("split", "check", "pairs.json", "labels.parquet")
    assert (other.code, "the data say that mine/labels" in other.out) == (3, True)


def test_every_violation_is_named_with_image_and_row(folder, hoitool, small):
    done = hoitool("split", "check", "labels.json", "train.parquet", "--json")
    assert done.code == 3
    found = json.loads(done.out)["findings"]
    train, expected = small.train, set()
    for kind, group, label in (("pair", "pair", train.label), ("image label", "image_label", train.image_label)):
        image, offsets = train.image_of(group), train.offsets(group)
        for row in np.flatnonzero(np.isin(label, UNSEEN)).tolist():
            expected.add((kind, train.key[image[row]], row - int(offsets[image[row]])))
    assert {(f["kind"], f["image"], f["row"]) for f in found} == expected
    told = hoitool("split", "check", "labels.json", "train.parquet")
    assert told.err.startswith(f"hoitool: train.parquet: {len(expected)} things that mine/labels takes away are left")
    assert f"and {len(expected) - 20} more" in told.out


def test_with_the_full_data_what_only_another_filter_leaves_is_found(folder, hoitool, small):
    """Image labels whose classes are seen stay with `labels`, but not in images that `images` drops."""
    hoitool("split", "apply", "labels.json", "train.parquet", "-o", "labels.parquet")
    data = read(folder / "labels.parquet")
    write(data.with_columns(replace(data.meta, extras={})), folder / "unsaid.parquet")
    assert hoitool("split", "check", "images.json", "unsaid.parquet").code == 0
    done = hoitool("split", "check", "images.json", "unsaid.parquet", "--of", "train.parquet")
    assert (done.code, "the split does not train on it" in done.out) == (3, True)


def test_draws_are_checked_against_the_full_data(folder, hoitool, small):
    hoitool("split", "apply", "25%", "train.parquet", "-o", "part.parquet", "--seed", 5)
    assert hoitool("split", "check", "25%", "part.parquet", "--of", "train.parquet", "--seed", 5).code == 0
    assert hoitool("split", "check", "25%", "part.parquet", "--of", "train.parquet").code == 3
    assert hoitool("split", "check", "25%", "part.parquet").code == 2
    hoitool("split", "apply", "2-shot", "train.parquet", "-o", "shots.parquet")
    assert hoitool("split", "check", "2-shot", "shots.parquet", "--of", "train.parquet").code == 0
    assert hoitool("split", "check", "1-shot", "shots.parquet", "--of", "train.parquet").code == 3


def test_images_of_a_list(folder, hoitool, small):
    (folder / "list.txt").write_text("\n".join(small.train.key[:7].tolist()))
    done = hoitool("split", "apply", "listed", "train.parquet", "-o", "x.parquet", "--images", "list.txt")
    assert "list.txt lists 7 of" in done.err
    assert read(folder / "x.parquet").key.tolist() == small.train.key[:7].tolist()
    arguments = ("split", "check", "listed", "x.parquet", "--images", "list.txt")
    assert hoitool(*arguments, "--of", "train.parquet").code == 0
    assert hoitool(*arguments).code == 2
    assert hoitool("split", "apply", "listed", "train.parquet", "-o", "y.parquet").code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["apply", "uo", "train.parquet", "-o", "x.parquet"], 2, "uo/pairs: a pair with any unseen label goes"),
        (["apply", "uo/pairs", "train.parquet", "-o", "x.parquet"], 2, "is of the label space 'hico'"),
        (["apply", "rare", "train.parquet", "-o", "x.parquet"], 2, "nothing to lose"),
        (["apply", "5%", "train.parquet", "-o", "x.json"], 2, "ends in .parquet"),
        (["apply", "5%", "absent.parquet", "-o", "x.parquet"], 4, "no such file"),
        (["apply", "absent.json", "train.parquet", "-o", "x.parquet"], 4, "no such file"),
        (["show", "uoo"], 2, "Did you mean 'uo'"),
        (["check", "rare", "train.parquet"], 2, "forbids nothing"),
        (["check", "labels.json", "train.parquet", "--features", "absent.h5"], 4, "no such file"),
        (["check", "labels.json", "train.parquet", "--features", "train.parquet"], 1, "not an HDF5 file"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(folder, hoitool, arguments, code, told):
    done = hoitool("split", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
    assert told in done.err
    assert not (folder / "x.parquet").exists()


class TestFeatures:
    @pytest.fixture
    def check(self, folder, hoitool):
        for choice in ("labels", "pairs", "images"):
            hoitool("split", "apply", f"{choice}.json", "train.parquet", "-o", f"{choice}.parquet")

        def run(choice="labels", *more, **held):
            path = features(folder / "x.h5", **held)
            return hoitool("split", "check", f"{choice}.json", f"{choice}.parquet", "--features", path, *more)

        return run

    def hash(self, folder, choice):
        return read(folder / f"{choice}.parquet").meta.extras["split"]["hash"]

    def test_the_hash_of_the_split_proves_it(self, folder, check):
        mine = {"name": "mine/labels", "hash": self.hash(folder, "labels")}
        assert check(split=mine).code == 0
        other = check("pairs", split=mine)
        assert (other.code, "it was made with split 'mine/labels'" in other.err) == (3, True)

    def test_the_same_file_proves_it_and_the_unfiltered_one_disproves_it(self, folder, check, hoitool):
        digests = {name: sha256(folder / f"{name}.parquet") for name in ("train", "labels")}
        assert check(sources={"labels.parquet": digests["labels"]}).code == 0
        named_too = {"name": "mine/labels", "hash": self.hash(folder, "labels")}
        for held in ({}, {"split": named_too}):
            done = check(sources={"renamed.parquet": digests["train"]}, **held)
            assert (done.code, "the training data before the split" in done.err) == (3, True)
        mixed = check(sources={"labels.parquet": digests["labels"], "other": "0"})
        assert (mixed.code, "cannot be proved" in mixed.err) == (3, True)
        path = features(folder / "full.h5", sources={"train.parquet": digests["train"]})
        done = hoitool("split", "check", "labels.json", "train.parquet", "--features", path)
        assert (done.code, "which hold what the split takes away" in done.err) == (3, True)

    def test_rows_of_unseen_classes_and_foreign_images_disprove_it(self, folder, check):
        mine = {"name": "mine/labels", "hash": self.hash(folder, "labels")}
        done = check(split=mine, label=np.array([1, 2, 3, 1], np.int32))
        assert (done.code, "1 of its 4 rows, the first row 2: unseen class 3" in done.err) == (3, True)
        assert check(split=mine, labels=[1, 2, 4]).code == 0
        assert "which the split's label space does not have" in check(split=mine, labels=[1, 99]).err
        done = check(split=mine, key=["nowhere.jpg"])
        assert (done.code, "such as 'nowhere.jpg'" in done.err) == (3, True)

    def test_images_prove_it_where_the_filter_drops_images_and_rows_where_it_drops_labels(self, folder, check):
        for choice, more, code in (
            ("images", {}, 0),
            ("labels", {}, 3),
            ("labels", {"label": [1]}, 0),
            ("pairs", {"label": [1]}, 3),
        ):
            assert check(choice, key=read(folder / f"{choice}.parquet").key[:1], **more).code == code, choice

    def test_what_says_nothing_proves_nothing(self, folder, check, hoitool):
        assert "cannot be proved" in check().err
        with h5py.File(folder / "silent.h5", "w") as file:
            file["x"] = [1.0]
        done = hoitool("split", "check", "labels.json", "labels.parquet", "--features", "silent.h5", "--json")
        assert (done.code, json.loads(done.out)["features"]["proof"]) == (3, "")

    @pytest.mark.parametrize("of", ["labels", "texts"])
    def test_embeddings_of_texts_hold_nothing_of_the_training_data(self, check, of):
        held = {"of": of, "label_kind": "interactions", "key": ["ride bicycle"], "label": [0, 99]}
        done = check(**held)
        assert (done.code, f"embeddings of {of}, and nothing of any training data" in done.out) == (0, True), done.err
        other = check(split={"name": "uo", "hash": "0" * 64}, **held)
        assert (other.code, "it was made with split 'uo'" in other.err) == (3, True)

    @pytest.mark.parametrize("of", ["images", "regions", "grid", "captions"])
    def test_keys_and_interactions_of_what_is_made_from_images_are_read(self, folder, check, of):
        keys = read(folder / "labels.parquet").key[:1]
        assert check(of=of, label_kind="interactions", key=keys, label=[1]).code == 0
        assert check(of=of, label_kind="interactions", key=["nowhere.jpg"], label=[1]).code == 3
        assert "unseen class 3" in check(of=of, key=keys, label=[3]).err
        verbs = check(of=of, label_kind="verbs", key=keys, label=[3])  # says nothing of interactions
        assert (verbs.code, "cannot be proved" in verbs.err) == (3, True)

    def test_verbs_are_proved_by_their_sources(self, folder, check):
        held = {"of": "verbs", "label_kind": "verbs", "key": ["ride"], "label": [3]}
        assert "cannot be proved" in check(**held).err
        assert check(sources={"labels.parquet": sha256(folder / "labels.parquet")}, **held).code == 0

    @pytest.mark.parametrize("manifest", ["[1]", "{", '{"split": 3}', '{"sources": [1]}', '{"labels": "x"}'])
    def test_broken_manifests_are_one_line(self, folder, hoitool, manifest):
        with h5py.File(folder / "x.h5", "w") as file:
            file.attrs["hoitool"] = manifest
        done = hoitool("split", "check", "labels.json", "train.parquet", "--features", "x.h5")
        assert (done.code, done.err.count("\n"), "x.h5" in done.err) == (1, 1, True)


HUMAN, OBJECT, AWAY = (0, 0, 20, 40), (10, 10, 30, 30), (100, 100, 120, 120)


@pytest.fixture
def scored():
    """Class 0 (rf-uc: seen) found, class 8 (unseen) found after a false positive, class 22 (unseen) not found."""
    truth = truth_of([(0, HUMAN, OBJECT, 0), (1, HUMAN, OBJECT, 8), (2, HUMAN, OBJECT, 22)])
    found = [(0, HUMAN, OBJECT, 0, 0.9), (1, AWAY, OBJECT, 8, 0.9), (1, HUMAN, OBJECT, 8, 0.5)]
    return truth, predictions_of(found)


class TestReport:
    def test_the_figures_are_means_of_the_classes(self, scored):
        result = with_split(score(*scored), named("rf-uc"))
        assert {0} <= set(named("rf-uc").groups["seen"])
        assert {8, 22} <= set(named("rf-uc").groups["unseen"])
        unseen, seen = 0.5 / 120, 1 / 480  # AP 1 of class 0; AP 0.5 of class 8, whose precision is 1/2 at recall 1
        expected = {"unseen": unseen, "seen": seen, "full": 1.5 / 600, "hm": 2 * unseen * seen / (unseen + seen)}
        for setting in result.settings:
            for group, figure in expected.items():
                if setting == "default":
                    assert result.mean(f"rf-uc:{group}", setting) == pytest.approx(figure, abs=1e-15)
        assert [row.split for row in result.select("default", "rf-uc").rows] == [f"rf-uc:{g}" for g in expected]

    def test_means_over_classes_with_truth_and_bounds_of_ties(self, scored):
        for variant in ("with-truth", "qpic"):
            result = with_split(score(*scored, variant=variant), named("rf-uc"))
            assert [row.classes for row in result.select("default", "rf-uc").rows] == [2, 1, 3, 3]
            assert result.mean("rf-uc:unseen", "default") == pytest.approx(0.25)
            assert result.mean("rf-uc:hm", "default") == pytest.approx(0.4)
        assert {"mAP_low", "mAP_high"} < set(result.rows[-1].metrics)

    def test_it_is_the_score_of_each_group_alone(self, small, detected):
        labels = small.test.meta.labels
        seen = tuple(c for c in range(len(labels)) if c not in UNSEEN)
        mine = Split("mine", Space.of(labels), {"unseen": UNSEEN, "seen": seen})
        for variant in ("official", "qpic", "gen-vlkt-nms", "pocket"):
            result = with_split(score(small.test, detected, variant=variant), mine)
            for setting in result.settings:
                ap = result.per_class[f"AP_{setting.replace('-', '_')}"]
                assert result.mean("mine:unseen", setting) == pytest.approx(np.mean(ap[list(UNSEEN)]))
                assert result.mean("mine:seen", setting) == pytest.approx(np.mean(ap[list(seen)]))
                assert result.mean("mine:full", setting) == result.mean("full", setting)

    def test_nothing_seen_has_no_harmonic_mean(self, scored):
        result = with_split(score(*scored), named("nf"))
        assert result.mean("nf:unseen") == result.mean("full")
        assert np.isnan(result.mean("nf:seen"))
        assert np.isnan(result.mean("nf:hm"))

    @pytest.fixture
    def files(self, scored, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        write(scored[0], tmp_path / "truth.parquet")
        write(scored[1], tmp_path / "found.parquet")
        return "eval", "found.parquet", "--truth", "truth.parquet"

    def test_eval_prints_unseen_seen_full_and_their_harmonic_mean(self, files, hoitool):
        done = hoitool(*files, "--split", "RF_UC", "-o", "out")
        for told in ("rf-uc Unseen", "rf-uc Seen", "rf-uc Full", "rf-uc HM", named("rf-uc").hash[:12]):
            assert told in done.out
        assert "Rare" not in done.out
        held = json.loads(hoitool(*files, "--split", "uv/pairs", "--json").out)
        assert [row["split"] for row in held["results"]][:4] == [
            f"uv/pairs:{g}" for g in ("unseen", "seen", "full", "hm")
        ]
        assert held["inputs"]["splits"]["uv/pairs"]["hash"] == named("uv/pairs").hash
        assert "rf-uc HM" in Path("out/table.tex").read_text()

    def test_the_bare_eval_stays_as_it_is_and_all_of_them_are_one_word(self, files, hoitool):
        bare = json.loads(hoitool(*files, "--json").out)
        assert {row["split"] for row in bare["results"]} == {"full", "rare", "non-rare"}
        held = json.loads(hoitool(*files, "--split", "zero-shot", "--setting", "default", "--json").out)
        assert [row["split"] for row in held["results"]] == [
            f"{name}:{group}" for name in zero_shot() for group in ("unseen", "seen", "full", "hm")
        ]

    def test_rare_says_in_which_training_set_it_is_counted(self, files, hoitool, tmp_path):
        assert "fewer than 10 of the 117,654 training pairs that label space 'hico' counts" in hoitool(*files).out
        write(truth_of([(0, HUMAN, OBJECT, 8)] * 10), tmp_path / "counts.parquet")
        done = hoitool(*files, "--counts", "counts.parquet", "--setting", "default", "--json")
        held = json.loads(done.out)
        assert {row["split"]: row["classes"] for row in held["results"]} == {"full": 600, "rare": 599, "non-rare": 1}
        assert "10 training pairs in counts.parquet" in held["inputs"]["splits"]["rare"]["means"]
        assert next(r for r in held["results"] if r["split"] == "non-rare")["metrics"]["mAP"] == pytest.approx(0.5)

    def test_rare_works_on_a_label_space_of_ones_own_and_named_splits_say_why_not(self, folder, hoitool, detected):
        write(detected, folder / "found.parquet")
        arguments = ("eval", "found.parquet", "--truth", "test.parquet", "--setting", "default")
        assert json.loads(hoitool(*arguments, "--split", "rare", "--json").out)["results"][0]["split"] == "rare"
        done = hoitool(*arguments, "--split", "uo")
        assert (done.code, "the truth has 'demo'" in done.err) == (2, True)
        mine = json.loads(hoitool(*arguments, "--split", "labels.json", "--json").out)["results"]
        assert [row["classes"] for row in mine] == [5, 25, 30, 30]

    @pytest.mark.parametrize(
        ("name", "told"), [("10%", "no classes to report on"), ("uo/half", "training filter"), ("ru", "No split")]
    )
    def test_what_is_no_split_of_classes_is_said(self, files, hoitool, name, told):
        done = hoitool(*files, "--split", name)
        assert (done.code, done.out, told in done.err) == (2, "", True)

    def test_without_training_counts_rare_must_be_counted(self, tmp_path, monkeypatch, hoitool, small, detected):
        monkeypatch.chdir(tmp_path)
        labels = replace(small.test.meta.labels, train_instances=np.full(30, -1))
        for data, name in ((small.test, "truth"), (detected, "found")):
            write(data.with_columns(replace(data.meta, labels=labels)), tmp_path / f"{name}.parquet")
        write(small.train, tmp_path / "train" / "train.parquet")
        arguments = ("eval", "found.parquet", "--truth", "truth.parquet", "--split", "rare")
        done = hoitool(*arguments)
        assert (done.code, "--counts" in done.err) == (2, True)
        assert hoitool(*arguments, "--counts", "train/train.parquet").code == 0


def test_the_training_set_is_taken_from_a_file_of_several_subsets(folder, hoitool, small):
    from hoitool.convert import FORMATS

    FORMATS["hico-det"].write([small.train, small.test], folder / "raw")
    done = hoitool("split", "apply", "50%", "raw", "-o", "half.parquet", "--json")
    assert json.loads(done.out)["of"]["images"] == len(small.train)
    other = hoitool("split", "apply", "50%", "raw", "-o", "other.parquet", "--json", "--subset", "test")
    assert json.loads(other.out)["of"]["images"] == len(small.test)


def test_a_dataset_without_images_of_the_split_is_checked_too(folder, hoitool, small):
    write(select_images(small.train, np.zeros(len(small.train), bool)), folder / "none.parquet")
    assert isinstance(read(folder / "none.parquet"), Dataset)
    assert hoitool("split", "check", "pairs.json", "none.parquet").code == 0
