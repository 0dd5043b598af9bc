"""Climate files to what a run sees at a date: grids of two lattices, preliminaries, monthly and seasonal grids."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from shapely.geometry import box

from plantation_rwa.assumptions import packaged
from plantation_rwa.config import ClimateConfig, Config
from plantation_rwa.features.climate import monthly_climate
from plantation_rwa.run.climate import climate_hashes, known_climate, with_climate_per_plantation
from plantation_rwa.sources.base import Inputs, Quarantine
from plantation_rwa.sources.climate import open_grid, open_monthly, open_seasonal, read_daily

REAL = Path(__file__).parents[2] / "data/sample/real/climate"
REGISTER = gpd.GeoDataFrame(
    {"plantation_id": ["A"], "timezone": ["Asia/Kuala_Lumpur"]},
    geometry=[box(102.45, 2.4, 102.55, 2.5)],
    crs="EPSG:4326",
)
DAYS = pd.date_range("2024-01-01", "2024-02-29")


def inputs(
    paths: list[str], table: str | None = None, monthly: tuple[str, ...] = (), seasonal: tuple[str, ...] = ()
) -> Inputs:
    """Inputs with nothing but climate."""
    bad = Quarantine()
    others = (
        "blocks",
        "rights",
        "sponsors",
        "mills",
        "harvest",
        "sensors",
        "futures",
        "prices",
        "fx",
        "rates",
        "fiscal",
    )
    return Inputs(
        register=REGISTER,
        climate_daily=read_daily([table] if table else None, REGISTER, bad, known_lag_days=25),
        climate_grid=open_grid(paths, bad),
        climate_index=pd.DataFrame(),
        climate_monthly=open_monthly(monthly, bad, known_lag_days=60),
        climate_seasonal=open_seasonal(seasonal),
        imagery=None,
        quarantine=bad,
        **{name: pd.DataFrame() for name in others},
    )


def config(**climate: object) -> Config:
    return Config.model_validate({"portfolio": {"register": "r"}, "market": {}, "climate": climate})


def chirps(folder: Path, name: str, value: float, days: pd.DatetimeIndex = DAYS) -> str:
    axes = {"time": days, "latitude": 2.575 - 0.05 * np.arange(6), "longitude": 102.375 + 0.05 * np.arange(6)}
    values = np.full((len(days), 6, 6), value)
    data = xr.Dataset({"precip": (("time", "latitude", "longitude"), values, {"units": "mm/day"})}, coords=axes)
    data.to_netcdf(folder / name)
    return str(folder / name)


def era5_land(folder: Path) -> str:
    """Hourly temperature of 24 to 30 degC, 0.1 degrees."""
    hours = pd.date_range("2023-12-31T00:00", "2024-03-01T00:00", freq="h")
    clock = 300.15 + 3.0 * np.sin((hours.hour.to_numpy() - 1) / 24 * 2 * np.pi)
    values = np.broadcast_to(clock[:, None, None], (len(hours), 4, 4))
    axes = {"valid_time": hours, "latitude": 2.7 - 0.1 * np.arange(4), "longitude": 102.3 + 0.1 * np.arange(4)}
    data = xr.Dataset({"t2m": (("valid_time", "latitude", "longitude"), values, {"units": "K"})}, coords=axes)
    data.to_netcdf(folder / "era5land.nc")
    return str(folder / "era5land.nc")


def seen(made: Inputs, instant: str) -> pd.DataFrame:
    return known_climate(made, pd.Timestamp(instant, tz="UTC")).climate_daily


def test_rain_and_temperature_on_two_lattices_make_one_day(tmp_path: Path) -> None:
    made = with_climate_per_plantation(inputs([chirps(tmp_path, "chirps.nc", 7.0), era5_land(tmp_path)]), config())
    got = seen(made, "2024-04-01")
    assert got["date"].tolist() == list(DAYS)
    assert (got["precipitation"] == 7.0).all()
    assert got["t2m_max"].to_numpy() == pytest.approx(30.0)
    months = monthly_climate(got, REGISTER, packaged())
    assert months["flags"].tolist() == ["et0_temperature"] * 2
    assert months["p_sum_mm"].tolist() == [217.0, 203.0]
    assert months["et0_mm"].notna().all()


def test_preliminaries_count_until_the_finals_are_known(tmp_path: Path) -> None:
    paths = [chirps(tmp_path, "chirps.nc", 7.0), chirps(tmp_path, "chirps.prelim.nc", 4.0)]
    made = with_climate_per_plantation(inputs(paths), config(known_lag_days=25, preliminary_lag_days=2))
    assert len(seen(made, "2024-01-06T23:59")) == 0
    assert len(seen(made, "2024-01-07")) == 5  # the first pentad and two days
    for instant, value, flag in (
        ("2024-02-03", 4.0, "climate_preliminary"),
        ("2024-02-24", 4.0, "climate_preliminary"),
        ("2024-02-25", 7.0, ""),
    ):
        january = monthly_climate(seen(made, instant), REGISTER, packaged()).iloc[0]
        assert january["p_sum_mm"] == value * 31
        assert january["flags"] == flag
    known = monthly_climate(seen(made, "2024-02-03"), REGISTER, packaged())["known_at"]
    assert known.iloc[0] == pd.Timestamp("2024-02-02", tz="UTC")


def test_finals_that_come_later_change_nothing_of_an_earlier_date(tmp_path: Path) -> None:
    prelim = chirps(tmp_path, "chirps.prelim.nc", 4.0)
    before = with_climate_per_plantation(inputs([prelim]), config())
    after = with_climate_per_plantation(inputs([prelim, chirps(tmp_path, "chirps.nc", 7.0)]), config())
    instant = pd.Timestamp("2024-02-24T23:59", tz="UTC")
    early, late = known_climate(before, instant), known_climate(after, instant)
    pd.testing.assert_frame_equal(early.climate_daily, late.climate_daily)
    assert climate_hashes(early) == climate_hashes(late)
    later = pd.Timestamp("2024-02-25", tz="UTC")
    changed = climate_hashes(known_climate(after, later))
    assert {m for m, h in climate_hashes(known_climate(before, later)).items() if changed[m] != h} == {
        ("A", "2024-01"),
        ("A", "2024-02"),
    }


def test_a_table_wins_over_the_grid_where_it_has_a_value(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("plantation_id,date,precipitation\nA,2024-01-02,30\nA,2024-01-03,-999\n", "utf-8")
    paths = [chirps(tmp_path, "chirps.nc", 7.0), era5_land(tmp_path)]
    made = with_climate_per_plantation(inputs(paths, str(tmp_path / "t.csv")), config())
    got = seen(made, "2024-04-01").set_index("date")
    assert got["precipitation"].iloc[:4].tolist() == [7.0, 30.0, 7.0, 7.0]
    assert got["t2m_max"].notna().all()


def test_splitting_and_ordering_files_changes_nothing(tmp_path: Path) -> None:
    whole = chirps(tmp_path, "all.nc", 7.0)
    parts = [chirps(tmp_path, "z.nc", 7.0, DAYS[:20]), chirps(tmp_path, "a.nc", 7.0, DAYS[20:])]
    tables = [
        with_climate_per_plantation(inputs(paths), config()).climate_daily
        for paths in ([whole], parts, parts[::-1], [era5_land(tmp_path), whole], [whole, str(tmp_path / "era5land.nc")])
    ]
    for table in tables[1:3]:
        pd.testing.assert_frame_equal(tables[0], table)
    pd.testing.assert_frame_equal(tables[3], tables[4])


def test_impossible_cells_are_in_quarantine_from_the_day_their_month_is_known(tmp_path: Path) -> None:
    with xr.open_dataset(chirps(tmp_path, "raw.nc", 7.0)) as data:
        spoiled = data.load()
    spoiled["precip"][3] = -5.0
    spoiled.to_netcdf(tmp_path / "chirps.nc")
    made = with_climate_per_plantation(inputs([str(tmp_path / "chirps.nc")]), config())
    bad = made.quarantine.frame(pd.Timestamp("2024-02-25", tz="UTC"))
    assert len(made.quarantine.frame(pd.Timestamp("2024-02-24", tz="UTC"))) == 0
    (row,) = bad.itertuples(index=False)
    assert (row.input, row.file, row.column, row.action) == ("climate", "chirps.nc", "precipitation", "nulled")
    assert row.value.startswith("'-5 on 2024-01-04T00:00 at 2.475 N")
    assert "precipitation is outside 0 to 600 mm d-1; " in row.reason


def test_real_monthly_rain_alone_gives_deficits_and_says_how() -> None:
    power = tuple(str(REAL / f"nasa_power_monthly_johor_melaka_{p}.csv") for p in ("PRECTOTCORR_SUM", "T2M"))
    made = with_climate_per_plantation(inputs([], monthly=power), config())
    known = known_climate(made, pd.Timestamp("2024-03-31", tz="UTC"))
    assert known.climate_monthly["month"].max() == "2024-01"  # known 60 days after the month's end
    got = monthly_climate(known.climate_daily, REGISTER, packaged(), known.climate_monthly).set_index("month")
    # the outline lies inside the cell 2.5 N 102.5 E, whose row reads "2024,2.5,102.5,264.17,..."
    assert got.loc["2024-01", "p_sum_mm"] == 264.17
    assert got["deficit_irho_mm"].iloc[12:].notna().all()
    assert got["rain_days"].isna().all()
    assert got["spi3"].notna().any()
    assert set(got["flags"]) == {"climate_monthly"}


def test_a_seasonal_forecast_is_known_from_its_release(tmp_path: Path) -> None:
    path = str(REAL / "ecmwf_seasonal_forecast_malaysia_202606_lead1-6.nc")
    made = with_climate_per_plantation(inputs([], seasonal=(path,)), config())
    assert len(known_climate(made, pd.Timestamp("2026-06-05T23:00", tz="UTC")).climate_seasonal) == 0
    assert len(known_climate(made, pd.Timestamp("2026-06-06", tz="UTC")).climate_seasonal) == 51 * 6 * 2


def test_nothing_configured_gives_empty_tables() -> None:
    made = with_climate_per_plantation(inputs([]), config())
    assert (len(made.climate_daily), len(made.climate_monthly), len(made.climate_seasonal)) == (0, 0, 0)
    assert climate_hashes(known_climate(made, pd.Timestamp("2024-01-01", tz="UTC"))) == {}
    assert ClimateConfig().accumulation == "auto"


@pytest.mark.parametrize("stated", ["degF", "K", "degC"])
@pytest.mark.parametrize("true", ["degF", "K", "degC"])
def test_a_grid_whose_temperatures_state_another_unit_is_read_by_the_climate_they_make(
    tmp_path: Path, stated: str, true: str
) -> None:
    factor, offset = {"degF": (1.8, 32.0), "K": (1.0, 273.15), "degC": (1.0, 0.0)}[true]
    shape = (len(DAYS), 3, 3)
    axes = {"time": DAYS, "latitude": [2.6, 2.5, 2.4], "longitude": [102.4, 102.5, 102.6]}
    data = {
        "precipitation": (("time", "latitude", "longitude"), np.full(shape, 5.0), {"units": "mm d-1"}),
        "t2m_min": (("time", "latitude", "longitude"), np.full(shape, 23.0) * factor + offset, {"units": stated}),
        "t2m_max": (("time", "latitude", "longitude"), np.full(shape, 32.0) * factor + offset, {"units": stated}),
    }
    xr.Dataset(data, coords=axes).to_netcdf(tmp_path / "g.nc")
    got = with_climate_per_plantation(inputs([str(tmp_path / "g.nc")]), config())
    np.testing.assert_allclose(got.climate_daily["t2m_min"], 23.0, atol=1e-9)
    np.testing.assert_allclose(got.climate_daily["t2m_max"], 32.0, atol=1e-9)
    told = got.quarantine.frame()
    assert told["column"].tolist() == ([] if stated == true else ["t2m_max", "t2m_min"])
    assert told["action"].eq("repaired").all()
    assert told["value"].str.contains("in the month").all()
