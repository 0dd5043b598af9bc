"""Builds ``data/sample``: ``python -m plantation_rwa.simulate.sample SHARED_DATA_DIR OUT``.

The portfolio of ``sample.yaml`` is simulated on real outlines, around real prices, exchange rates and ENSO;
``OUT/README.md`` says what is what. Needs ``openpyxl`` for the World Bank workbook.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import yaml
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from plantation_rwa.grid import area_ha
from plantation_rwa.periods import Month
from plantation_rwa.simulate import files, geography, portfolio
from plantation_rwa.simulate.geography import Estate
from plantation_rwa.simulate.market import World
from plantation_rwa.simulate.weather import SEASONS
from plantation_rwa.streams import stream

SEED, END, MONTHS = 20260531, "2026-05", 36
_FOLDERS = ("climate", "harvest", "market", "scenes", "sensors", "truth")
_RIGHTS = (
    *("plantation_id", "right_id", "share", "base", "tenor_months", "start_month", "step_up", "price_floor"),
    *("price_cap", "price_basis", "min_payment", "frequency_months", "payment_lag_months", "pool_id", "payor_id"),
    "collection_route",
)


def build(shared: Path, out: Path) -> portfolio.Simulated:
    """Write the sample; the simulated folders in ``out`` are replaced, ``real/`` is added to.

    Parameters
    ----------
    shared
        Folder with ``geometry, prices, fx, climate`` as described in its README.
    out
        Usually ``data/sample``.
    """
    for name in _FOLDERS:
        shutil.rmtree(out / name, ignore_errors=True)
    plan = yaml.safe_load(_packaged("sample.yaml"))
    world = World(world_bank(shared), ecb(shared))
    oni_file = (shared / "climate/oni.ascii.txt").read_text("utf-8")
    rights = pd.DataFrame(plan["rights"]).reindex(columns=list(_RIGHTS)).convert_dtypes()
    inputs = portfolio.Inputs(estates(shared, plan["estates"]), read_oni(oni_file), oni_file, world, rights)
    done = portfolio.simulate(
        out,
        seed=SEED,
        months=MONTHS,
        end=END,
        climate_style="mixed",
        passes_per_month=2,
        provider_styles=("earth-search", "planetary-computer", "earth-search-c1", "mixed"),
        inputs=inputs,
        write_config=False,
    )
    _write_real(shared, out / "real", world, oni_file)
    (out / "README.md").write_bytes(_packaged("sample_readme.md").format(seed=SEED, end=END).encode())
    return done


def world_bank(shared: Path) -> pd.DataFrame:
    """Palm oil and palm kernel oil of the Pink Sheet, USD/t by ``YYYY-MM``, from 2010 on."""
    (file,) = sorted((shared / "prices").glob("CMO-Historical-Data-Monthly*.xlsx"))
    sheet = pd.read_excel(file, sheet_name="Monthly Prices", header=None)
    names, units = sheet.iloc[4].to_list(), sheet.iloc[5].to_list()
    wanted = {"palm_oil_usd_t": "Palm oil", "palm_kernel_oil_usd_t": "Palm kernel oil"}
    table = pd.DataFrame(index=sheet[0].iloc[6:].astype(str).str.replace("M", "-").to_list())
    for column, label in wanted.items():
        place = next(
            i for i, (n, u) in enumerate(zip(names, units, strict=True)) if str(n).strip() == label and "$/mt" in str(u)
        )
        table[column] = pd.to_numeric(sheet[place].iloc[6:], errors="coerce").to_numpy(float)
    return table[(table.index >= "2010-01") & (table.index <= END)].dropna()


def ecb(shared: Path) -> pd.DataFrame:
    """Daily USD/MYR, USD/IDR and EUR/USD from the ECB's euro reference rates, 2019 on, up to the sample's end."""
    table = pd.read_csv(shared / "fx/ecb_eurofxref_selected.csv", parse_dates=["Date"]).set_index("Date").sort_index()
    table = table.loc["2019-01-01" : Month.parse(END).last.isoformat()]
    crosses = {"USDMYR": table["MYR"] / table["USD"], "USDIDR": table["IDR"] / table["USD"], "EURUSD": table["USD"]}
    return pd.DataFrame(crosses).dropna()


def read_oni(text: str) -> pd.Series:
    """ENSO index by the month a season is centred on."""
    rows = [line.split() for line in text.splitlines()[1:] if line.strip()]
    return pd.Series({f"{int(r[1]):04d}-{SEASONS.index(r[0]) + 1:02d}": float(r[3]) for r in rows})


def estates(shared: Path, rows: Sequence[Mapping[str, Any]]) -> list[Estate]:
    """The plantations of ``sample.yaml`` with outlines and blocks."""
    mapped = list(gpd.read_file(shared / "geometry/oil_palm_2024.geojson").geometry)
    huge = max(mapped, key=lambda g: g.area)
    out = []
    for row in rows:
        values = dict(row)
        name, outline = str(values["plantation_id"]), values.pop("outline")
        if "cut" in outline:
            width, low, high, position = outline["cut"]
            pieces = list(_pieces(huge, width, (low, high)))
            geometry: BaseGeometry = pieces[int(position * len(pieces))]
        elif "mapped" in outline:
            geometry = min(mapped, key=lambda g: abs(area_ha(g) - outline["mapped"]))
        else:
            lon, lat, hectares = outline["invented"]
            geometry = geography.invented_outline(stream(SEED, "outline", name), (lon, lat), hectares)
        out.append(geography.with_blocks(Estate(geometry=geometry, **values), SEED))
    return out


def _pieces(outline: BaseGeometry, width: float, hectares: tuple[float, float]) -> Iterator[Polygon]:
    """A huge outline cut by squares of a lattice: pieces that fill 70-97 % of a square, so part of the edge is real."""
    west, south, east, north = outline.bounds
    for y in np.arange(south, north, width):
        for x in np.arange(west, east, width):
            square = box(x, y, x + width, y + width)
            cut = outline.intersection(square)
            part = max(getattr(cut, "geoms", [cut]), key=lambda g: g.area)
            solid = part.area / square.area
            if isinstance(part, Polygon) and 0.70 < solid < 0.97 and hectares[0] <= area_ha(part) <= hectares[1]:
                yield part


def _write_real(shared: Path, real: Path, world: World, oni: str) -> None:
    prices = world.prices.rename_axis("month").reset_index()
    files.write_csv(real / "prices/world_bank_palm_monthly.csv", prices)
    rates = world.fx.round(6).rename_axis("date").reset_index().astype({"date": str})
    files.write_csv(real / "fx/ecb_daily.csv", rates)
    (real / "climate").mkdir(parents=True, exist_ok=True)
    (real / "climate/oni.ascii.txt").write_bytes(oni.encode())
    (station,) = sorted((shared / "climate").glob("merlimau*.csv"))
    (real / "climate" / station.name).write_bytes(station.read_bytes())


def _packaged(name: str) -> str:
    return resources.files("plantation_rwa.simulate").joinpath(name).read_text("utf-8")


if __name__ == "__main__":
    made = build(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{len(made.estates)} plantations, {len(made.scenes)} scenes in {made.directory}")
