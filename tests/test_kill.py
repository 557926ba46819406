"""Long jobs killed at a random moment: nothing partial under a final name, and run again they end as if left alone.

benchmarks/kill.py kills each of them 20 times; embedding and training are killed in tests/commands/test_embed.py and
tests/train/test_resume.py too.
"""

from __future__ import annotations

import random

import pytest
from killing import JOBS, kills


@pytest.mark.parametrize("name", ["convert --shards", "eval -o"])
def test_killed_and_run_again_it_ends_as_one_that_is_left_alone(name, tmp_path):
    done = kills(JOBS[name], tmp_path, 1, random.Random(name))
    assert [(each.ran, each.wrong) for each in done] == [(True, "")]
