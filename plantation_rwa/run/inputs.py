"""Read every configured input once, and cut it to what was known at a date."""

from __future__ import annotations

import dataclasses

import pandas as pd

from plantation_rwa.config import Config
from plantation_rwa.sources import climate, harvest, market, register, rights, sensors
from plantation_rwa.sources.base import Inputs, Quarantine, known, latest_revision


def load_inputs(config: Config) -> Inputs:
    """Read and validate all inputs.

    Raises
    ------
    SourceError
        If a file cannot be read at all; nothing has been written then.
    """
    bad = Quarantine()
    portfolio, market_cfg = config.portfolio, config.market
    plantations = register.read_register(portfolio.plantations, bad)
    blocks = register.read_blocks(portfolio.blocks, plantations, bad)
    climate_cfg, harvest_cfg, imagery = config.climate, config.harvest, None
    if config.imagery is not None:
        from plantation_rwa.sources import stac

        imagery = stac.open_source(config.imagery, bad)
    zones = dict(zip(plantations["plantation_id"], plantations["timezone"], strict=True))
    lag = int(config.assumptions().number("market.monthly_price_known_lag_days"))
    return Inputs(
        register=plantations,
        blocks=blocks,
        rights=rights.read_rights(portfolio.rights, config.rights, plantations, bad),
        sponsors=rights.read_parties(portfolio.sponsors, "sponsors", bad),
        mills=rights.read_parties(portfolio.mills, "mills", bad),
        harvest=harvest.read_harvest(
            harvest_cfg.path if harvest_cfg else None,
            harvest_cfg.known_lag_days if harvest_cfg else 0,
            plantations,
            bad,
            blocks=blocks,
        ),
        climate_daily=climate.read_daily(
            climate_cfg.table if climate_cfg else None,
            plantations,
            bad,
            known_lag_days=climate_cfg.known_lag_days if climate_cfg else 0,
        ),
        climate_grid=climate.open_grid(climate_cfg.grid if climate_cfg else None, bad),
        climate_index=climate.read_index(climate_cfg.index if climate_cfg else None, bad),
        sensors=sensors.read_sensors(config.sensors.path if config.sensors else None, zones, bad),
        futures=market.read_futures(market_cfg.futures, bad),
        prices=market.read_prices(market_cfg.prices, bad, lag),
        fx=market.read_fx(market_cfg.fx, bad),
        rates=market.read_rates(market_cfg.rates, bad),
        fiscal=market.read_fiscal(market_cfg.fiscal, bad),
        imagery=imagery,
        quarantine=bad,
    )


def with_climate_per_plantation(inputs: Inputs) -> Inputs:
    """Daily climate per plantation from the grid; a supplied table wins over it, plantation by plantation."""
    if inputs.climate_grid is None:
        return inputs
    from plantation_rwa.features.climate import grid_to_plantations

    table = inputs.climate_daily
    missing = inputs.register[~inputs.register["plantation_id"].isin(set(table["plantation_id"]))]
    gridded = grid_to_plantations(inputs.climate_grid, missing)
    daily = pd.concat([f for f in (table, gridded) if len(f)], ignore_index=True) if len(gridded) else table
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
