"""Read every configured input once, and cut it to what was known at a date."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pandas as pd

from plantation_rwa.config import ClimateConfig, Config
from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.sources import climate, harvest, market, register, rights, sensors
from plantation_rwa.sources.base import ImagerySource, Inputs, Quarantine, known, latest_revision


def load_inputs(config: Config) -> Inputs:
    """Read and validate all inputs.

    Raises
    ------
    SourceError
        If files cannot be read at all, every such file with its configuration key; nothing has been written then.
    """
    bad, faults = Quarantine(), _Faults()
    portfolio, market_cfg = config.portfolio, config.market
    plantations = faults.read("portfolio.register", lambda: register.read_register(portfolio.plantations, bad))
    if plantations is None:
        raise SourceError(faults.problems)
    climate_cfg, harvest_cfg = config.climate or ClimateConfig(), config.harvest
    zones = dict(zip(plantations["plantation_id"], plantations["timezone"], strict=True))
    price_lag = int(config.assumptions().number("market.monthly_price_known_lag_days"))
    blocks = faults.read("portfolio.blocks", lambda: register.read_blocks(portfolio.blocks, plantations, bad))
    harvest_path, harvest_lag = (harvest_cfg.path, harvest_cfg.known_lag_days) if harvest_cfg else (None, 0)
    grid, table, lag = climate_cfg.grid, climate_cfg.table, climate_cfg.known_lag_days
    sensor_path = config.sensors.path if config.sensors else None
    found: dict[str, Any] = {
        "rights": faults.read(
            "portfolio.rights", lambda: rights.read_rights(portfolio.rights, config.rights, plantations, bad)
        ),
        "sponsors": faults.read("portfolio.sponsors", lambda: rights.read_parties(portfolio.sponsors, "sponsors", bad)),
        "mills": faults.read("portfolio.mills", lambda: rights.read_parties(portfolio.mills, "mills", bad)),
        "imagery": faults.read("imagery.source", lambda: _imagery(config, bad)),
        "harvest": faults.read(
            "harvest.path",
            lambda: harvest.read_harvest(harvest_path, harvest_lag, plantations, bad, blocks=blocks),
        ),
        "climate_daily": faults.read(
            "climate.table", lambda: climate.read_daily(table, plantations, bad, known_lag_days=lag)
        ),
        "climate_grid": faults.read("climate.grid", lambda: climate.open_grid(grid, bad)),
        "climate_index": faults.read("climate.index", lambda: climate.read_index(climate_cfg.index, bad)),
        "sensors": faults.read("sensors.path", lambda: sensors.read_sensors(sensor_path, zones, bad)),
        "futures": faults.read("market.futures", lambda: market.read_futures(market_cfg.futures, bad)),
        "prices": faults.read("market.prices", lambda: market.read_prices(market_cfg.prices, bad, price_lag)),
        "fx": faults.read("market.fx", lambda: market.read_fx(market_cfg.fx, bad)),
        "rates": faults.read("market.rates", lambda: market.read_rates(market_cfg.rates, bad)),
        "fiscal": faults.read("market.fiscal", lambda: market.read_fiscal(market_cfg.fiscal, bad)),
    }
    if faults.problems:
        raise SourceError(faults.problems)
    return Inputs(register=plantations, blocks=blocks, quarantine=bad, **found)


class _Faults:
    """Reads one input after the other and keeps what is wrong with each, so that all of it is told at once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def read(self, key: str, reader: Callable[[], Any]) -> Any:
        """Result of a reader; None, and its problems kept with the configuration key, if it gave up."""
        try:
            return reader()
        except SourceError as error:
            self.problems += [Problem(f"{key}: {p.where}", p.what, p.value, p.remedy) for p in error.problems]
            return None


def _imagery(config: Config, bad: Quarantine) -> ImagerySource | None:
    if config.imagery is None:
        return None
    from plantation_rwa.sources import stac

    return stac.open_source(config.imagery, bad)


def with_climate_per_plantation(inputs: Inputs) -> Inputs:
    """Daily climate per plantation from the grid; a supplied table wins over it, day by day.

    Day by day, because a table that starts later must not change what was known of the days before.
    """
    if inputs.climate_grid is None:
        return inputs
    from plantation_rwa.features.climate import grid_to_plantations

    table = inputs.climate_daily
    gridded = grid_to_plantations(inputs.climate_grid, inputs.register)
    both = pd.concat([f for f in (table, gridded) if len(f)] or [table], ignore_index=True)
    daily = both.drop_duplicates(["plantation_id", "date"], keep="first")
    daily = daily.sort_values(["plantation_id", "date"], kind="stable").reset_index(drop=True)
    return dataclasses.replace(inputs, climate_daily=daily, climate_grid=None)


def known_inputs(inputs: Inputs, config: Config, instant: pd.Timestamp) -> Inputs:
    """The inputs as they could be seen at ``instant``: later-known rows removed, revisions applied."""
    lag = pd.Timedelta(days=config.climate.known_lag_days if config.climate else 0)
    daily = inputs.climate_daily
    if len(daily):
        month_end = daily["date"].dt.tz_localize("UTC") + pd.offsets.MonthEnd(0)
        daily = daily[month_end + lag <= instant].reset_index(drop=True)
    records = latest_revision(known(inputs.harvest, instant), ["plantation_id", "block_id", "month"])
    index = latest_revision(known(inputs.climate_index, instant), ["index", "month"])
    price_keys = ["series", "region", "currency", "frequency", "date"]
    return dataclasses.replace(
        inputs,
        quarantine=inputs.quarantine.copy(),
        harvest=records,
        climate_daily=daily,
        climate_index=index,
        sensors=known(inputs.sensors, instant),
        futures=known(inputs.futures, instant),
        prices=latest_revision(known(inputs.prices, instant), price_keys),
        fx=known(inputs.fx, instant),
        rates=known(inputs.rates, instant),
        fiscal=known(inputs.fiscal, instant),
    )
