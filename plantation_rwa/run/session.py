"""One valuation date: the configuration, what is known then, and where results go."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.config import Config, fingerprint
from plantation_rwa.errors import ConfigError, Problem, SourceError
from plantation_rwa.features.sensor_flags import flag_readings
from plantation_rwa.periods import Month, as_of_instant, last_month_end
from plantation_rwa.publish.manifest import Manifest, load_all
from plantation_rwa.publish.working_copy import WorkingCopy, place_of
from plantation_rwa.run.climate import with_climate_per_plantation
from plantation_rwa.run.inputs import known_inputs
from plantation_rwa.run.overlays import usable_overlays
from plantation_rwa.sources.base import Inputs, known_market
from plantation_rwa.stores import SCHEMES, is_store

STAGES = ("features", "forecast", "valuation", "attest", "report")

#: no valuation date lies before the satellites and futures this program reads
FIRST_YEAR = 1990

_ROOMS = {
    "features": (
        *("sources", "features", "run/climate.py", "run/scenes.py", "run/batches.py", "run/imagery.py"),
        *("run/imagery_rows.py", "run/records.py", "run/feature_tables.py"),
    ),
    "forecast": ("panel", "forecast"),
    "valuation": ("valuation", "attest/hashing.py", "attest/records.py", "run/record_inputs.py", "run/market_reads.py"),
    "attest": ("attest", "run/record_inputs.py", "run/market_reads.py"),
    "report": ("publish",),
    "chips": ("sources", "features"),
    "screening": ("screening", "sources", "run/land.py", "features/zonal.py"),
    "signals": ("features", "sources"),
}
#: input -> key of the configuration that names its files
_INPUT_KEYS = {
    "register": "plantations",
    "imagery": "source",
    "climate_grid": "grid",
    "climate_daily": "table",
    "climate_monthly": "monthly",
    "climate_seasonal": "seasonal",
    "climate_index": "index",
    **{name: name for name in ("blocks", "rights", "sponsors", "mills", "futures", "prices", "fx", "rates", "fiscal")},
}
#: what a page is made of besides code
_CODE = (".py", ".js", ".css")
_GROUND = (
    "compiled.py",
    "units.py",
    "periods.py",
    "grid.py",
    "streams.py",
    "distributions.py",
    "calendars.py",
    "schema",
)


@dataclass(frozen=True)
class Session:
    """What every stage of one valuation date shares.

    Parameters
    ----------
    known
        The inputs as known at the end of ``as_of``.
    root
        Output folder.
    reuse
        Folders whose published parts may be used again, the output folder first.
    inputs
        All inputs, for what was known at an earlier date; without them :attr:`known` has to do.
    unborn
        Earlier dates that were not published yet when this one was: a replay does not look at them.
    """

    config: Config
    as_of: dt.date
    known: Inputs
    root: Path
    reuse: tuple[Path, ...]
    force: bool = False
    inputs: Inputs | None = None
    unborn: frozenset[str] = frozenset()

    def published_before(self, root: Path) -> list[Manifest]:
        """Manifests of the earlier dates in a folder, oldest first."""
        dates = (m for m in load_all(root) if m.as_of < self.as_of.isoformat())
        return [m for m in dates if root != self.reuse[-1] or m.as_of not in self.unborn]

    def known_then(self, as_of: dt.date) -> Inputs:
        """What was known of the terms and the market at the end of an earlier date; features are not cut."""
        return known_market(self.inputs or self.known, as_of_instant(as_of))

    @property
    def instant(self) -> pd.Timestamp:
        """End of ``as_of``, UTC."""
        return as_of_instant(self.as_of)

    @property
    def month(self) -> Month:
        """Month of ``as_of``."""
        return Month.of(self.as_of)

    @cached_property
    def assumptions(self) -> Assumptions:
        """Assumptions with the configuration's overrides."""
        return self.config.assumptions()

    @cached_property
    def flagged(self) -> pd.DataFrame:
        """Sensor readings with their quality flags: the features and the table of flags rest on the same."""
        known = self.known
        return flag_readings(known.sensors, known.register, known.climate_daily, self.assumptions)

    @property
    def tag(self) -> str:
        """Partition text of this date."""
        return f"as_of={self.as_of.isoformat()}"

    @cached_property
    def snapshots(self) -> dict[str, dict[str, Any]]:
        """Hash and row count of every table input as known at ``as_of``; later records do not change it."""
        found = {}
        for name in (
            "register",
            "blocks",
            "rights",
            "sponsors",
            "mills",
            "harvest",
            "climate_index",
            "sensors",
            "futures",
            "prices",
            "fx",
            "rates",
            "fiscal",
            "overlays",
            "climate_daily",
            "climate_monthly",
            "climate_seasonal",
            "reports",
        ):
            frame = getattr(self.known, name)
            found[name] = {"sha256": table_hash(frame), "rows": len(frame)}
        return found


def resolve_as_of(config: Config, given: dt.date | None, today: dt.date) -> dt.date:
    """The valuation date: the option, else the configuration, else the last month end before today (UTC)."""
    chosen = given or config.as_of or last_month_end(today)
    if chosen.year < FIRST_YEAR:
        remedy = f"Choose a date from {FIRST_YEAR} on."
        raise ConfigError([Problem("--as-of" if given else "as_of", "is too long ago", chosen.isoformat(), remedy)])
    if chosen > today:
        problem = Problem(
            "--as-of" if given else "as_of", "lies in the future", chosen.isoformat(), "Choose a past date."
        )
        raise ConfigError([problem])
    return chosen


def output_folder(config: Config) -> Path:
    """The folder full results go to; of an address in an object store the working copy, as it was left.

    Raises
    ------
    ConfigError
        If ``publish.out`` is neither a folder nor an address in an object store, or a file stands in its way.
    """
    place = full_place(config)
    folder = folder_of(place)
    there = next((path for path in (folder, *folder.parents) if os.path.exists(path)), folder)
    if not is_store(place) and os.path.exists(there) and not there.is_dir():
        what = "is a file" if there == folder else f"its parent '{there.name}' is a file"
        value = folder.relative_to(there.parent).as_posix()
        raise ConfigError([Problem("publish.out", what, value, "Give a folder; it may not exist yet.")])
    return folder


def folder_of(out: str) -> Path:
    """The local folder of a place that results go to."""
    if is_store(out):
        return place_of(out)
    if "://" in out:
        remedy = f"Give a folder, or an address that begins with {', '.join(f'{s}://' for s in SCHEMES)}."
        raise ConfigError([Problem("publish.out", "is neither a folder nor an object store", out, remedy)])
    return Path(out)


def ready(out: str) -> Path:
    """:func:`folder_of`; a working copy is brought to what is published."""
    return WorkingCopy.of(out).pull() if is_store(out) else folder_of(out)


def full_place(config: Config) -> str:
    """Where full results go: beside those of a profile that leaves columns out."""
    out = config.publish.out.rstrip("/")
    return out if config.publish.profile == "full" else f"{out}-full"


def provenance(config: Config) -> dict[str, dict[str, str]]:
    """Origin, licence and classification of every configured input, as the configuration states them."""
    sections = (config.portfolio, config.imagery, config.climate, config.sensors, config.harvest, config.market)
    values = {k: v for section in sections if section is not None for k, v in section}
    used = {name for name, key in _INPUT_KEYS.items() if values.get(key) is not None}
    used |= {"overlays"} if config.valuation.overlays else set()
    used |= {"reports"} if config.reports.path else set()
    used |= {name for name in ("sensors", "harvest") if getattr(config, name) is not None} | {"fiscal"}
    stated: dict[str, dict[str, str]] = {
        name: entry.model_dump(mode="json") for name, entry in config.publish.provenance.items()
    }
    if config.market.fiscal is None:
        origin = "packaged with the program; the column 'source' names the source of each row"
        stated.setdefault("fiscal", {"origin": origin, "licence": "facts of law", "classification": "public"})
    unknown = {"origin": "not stated", "licence": "not stated", "classification": "not_stated"}
    return {name: stated.get(name, unknown) for name in sorted(used)}


def open_session(
    config: Config, inputs: Inputs, as_of: dt.date, *, root: Path | None = None, force: bool = False
) -> Session:
    """A session for one date; ``inputs`` may be shared between dates."""
    out = ready(full_place(config))
    if inputs.register.empty:
        bad = inputs.quarantine.frame()
        reasons = "; ".join(sorted(set(bad.loc[bad["input"] == "register", "reason"]))[:3]) or "the files hold no rows"
        remedy = "See the records that 'plantation-rwa check' lists."
        raise SourceError.of("portfolio.register", "holds no usable plantation", reasons, remedy)
    known = known_inputs(with_climate_per_plantation(inputs, config), as_of_instant(as_of))
    if len(known.overlays):
        known = replace(known, overlays=usable_overlays(known.overlays, config, as_of, known.quarantine))
    chosen = root or out
    reuse = (chosen,) if chosen == out else (chosen, out)
    return Session(config, as_of, known, chosen, reuse, force, inputs)


@cache
def code_hash(stage: str) -> str:
    """Hash of the source files a stage's numbers depend on (its rooms, the ground floor, the schema).

    Read once: a program that is upgraded while it runs goes on with the code it has loaded.
    """
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for name in sorted({*_GROUND, *_ROOMS[stage], f"run/{stage}.py"}):
        path = package / name
        files = sorted(p for p in path.rglob("*") if p.suffix in _CODE) if path.is_dir() else [path]
        for file in files:
            digest.update(file.relative_to(package).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def program_hash() -> str:
    """Hash of the code of all stages, which the manifest names."""
    return identity({stage: code_hash(stage) for stage in STAGES})


def table_hash(frame: pd.DataFrame) -> str:
    """SHA-256 of a table's content: column names and the set of rows, in whatever order and files they stood.

    Bookkeeping columns (``_...``), which say where a row stood, are left out. Rows are brought into the order of their
    values; a repeated row counts as often as it occurs.
    """
    columns = {str(name): _arrow(frame[name]) for name in sorted(frame.columns) if not str(name).startswith("_")}
    table = pa.table(columns).combine_chunks()
    if len(columns) and len(frame) > 1:
        order = pc.sort_indices(table, sort_keys=[(name, "ascending") for name in columns])
        table = table.take(order).combine_chunks()
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return hashlib.sha256(sink.getbuffer()).hexdigest()


def _arrow(column: pd.Series) -> pa.Array | pa.ChunkedArray:
    if str(column.dtype) == "geometry":
        return pa.array(list(column.to_wkb()), pa.binary())
    if column.dtype == object:
        return pa.array([None if v is None or v is pd.NA or v != v else str(v) for v in column], pa.string())
    if pd.api.types.is_string_dtype(column.dtype):
        return pa.array(column, pa.string())
    return pa.array(column)


def short(value: Any) -> str:
    """Short hash of a JSON-able value, for partition components."""
    return fingerprint(value)[:16]


def identity(components: Mapping[str, str]) -> str:
    """Fingerprint of a partition from its components."""
    return fingerprint(dict(components))


def configuration_record(config: Config) -> dict[str, Any]:
    """The resolved configuration without folders and machine settings, for the manifest and the fingerprint."""
    raw = config.model_dump(mode="json", by_alias=True)
    # which documents were read is told by their hash among the inputs: a new file among them moves no value
    for key in ("attest", "compute", "publish", "as_of", "reports"):
        raw.pop(key)
    raw = {key: _placeless(value) for key, value in raw.items()}
    return {"sha256": fingerprint(raw), "values": raw}


def _placeless(value: Any) -> Any:
    """A value of the configuration whose lists of files have lost their folders, at any depth."""
    if isinstance(value, dict):
        return {key: _placeless(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_place(inner) if isinstance(inner, str) else _placeless(inner) for inner in value]
    return value


def _without_place(path: str) -> str:
    """File name of a local path or an object; address of a URL without user, password and query, maybe secrets."""
    if "://" not in path or is_store(path):
        return path.rstrip("/").rsplit("/", 1)[-1] if is_store(path) else Path(path).name
    parts = urlsplit(path)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
