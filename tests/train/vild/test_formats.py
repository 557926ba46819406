"""What COCO's, LVIS's and PASCAL VOC's readers give is trained on, found and scored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from hoitool.convert import FORMATS
from hoitool.convert.fit import fit as fitted
from hoitool.data import write
from hoitool.data.parquet import read
from hoitool.demo.things import draw_all, pictures
from hoitool.embed import engine
from hoitool.embed.load import load
from hoitool.embed.words import Stored, job_of, labels
from hoitool.eval import score
from hoitool.labels.beside import write_labels
from hoitool.labels.prompts import load_prompts
from hoitool.models.card import labelled, read_card
from hoitool.train.fit import fit
from hoitool.train.recipe import resolve

RARE = {"cup", "tie"}


def silent(text):
    """What nobody wants to hear."""


def made_in(name, subset, count):
    """Things as a format's reader gives them; LVIS says how frequent they are."""
    data = pictures(subset, count, len(subset))
    letters = "".join("r" if each in RARE else "f" for each in data.meta.labels.objects)
    data = replace(data, meta=replace(data.meta, extras={"lvis": {"frequency": letters}} if name == "lvis" else {}))
    folder = Path("raw") / f"{name}-{subset}"
    FORMATS[name].write(fitted([data], FORMATS[name].HOLDS).parts, folder)
    draw_all(data, Path("raw/things/images") / subset)
    (held,) = FORMATS[name].read(folder).parts
    held = held.with_columns(replace(held.meta, dataset="things", subset=subset))
    write(held, Path("data/things") / f"{subset}.parquet")
    return held


@pytest.mark.parametrize("name", ["coco", "lvis", "voc"])
def test_it_is_trained_on_found_and_scored(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parts = [made_in(name, subset, count) for subset, count in (("train", 8), ("test", 4))]
    space = parts[0].meta.labels
    words = labels(space, "objects", [load_prompts("photo")])
    engine.run(job_of(words, load("colours"), Stored()), Path("features/texts.h5"), engine.Pace(64))
    write_labels(space, Path("features"))
    variant = {"coco": "coco", "lvis": "lvis", "voc": "voc07"}[name]
    changes = ["model.heads=text", "optimise.epochs=1", f"evaluate.variant={variant}", "evaluate.best=full"]
    if name == "voc":
        changes.append(f"data.novel=[{', '.join(sorted(RARE))}]")
    made = fit(resolve("vild-tiny", changes), Path("runs/first"), silent, device="cpu")
    held = read(made.predicted[0])
    result = score(parts[1], held, "open-vocab", variant)
    assert made.trained.figures == {split: result.mean(split) for split in made.trained.figures}
    card = labelled(read_card(made.folder))
    novel = {card.labels.objects[i] for i in card.predict["novel"]}
    assert novel == RARE if name != "coco" else novel > RARE
