"""The packaged recipes of VSE-infinity: what its scripts say, and the figures that were published."""

from __future__ import annotations

import pytest

from hoitool.train.recipe import names, resolve

BUTD = {"image.backbone.": 0.01, "text.bert.": 0.1}
NAMES = ("i2t R@1", "i2t R@5", "t2i R@1", "t2i R@5", *(f"CxC {search} R@1" for search in ("I2T", "T2I", "T2T", "I2I")))
# name: images, texts, factors of the learning rate, test images, published R@1 and R@5 both ways
GOLDEN = {
    "vse-coco-region": ("regions", "bert", {"text.bert.": 0.1}, "testall", (79.7, 96.4, 64.8, 91.4)),
    "vse-coco-grid": ("detector", "bert", BUTD, "testall", (80.4, 96.8, 66.4, 92.1, 60.6, 46.2, 45.9, 44.4)),
    "vse-coco-wsl": ("wsl", "bert", BUTD, "testall", (84.5, 98.1, 72.0, 93.9, 67.9, 53.6, 46.7, 51.3)),
    "vse-f30k-region": ("regions", "bert", {"text.bert.": 0.1}, "test", (81.7, 95.4, 61.4, 85.9)),
    "vse-f30k-grid": ("detector", "bert", BUTD, "test", (81.5, 97.1, 63.7, 88.3)),
    "vse-f30k-wsl": ("wsl", "bert", BUTD, "test", (88.4, 98.3, 74.2, 93.7)),
    "vse-coco-region-bigru": ("regions", "bigru", {}, "testall", ()),
    "vse-f30k-region-bigru": ("regions", "bigru", {}, "test", ()),
}


def test_every_recipe_is_in_this_table():
    assert {name for name in names() if resolve(name).model.name == "vse"} == {*GOLDEN, "vse-tiny"}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_row_of_the_tables(name):
    made = resolve(name)
    images, texts, groups, test, published = GOLDEN[name]
    assert (made.model.images, made.model.texts, made.optimise.groups, made.data.test) == (images, texts, groups, test)
    figures = {} if made.reference is None else made.reference.figures
    assert tuple(figures.values()) == published
    assert tuple(figures) == NAMES[: len(published)]
    grid = images != "regions"
    assert made.optimise.frozen == ({"image.backbone.": 1.0} if grid else {})
    assert (made.loss.summed, made.loss.warmup) == (1, 1 if grid else 0)


@pytest.mark.parametrize("name", GOLDEN)
def test_what_all_of_them_share(name):
    made = resolve(name)
    held = made.optimise
    assert (held.optimiser, held.lr, held.weight_decay, held.clip) == ("adamw", 5e-4, 1e-4, 2.0)
    assert (held.epochs, held.batch, held.schedule.milestones, held.schedule.gamma) == (25, 128, (15.0,), 0.1)
    assert (made.model.dim, made.loss.margin, made.augment.share) == (1024, 0.2, 0.2)
    assert (made.data.dev, made.data.dev_images, made.evaluate.best, made.predict.weights) == (
        *("dev", 1000),
        *("rsum", "best"),
    )


@pytest.mark.parametrize("name", GOLDEN)
def test_a_recipe_builds_at_tiny_size(name, tmp_path, monkeypatch):
    """The encoders are small; loss, schedule, optimiser and what varies are the recipe's own."""
    torch = pytest.importorskip("torch")
    from tiny_matching import make_workspace

    from hoitool.train.optimisers import optimiser_of
    from hoitool.train.vse.prepare import prepare

    monkeypatch.chdir(make_workspace(tmp_path))
    own = resolve(name)
    grid = own.model.images != "regions"
    small = ["model.images=tiny", "model.image_size=32"] if grid else ["model.features=8"]
    texts = ["model.texts=tiny", "model.least=1"] if own.model.texts == "bert" else ["model.least=1", "model.words=8"]
    subsets = ["data.dev=test", "data.test=test", "data.workers=0", "optimise.batch=8", "model.dim=16"]
    job = prepare(resolve(name, [*small, *texts, *subsets]), lambda _: None)
    optimiser_of(job.module, job.plan)
    loss = job.task.loss(job.module, job.task.collate([job.task.sample(i, 0) for i in range(8)]), 3.0)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(held.grad is not None and torch.isfinite(held.grad).all() for held in job.module.parameters())
    assert job.card.build().state_dict().keys() == job.module.state_dict().keys()


def test_published_weights_need_no_more_of_bert_than_its_words(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    from hoitool.errors import DataError, UsageError
    from hoitool.train.vse.prepare import card_of

    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "weights" / "bert"
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ndog\n")
    card = card_of(resolve("vse-coco-wsl"), None)
    assert card.words.ids("A dog") == [2, 5, 6, 3]
    assert card.numbers == {"images": "wsl", "texts": "bert", "dim": 1024, "vocabulary": 7}
    assert card.image_size == 512
    (folder / "vocab.txt").write_text("<pad>\n<unk>\n<start>\n<end>\n<mask>\na\n")
    with pytest.raises(UsageError, match=r"bert: its vocabulary is not one of BERT's pieces"):
        card_of(resolve("vse-coco-wsl"), None)
    (folder / "vocab.txt").write_text("a\n")
    with pytest.raises(DataError, match=r"vocab.txt: [^\n]*no <pad>"):
        card_of(resolve("vse-coco-wsl"), None)
    with pytest.raises(UsageError, match=r"name the file of its words with model.vocabulary="):
        card_of(resolve("vse-coco-region-bigru"), None)
