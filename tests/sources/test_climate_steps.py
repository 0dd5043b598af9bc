"""Grids of a step of several hours: sums stay, and days of any zone can be made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.climate import open_grid

DAYS = 10


def written(
    folder: Path, values: np.ndarray, step: int, name: str = "tp", unit: str = "mm"
) -> tuple[xr.Dataset, Quarantine]:
    times = pd.date_range("2024-03-01", periods=DAYS * 24 // step + 1, freq=f"{step}h")[1:]
    axes = {"time": times, "latitude": [2.1, 2.0], "longitude": [102.0, 102.1]}
    xr.Dataset({name: (("time", "latitude", "longitude"), values, {"units": unit})}, coords=axes).to_netcdf(
        folder / "g.nc"
    )
    quarantine = Quarantine()
    rain = folder / "rain.nc"
    paths = [str(folder / "g.nc")]
    if name != "tp":
        hours = pd.date_range("2024-03-01T01:00", periods=24 * DAYS, freq="h")
        still = {"time": hours, "latitude": [2.1, 2.0], "longitude": [102.0, 102.1]}
        data = (("time", "latitude", "longitude"), np.zeros((len(hours), 2, 2)), {"units": "mm h-1"})
        xr.Dataset({"tp": data}, coords=still).to_netcdf(rain)
        paths.append(str(rain))
    grid = open_grid(paths, quarantine)
    assert grid is not None
    return next(p for p in grid.parts if (name == "tp") == ("precipitation" in p)) if len(
        grid.parts
    ) > 1 else grid.parts[0], quarantine


def rain(step: int) -> np.ndarray:
    """Rain in mm of each step."""
    rng = np.random.default_rng(4)
    shape = (DAYS * 24 // step, 2, 2)
    return np.where(rng.random(shape) < 0.4, rng.gamma(0.8, 9.0, shape), 0.0)


@pytest.mark.parametrize("step", [2, 3, 6])
def test_totals_of_a_step_are_spread_over_its_hours(tmp_path: Path, step: int) -> None:
    made = rain(step)
    grid, quarantine = written(tmp_path, made, step)
    hourly = grid["precipitation"].to_numpy()
    assert (grid.attrs["step"], grid.attrs["accumulation"], len(hourly)) == ("hour", "era5", 24 * DAYS)
    np.testing.assert_allclose(hourly.reshape(-1, step, 2, 2).sum(axis=1), made, atol=1e-12)
    np.testing.assert_allclose(hourly[::step], made / step, atol=1e-12)
    assert any(f"every {step} h: taken as of the {step} hours that end then" in r for r in quarantine.frame()["reason"])


@pytest.mark.parametrize("step", [3, 6])
def test_totals_that_run_on_from_midnight_are_told_and_taken_apart(tmp_path: Path, step: int) -> None:
    made = rain(step)
    running = np.cumsum(made.reshape(DAYS, -1, 2, 2), axis=1).reshape(made.shape)
    grid, _ = written(tmp_path, running, step)
    hourly = grid["precipitation"].to_numpy()
    np.testing.assert_allclose(hourly.reshape(-1, step, 2, 2).sum(axis=1)[1:], made[1:], atol=1e-9)


def test_rates_of_a_step_are_those_of_its_hours(tmp_path: Path) -> None:
    made = rain(3)
    grid, _ = written(tmp_path, made / 3 / 3600, 3, unit="kg m-2 s-1")
    np.testing.assert_allclose(grid["precipitation"].to_numpy().reshape(-1, 3, 2, 2).sum(axis=1), made, atol=1e-9)


def test_temperatures_lie_on_lines_between_their_times(tmp_path: Path) -> None:
    made = np.random.default_rng(1).normal(27, 3, (DAYS * 8, 2, 2))
    grid, _ = written(tmp_path, made, 3, "t2m", "degC")
    hourly = grid["t2m"].sel(time=slice("2024-03-01T03:00", None)).to_numpy()
    np.testing.assert_allclose(hourly[::3], made, atol=1e-12)
    np.testing.assert_allclose(hourly[1::3], (2 * made[:-1] + made[1:]) / 3, atol=1e-12)


def test_a_missing_step_stays_missing(tmp_path: Path) -> None:
    made = rain(3)
    made[7] = np.nan
    grid, _ = written(tmp_path, made, 3)
    missing = np.isnan(grid["precipitation"].to_numpy()).all(axis=(1, 2))
    assert list(np.flatnonzero(missing)) == [21, 22, 23]


@pytest.mark.parametrize("step", ["5h", "18h", "90min"])
def test_a_step_that_does_not_divide_a_day_is_refused(tmp_path: Path, step: str) -> None:
    times = pd.date_range("2024-03-01", periods=20, freq=step)
    axes = {"time": times, "latitude": [2.1, 2.0], "longitude": [102.0, 102.1]}
    data = (("time", "latitude", "longitude"), np.ones((20, 2, 2)), {"units": "mm"})
    xr.Dataset({"tp": data}, coords=axes).to_netcdf(tmp_path / "g.nc")
    with pytest.raises(SourceError, match=r"g\.nc: is neither daily nor of full hours that divide a day"):
        open_grid([str(tmp_path / "g.nc")], Quarantine())
