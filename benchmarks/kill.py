"""Long jobs as a user runs them, killed at random moments (SIGKILL) and run again: what they leave, what they make.

Each kill has a folder of its own: the job is started there and killed, every other time at any moment and else after it
had begun to write; what lies under final names is compared with an uninterrupted job's, the job is run again, and what
it makes is compared too. The jobs: tests/killing.py.
python benchmarks/kill.py                            # 20 kills each; without torch, training is left out
python benchmarks/kill.py --kills 5 --only train
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from killing import JOBS, kills


def main() -> None:
    """Kill, and print counts and what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="jobs with this in their name")
    options = parser.parse_args()
    torch = importlib.util.find_spec("torch") is not None
    failed = 0
    for name, job in JOBS.items():
        if options.only not in name or (job.torch and not torch):
            continue
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            done = kills(job, Path(folder), options.kills, random.Random(f"{options.seed} {name}"))
        wrong = [kill for kill in done if kill.wrong]
        failed += len(wrong)
        left = sum(kill.left for kill in done)
        print(
            f"{name:<18} {len(done)} kills, {left} after it had written something; "
            f"{len(done) - len(wrong)} ended equal ({job.same}); {time.perf_counter() - start:.0f} s",
            flush=True,
        )
        for kill in wrong:
            print(f"    {kill.wrong}", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
