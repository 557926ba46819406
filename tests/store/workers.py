"""What spawned processes run: they import it by name, so it stands outside of the test files."""

from __future__ import annotations

import os

from hoitool.store import Store


def read_in_worker(store, queue):
    queue.put((os.getpid(), store["c.jpg"].tolist(), store.read([0, 2]).tolist(), store.column("text").tolist()))


class Features:
    """A dataset for torch.utils.data: the rows of an image and its number."""

    def __init__(self, path):
        self.store = Store(path)

    def __len__(self):
        return len(self.store)

    def __getitem__(self, i):
        return i, self.store[i]
