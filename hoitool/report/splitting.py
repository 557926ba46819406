"""What `hoitool split` says and does: splits as named values, a split applied to files, files checked against one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hoitool import data, splits
from hoitool.convert import one_part, read
from hoitool.data import Dataset
from hoitool.errors import CheckFailed, UsageError
from hoitool.files import reading, refuse_overwrite, require, sha256
from hoitool.labels import LABEL_SPACES, LabelSpace, load_labels, parse
from hoitool.splits import Finding, Split

TRAIN = "train"


def listed() -> list[dict[str, Any]]:
    """Every named split with its class counts, training filter and hash (of what is drawn: with seed 0)."""
    return [_row(splits.named(name)) for name in splits.names()]


def _row(split: Split) -> dict[str, Any]:
    counts = {name: len(classes) for name, classes in split.groups.items()}
    return {**split.summary(), "title": split.title, "classes": counts, "filter": split.filter}


def shown(name: str, seed: int = 0, counts: Path | None = None) -> dict[str, Any]:
    """A split as JSON-ready values: what a split's file holds, its facts, and the names of its classes.

    counts  training data to count rare classes in, in place of those of the label space
    """
    split = rare_or_named(name, seed, counts)
    made = split.to_json()
    if split.filter is not None:
        made["filter_means"] = splits.FILTERS[split.filter]
    labels = label_space(split, Path(name).parent)
    if labels is not None:
        made["facts"] = splits.facts(split, labels)
        named = {group: [labels.interaction_name(c) for c in classes] for group, classes in split.groups.items()}
        made["names"] = named
    return made


def rare_or_named(name: str, seed: int = 0, counts: Path | None = None) -> Split:
    """The split of a name or file; with `counts` the rare split of other training data. UsageError for other names."""
    if counts is None:
        return splits.resolve(name, seed)
    if name.lower() not in ("rare", "non-rare", "all"):
        raise UsageError(f"--counts FILE says in which training data rare classes are counted, {name!r} is not of them")
    return splits.rare_in(training(counts)[0], f"{counts} (sha256 {sha256(counts)[:12]})")


def label_space(split: Split, folder: Path) -> LabelSpace | None:
    """The label space of a split: packaged, or in its file's folder as labels-<hash>.json. DataError when altered."""
    if split.space is None:
        return None
    if split.space.name in LABEL_SPACES:
        labels = load_labels(split.space.name)
    else:
        beside = folder / f"labels-{split.space.hash[:12]}.json"
        if not beside.is_file():
            return None
        with reading(beside, "a label space"):
            labels = parse(beside.read_text(encoding="utf-8"), str(beside))
    split.require_space(labels, str(labels.name))
    return labels


def training(path: Path, format: str | None = None, subset: str | None = None) -> tuple[Dataset, list[str]]:
    """Annotations of one subset, of several the training set unless one is named, with the reader's remarks."""
    held = read(path, format)
    if subset is None and len(held.parts) > 1 and any(part.meta.subset == TRAIN for part in held.parts):
        subset = TRAIN
    found = one_part(held, path, subset)
    if found.kind != "dataset":
        raise UsageError(f"{path} holds predictions, expected training data")
    dropped = [f"{path}: {count:,} dropped in reading: {reason}" for reason, count in held.dropped.items()]
    return found, [*dropped, *held.notes]


@dataclass(frozen=True)
class Source:
    """Training data in a file: of which format (None: recognised) and which subset (None: the training set)."""

    path: Path
    format: str | None = None
    subset: str | None = None


@dataclass(frozen=True)
class Target:
    """Where filtered training data go."""

    path: Path
    overwrite: bool = False


def apply(name: str, source: Source, target: Target, seed: int = 0, images: Path | None = None) -> dict[str, Any]:
    """Write training data as a split has them, and say what they lost. Raises what reading and the split raise."""
    if target.path.suffix != ".parquet":
        raise UsageError(f"{target.path}: expected a name that ends in .parquet")
    refuse_overwrite(target.path, target.overwrite)
    split = _choosing(splits.require_filter(splits.resolve(name, seed)), images)
    held, notes = training(source.path, source.format, source.subset)
    if images is not None:
        split, told = _from_list(split, held, images)
        notes += told
    digest = sha256(require(source.path, "training data"))
    made = splits.apply(held, split, {source.path.name: digest})
    data.write(made.data, target.path)
    return {
        "split": made.split.summary() | {"filter": split.filter, "seed": split.draw.seed if split.draw else None},
        "of": {"path": str(source.path), "sha256": digest, **_counts(held)},
        "written": {"path": str(target.path), "sha256": sha256(target.path), **_counts(made.data)},
        "dropped": made.dropped,
        "notes": [*notes, *made.notes],
    }


def _choosing(split: Split, images: Path | None) -> Split:
    """The split itself. Raises UsageError where a list of images is needed and not given."""
    if split.name == splits.LISTED and images is None:
        raise UsageError(f"split {split.name!r} takes the images of a list: name it with --images")
    return split


def _from_list(split: Split, held: Dataset, images: Path) -> tuple[Split, list[str]]:
    found = splits.read_index(images, held)
    told = f"{images} lists {len(found.keys):,} of {len(held):,} images ({len(found.keys) / len(held):.2%}), as "
    told += found.meant + (f"; {found.repeated:,} entries are repeats" if found.repeated else "")
    return splits.with_images(split, found.keys, f"{images.name} (sha256 {sha256(images)[:12]})"), [told]


def _counts(held: Dataset) -> dict[str, int]:
    return {"images": len(held), "boxes": len(held.boxes), "pairs": len(held.subject)}


@dataclass(frozen=True)
class Checked:
    """What a check found in training data and in a feature file, and what proves the latter."""

    split: Split
    data: Path
    findings: list[Finding]
    notes: list[str]
    features: Path | None = None
    feature_findings: list[Finding] = field(default_factory=list)
    proof: str = ""

    @property
    def failures(self) -> list[str]:
        """One sentence for each thing that did not hold."""
        made = []
        if self.findings:
            made.append(f"{self.data}: {len(self.findings):,} things that {self.split.name} takes away are left")
        if self.feature_findings:
            made.append(f"{self.features}: {'; '.join(f.told for f in self.feature_findings)}")
        elif self.features is not None and not self.proof:
            made.append(f"{self.features}: cannot be proved: {UNPROVED.format(split=self.split.name)}")
        return made

    def raise_for(self) -> None:
        """Raise CheckFailed, in one line, unless everything held."""
        if self.failures:
            raise CheckFailed("; ".join(self.failures))

    def summary(self) -> dict[str, Any]:
        """JSON-ready values."""
        made: dict[str, Any] = {
            "split": self.split.summary(),
            "data": str(self.data),
            "passed": not self.failures,
            "findings": [vars(finding) for finding in self.findings],
            "notes": self.notes,
        }
        if self.features is not None:
            found = [vars(finding) for finding in self.feature_findings]
            made["features"] = {"path": str(self.features), "findings": found, "proof": self.proof}
        return made


UNPROVED = (
    "it names neither the hash of {split} nor these training data as its only source, and its rows do not show it"
)


def check(
    name: str,
    source: Source,
    features: Path | None = None,
    full: Path | None = None,
    images: Path | None = None,
    seed: int = 0,
) -> Checked:
    """Check training data, and a feature file, against a split. `full`: the training data before the split."""
    split = _choosing(splits.resolve(name, seed), images)
    manifest = None if features is None else splits.read_manifest(features)
    held, notes = training(source.path, source.format, source.subset)
    whole = None
    if full is not None:
        whole, more = training(full)
        notes += more
    if images is not None:
        if whole is None:
            raise UsageError("--images lists images of the training data before the split: name those with --of")
        split, told = _from_list(split, whole, images)
        notes += told
    findings, split = splits.violations(held, split, whole)
    if split.filter in ("pairs", "near-pairs", "images") and whole is None and not findings:
        what = "images" if split.filter == "images" else "pairs"
        notes.append(f"nothing unseen is left; whether whole {what} went is compared with --of only")
    left = sorted(set(held.meta.extras) - {"split"})
    if left and split.zero_shot:
        notes.append(f"what {' and '.join(left)} holds beside the columns is not searched")
    made = Checked(split, source.path, findings, notes)
    if manifest is None:
        return made
    digest, before = sha256(source.path), "" if full is None else sha256(full)
    verdict = splits.judge(manifest, held, split, digest, not findings, before)
    return replace(made, features=features, feature_findings=verdict.findings, proof=verdict.proof)
