"""The valuation stage: published forecasts and the market to the value of each right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from plantation_rwa.periods import Month
from plantation_rwa.run.forecast import with_flags, with_geometry, with_simulated
from plantation_rwa.run.session import Session, code_hash, short
from plantation_rwa.valuation.run import MarketTables, value

TABLES = ("cash_flows", "valuations", "curves", "price_model", "pools")
_MARKET = ("futures", "prices", "fx", "rates", "fiscal")


def components(session: Session, forecast_identity: str) -> dict[str, str]:
    """What the values depend on, known before anything is computed."""
    config, snapshots = session.config, session.snapshots
    market = {name: str(snapshots[name]["sha256"])[:16] for name in _MARKET}
    terms = short([snapshots[n]["sha256"] for n in ("rights", "sponsors", "mills")])
    settings = [
        config.seed,
        config.valuation.paths,
        config.portfolio.currency,
        config.simulated,
        session.assumptions.resolved(),
    ]
    return {
        "code": code_hash("valuation")[:16],
        "configuration": short(settings),
        "forecasts": forecast_identity[:16],
        "register": str(snapshots["register"]["sha256"])[:16],
        "terms": terms,
        **market,
    }


def valuation_tables(
    session: Session, features: pd.DataFrame, forecasts: pd.DataFrame, model: pd.DataFrame
) -> dict[str, Any]:
    """Tables of the stage, from published features, forecasts and forecast model."""
    known, config = session.known, session.config
    result = value(
        forecasts.drop(columns="geometry"),
        model,
        pd.DataFrame(known.register.drop(columns="geometry")),
        known.rights,
        MarketTables(**{name: getattr(known, name) for name in _MARKET}),
        as_of=session.as_of,
        seed=config.seed,
        paths=config.valuation.paths,
        currency=config.portfolio.currency,
        assumptions=session.assumptions,
        sponsors=known.sponsors,
        mills=known.mills,
        evidence=evidence(session, features, forecasts),
    )
    return {
        "valuations": with_geometry(session, with_flags(session, result.valuations)),
        "cash_flows": result.cash_flows,
        "curves": result.curves,
        "price_model": result.price_model,
        "pools": with_simulated(session, result.pools),
    }


def evidence(session: Session, features: pd.DataFrame, forecasts: pd.DataFrame) -> pd.DataFrame:
    """What is known about each plantation at ``as_of``: ages of its newest data, length of its history.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, data_age_days_max, months_harvest, valid_fraction_12m, quarantined, flags``; the flags are
        the register's and those of the forecast's first year, so that a value names the evidence it lacks.
    """
    missing = _forecast_codes(forecasts)
    known = session.known
    bad = set(known.quarantine.frame(session.instant)["plantation_id"])
    market_age = _age_of(session, known.futures["settle_date"]) if len(known.futures) else None
    year = {str(session.month + -k) for k in range(12)}
    rows = []
    for row in known.register.itertuples(index=False):
        plantation = row.plantation_id
        harvest = known.harvest.loc[known.harvest["plantation_id"] == plantation, "month"]
        own = features[features["plantation_id"] == plantation]
        weather = known.climate_daily.loc[known.climate_daily["plantation_id"] == plantation, "date"]
        readings = known.sensors.loc[known.sensors["plantation_id"] == plantation, "time"]
        ages = [market_age] if market_age is not None else []
        ages += [_age_of(session, weather)] if len(weather) else []
        ages += [_age_of(session, readings.dt.tz_localize(None))] if len(readings) else []
        ages += [_month_age(session, harvest.max())] if len(harvest) else []
        seen = own.loc[own["valid_fraction"] > 0, "month"]
        ages += [_month_age(session, seen.max())] if len(seen) else []
        valid = own.loc[own["month"].isin(year), "valid_fraction"]
        rows.append(
            {
                "plantation_id": plantation,
                "data_age_days_max": max(ages) if ages else None,
                "months_harvest": harvest.nunique(),
                "valid_fraction_12m": float(valid.fillna(0.0).sum()) / 12.0,
                "quarantined": plantation in bad,
                "flags": ";".join(sorted({*filter(None, str(row.flags).split(";")), *missing.get(plantation, ())})),
            }
        )
    return pd.DataFrame(rows)


def _forecast_codes(forecasts: pd.DataFrame) -> dict[str, set[str]]:
    """Codes of each plantation's first twelve months, less the one that a right tells for its own term."""
    found: dict[str, set[str]] = {}
    year = forecasts[forecasts["horizon_months"] <= 12]
    for plantation, codes in zip(year["plantation_id"], year["quality_flag"], strict=True):
        found.setdefault(str(plantation), set()).update(set(filter(None, str(codes).split(";"))) - {"immature"})
    return found


def _age_of(session: Session, dates: Sequence[Any] | pd.Series) -> int:
    return int((pd.Timestamp(session.as_of) - pd.Timestamp(max(dates)).normalize()).days)


def _month_age(session: Session, month: str) -> int:
    return max(0, (session.as_of - Month.parse(month).last).days)
