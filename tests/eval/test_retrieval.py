"""Retrieval against what the reference code gave, a literal oracle, and hand-made cases."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from oracles.search import figures, positions
from searches import embedded

from hoitool.errors import DataError, UsageError
from hoitool.eval import explained, from_json, score, variants
from hoitool.eval.embedded import ensemble, from_arrays
from hoitool.eval.retrieval import OFFICIAL, evaluate, ranks_of, scored
from hoitool.eval.search_ranks import rank

NAMES = {"R@1": "r1", "R@5": "r5", "R@10": "r10"}
EXACT = 1e-12


def by_name(rows):
    return {(row.setting, row.split): row.metrics for row in rows}


def models(shared, name):
    """The two models of a recorded set, and their ensemble."""
    held = np.load(shared(f"oracles/retrieval/{name}.npz"))
    a, b = (from_arrays(held[f"img_{m}"], held[f"cap_{m}"]) for m in "ab")
    return {"a": a, "b": b, "ensemble": ensemble([a, b])}


def require_equal(made, expected):
    """All figures of a run are those that the reference printed."""
    for setting, short, mean in (("image-to-text", "i2t", "ar"), ("text-to-image", "t2i", "ari")):
        mine, theirs = made[setting], expected[short]
        for name, known in NAMES.items():
            assert mine[name] == pytest.approx(theirs[known] / 100, abs=EXACT)
        assert (mine["medR"], mine["meanR"]) == pytest.approx((theirs["medr"], theirs["meanr"]), abs=EXACT)
        assert mine["mR"] == pytest.approx(expected[mean] / 100, abs=EXACT)
    assert made["both"]["rsum"] == pytest.approx(expected["rsum"] / 100, abs=EXACT)


@pytest.mark.parametrize(("name", "fold_images"), [("small", 5), ("flickr1k", 1000)])
def test_figures_are_those_of_the_reference(shared, name, fold_images):
    expected = json.loads(shared(f"oracles/retrieval/expected_{name}.json").read_text())
    ranks = np.load(shared(f"oracles/retrieval/expected_{name}_ranks.npz"))
    for model, held in models(shared, name).items():
        rows, found, notes = scored(held, replace(OFFICIAL, fold_images=fold_images))
        made = by_name(rows)
        require_equal(
            {setting: metrics for (setting, split), metrics in made.items() if split == "full"}, expected[model]
        )
        if name == "small":
            folds = {setting: metrics for (setting, split), metrics in made.items() if split == "five-fold"}
            require_equal(folds, expected[model]["fold5"]["mean"])
        short = model.replace("ensemble", "ens")
        assert found[0].best.tolist() == ranks[f"{short}_i2t_rank"].tolist()
        assert found[1].best.tolist() == ranks[f"{short}_t2i_rank"].tolist()
        assert notes == []


def test_bounds_of_ties_are_those_that_any_order_gives(shared):
    similarity = np.load(shared("oracles/retrieval/ties.npz"))["sims"]
    expected = json.loads(shared("oracles/retrieval/expected_ties.json").read_text())
    made = rank(np.eye(12), np.ascontiguousarray(similarity.T), (np.arange(60) // 5, np.arange(60)))
    for side, name in zip(made, ("i2t", "t2i"), strict=True):
        assert np.stack([side.best, side.worst], axis=1).tolist() == expected[f"best_worst_{name}"]
        for order in (expected[f"reference_{name}_rank"], expected[f"stable_then_reversed_{name}"]):
            assert ((side.best <= order) & (order <= side.worst)).all()


@pytest.mark.parametrize("counts", [[5] * 25, [1, 2, 5, 3, 1], [7, 1, 6]])
def test_every_figure_equals_the_literal_oracle(counts):
    held = embedded(counts, near=0.6)
    result = evaluate(held)
    taken = held.first_captions(5)
    sims = (taken.images.astype(float) @ taken.captions.astype(float).T).tolist()
    own = [set(np.flatnonzero(taken.image == i).tolist()) for i in range(len(counts))]
    ranks = {
        "image-to-text": [positions(row, own[i])[0] for i, row in enumerate(sims)],
        "text-to-image": [
            positions(column, {owner})[0] for column, owner in zip(zip(*sims, strict=True), taken.image, strict=True)
        ],
    }
    made = by_name(result.rows)
    for setting, expected in ranks.items():
        assert made[setting, "full"] == pytest.approx(figures(expected), abs=EXACT)
        mine = result.per_class["setting"] == setting
        assert (result.per_class["rank_best"][mine] - 1).tolist() == expected
    assert result.splits == ["full"]
    dropped = sum(max(0, count - 5) for count in counts)
    assert any(f"{dropped} captions do not take part" in note for note in result.notes) == (dropped > 0)


def test_perfect_embeddings_find_everything():
    held = from_arrays(np.eye(8, dtype=np.float32), np.repeat(np.eye(8, dtype=np.float32), 5, axis=0))
    made = by_name(evaluate(held).rows)
    assert made["both", "full"] == {"rsum": 6.0}
    assert made["text-to-image", "full"]["meanR"] == 1


@pytest.mark.parametrize(("variant", "first", "bound"), [("official", 0.0, "high"), ("ties-first", 1.0, "low")])
def test_embeddings_that_are_all_equal_find_nothing_officially(variant, first, bound):
    held = from_arrays(np.ones((20, 4), np.float32), np.ones((100, 4), np.float32))
    result = evaluate(held, variant)
    for setting in ("image-to-text", "text-to-image"):
        metrics = by_name(result.rows)[setting, "full"]
        assert (metrics["R@1"], metrics[f"R@1_{bound}"]) == (first, 1 - first)
    assert "image-to-text: 20 of 20 queries have items as similar" in result.notes[0]


def test_bounds_are_left_out_where_nothing_is_tied():
    assert not [name for row in evaluate(embedded([5] * 4)).rows for name in row.metrics if "_" in name]


def test_five_folds_are_means_over_consecutive_images():
    held = embedded([2, 1, 3, 2, 1, 2, 2, 1, 1, 1], near=0.5)
    rows, _, _ = scored(held, replace(OFFICIAL, fold_images=2))
    every = np.ones(len(held.image), bool)
    runs = []
    for fold in range(5):
        part = held.select(np.arange(10) // 2 == fold, every)
        runs.append(figures(ranks_of(part)[1].best.tolist()))
    expected = {name: sum(run[name] for run in runs) / 5 for name in runs[0]}
    assert by_name(rows)["text-to-image", "five-fold"] == pytest.approx(expected, abs=EXACT)


def test_an_ensemble_averages_similarities():
    one, two = embedded([2] * 9, 0), embedded([2] * 9, 1, dim=11)
    both = ensemble([one, two])
    sims = sum(each.images.astype(float) @ each.captions.astype(float).T for each in (one, two)) / 2
    own = sims[both.image, np.arange(18)]
    assert ranks_of(both)[1].best.tolist() == (sims > own[None]).sum(axis=0).tolist()
    assert ensemble([one]) is one


def test_models_of_other_captions_are_refused():
    one = embedded([2, 2])
    with pytest.raises(DataError, match="3 captions, expected the 4 of the first model"):
        ensemble([one, embedded([2, 1])])
    with pytest.raises(DataError, match="caption 0 is 105, expected 100 as in the first model"):
        ensemble([one, replace(one, caption_id=one.caption_id + 5)])
    with pytest.raises(DataError, match="captions are of other images"):
        ensemble([one, replace(one, image=np.array([0, 0, 0, 1]))])


def test_what_is_no_search_is_refused(small, detected):
    with pytest.raises(DataError, match="image 'COCO_val2014_000000000020.jpg' has no caption \\(1 have none\\)"):
        evaluate(embedded([2, 0, 1]))
    with pytest.raises(DataError, match="no images to score"):
        evaluate(from_arrays(np.zeros((0, 2)), np.zeros((0, 2))))
    with pytest.raises(UsageError, match=r"came \(2, 3\) and \(4, 5\)"):
        from_arrays(np.ones((2, 3)), np.ones((4, 5)))
    with pytest.raises(UsageError, match="an image and an id are needed for each caption"):
        from_arrays(np.ones((2, 3)), np.ones((5, 3)))
    with pytest.raises(UsageError, match="in the order of their images"):
        from_arrays(np.ones((2, 3)), np.ones((2, 3)), np.array([1, 0]))
    with pytest.raises(UsageError, match="'retrieval' scores embeddings in feature stores, not predictions"):
        score(small.test, detected, "retrieval")


def test_one_image_with_one_caption_is_found():
    assert evaluate(embedded([1])).mean("full", "both", "rsum") == 6


def test_neither_order_nor_scale_matters():
    held = embedded([3] * 12, near=0.5)
    order = np.random.default_rng(0).permutation(12)
    captions = np.concatenate([np.flatnonzero(held.image == i) for i in order])
    moved = replace(
        held,
        images=held.images[order] * 4,
        captions=held.captions[captions],
        key=held.key[order],
        caption_id=held.caption_id[captions],
    )
    assert evaluate(moved).rows == evaluate(held).rows


def test_the_envelope_comes_back_and_the_signature_names_every_field():
    result = evaluate(embedded([2] * 3))
    assert from_json(result.to_json(), "here").rows == result.rows
    assert repr(result).startswith("<Result retrieval/official: image-to-text R@1 ")
    for name in variants("retrieval"):
        signature = evaluate(embedded([2] * 3), name).signature
        assert signature.startswith(f"retrieval/{name}|")
        assert all(f"|{field['name']}:" in signature for field in explained("retrieval")["fields"])


def test_halves_and_doubles_are_ranked_like_single_numbers():
    held = embedded([3] * 10, near=0.4)
    half = replace(held, images=held.images.astype(np.float16), captions=held.captions.astype(np.float16))
    for kind in (np.float32, np.float64):
        other = replace(half, images=half.images.astype(kind), captions=half.captions.astype(kind))
        assert evaluate(other).rows == evaluate(half).rows
