"""Read every configured input once, and cut it to what was known at a date."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pandas as pd

from plantation_rwa.config import ClimateConfig, Config
from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.run.climate import known_climate
from plantation_rwa.sources import (
    climate,
    compliance,
    futures,
    fx,
    harvest,
    market,
    overlays,
    register,
    reports,
    rights,
    sensors,
)
from plantation_rwa.sources.base import ImagerySource, Inputs, Quarantine, known, known_market, latest_revision
from plantation_rwa.sources.remote import local_files
from plantation_rwa.sources.sensor_series import KEYS


def load_inputs(config: Config) -> Inputs:
    """Read and validate all inputs.

    Raises
    ------
    SourceError
        If files cannot be read at all, every such file with its configuration key; nothing has been written then.
    """
    inputs, problems = read_inputs(config)
    if problems:
        raise SourceError(problems)
    return inputs


def read_inputs(config: Config) -> tuple[Inputs, list[Problem]]:
    """What can be read of all inputs, and what is wrong with the others, which are empty then."""
    bad, faults = Quarantine(), _Faults()
    portfolio, market_cfg = config.portfolio, config.market
    plantations = faults.read(
        "portfolio.register", portfolio.plantations, lambda paths: register.read_register(paths or [], bad)
    )
    # against a register that cannot be read, every row of the others would be a stranger's
    own = Quarantine() if faults.problems else bad
    climate_cfg, harvest_cfg = config.climate or ClimateConfig(), config.harvest
    zones = dict(zip(plantations["plantation_id"], plantations["timezone"], strict=True))
    limits = config.assumptions()
    blocks = faults.read(
        "portfolio.blocks",
        portfolio.blocks,
        lambda paths: register.read_blocks(paths, plantations, own, assumptions=limits),
    )
    harvest_path, harvest_lag = (harvest_cfg.path, harvest_cfg.known_lag_days) if harvest_cfg else (None, 0)
    sensor_path = config.sensors.path if config.sensors else None
    found: dict[str, Any] = {}
    readers: dict[str, tuple[str, list[str] | None, Callable[[list[str] | None], Any]]] = {
        "rights": (
            "portfolio.rights",
            portfolio.rights,
            lambda paths: rights.read_rights(paths, config.rights, plantations, own),
        ),
        "sponsors": (
            "portfolio.sponsors",
            portfolio.sponsors,
            lambda paths: rights.read_parties(paths, "sponsors", bad),
        ),
        "mills": ("portfolio.mills", portfolio.mills, lambda paths: rights.read_parties(paths, "mills", bad)),
        "overlays": (
            "valuation.overlays",
            config.valuation.overlays,
            lambda paths: overlays.read_overlays(paths, plantations, own),
        ),
        "harvest": (
            "harvest.path",
            harvest_path,
            lambda paths: harvest.read_harvest(paths, harvest_lag, plantations, own, blocks=blocks),
        ),
        "climate_daily": (
            "climate.table",
            climate_cfg.table,
            lambda paths: climate.read_daily(
                paths, plantations, own, known_lag_days=climate_cfg.known_lag_days, units=climate_cfg.units
            ),
        ),
        "climate_grid": (
            "climate.grid",
            climate_cfg.grid,
            lambda paths: climate.open_grid(paths, bad, accumulation=climate_cfg.accumulation) if paths else None,
        ),
        "climate_monthly": (
            "climate.monthly",
            climate_cfg.monthly,
            lambda paths: (
                climate.open_monthly(paths, bad, known_lag_days=climate_cfg.monthly_known_lag_days) if paths else ()
            ),
        ),
        "climate_seasonal": (
            "climate.seasonal",
            climate_cfg.seasonal,
            lambda paths: climate.open_seasonal(paths) if paths else (),
        ),
        "climate_index": ("climate.index", climate_cfg.index, lambda paths: climate.read_index(paths, bad)),
        "sensors": ("sensors.path", sensor_path, lambda paths: sensors.read_sensors(paths, zones, own)),
        "fx": ("market.fx", market_cfg.fx, lambda paths: fx.read_fx(paths, bad, assumptions=limits)),
        "futures": (
            "market.futures",
            market_cfg.futures,
            lambda paths: futures.read_futures(paths, bad, assumptions=limits, fx=found["fx"]),
        ),
        "prices": (
            "market.prices",
            market_cfg.prices,
            lambda paths: market.read_prices(paths, bad, assumptions=limits, futures=found["futures"], fx=found["fx"]),
        ),
        "rates": ("market.rates", market_cfg.rates, lambda paths: market.read_rates(paths, bad, assumptions=limits)),
        "fiscal": ("market.fiscal", market_cfg.fiscal, lambda paths: market.read_fiscal(paths, bad)),
        "reports": (
            "reports.path",
            config.reports.path,
            lambda paths: reports.read_reports(paths, config.reports.known_lag_days, bad),
        ),
    }
    for name, reader in readers.items():
        found[name] = faults.read(*reader)
    sources = config.imagery.source if config.imagery else None
    imagery = faults.read("imagery.source", sources, lambda paths: _imagery(config, bad) if paths else None)
    found["evidence"] = faults.read_section(lambda: _evidence(config, plantations, own), compliance.Evidence())
    return Inputs(register=plantations, blocks=blocks, imagery=imagery, quarantine=bad, **found), faults.problems


class _Faults:
    """Reads one input after the other and keeps what is wrong with each, so that all of it is told at once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def read(self, key: str, paths: list[str] | None, reader: Callable[[list[str] | None], Any]) -> Any:
        """Result of a reader; if it gave up, that of reading nothing, its problems kept with the key."""
        try:
            return reader(paths if key == "imagery.source" else local_files(paths))
        except SourceError as error:
            self.problems += [Problem(f"{key}: {p.where}", p.what, p.value, p.remedy) for p in error.problems]
            return reader(None)

    def read_section(self, reader: Callable[[], Any], nothing: Any) -> Any:
        """Result of a reader that names its keys itself; ``nothing`` if it gave up."""
        try:
            return reader()
        except SourceError as error:
            self.problems += error.problems
            return nothing


def _evidence(config: Config, plantations: pd.DataFrame, bad: Quarantine) -> compliance.Evidence:
    return compliance.read_evidence(config.compliance, list(plantations["plantation_id"]), bad)


def _imagery(config: Config, bad: Quarantine) -> ImagerySource | None:
    if config.imagery is None:
        return None
    from plantation_rwa.sources import stac

    return stac.open_source(config.imagery, bad)


def known_inputs(inputs: Inputs, instant: pd.Timestamp) -> Inputs:
    """The inputs as they could be seen at ``instant``: later-known rows removed, revisions applied."""
    records = latest_revision(known(inputs.harvest, instant), ["plantation_id", "block_id", "month"])
    index = latest_revision(known(inputs.climate_index, instant), ["index", "month"])
    return dataclasses.replace(
        known_climate(known_market(inputs, instant), instant),
        quarantine=inputs.quarantine.copy(),
        harvest=records,
        climate_index=index,
        sensors=_newest_readings(known(inputs.sensors, instant)),
        reports=known(inputs.reports, instant),
        evidence=compliance.known_evidence(inputs.evidence or compliance.Evidence(), instant),
    )


def _newest_readings(sensors: pd.DataFrame) -> pd.DataFrame:
    """One row per series and time, the one known last; most tables hold no revision and are left alone."""
    keys = [*KEYS, "time"]
    return latest_revision(sensors, keys) if (sensors["known_at"] > sensors["time"]).any() else sensors
