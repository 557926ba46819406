"""What is fuzzed: everything that hoitool reads, each as small valid files and the command lines that read them.

A line is run in the folder of the files and writes, if anything, below out/.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import small_files
import stub_encoders
from builders import truth_of
from searches import embedded, ratings, write_ratings, write_store
from small_files import CASES, small
from store import making
from strategies import DEMO, HICO

from hoitool.convert import PREDICTION_FORMATS
from hoitool.data import write
from hoitool.data.dataset import offsets_of, strings
from hoitool.labels.space import dump
from hoitool.report.scoring import score_files
from hoitool.splits import named
from hoitool.store import Layout, Manifest

Line = tuple[str, ...]
OUT = "out"
TRUTH = ("--truth", "truth.parquet")
# formats whose small file no content tells apart, and those of labels that their small truth is not scored by
NAMED = (
    "coco-results",
    "hico-matlab",
    "hico-matlab-alphabetical",
    "v-coco-pickle",
    "open-images-challenge",
    "pseudo-relations",
)
OTHERS = ("v-coco-pickle", "open-images-challenge", "pseudo-relations")


@dataclass(frozen=True)
class Target:
    """make(folder) writes valid files and returns those to break; lines: what reads them.

    torch: whether they need it; slow: whether a case takes seconds
    """

    make: Callable[[Path], list[Path]]
    lines: tuple[Line, ...]
    torch: bool = False
    slow: bool = False


def _format(name: str, suffix: str) -> Target:
    """A format of annotations or predictions, read by the command that converts it, named and recognised."""
    path = f"in/data{suffix}"

    def make(folder: Path) -> list[Path]:
        held = small_files.written(name, suffix, folder / "in")
        if held.truth is not None:
            write(held.truth, folder / "truth.parquet")
        return held.files

    truth = TRUTH if name in PREDICTION_FORMATS else ()
    lines: list[Line] = [
        ("convert", path, "--from", name, "-o", OUT, *truth),
        ("check", path, *truth) if name not in NAMED else ("check", path, "--from", name, *truth),
    ]
    if name in PREDICTION_FORMATS and name not in OTHERS:
        lines.append(("eval", path, "--from", name, *truth))
    return Target(make, tuple(lines))


def _text(name: str, content: str) -> Callable[[Path], list[Path]]:
    def make(folder: Path) -> list[Path]:
        (folder / name).write_text(content, encoding="utf-8")
        return [folder / name]

    return make


def _result(folder: Path) -> list[Path]:
    """A result that names its truth and its predictions, which lie beside it."""
    write(small(HICO, False), folder / "truth.parquet")
    write(small(HICO, True), folder / "found.parquet")
    with contextlib.chdir(folder):
        result = score_files(Path("found.parquet"), Path("truth.parquet")).result
    (folder / "result.json").write_text(result.to_json())
    return [folder / "result.json"]


def _scored(folder: Path) -> list[Path]:
    _result(folder)
    return [folder / "found.parquet", folder / "truth.parquet"]


def _training(folder: Path) -> None:
    """train.parquet: a training image for each of HICO's first interactions."""
    boxes = [10.0, 20.0, 110.0, 220.0], [50.0, 120.0, 210.0, 240.0]
    write(truth_of([(i, *boxes, i) for i in range(8)], 8, subset="train"), folder / "train.parquet")


def _split(folder: Path) -> list[Path]:
    _training(folder)
    mine = replace(named("rf-uc"), images=("image-0.jpg", "image-1.jpg"), name="mine")
    (folder / "mine.json").write_text(json.dumps(mine.to_json()))
    return [folder / "mine.json"]


def _listed(name: str, content: str) -> Callable[[Path], list[Path]]:
    def make(folder: Path) -> list[Path]:
        _training(folder)
        return _text(name, content)(folder)

    return make


def _search(folder: Path) -> list[Path]:
    return [write_store(folder / "x.h5", embedded([2, 2, 2]))]


def _arrays(folder: Path) -> list[Path]:
    held = embedded([2, 2, 2])
    columns = {"image": held.image, "key": held.key.astype(str), "caption_id": held.caption_id}
    np.savez(folder / "x.npz", images=held.images, captions=held.captions, **columns)
    return [folder / "x.npz"]


def _rated(folder: Path) -> list[Path]:
    held = embedded([2, 2, 2])
    write_store(folder / "x.h5", held)
    rng = np.random.default_rng(0)
    sizes = {"sts": (6, 6), "sis": (3, 3), "sits": (6, 3)}
    write_ratings(folder / "ratings", held, {kind: ratings(rng, *size, 9) for kind, size in sizes.items()})
    return sorted((folder / "ratings").iterdir())


def _store(folder: Path) -> list[Path]:
    making.write(folder / "x.h5", making.layout_of(["a", "b", "c"], [2, 0, 1]))
    return [folder / "x.h5"]


def _zero_shot(folder: Path) -> list[Path]:
    rng, dim = np.random.default_rng(0), 4

    def save(name: str, manifest: Manifest, keys: list[str]) -> Path:
        rows = rng.normal(size=(len(keys), 1, dim)).astype(np.float32)
        rows /= np.linalg.norm(rows, axis=2, keepdims=True)
        making.write(folder / name, Layout(strings(keys), offsets_of([1] * len(keys))), list(rows), manifest)
        return folder / name

    kind = {"label_space": {"name": "hico", "hash": HICO.hash}, "label_kind": "interactions"}
    labels = Manifest(of="labels", model="test:tiny", dim=dim, **kind)
    images = Manifest(of="images", model="test:tiny", dim=dim, dataset="hico", subset="test")
    return [
        save("images.h5", images, ["image-0.jpg", "image-1.jpg"]),
        save("labels.h5", labels, [HICO.interaction_name(i) for i in range(len(HICO))]),
    ]


def _labels(folder: Path) -> list[Path]:
    (folder / "labels.json").write_text(dump(DEMO), encoding="utf-8")
    return [folder / "labels.json"]


def _scan(folder: Path) -> list[Path]:
    made = folder / "in" / "coco_precomp"
    made.mkdir(parents=True)
    (made / "test_caps.txt").write_text("a man\na rider\ntwo cups\ncups\n")
    (made / "test_ids.txt").write_text("42\n7\n")
    (made / "id_mapping.json").write_text(json.dumps({"42": "a_42.jpg", "7": "b.jpg"}))
    np.save(made / "test_ims.npy", np.random.default_rng(0).random((2, 3, 4), np.float32))
    return sorted(made.iterdir())


def _pictures(folder: Path) -> list[Path]:
    (folder / "pictures").mkdir()
    for i, name in enumerate(("a.png", "b.jpg")):
        stub_encoders.noise(40, 30, i).save(folder / "pictures" / name)
    return sorted((folder / "pictures").iterdir())


def _model(folder: Path) -> list[Path]:
    """A model's folder, a published file of the same weights, and a picture."""
    import torch
    from safetensors.torch import save_file
    from tiny_run import RECIPE

    from hoitool.data import Meta
    from hoitool.train.recipe import resolve
    from hoitool.train.systems import SYSTEMS

    _pictures(folder)
    (folder / "recipe.yaml").write_text(RECIPE)
    recipe = resolve(folder / "recipe.yaml")
    card = SYSTEMS[recipe.model.name].card_of(recipe, Meta(DEMO))
    torch.manual_seed(0)
    state = {name: tensor.contiguous() for name, tensor in card.build().state_dict().items()}
    (folder / "model").mkdir()
    card.write(folder / "model")
    save_file(state, folder / "model" / "weights.safetensors")
    torch.save(state, folder / "weights.pt")
    write(small(DEMO, False), folder / "demo.parquet")
    return sorted((folder / "model").iterdir())


def _weights(folder: Path) -> list[Path]:
    _model(folder)
    return [folder / "weights.pt"]


def _run(folder: Path) -> list[Path]:
    """A run that has ended."""
    from tiny_run import make_workspace

    return _trained(make_workspace(folder), "recipe")


def _matcher(folder: Path) -> list[Path]:
    """A run of a matcher of images and captions."""
    from tiny_matching import make_workspace

    return _trained(make_workspace(folder), "grid")


def _trained(folder: Path, name: str) -> list[Path]:
    from hoitool.train.fit import fit
    from hoitool.train.recipe import resolve

    with contextlib.chdir(folder):
        fit(resolve(f"{name}.yaml"), Path("runs") / name, lambda _: None, device="cpu")
    made = [path for path in sorted((folder / "runs" / name).rglob("*")) if path.is_file()]
    return [path for path in made if path.stat().st_size and not path.name.startswith("predictions-")]


def _recipe(folder: Path) -> list[Path]:
    from hoitool.train.recipe import dump as dumped
    from hoitool.train.recipe import resolve

    (folder / "mine.yaml").write_text(dumped(resolve("tiny")))
    return [folder / "mine.yaml"]


PROMPTS = """
name: mine
source: nobody's
templates: ["a photo of {phrase}.", "{phrase}"]
phrases: {interaction: "a person {verb_ing} {an_object}", object: "{an_object}"}
an_before: aeiou
"""
TABLES = {
    ".csv": "name,Full,Rare,Non-Rare\nA,29.07,21.85,31.23\nB,31.66,25.94,33.37\n",
    ".tsv": "name\tUnseen\tSeen\tFull\tHM\nA\t20.0\t30.0\t28.0\t24.0\n",
    ".md": "| name | Full | Rare | Non-Rare |\n|---|---|---|---|\n| A | 29.07 | 21.85 | 31.23 |\n",
    ".tex": "\\begin{tabular}{lccc}\nname & Full & Rare & Non-Rare \\\\\n"
    "A & 29.07 & 21.85 & \\textbf{31.23} \\\\\n\\end{tabular}\n",
}
HASHED = ("--model", "hashed", "-o", f"{OUT}/x.h5")
PREDICT = ("pictures", "--device", "cpu", "--workers", "0", "--task", "recognition", "-o", f"{OUT}/p.parquet")

TARGETS: dict[str, Target] = {
    **{f"{name}{suffix}": _format(name, suffix) for name, suffix in CASES},
    "dataset, inspected": Target(
        _format("hoitool", ".parquet").make, (("inspect", "in/data.parquet"), ("stats", "in"))
    ),
    "result": Target(_result, (("inspect", "result.json"), ("report", "result.json", "-o", f"{OUT}/r.md"))),
    "result, drawn": Target(
        _result,
        (("report", "result.json", "-o", f"{OUT}/r.html"), ("draw", "curves", "result.json", "-o", f"{OUT}/c")),
        slow=True,
    ),
    "predictions, explained": Target(
        _scored,
        (
            ("diagnose", "found.parquet", *TRUTH, "-o", f"{OUT}/d"),
            ("compare", "result.json", "found.parquet", *TRUTH, "--resamples", "40", "-o", f"{OUT}/c"),
            ("report", "result.json", "-o", f"{OUT}/r.md"),
        ),
        slow=True,
    ),
    **{
        f"table{suffix}": Target(_text(f"table{suffix}", text), (("lint-table", f"table{suffix}"),))
        for suffix, text in TABLES.items()
    },
    "split": Target(_split, (("split", "show", "mine.json"), ("split", "check", "mine.json", "train.parquet"))),
    "list of images": Target(
        _listed("list.txt", "image-0.jpg\nimage-3.jpg\n"),
        (("split", "apply", "listed", "train.parquet", "--images", "list.txt", "-o", f"{OUT}/x.parquet"),),
    ),
    "list of images, JSON": Target(
        _listed("list.json", '["image-0.jpg", "image-3.jpg"]'),
        (("split", "apply", "listed", "train.parquet", "--images", "list.json", "-o", f"{OUT}/x.parquet"),),
    ),
    "store": Target(
        _store,
        (("inspect", "x.h5"), ("embed", "verify", "x.h5"), ("embed", "merge", "x.h5", "-o", f"{OUT}/m.h5", "--copy")),
    ),
    "store of a search": Target(_search, (("eval", "x.h5", "--protocol", "retrieval"),)),
    "arrays of a search": Target(_arrays, (("eval", "x.npz", "--protocol", "retrieval"),)),
    "ratings": Target(_rated, (("inspect", "ratings"), ("eval", "x.h5", "--protocol", "cxc", "--truth", "ratings"))),
    "stores of a zero-shot prediction": Target(
        _zero_shot, (("predict", "--zero-shot", "images.h5", "labels.h5", "-o", f"{OUT}/p.parquet"),)
    ),
    "label space": Target(_labels, (("inspect", "labels.json"), ("embed", "labels", "labels.json", *HASHED))),
    "prompts": Target(_text("mine.yaml", PROMPTS), (("embed", "labels", "hico", "--prompts", "mine.yaml", *HASHED),)),
    "lines": Target(_text("lines.txt", "a cat\na dog\n"), (("embed", "labels", "lines.txt", *HASHED),)),
    "attributes": Target(
        _text("attributes.txt", "red\nblue\n"),
        (("embed", "labels", "coco", "--what", "objects", "--expand", "attributes.txt", *HASHED),),
    ),
    "region features": Target(
        _scan, (("embed", "import", "in/coco_precomp", "-o", f"{OUT}/x.h5"), ("convert", "in/coco_precomp", "-o", OUT))
    ),
    "pictures": Target(
        _pictures, (("embed", "images", "pictures", *HASHED), ("embed", "images", "pictures", "--strict", *HASHED))
    ),
    "recipe": Target(_recipe, (("train", "mine.yaml", "--print-config"),), torch=True),
    "model": Target(_model, (("predict", "model", *PREDICT),), torch=True),
    "run": Target(
        _run,
        (
            ("train", "--resume", "--name", "recipe", "--device", "cpu"),
            ("predict", "runs/recipe", "data/demo/test.parquet", *PREDICT[1:]),
        ),
        torch=True,
        slow=True,
    ),
    "run of a matcher": Target(
        _matcher,
        (("predict", "runs/grid", "data/demo/test.parquet", "--device", "cpu", "--workers", "0", "-o", f"{OUT}/p.h5"),),
        torch=True,
        slow=True,
    ),
    "weights": Target(
        _weights,
        (("predict", "weights.pt", "--recipe", "recipe.yaml", "--labels", "demo.parquet", *PREDICT),),
        torch=True,
    ),
}
