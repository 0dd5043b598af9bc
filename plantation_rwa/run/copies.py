"""What is written beside the parts of a date and made again with each: merged copies and the catalog."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import shapely

from plantation_rwa.publish.catalog import write_catalog
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.latest import write_latest
from plantation_rwa.publish.manifest import Manifest, load_all
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.publishing import read_all
from plantation_rwa.run.session import Session


def copies_there(root: Path) -> bool:
    """Whether a folder has its merged copies and its catalog."""
    return (root / "latest").is_dir() and (root / "catalog" / "collection.json").is_file()


def write_copies(session: Session, manifest: Manifest, parts: Sequence[Published]) -> None:
    """Merged copies if no later date is published, and the catalog, for a manifest about to be written.

    Parameters
    ----------
    parts
        Of the stages features, forecast and valuation.
    """
    others = load_all(session.root)
    if not any(m.as_of > manifest.as_of for m in others):
        write_latest(session.root, _latest(session.as_of.isoformat(), parts))
    west, south, east, north = (
        round(float(v), 6) for v in shapely.total_bounds(session.known.register["geometry"].to_numpy())
    )
    write_catalog(session.root, manifest, others, (west, south, east, north))


def _latest(as_of: str, parts: Sequence[Published]) -> dict[str, pd.DataFrame]:
    tables = {}
    frames = []
    for part in sorted((p for p in parts if p.output.table == "features"), key=lambda p: p.output.path):
        month, vintage = (piece.split("=", 1)[1] for piece in part.output.path.split("/")[1:3])
        frames.append(read_part(part.path).assign(month=month, vintage=vintage))
    if frames:
        tables["features"] = pd.concat(frames, ignore_index=True)
    for name in ("forecasts", "valuations"):
        chosen = [p for p in parts if p.output.table == name]
        if chosen:
            tables[name] = read_all(chosen).assign(as_of=as_of)
    return tables
