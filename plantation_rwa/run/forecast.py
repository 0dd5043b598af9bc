"""The forecast stage: published features and harvests to yield distributions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import geopandas as gpd
import pandas as pd

from plantation_rwa.forecast.run import forecast
from plantation_rwa.panel.build import build_panel
from plantation_rwa.panel.stand import stand_table
from plantation_rwa.periods import Month, month_range
from plantation_rwa.run.partitions import PartitionPlan
from plantation_rwa.run.session import Session, code_hash, short

TABLES = ("forecasts", "forecast_model", "harvests")


def horizons(session: Session) -> int:
    """Months ahead that the rights need, at least 12."""
    needed = [12]
    for right in session.known.rights.itertuples(index=False):
        start = (
            Month.parse(right.start_month)
            if isinstance(right.start_month, str) and right.start_month
            else session.month + 1
        )
        needed.append(start - session.month + int(right.tenor_months) - 1)
    return max(needed)


def components(session: Session, features: Sequence[PartitionPlan]) -> dict[str, str]:
    """What a forecast depends on, known before anything is computed."""
    config, snapshots = session.config, session.snapshots
    numbers = session.assumptions.resolved()
    return {
        "code": code_hash("forecast")[:16],
        "configuration": short([config.forecast.min_train_months, config.simulated, numbers, horizons(session)]),
        "features": short([f"{p.table}/{p.partition}:{p.fingerprint}" for p in features if p.table == "features"]),
        "harvest": str(snapshots["harvest"]["sha256"])[:16],
        "quarantine": short(_quarantined(session)),
        "register": str(snapshots["register"]["sha256"])[:16] + str(snapshots["blocks"]["sha256"])[:16],
    }


def _quarantined(session: Session) -> list[str]:
    """Registered plantations with a record in quarantine."""
    bad = session.known.quarantine.frame(session.instant)["plantation_id"]
    return sorted(set(bad) & set(session.known.register["plantation_id"]))


def forecast_tables(session: Session, features: pd.DataFrame) -> dict[str, Any]:
    """Tables of the stage.

    Parameters
    ----------
    features
        Published rows of all months up to ``as_of`` with their ``month``.
    """
    panel = panel_of(session, features)
    result = forecast(
        panel,
        stand_table(session.known.register, session.known.blocks),
        as_of=session.as_of,
        horizons=horizons(session),
        assumptions=session.assumptions,
        min_train_months=session.config.forecast.min_train_months,
    )
    return {
        "forecasts": with_geometry(session, with_flags(session, result.forecasts)),
        "forecast_model": result.model,
        "harvests": panel[["plantation_id", "month", "yield_t_ha"]].dropna().rename(columns={"month": "harvest_month"}),
    }


def panel_of(session: Session, features: pd.DataFrame) -> pd.DataFrame:
    """The panel up to ``as_of``: features and harvests of every plantation and month."""
    known = session.known
    first = min([*features["month"], *known.harvest["month"], str(session.month)])
    months = [str(m) for m in month_range(Month.parse(first), session.month)]
    return build_panel(
        features,
        known.harvest,
        stand_table(known.register, known.blocks),
        months,
        mature_age_months=session.assumptions.number("age_curve.mature_age_months"),
    )


def with_geometry(session: Session, frame: pd.DataFrame) -> gpd.GeoDataFrame:
    """Add each plantation's outline."""
    outlines = session.known.register.set_index("plantation_id")["geometry"]
    geometry = gpd.GeoSeries(frame["plantation_id"].map(outlines), index=frame.index, crs="EPSG:4326")
    return gpd.GeoDataFrame(frame.assign(geometry=geometry), geometry="geometry", crs="EPSG:4326")


def with_simulated(session: Session, frame: pd.DataFrame) -> pd.DataFrame:
    """Add the code that says inputs are simulated."""
    if not session.config.simulated:
        return frame
    codes = [";".join(sorted({*filter(None, str(old).split(";")), "simulated"})) for old in frame["quality_flag"]]
    return frame.assign(quality_flag=codes)


def with_flags(session: Session, frame: pd.DataFrame) -> pd.DataFrame:
    """Add what the register and the quarantine say about a plantation, and whether inputs are simulated."""
    extra: dict[str, set[str]] = {}
    for row in session.known.register.itertuples(index=False):
        extra[row.plantation_id] = set(filter(None, str(row.flags).split(";")))
    bad = session.known.quarantine.frame(session.instant)
    for plantation in bad["plantation_id"]:
        if plantation in extra:
            extra[plantation].add("quarantined")
    common = {"simulated"} if session.config.simulated else set()
    flags = [
        ";".join(sorted(set(filter(None, str(old).split(";"))) | extra.get(plantation, set()) | common))
        for plantation, old in zip(frame["plantation_id"], frame["quality_flag"], strict=True)
    ]
    return frame.assign(quality_flag=flags)
