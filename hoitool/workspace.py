"""The conventional names of a workspace, so that the bare commands find their files.

raw/ downloads; data/<dataset>/<subset>.parquet; weights/<model>; features/<what>-<model>.h5;
runs/<name>/predictions-<subset>.parquet, or .h5 of images and captions; recipe.yaml, which is trained unless another
one is named. Every path can be given explicitly instead.
"""

from __future__ import annotations

from pathlib import Path

RAW, DATA, WEIGHTS, FEATURES, RUNS = map(Path, ("raw", "data", "weights", "features", "runs"))
RECIPE = Path("recipe.yaml")
PICTURES = {".jpg", ".jpeg", ".png"}


def dataset_folder(dataset: str) -> Path:
    """Where the subsets of a dataset live."""
    return DATA / dataset


def datasets(subset: str | None = None) -> list[Path]:
    """The dataset files (or folders of shards) below data/, of one subset where it is named, in name order."""
    found = [p for folder in _visible(DATA) for p in _visible(folder) if p.suffix == ".parquet"]
    return [path for path in found if subset is None or path.stem == subset]


def features_path(what: str, model: str) -> Path:
    """Where the embeddings of something by a model live."""
    return FEATURES / f"{what}-{model}.h5"


def weights_of(model: str) -> Path | None:
    """The weights of a model in the workspace, weights/<model> (a folder or a file); None where there are none."""
    found = WEIGHTS / model
    return found if found.exists() else None


def images_folder(dataset: str) -> Path:
    """Where the pictures of a dataset are looked for: its images/ in raw/, else its folder there."""
    inside = RAW / dataset / "images"
    return inside if inside.is_dir() else RAW / dataset


def predictions(*kinds: str) -> list[Path]:
    """The prediction files of all runs, the newest first. kinds: .parquet, or .h5 of matchers; none: .parquet."""
    found = [p for run in _visible(RUNS) for kind in kinds or (".parquet",) for p in run.glob(f"predictions-*{kind}")]
    return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def predictions_path(run: str, subset: str) -> Path:
    """Where the predictions of a run live."""
    return predictions_in(RUNS / run, subset)


def predictions_in(folder: Path, subset: str) -> Path:
    """Where the predictions of a run live that has this folder."""
    return folder / f"predictions-{subset}.parquet"


def run_named(name: str) -> Path:
    """The folder of a run: in runs/, or the one that a path says."""
    return RUNS / name if Path(name).name == name else Path(name)


def runs() -> list[Path]:
    """The folders in runs/, the one changed last first."""
    return sorted((p for p in _visible(RUNS) if p.is_dir()), key=lambda path: path.stat().st_mtime_ns, reverse=True)


def run_folder(path: Path) -> Path | None:
    """The run that a predictions file belongs to, None for a file elsewhere."""
    return path.parent if path.parent.parent.name == RUNS.name and path.stem.startswith("predictions-") else None


def raw_entries(folder: Path = RAW) -> list[Path]:
    """What lies in raw/, or in a folder of it: its visible entries in name order, pictures left out."""
    return [path for path in _visible(folder) if path.suffix.lower() not in PICTURES]


def only_pictures(folder: Path) -> bool:
    """Whether a folder, with those below it, holds pictures and nothing else."""
    kinds = {path.suffix.lower() for path in folder.rglob("[!.]*") if path.is_file()}
    return bool(kinds) and kinds <= PICTURES


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
