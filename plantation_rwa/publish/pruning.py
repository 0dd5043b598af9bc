"""What a folder of outputs holds that nobody needs: parts no manifest names, and what killed runs left behind."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from plantation_rwa.errors import PublishError
from plantation_rwa.publish.files import refused, stale_files
from plantation_rwa.publish.leases import FOLDER as LEASES
from plantation_rwa.publish.leases import abandoned
from plantation_rwa.publish.manifest import load_all, manifest_path
from plantation_rwa.publish.working_copy import shared
from plantation_rwa.schema.tables import TABLES

#: a part lies in the folder of a partition, TABLE/KEY=.../part-IDENTITY.parquet, features one folder deeper
_PARTS = ("*/*=*/part-*.parquet", "*/*=*/*=*/part-*.parquet")
_PART = re.compile(r"(?P<table>[a-z_]+)(?:/(?:month|vintage|as_of)=[0-9-]+){1,2}/part-[0-9a-f]{12}\.parquet")
#: files that are written when all tables of a date are, its manifest last
_LAST = {
    "an attestation": "attestations/as_of=*/nav_attestation.json",
    "pages": "reports/as_of=*/index.html",
    "items of the catalog": "catalog/items/as_of=*/*.json",
}


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


def is_output(root: Path) -> bool:
    """Whether a folder holds what only this program makes: manifests, leases, or parts of its tables."""
    return (root / LEASES).is_dir() or any((root / "manifests").glob("as_of=*.json")) or bool(_parts(root))


def without_manifest(root: Path) -> dict[str, list[str]]:
    """Dates that have what is written last, and no manifest: date -> what there is of it, oldest first.

    Such a manifest was lost, or its run was killed in the moment before it was written: nothing tells which.
    """
    found: dict[str, list[str]] = {}
    for what, pattern in _LAST.items():
        for as_of in sorted({path.parent.name.removeprefix("as_of=") for path in root.glob(pattern)}):
            if not manifest_path(root, as_of).exists():
                found.setdefault(as_of, []).append(what)
    return dict(sorted(found.items()))


def may_be_of(part: Path, dates: Collection[str]) -> bool:
    """Whether a part that no manifest names may belong to one of some dates: its own, of features one it could know."""
    key, _, date = part.parent.name.partition("=")
    return date in dates if key == "as_of" else key == "vintage" and any(date <= as_of for as_of in dates)


def waste(root: Path) -> list[Waste]:
    """Files below an output folder that no published date needs, sorted by path.

    Parts of a run that is under way are named by no manifest either: see :func:`prune`. What a date
    :func:`without_manifest` may need is no waste: its own parts, and features that it could know.

    Raises
    ------
    PublishError
        If a manifest cannot be read: without it nobody knows what it names.
    """
    named = {root / o.path for m in load_all(root) for o in m.outputs}
    lost = without_manifest(root)
    found = [(p, "dead part") for p in _parts(root) - named if not may_be_of(p, lost)]
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


def _parts(root: Path) -> set[Path]:
    """Parts of our tables."""
    matches = {p: _PART.fullmatch(p.relative_to(root).as_posix()) for pattern in _PARTS for p in root.glob(pattern)}
    return {path for path, match in matches.items() if match and match["table"] in TABLES}
