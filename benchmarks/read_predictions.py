"""Reading predictions of HICO's test set in each prediction format: whole processes, from a file to columns.

    python benchmarks/read_predictions.py                           # one million detections, made here
    python benchmarks/read_predictions.py --formats qpic gen-vlkt

The detections are those of eval_hico.py, written by each format's own writer. For the formats whose authors write a
JSON string that holds what Python prints, that file is read too, as NumPy 1 and NumPy 2 print its numbers.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
from eval_hico import make_predictions, make_truth
from process import apart, measure, report

from hoitool import data
from hoitool.convert import PREDICTION_FORMATS
from hoitool.convert.fit import fit
from hoitool.errors import UsageError

READ = (
    "import sys; from pathlib import Path; from hoitool.convert import load;"
    "load(Path(sys.argv[1]), sys.argv[2], load(Path(sys.argv[3])))"
)
SUFFIXES = {"pairs": ".npz", "qpic": ".json", "gen-vlkt": ".json", "ppdm": ".json"}
PRINTED = ("qpic", "gen-vlkt")
NUMBER = re.compile(r"(?<=[\[ ])(-?[\d.e+-]+)(?=[,}\]])")


def write_files(name: str, count: int, folder: Path) -> None:
    """The truth, and the files of a format with the detections that it holds, which may be none."""
    rng = np.random.default_rng(0)
    truth = make_truth(rng)
    data.write(truth, folder / "test.parquet")
    detections = make_predictions(truth, count, rng)
    kind = PREDICTION_FORMATS[name]
    try:
        fitted = fit([detections], kind.HOLDS)
    except UsageError as error:
        print(f"{name} does not hold them: {error}")
        return
    (folder / "files").mkdir()
    path = folder / "files" / f"{name}{SUFFIXES.get(name, '')}"
    kind.write(fitted.parts, path)
    if name in PRINTED:
        text = str({"preds": json.loads(path.read_text()), "gts": []})
        for version, printed in (("1", text), ("2", NUMBER.sub(r"np.float64(\1)", text))):
            path.with_stem(f"{name}-printed-by-numpy-{version}").write_text(json.dumps(printed))


def main() -> None:
    """Write a format's files in a process of its own, as memory is inherited; read each, and go on to the next."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detections", type=int, default=1_000_000)
    parser.add_argument("--formats", nargs="+", default=list(PREDICTION_FORMATS))
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    for name in options.formats:
        with tempfile.TemporaryDirectory() as folder:
            files = Path(folder) / "files"
            apart(write_files, name, options.detections, Path(folder))
            for path in sorted(files.iterdir()) if files.exists() else []:
                command = [sys.executable, "-c", READ, str(path), name, str(Path(folder) / "test.parquet")]
                size = sum(file.stat().st_size for file in ([path] if path.is_file() else path.iterdir())) / 1e6
                report(f"{path.name} ({size:.0f} MB)", measure(command, options.runs))


if __name__ == "__main__":
    main()
