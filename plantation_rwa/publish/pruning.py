"""What a folder of outputs holds that nobody needs: parts no manifest names, and what killed runs left behind."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from plantation_rwa.errors import PublishError
from plantation_rwa.publish.files import refused, stale_files
from plantation_rwa.publish.leases import abandoned
from plantation_rwa.publish.manifest import load_all
from plantation_rwa.publish.working_copy import shared


@dataclass(frozen=True)
class Waste:
    """One file that may go.

    Parameters
    ----------
    kind
        ``dead part``: no manifest names it; ``temporary file`` and ``lease`` of a run that is gone.
    bytes
        Size.
    """

    path: Path
    kind: str
    bytes: int


def waste(root: Path) -> list[Waste]:
    """Files below an output folder that no published date needs, sorted by path.

    Parts of a run that is under way are named by no manifest either: see :func:`prune`.

    Raises
    ------
    PublishError
        If a manifest cannot be read: without it nobody knows what it names.
    """
    named = {root / o.path for m in load_all(root) for o in m.outputs}
    # a part lies in the folder of a partition, TABLE/KEY=.../part-*.parquet, features one folder deeper
    parts = {p for pattern in ("*/*=*/part-*.parquet", "*/*=*/*=*/part-*.parquet") for p in root.glob(pattern)}
    found = [(p, "dead part") for p in parts - named]
    found += [(p, "temporary file") for p in stale_files(root)]
    found += [(p, "lease") for p in abandoned(root)]
    return [Waste(path, kind, path.stat().st_size) for path, kind in sorted(found)]


def prune(root: Path) -> list[Waste]:
    """Delete what :func:`waste` finds, and the folders that are empty then.

    Raises
    ------
    PublishError
        If another run uses the folder, or files cannot be deleted.
    """
    with shared(root) as folder:
        if not folder.last():
            raise PublishError(f"{root}: another run uses the folder. Prune when it is over.")
        with folder.turn():
            found = waste(root)
            try:
                for one in found:
                    one.path.unlink(missing_ok=True)
            except OSError as error:
                raise refused(root, error) from error
        for empty in _deepest_first(root):
            with contextlib.suppress(OSError):  # not empty
                empty.rmdir()
    return found


def _deepest_first(root: Path) -> Iterator[Path]:
    for folder, _, _ in os.walk(root, topdown=False):
        if Path(folder) != root:
            yield Path(folder)
