"""Hourly grids: how totals accumulate, declared or shown by the values; files that differ stand side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.climate import open_grid
from plantation_rwa.sources.climate_grid import ClimateGrids

HOURS = pd.date_range("2024-03-01T01:00", "2024-03-11T00:00", freq="h")


def hourly_rain(seed: int = 3) -> np.ndarray:
    """Rain of each hour in mm, ten days on 3 x 3 cells."""
    rng = np.random.default_rng(seed)
    shape = (len(HOURS), 3, 3)
    return np.where(rng.random(shape) < 0.2, rng.gamma(0.8, 4.0, shape), 0.0)


def since_midnight(hourly: np.ndarray) -> np.ndarray:
    """The same as ERA5-Land gives it: running totals that start anew after 00 UTC."""
    return np.cumsum(hourly.reshape(10, 24, 3, 3), axis=1).reshape(hourly.shape)


def dataset(values: np.ndarray, name: str = "tp", unit: str = "m", **attributes: object) -> xr.Dataset:
    axes = {"valid_time": HOURS, "latitude": [2.1, 2.0, 1.9], "longitude": [102.0, 102.1, 102.2]}
    variable = (("valid_time", "latitude", "longitude"), values, {"units": unit})
    return xr.Dataset({name: variable}, coords=axes, attrs=attributes)


def opened(folder: Path, data: xr.Dataset, name: str = "era.nc", **settings: str) -> tuple[ClimateGrids, Quarantine]:
    path, quarantine = folder / name, Quarantine()
    data.to_netcdf(path)
    found = open_grid([str(path)], quarantine, **settings)
    assert found is not None
    return found, quarantine


def test_values_tell_how_they_accumulate_and_it_is_said(tmp_path: Path) -> None:
    for name, values, rule, told in (
        ("land.nc", since_midnight(hourly_rain()), "era5-land", "taken since 00 UTC, as in ERA5-Land"),
        ("era5.nc", hourly_rain(), "era5", "taken over each hour, as in ERA5"),
    ):
        found, quarantine = opened(tmp_path, dataset(values / 1e3), name)
        assert found.parts[0].attrs["accumulation"] == rule
        (row,) = quarantine.frame().itertuples(index=False)
        assert (row.file, row.column, row.action) == (name, "tp", "repaired")
        assert told in row.reason


@pytest.mark.parametrize("rule", ["era5-land", "era5"])
def test_a_declared_rule_stands_without_a_word(tmp_path: Path, rule: str) -> None:
    values = since_midnight(hourly_rain()) if rule == "era5-land" else hourly_rain()
    by_file, noted = opened(tmp_path, dataset(values / 1e3, accumulation=rule))
    by_config, silent = opened(tmp_path, dataset(values / 1e3), "other.nc", accumulation=rule)
    assert {g.parts[0].attrs["accumulation"] for g in (by_file, by_config)} == {rule}
    assert len(noted) == len(silent) == 0


def test_a_rule_that_the_values_contradict_is_refused(tmp_path: Path) -> None:
    land = dataset(since_midnight(hourly_rain()) / 1e3)
    told = r"era\.nc: tp: declared to accumulate over each hour, .* its hours do so since 00 UTC, .*Set climate\.accum"
    with pytest.raises(SourceError, match=told):
        opened(tmp_path, land, accumulation="era5")
    with pytest.raises(SourceError, match=r"the file says accumulation era5-land \(got era5\)"):
        opened(tmp_path, land.assign_attrs(accumulation="era5-land"), "b.nc", accumulation="era5")
    with pytest.raises(SourceError, match=r"accumulation is not known \(got 'since noon'\)"):
        opened(tmp_path, land.assign_attrs(accumulation="since noon"), "c.nc")


def test_a_file_that_mixes_both_rules_is_refused(tmp_path: Path) -> None:
    mixed = since_midnight(hourly_rain())
    mixed[:, :, 0] = hourly_rain()[:, :, 0]
    with pytest.raises(SourceError, match=r"how its hours accumulate cannot be told from its values \(got \d+ of 90"):
        opened(tmp_path, dataset(mixed / 1e3))


def test_too_little_rain_to_tell_asks_for_the_rule_and_none_at_all_needs_none(tmp_path: Path) -> None:
    dry = np.zeros((240, 3, 3))
    assert opened(tmp_path, dataset(dry))[0].parts[0].attrs["accumulation"] == "era5"
    dry[5, 0, 0] = 1e-3
    with pytest.raises(SourceError, match=r"cannot be told from its values \(got 0 of 1 days"):
        opened(tmp_path, dataset(dry), "one.nc")


@pytest.mark.parametrize("cut", ["days", "dry month"])
def test_files_that_tell_nothing_alone_accumulate_as_the_others_or_all_of_them_together(
    tmp_path: Path, cut: str
) -> None:
    rain = hourly_rain()
    rain[:120] *= cut == "days"
    whole = dataset(since_midnight(rain) / 1e3)
    if cut == "days":  # 00 to 23 UTC, as downloads by day come: none holds a day from 01 to 24
        parts = [p for _, p in whole.groupby(whole["valid_time"].dt.floor("D"))][:-1]
    else:
        parts = [whole.isel(valid_time=slice(0, 100)), whole.isel(valid_time=slice(100, 240))]
    paths = [tmp_path / f"{n}.nc" for n in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        part.to_netcdf(path)
    found = open_grid([str(p) for p in reversed(paths)], Quarantine())
    assert found is not None
    assert [p.attrs["accumulation"] for p in found.parts] == ["era5-land"]
    (joined,) = found.parts
    np.testing.assert_allclose(joined["precipitation"].to_numpy(), since_midnight(rain)[: joined.sizes["time"]])


def test_a_single_wet_day_of_hours_from_midnight_is_not_taken_for_zeros(tmp_path: Path) -> None:
    day = dataset(since_midnight(hourly_rain()) / 1e3).isel(valid_time=slice(23, 47))  # 00 to 23 UTC
    with pytest.raises(SourceError, match=r"cannot be told from its values \(got 0 of 0 days"):
        opened(tmp_path, day)


def test_later_hours_change_nothing_of_the_rule_and_a_dry_month_is_passed_over(tmp_path: Path) -> None:
    hours = pd.date_range("2024-01-01T01:00", periods=24 * 80, freq="h")
    rain = np.zeros((len(hours), 2, 2))
    rng = np.random.default_rng(1)
    rain[24 * 40 : 24 * 60] = rng.gamma(0.5, 2.0, (24 * 20, 2, 2))  # neither the first nor the last month has rain
    data = xr.Dataset(
        {"tp": (("time", "lat", "lon"), rain, {"units": "mm"})},
        coords={"time": hours, "lat": [2.0, 1.9], "lon": [102.0, 102.1]},
    )
    assert opened(tmp_path, data)[0].parts[0].attrs["accumulation"] == "era5"


def test_a_mean_rate_is_over_its_hour_whatever_its_size(tmp_path: Path) -> None:
    found, quarantine = opened(tmp_path, dataset(hourly_rain() / 3600.0, "tprate", "mm s-1"))
    part = found.parts[0]
    assert part.attrs["accumulation"] == "era5"
    np.testing.assert_allclose(part["precipitation"].to_numpy(), hourly_rain())
    assert len(quarantine) == 0


def test_units_and_wind_components_of_hours(tmp_path: Path) -> None:
    data = dataset(hourly_rain() / 1e3)
    for name, unit, value in (("t2m", "K", 300.15), ("u10", "m s**-1", 4.0)):
        data = data.merge(dataset(np.full((240, 3, 3), value), name, unit))
    data = data.merge(dataset(np.tile(np.array([1.8e6, 0.0])[:, None, None], (120, 3, 3)), "ssrd", "J m**-2"))
    found, _ = opened(tmp_path, data, accumulation="era5")
    totals, instants = found.parts[0], found.parts[1]
    if "t2m" in totals:
        totals, instants = instants, totals
    assert float(totals["precipitation"][:, 1, 1].sum()) == pytest.approx(hourly_rain()[:, 1, 1].sum())
    assert float(totals["ssrd"][0, 0, 0]) == pytest.approx(1.8)
    assert float(instants["t2m"][0, 0, 0]) == pytest.approx(27.0)
    assert float(instants["u10"][0, 0, 0]) == pytest.approx(4.0 * 4.87 / np.log(67.8 * 10 - 5.42))


def test_hours_off_the_full_hour_are_refused(tmp_path: Path) -> None:
    half = dataset(hourly_rain()).assign_coords(valid_time=HOURS + pd.Timedelta(minutes=30))
    with pytest.raises(SourceError, match=r"its hours are not full hours \(got 2024-03-01T01:30\)"):
        opened(tmp_path, half, accumulation="era5")


def test_a_daily_file_of_running_totals_belongs_to_the_day_before(tmp_path: Path) -> None:
    days = pd.date_range("2024-03-02", periods=3)
    data = xr.Dataset(
        {"tp": (("time", "lat", "lon"), np.full((3, 2, 2), 0.01), {"units": "m"})},
        coords={"time": days, "lat": [2.0, 1.9], "lon": [102.0, 102.1]},
        attrs={"accumulation": "era5-land"},
    )
    found, quarantine = opened(tmp_path, data)
    assert found.parts[0]["time"].to_numpy()[0] == np.datetime64("2024-03-01")
    assert "the total of the day before" in quarantine.frame()["reason"].iloc[0]


def test_the_two_streams_of_era5_become_one(tmp_path: Path) -> None:
    final, recent = hourly_rain(), hourly_rain()
    final[120:], recent[:120] = np.nan, np.nan
    both = xr.concat([dataset(final / 1e3), dataset(recent / 1e3)], dim="expver").assign_coords(expver=[1, 5])
    found, _ = opened(tmp_path, both, accumulation="era5")
    np.testing.assert_allclose(found.parts[0]["precipitation"].to_numpy(), hourly_rain())


def test_lattices_kinds_and_steps_stand_side_by_side_the_finest_first(tmp_path: Path) -> None:
    days = pd.date_range("2024-03-01", periods=5)

    def daily(step: float, name: str, file: str, unit: str, **attributes: str) -> str:
        axes = {"time": days, "lat": 3.0 - step * np.arange(4), "lon": 102.0 + step * np.arange(4)}
        data = xr.Dataset({name: (("time", "lat", "lon"), np.full((5, 4, 4), 9.0), {"units": unit})}, coords=axes)
        data.assign_attrs(attributes).to_netcdf(tmp_path / file)
        return str(tmp_path / file)

    paths = [
        daily(0.1, "t2m_max", "era5land.nc", "degC"),
        daily(0.05, "precip", "chirps-v3.0.prelim.2024.nc", "mm/day"),
        daily(0.05, "precip", "chirps-v3.0.2024.nc", "mm/day"),
        daily(0.05, "precip", "later.nc", "mm/day", status="preliminary"),
    ]
    quarantine = Quarantine()
    found = open_grid(paths, quarantine)
    assert found is not None
    assert [(sorted(p.data_vars), p.attrs["preliminary"]) for p in found.parts] == [
        (["precipitation"], False),
        (["precipitation"], True),
        (["t2m_max"], False),
    ]
    assert found["time"].size == 5
    assert found.sizes == {"time": 5, "latitude": 4, "longitude": 4}
    assert set(quarantine.frame()["file"]) == {"later.nc"}  # it repeats the days of the other preliminary file


@pytest.mark.parametrize("calendar", ["360_day", "noleap"])
def test_other_calendars_are_refused(tmp_path: Path, calendar: str) -> None:
    times = xr.date_range("2024-01-01", periods=40, freq="D", calendar=calendar, use_cftime=True)
    data = xr.Dataset(
        {"pr": (("time", "lat", "lon"), np.ones((40, 2, 2)), {"units": "mm/day"})},
        coords={"time": times, "lat": [2.0, 1.9], "lon": [102.0, 102.1]},
    )
    with pytest.raises(SourceError, match=rf"not on the standard calendar \(got {calendar}\)\. Convert it"):
        opened(tmp_path, data)


def test_longitudes_across_the_antimeridian_stay_in_one_piece(tmp_path: Path) -> None:
    days = pd.date_range("2024-03-01", periods=2)
    for n, longitudes in enumerate(([179.0, 179.5, 180.0, 180.5], [179.0, 179.5, -180.0, -179.5])):
        data = xr.Dataset(
            {"pr": (("time", "lat", "lon"), np.arange(16.0).reshape(2, 2, 4), {"units": "mm/day"})},
            coords={"time": days, "lat": [-17.5, -17.0], "lon": longitudes},
        )
        found, _ = opened(tmp_path, data, f"{n}.nc")
        assert found["longitude"].to_numpy().tolist() == [179.0, 179.5, 180.0, 180.5]
        assert found.parts[0]["precipitation"][0, 1].to_numpy().tolist() == [0.0, 1.0, 2.0, 3.0]
