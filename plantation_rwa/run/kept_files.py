"""Small files kept from run to run in the user's cache folder; they may be deleted at any time."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from plantation_rwa.caches import cache_folder


class KeptFiles:
    """Small files by name, shared by all processes of a user.

    A file is written beside its place and moved there, so that no reader sees half of it. A folder that cannot be
    written keeps nothing, and a file that cannot be read is as if it were not there: what it held is computed.

    Parameters
    ----------
    folder
        Made when first written to; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def of_user(cls, kind: str) -> KeptFiles | None:
        """Files of a kind in the folder that the environment names, else in the user's cache; None keeps nothing."""
        folder = cache_folder()
        return None if folder is None else cls(folder / kind)

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

    def names(self) -> list[str]:
        """Names of what is kept, sorted."""
        if self._folder is None:
            return []
        # a walk passes over what another run deletes meanwhile
        return sorted(name for _, _, names in os.walk(self._folder) for name in names if not name.startswith("."))

    def drop(self, name: str) -> None:
        """Keep the content of a name no longer, nor folders that are empty then."""
        if self._folder is not None:
            place = self._place(self._folder, name)
            with contextlib.suppress(OSError):
                place.unlink(missing_ok=True)
                for folder in (place.parent, self._folder):
                    folder.rmdir()

    @staticmethod
    def _place(folder: Path, name: str) -> Path:
        return folder / name[:2] / name
