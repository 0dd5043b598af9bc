"""How inner loops are compiled."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

#: names the sources that the machine code beside it was made from
_MADE_FROM = "compiled-from.txt"


def compiled(function: Callable[..., Any]) -> Any:
    """Compile on first use, and keep the machine code on disk where a folder for it can be written.

    A read-only installation without a home folder has none; then each process compiles anew.
    """
    try:
        made = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:
        return numba.njit(nogil=True, error_model="numpy")(function)
    _renew(made.stats.cache_path, _sources(function.__module__.partition(".")[0]))
    return made


@functools.cache
def _sources(package: str) -> str:
    """Hash of all files of a package that hold compiled functions."""
    digest = hashlib.sha256()
    for file in sorted(Path(str(sys.modules[package].__file__)).parent.rglob("*.py")):
        data = file.read_bytes()
        if b"@compiled" in data:
            digest.update(data)
    return digest.hexdigest()


@functools.cache
def _renew(folder: str, sources: str) -> None:
    """Forget machine code that was made from other sources.

    numba looks at the file of a function alone; a function of another file that it calls is in its machine code as it
    was when it was compiled. What cannot be deleted or noted is looked at again by the next process.
    """
    note = Path(folder) / _MADE_FROM
    with contextlib.suppress(OSError):
        if note.is_file() and note.read_bytes() == sources.encode():
            return
        for index in Path(folder).glob("*.nbi"):
            index.unlink(missing_ok=True)
        note.write_bytes(sources.encode())
