from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def recorded(shared: Callable[[str], Path]) -> dict[str, Any]:
    """The tensors recorded from DEFR's criterion."""
    from safetensors.torch import load_file

    return load_file(shared("parity/losses/lse_sign_bce_focal.safetensors"))
