"""The table of losses is read without torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hoitool.errors import UsageError
from hoitool.losses import LOSSES


def test_the_package_is_imported_without_torch():
    code = "import sys, hoitool.losses; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_loss_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match="Did you mean 'lse-sign'"):
        LOSSES["lse_sign"]
