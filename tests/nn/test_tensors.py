"""Checkpoints in any layout, and files that want more than tensors."""

from __future__ import annotations

import os
import warnings
from argparse import Namespace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors.torch import save_file  # noqa: E402

from hoitool.errors import DataError, MissingData  # noqa: E402
from hoitool.nn.tensors import read_tensors  # noqa: E402

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(2)}


def same(held):
    assert sorted(held) == sorted(STATE)
    for name, expected in STATE.items():
        torch.testing.assert_close(held[name], expected, rtol=0, atol=0)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("container", ["", "model_state_dict", "state_dict", "model"])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_a_state_dict_is_found_in_its_container(suffix, container, prefix, tmp_path):
    state = {f"{prefix}{name}": held for name, held in STATE.items()}
    path = tmp_path / f"w{suffix}"
    torch.save({container: state, "epoch": 3, "optimizer": {"lr": [0.1]}} if container else state, path)
    same(read_tensors(path))


@pytest.mark.parametrize(
    ("held", "starts"),
    [
        ({"model": [STATE, STATE], "epoch": 3}, ["0.", "1."]),
        ([STATE], ["0."]),
        ({"base": STATE, "top": STATE, "epoch": 3}, ["base.", "top."]),
    ],
)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_several_states_become_one(held, starts, prefix, tmp_path):
    def wrapped(held):
        if held is STATE:
            return {f"{prefix}{name}": value for name, value in STATE.items()}
        return [wrapped(part) for part in held] if isinstance(held, list) else held

    held = wrapped(held) if isinstance(held, list) else {name: wrapped(part) for name, part in held.items()}
    torch.save(held, tmp_path / "w.pth")
    made = read_tensors(tmp_path / "w.pth")
    assert len(made) == len(starts) * len(STATE)
    for start in starts:
        same({name.removeprefix(start): value for name, value in made.items() if name.startswith(start)})


def test_safetensors_are_read(tmp_path):
    save_file(STATE, tmp_path / "w.safetensors")
    same(read_tensors(tmp_path / "w.safetensors"))


def test_an_archive_of_torchscript_is_read_without_running_it(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(model, torch.zeros(1, 3)), str(tmp_path / "w.pt"))
    held = read_tensors(tmp_path / "w.pt")
    assert sorted(held) == ["0.bias", "0.weight"]
    torch.testing.assert_close(held["0.weight"], model[0].weight.data)


def test_options_and_numbers_of_numpy_may_lie_beside(tmp_path):
    beside = {"args": Namespace(lr=1e-4, dataset="hico"), "best": np.float64(0.6), "seen": np.int64(3)}
    torch.save({"model": STATE, **beside}, tmp_path / "w.pth")
    same(read_tensors(tmp_path / "w.pth"))


class Harm:
    def __reduce__(self):
        return os.mkdir, (os.environ["HARM"],)


def test_a_pickle_that_wants_to_run_code_does_not(tmp_path, monkeypatch):
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    torch.save({"model": STATE, "extra": Harm()}, tmp_path / "w.pth")
    with pytest.raises(DataError, match=r"w.pth: not readable as tensors .* asks for posix.mkdir") as caught:
        read_tensors(tmp_path / "w.pth")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "harm").exists()


def test_an_allowed_type_runs_no_code_of_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HARM", str(tmp_path / "harm"))
    torch.save({"model": STATE, "args": Namespace(lr=Harm())}, tmp_path / "w.pth")
    with pytest.raises(DataError, match="w.pth: not readable"):
        read_tensors(tmp_path / "w.pth")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("held", "told"),
    [
        ({"model": [STATE, 3]}, "holds a list; expected a state dict"),
        ({"model": [STATE, {}]}, "holds no tensors; expected"),
        ([1, 2], "holds a list; expected a state dict, alone or as 'model_state_dict'"),
        ({}, "holds no tensors; expected"),
        ({"model": {}}, "holds no tensors; expected"),
        ({"w": 3}, "holds 'w', which is no tensor"),
        ({"w": STATE["b"], "module.w": STATE["b"]}, "holds a name twice, with and without 'module.'"),
    ],
)
def test_what_is_no_state_dict_is_told(held, told, tmp_path):
    torch.save(held, tmp_path / "w.pt")
    with pytest.raises(DataError, match=rf"w\.pt: {told}"):
        read_tensors(tmp_path / "w.pt")


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
def test_a_cut_file_is_one_line(name, tmp_path):
    path = tmp_path / name
    save_file(STATE, path) if name.endswith("safetensors") else torch.save(STATE, path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"^[^\n]*: not readable as a checkpoint[^\n]*$"):
        read_tensors(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MissingData, match="w.pt"):
        read_tensors(tmp_path / "w.pt")
