"""A backfill in a process of its own that copies its output folder at every instant at which it could be killed.

SIGKILL leaves a file system as it is, so a copy of the folder taken between two operations on files is what a kill at
that instant leaves; files that are moved to their place are copied half written too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from plantation_rwa.cli import run_command


class Recorder:
    """Takes the copies, one folder per distinct state, numbered in order."""

    def __init__(self, out: Path, copies: Path) -> None:
        self._out, self._copies, self._seen = out, copies, set[str]()
        self._link, self._busy = os.link, False
        self._hashes: dict[tuple[Any, ...], str] = {}

    def install(self) -> None:
        """Take a copy before and after every operation below the output folder."""
        for owner, name in ((os, "replace"), (Path, "unlink"), (Path, "rmdir"), (Path, "mkdir"), (Path, "write_text")):
            setattr(owner, name, self._told(getattr(owner, name)))

    def _told(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def told(path: Any, *rest: Any, **named: Any) -> Any:
            if self._busy or not Path(path).is_relative_to(self._out):
                return operation(path, *rest, **named)
            self._copy(half=Path(path) if operation.__name__ == "replace" else None)
            self._copy()
            done = operation(path, *rest, **named)
            self._copy()
            return done

        return told

    def _copy(self, half: Path | None = None) -> None:
        self._busy = True
        try:
            state = self._state(half) if self._out.exists() else ""
            if not state or state in self._seen:
                return
            target = self._copies / f"{len(self._seen):04d}"
            self._seen.add(state)
            shutil.copytree(self._out, target, copy_function=self._file)
            if half is not None:
                written = target / half.relative_to(self._out)
                os.truncate(written, written.stat().st_size // 2)
        finally:
            self._busy = False

    def _state(self, half: Path | None) -> str:
        """Hash of names and contents, folders and hidden files too."""
        digest = hashlib.sha256()
        for path in sorted(self._out.rglob("*")):
            digest.update(f"{path.relative_to(self._out)}\0{self._content(path, path == half)}\0".encode())
        return digest.hexdigest()

    def _content(self, path: Path, half: bool) -> str:
        """Hash of a file, read again only if it is another one than before."""
        stat = path.stat()
        key = (path, half, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if key not in self._hashes:
            content = path.read_bytes() if path.is_file() else b"/"
            self._hashes[key] = hashlib.sha256(content[: stat.st_size // 2] if half else content).hexdigest()
        return self._hashes[key]

    def _file(self, source: str, target: str) -> str:
        """Published files never change, so they are linked; all others are copied."""
        if Path(source).name.startswith(".") or ".leases" in source:
            return str(shutil.copyfile(source, target))
        self._link(source, target)
        return target


if __name__ == "__main__":
    place, kept = Path(sys.argv[1]), Path(sys.argv[2])
    os.cpu_count = lambda: 1  # files are written one after the other: between two of them nothing is under way
    Recorder(place, kept).install()
    sys.exit(run_command([*sys.argv[3:], "--out", str(place)]))
