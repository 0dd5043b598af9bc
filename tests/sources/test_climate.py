"""Climate inputs: units, axes, bad values, repeated days, the ocean index, errors with their remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.climate import open_grid, read_daily, read_index
from plantation_rwa.sources.climate_units import normalised_unit, wind_at_2m

REGISTER = pd.DataFrame({"plantation_id": ["A", "B"]})


def grid(unit: str | None = "mm", name: str = "precipitation", value: float = 10.0, days: int = 3) -> xr.Dataset:
    values = np.full((days, 2, 3), value)
    times = pd.date_range("2024-01-01", periods=days, freq="D").to_numpy("datetime64[ns]")
    axes = {"time": times, "latitude": [2.0, 1.5], "longitude": [101.0, 101.5, 102.0]}
    attrs = {} if unit is None else {"units": unit}
    return xr.Dataset({name: (("time", "latitude", "longitude"), values, attrs)}, coords=axes)


def stepping(freq: str) -> xr.Dataset:
    """Three steps that are not days."""
    return grid().assign_coords(time=pd.date_range("2024-01-01", periods=3, freq=freq))


def written(folder: Path, dataset: xr.Dataset, name: str = "grid.nc") -> str:
    path = folder / name
    dataset.to_netcdf(path)
    return str(path)


def opened(folder: Path, *datasets: xr.Dataset) -> xr.Dataset:
    paths = [written(folder, d, f"grid_{n}.nc") for n, d in enumerate(datasets)]
    found = open_grid(paths, Quarantine())
    assert found is not None
    (part,) = found.parts
    return part


def with_rain(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.merge(grid())


@pytest.mark.parametrize(
    ("spellings", "normal"),
    [
        (("mm/day", "mm d-1", "mm day**-1", "millimeters/day"), "d-1 mm"),
        (("kg m-2 s-1", "kg/m2/s", "kg m**-2 s**-1", "kg.m-2.s-1"), "kg m-2 s-1"),
        (("degrees_celsius", "deg C", "°C", "degree_Celsius", "C"), "degc"),
        (("MJ/m^2/day", "MJ m-2 d-1"), "d-1 m-2 mj"),
    ],
)
def test_units_in_all_spellings(spellings: tuple[str, ...], normal: str) -> None:
    assert {normalised_unit(s) for s in spellings} == {normal}


@pytest.mark.parametrize(
    ("name", "unit", "value", "variable", "expected"),
    [
        ("precipitation", "mm", 12.0, "precipitation", 12.0),
        ("precipitation", None, 12.0, "precipitation", 12.0),
        ("pr", "kg m-2 s-1", 1 / 86400, "precipitation", 1.0),
        ("tprate", "m s-1", 1e-7, "precipitation", 8.64),
        ("tp", "m", 0.012, "precipitation", 12.0),
        ("precip", "mm/day", 12.0, "precipitation", 12.0),
        ("tasmin", "K", 296.65, "t2m_min", 23.5),
        ("t2m_max", "degF", 90.0, "t2m_max", 32.2222),
        ("ssrd", "J m**-2", 16e6, "ssrd", 16.0),
        ("rsds", "W m-2", 200.0, "ssrd", 17.28),
        ("rh", "1", 0.85, "rh", 85.0),
        ("wind2m", "km/h", 7.2, "wind2m", 2.0),
        ("sfcWind", "m s-1", 10 / 3.6, "wind2m", 2.0778),
    ],
)
def test_declared_units_are_converted(
    tmp_path: Path, name: str, unit: str | None, value: float, variable: str, expected: float
) -> None:
    given = grid(unit, name, value)
    got = opened(tmp_path, given if variable == "precipitation" else with_rain(given))
    assert got[variable].to_numpy() == pytest.approx(expected, abs=5e-4)
    assert got[variable].dims == ("time", "latitude", "longitude")


def test_wind_falls_towards_the_ground() -> None:
    assert wind_at_2m(3.0, 2.0) == pytest.approx(3.0, abs=1e-3)
    assert wind_at_2m(3.0, 10.0) < 3.0


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (grid("bananas"), r"grid\.nc: precipitation: unit of precipitation cannot .* \(got 'bananas'\)\. Use one of: "),
        (grid(None, "pr"), r"grid\.nc: pr: has no unit\. Set its attribute 'units', for example 'mm d-1'"),
        (grid("K", "sst"), r"holds no climate variable that is known \(got sst\)\. Name them precipitation"),
        (grid("K", "tasmin", 300.0), r"has no precipitation among its variables \(got tasmin\)\. Call the rain"),
        (grid().rename(latitude="row"), r"has no dimension that is its latitude \(got time, row, longitude\)"),
        (grid().expand_dims(number=2), r"has a further dimension 'number' of length 2\. Select or average"),
        (grid().assign_coords(longitude=[101.0, 101.5, 103.0]), r"longitude is not evenly spaced"),
        (grid().isel(latitude=[0], longitude=[0]), r"the grid has no extent \(got 1 x 1 cells\)"),
        (stepping("5h"), r"is neither daily nor of full hours that divide a day \(got typical step 5 h\)\. Give daily"),
        (stepping("MS"), r"is neither daily nor of full hours that divide a day \(got typical step 7\d\d h\)"),
        (grid().merge(grid("m", "tp", 0.01)), r"holds precipitation more than once \(got precipitation, tp\)"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_with_its_remedy(tmp_path: Path, dataset: xr.Dataset, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        open_grid([written(tmp_path, dataset)], Quarantine())


def test_all_unreadable_files_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "broken.nc").write_bytes(b"not a grid")
    bad = written(tmp_path, grid("bananas"), "odd.nc")
    with pytest.raises(SourceError) as caught:
        open_grid([str(tmp_path / "broken.nc"), bad], Quarantine())
    assert [p.where for p in caught.value.problems] == ["broken.nc", "odd.nc: precipitation"]
    assert str(tmp_path) not in str(caught.value.problems[1])


def test_axes_are_brought_into_one_order(tmp_path: Path) -> None:
    values = np.arange(12.0).reshape(2, 2, 3)
    axes = {
        "lat": [1.5, 2.0],
        "lon": [-0.5 + 360, 0.0, 0.5],
        "valid_time": pd.date_range("2024-01-01T12:00", periods=2),
    }
    flipped = xr.Dataset({"pr": (("valid_time", "lat", "lon"), values, {"units": "mm/day"})}, coords=axes)
    flipped = flipped.isel(lon=[1, 2, 0]).transpose("lon", "lat", "valid_time").expand_dims(expver=1)
    got = opened(tmp_path, flipped)
    assert got["latitude"].to_numpy().tolist() == [2.0, 1.5]
    assert got["longitude"].to_numpy().tolist() == [-0.5, 0.0, 0.5]
    assert got["time"].to_numpy()[0] == np.datetime64("2024-01-01")
    assert got["precipitation"].isel(time=0).to_numpy().tolist() == [[3.0, 4.0, 5.0], [0.0, 1.0, 2.0]]


def test_it_is_lazy_and_zarr_gives_the_same(tmp_path: Path) -> None:
    dataset = grid(value=7.0)
    dataset.to_zarr(tmp_path / "grid.zarr", zarr_format=2, consolidated=True)
    stored = open_grid([str(tmp_path / "grid.zarr")], Quarantine())
    lazy = opened(tmp_path, dataset)
    assert stored is not None
    assert lazy["precipitation"].chunks is not None
    xr.testing.assert_equal(stored.parts[0].compute(), lazy.compute())


def test_files_join_along_time_and_variables_and_the_first_day_stays(tmp_path: Path) -> None:
    early, late = grid(value=1.0, days=3), grid(value=2.0, days=5)
    quarantine = Quarantine()
    paths = [
        written(tmp_path, early, "a.nc"),
        written(tmp_path, late, "b.nc"),
        written(tmp_path, grid("%", "rh", 80.0), "c.nc"),
    ]
    found = open_grid(paths, quarantine)
    assert found is not None
    (got,) = found.parts
    assert got["precipitation"][:, 0, 0].to_numpy().tolist() == [1.0, 1.0, 1.0, 2.0, 2.0]
    assert got["rh"][:, 0, 0].isnull().to_numpy().tolist() == [False] * 3 + [True] * 2
    rows = quarantine.frame()
    assert rows["file"].tolist() == ["b.nc"] * 3
    assert rows["value"].tolist() == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert len(quarantine.frame(pd.Timestamp("2024-01-30", tz="UTC"))) == 0


def test_nothing_configured_gives_nothing() -> None:
    assert open_grid(None, Quarantine()) is None
    daily, index = read_daily(None, REGISTER, Quarantine()), read_index(None, Quarantine())
    assert daily.columns.tolist() == [
        "plantation_id",
        "date",
        "precipitation",
        "t2m_min",
        "t2m_max",
        "ssrd",
        "rh",
        "wind2m",
        "known_at",
        "preliminary",
        "layer",
    ]
    assert daily["date"].dtype == "datetime64[us]"
    assert str(index["known_at"].dtype) == "datetime64[us, UTC]"
    assert len(daily) == len(index) == 0


def daily_file(folder: Path, *rows: str) -> str:
    path = folder / "daily.csv"
    path.write_text("\n".join(["plantation_id,date,precipitation,t2m_min,t2m_max,rh", *rows]) + "\n", "utf-8")
    return str(path)


def test_daily_table_takes_out_what_is_wrong_and_says_so(tmp_path: Path) -> None:
    path = daily_file(
        tmp_path,
        "B,2024-01-02,4,23,31,80",
        "A,2024-01-01,-999,23,31,101.5",
        "A,2024-01-02,-4,33,31,80",
        "A,2024-01-02,9,23,31,80",
        "X,2024-01-01,1,23,31,80",
        "A,01/02/2024,1,23,31,80",
        "A,2024-01-03,wet,23,31,80",
    )
    quarantine = Quarantine()
    got = read_daily([path], REGISTER, quarantine, known_lag_days=25)
    assert got[["plantation_id", "precipitation", "t2m_min", "t2m_max", "rh"]].fillna(-1).values.tolist() == [
        ["A", -1.0, 23.0, 31.0, 100.0],
        ["A", -1.0, 23.0, 31.0, 80.0],
        ["B", 4.0, 23.0, 31.0, 80.0],
    ]
    found = {(r.row, r.column): (r.action, r.value, r.reason) for r in quarantine.frame().itertuples(index=False)}
    assert found[2, "precipitation"] == ("nulled", "-999", "precipitation is a fill value; value left out")
    assert found[2, "rh"] == ("repaired", "101.5", "rh is just outside 0 to 100 %; set to the bound")
    assert found[3, "precipitation"][2] == "precipitation is outside 0 to 600 mm d-1; check the unit; value left out"
    assert found[3, "t2m_min"][1:] == ("33 > 31", "minimum temperature exceeds the maximum; both left out")
    told = "repeats plantation_id and date with another value (t2m_min 23 and 33); none is believed; row rejected"
    assert found[4, "date"][2] == told
    assert found[3, "date"] == ("rejected", "33", told)
    assert (
        found[5, "plantation_id"][2]
        == "is not in the register; add it there or correct the id; all rows of this id in the file rejected"
    )
    assert found[6, "date"][0] == "rejected"
    assert found[7, "precipitation"][0] == "nulled"
    assert len(found) == 9


def test_bad_daily_rows_are_reported_once_their_month_is_known(tmp_path: Path) -> None:
    quarantine = Quarantine()
    read_daily([daily_file(tmp_path, "A,2024-01-31,-5,23,31,80")], REGISTER, quarantine, known_lag_days=25)
    assert len(quarantine.frame(pd.Timestamp("2024-02-24T23:59", tz="UTC"))) == 0
    assert len(quarantine.frame(pd.Timestamp("2024-02-25", tz="UTC"))) == 1


def test_noaas_index_file(tmp_path: Path) -> None:
    path = tmp_path / "oni.ascii.txt"
    path.write_text(
        " SEAS  YR   TOTAL   ANOM\n  DJF 2024  28.13   1.79\n  JFM 2024  28.2\n  FMA 2024 28.4 -99.9\n"
        "  XYZ 2024  28.13   1.0\n  NDJ 2024  26.1  -0.5\n  DJF 2024 28 1.0\n",
        "utf-8",
    )
    quarantine = Quarantine()
    got = read_index([str(path)], quarantine)
    assert got[["month", "index", "value"]].values.tolist() == [["2024-01", "ONI", 1.79], ["2024-12", "ONI", -0.5]]
    assert got["known_at"].tolist() == [pd.Timestamp("2024-03-10", tz="UTC"), pd.Timestamp("2025-02-10", tz="UTC")]
    reasons = quarantine.frame()["reason"].tolist()
    assert sorted(reasons) == [
        "season or year cannot be read; row rejected",
        "the anomaly is a fill value; row rejected",
        "the row has 3 fields where the header has 4; row rejected",
        "the season occurs before; the first stays, row rejected",
    ]


def test_index_table_keeps_its_own_dates_and_revisions(tmp_path: Path) -> None:
    path = tmp_path / "index.csv"
    path.write_text(
        "month,index,value,known_at\n2024-01,oni,1.8,\n2024-01,oni,1.7,2024-04-20T12:00:00Z\n2024-02,oni,88,\n", "utf-8"
    )
    quarantine = Quarantine()
    got = read_index([str(path)], quarantine)
    assert got["value"].tolist() == [1.8, 1.7]
    assert got["index"].tolist() == ["ONI", "ONI"]
    assert got["known_at"].tolist() == [
        pd.Timestamp("2024-03-10", tz="UTC"),
        pd.Timestamp("2024-04-20T12:00", tz="UTC"),
    ]
    assert quarantine.frame()["reason"].tolist() == ["value is no anomaly in degC; row rejected"]


def test_a_file_that_is_no_index_is_named(tmp_path: Path) -> None:
    path = tmp_path / "oni.txt"
    path.write_text("<html>not found</html>", "utf-8")
    with pytest.raises(
        SourceError, match=r"oni\.txt: is no ocean index in NOAA's layout .* Give NOAA's oni\.ascii\.txt"
    ):
        read_index([str(path)], Quarantine())
