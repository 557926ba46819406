"""`hoitool diagnose` as a user runs it: the whole process, one setting, from the files to the printed tables.

    python benchmarks/diagnose.py
    python benchmarks/diagnose.py --detections 10000000 --runs 1

The made HICO-DET set is that of eval_hico.py, the made V-COCO set that of eval_v_coco.py (286,700 detections with all
51 scores, an object box for every role of half of them).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import eval_hico
import eval_v_coco
from process import apart, measure, report


def main() -> None:
    """Make the files, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detections", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    hoitool = shutil.which("hoitool", path=str(Path(sys.executable).parent)) or "hoitool"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        apart(eval_hico.make_files, folder, options.detections)
        command = [hoitool, "diagnose", str(folder / eval_hico.MADE[0]), "--truth", str(folder / "test.parquet")]
        report(f"HICO-DET, {options.detections:,} detections", measure(command, options.runs))
        report("the same with all files and pictures", measure([*command, "-o", str(folder / "why")], options.runs))
        apart(eval_v_coco.make_files, folder, True)
        source, truth, target = (str(folder / n) for n in ("detections.pkl", "val.parquet", "detections.parquet"))
        measure([hoitool, "convert", source, "--truth", truth, "-o", target, "--overwrite"], 1, 0)
        for setting in ("scenario-1", "agent"):
            command = [hoitool, "diagnose", target, "--truth", truth, "--setting", setting]
            report(f"V-COCO, 286,700 detections, {setting}", measure(command, options.runs))


if __name__ == "__main__":
    main()
