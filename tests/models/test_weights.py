"""Key maps, what they make of a file, and files that do not fit."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors.torch import save_file  # noqa: E402

from hoitool.errors import DataError, MissingData  # noqa: E402
from hoitool.models.weights import AS_THEY_ARE, load, matched, under  # noqa: E402

KEYS = ((r"head\.(\d)\.(.+)", r"\1.\2"), (r"old_.+", None), (r"head\.(.+)", "never"))


def module():
    return torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))


@pytest.fixture
def state():
    return {f"head.{name}": held + 1 for name, held in module().state_dict().items()}


@pytest.fixture
def saved(tmp_path):
    def save(state):
        torch.save({"model": state}, tmp_path / "w.pth")
        return tmp_path / "w.pth"

    return save


def test_weights_go_where_the_key_map_says(state, saved):
    model = module()
    match = load(model, saved(state | {"old_thing": torch.zeros(7)}), KEYS)
    assert match.complete
    assert match.matched == {name: f"head.{name}" for name in model.state_dict()}
    assert match.unwanted == ("old_thing",)
    assert match.summary() == "4 matched"
    for name, held in model.state_dict().items():
        torch.testing.assert_close(held, state[f"head.{name}"])


def test_a_table_shows_differences_first(state):
    wrong = state | {"head.0.weight": torch.zeros(5, 3), "extra": torch.zeros(1), "old_x": torch.zeros(1)}
    del wrong["head.1.bias"]
    match = matched(module(), wrong, KEYS)
    assert match.table() == [
        ("shape [5, 3] for [2, 3]", "head.0.weight", "0.weight"),
        ("missing", "", "1.bias"),
        ("left over", "extra", ""),
        ("matched", "head.0.bias", "0.bias"),
        ("matched", "head.1.weight", "1.weight"),
        ("unwanted", "old_x", ""),
    ]
    assert match.summary() == (
        "2 matched, 1 of another shape (0.weight is [5, 3], expected [2, 3]), 1 missing (1.bias), 1 left over (extra)"
    )


@pytest.mark.parametrize("change", ["unknown", "shape", "missing"])
def test_what_does_not_fit_is_refused_and_changes_nothing(change, state, saved):
    model = module()
    before = {name: held.clone() for name, held in model.state_dict().items()}
    if change == "unknown":
        state["head.2.weight"] = torch.zeros(1)
    elif change == "shape":
        state["head.0.weight"] = torch.zeros(3, 2)  # as many numbers, otherwise laid out
    else:
        del state["head.0.weight"]
    told = {"unknown": r"left over \(head.2.weight", "shape": r"0.weight is \[3, 2\]", "missing": r"missing \(0.weight"}
    with pytest.raises(DataError, match=rf"^[^\n]*w.pth: not the weights of this Sequential: [^\n]*{told[change]}"):
        load(model, saved(state), KEYS)
    assert all(torch.equal(held, before[name]) for name, held in model.state_dict().items())


def test_what_fits_may_be_taken_alone(state, saved):
    model = module()
    del state["head.0.weight"]
    match = load(model, saved(state), KEYS, strict=False)
    assert match.missing == ("0.weight",)
    torch.testing.assert_close(model[1].weight.data, state["head.1.weight"])


def test_a_file_of_which_nothing_fits_is_refused_however(saved):
    with pytest.raises(DataError, match="0 matched, 4 missing"):
        load(module(), saved({"x": torch.zeros(1)}), KEYS, strict=False)


def test_two_names_for_one_place_are_refused(saved):
    keys = ((r"(?:a|b)\.(.+)", r"\1"),)
    state = {f"{part}.{name}": held for part in "ab" for name, held in module().state_dict().items()}
    with pytest.raises(DataError, match=r"w.pth: 'a.0.weight' and 'b.0.weight' of the checkpoint are both '0.weight'"):
        load(module(), saved(state), keys)


def test_two_names_of_one_tensor_are_one(saved):
    keys = ((r"(?:a|b)\.(.+)", r"\1"),)
    held = {name: value + 1 for name, value in module().state_dict().items()}
    model = module()
    match = load(model, saved({f"{part}.{name}": value for part in "ab" for name, value in held.items()}), keys)
    assert match.complete
    assert match.matched["0.weight"] == "a.0.weight"
    assert match.unwanted == tuple(f"b.{name}" for name in held)
    assert all(torch.equal(value, held[name]) for name, value in model.state_dict().items())


def test_a_key_map_for_a_part_stands_under_its_names():
    keys = under(KEYS, r"net\.", "part.")
    part = torch.nn.ModuleDict({"part": module()})
    state = {f"net.head.{name}": held for name, held in module().state_dict().items()}
    match = matched(part, state | {"net.old_x": torch.zeros(1), "head.0.weight": torch.zeros(2, 3)}, keys)
    assert sorted(match.matched) == sorted(part.state_dict())
    assert (match.unwanted, match.left_over) == (("net.old_x",), ("head.0.weight",))


def test_half_precision_becomes_the_precision_of_the_module(tmp_path):
    model = module().double()
    save_file({name: held.half() for name, held in model.state_dict().items()}, tmp_path / "w.safetensors")
    load(model, tmp_path / "w.safetensors", AS_THEY_ARE)
    assert {held.dtype for held in model.state_dict().values()} == {torch.float64}


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MissingData, match="w.pth"):
        load(module(), tmp_path / "w.pth", KEYS)
