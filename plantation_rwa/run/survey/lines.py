"""One line per configured input: files, rows, plantations, dates, units, CRS, when it became known, state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow.compute as pc

from plantation_rwa.assumptions import packaged
from plantation_rwa.config import Config
from plantation_rwa.errors import SourceError
from plantation_rwa.run.survey.findings import counted
from plantation_rwa.run.survey.ids import KEYS
from plantation_rwa.sources.base import Inputs, Quarantine
from plantation_rwa.sources.cells import ColumnSpec
from plantation_rwa.sources.files import file_name, load
from plantation_rwa.sources.register import BLOCK_COLUMNS, register_columns
from plantation_rwa.sources.rights import PARTY_COLUMNS
from plantation_rwa.sources.vectors import declared_crs

_FORMATS = {
    "csv": "CSV",
    "parquet": "Parquet",
    "pq": "Parquet",
    "geoparquet": "GeoParquet",
    "geojson": "GeoJSON",
    "json": "JSON",
    "gpkg": "GeoPackage",
    "shp": "Shapefile",
    "nc": "NetCDF",
    "zarr": "Zarr",
    "txt": "text",
}
#: units that the contract fixes, by table
_FIXED = {
    "register": "ha",
    "blocks": "ha",
    "harvest": "t, ha",
    "climate_daily": "mm, degC, MJ m-2 d-1, %, m s-1",
    "climate_index": "degC",
    "rates": "fraction, ACT/365F",
}
#: date column, and whether it holds months, by table
_DATES = {
    "harvest": "month",
    "climate_daily": "date",
    "climate_index": "month",
    "sensors": "time",
    "futures": "settle_date",
    "prices": "date",
    "fx": "date",
    "rates": "date",
    "fiscal": "effective_from",
}
#: table -> section and key of the configuration
TABLES: Mapping[str, tuple[str, str]] = {
    "register": ("portfolio", "plantations"),
    "blocks": ("portfolio", "blocks"),
    "rights": ("portfolio", "rights"),
    "sponsors": ("portfolio", "sponsors"),
    "mills": ("portfolio", "mills"),
    "harvest": ("harvest", "path"),
    "climate_daily": ("climate", "table"),
    "climate_index": ("climate", "index"),
    "sensors": ("sensors", "path"),
    "futures": ("market", "futures"),
    "prices": ("market", "prices"),
    "fx": ("market", "fx"),
    "rates": ("market", "rates"),
    "fiscal": ("market", "fiscal"),
}
#: inputs whose rows are looked up in the register
OF_PLANTATIONS = frozenset(
    {"portfolio.blocks", "portfolio.rights", "harvest.path", "climate.table", "sensors.path", "imagery.source"}
)


@dataclass(frozen=True)
class Line:
    """One input as it is shown; every field is text, empty where it means nothing."""

    input: str
    files: str
    format: str = ""
    rows: str = ""
    plantations: str = ""
    first: str = ""
    last: str = ""
    units: str = ""
    crs: str = ""
    known_at: str = ""
    state: str = ""


def key_of(table: str) -> str:
    """Configuration key of a table."""
    return KEYS["climate" if table == "climate_daily" else table]


def paths_of(config: Config, key: str) -> list[str]:
    """Files configured under a key such as ``harvest.path``; empty if there are none."""
    section, name = key.split(".")
    model = getattr(config, section)
    paths = getattr(model, "plantations" if name == "register" else name, None) if model is not None else None
    return list(paths or [])


def files_text(paths: Sequence[str]) -> str:
    """Names of files: all of a few, the first and the last of many."""
    names = [file_name(p) for p in paths]
    if len(names) < 3:
        return ", ".join(names)
    return f"{names[0]} to {names[-1]}, {len(names)} files"


def format_text(paths: Sequence[str]) -> str:
    """Formats of files by their endings."""
    endings = dict.fromkeys(p.rstrip("/").rsplit(".", 1)[-1].lower() if "." in file_name(p) else "" for p in paths)
    return ", ".join(_FORMATS.get(e, f".{e}" if e else "folder") for e in endings)


def table_lines(config: Config, inputs: Inputs, unreadable: Sequence[str]) -> list[Line]:
    """Lines of all inputs that are tables.

    Parameters
    ----------
    unreadable
        Configuration keys of inputs that could not be read.
    """
    quarantine = inputs.quarantine.frame()
    return [_line(config, inputs, table, quarantine, unreadable) for table in TABLES]


def set_aside(quarantine: pd.DataFrame, key: str, paths: Sequence[str]) -> dict[str, int]:
    """Records of an input in the quarantine by action.

    The climate grid and the climate table are told apart by their files.
    """
    rows = quarantine[quarantine["input"].map(KEYS).eq(key if key != "climate.grid" else "climate.table")]
    if key.startswith("climate."):
        rows = rows[rows["file"].isin({file_name(p) for p in paths})]
    return actions(rows)


def actions(quarantine: pd.DataFrame) -> dict[str, int]:
    """Records by what was done to them, most serious first."""
    counts = quarantine["action"].value_counts()
    return {a: int(counts[a]) for a in ("rejected", "nulled", "repaired") if a in counts}


def texts(paths: Sequence[str], column: str, input: str) -> set[str]:
    """Distinct texts of a column as the files write them; files without the column or that cannot be read have none."""
    found: set[str] = set()
    for path in paths:
        try:
            raw = load(path, input, {}, Quarantine()).table
        except SourceError:  # told by the reader of the input
            continue
        name = next((n for n in raw.column_names if n.strip().lower() == column), None)
        if name is not None:
            found |= {str(v).strip() for v in pc.unique(raw.column(name)).to_pylist() if v is not None}
    return found - {""}


def state_text(key: str, paths: Sequence[str], rows: int, aside: Mapping[str, int], unreadable: Sequence[str]) -> str:
    """What stands in the column ``state``."""
    if key in unreadable:
        return "cannot be used"
    if paths and key in OF_PLANTATIONS and "portfolio.register" in unreadable:
        return "not checked: it needs the register"
    if not paths:
        return "packaged" if key == "market.fiscal" else "not configured"
    if aside:
        return ", ".join(f"{n} {action}" for action, n in aside.items())
    return "ok" if rows else "empty"


def _line(config: Config, inputs: Inputs, table: str, quarantine: pd.DataFrame, unreadable: Sequence[str]) -> Line:
    key = key_of(table)
    paths = paths_of(config, key)
    frame: pd.DataFrame = getattr(inputs, table)
    state = state_text(key, paths, len(frame), set_aside(quarantine, key, paths), unreadable)
    if state in {"not configured", "cannot be used"} or state.startswith("not checked"):
        return Line(key, files_text(paths), format_text(paths), state=state)
    column, known = _DATES.get(table), ("", "")
    dated = frame[column].dropna() if column else pd.Series(dtype="str")
    if "known_at" in frame and frame["known_at"].notna().any():
        known = _day(frame["known_at"].min()), _day(frame["known_at"].max())
    elif table == "climate_daily" and len(dated) and config.climate is not None:
        lag = pd.Timedelta(days=config.climate.known_lag_days)
        known = _day(dated.min() + pd.offsets.MonthEnd(0) + lag), _day(dated.max() + pd.offsets.MonthEnd(0) + lag)
    covered = ""
    if "plantation_id" in frame and table != "register":
        covered = f"{frame['plantation_id'].nunique()} of {len(inputs.register)}"
    return Line(
        input=key,
        files=files_text(paths),
        format=format_text(paths),
        rows=str(len(frame)),
        plantations=covered or (str(len(frame)) if table == "register" else ""),
        first=_day(dated.min()) if len(dated) else "",
        last=_day(dated.max()) if len(dated) else "",
        units=_units(table, frame, paths),
        crs=_crs(table, paths),
        known_at=" to ".join(known) if known[0] else "",
        state=state,
    )


def _units(table: str, frame: pd.DataFrame, paths: Sequence[str]) -> str:
    if table == "sensors":
        return ", ".join(sorted(texts(paths, "unit", "sensors")))
    if table == "prices":
        money, unit = sorted(texts(paths, "currency", "prices")), sorted(texts(paths, "unit", "prices"))
        return "; ".join(", ".join(t) for t in (money, unit) if t)
    if table == "futures":
        return ", ".join(f"{c}/t" for c in sorted(set(frame["currency"])))
    if table == "fx":
        return ", ".join(f"{q} per {b}" for b, q in sorted(set(zip(frame["base"], frame["quote"], strict=True))))
    if table == "fiscal":
        return counted(frame["unit"].nunique(), "unit") if len(frame) else ""
    return _FIXED.get(table, "")


def _crs(table: str, paths: Sequence[str]) -> str:
    columns = {"register": register_columns(packaged()), "blocks": BLOCK_COLUMNS, "mills": PARTY_COLUMNS["mills"]}
    if table not in columns:
        return ""
    found = dict.fromkeys(_declared(p, table, columns[table]) for p in paths)
    return ", ".join(c for c in found if c)


def _declared(path: str, table: str, columns: Mapping[str, ColumnSpec]) -> str:
    try:
        return declared_crs(path, table, columns)
    except SourceError:  # told by the reader of the input
        return ""


def _day(value: object) -> str:
    return "" if value is None or value is pd.NaT else str(value)[:10]
