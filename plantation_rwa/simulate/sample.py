"""Builds ``data/sample``: ``python -m plantation_rwa.simulate.sample SHARED_DATA_DIR OUT``.

The portfolio is simulated on real outlines, around real prices, exchange rates and ENSO; ``OUT/README.md`` says
what is what. Needs ``openpyxl`` for the World Bank workbook.
"""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from plantation_rwa.grid import area_ha
from plantation_rwa.simulate import files, geography, portfolio
from plantation_rwa.simulate.geography import Estate
from plantation_rwa.simulate.market import World
from plantation_rwa.simulate.notes import SAMPLE_README
from plantation_rwa.streams import stream

SEED, END, MONTHS = 20260531, "2026-05", 36
_SEASONS = {s: i + 1 for i, s in enumerate(("DJF", "JFM", "FMA", "MAM", "AMJ", "MJJ", "JJA", "JAS", "ASO", "SON", "OND", "NDJ"))}


def build(shared: Path, out: Path) -> portfolio.Simulated:
    """Write the sample; everything in ``out`` but ``real/`` is replaced.

    Parameters
    ----------
    shared
        Folder with ``geometry, prices, fx, climate`` as described in its README.
    out
        Usually ``data/sample``.
    """
    for old in out.iterdir() if out.exists() else ():
        if old.name == "real":
            continue
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    estates = [geography.with_blocks(e, SEED) for e in _estates(shared)]
    world = World(world_bank(shared), ecb(shared))
    oni_file = (shared / "climate/oni.ascii.txt").read_text("utf-8")
    inputs = portfolio.Inputs(estates, read_oni(oni_file), oni_file, world, _rights())
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
    _write_real(shared, out, world, oni_file)
    (out / "README.md").write_bytes(SAMPLE_README.format(seed=SEED, end=END).encode())
    return done


def world_bank(shared: Path) -> pd.DataFrame:
    """Palm oil and palm kernel oil of the Pink Sheet, USD/t by ``YYYY-MM``, from 2010 on."""
    (file,) = sorted((shared / "prices").glob("CMO-Historical-Data-Monthly*.xlsx"))
    sheet = pd.read_excel(file, sheet_name="Monthly Prices", header=None)
    names, units = sheet.iloc[4], sheet.iloc[5]
    columns = {"palm_oil_usd_t": "Palm oil", "palm_kernel_oil_usd_t": "Palm kernel oil"}
    place = {k: next(i for i, n in names.items() if str(n).strip() == v and "$/mt" in str(units[i])) for k, v in columns.items()}
    data = sheet.iloc[6:]
    months = data[0].astype(str).str.replace("M", "-")
    table = pd.DataFrame({k: pd.to_numeric(data[i], errors="coerce").to_numpy(float) for k, i in place.items()}, index=months.to_list())
    return table[(table.index >= "2010-01") & (table.index <= END)].dropna()


def ecb(shared: Path) -> pd.DataFrame:
    """Daily USD/MYR, USD/IDR and EUR/USD from the ECB's euro reference rates, 2019 on, up to the sample's end."""
    table = pd.read_csv(shared / "fx/ecb_eurofxref_selected.csv", parse_dates=["Date"]).set_index("Date").sort_index()
    table = table.loc["2019-01-01" : f"{END}-31" if END.endswith("05") else END]
    fx = pd.DataFrame({"USDMYR": table["MYR"] / table["USD"], "USDIDR": table["IDR"] / table["USD"], "EURUSD": table["USD"]})
    return fx.dropna()


def read_oni(text: str) -> pd.Series:
    """ENSO index by the month a season is centred on."""
    rows = [line.split() for line in text.splitlines()[1:] if line.strip()]
    return pd.Series({f"{int(r[1]):04d}-{_SEASONS[r[0]]:02d}": float(r[3]) for r in rows})


def _palm_outlines(shared: Path) -> list[BaseGeometry]:
    return list(gpd.read_file(shared / "geometry/oil_palm_2024.geojson").geometry)


def _cuts(outline: BaseGeometry, width_deg: float, hectares: tuple[float, float], solid: float) -> Iterator[Polygon]:
    """Squares of a lattice cut with a huge outline: pieces within an area range that fill the square well."""
    west, south, east, north = outline.bounds
    for y in np.arange(south, north, width_deg):
        for x in np.arange(west, east, width_deg):
            square = box(x, y, x + width_deg, y + width_deg)
            piece = outline.intersection(square)
            part = max(getattr(piece, "geoms", [piece]), key=lambda g: g.area)
            if isinstance(part, Polygon) and part.area > solid * square.area and hectares[0] <= area_ha(part) <= hectares[1]:
                yield part


def _estates(shared: Path) -> list[Estate]:
    palm = _palm_outlines(shared)
    huge = max(palm, key=lambda g: g.area)
    near = [p for p in palm if p is not huge]
    by_area = {round(area_ha(p)): p for p in near}
    small = list(_cuts(huge, 0.0062, (30, 48), 0.80))
    large = list(_cuts(huge, 0.05, (1800, 3000), 0.70))
    made = {k: geography.invented_outline(stream(SEED, "outline", k), c, a) for k, c, a in (
        ("SIM-MY-01", (103.312, 2.064), 42), ("SIM-MY-02", (102.611, 3.482), 420), ("SIM-MY-03", (100.943, 4.051), 180),
        ("SIM-MY-04", (117.842, 5.337), 31), ("SIM-MY-05", (118.093, 5.451), 1500), ("SIM-MY-06", (117.655, 4.612), 800),
    )}  # fmt: skip
    kal, pen, sab = "central_kalimantan", "peninsular", "sabah"
    d = dt.date
    return [
        Estate("SIM-ID-01", small[len(small) // 3], kal, d(2012, 3, 1), soil_class="S1", management_factor=0.84, harvest_years=9,
               sponsor_id="SPONSOR-A", mill_id="MILL-1", tenure_end=d(2047, 12, 31), imagery=True, sensors=True, n_blocks=4, blocks_published=True),
        Estate("SIM-ID-02", small[2 * len(small) // 3], kal, d(2015, 9, 1), scheme="id_swadaya", soil_class="S3", is_peat=True, management_factor=0.66,
               harvest_years=8, sponsor_id="SPONSOR-B", mill_id="MILL-1", tenure_end=d(2040, 6, 30), imagery=True, sensors=True, n_blocks=4),
        Estate("SIM-ID-03", by_area[1057] if 1057 in by_area else by_area[1056], kal, d(2008, 6, 1), management_factor=0.78, oer=0.221, ker=0.049, harvest_years=10, sponsor_id="SPONSOR-A",
               mill_id="MILL-1", tenure_end=d(2043, 12, 31), sensors=True, n_blocks=8, blocks_published=True, blocks_geometry=False),
        Estate("SIM-ID-04", large[len(large) // 2], kal, d(2005, 11, 1), soil_class="S1", management_factor=0.80, harvest_years=10, sponsor_id="SPONSOR-C",
               mill_id="MILL-2", n_blocks=8),
        Estate("SIM-ID-05", by_area[314], kal, d(2010, 1, 1), scheme="id_swadaya", soil_class="S3", management_factor=0.60, harvest_years=0,
               sponsor_id="SPONSOR-B", mill_id="MILL-2", n_blocks=4),
        Estate("SIM-ID-06", by_area[76], kal, d(2022, 2, 1), management_factor=0.74, harvest_years=0, sponsor_id="SPONSOR-C", mill_id="MILL-2",
               tenure_end=d(2052, 12, 31), n_blocks=4),
        Estate("SIM-MY-01", made["SIM-MY-01"], pen, d(2011, 5, 1), soil_class="S1", management_factor=0.79, oer=0.203, ker=0.052, harvest_years=10,
               sponsor_id="SPONSOR-D", mill_id="MILL-3", imagery=True, sensors=True, n_blocks=4),
        Estate("SIM-MY-02", made["SIM-MY-02"], pen, d(2013, 10, 1), state="Pahang", management_factor=0.72, harvest_years=9, sponsor_id="SPONSOR-D",
               mill_id="MILL-3", n_blocks=6),
        Estate("SIM-MY-03", made["SIM-MY-03"], pen, d(2018, 7, 1), state="Perak", soil_class="S3", management_factor=0.70, harvest_years=0,
               sponsor_id="SPONSOR-D", mill_id="MILL-3", tenure_end=d(2035, 3, 31), n_blocks=4),
        Estate("SIM-MY-04", made["SIM-MY-04"], sab, d(2014, 2, 1), management_factor=0.77, oer=0.212, ker=0.047, harvest_years=9,
               sponsor_id="SPONSOR-B", mill_id="MILL-4", imagery=True, sensors=True, n_blocks=4),
        Estate("SIM-MY-05", made["SIM-MY-05"], sab, d(2007, 4, 1), soil_class="S1", management_factor=0.81, oer=0.210, ker=0.046, harvest_years=10,
               sponsor_id="SPONSOR-A", mill_id="MILL-4", tenure_end=d(2051, 12, 31), n_blocks=8),
        Estate("SIM-MY-06", made["SIM-MY-06"], sab, d(2001, 8, 1), management_factor=0.71, harvest_years=8, sponsor_id="SPONSOR-C", mill_id="MILL-4",
               n_blocks=6),
    ]  # fmt: skip


def _rights() -> pd.DataFrame:
    """Terms that differ from the configuration's defaults; empty cells take the default."""
    rows = [
        {"plantation_id": "SIM-ID-03", "right_id": "R1", "share": 0.15, "base": "net_of_levies", "tenor_months": 84, "price_floor": 2200000,
         "price_basis": "ffb", "frequency_months": 3, "pool_id": "POOL-1", "payor_id": "MILL-1", "collection_route": "mill_direct"},
        {"plantation_id": "SIM-MY-01", "right_id": "R1", "share": 0.20, "tenor_months": 60, "step_up": 0.01, "frequency_months": 3,
         "pool_id": "POOL-1", "payor_id": "MILL-3", "collection_route": "controlled_account"},
        {"plantation_id": "SIM-MY-05", "right_id": "R1", "share": 0.10, "tenor_months": 60, "price_cap": 5500, "price_basis": "cpo",
         "payment_lag_months": 1, "pool_id": "POOL-1", "payor_id": "MILL-4", "collection_route": "mill_direct"},
        {"plantation_id": "SIM-MY-05", "right_id": "R2", "share": 0.05, "tenor_months": 36, "start_month": "2026-09", "min_payment": 15000,
         "payor_id": "SPONSOR-A", "collection_route": "sponsor"},
    ]  # fmt: skip
    order = [
        "plantation_id", "right_id", "share", "base", "tenor_months", "start_month", "step_up", "price_floor", "price_cap", "price_basis",
        "min_payment", "frequency_months", "payment_lag_months", "pool_id", "payor_id", "collection_route",
    ]  # fmt: skip
    return pd.DataFrame(rows).reindex(columns=order).convert_dtypes()


def _write_real(shared: Path, out: Path, world: World, oni: str) -> None:
    real = out / "real"
    prices = world.prices.rename_axis("month").reset_index()
    files.write_csv(real / "prices/world_bank_palm_monthly.csv", prices)
    files.write_csv(real / "fx/ecb_daily.csv", world.fx.round(6).rename_axis("date").reset_index().astype({"date": str}))
    (real / "climate").mkdir(parents=True, exist_ok=True)
    (real / "climate/oni.ascii.txt").write_bytes(oni.encode())
    (merlimau,) = sorted((shared / "climate").glob("merlimau*.csv"))
    (real / "climate/merlimau_1987_2008_daily.csv").write_bytes(merlimau.read_bytes())


if __name__ == "__main__":
    made = build(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{len(made.estates)} plantations, {len(made.scenes)} scenes in {made.directory}")
