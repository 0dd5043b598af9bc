"""The report stage: published files of one date to a page for people."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd

from plantation_rwa.forecast.outlook import outlook
from plantation_rwa.publish.manifest import Manifest, Output
from plantation_rwa.publish.report.summary import SummaryData, write_summary
from plantation_rwa.run.finishing import Read, outputs_of
from plantation_rwa.run.forecast import panel_of
from plantation_rwa.run.session import Session, code_hash, short

TABLES = ("report",)


def components(session: Session, manifest: Manifest) -> dict[str, str]:
    """What the page depends on."""
    contents = [o.fingerprint for o in manifest.outputs if o.stage not in ("attest", "report")]
    return {"code": code_hash("report")[:16], "contents": short(contents)}


def write(session: Session, manifest: Manifest, read: Read, fingerprint: str, needed: dict[str, str]) -> list[Output]:
    """Write the page; see :meth:`plantation_rwa.run.finishing.Finish.stage`."""
    tables = {
        "features": read("features", "features", partition_key="month"),
        "forecasts": read("forecast", "forecasts"),
        "forecast_model": read("forecast", "forecast_model"),
        "valuations": read("valuation", "valuations"),
        "curves": read("valuation", "curves"),
    }
    relative = f"reports/{session.tag}/index.html"
    data = summary_data(session, manifest, tables, read("quarantine", "quarantine"))
    files = {relative: (TABLES[0], write_summary(session.root / relative, data))}
    return outputs_of(session, "report", files, fingerprint, needed)


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
        geometry=gpd.GeoDataFrame(known.register[["plantation_id", "geometry"]], geometry="geometry", crs="EPSG:4326"),
    )
