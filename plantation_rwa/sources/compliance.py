"""Supplied evidence on land: Whisp results, titles, documents, lists of countries and names, other publications."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from plantation_rwa.config_compliance import ComplianceConfig, WhispConfig
from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.cells import ColumnSpec
from plantation_rwa.sources.files import one_line
from plantation_rwa.sources.geometry import WGS84
from plantation_rwa.sources.land_layers import LandLayer, open_layers
from plantation_rwa.sources.tables import read_sheet, read_table
from plantation_rwa.sources.vectors import read_vectors

_KNOWN = ColumnSpec("instant")
_YES_NO = ColumnSpec("choice", values=("yes", "no"))
#: indicator columns of Whisp in the order of its tree
INDICATORS = (
    "ind_01_treecover",
    "ind_02_commodities",
    "ind_03_disturbance_before_2020",
    "ind_04_disturbance_after_2020",
)
WHISP_COLUMNS = {
    **dict.fromkeys(INDICATORS, _YES_NO),
    "risk_pcrop": ColumnSpec("choice", values=("low", "more_info_needed", "high")),
}
DOCUMENT_COLUMNS = {
    "plantation_id": ColumnSpec("id", required=True),
    "document": ColumnSpec("text", required=True),
    "path": ColumnSpec("text", required=True),
    "sha256": ColumnSpec("text", pattern="[0-9A-F]{64}", hint="write the 64 hexadecimal digits"),
    "valid_until": ColumnSpec("date"),
    "known_at": _KNOWN,
}
TENURE_COLUMNS = {
    "plantation_id": ColumnSpec("id", required=True),
    "title": ColumnSpec("text", required=True),
    "holder": ColumnSpec("text"),
    "valid_from": ColumnSpec("date"),
    "valid_to": ColumnSpec("date"),
    "known_at": _KNOWN,
}
SANCTION_COLUMNS = {
    "name": ColumnSpec("text", required=True),
    "list": ColumnSpec("text"),
    "known_at": _KNOWN,
}
COUNTRY_COLUMNS = {
    "country": ColumnSpec("text", required=True, pattern="[A-Z]{2}", hint="use the ISO 3166-1 alpha-2 code"),
    "risk": ColumnSpec("choice", required=True, values=("low", "standard", "high")),
    "known_at": _KNOWN,
}


@dataclass(frozen=True)
class Evidence:
    """Everything supplied under ``compliance``; None where nothing was.

    Parameters
    ----------
    whisp
        ``plantation_id``, the indicators (empty text: no answer), ``risk_pcrop``, ``version``.
    documents
        Columns of the table, ``found`` (SHA-256 of the file) and ``fault`` (why there is none).
    published
        ``plantation_id, source, geometry``: of supplied files; folders of results are listed in ``folders``.
    boundaries
        ``country, geometry``.
    """

    layers: tuple[LandLayer, ...] = ()
    whisp: pd.DataFrame | None = None
    documents: pd.DataFrame | None = None
    tenure: pd.DataFrame | None = None
    sanctions: pd.DataFrame | None = None
    countries: pd.DataFrame | None = None
    boundaries: gpd.GeoDataFrame | None = None
    published: gpd.GeoDataFrame | None = None
    folders: tuple[str, ...] = field(default=())

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables that were supplied, by key of the configuration."""
        names = ("whisp", "documents", "tenure", "sanctions", "countries", "boundaries", "published")
        return {n: getattr(self, n) for n in names if getattr(self, n) is not None}


def read_evidence(config: ComplianceConfig, plantations: Sequence[str], quarantine: Quarantine) -> Evidence:
    """Read what is configured under ``compliance``.

    Raises
    ------
    SourceError
        With every file that cannot be read.
    """
    problems: list[Problem] = []
    found: dict[str, Any] = {}
    readers = {
        "layers": (config.layers, lambda layers: open_layers(layers, quarantine)),
        "whisp": (config.whisp, lambda whisp: _whisp(whisp, plantations, quarantine)),
        "documents": (config.documents, lambda paths: _documents(paths, plantations, quarantine)),
        "tenure": (
            config.tenure,
            lambda paths: _list(paths, "compliance.tenure", TENURE_COLUMNS, quarantine, plantations),
        ),
        "sanctions": (
            config.sanctions,
            lambda paths: _list(paths, "compliance.sanctions", SANCTION_COLUMNS, quarantine),
        ),
        "countries": (
            config.countries,
            lambda paths: _list(paths, "compliance.countries", COUNTRY_COLUMNS, quarantine),
        ),
        "boundaries": (config.boundaries, lambda paths: _boundaries(paths, quarantine)),
        "published": (config.published, lambda paths: _published(paths, quarantine)),
    }
    for name, (given, read) in readers.items():
        if not given:
            continue
        try:
            found[name] = read(given)  # type: ignore[no-untyped-call]
        except SourceError as error:
            problems += [Problem(f"compliance.{name}: {p.where}", p.what, p.value, p.remedy) for p in error.problems]
    if problems:
        raise SourceError(problems)
    folders = tuple(p for p in config.published or () if os.path.isdir(p))
    return Evidence(**found, folders=folders)


def known_evidence(evidence: Evidence, instant: pd.Timestamp) -> Evidence:
    """What of it was known at an instant; records without ``known_at`` always are.

    Of revisions of a country, or of a plantation's Whisp result, the last one known counts.
    """
    tables: dict[str, Any] = {}
    for name, table in evidence.tables.items():
        if "known_at" not in table:
            continue
        kept = table[~(table["known_at"] > instant)]
        key = {"countries": "country", "whisp": "plantation_id"}.get(name)
        if key is not None:
            kept = kept.sort_values([key, "known_at"], kind="stable", na_position="first")
            kept = kept.drop_duplicates(key, keep="last")
        tables[name] = kept.reset_index(drop=True)
    layers = tuple(x for x in evidence.layers if x.known_at is None or pd.Timestamp(x.known_at, tz="UTC") <= instant)
    return dataclasses.replace(evidence, layers=layers, **tables)


def _whisp(config: WhispConfig, plantations: Sequence[str], quarantine: Quarantine) -> pd.DataFrame:
    key = config.id_column.strip().lower()
    columns = {key: ColumnSpec("id", required=True), **WHISP_COLUMNS}
    sheet = read_sheet(
        config.path,
        input="compliance.whisp",
        columns=columns,
        quarantine=quarantine,
        one_of=(*INDICATORS, "risk_pcrop"),
    )
    sheet.reject_unknown(key, plantations, "plantation is not in the register, or was rejected there")
    sheet.reject_duplicates([key])
    frame = sheet.result().rename(columns={key: "plantation_id"})
    known = None if config.known_at is None else pd.Timestamp(config.known_at, tz="UTC")
    instants = pd.Series([known] * len(frame), index=frame.index, dtype="datetime64[us, UTC]")
    return frame.assign(version=config.version, known_at=instants)


def _list(
    paths: Sequence[str],
    input: str,
    columns: dict[str, ColumnSpec],
    quarantine: Quarantine,
    plantations: Sequence[str] | None = None,
) -> pd.DataFrame:
    if plantations is None:
        return read_table(paths, input=input, columns=columns, quarantine=quarantine)
    sheet = read_sheet(paths, input=input, columns=columns, quarantine=quarantine)
    sheet.reject_unknown("plantation_id", plantations, "plantation is not in the register, or was rejected there")
    return sheet.result()


def _documents(paths: Sequence[str], plantations: Sequence[str], quarantine: Quarantine) -> pd.DataFrame:
    frames = []
    for path in paths:
        frame = _list([path], "compliance.documents", DOCUMENT_COLUMNS, quarantine, plantations)
        folder = Path(path).resolve().parent
        hashed = [_hashed(folder, str(name)) for name in frame["path"]]
        found, fault = [h[0] for h in hashed], [h[1] for h in hashed]
        frames.append(frame.assign(sha256=frame["sha256"].str.lower(), found=found, fault=fault))
    return pd.concat(frames, ignore_index=True)


def _hashed(folder: Path, name: str) -> tuple[str, str]:
    """SHA-256 of a document beside the list that names it, and why there is none; no other folder is entered."""
    try:
        place = (folder / name).resolve()
        if not place.is_relative_to(folder):
            return "", "path leads out of the folder of the list; not opened"
        if not place.is_file():
            return "", "file is missing"
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), ""
    except (OSError, ValueError) as error:
        return "", f"cannot be read ({one_line(error)})"


def _boundaries(paths: Sequence[str], quarantine: Quarantine) -> gpd.GeoDataFrame:
    columns = {"country": COUNTRY_COLUMNS["country"]}
    return _outlines(paths, "compliance.boundaries", columns, quarantine)


def _published(paths: Sequence[str], quarantine: Quarantine) -> gpd.GeoDataFrame | None:
    files = [p for p in paths if not os.path.isdir(p)]
    if not files:
        return None
    columns = {"plantation_id": ColumnSpec("id", required=True)}
    frame = _outlines(files, "compliance.published", columns, quarantine)
    return frame.rename(columns={"_file": "source"})[["plantation_id", "source", "geometry"]]


def _outlines(
    paths: Sequence[str], input: str, columns: dict[str, ColumnSpec], quarantine: Quarantine
) -> gpd.GeoDataFrame:
    sheet, outlines = read_vectors(paths, input=input, columns=columns, quarantine=quarantine, geometry_required=True)
    refused = np.array([o.geometry is None or o.geometry.geom_type == "Point" for o in outlines], dtype=bool)
    sheet.reject(
        refused,
        "geometry",
        [f"geometry {o.refused or 'is a Point'}" for o, bad in zip(outlines, refused, strict=True) if bad],
        [""] * int(refused.sum()),
    )
    kept = [o.geometry for o, accepted in zip(outlines, sheet.accepted, strict=True) if accepted]
    frame = sheet.result()
    return gpd.GeoDataFrame(frame, geometry=gpd.GeoSeries(kept, index=frame.index, crs=WGS84), crs=WGS84)
