"""What is written beside the parts of a date and made again with each: merged copies and the catalog."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import shapely

from plantation_rwa.errors import PlantationError, PublishError
from plantation_rwa.publish.catalog import Box, write_catalog
from plantation_rwa.publish.files import is_beside
from plantation_rwa.publish.geoparquet import read_part, read_parts
from plantation_rwa.publish.latest import write_latest
from plantation_rwa.publish.manifest import Manifest, load_all, sha256_of
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.publishing import read_all
from plantation_rwa.run.session import Session, table_hash


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
        write_latest(session.root, latest_tables(session.as_of.isoformat(), parts))
    west, south, east, north = (
        round(float(v), 6) for v in shapely.total_bounds(session.known.register["geometry"].to_numpy())
    )
    write_catalog(session.root, manifest, others, (west, south, east, north))


def odd_copies(root: Path, manifests: Sequence[Manifest]) -> list[tuple[str, str, bool]]:
    """Copies and items of the catalog that are not what the published parts make: path, reason, whether data differ.

    They are made again in a temporary folder and compared byte by byte.

    Parameters
    ----------
    manifests
        Of all dates, oldest first, at least one.
    """
    newest = manifests[-1]
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        try:
            parts = [Published(root, o) for o in newest.of("features", "forecast", "valuation")]
            write_latest(made, latest_tables(newest.as_of, parts))
            for i, manifest in enumerate(manifests):
                write_catalog(made, manifest, manifests[:i], _box(root, manifest))
        except (PlantationError, OSError, ValueError) as error:
            return [("latest/, catalog/", f"cannot be made again to compare: {error}", True)]
        old, new = (_files(place) for place in (root, made))
        odd = [(path, "missing", False) for path in sorted(new.keys() - old.keys())]
        odd += [
            (path, "is no copy of what is published", path.startswith("latest/"))
            for path in sorted(old.keys() - new.keys())
        ]
        for path in sorted(p for p in old if p in new and old[p] != new[p]):
            is_data = path.endswith(".parquet") and not _same_cells(root / path, made / path)
            odd.append((path, "differs from what the published files make", is_data))
    return odd


def _same_cells(one: Path, other: Path) -> bool:
    """Whether two files hold the same table, whatever wrote them."""
    try:
        return table_hash(read_part(one)) == table_hash(read_part(other))
    except (PlantationError, OSError, ValueError):
        return False


def _box(root: Path, manifest: Manifest) -> Box:
    """Box of a date's portfolio, as most items of its catalog tell it."""
    boxes: Counter[Box] = Counter()
    for path in sorted((root / "catalog" / "items" / f"as_of={manifest.as_of}").glob("*.json")):
        with contextlib.suppress(ValueError, KeyError, TypeError):  # a damaged item is found by comparison
            west, south, east, north = (float(v) for v in json.loads(path.read_text("utf-8"))["bbox"])
            boxes[west, south, east, north] += 1
    if not boxes:
        raise PublishError(f"catalog/items/as_of={manifest.as_of}: holds no readable item")
    return boxes.most_common(1)[0][0]


def _files(root: Path) -> dict[str, str]:
    """Hash of every copy below a folder by path."""
    paths = [p for name in ("latest", "catalog") for p in (root / name).rglob("*")] + [root / "README.md"]
    return {p.relative_to(root).as_posix(): sha256_of(p) for p in paths if p.is_file() and not is_beside(p.name)}


def latest_tables(as_of: str, parts: Sequence[Published]) -> dict[str, pd.DataFrame]:
    """Rows of the merged copies of a date, from the parts of its stages features, forecast and valuation."""
    tables = {}
    features = sorted((p for p in parts if p.output.table == "features"), key=lambda p: p.output.path)
    if features:
        tables["features"] = read_parts([p.path for p in features], keys=("month", "vintage"))
    for name in ("forecasts", "valuations"):
        chosen = [p for p in parts if p.output.table == name]
        if chosen:
            tables[name] = read_all(chosen).assign(as_of=as_of)
    return tables
