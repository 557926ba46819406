"""Fuzzing of everything that hoitool reads: thousands of broken files through the command line, seeded.

Every kind of file (tests/fuzz_targets.py) is cut after each of 64 parts, and broken in `--cases` drawn ways: changed
bytes, pieces left out, repeated or put elsewhere, foreign content, fields missing, of other types, out of range. A case
fails that ends in a traceback or a warning of Python, in anything but one line with a meaningful exit code that names
the file, with something left behind, for want of memory (2 GiB more than the process has) or after 20 s of a processor.
A process that dies or hangs is a finding too.

python benchmarks/fuzz.py                       # what is installed: without torch its readers are left out
python benchmarks/fuzz.py --cases 1000 --seed 5 --only store
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import itertools
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fuzz_targets import TARGETS, Target
from fuzzing import Made

MEMORY = 2 * 2**30  # bytes more than at the start of a target
LONGEST, HUNG = 20.0, 600.0  # processor seconds of a case, and seconds without a word
READY, DONE = -2, -1
Case = tuple[Path, str, bytes]


def cases(made: Made, name: str, seed: int, drawn: int) -> Iterator[Case]:
    """The broken files of a target, the same for a seed: its cuts, then drawn ones."""
    yield from made.cuts()
    for i in range(drawn):
        yield made.drawn(random.Random(f"{seed} {name} {i}"))


def work(pipe: Connection, name: str, seed: int, drawn: int, first: int) -> None:
    """Run the cases of a target from the first on, and tell what was wrong with each."""
    with tempfile.TemporaryDirectory() as folder:
        made = Made.of(TARGETS[name], Path(folder))
        path, whole = next(iter(made.whole.items()))
        for line in made.target.lines:  # what is imported on the way is no part of a case
            made.judged(path, whole, line)
        assert made.changed.keys() == made.whole.keys()  # looked at now: that takes a while
        _limit_memory()
        pipe.send((READY, "", ""))
        for i, (path, what, content) in enumerate(itertools.islice(cases(made, name, seed, drawn), first, None), first):
            line = made.target.lines[i % len(made.target.lines)]
            pipe.send((i, f"{path.name}, {what}: {' '.join(line)}", None))
            begun = time.process_time()
            wrong, taken = made.judged(path, content, line), time.process_time() - begun
            pipe.send((i, "", wrong or (f"took {taken:.0f} s of a processor" if taken > LONGEST else "")))
    pipe.send((DONE, "", ""))


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def fuzzed(name: str, seed: int, drawn: int) -> tuple[int, list[str]]:
    """How many cases of a target were run, and what was wrong."""
    first, found = 0, []
    while first >= 0:
        mine, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=work, args=(theirs, name, seed, drawn, first))
        process.start()
        theirs.close()
        at, what = first - 1, "making the files"
        try:
            while mine.poll(HUNG):
                i, told, wrong = mine.recv()
                if i == DONE:
                    process.join()
                    return at + 1, found
                if i != READY:
                    at, what = i, told or what
                if wrong:
                    found.append(f"{what}: {wrong}")
            found.append(f"{what}: hangs")
        except EOFError:
            process.join()
            found.append(f"{what}: the process died ({process.exitcode})")
        process.kill()
        process.join()
        if at < first:
            return 0, found
        first = at + 1
    raise AssertionError


def main() -> None:
    """Fuzz, and print counts and what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=200, help="drawn for each kind of file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds of files with this in their name")
    options = parser.parse_args()
    torch = importlib.util.find_spec("torch") is not None
    chosen: dict[str, Target] = {n: t for n, t in TARGETS.items() if options.only in n and (torch or not t.torch)}
    total: collections.Counter[str] = collections.Counter()
    start = time.perf_counter()
    for name in chosen:
        count, found = fuzzed(name, options.seed, options.cases)
        total.update(cases=count, wrong=len(found))
        print(f"{name:<34} {count:>6,} cases, {len(found)} wrong", flush=True)
        for told in found:
            print(f"    {told:.600}", flush=True)
    minutes = (time.perf_counter() - start) / 60
    print(f"{len(chosen)} kinds of files, {total['cases']:,} cases, {total['wrong']} wrong, {minutes:.0f} minutes")
    sys.exit(bool(total["wrong"]))


if __name__ == "__main__":
    main()
