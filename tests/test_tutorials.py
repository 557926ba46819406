"""The tutorials do what they print: every page runs from its first block to its last in an empty workspace.

What a reader brings along is made first, small and synthetic: official files, pictures, a detector, weights.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tutorials import difference, run, steps

from hoitool.convert import FORMATS
from hoitool.data import Dataset, select_images
from hoitool.data.synthetic import Scenes, scenes
from hoitool.demo.detector import imperfect
from hoitool.demo.draw import draw_all

PAST_THE_LAST_PIXEL = [0, 0, 1, 1]
PAGES = Path(__file__).parent.parent / "docs" / "tutorials"


def score_my_detector(folder: Path) -> None:
    """The official files, and a detector that errs in known ways."""
    made = scenes()
    FORMATS["hico-det"].write([made.train, made.test], folder / "raw" / "hico-det")
    found, _ = imperfect(made.test)
    names, human, obj = found.key[found.image_of("pair")], found.pair_boxes("subject"), found.pair_boxes("object")
    labels = found.meta.labels
    rows = [
        {
            "image": names[row],
            "human": (found.boxes[human[row]] + PAST_THE_LAST_PIXEL).round(2).tolist(),
            "object": (found.boxes[obj[row]] + PAST_THE_LAST_PIXEL).round(2).tolist(),
            "object_name": labels.objects[labels.interaction_objects[label]],
            "verb": labels.verbs[labels.interaction_verbs[label]],
            "score": round(float(found.score[row]), 4),
        }
        for row, label in enumerate(found.label.tolist())
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


STAGES = {"score-my-detector": score_my_detector, "embed-my-labels": embed_my_labels, "train-defr": train_defr}
TRAINED = {"train-defr"}  # the last digits of what was learned are the machine's


@pytest.mark.parametrize("name", STAGES)
def test_a_tutorial_does_what_it_prints(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    STAGES[name](tmp_path)
    namespace: dict[str, object] = {}
    for step in steps((PAGES / f"{name}.md").read_text(encoding="utf-8")):
        found = difference(step, run(step, namespace), decimals=name not in TRAINED)
        assert not found, found


def test_every_tutorial_is_run():
    assert {page.stem for page in PAGES.glob("*.md")} == set(STAGES)
