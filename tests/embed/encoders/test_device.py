"""Pictures onto a device, results from it, and its batch size."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.numpy import load_file  # noqa: E402
from tiny_vision import pixels  # noqa: E402

from hoitool.embed.encoder import Settings  # noqa: E402
from hoitool.embed.encoders import device as own  # noqa: E402
from hoitool.embed.encoders.device import Eye, awaited, best_batch, computing, place  # noqa: E402
from hoitool.embed.preprocess import CLIP_MEAN, CLIP_STD, Preprocess  # noqa: E402
from hoitool.errors import UsageError  # noqa: E402

CPU, RULE = torch.device("cpu"), Preprocess(8, 8)
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


def test_settings_name_a_place():
    assert place(Settings(device="cpu", precision="bf16")) == (CPU, torch.bfloat16)
    assert place(Settings())[0].type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("cuda:77", "nowhere", "meta", ""):
        with pytest.raises(UsageError, match=f"--device {name}: not a device that is here"):
            place(Settings(device=name))


def test_pictures_are_normalised():
    shown = pixels(2, 8)
    made = Eye(RULE, CPU, torch.float32)(shown)
    assert (made.shape, made.dtype, made.is_contiguous()) == ((2, 3, 8, 8), torch.float32, True)
    np.testing.assert_allclose(made.permute(0, 2, 3, 1), (shown / 255 - CLIP_MEAN) / CLIP_STD, atol=1e-6)
    assert Eye(RULE, CPU, torch.float16)(shown).dtype == torch.float16


@pytest.mark.parametrize("wrong", [np.zeros((1, 8, 8, 3), np.float32), np.zeros((8, 8, 3), np.uint8)])
def test_other_arrays_are_refused(wrong):
    with pytest.raises(UsageError, match=r"pictures are .*expected uint8\[N, H, W, 3\]"):
        Eye(RULE, CPU, torch.float32)(wrong)


def test_pictures_agree_with_published_ones(shared):
    """DEFR's: both sides to the size on their own, by CLIP's numbers and by halves."""
    from PIL import Image

    held = load_file(shared("parity/defr/preprocess_eval.safetensors"))
    sources = {"rgb": held["rgb_uint8_hwc"], "gray": held["gray_uint8_hw"]}
    half = (0.5, 0.5, 0.5)
    for name, rule in (
        ("clip", Preprocess(32, 32, "squash")),
        ("imagenet", Preprocess(32, 32, "squash", mean=half, std=half)),
    ):
        for kind, array in sources.items():
            made = Eye(rule, CPU, torch.float32)(rule.pixels(Image.fromarray(array).convert("RGB"))[None])[0]
            np.testing.assert_allclose(made, held[f"eval_{name}/{kind}_out32"], atol=1e-6)


def test_a_model_computes_exactly_and_the_process_stays_as_it_was():
    flags = torch.backends.cudnn
    before = flags.allow_tf32, flags.deterministic, flags.benchmark
    with computing():
        assert (flags.allow_tf32, flags.deterministic, flags.benchmark) == (False, True, False)
        assert torch.is_inference_mode_enabled()
    assert (flags.allow_tf32, flags.deterministic, flags.benchmark) == before


def test_results_are_float32():
    for dtype in own.DTYPES.values():
        made = awaited(torch.arange(6, dtype=dtype).reshape(2, 3))()
        assert made.dtype == np.float32
        assert made.tolist() == [[0, 1, 2], [3, 4, 5]]


def encode_nothing(array):
    raise AssertionError("nothing is tried out on a CPU")


def test_a_batch_on_a_cpu_is_a_constant():
    assert best_batch(encode_nothing, RULE, CPU) == own.CPU_BATCH


@pytest.mark.parametrize(
    ("rates", "best"),
    [
        ({32: 10, 64: 20, 128: 20.5}, 64),
        ({32: 10, 64: 9}, 32),
        ({32: 10, 64: 20, 128: None}, 64),
        ({32: None}, 32),
        ({32 << i: 2.0**i for i in range(8)}, 4096),
    ],
)
def test_a_batch_grows_while_that_is_faster_and_fits(rates, best, monkeypatch):
    def rate(encode, array):
        assert array.shape[1:] == (8, 8, 3)
        found = rates[len(array)]
        if found is None:
            raise torch.cuda.OutOfMemoryError("out of memory")
        return found

    monkeypatch.setattr(own, "_rate", rate)
    assert best_batch(encode_nothing, RULE, torch.device("cuda")) == best


@needs_cuda
def test_results_from_an_accelerator_wait_for_themselves():
    cuda = torch.device("cuda")
    shown = pixels(4, 8)
    made = Eye(RULE, cuda, torch.float32)(shown)
    assert made.is_cuda
    waiting = [awaited(made * i) for i in range(3)]
    expected = Eye(RULE, CPU, torch.float32)(shown).numpy()
    for i, wait in enumerate(waiting):
        np.testing.assert_allclose(wait(), expected * i, atol=1e-5)


@needs_cuda
def test_a_batch_on_an_accelerator_is_one_that_was_tried():
    eye = Eye(RULE, torch.device("cuda"), torch.float16)
    best = best_batch(lambda array: awaited(eye(array).mean((2, 3))), RULE, eye.device)
    assert own.SMALLEST <= best <= own.LARGEST
