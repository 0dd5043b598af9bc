"""Writers of the parts of a simulated portfolio: register and counterparties, climate, market, truth."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plantation_rwa.periods import Month, month_range
from plantation_rwa.simulate import files, market, weather, world
from plantation_rwa.simulate.geography import Estate
from plantation_rwa.simulate.term_structure import TRUTH

GRID_STEP = 0.1
#: hazards per year and losses given default of the simulated sponsors (in turn) and mills
SPONSOR_HAZARDS, MILL_HAZARD = (0.015, 0.020, 0.030, 0.045), 0.01
SPONSOR_LGD, MILL_LGD = 0.6, 0.5

Daily = dict[str, tuple[pd.DatetimeIndex, weather.Weather]]


def write_register(directory: Path, estates: Sequence[Estate], style: str, rights: pd.DataFrame | None) -> None:
    """``register.<style>``, ``blocks.parquet`` of the estates that publish them, ``rights.csv``, counterparties."""
    rows = [e.register_row() for e in estates]
    files.write_register(directory / f"register.{style}", rows, [e.geometry for e in estates])
    published = [(e.plantation_id, b) for e in estates if e.blocks_published for b in e.blocks]
    if published:
        table: list[dict[str, Any]] = [
            {
                "block_id": b.block_id,
                "plantation_id": owner,
                "planted_date": b.planted.isoformat(),
                "area_ha": b.area_ha,
                "soil_class": b.soil_class,
            }
            for owner, b in published
        ]
        files.write_register(directory / "blocks.parquet", table, [b.geometry for _, b in published])
    if rights is not None:
        files.write_csv(directory / "rights.csv", rights)
    sponsors = pd.DataFrame({"sponsor_id": sorted({e.sponsor_id for e in estates})})
    sponsors["name"] = "Simulated sponsor " + sponsors["sponsor_id"].str[-1]
    sponsors["hazard_per_year"] = np.resize(SPONSOR_HAZARDS, len(sponsors))
    files.write_csv(directory / "sponsors.csv", sponsors.assign(lgd=SPONSOR_LGD))
    mills = pd.DataFrame({"mill_id": sorted({e.mill_id for e in estates})})
    mills["name"] = "Simulated mill " + mills["mill_id"].str[-1]
    mills = mills.assign(hazard_per_year=MILL_HAZARD, lgd=MILL_LGD, capacity_t_h=30 + 15 * np.arange(len(mills)))
    files.write_csv(directory / "mills.csv", mills)


def write_climate(
    directory: Path,
    seed: int,
    estates: Sequence[Estate],
    oni: pd.Series,
    oni_text: str | None,
    published_from: dt.date,
    span: tuple[Month, Month],
    style: str,
    silent: int = 0,
    grid_error: weather.GridError | None = None,
) -> tuple[Daily, bool]:
    """``climate/``: a grid over the first estate's region if ``style`` is ``mixed``, a table elsewhere, the index.

    The last ``silent`` estates are in no table; a grid over their region still covers them. The
    grid is the weather itself, or with ``grid_error`` what a product would have published of it.

    Returns
    -------
    daily, gridded
        Days and weather per plantation over the whole ``span``, years before ``published_from`` included; whether
        there is a grid.
    """
    regional = {
        c: weather.region_weather(seed, c, oni, span[0].first, span[1].last)
        for c in sorted({e.climate for e in estates})
    }
    gridded = estates[0].climate if style == "mixed" else ""
    daily: Daily = {}
    if gridded:
        days, values = regional[gridded]
        boxes = np.array([e.geometry.bounds for e in estates if e.climate == gridded])
        bounds = [*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)]
        field = weather.grid(seed, gridded, days, values, bounds, GRID_STEP)
        published = field
        if grid_error is not None:
            published = weather.product(seed, gridded, days, values, bounds, GRID_STEP, grid_error)
        shown = published.sel(time=slice(published_from.isoformat(), None))
        for first in range(published_from.year, span[1].year + 1, 5):
            part = shown.sel(time=slice(f"{first}", f"{first + 4}"))
            files.write_grid(directory / f"climate/grid_{first}.nc", part)
        daily = {e.plantation_id: (days, weather.over_estate(field, e)) for e in estates if e.climate == gridded}
    tables = []
    for estate in estates:
        if estate.plantation_id in daily:
            continue
        days, values = regional[estate.climate]
        local = weather.vary(seed, estate.plantation_id, values)
        daily[estate.plantation_id] = (days, local)
        if estate in estates[len(estates) - silent :]:
            continue
        keep = days >= pd.Timestamp(published_from)
        dates = days[keep].to_numpy().astype("datetime64[D]")
        tables.append(
            pd.DataFrame(
                {"plantation_id": estate.plantation_id, "date": dates, **{k: v[keep] for k, v in local.items()}}
            )
        )
    if tables:
        table = pd.concat(tables, ignore_index=True)
        table["date"] = table["date"].dt.date
        for name in weather.VARIABLES:
            table[name] = table[name].astype(np.float32)
        files.write_parquet(directory / "climate/daily.parquet", table)
    text = weather.oni_text(oni[oni.index >= str(Month.of(published_from))]) if oni_text is None else oni_text
    (directory / "climate").mkdir(exist_ok=True)
    (directory / "climate/oni.ascii.txt").write_bytes(text.encode())
    return daily, bool(gridded)


def write_market(directory: Path, seed: int, given: market.World | None, last: Month, days: int) -> None:
    """``market/``: domestic prices, futures about them, currencies, zero curves of three years."""
    home = market.invented_world(seed, last + -120, last) if given is None else given
    prices = market.domestic(seed, home)
    files.write_csv(directory / "market/prices.csv", prices)
    cpo = prices[prices["series"] == "cpo_my"].set_index("month")["value"]
    files.write_csv(directory / "market/futures.csv", market.futures(seed, cpo, last.last, days))
    files.write_csv(directory / "market/fx.csv", market.currencies(home.fx))
    files.write_csv(
        directory / "market/rates.csv", market.zero_curves(seed, [m.last for m in month_range(last + -35, last)])
    )


def monthly_truth(states: pd.DataFrame, blocks: pd.DataFrame, observed: pd.DataFrame) -> pd.DataFrame:
    """State, tonnes, yield and noise-free indices per plantation and month."""
    weighted = blocks.assign(
        mu=blocks["mu_t_ha"] * blocks["area_mature_ha"], ffb_t=blocks["yield_t_ha"] * blocks["area_mature_ha"]
    )
    total = weighted.groupby(["plantation_id", "month"], as_index=False)[["area_mature_ha", "mu", "ffb_t"]].sum()
    area = total["area_mature_ha"].where(total["area_mature_ha"] > 0)
    total = total.assign(mu_t_ha=total["mu"] / area, yield_t_ha=total["ffb_t"] / area).drop(columns="mu")
    table = states.merge(total, on=["plantation_id", "month"], how="left")
    return table.merge(observed, on=["plantation_id", "month"], how="left") if len(observed) else table


def write_truth(
    directory: Path,
    seed: int,
    effects: world.Effects,
    monthly: pd.DataFrame,
    blocks: pd.DataFrame,
    items: pd.DataFrame,
    switch: Month,
    options: Mapping[str, Any],
) -> None:
    """``truth/``: tables, and the sizes of all effects as ``truth.json``."""
    files.write_parquet(directory / "truth/monthly.parquet", monthly)
    files.write_parquet(directory / "truth/blocks.parquet", blocks)
    files.write_csv(directory / "truth/scenes.csv", items)
    notes: dict[str, Any] = {
        "simulated": True,
        "seed": seed,
        # a world without further channels says nothing of them
        "effects": {k: v for k, v in asdict(effects).items() if v is not None},
        "kernel": [round(float(w), 6) for w in world.kernel()],
        "baseline_switch": str(switch),
        "price_model": asdict(TRUTH),
        "mature_age_months": world.MATURE_AGE_MONTHS,
        "ndmi_rule": "NDMI falls by ndmi_deficit x canopy_deficit (deficit of four months in 100 mm, at most 3)",
        "cire_rule": "CIre rises by cire_nutrition x nutrition; log yield by nutrition_yield x nutrition, lagged",
    }
    if options:
        notes["options"] = dict(options)
    files.write_json(directory / "truth/truth.json", notes)
