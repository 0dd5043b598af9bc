"""The cross-checks of a portfolio: each input against the register, the calendar, the map and the other inputs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from plantation_rwa.config import Config
from plantation_rwa.periods import as_of_instant
from plantation_rwa.run.survey import dates, ids, imagery, lines, places, values
from plantation_rwa.run.survey.findings import Finding, Severity, some
from plantation_rwa.run.survey.imagery import ByPlantation
from plantation_rwa.sources.base import Inputs, known
from plantation_rwa.valuation.market import FxRates


def cross_checks(
    config: Config,
    inputs: Inputs,
    scenes: ByPlantation | None,
    quarantine: pd.DataFrame,
    unreadable: Sequence[str],
    as_of: dt.date,
) -> list[Finding]:
    """Hold the inputs against each other; the pixels' headers are not among them.

    Parameters
    ----------
    scenes
        Plantation -> local month -> scenes; None without imagery.
    quarantine
        Table ``quarantine`` of all inputs.
    unreadable
        Configuration keys of inputs that could not be read.
    as_of
        Date that inputs should reach, less their lags.
    """
    found = _nothing_left(config, inputs, quarantine, unreadable)
    if len(inputs.register):
        found += _ids(config, inputs, quarantine, unreadable)
        found += _dates(config, inputs, scenes or {}, as_of)
        found += _values(config, inputs, quarantine, unreadable, as_of)
        found += _places(inputs, as_of)
    return found + dates.repeats_between_files(quarantine, ids.KEYS)


def _nothing_left(config: Config, inputs: Inputs, quarantine: pd.DataFrame, unreadable: Sequence[str]) -> list[Finding]:
    """Inputs that leave nothing to use."""
    found = []
    aside = "See the records set aside."
    if inputs.register.empty and "portfolio.register" not in unreadable:
        found.append(Finding("error", "portfolio.register", "", "", "holds no usable plantation", aside))
    market = {"market.futures", "market.prices"} & set(unreadable)
    if inputs.futures.empty and inputs.prices.empty and not market:
        remedy = "Give market.futures or market.prices."
        found.append(Finding("error", "market", "", "", "has neither futures nor prices", remedy))
    for table in lines.TABLES:
        key = lines.key_of(table)
        paths = lines.paths_of(config, key)
        if not paths or key in unreadable or table in {"register", "rights"} or len(getattr(inputs, table)):
            continue
        if key in lines.OF_PLANTATIONS and inputs.register.empty:
            continue
        if lines.set_aside(quarantine, key, paths):
            found.append(Finding("error", key, "", "", "is configured and holds nothing usable", aside))
        else:
            remedy = "Give rows, or take the key out."
            found.append(Finding("warning", key, "", "", "is configured and holds no rows", remedy))
    return found


def _ids(config: Config, inputs: Inputs, quarantine: pd.DataFrame, unreadable: Sequence[str]) -> list[Finding]:
    register = list(inputs.register["plantation_id"])
    found = ids.strangers(quarantine, register)
    rights = lines.paths_of(config, "portfolio.rights")
    gridded = set(in_grid(inputs)["plantation_id"])
    climate = {*inputs.climate_daily["plantation_id"], *gridded}
    weather = "climate.table" if lines.paths_of(config, "climate.table") else "climate.grid"
    given = lines.texts(rights, "plantation_id", "rights")
    checks: tuple[tuple[str, Collection[str], str, str, Severity], ...] = (
        (
            "harvest.path",
            set(inputs.harvest["plantation_id"]),
            "harvest records",
            "Add them; without, the forecast rests on the agronomic prior.",
            "warning",
        ),
        (weather, climate, "climate", "Give a table, or a grid that covers them.", "warning"),
        ("sensors.path", set(inputs.sensors["plantation_id"]), "sensors", "", "note"),
        ("portfolio.rights", given, "a row", "They have one right on the default terms.", "note"),
    )
    for key, present, what, remedy, severity in checks:
        if lines.paths_of(config, key) and key not in unreadable:
            found += ids.without(register, key, present, what, remedy, severity)
    sponsors = inputs.sponsors if lines.paths_of(config, "portfolio.sponsors") else None
    mills = inputs.mills if lines.paths_of(config, "portfolio.mills") else None
    found += ids.parties(inputs.register, inputs.rights, sponsors, mills)
    found += ids.one_station_many_places(inputs.sensors)
    both = sorted(gridded & set(inputs.climate_daily["plantation_id"]))
    if both:
        told = "have climate in the grid and in the table; the table wins, day by day"
        found.append(Finding("note", "climate.table", "plantation_id", some(both), told, ""))
    return found


def _dates(config: Config, inputs: Inputs, scenes: ByPlantation, as_of: dt.date) -> list[Finding]:
    instant, limits = as_of_instant(as_of), config.assumptions()
    week, month = int(limits.number("check.quote_gap_days")), int(limits.number("check.monthly_gap_days"))
    found = dates.dates_of_the_register(inputs.register, inputs.blocks, as_of)
    spans: dict[str, tuple[str, str]] = {}
    harvest = inputs.harvest
    if len(harvest) and config.harvest is not None:
        last = known(harvest, instant).groupby("plantation_id")["month"].max().to_dict()
        due = dates.due_month(as_of, config.harvest.known_lag_days)
        found += dates.months_reached("harvest.path", last, due, noun="plantation", what="harvest")
        held = {" ".join(filter(None, k)): g for k, g in harvest.groupby(["plantation_id", "block_id"])["month"]}
        found += dates.missing_months("harvest.path", held, noun="plantation or block", what="harvest")
        spans["harvest.path"] = (harvest["month"].min(), harvest["month"].max())
    days = {str(p): g for p, g in inputs.climate_daily.groupby("plantation_id")["date"]}
    if inputs.climate_grid is not None:
        days["the grid"] = pd.Series(pd.DatetimeIndex(inputs.climate_grid["time"].to_numpy()))
    if days and config.climate is not None:
        key = "climate.table" if len(inputs.climate_daily) else "climate.grid"
        due = dates.due_month(as_of, config.climate.known_lag_days)
        last = {p: d.max().strftime("%Y-%m") for p, d in days.items()}
        found += dates.months_reached(key, last, due, noun="series", what="climate")
        remedy = "Add the days: a month with a missing day has no rain sum."
        found += dates.missing_days(key, "date", days, "the climate", remedy)
        ends = [d for series in days.values() for d in (series.min(), series.max())]
        spans[key] = (min(ends).strftime("%Y-%m"), max(ends).strftime("%Y-%m"))
    if len(inputs.climate_index):
        newest = {"": known(inputs.climate_index, instant)["known_at"].max().tz_localize(None)}
        found += dates.days_reached(
            "climate.index", "month", _present(newest), as_of, month, "what is known of the index"
        )
    if len(inputs.sensors):
        times = known(inputs.sensors, instant).assign(day=lambda f: f["time"].dt.tz_localize(None).dt.normalize())
        last_day = times.groupby("plantation_id")["day"].max().to_dict()
        found += dates.days_reached("sensors.path", "time", _present(last_day), as_of, week, "a station's record")
        remedy = (
            "Find out why nothing came; a month that lacks too many days, or a long run of them, has no sensor values."
        )
        held_days = {str(p): g for p, g in times.groupby("plantation_id")["day"]}
        found += dates.missing_days("sensors.path", "time", held_days, "the sensor records", remedy)
        spans["sensors.path"] = (str(inputs.sensors["time"].min())[:7], str(inputs.sensors["time"].max())[:7])
    if any(scenes.values()) and config.imagery is not None:
        newest_scene = {p: max(s.acquired.tz_localize(None) for g in m.values() for s in g) for p, m in scenes.items()}
        due_day = as_of - dt.timedelta(days=config.imagery.known_lag_days)
        found += dates.days_reached(imagery.KEY, "datetime", newest_scene, due_day, month, "a plantation's imagery")
        found += dates.missing_months(
            imagery.KEY, {p: list(m) for p, m in scenes.items()}, noun="plantation", what="scene"
        )
        every = [m for months in scenes.values() for m in months]
        spans[imagery.KEY] = (min(every), max(every))
    return found + _market_dates(inputs, as_of, week, month) + dates.common_period(spans)


def _market_dates(inputs: Inputs, as_of: dt.date, week: int, month: int) -> list[Finding]:
    instant = as_of_instant(as_of)
    found = []
    for table, column, names, slack, what in (
        ("futures", "settle_date", ["symbol"], week, "the record of settlements"),
        ("fx", "date", ["base", "quote"], week, "the record of exchange rates"),
        ("rates", "date", ["currency"], month, "the record of zero curves"),
    ):
        frame = known(getattr(inputs, table), instant)
        if frame.empty:
            continue
        days = {"/".join(k): g for k, g in frame.groupby(names)[column]}
        key = f"market.{table}"
        found += dates.days_reached(key, column, {n: g.max() for n, g in days.items()}, as_of, slack, what)
        found += dates.quote_gaps(key, column, days, slack, what.removeprefix("the record of "))
    prices = known(inputs.prices, instant)
    monthly, daily = (prices[prices["frequency"] == f] for f in ("month", "day"))
    last_month = {str(s): g.max() for s, g in monthly.groupby("series")["month"]}
    lag = int((monthly["known_at"].dt.tz_localize(None) - monthly["date"]).dt.days.max()) if len(monthly) else 0
    due = dates.due_month(as_of, max(lag, 0))
    found += dates.months_reached("market.prices", last_month, due, noun="series", what="the price")
    held = {" ".join(filter(None, k)): g for k, g in monthly.groupby(["series", "region"])["month"]}
    found += dates.missing_months("market.prices", held, noun="series", what="price")
    quoted = {str(s): g for s, g in daily.groupby("series")["date"]}
    newest = {n: g.max() for n, g in quoted.items()}
    found += dates.days_reached("market.prices", "date", newest, as_of, month, "the price")
    return found + dates.quote_gaps("market.prices", "date", quoted, month, "a price")


def _values(
    config: Config, inputs: Inputs, quarantine: pd.DataFrame, unreadable: Sequence[str], as_of: dt.date
) -> list[Finding]:
    limits = config.assumptions()
    found = values.percentages(quarantine) + values.areas(inputs.register)
    least, most = limits.number("check.ffb_t_ha_year_min"), limits.number("check.ffb_t_ha_year_max")
    found += values.yields(inputs.harvest, inputs.register, least, most)
    kept = {
        "prices": inputs.prices["series"].value_counts().to_dict(),
        "futures": inputs.futures.loc[inputs.futures["known_until"].isna(), "symbol"].value_counts().to_dict(),
        "fx": (inputs.fx["base"] + "/" + inputs.fx["quote"]).value_counts().to_dict(),
    }
    found += values.sizes(quarantine, kept)
    found += values.price_jumps(inputs.prices, "market.prices") + values.fx_triangles(inputs.fx)
    schemes = values.schemes(inputs.register, limits.table("scheme.by_country"), limits.text("scheme.default"))
    rates = FxRates(inputs.fx, inputs.rates, as_of)
    paid = limits.table("scheme.currency")
    if "market.fx" not in unreadable:
        found += values.currency_paths([str(paid[s]) for s in schemes], config.portfolio.currency, rates.spot)
    if not {"market.prices", "market.futures"} & set(unreadable) and (len(inputs.prices) or len(inputs.futures)):
        found += values.price_series(schemes, {*inputs.prices["series"], *inputs.futures["symbol"]})
    return found


def _places(inputs: Inputs, as_of: dt.date) -> list[Finding]:
    found = places.countries(inputs.register) + places.clocks(inputs.register, pd.Timestamp(as_of))
    found += places.station_clocks(inputs.sensors, inputs.register)
    if inputs.climate_grid is not None:
        own = set(inputs.climate_daily["plantation_id"])
        rest = inputs.register[~inputs.register["plantation_id"].isin(own)]
        found += places.grid_cover(rest, _cells(inputs))
    return found


def in_grid(inputs: Inputs) -> pd.DataFrame:
    """Plantations of the register that the climate grid covers at least in part."""
    register = inputs.register
    if inputs.climate_grid is None:
        return register.iloc[:0]
    return register[shapely.intersects(np.asarray(register["geometry"], dtype=object), _cells(inputs))]


def _cells(inputs: Inputs) -> BaseGeometry:
    """Ground that the lattices of the climate grid cover together."""
    lattices = [places.extent(p["latitude"].to_numpy(), p["longitude"].to_numpy()) for p in inputs.climate_grid.parts]
    return shapely.union_all(lattices)


def _present(days: dict[str, pd.Timestamp]) -> dict[str, pd.Timestamp]:
    return {name: day for name, day in days.items() if not pd.isna(day)}
