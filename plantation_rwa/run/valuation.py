"""The valuation stage: published forecasts and the market to the value of each right."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from plantation_rwa.errors import PlantationError
from plantation_rwa.periods import Month
from plantation_rwa.run.earlier import Earlier, earlier
from plantation_rwa.run.forecast import with_flags, with_geometry, with_simulated
from plantation_rwa.run.imagery import Work
from plantation_rwa.run.overlays import amounts
from plantation_rwa.run.publishing import read_all
from plantation_rwa.run.record_inputs import record_rows, salt_check
from plantation_rwa.run.session import Session, code_hash, configuration_record, short
from plantation_rwa.schema.checks import finalise
from plantation_rwa.sources.base import Inputs
from plantation_rwa.valuation.bridge import STEPS, bridge
from plantation_rwa.valuation.disclosure import disclosure_rows, pools_of
from plantation_rwa.valuation.run import Book, MarketTables, Part, Unit, ValuationResult, records, value

TABLES = ("cash_flows", "valuations", "curves", "price_model", "pools", "disclosure")
_MARKET = ("futures", "prices", "fx", "rates", "fiscal")


def components(
    session: Session, forecast_identity: str, screening_identity: str, planned: Earlier | None = None
) -> dict[str, str]:
    """What the values depend on, known before anything is computed.

    Parameters
    ----------
    planned
        The date before, where it is planned and not published yet.
    """
    config, snapshots, before = session.config, session.snapshots, earlier(session)
    if planned is not None and (before is None or before.as_of <= planned.as_of):
        before = planned
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
        "screening": screening_identity[:16],
        "terms": terms,
        "earlier": earlier_component(before),
        "record": short([configuration_record(config)["sha256"], salt_check(session)]),
        "overlays": str(snapshots["overlays"]["sha256"])[:16],
        **market,
    }


def earlier_component(before: Earlier | None) -> str:
    """What the values depend on of the date they are explained from."""
    return short(None if before is None else [before.as_of, before.fingerprints])


def valuation_tables(
    session: Session,
    features: pd.DataFrame,
    forecasts: pd.DataFrame,
    model: pd.DataFrame,
    land: pd.DataFrame,
    work: Work,
    salts: Mapping[str, str] | None = None,
    program: str | None = None,
) -> dict[str, Any]:
    """Tables of the stage, from published features, forecasts, forecast model and screening.

    Parameters
    ----------
    land
        ``plantation_id, eudr_screen, overlap_max_frac``.
    work
        Runs units of rights in parallel; no number depends on how.
    salts
        Salts of the records where they are published; None makes them.
    program
        As :func:`plantation_rwa.run.record_inputs.record_rows` takes it.
    """
    book = book_of(session, session.known, session.as_of, forecasts, model)
    book = dataclasses.replace(book, evidence=evidence(session, features, forecasts))
    book, _ = book.calibrated()
    result = value(book, spread=partial(_spread, work))
    valuations, explained = with_flags(session, result.valuations), _with_bridge(session, book, result.valuations)
    valuations = valuations.assign(**{c: explained[c] for c in explained if c.startswith("bridge_")})
    valuations = valuations.drop(columns=["eudr_screen", "overlap_max_frac"], errors="ignore")
    valuations = valuations.merge(land, on="plantation_id", how="left", validate="many_to_one")
    tables = {
        "valuations": finalise(with_geometry(session, valuations), "valuations"),
        "cash_flows": result.cash_flows,
        "curves": result.curves,
        "price_model": finalise(result.price_model, "price_model"),
        "pools": with_simulated(session, result.pools),
        "disclosure": _disclosure(book, explained, result, forecasts),
    }
    rows = record_rows(session, tables | {"forecasts": forecasts, "forecast_model": model}, salts, program=program)
    tables["valuations"] = tables["valuations"].assign(
        record_hash=rows["record_hash"].to_numpy() if len(rows) else None
    )
    return tables


def book_of(session: Session, known: Inputs, as_of: dt.date, forecasts: pd.DataFrame, model: pd.DataFrame) -> Book:
    """Everything that values the rights at a date, without evidence."""
    config = session.config
    return Book(
        forecasts=forecasts.drop(columns="geometry"),
        forecast_model=model,
        register=pd.DataFrame(known.register.drop(columns="geometry")),
        rights=known.rights,
        market=MarketTables(**{name: getattr(known, name) for name in _MARKET}),
        as_of=as_of,
        seed=config.seed,
        paths=config.valuation.paths,
        currency=config.portfolio.currency,
        assumptions=session.assumptions,
        sponsors=pd.DataFrame(known.sponsors),
        mills=pd.DataFrame(known.mills).drop(columns="geometry", errors="ignore"),
        overlays=amounts(known.overlays) if len(known.overlays) else {},
    )


def _spread(work: Work, function: Callable[[Unit], Part], units: Sequence[Unit]) -> list[Part]:
    """Run units; one that fails ends the stage with its reason."""
    if len(units) == 1:
        return [function(units[0])]
    parts = []
    for outcome in work(function, units):
        if outcome.value is None:
            raise PlantationError(f"valuation: {outcome.error}")
        parts.append(outcome.value)
    return parts


def _with_bridge(session: Session, book: Book, valuations: pd.DataFrame) -> pd.DataFrame:
    """Valuations with the steps from the values published last before; without any the steps are null."""
    before = earlier(session)
    if before is None or valuations.empty:
        return valuations
    known = session.known_then(dt.date.fromisoformat(before.as_of))
    tables = {name: read_all(before.parts[name]) for name in ("valuations", "forecasts", "forecast_model")}
    old = book_of(session, known, dt.date.fromisoformat(before.as_of), tables["forecasts"], tables["forecast_model"])
    opening, closing = (_integers(t) for t in (tables["valuations"], valuations))
    places = zip(valuations["plantation_id"], valuations["right_id"], strict=True)
    currencies = dict(zip(places, valuations["currency"], strict=True))
    then = tables["valuations"]
    same = {
        (p, r) for p, r, c in zip(then["plantation_id"], then["right_id"], then["currency"], strict=True)
        if currencies.get((p, r)) == c
    }  # fmt: skip
    steps = bridge(old, book, {k: v for k, v in opening.items() if k in same}, closing, currencies)
    keys = list(zip(valuations["plantation_id"], valuations["right_id"], strict=True))
    columns = {
        f"bridge_{s}": pd.array([steps[k][s] if k in steps else None for k in keys], dtype="Int64") for s in STEPS
    }
    return valuations.assign(**columns)


def _integers(valuations: pd.DataFrame) -> dict[tuple[str, str], int]:
    rows = valuations[valuations["nav_total_int"].notna()]
    keys = zip(rows["plantation_id"], rows["right_id"], strict=True)
    return dict(zip(keys, (int(v) for v in rows["nav_total_int"]), strict=True))


def _disclosure(book: Book, valuations: pd.DataFrame, result: ValuationResult, forecasts: pd.DataFrame) -> pd.DataFrame:
    rows = records(valuations)
    currencies = {(str(r["plantation_id"]), str(r["right_id"])): str(r["currency"]) for r in rows}
    year = forecasts[forecasts["horizon_months"] <= 12]
    yields = year.groupby("plantation_id", sort=True)["yield_mean_t_ha"].sum()
    oil = book.register.dropna(subset=["oer"]).set_index("plantation_id")["oer"]
    return disclosure_rows(
        rows,
        pools_of(book.terms(), currencies, book.currency),
        result.effects,
        {str(k): float(v) for k, v in yields.items()},
        {str(k): float(v) for k, v in oil.items()},
        book.assumptions,
    )


#: inputs that are of the plantation itself
_OWN = ("harvest", "imagery", "readings")


def evidence(session: Session, features: pd.DataFrame, forecasts: pd.DataFrame) -> pd.DataFrame:
    """What is known about each plantation at ``as_of``: ages of its newest data, length of its history.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, own_inputs, data_age_days_max, months_harvest, valid_fraction_12m, quarantined, flags``;
        ``own_inputs`` counts harvest, imagery and sensors of the plantation; the age is null where nothing is known of
        the plantation itself, however fresh the prices; the flags are the register's and those of the forecast's first
        year, so that a value names the evidence it lacks.
    """
    missing, known = _forecast_codes(forecasts), session.known
    bad = set(known.quarantine.frame(session.instant)["plantation_id"])
    market_age = _age_of(session, known.futures["settle_date"].max()) if len(known.futures) else None
    newest = {
        "harvest": known.harvest.groupby("plantation_id")["month"].max().map(lambda m: _month_age(session, m)),
        "weather": known.climate_daily.groupby("plantation_id")["date"].max().map(lambda d: _age_of(session, d)),
        "readings": known.sensors.groupby("plantation_id")["time"].max().map(lambda t: _age_of(session, t)),
        "imagery": features[features["valid_fraction"] > 0]
        .groupby("plantation_id")["month"]
        .max()
        .map(lambda m: _month_age(session, m)),
    }
    ages = {name: {str(k): int(v) for k, v in found.items()} for name, found in newest.items()}
    harvested = known.harvest.groupby("plantation_id")["month"].nunique().to_dict()
    year = {str(session.month + -k) for k in range(12)}
    recent = features[features["month"].isin(year)]
    valid = recent["valid_fraction"].fillna(0.0).groupby(recent["plantation_id"]).sum().to_dict()
    rows = []
    for row in known.register.itertuples(index=False):
        plantation = row.plantation_id
        own = [ages[name][plantation] for name in _OWN if plantation in ages[name]]
        # prices and a region's weather tell nothing of the plantation itself
        around = [a for a in (market_age, ages["weather"].get(plantation)) if a is not None]
        rows.append(
            {
                "plantation_id": plantation,
                "own_inputs": len(own),
                "data_age_days_max": max([*own, *around]) if own else None,
                "months_harvest": harvested.get(plantation, 0),
                "valid_fraction_12m": float(valid.get(plantation, 0.0)) / 12.0,
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


def _age_of(session: Session, instant: pd.Timestamp) -> int:
    return int((pd.Timestamp(session.as_of) - pd.Timestamp(instant).tz_localize(None).normalize()).days)


def _month_age(session: Session, month: str) -> int:
    return max(0, (session.as_of - Month.parse(month).last).days)
