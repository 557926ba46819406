"""What an error tells to try, said in settings of a recipe where it speaks of a command's options."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from hoitool.errors import HoitoolError

SPELLINGS = {"--weights ": "model.weights=", "--model ": "model.backbone=", "with --images": "with data.images=DIR"}


@contextlib.contextmanager
def as_settings() -> Iterator[None]:
    """Inside, errors name settings."""
    try:
        yield
    except HoitoolError as error:
        told = str(error)
        for option, setting in SPELLINGS.items():
            told = told.replace(option, setting)
        if told == str(error):
            raise
        raise type(error)(told) from error
