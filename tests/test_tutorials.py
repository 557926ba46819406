"""The tutorials do what they print: every page runs from its first block to its last in an empty workspace.

What a reader brings along is made first, small and synthetic: official files, pictures, detections, weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tutorials import difference, run, steps

from hoitool.convert import FORMATS
from hoitool.convert.csv_rows import OBJECT, SUBJECT
from hoitool.data import Dataset, Predictions, select_images
from hoitool.data.synthetic import scenes
from hoitool.demo.detector import imperfect
from hoitool.demo.draw import draw_all

PAGES = Path(__file__).parent.parent / "docs" / "tutorials"
PAST_THE_LAST_PIXEL = [0, 0, 1, 1]


def score_my_detector(folder: Path) -> None:
    """The official files, and what a detector that errs in known ways has found."""
    made = scenes()
    FORMATS["hico-det"].write([made.train, made.test], folder / "raw" / "hico-det")
    found, _ = imperfect(made.test)
    names = ("image", "human", "object", "object_name", "verb", "score")
    rows = [
        dict(zip(names, (*pair, round(score, 4)), strict=True))
        for pair, score in zip(pairs_of(found), found.score.tolist(), strict=True)
    ]
    (folder / "detections.json").write_text(json.dumps(rows))


def embed_my_labels(folder: Path) -> None:
    """A small CLIP, and a folder of pictures."""
    pytest.importorskip("torch")
    from hoitool.embed.encoders.tiny import save_tiny_clip

    save_tiny_clip(folder / "weights" / "clip")
    draw_all([select_images(scenes().test, range(6))], folder / "drawn", 0)
    (folder / "drawn" / "test").rename(folder / "photos")


def train_defr(folder: Path) -> None:
    """Official files with pictures, and a small CLIP."""
    pytest.importorskip("torch")
    from tiny_vision import clip_config, clip_model, save_clip

    made = scenes()
    parts = [select_images(made.train, range(72)), select_images(made.test, range(24))]
    FORMATS["hico-det"].write(parts, folder / "raw" / "hico-det")
    draw_all(parts, folder / "raw" / "hico-det" / "images", 0)
    config = clip_config(vision_cfg__patch_size=32)
    save_clip(folder / "weights" / "clip", config, clip_model(config).state_dict())


def bring_my_own_data(folder: Path) -> None:
    """A table with a few mistakes, and its pictures."""
    pytest.importorskip("torch")
    made = scenes(seed=3)
    parts = [select_images(made.train, range(60)), select_images(made.test, range(24))]
    draw_all(parts, folder / "photos", 3)
    rows = [
        [f"{data.meta.subset}/{name}", data.meta.subset, *human, *obj, *words]
        for data in parts
        for name, human, obj, *words in pairs_of(data)
    ]
    rows[4][2], rows[4][4] = rows[4][4], rows[4][2]
    rows[7][8] = -12.0
    columns = ("file_name", "subset", *SUBJECT, *OBJECT, "object_category", "verb")
    (folder / "mine.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in [columns, *rows]))


def pairs_of(data: Dataset | Predictions) -> Iterator[tuple[str, list[float], list[float], str, str]]:
    """Each pair as people write it: image, human and object with their ends past the last pixel, object, verb."""
    sides = [
        (data.boxes[data.pair_boxes(side)] + PAST_THE_LAST_PIXEL).round(2).tolist() for side in ("subject", "object")
    ]
    labels = data.meta.labels
    for name, human, obj, label in zip(data.key[data.image_of("pair")], *sides, data.need("label"), strict=True):
        thing, verb = labels.interaction_objects[label], labels.interaction_verbs[label]
        yield str(name), human, obj, labels.objects[thing], labels.verbs[verb]


STAGES = {
    "score-my-detector": score_my_detector,
    "embed-my-labels": embed_my_labels,
    "train-defr": train_defr,
    "bring-my-own-data": bring_my_own_data,
}
TRAINED = {"train-defr", "bring-my-own-data"}  # the last digits of what was learned are the machine's


@pytest.mark.parametrize("name", STAGES)
def test_a_tutorial_does_what_it_prints(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    STAGES[name](tmp_path)
    namespace: dict[str, object] = {}
    for step in steps((PAGES / f"{name}.md").read_text(encoding="utf-8")):
        found = difference(step, run(step, namespace), decimals=name not in TRAINED)
        assert not found, found


def test_every_tutorial_is_run():
    assert {page.stem for page in PAGES.glob("*.md")} == set(STAGES)


def test_what_a_page_promises_and_does_not_come_is_told():
    page = "```console\n$ hoitool --version\n2 of 0.25 ...\n```\n\n```python\nprint(2)\n```\n\n```text\n3\n```\n"
    version, two = steps(page)
    assert (version.text, version.expected) == ("hoitool --version", "2 of 0.25 ...\n")
    assert not difference(version, "2  of 0.25 and  more\n")
    assert "0.75" in difference(version, "2 of 0.75 and more\n")
    assert not difference(version, "2 of 0.75 and more\n", decimals=False)
    assert "3 of" in difference(version, "3 of 0.25 and more\n", decimals=False)
    assert difference(two, run(two, {}))
