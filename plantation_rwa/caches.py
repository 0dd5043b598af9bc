"""The user's cache folder: what lies there may be deleted at any time."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from plantation_rwa.errors import SourceError

#: folder of the cache instead of the user's own; empty: nothing is kept
VARIABLE = "PLANTATION_RWA_CACHE"


def cache_folder() -> Path | None:
    """The folder that the environment names, else ``plantation-rwa`` in the user's cache folder; None: keep nothing."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "plantation-rwa"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file of the cache: it is there whole or not at all.

    Raises
    ------
    SourceError
        If the folder cannot be written.
    """
    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            name = file.name
            file.write(data)
        Path(name).replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            Path(name).unlink(missing_ok=True)
        remedy = f"Make room, mend the rights, or name another folder in {VARIABLE}."
        what = f"cannot be written ({error.strerror or error})"
        raise SourceError.of("cache", what, str(path.parent), remedy) from None
