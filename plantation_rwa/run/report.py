"""The report stage: published files of one date to a page for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd

from plantation_rwa.assumptions import packaged
from plantation_rwa.errors import PlantationError
from plantation_rwa.forecast.outlook import outlook
from plantation_rwa.publish.files import OutputFile
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import Manifest, Output, damaged
from plantation_rwa.publish.report.library import library_version
from plantation_rwa.publish.report.summary import SummaryData, write_memos, write_summary
from plantation_rwa.run.finishing import Read, outputs_of
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.publishing import PAGES, read_all
from plantation_rwa.run.reading import load_date
from plantation_rwa.run.session import Session, code_hash, short

TABLES = PAGES


def components(session: Session, manifest: Manifest) -> dict[str, str]:
    """What the page depends on."""
    contents = [o.fingerprint for o in manifest.outputs if o.stage not in ("attest", "report")]
    return {
        "code": code_hash("report")[:16],
        "contents": short(contents),
        "backtest": short(
            [
                scores(session.root / "backtest", manifest.as_of).astype("str").to_csv(index=False)
                for scores in (track_record, skill_by_horizon)
            ]
        ),
        "library": library_version(),
    }


def write(session: Session, manifest: Manifest, read: Read, fingerprint: str, needed: dict[str, str]) -> list[Output]:
    """Write the page and the memos; see :meth:`plantation_rwa.run.finishing.Finish.stage`."""
    tables = {name: read(*where) for name, where in _READ.items()}
    files = write_pages(session.root, summary_data(session.root, manifest, tables))
    return outputs_of(session, "report", files, fingerprint, needed)


def rebuild(root: Path, as_of: str | None) -> Path:
    """Write the page and the memos of a date again from its published files alone.

    Parameters
    ----------
    as_of
        YYYY-MM-DD; None for the newest date.

    Returns
    -------
    pathlib.Path
        Of the page.

    Raises
    ------
    PlantationError
        If the date is not published, or its tables are not those of the manifest.
    """
    manifest = load_date(root, as_of)
    wrong = damaged(root, [o for o in manifest.outputs if o.stage not in ("attest", "report")])
    if wrong:
        raise PlantationError("no page is made of files that are not those of the manifest: " + "; ".join(wrong))
    write_pages(root, published_data(root, manifest))
    return root / f"reports/as_of={manifest.as_of}/index.html"


def pages_of(root: Path, manifest: Manifest, place: Path) -> dict[str, str]:
    """SHA-256 by path of the pages that the published tables of a date make; they are written to another folder."""
    return {path: f.sha256 for path, (_, f) in write_pages(place, published_data(root, manifest)).items()}


def published_data(root: Path, manifest: Manifest) -> SummaryData:
    """Everything the pages of a date show; an absent table raises :class:`PlantationError`."""

    def read(stage: str, table: str, key: str = "") -> pd.DataFrame:
        parts = [Published(root, o) for o in manifest.outputs if o.table == table]
        if not parts:
            raise PlantationError(f"{manifest.as_of} has no table '{table}'. Run the stage '{stage}'.")
        return read_all(parts, partition_key=key)

    return summary_data(root, manifest, {name: read(*where) for name, where in _READ.items()})


#: table of the page -> stage, table, partition key
_READ = {
    "features": ("features", "features", "month"),
    "forecasts": ("forecast", "forecasts", ""),
    "forecast_model": ("forecast", "forecast_model", ""),
    "harvests": ("forecast", "harvests", ""),
    "valuations": ("valuation", "valuations", ""),
    "curves": ("valuation", "curves", ""),
    "pools": ("valuation", "pools", ""),
    "disclosure": ("valuation", "disclosure", ""),
    "screening": ("screening", "screening", ""),
    "quarantine": ("quarantine", "quarantine", ""),
}


def write_pages(root: Path, data: SummaryData) -> dict[str, tuple[str, OutputFile]]:
    """Write the page and a memo per right; path below the output folder -> table and file."""
    folder = f"reports/as_of={data.meta['as_of']}"
    files = {f"{folder}/index.html": (TABLES[0], write_summary(root / folder / "index.html", data))}
    memos = write_memos(root / folder / "memos", data)
    files |= {f"{folder}/memos/{memo.path}": (TABLES[1], memo) for memo in memos}
    for path in (root / folder).glob("memos/*.html"):
        if path.relative_to(root).as_posix() not in files:
            path.unlink(missing_ok=True)  # of a right that is no longer there
    return files


_TRACK = ["what", "value", "lo", "hi", "n"]
#: table of a backtest, metric -> words of the memo
_SCORES = {
    "metrics_pooled": {
        "skill": "yield of months 1 to 12: share of climatology's squared error avoided",
        "coverage90": "yield of months 1 to 12: share inside the 90 % interval",
    },
    "ghost_metrics": {
        "coverage90": "value of past rights: share inside the 90 % interval",
        "crps_gain_over_sheet": "value of past rights: CRPS less than a banker's sheet's by",
    },
}


def track_record(folder: Path, as_of: str) -> pd.DataFrame:
    """Scores of the backtests in a folder for the memos of a date: ``what, value, lo, hi, n``; empty without any.

    A backtest that was held against harvests after the date's month is none for it: nobody could know it then.
    """
    rows: list[tuple[Any, ...]] = []
    if _knew_later(folder, as_of):
        return pd.DataFrame(rows, columns=_TRACK)
    for name, metrics in _SCORES.items():
        path = folder / f"{name}.parquet"
        if not path.is_file():
            continue
        scores = read_part(path)
        if name == "metrics_pooled":
            chosen = {"protocol": "walk_forward", "horizon": "1-12", "region": "all", "model": "model"}
            for column, wanted in chosen.items():
                scores = scores[scores[column] == wanted]
        for metric, words in metrics.items():
            for row in scores[scores["metric"] == metric].to_dict("records"):
                rows.append((words, row["value"], row["lo"], row["hi"], row["n"]))
    return pd.DataFrame(rows, columns=_TRACK)


def skill_by_horizon(folder: Path, as_of: str) -> pd.DataFrame:
    """Skill against climatology by months ahead, ``horizon, value, lo, hi``; empty as in :func:`track_record`."""
    path, columns = folder / "metrics.parquet", ["horizon", "value", "lo", "hi"]
    if not path.is_file() or _knew_later(folder, as_of):
        return pd.DataFrame(columns=columns)
    scores = read_part(path)
    chosen = {"protocol": "walk_forward", "region": "all", "model": "model", "metric": "skill"}
    for column, wanted in chosen.items():
        scores = scores[scores[column] == wanted]
    scores = scores[scores["horizon"].str.isdigit()]
    return scores.assign(horizon=scores["horizon"].astype(int)).sort_values("horizon")[columns].reset_index(drop=True)


def _knew_later(folder: Path, as_of: str) -> bool:
    told = folder / "predictions.parquet"
    return told.is_file() and bool((read_part(told, ["target_month"])["target_month"] > as_of[:7]).any())


def summary_data(root: Path, manifest: Manifest, tables: dict[str, pd.DataFrame]) -> SummaryData:
    """Everything the pages show, from published files alone.

    Parameters
    ----------
    tables
        The names of ``_READ``; ``features`` with ``month``.
    """
    values = manifest.configuration["values"]
    assumptions = packaged()
    for section in ("forecast", "valuation", "compliance"):
        assumptions = assumptions.override(values[section]["assumptions"], where=f"{section}.assumptions")
    outlines = pd.concat([tables[name][["plantation_id", "geometry"]] for name in ("valuations", "features")])
    outlines = outlines.drop_duplicates("plantation_id").reset_index(drop=True)
    return SummaryData(
        meta={
            "portfolio": values["portfolio"]["name"],
            "as_of": manifest.as_of,
            "simulated": manifest.simulated,
            "currency": values["portfolio"]["currency"],
            "seed": values["seed"],
            "paths": values["valuation"]["paths"],
            "code_version": manifest.code["version"],
            "code_sha256": manifest.code["sha256"],
            "configuration_sha256": manifest.configuration["sha256"],
        },
        valuations=tables["valuations"],
        forecasts=tables["forecasts"],
        outlook=outlook(values["seed"], tables["forecasts"], tables["forecast_model"]),
        history=tables["harvests"].rename(columns={"harvest_month": "month"}),
        features=tables["features"],
        curve=tables["curves"],
        pools=tables["pools"],
        disclosure=tables["disclosure"],
        screening=tables["screening"],
        skill=skill_by_horizon(root / "backtest", manifest.as_of),
        quarantine=tables["quarantine"],
        inputs={name: str(entry["sha256"]) for name, entry in manifest.inputs.items()},
        assumptions=pd.DataFrame(
            [(a.key, str(a.value), a.unit, a.source) for a in assumptions.values()],
            columns=["key", "value", "unit", "source"],
        ),
        track=track_record(root / "backtest", manifest.as_of),
        signals=_beside(root, manifest, "signals", SummaryData({}).signals),
        chips=_beside(root, manifest, "chips", SummaryData({}).chips),
        geometry=gpd.GeoDataFrame(outlines, geometry="geometry", crs="EPSG:4326"),
    )


def _beside(root: Path, manifest: Manifest, table: str, none: pd.DataFrame) -> pd.DataFrame:
    """A table that a date may do without."""
    parts = [Published(root, o) for o in manifest.outputs if o.table == table]
    return read_all(parts) if parts else none
