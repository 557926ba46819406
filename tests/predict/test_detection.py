"""Pairs of boxes scored by a recogniser, against the rule read slowly: one picture, one pair at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("open_clip")
pytest.importorskip("timm")

from hoitool.data import Dataset, Meta, concat, no_pairs, offsets_of, strings, to_frame, validate  # noqa: E402
from hoitool.data.synthetic import scenes  # noqa: E402
from hoitool.embed.pictures import album_of  # noqa: E402
from hoitool.errors import DataError, UsageError  # noqa: E402
from hoitool.eval import score  # noqa: E402
from hoitool.labels import load_labels  # noqa: E402
from hoitool.models import defr  # noqa: E402
from hoitool.models.card import Labelled  # noqa: E402
from hoitool.models.defr_detection import DefrDetection, rescaled, scores, squashed  # noqa: E402
from hoitool.models.pairing import EXPORTED, PUBLISHED, pairs, priors  # noqa: E402
from hoitool.predict import detection, looking  # noqa: E402
from hoitool.predict.detection import pair_predictions  # noqa: E402
from hoitool.predict.looking import Looking, crops_at_once, pairs_at_once  # noqa: E402
from hoitool.predict.recognition import Pace  # noqa: E402

SPACE = scenes(seed=7, scale=0.2).test.meta.labels
PERSON, DOG = SPACE.person, SPACE.object_index("dog")
MEAN, STD = (0.48, 0.45, 0.41), (0.27, 0.26, 0.28)
NUMBERS = {"backbone": "tiny", "classes": len(SPACE), "image_size": 64}
CARD = Labelled("defr", NUMBERS, {}, SPACE, "interactions", MEAN, STD)
SIZES = [(61, 47), (40, 90), (64, 64), (33, 35), (50, 20)]  # width, height
HOWS = [Looking("as-written"), Looking("blocking", 2), Looking("none"), Looking("crops")]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return CARD.build().eval()


@pytest.fixture(scope="module")
def boxes():
    """Five images with boxes of a detector, the fourth without any, the third without a person; scores tie."""
    rng = np.random.default_rng(1)
    counts = [7, 9, 4, 0, 6]
    categories = rng.choice([PERSON, PERSON, DOG, SPACE.object_index("chair"), -1], sum(counts))
    categories[:3] = PERSON, DOG, PERSON
    categories[16:20] = DOG
    size = np.repeat(np.array(SIZES, float), counts, axis=0)
    low = rng.random((sum(counts), 2)) * 0.6 * size
    high = low + (0.1 + 0.9 * rng.random((sum(counts), 2))) * (size - low)
    return Dataset(
        meta=Meta(SPACE, dataset="demo", subset="test", box_frame="continuous", sources={"d.json": "0" * 64}),
        key=strings([f"{i}.png" for i in range(5)]),
        width=np.array([wide for wide, _ in SIZES], np.int32),
        height=np.array([high for _, high in SIZES], np.int32),
        **no_pairs(5)
        | {
            "boxes": np.concatenate([low, high], axis=1),
            "categories": categories.astype(np.int32),
            "box_scores": rng.integers(3, 10, sum(counts)) / 10,
            "box_offsets": offsets_of(counts),
        },
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for i, (wide, high) in enumerate(SIZES):
        Image.fromarray(random.integers(0, 256, (high, wide, 3), dtype=np.uint8)).save(made / f"{i}.png")
    return made


def predicted(model, boxes, folder, **options):
    made = concat(list(pair_predictions(model, boxes, album_of(boxes, folder), CARD, **options)))
    validate(made)
    return made


def one_logit_row(model, picture, human, obj, how):
    """(K,) of one pair, alone in its picture."""
    if how.mask == "crops":
        edges = np.concatenate([np.minimum(human, obj)[:2], np.maximum(human, obj)[2:]])
        crop = picture.crop([int(edge) for edge in np.rint(edges)])
        pixels = np.asarray(crop.resize((64, 64), Image.Resampling.BICUBIC))
        image = (torch.from_numpy(pixels / 255) - torch.tensor(MEAN)) / torch.tensor(STD)
        return model(image.permute(2, 0, 1)[None].float())[0]
    image = torch.from_numpy(np.asarray(picture) / 255).permute(2, 0, 1).float()
    sides = [rescaled(torch.from_numpy(box)[None], (picture.height, picture.width), (64, 64)) for box in (human, obj)]
    module = DefrDetection(model, how.mask, how.mask_layers)
    return module(squashed(image, 64, MEAN, STD)[None], *sides, torch.tensor([0]))[0]


def slowly(model, boxes, folder, rule, how):
    """Rows (image, subject, object, label, score) of all pairs."""
    rows = []
    for image in range(len(boxes)):
        start, stop = boxes.box_offsets[image : image + 2]
        known = [row for row in range(start, stop) if boxes.categories[row] >= 0]
        held, shares, classes = (values[known] for values in (boxes.boxes, boxes.box_scores, boxes.categories))
        with Image.open(folder / f"{image}.png") as picture:
            for human, obj in zip(*pairs(held, shares, classes, PERSON, rule), strict=True):
                with torch.inference_mode():
                    logits = one_logit_row(model, picture, held[human], held[obj], how)
                prior = priors(shares[[human]], shares[[obj]], classes[[obj]], SPACE.interaction_objects, rule)
                row = scores(logits[None], torch.from_numpy(prior), rule)[0].tolist()
                labels = np.flatnonzero(SPACE.interaction_objects == classes[obj]).tolist()
                rows += [(image, known[human] - start, known[obj] - start, label, row[label]) for label in labels]
    return rows


@pytest.mark.parametrize("how", HOWS, ids=lambda how: how.mask)
@pytest.mark.parametrize("rule", [PUBLISHED, replace(EXPORTED, interaction_power=2.0, min_score=0.4, most_humans=2)])
def test_scores_are_those_of_the_rule_read_slowly(how, rule, model, boxes, folder):
    made = predicted(model, boxes, folder, rule=rule, how=how, pace=Pace(batch=2))
    expected = slowly(model, boxes, folder, rule, how)
    columns = [made.image_of("pair"), made.subject, made.object, made.label]
    assert list(zip(*(held.tolist() for held in columns), strict=True)) == [row[:4] for row in expected]
    assert len(expected) > 20
    assert made.counts("pair")[[2, 3]].tolist() == [0, 0]
    tolerance = {"rtol": 2e-3, "atol": 1e-6}  # logits of 50 have float32's 1e-5, and crops' pixels are float64 there
    np.testing.assert_allclose(made.score, [row[4] for row in expected], **tolerance)


@pytest.mark.parametrize("how", HOWS, ids=lambda how: how.mask)
def test_batches_chunks_blocks_and_workers_change_nothing(how, model, boxes, folder, monkeypatch):
    expected = predicted(model, boxes, folder, how=how, pace=Pace(batch=5))
    monkeypatch.setattr(looking, "MEMORY", 1)
    monkeypatch.setattr(detection, "BLOCK", 2)
    blocks = list(pair_predictions(model, boxes, album_of(boxes, folder), CARD, how=how, pace=Pace(batch=1, workers=2)))
    assert [len(block) for block in blocks] == [2, 2, 1]
    made = concat(blocks)
    for name in ("subject", "object", "label", "pair_offsets", "boxes", "box_scores", "categories", "key", "width"):
        np.testing.assert_array_equal(getattr(made, name), getattr(expected, name))
    np.testing.assert_allclose(made.score, expected.score, rtol=1e-3, atol=1e-7)
    assert made.meta == expected.meta


@pytest.mark.parametrize("frame", ["inclusive", "normalised"])
def test_frames_of_the_same_boxes_score_alike_and_are_kept(frame, model, boxes, folder):
    expected = predicted(model, boxes, folder)
    made = predicted(model, to_frame(boxes, frame), folder)
    assert made.meta.box_frame == frame
    np.testing.assert_array_equal(made.boxes, to_frame(boxes, frame).boxes)
    np.testing.assert_array_equal(made.label, expected.label)
    np.testing.assert_allclose(made.score, expected.score, rtol=1e-4)


def test_boxes_without_scores_count_as_one(model, boxes, folder):
    bare = predicted(model, boxes.with_columns(box_scores=None), folder)
    ones = predicted(model, boxes.with_columns(box_scores=np.ones(len(boxes.boxes))), folder)
    assert bare.box_scores is None
    np.testing.assert_array_equal(bare.score, ones.score)


def test_a_box_that_is_there_twice_is_paired_once(model, boxes, folder):
    twice = np.repeat(np.arange(len(boxes.boxes)), 2)
    columns = {name: values[twice] for name, values in boxes.columns("box").items()}
    made = predicted(model, boxes.with_columns(**columns, box_offsets=2 * boxes.box_offsets), folder)
    expected = predicted(model, boxes, folder)
    np.testing.assert_array_equal(made.score, expected.score)
    np.testing.assert_array_equal(made.subject, 2 * expected.subject)


def test_pairs_of_a_crowd_and_with_objects_that_nothing_takes_are_not_made(model, boxes, folder):
    made = predicted(model, boxes, folder)
    assert PERSON not in SPACE.interaction_objects  # so that people are not paired with one another
    assert set(made.categories[made.pair_boxes("object")].tolist()) <= set(SPACE.interaction_objects.tolist())
    crowd = boxes.categories == DOG
    without = predicted(model, boxes.with_columns(crowd=crowd), folder)
    assert DOG not in without.categories[without.pair_boxes("object")]


def test_what_it_says_of_itself(model, boxes, folder):
    how = Looking("blocking", 2)
    made = predicted(model, boxes, folder, rule=EXPORTED, how=how, said={"model": "tiny", "boxes": "oracle-box"})
    said = made.meta.extras["predict"]
    assert said["looking"] == {"mask": "blocking", "mask_layers": 2}
    assert (said["rule"]["human_power"], said["model"], said["boxes"]) == (6.0, "tiny", "oracle-box")
    assert (made.meta.score, made.meta.label_kind, made.meta.dataset, made.meta.subset) == (
        "final",
        "interactions",
        "demo",
        "test",
    )
    assert made.meta.sources == boxes.meta.sources


def test_the_detection_protocol_scores_them(model, small, tmp_path):
    truth = small.test
    for name, wide, high in zip(truth.file_name, truth.width, truth.height, strict=True):
        Image.new("RGB", (int(wide), int(high)), (90, 120, 30)).save(tmp_path / str(name))
    made = predicted(model, truth, tmp_path)
    result = score(truth, made, "hico-det")
    assert 0 < result.mean("full") < 1


def test_a_broken_picture_stops_or_has_no_pairs(model, boxes, folder, tmp_path):
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes((folder / f"{i}.png").read_bytes() if i != 1 else b"nothing")
    with pytest.raises(DataError, match=r"1\.png: not readable as a picture"):
        predicted(model, boxes, tmp_path)
    broken = {}
    made = predicted(model, boxes, tmp_path, pace=Pace(skip_broken=True), broken=broken)
    whole = predicted(model, boxes, folder)
    assert list(broken) == ["1.png"]
    assert made.counts("pair")[1] == 0
    assert whole.counts("pair")[1] > 0
    np.testing.assert_array_equal(made.counts("pair")[[0, 4]], whole.counts("pair")[[0, 4]])


def test_pictures_without_pairs_are_not_opened(model, boxes, folder, tmp_path):
    for i in (0, 1, 4):
        (tmp_path / f"{i}.png").write_bytes((folder / f"{i}.png").read_bytes())
    assert len(predicted(model, boxes, tmp_path)) == 5


def test_no_image_makes_no_pair(model, boxes, folder):
    none = boxes.with_columns(
        **{name: values[:0] for name, values in (boxes.columns("image") | boxes.columns("box")).items()},
        box_offsets=np.zeros(1, np.int64),
        pair_offsets=np.zeros(1, np.int64),
    )
    made = predicted(model, none, folder)
    assert (len(made), len(made.score)) == (0, 0)


def test_what_does_not_fit_is_told(model, boxes, folder):
    album = album_of(boxes, folder)

    def run(card=CARD, held=boxes, how=None, pictures=album):
        return list(pair_predictions(model, held, pictures, card, how=how))

    with pytest.raises(DataError, match=r"0\.png: the picture has 61x47 pixels, its annotations say 60x47"):
        run(held=boxes.with_columns(width=boxes.width - 1))
    with pytest.raises(DataError, match=r"image '0\.png': a box is scored 1\.5, expected 0 to 1"):
        run(held=boxes.with_columns(box_scores=np.full(len(boxes.boxes), 1.5)))
    with pytest.raises(UsageError, match="a model that recognises verbs scores no pairs"):
        run(card=replace(CARD, label_kind="verbs"))
    with pytest.raises(UsageError, match="mask_layers is 3, expected 1 to 2"):
        run(how=Looking("blocking", 3))
    with pytest.raises(DataError, match="do not fit the model"):
        run(held=boxes.with_columns(replace(boxes.meta, labels=load_labels("hico"))))
    with pytest.raises(DataError, match="are not of the 5 pictures, or in another order"):
        run(held=boxes.with_columns(key=boxes.key[::-1]))


@pytest.mark.parametrize("how", HOWS, ids=lambda how: how.mask)
def test_half_precision_comes_near(how, model, boxes, folder):
    expected = predicted(model, boxes, folder, how=how)
    half = CARD.build().eval()
    half.load_state_dict(model.state_dict())
    half.backbone.to(torch.bfloat16)
    made = predicted(half, boxes, folder, how=how)
    np.testing.assert_array_equal(made.label, expected.label)
    np.testing.assert_allclose(made.score, expected.score, atol=0.05)
    predicted(half.to(torch.bfloat16), boxes, folder, how=how)


def test_pairs_and_crops_at_once_of_the_published_numbers():
    with torch.device("meta"):
        tower = defr.build().backbone
    assert (pairs_at_once(tower, 1), pairs_at_once(tower, 6), crops_at_once(tower)) == (28988, 39, 41)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("how", HOWS, ids=lambda how: how.mask)
def test_a_gpu_says_the_same(how, model, boxes, folder):
    expected = predicted(model, boxes, folder, how=how)
    other = CARD.build().eval()
    other.load_state_dict(model.state_dict())
    made = predicted(other.cuda(), boxes, folder, how=how)
    np.testing.assert_array_equal(made.label, expected.label)
    np.testing.assert_allclose(made.score, expected.score, rtol=1e-2, atol=1e-4)
