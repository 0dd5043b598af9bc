"""Publication profiles: the full results with columns and files left out, outlines made coarse."""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
from pathlib import Path

import geopandas as gpd
import pandas as pd
import shapely

from plantation_rwa.config import Config
from plantation_rwa.publish.files import OutputFile, write_atomically
from plantation_rwa.publish.geoparquet import read_part, write_table
from plantation_rwa.publish.manifest import Manifest, Output, damaged, load, save
from plantation_rwa.publish.working_copy import shared
from plantation_rwa.run.few import pools_of_few
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.publishing import read_all, remove_unnamed, withdraw
from plantation_rwa.run.session import identity, ready
from plantation_rwa.schema.classification import Profile, shown
from plantation_rwa.schema.tables import TABLES, Table

#: files of the attestation that name single rights: what the public does not get
_NOT_PUBLIC = ("merkle.json", "token_metadata.json", "records.parquet")
#: and what names the people behind manual adjustments, which stays with the issuer
_ISSUERS = ("overlays.json",)
#: tables that tell figures by pool
_OF_POOLS = ("pools", "disclosure")


def publish_profile(config: Config, full: Path, manifest: Manifest) -> Path:
    """Write a date of the full results as the configured profile; its manifest last.

    Parameters
    ----------
    full
        Folder of the full results.
    manifest
        Of the date there.

    Returns
    -------
    pathlib.Path
        Folder of the profile, ``publish.out``.
    """
    out, profile = ready(config.publish.out), config.publish.profile
    cell = config.assumptions().number("publish.location_cell_deg")
    with shared(out) as folder, folder.turn():
        earlier = load(out, manifest.as_of)
        known = {o.path: o for o in earlier.outputs} if earlier is not None else {}
        if earlier is not None:
            wanted = {_identity(o, profile) for o in manifest.of("attest")}
            if any(o.fingerprint not in wanted for o in earlier.of("attest")):
                withdraw(out, earlier)
        hidden = _hidden(full, config, manifest) if profile == "public" else frozenset()
        made = (_output(full, out, o, profile, cell, hidden, manifest.simulated, known) for o in manifest.outputs)
        outputs = [o for o in made if o is not None]
        reduced = dataclasses.replace(
            manifest, profile=profile, configuration={"sha256": manifest.configuration["sha256"]}
        )
        save(out, reduced.with_outputs(outputs))
        remove_unnamed(out, manifest.as_of)
    return out


def profile_columns(table: Table, profile: Profile) -> list[str]:
    """Columns of a table in a profile; none if it leaves out one that tells rows apart."""
    if not all(shown(table.name, key, profile) for key in table.key):
        return []
    return [f.name for f in table.fields if shown(table.name, f.name, profile)]


def coarse(frame: pd.DataFrame, cell: float) -> gpd.GeoDataFrame:
    """Rows with each outline replaced by the cell of a grid that holds the middle of its box.

    Parameters
    ----------
    cell
        Size of the grid's cells, degrees.
    """
    boxes: list[shapely.Polygon | None] = []
    for geometry in frame["geometry"]:
        if geometry is None or geometry.is_empty:
            boxes.append(None)
            continue
        west, south, east, north = geometry.bounds
        x, y = (math.floor(middle / cell) for middle in ((west + east) / 2, (south + north) / 2))
        boxes.append(shapely.box(*(round(v * cell, 6) for v in (x, y, x + 1, y + 1))))
    plain = pd.DataFrame(frame).assign(geometry=boxes)
    return gpd.GeoDataFrame(plain, geometry="geometry", crs="EPSG:4326")


def _hidden(full: Path, config: Config, manifest: Manifest) -> frozenset[str]:
    """Pools whose figures would tell the public what single rights are worth."""
    tables = [[Published(full, o) for o in manifest.tables(name)] for name in ("pools", "valuations")]
    if not all(tables):
        return frozenset()
    pools, valuations = (read_all(parts) for parts in tables)
    return pools_of_few(pools, valuations, config.portfolio.currency, config.assumptions())


def _output(
    full: Path,
    out: Path,
    output: Output,
    profile: Profile,
    cell: float,
    hidden: frozenset[str],
    simulated: bool,
    known: dict[str, Output],
) -> Output | None:
    """One file of the full results as the profile has it; None if it has not."""
    if output.path.endswith(_ISSUERS) or (profile == "public" and output.path.endswith(_NOT_PUBLIC)):
        return None
    if output.table not in TABLES and output.stage != "attest":  # the page, and outlines for authorities
        return None
    left_out = hidden if output.table in _OF_POOLS else frozenset()
    fingerprint = _identity(output, profile, left_out)
    spec = TABLES.get(output.table)
    columns = profile_columns(spec, profile) if spec is not None else []
    if spec is not None and not columns:
        return None
    name = Path(output.path).name
    if name.startswith("part-"):
        name = f"part-{fingerprint[:12]}.parquet"
    path = f"{os.path.dirname(output.path)}/{name}"
    old = known.get(path)
    if old is not None and old.fingerprint == fingerprint and not damaged(out, [old]):
        return old
    if spec is None:
        file = _copy(full / output.path, out / path)
    else:
        file = _reduce(full / output.path, out / path, spec, columns, cell, left_out, simulated)
    return dataclasses.replace(
        output, path=path, sha256=file.sha256, bytes=file.bytes, fingerprint=fingerprint, problems=()
    )


def _identity(output: Output, profile: Profile, left_out: frozenset[str] = frozenset()) -> str:
    pools = {"left_out": "|".join(sorted(left_out))} if left_out else {}
    return identity({"full": output.fingerprint, "file": output.sha256, "profile": profile, **pools})


def _reduce(
    source: Path,
    path: Path,
    spec: Table,
    columns: list[str],
    cell: float,
    left_out: frozenset[str],
    simulated: bool,
) -> OutputFile:
    frame = read_part(source, columns)
    if left_out:
        frame = frame[~frame["pool_id"].isin(left_out)].reset_index(drop=True)
    if "geometry" in columns:
        frame = coarse(frame, cell)
    return write_table(frame, spec, [f for f in spec.fields if f.name in columns], path, simulated=simulated)


def _copy(source: Path, path: Path) -> OutputFile:
    def write(temporary: Path) -> None:
        shutil.copyfile(source, temporary)

    return write_atomically(path, write)
