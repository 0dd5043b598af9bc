"""NASA POWER and C3S files as they are: cells checked by hand against the file, months, units, what is refused."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import xarray as xr
from shapely.geometry import box

from plantation_rwa.errors import SourceError
from plantation_rwa.features.climate_grid import grid_to_plantations
from plantation_rwa.features.climate_seasonal import seasonal_to_plantations
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.climate import open_monthly, open_seasonal

REAL = Path(__file__).parents[2] / "data/sample/real/climate"
RAIN = str(REAL / "nasa_power_monthly_johor_melaka_PRECTOTCORR_SUM.csv")
WARMTH = str(REAL / "nasa_power_monthly_johor_melaka_T2M.csv")
SEASON = str(REAL / "ecmwf_seasonal_forecast_malaysia_202606_lead1-6.nc")


def test_power_cells_months_and_units_as_in_the_file() -> None:
    quarantine = Quarantine()
    (grid,) = open_monthly([RAIN, WARMTH], quarantine)
    assert grid.sizes == {"time": 19 * 12, "latitude": 4, "longitude": 5}
    assert grid["latitude"].to_numpy().tolist() == [3.0, 2.5, 2.0, 1.5]
    # rows "PRECTOTCORR_SUM,2024,2.0,103.125,466.21,298.72,..." and "T2M,2024,2.0,103.125,26.22,26.88,..."
    cell = grid.sel(latitude=2.0, longitude=103.125)
    for month, rain, warmth in (("2024-01", 466.21, 26.22), ("2024-02", 298.72, 26.88), ("2024-12", 267.78, 26.36)):
        assert float(cell["p_sum_mm"].sel(time=f"{month}-01")) == rain
        assert float(cell["tmean_c"].sel(time=f"{month}-01")) == warmth
    year = cell["p_sum_mm"].sel(time="2024")
    assert float(year.sum()) == pytest.approx(4294.21)
    (row,) = quarantine.frame().itertuples(index=False)
    assert (row.column, row.action) == ("PRECTOTCORR_SUM", "repaired")
    assert row.reason.startswith("unit inferred: PRECTOTCORR_SUM are sums of the month in mm, since in 100% of 380")


def power(folder: Path, *lines: str, header: str = "") -> str:
    path = folder / "power.csv"
    columns = "PARAMETER,YEAR,LAT,LON,JAN,FEB,MAR,APR,MAY,JUN,JUL,AUG,SEP,OCT,NOV,DEC,ANN"
    path.write_text(header + "\n".join([columns, *lines]) + "\n", "utf-8")
    return str(path)


def test_means_per_day_become_sums_of_their_months(tmp_path: Path) -> None:
    rows = [f"PRECTOTCORR,2024,{lat},102.5,8,9,7,6,5,4,3,4,5,6,7,8,6.0" for lat in (2.0, 2.5)]
    header = "-BEGIN HEADER-\nPRECTOTCORR  MERRA-2 Precipitation Corrected (mm/day)\n-END HEADER-\n"
    quarantine = Quarantine()
    (grid,) = open_monthly([power(tmp_path, *rows, header=header)], quarantine)
    got = grid["p_sum_mm"].sel(latitude=2.0, longitude=102.5).to_numpy()
    assert got[:3].tolist() == [8 * 31, 9 * 29, 7 * 31]
    assert "are mm per day" in quarantine.frame()["reason"].iloc[0]


def test_rain_that_neither_adds_up_nor_averages_is_refused(tmp_path: Path) -> None:
    rows = [f"PRECTOTCORR,2024,{lat},102.5,8,9,7,6,5,4,3,4,5,6,7,8,33.0" for lat in (2.0, 2.5)]
    with pytest.raises(
        SourceError, match=r"ANN does not tell which \(got 0% of 2 whole years add up to ANN, 0% average"
    ):
        open_monthly([power(tmp_path, *rows)], Quarantine())


def test_fills_repeats_and_faults_of_power_files(tmp_path: Path) -> None:
    good = "T2M,2024,2.0,102.5,26,26,26,26,26,26,26,26,26,26,26,-999,26"
    rows = [
        good,
        good.replace("2.0,102.5,26", "2.5,102.5,126", 1),
        good,
        "T2M,2024,2.0",
        good.replace("T2M", "WS2M"),
        good.replace(",26,26,", ",warm,26,", 1),
    ]
    quarantine = Quarantine()
    (grid,) = open_monthly([power(tmp_path, *rows)], quarantine, known_lag_days=60)
    assert grid.sizes["time"] == 11  # December is nothing but fills
    assert np.isnan(grid["tmean_c"].sel(latitude=2.5, time="2024-01-01")).all()
    assert sorted(quarantine.frame()["reason"]) == [
        "T2M is outside -60 to 60 degC; value left out",
        "holds a cell that is not a number; row rejected",
        "parameter is not read; those that are: PRECTOTCORR_SUM, PRECTOTCORR, T2M, T2M_MIN, T2M_MAX",
        "repeats parameter, year and cell of a row above, which stays; row rejected",
        "the row has 3 fields where the header has 17; row rejected",
    ]


def test_what_is_no_power_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("month,rain\n2024-01,3\n", "utf-8")
    with pytest.raises(SourceError, match=r"odd\.csv: is no monthly grid in NASA POWER's layout \(got month,rain\)"):
        open_monthly([str(tmp_path / "odd.csv")], Quarantine())


def test_files_of_one_lattice_join_and_a_repeated_month_stays_as_first_read(tmp_path: Path) -> None:
    quarantine = Quarantine()
    other = tmp_path / "again.csv"
    text = Path(WARMTH).read_text("utf-8").splitlines()
    kept = [text[0]] + [line.replace("T2M,2025", "T2M,2026") for line in text if ",2025," in line or ",2024," in line]
    other.write_text("\n".join(kept) + "\n", "utf-8")
    (grid,) = open_monthly([str(other), WARMTH], quarantine)
    assert grid.sizes["time"] == 20 * 12
    assert len(quarantine.frame()) == 12  # 2024 is in both


def register() -> gpd.GeoDataFrame:
    outlines = [box(102.4, 2.4, 102.6, 2.6), box(103.0, 2.4, 103.4, 2.6)]
    return gpd.GeoDataFrame({"plantation_id": ["one", "two"]}, geometry=outlines, crs="EPSG:4326")


def test_monthly_cells_reach_plantations_by_area() -> None:
    (grid,) = open_monthly([RAIN], Quarantine())
    got, _ = grid_to_plantations(grid, register())
    one = got[(got["plantation_id"] == "one") & (got["date"] == "2024-01-01")]["p_sum_mm"]
    assert one.iloc[0] == float(grid["p_sum_mm"].sel(time="2024-01-01", latitude=2.5, longitude=102.5))


def test_seasonal_forecast_cells_months_units_and_release() -> None:
    (grid,) = open_seasonal([SEASON])
    table = seasonal_to_plantations(grid, register(), 5)
    assert table.groupby(["plantation_id", "variable"]).size().tolist() == [51 * 6] * 4
    assert sorted(table["target_month"].unique()) == [f"2026-{m:02d}" for m in range(6, 12)]
    assert table["issue_month"].unique().tolist() == ["2026-06"]
    assert table["known_at"].astype(str).unique().tolist() == ["2026-06-06 00:00:00+00:00"]
    one = table[(table["plantation_id"] == "one") & (table["member"] == 0) & (table["target_month"] == "2026-06")]
    values = one.set_index("variable")["value"]
    # member 0, lead month 1, cell 2.5 N 102.5 E: tprate 6.67714630253613e-08 m/s over 30 days, t2m 299.99109 K
    assert values["p_sum_mm"] == pytest.approx(6.67714630253613e-08 * 1e3 * 86400 * 30)
    assert values["p_sum_mm"] == pytest.approx(173.07, abs=0.005)
    assert values["tmean_c"] == pytest.approx(299.9910888671875 - 273.15)
    two = table[(table["plantation_id"] == "two") & (table["member"] == 25) & (table["target_month"] == "2026-07")]
    raw = (
        xr.open_dataset(SEASON).sel(number=25, forecastMonth=2, latitude=2.5).isel(forecast_reference_time=0)["tprate"]
    )
    assert float(raw.sel(longitude=103.5)) == 6.686605047434568e-08
    assert two.set_index("variable")["value"]["p_sum_mm"] == pytest.approx(
        float(raw.sel(longitude=103.5)) * 86400e3 * 31
    )  # the outline lies in this cell alone, and July has 31 days


def test_a_seasonal_file_without_its_axes_or_units_is_named(tmp_path: Path) -> None:
    with xr.open_dataset(SEASON) as data:
        data.isel(number=0, drop=True).to_netcdf(tmp_path / "one.nc")
        bare = data[["tprate"]].copy(deep=True)
        bare["tprate"].attrs["units"] = "bananas"
        bare.to_netcdf(tmp_path / "odd.nc")
    with pytest.raises(SourceError, match=r"one\.nc: has no dimension that is its member"):
        open_seasonal([str(tmp_path / "one.nc")])
    with pytest.raises(
        SourceError, match=r"odd\.nc: tprate: has no unit that is known \(got 'bananas'\)\. Use one of: "
    ):
        open_seasonal([str(tmp_path / "odd.nc")])
