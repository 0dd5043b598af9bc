"""Covered pixels kept from run to run in the user's cache folder; they may be deleted at any time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from plantation_rwa.caches import cache_folder


class CoverageFolder:
    """Small files by name, shared by all processes of a user.

    A file is written beside its place and moved there, so that no reader sees half of it. A folder that cannot be
    written keeps nothing, and a file that cannot be read is as if it were not there: the covered pixels are computed.

    Parameters
    ----------
    folder
        Made when first written to; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def of_user(cls) -> CoverageFolder | None:
        """The folder that the environment names, else ``plantation-rwa`` in the user's cache folder; None for none."""
        folder = cache_folder()
        return None if folder is None else cls(folder / "coverage")

    def get(self, name: str) -> bytes | None:
        """Content by name, None if there is none."""
        if self._folder is None:
            return None
        try:
            return self._place(self._folder, name).read_bytes()
        except OSError:
            return None

    def put(self, name: str, data: bytes) -> None:
        """Keep content under a name."""
        if self._folder is None:
            return
        place = self._place(self._folder, name)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(dir=place.parent, prefix=".")
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(beside, place)
        except OSError:
            self._folder = None  # full, read-only: the run needs nothing of it

    @staticmethod
    def _place(folder: Path, name: str) -> Path:
        return folder / name[:2] / name
