"""Converting both subsets of the official annotations, as a user runs it, against scipy's loadmat alone.

python benchmarks/convert_hico.py path/to/hico-det     # the folder with anno_bbox.mat and anno.mat
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from process import measure, report


def main() -> None:
    """Measure the conversion, and the reading that it contains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    hoitool = shutil.which("hoitool", path=str(Path(sys.executable).parent)) or "hoitool"
    file = options.folder / "anno_bbox.mat"
    alone = [sys.executable, "-c", f"from scipy.io import loadmat; loadmat({str(file)!r})"]
    with tempfile.TemporaryDirectory() as out:
        command = [hoitool, "convert", str(options.folder), "-o", out, "--overwrite"]
        report("hoitool convert, both subsets", measure(command, options.runs), "limit 12 s")
        report("scipy loadmat alone", measure(alone, options.runs))


if __name__ == "__main__":
    main()
