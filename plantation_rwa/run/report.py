"""The report stage: published files of one date to a page for people."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd

from plantation_rwa.forecast.outlook import outlook
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import Manifest, Output
from plantation_rwa.publish.report.summary import SummaryData, write_memos, write_summary
from plantation_rwa.run.finishing import Read, outputs_of
from plantation_rwa.run.forecast import panel_of
from plantation_rwa.run.session import Session, code_hash, short

TABLES = ("report", "memo")


def components(session: Session, manifest: Manifest) -> dict[str, str]:
    """What the page depends on."""
    contents = [o.fingerprint for o in manifest.outputs if o.stage not in ("attest", "report")]
    return {
        "code": code_hash("report")[:16],
        "contents": short(contents),
        "backtest": short(track_record(session.root / "backtest").astype("str").to_csv(index=False)),
    }


def write(session: Session, manifest: Manifest, read: Read, fingerprint: str, needed: dict[str, str]) -> list[Output]:
    """Write the page; see :meth:`plantation_rwa.run.finishing.Finish.stage`."""
    tables = {
        "features": read("features", "features", partition_key="month"),
        "forecasts": read("forecast", "forecasts"),
        "forecast_model": read("forecast", "forecast_model"),
        "valuations": read("valuation", "valuations"),
        "curves": read("valuation", "curves"),
    }
    folder = f"reports/{session.tag}"
    data = summary_data(session, manifest, tables, read("quarantine", "quarantine"))
    files = {f"{folder}/index.html": (TABLES[0], write_summary(session.root / folder / "index.html", data))}
    memos = write_memos(session.root / folder / "memos", data)
    files |= {f"{folder}/memos/{memo.path}": (TABLES[1], memo) for memo in memos}
    for path in (session.root / folder).glob("memos/*.html"):
        if path.relative_to(session.root).as_posix() not in files:
            path.unlink(missing_ok=True)  # of a right that is no longer there
    return outputs_of(session, "report", files, fingerprint, needed)


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


def track_record(folder: Path) -> pd.DataFrame:
    """Scores of the backtests in a folder for the memos: ``what, value, lo, hi, n``; empty without any."""
    rows = []
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
    return pd.DataFrame(rows, columns=["what", "value", "lo", "hi", "n"])


def summary_data(
    session: Session, manifest: Manifest, tables: dict[str, pd.DataFrame], quarantine: pd.DataFrame
) -> SummaryData:
    """Everything the page shows.

    Parameters
    ----------
    tables
        Published ``features`` (with ``month``), ``forecasts``, ``forecast_model``, ``valuations``, ``curves``.
    """
    known = session.known
    history = panel_of(session, tables["features"])[["plantation_id", "month", "yield_t_ha"]].dropna()
    return SummaryData(
        meta={
            "portfolio": session.config.portfolio.name,
            "as_of": session.as_of.isoformat(),
            "simulated": session.config.simulated,
            "currency": session.config.portfolio.currency,
            "seed": session.config.seed,
            "paths": session.config.valuation.paths,
            "code_version": manifest.code["version"],
            "code_sha256": manifest.code["sha256"],
            "configuration_sha256": manifest.configuration["sha256"],
        },
        valuations=tables["valuations"],
        forecasts=tables["forecasts"],
        outlook=outlook(session.config.seed, tables["forecasts"], tables["forecast_model"]),
        history=history,
        features=tables["features"],
        curve=tables["curves"],
        quarantine=quarantine,
        inputs={name: str(entry["sha256"]) for name, entry in manifest.inputs.items()},
        assumptions=pd.DataFrame(
            [(a.key, str(a.value), a.unit, a.source) for a in session.assumptions.values()],
            columns=["key", "value", "unit", "source"],
        ),
        track=track_record(session.root / "backtest"),
        geometry=gpd.GeoDataFrame(known.register[["plantation_id", "geometry"]], geometry="geometry", crs="EPSG:4326"),
    )
