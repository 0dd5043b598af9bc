"""Write a stage's tables as parts, and drop the files a newer manifest no longer names."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from plantation_rwa.errors import PublishError
from plantation_rwa.publish.geoparquet import read_parts, write_part
from plantation_rwa.publish.manifest import Manifest, Output, load, load_all, save
from plantation_rwa.publish.pruning import may_be_of, without_manifest
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.session import Session

#: folders whose files have one name for all runs of a date
WHOLE_FILES = ("attestations", "reports")
#: as the manifest calls the files of the report stage: the page, and the memo of each right
PAGES = ("report", "memo")


@dataclass(frozen=True)
class Target:
    """Where files go, whether each must say that its inputs are simulated, and the parts that were written."""

    root: Path
    simulated: bool
    made: list[Path] = field(default_factory=list, compare=False)


def publish_part(
    target: Target,
    frame: pd.DataFrame,
    *,
    stage: str,
    table: str,
    folder: str,
    partition: str,
    fingerprint: str,
    components: Mapping[str, str],
    problems: Sequence[tuple[str, ...]] = (),
) -> Published:
    """Write one part of a finalised table; its name carries its identity, so no other part writes over it."""
    relative = f"{table}/{folder}/part-{fingerprint[:12]}.parquet"
    target.made.append(target.root / relative)
    file = write_part(frame, table, target.root / relative, simulated=target.simulated)
    output = Output(
        stage,
        table,
        partition,
        relative,
        file.sha256,
        file.bytes,
        file.rows,
        fingerprint,
        dict(components),
        tuple(problems),
    )
    return Published(target.root, output)


def read_all(parts: Sequence[Published], *, partition_key: str = "") -> pd.DataFrame:
    """Rows of several parts; with ``partition_key`` its value from the path as a column."""
    ordered = [p.path for p in sorted(parts, key=lambda p: p.output.path)]
    return read_parts(ordered, keys=[partition_key] if partition_key else [])


def withdraw(root: Path, manifest: Manifest) -> None:
    """Name the attestation and the pages of a date no longer, before files of the same names are written over them.

    So whatever a manifest names is there whole at any instant: a run that is killed on the way leaves the date as it
    was published, without them, and the next run makes them again.
    """
    kept = [o for o in manifest.outputs if o.stage not in ("attest", "report")]
    if len(kept) < len(manifest.outputs):
        save(root, manifest.with_outputs(kept))


def remove_unnamed(root: Path, as_of: str) -> None:
    """Delete parts in a date's folders that its manifest does not name, and feature parts that none names.

    They are those of an earlier run of the date, and what a killed run left without ever writing a manifest: a
    reader of the whole folder would count both. Features that a date whose manifest was lost may need stay. Only for
    the last run to leave the folder: what another one is writing has no manifest yet.
    """
    manifest = load(root, as_of)
    if manifest is None:
        return
    kept, lost = {o.path for m in load_all(root) for o in m.outputs}, without_manifest(root)
    patterns = (
        f"*/as_of={as_of}/part-*.parquet",
        "*/month=*/vintage=*/part-*.parquet",
        f"screening/as_of={as_of}/traces-*.geojson",
        f"signals/as_of={as_of}/fiscal-proposals-*.csv",
        *(f"{name}/as_of={as_of}/**/[!.]*" for name in WHOLE_FILES),
    )
    for path in sorted({p for pattern in patterns for p in root.glob(pattern) if p.is_file()}):
        if path.relative_to(root).as_posix() not in kept and not may_be_of(path, lost):
            path.unlink(missing_ok=True)


def take_back(target: Target) -> None:
    """Delete the parts that a run made and could not publish: no later run takes what no manifest names.

    As far as the folder lets itself be written to; the reason why the run ended is what is to be told.
    """
    with contextlib.suppress(PublishError, OSError):
        root, lost = target.root, without_manifest(target.root)
        named = {root / o.path for m in load_all(root) for o in m.outputs}
        for path in target.made:
            if path not in named and not may_be_of(path, lost):
                path.unlink(missing_ok=True)
                for folder in path.relative_to(root).parents[:-1]:
                    with contextlib.suppress(OSError):  # not empty
                        (root / folder).rmdir()


def remove_tree(path: Path) -> None:
    """Remove a working folder of this program."""
    if path.exists():
        shutil.rmtree(path)


def note_scene_problems(session: Session, parts: Sequence[Published]) -> None:
    """Put what was wrong with the scenes behind published features into the session's quarantine."""
    for part in parts:
        for file, scene, band, message, plantation in part.output.problems:
            repaired = band in {"offset", "crs"}
            session.known.quarantine.add(
                "imagery",
                file,
                message if repaired else f"{message}; the scene was left out of the month",
                "repaired" if repaired else "rejected",
                column=band,
                value=scene,
                plantation_id=plantation,
            )
