"""The unit of a grid's rain, told by what a year of it adds up to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.climate import open_grid
from plantation_rwa.sources.climate_units import VARIABLES_AND_HOURLY, normalised_unit, unit_text

#: numbers of a millimetre a day
PER_MM = {"mm d-1": 1.0, "in d-1": 1 / 25.4, "m d-1": 1e-3, "mm s-1": 1 / 86400, "m s-1": 1e-3 / 86400}


def rain(days: int = 400, mean: float = 6.0) -> np.ndarray:
    """Daily rain in mm of a wet climate, 3 x 3 cells."""
    rng = np.random.default_rng(5)
    return np.where(rng.random((days, 3, 3)) < 0.5, rng.gamma(0.8, mean / 0.4, (days, 3, 3)), 0.0)


def opened(folder: Path, values: np.ndarray, unit: str | None, name: str = "rain") -> tuple[xr.Dataset, Quarantine]:
    axes = {
        "time": pd.date_range("2020-01-01", periods=len(values)),
        "latitude": [2.1, 2.0, 1.9],
        "longitude": [102.0, 102.1, 102.2],
    }
    attributes = {} if unit is None else {"units": unit}
    quarantine = Quarantine()
    xr.Dataset({name: (("time", "latitude", "longitude"), values, attributes)}, coords=axes).to_netcdf(folder / "g.nc")
    grid = open_grid([str(folder / "g.nc")], quarantine)
    assert grid is not None
    return grid.parts[0], quarantine


@pytest.mark.parametrize("unit", list(PER_MM))
@pytest.mark.parametrize("name", ["rain", "precipitation"])
def test_a_unit_that_is_not_stated_is_told_by_the_climate_it_makes(tmp_path: Path, unit: str, name: str) -> None:
    made = rain()
    grid, quarantine = opened(tmp_path, made * PER_MM[unit], None, name)
    np.testing.assert_allclose(grid["precipitation"].to_numpy(), made, rtol=1e-9)
    (row,) = quarantine.frame().itertuples(index=False)
    assert (row.file, row.column, row.action) == ("g.nc", name, "repaired")
    assert row.reason.startswith(
        f"rain has no unit; taken as {unit}, the only one that makes a palm climate of it (mean "
    )


def test_the_first_year_decides_whatever_comes_after_it(tmp_path: Path) -> None:
    made = rain(1400)
    made[366:] *= 1e-3
    grid, _ = opened(tmp_path, made, None)
    np.testing.assert_allclose(grid["precipitation"].to_numpy(), made, rtol=1e-9)


def test_numbers_that_no_unit_explains_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"g\.nc: rain: has no unit, and no unit makes a palm climate of its rain"):
        opened(tmp_path, rain() * 100, None)


def test_less_than_a_season_tells_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"g\.nc: rain: has no unit"):
        opened(tmp_path, rain(60), None)


@pytest.mark.parametrize(
    ("stated", "true"),
    [("mm", "m d-1"), ("mm/day", "mm s-1"), ("m", "mm d-1"), ("kg m-2 s-1", "mm d-1"), ("mm/day", "in d-1")],
)
def test_a_stated_unit_that_makes_no_climate_is_refused(tmp_path: Path, stated: str, true: str) -> None:
    with pytest.raises(SourceError, match=rf"g\.nc: rain: unit '{stated}' makes .* '{true}' would make a palm climate"):
        opened(tmp_path, rain() * PER_MM[true], stated)


@pytest.mark.parametrize("factor", [0.01, 0.1, 1.0, 3.0])
def test_dry_and_wet_climates_keep_their_stated_unit(tmp_path: Path, factor: float) -> None:
    """A desert is no palm climate, but nothing else explains its numbers."""
    made = rain() * factor
    grid, quarantine = opened(tmp_path, made, "mm/day")
    np.testing.assert_allclose(grid["precipitation"].to_numpy(), made)
    assert len(quarantine) == 0


def test_units_are_listed_as_people_write_them(tmp_path: Path) -> None:
    known = {u for variable in VARIABLES_AND_HOURLY.values() for u in variable.units}
    assert all(normalised_unit(unit_text(u)) == u for u in known)
    with pytest.raises(
        SourceError, match=r"'furlong'.*Use one of: mm, mm/day, .*kg m-2 s-1, m, m/day, m s-1, in, in/day"
    ):
        opened(tmp_path, rain(), "furlong")


def test_a_file_without_rain_names_what_it_holds(tmp_path: Path) -> None:
    axes = {"time": pd.date_range("2020-01-01", periods=9), "latitude": [2.1, 2.0], "longitude": [102.0, 102.1]}
    data = {
        n: (("time", "latitude", "longitude"), np.full((9, 2, 2), 25.0), {"units": "degC"}) for n in ("tmin", "wet")
    }
    xr.Dataset(data, coords=axes).to_netcdf(tmp_path / "g.nc")
    with pytest.raises(SourceError, match=r"no precipitation among its variables \(got tmin, wet\)"):
        open_grid([str(tmp_path / "g.nc")], Quarantine())
