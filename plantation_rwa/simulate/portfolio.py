"""``simulate``: a whole portfolio in the contract's input formats, with its truth."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import yaml

from plantation_rwa.periods import Month, month_range
from plantation_rwa.simulate import (
    atlas,
    files,
    geography,
    harvest,
    histories,
    market,
    scenes,
    sensors,
    weather,
    world,
    writers,
)
from plantation_rwa.simulate.geography import Estate

BURN_IN_YEARS = 6


@dataclass(frozen=True)
class Inputs:
    """What a caller may give in place of invented parts; None invents it.

    Parameters
    ----------
    estates
        Plantations with their blocks (see :func:`plantation_rwa.simulate.geography.with_blocks`).
    oni
        ENSO index by ``YYYY-MM``.
    oni_text
        The index file as it is to be published.
    world
        World prices and currencies.
    rights
        Rows of the rights table.
    """

    estates: Sequence[Estate] | None = None
    oni: pd.Series | None = None
    oni_text: str | None = None
    world: market.World | None = None
    rights: pd.DataFrame | None = None


@dataclass(frozen=True)
class Simulated:
    """What was written, and the truth as tables (the same as in ``truth/``)."""

    directory: Path
    config: Path
    estates: tuple[Estate, ...]
    monthly: pd.DataFrame
    blocks: pd.DataFrame
    scenes: pd.DataFrame
    sensor_faults: pd.DataFrame


def simulate(
    directory: Path,
    *,
    seed: int,
    plantations: int = 12,
    months: int = 36,
    end: str = "2026-05",
    imagery_plantations: int = 2,
    climate_years: int = 14,
    settlement_days: int = 500,
    sensor_months: int = 24,
    passes_per_month: int = 3,
    hectares: tuple[float, float] = (80.0, 2500.0),
    register_format: Literal["geojson", "parquet"] = "geojson",
    climate_style: Literal["table", "mixed"] = "table",
    grid_error: weather.GridError | None = None,
    provider_styles: Sequence[scenes.Style] = ("earth-search", "planetary-computer", "earth-search-c1"),
    baseline_switch: str | None = None,
    faults: bool = True,
    wrong_offset_flag: bool = False,
    effects: world.Effects | None = None,
    traps: Sequence[str] = (),
    sensor_traps: bool = False,
    land: Sequence[str] = (),
    places: Literal["regions", "atlas"] = "regions",
    without: Mapping[str, int] | None = None,
    options: Mapping[str, Any] | None = None,
    inputs: Inputs | None = None,
    write_config: bool = True,
) -> Simulated:
    """Write a synthetic portfolio; a pure function of its arguments: the same call gives the same bytes.

    Parameters
    ----------
    directory
        Folder to write into; made if missing.
    seed
        Seed of every stream; a plantation's numbers do not depend on how many there are.
    plantations, imagery_plantations
        Number of plantations, and of those with Sentinel-2 scenes.
    months, end
        Months of scenes, ending with ``end`` (``YYYY-MM``), which is also the last month of all other inputs.
    climate_years
        Full years of daily climate before the year of ``end``.
    settlement_days, sensor_months
        Length of the futures and sensor files.
    passes_per_month
        Number of candidate passes kept per month, the least cloudy ones.
    hectares
        Range of areas of plantations without scenes.
    register_format, climate_style, provider_styles
        File styles: ``mixed`` climate is a grid over the first plantation's region and a table elsewhere;
        provider styles are taken in turn.
    grid_error
        How the grid differs from the weather that the plantations grow in; None: not at all.
    baseline_switch
        First month of processing baseline 05.11, which adds 1000 to every pixel; the months before are 03.01.
        None: the middle of the series. In this world it is no property of the date.
    faults
        Whether harvests, sensors and scene lists carry the usual mistakes (all listed in ``truth/``).
    wrong_offset_flag
        Whether one Earth Search item says its offset is applied while its pixels still carry it.
    effects
        Sizes of the true effects.
    traps
        Scene traps to lay on every plantation with scenes (:data:`plantation_rwa.simulate.scene_traps.TRAPS`); what
        was laid and what should become of it stands in ``truth/traps.csv``.
    sensor_traps
        Whether stations also carry the faults of :mod:`plantation_rwa.simulate.station_faults`; every reading they
        touched stands in ``truth/sensor_readings.parquet`` with what an intact sensor would have said.
    land
        Land histories of the first plantations (:data:`plantation_rwa.simulate.histories.HISTORIES`), in
        ``truth/land.csv`` and ``truth/land_monthly.parquet``.
    places
        ``regions``: four regions in turn; ``atlas``: :func:`plantation_rwa.simulate.atlas.invent`.
    without
        How many of the last plantations lack ``harvest``, ``sensors`` or ``climate``.
    options
        What the caller chose, repeated in ``truth/truth.json``.
    inputs
        Real or chosen parts in place of invented ones.
    write_config
        Whether to write ``config.yaml``.

    Returns
    -------
    Simulated
        Paths and truth.
    """
    effects, inputs = effects or world.Effects(), inputs or Inputs()
    last = Month.parse(end)
    invent = atlas.invent if places == "atlas" else geography.invent
    estates = tuple(
        invent(seed, plantations, imagery_plantations, last.year, hectares)
        if inputs.estates is None
        else inputs.estates
    )
    estates = lacking(tuple(histories.assign(seed, estates, land)), without or {})
    climate_first = dt.date(last.year - climate_years, 1, 1)
    span = (Month(climate_first.year - BURN_IN_YEARS, 1), last)
    oni = weather.enso(seed, *span) if inputs.oni is None else inputs.oni
    directory.mkdir(parents=True, exist_ok=True)

    writers.write_register(directory, estates, register_format, inputs.rights)
    daily, grid_used = writers.write_climate(
        directory, seed, estates, oni, inputs.oni_text, climate_first, span, climate_style,
        silent=(without or {}).get("climate", 0), grid_error=grid_error,
    )  # fmt: skip
    states, blocks = [], []
    for estate in estates:
        days, local = daily[estate.plantation_id]
        rain = weather.monthly_rain(days, local["precipitation"])
        if effects.channels is not None:
            rain["light"] = weather.monthly_light(days, local["ssrd"])
        state, block = world.grow(seed, estate, rain, effects)
        states.append(state)
        blocks.append(block)
    truth_blocks = pd.concat(blocks, ignore_index=True)
    parts = [harvest.records(seed, e, b, last) for e, b in zip(estates, blocks, strict=True)]
    table, mistakes = harvest.logbook(parts, faults)
    files.write_csv(directory / "harvest/harvest.csv", table)
    files.write_csv(directory / "truth/harvest_mistakes.csv", mistakes)
    writers.write_market(directory, seed, inputs.world, last, settlement_days)
    station_faults = sensors.write_sensors(directory, seed, estates, daily, last, sensor_months, faults, sensor_traps)
    window = month_range(last + (1 - months), last)
    switch = Month.parse(baseline_switch) if baseline_switch else window[len(window) // 2]
    plan = scenes.Plan(
        seed, window, switch, passes_per_month, tuple(provider_styles), faults, wrong_offset_flag, effects, tuple(traps)
    )
    observed, items = scenes.write_scenes(
        directory, plan, estates, dict(zip([e.plantation_id for e in estates], states, strict=True))
    )
    monthly = writers.monthly_truth(pd.concat(states, ignore_index=True), truth_blocks, observed)
    if land:
        histories.write(directory, seed, estates, last, effects)
    writers.write_truth(directory, seed, effects, monthly, truth_blocks, items, switch, options or {})
    config = directory / "config.yaml"
    if write_config:
        text = yaml.safe_dump(configuration(directory, seed, last, bool(len(items)), grid_used), sort_keys=False)
        config.write_bytes(text.encode())
    return Simulated(directory, config, estates, monthly, truth_blocks, items, station_faults)


def lacking(estates: tuple[Estate, ...], without: Mapping[str, int]) -> tuple[Estate, ...]:
    """The estates, the last ones without harvests or sensors."""
    out, count = [], len(estates)
    for position, estate in enumerate(estates):
        last = count - position
        years = 0 if last <= without.get("harvest", 0) else estate.harvest_years
        out.append(replace(estate, harvest_years=years, sensors=estate.sensors and last > without.get("sensors", 0)))
    return tuple(out)


def configuration(
    directory: Path, seed: int, last: Month, imagery: bool, grid: bool, prefix: str = ""
) -> dict[str, Any]:
    """The ready configuration of a simulated folder; ``prefix`` is put before every path."""
    sections: dict[str, Any] = {
        "version": 1,
        "as_of": last.last,
        "seed": seed,
        "simulated": True,
        "portfolio": {
            "name": "simulated portfolio",
            "register": prefix + next(p.name for p in sorted(directory.glob("register.*"))),
            **({"blocks": prefix + "blocks.parquet"} if (directory / "blocks.parquet").exists() else {}),
            **({"rights": prefix + "rights.csv"} if (directory / "rights.csv").exists() else {}),
            "sponsors": prefix + "sponsors.csv",
            "mills": prefix + "mills.csv",
            "currency": "MYR",
        },
    }
    if imagery:
        sources = sorted(
            p.relative_to(directory).as_posix()
            for p in [*directory.glob("scenes/*/catalog.json"), *directory.glob("scenes/*/items.json")]
        )
        sections["imagery"] = {
            "source": [prefix + s for s in sources],
            "provider": "auto",
            "collections": ["sentinel-2-l2a", "sentinel-2-c1-l2a"],
        }
    climate = {"index": prefix + "climate/oni.ascii.txt"}
    if (directory / "climate/daily.parquet").exists():
        climate["table"] = prefix + "climate/daily.parquet"
    if grid:
        climate["grid"] = prefix + "climate/grid_*.nc"
    sections["climate"] = climate
    stations = [prefix + f"sensors/*.{kind}" for kind in ("parquet", "csv") if any(directory.glob(f"sensors/*.{kind}"))]
    if stations:
        sections["sensors"] = {"path": stations if len(stations) > 1 else stations[0]}
    sections["harvest"] = {"path": prefix + "harvest/harvest.csv"}
    sections["market"] = {k: f"{prefix}market/{k}.csv" for k in ("futures", "prices", "fx", "rates")}
    sections["publish"] = {"out": "out"}
    return sections
