"""Words, regions and cells that are left out: as recorded, and as often as they should be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoitool.train.size_augment import kept_cells, kept_regions, varied_words

MASK, VOCABULARY = 3, 50
seeds = st.integers(0, 2**32 - 1)


class Told:
    """A generator whose numbers are given."""

    def __init__(self, *numbers):
        self.numbers = list(numbers)

    def random(self, count=None):
        return self.numbers.pop(0)


@given(st.integers(1, 40), seeds)
def test_something_is_always_left(count, seed):
    for kept in (kept_regions, kept_cells):
        made = kept(count, np.random.default_rng(seed))
        assert made.shape == (count,)
        assert made.dtype == bool
        assert made.any()


def test_a_set_that_would_be_empty_stays_whole():
    assert kept_regions(3, Told(np.zeros(3))).all()
    assert kept_cells(3, Told(0.9, np.zeros(3))).all()


def test_a_fifth_of_regions_goes():
    kept = kept_regions(100_000, np.random.default_rng(0))
    assert kept.mean() == pytest.approx(0.8, abs=0.005)


def test_cells_go_by_a_share_that_is_drawn_for_each_picture():
    cells = np.array([0.01, 0.1, 0.15, 0.19, 0.5])
    assert kept_cells(5, Told(0.2, cells)).all()
    assert kept_cells(5, Told(0.5, cells)).tolist() == [False, False, True, True, True]
    assert kept_cells(5, Told(1.0, cells)).tolist() == [False, False, False, False, True]


def test_recorded_cells(shared):
    load_file = pytest.importorskip("safetensors.numpy").load_file
    recorded = load_file(shared("parity/vse/grid_drop.safetensors"))
    draws, most = recorded["train/rand_grid"], recorded["train/rand_image"]
    torch = pytest.importorskip("torch")
    from hoitool.models.vse_images import Cells
    from hoitool.nn.resnet import ResNet

    model = Cells(ResNet((1, 1, 1, 1), True, stem=4, planes=(2, 2, 2, 4)), 12)
    assert model.backbone.dim == recorded["in/features"].shape[2]
    state = {name.removeprefix("state/image_encoder."): held for name, held in recorded.items() if "state/" in name}
    model.load_state_dict({name: torch.from_numpy(held) for name, held in state.items()}, strict=False)
    kept = np.stack([kept_cells(draws.shape[1], Told(u, row)) for u, row in zip(most, draws, strict=True)])
    assert 0 < kept.mean() < 1
    for name, mask in (("train", torch.from_numpy(kept)), ("eval", None)):
        with torch.no_grad():
            made = model.embed(torch.from_numpy(recorded["in/features"]), mask)
        torch.testing.assert_close(made, torch.from_numpy(recorded[f"{name}/out"]), rtol=0, atol=1e-6)


words = st.lists(st.lists(st.integers(4, VOCABULARY - 1), min_size=1, max_size=3), max_size=8)


@given(words, seeds)
def test_nothing_changes_where_no_share_does(caption, seed):
    made = varied_words(caption, MASK, VOCABULARY, np.random.default_rng(seed), share=0)
    assert made == [piece for word in caption for piece in word]


@given(words, seeds)
def test_a_caption_of_changed_words_has_masks_and_others_in_place_of_its_pieces(caption, seed):
    made = varied_words(caption, MASK, VOCABULARY, np.random.default_rng(seed), share=1)
    assert len(made) <= sum(map(len, caption))
    assert all(0 < piece < VOCABULARY for piece in made)


def test_what_becomes_of_a_word():
    class Draws(Told):
        def integers(self, least, below):
            assert (least, below) == (1, VOCABULARY)  # 0 is padding, which no word becomes
            return 42

    caption = [[5, 6], [7, 8], [9], [10, 11]]
    made = varied_words(caption, MASK, VOCABULARY, Draws(0.09, 0.11, 0.13, 0.2))
    assert made == [MASK, MASK, 42, 42, 10, 11]  # masked, replaced, deleted, as it was


def test_words_change_as_often_as_they_should():
    caption = [[i + 10] for i in range(100_000)]
    made = np.array(varied_words(caption, MASK, 10, np.random.default_rng(0)))  # ids below 10 are others
    assert (made == MASK).mean() * len(made) / 1e5 == pytest.approx(0.1 + 0.02 / 9, abs=0.004)
    assert (made < 10).sum() / 1e5 == pytest.approx(0.12, abs=0.004)
    assert len(made) / 1e5 == pytest.approx(0.92, abs=0.004)
