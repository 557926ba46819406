"""Where an encoder computes: the device and its arithmetic, pictures onto it, results back from it, and a batch size.

On a CUDA device nothing here waits: pictures travel as bytes from pinned memory and are normalised there, results
come back into pinned memory, and only the call that was returned (Pending) waits for them. fp32 is float32 throughout:
convolutions in TF32, which PyTorch allows by default, are not.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from hoitool.data.dataset import Array
from hoitool.embed.encoder import Pending, Precision, Settings
from hoitool.embed.preprocess import Preprocess
from hoitool.errors import UsageError

DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
CPU_BATCH = 32
SMALLEST, LARGEST = 32, 4096  # batches that are tried on an accelerator
GAIN = 1.05  # a larger batch must be so much faster to be taken


def place(settings: Settings) -> tuple[torch.device, torch.dtype]:
    """The device and the arithmetic of the settings. Raises UsageError for a device that is not there."""
    name = settings.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).tolist()
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"--device {name}: not a device that is here; auto, cpu, cuda or cuda:0 ...") from error
    return device, DTYPES[settings.precision]


@contextlib.contextmanager
def computing() -> Iterator[None]:
    """While a model runs: no gradients, the same bits for the same batch, no TF32."""
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with torch.inference_mode(), exact:
        yield


class Eye:
    """Pictures (N, H, W, 3) uint8 as a model's input (N, 3, H, W) on a device: (pixels / 255 - mean) / std."""

    def __init__(self, preprocess: Preprocess, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self._mean, self._std = (
            torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (preprocess.mean, preprocess.std)
        )

    def __call__(self, pixels: Array) -> torch.Tensor:
        """Raises UsageError for an array of another shape or type."""
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
            raise UsageError(f"pictures are {pixels.dtype}{list(pixels.shape)}, expected uint8[N, H, W, 3]")
        held = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))  # a picture of Pillow's is read-only
        if self.device.type == "cuda":
            held = held.pin_memory().to(self.device, non_blocking=True)
        made = held.permute(0, 3, 1, 2).float().div(255).sub(self._mean).div(self._std)
        return made.to(self.dtype).contiguous()


def awaited(rows: torch.Tensor) -> Pending:
    """The wait for a result: its numbers as float32."""
    rows = rows.float()
    if rows.device.type != "cuda":
        made: Array = rows.numpy()
        return lambda: made
    host = torch.empty(rows.shape, dtype=torch.float32, pin_memory=True)
    host.copy_(rows, non_blocking=True)
    event = torch.cuda.current_stream(rows.device).record_event()  # of its device, which need not be the current one

    def wait() -> Array:
        event.synchronize()
        arrived: Array = host.numpy()
        return arrived

    return wait


def best_batch(encode: Callable[[Array], Pending], preprocess: Preprocess, device: torch.device) -> int:
    """A batch size: on a CPU a constant; else doubled while that is faster and fits into the device's memory."""
    if device.type != "cuda":
        return CPU_BATCH
    best, fastest, size = SMALLEST, 0.0, SMALLEST
    while size <= LARGEST:
        try:
            rate = _rate(encode, np.zeros((size, preprocess.height, preprocess.width, 3), np.uint8))
        except torch.cuda.OutOfMemoryError:
            torch.cuda.empty_cache()
            break
        if rate < fastest * GAIN:
            break
        best, fastest, size = size, rate, 2 * size
    return best


def _rate(encode: Callable[[Array], Pending], pixels: Array) -> float:
    """Pictures a second, the second time."""
    encode(pixels)()
    start = time.perf_counter()
    encode(pixels)()
    return len(pixels) / (time.perf_counter() - start)
