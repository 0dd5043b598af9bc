"""Cells to plantations: edges of grids, the antimeridian, small plots, values no weather has."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from shapely import affinity
from shapely.geometry import MultiPolygon, Point, box

from plantation_rwa.features.climate_cells import cell_weights
from plantation_rwa.features.climate_grid import grid_to_plantations

BOUNDS = {
    "precipitation": {"lower": 0.0, "upper": 2000.0, "slack": 0.05, "unit": "mm d-1"},
    "t2m_min": {"lower": -60.0, "upper": 60.0, "slack": 0.0, "unit": "degC", "month_min": 8.0, "month_max": 45.0},
    "t2m_max": {"lower": -60.0, "upper": 60.0, "slack": 0.0, "unit": "degC", "month_min": 8.0, "month_max": 45.0},
}


def grid(first: str = "2024-01-01", **values: np.ndarray) -> xr.Dataset:
    """Cells of 0.5 degrees from 2 N 101 E on, with the attributes a file would have."""
    shape = next(iter(values.values())).shape
    times = pd.date_range(first, periods=shape[0], freq="D").to_numpy("datetime64[ns]")
    axes = {"time": times, "latitude": 2.0 - np.arange(shape[1]) * 0.5, "longitude": 101.0 + np.arange(shape[2]) * 0.5}
    files = (("a.nc", times[0], times[-1], "degc"),)
    data = {n: (("time", "latitude", "longitude"), v, BOUNDS[n] | {"files": files}) for n, v in values.items()}
    return xr.Dataset(data, coords=axes, attrs={"step": "day", "preliminary": False})


def places(*outlines: object) -> gpd.GeoDataFrame:
    ids = [f"P{n}" for n in range(len(outlines))]
    return gpd.GeoDataFrame({"plantation_id": ids}, geometry=list(outlines), crs="EPSG:4326")


def test_a_tiny_plot_takes_its_cell_and_one_on_a_border_both_by_area() -> None:
    plot = box(101.0, 1.9, 101.0004, 1.9004)  # 0.2 ha
    values = np.array([[[10.0, 20.0]]])
    got, _ = grid_to_plantations(grid(precipitation=values), places(plot, affinity.translate(plot, 0.2498)))
    assert got["precipitation"].tolist() == [10.0, pytest.approx(15.0, abs=0.01)]


def test_a_plantation_at_the_edge_counts_only_if_half_of_it_is_covered() -> None:
    values = np.array([[[10.0, 20.0]]])
    inside = box(100.65, 1.9, 100.95, 2.0)  # two thirds east of the edge at 100.75
    outside = box(100.55, 1.9, 100.85, 2.0)  # a third
    got, _ = grid_to_plantations(grid(precipitation=values), places(inside, outside))
    assert got["plantation_id"].tolist() == ["P0"]
    assert got["precipitation"].tolist() == [10.0]


@pytest.mark.parametrize("east", [179.25, 179.75])
def test_a_plantation_across_the_antimeridian_has_both_its_halves(east: float) -> None:
    latitude, longitude = np.array([-17.0, -17.5]), east + np.arange(4) * 0.5
    split = MultiPolygon([box(179.9, -17.1, 180.0, -17.0), box(-180.0, -17.1, -179.8, -17.0)])
    whole = box(179.9, -17.1, 180.2, -17.0)
    first, second = cell_weights(latitude, longitude, np.array([split, whole], dtype=object))
    assert first.cells.tolist() == second.cells.tolist()
    np.testing.assert_allclose(first.weights, second.weights, rtol=1e-6)
    assert first.weights.sum() == pytest.approx(0.3 * 0.1 / 0.25)
    (point,) = cell_weights(latitude, longitude, np.array([Point(-179.9, -17.0)], dtype=object))
    assert longitude[point.cells[0]] - 0.25 <= 180.1 < longitude[point.cells[0]] + 0.25


def test_a_global_grid_joins_at_its_seam() -> None:
    longitude = np.arange(-180.0, 180.0, 0.5)  # the first cell reaches from -180.25 to -179.75
    outline = box(179.6, 0.9, 179.9, 1.1)
    (found,) = cell_weights(np.array([1.5, 1.0]), longitude, np.array([outline], dtype=object))
    assert sorted(longitude[found.cells % 720].tolist()) == [-180.0, 179.5]
    assert found.weights.sum() == pytest.approx(0.3 * 0.2 / 0.25)


def test_impossible_values_are_missing_and_told_once_a_month_where_plantations_lie() -> None:
    values = np.full((40, 2, 2), 5.0)
    values[3, 0, 0], values[5, 0, 0], values[35, 0, 0] = -4.0, 9000.0, 3000.0
    values[6, 0, 0] = -0.01  # packing noise: nothing to tell
    values[7, 1, 1] = -50.0  # no plantation there
    got, told = grid_to_plantations(grid(precipitation=values), places(box(100.9, 1.9, 101.1, 2.1)))
    rain = got.set_index("date")["precipitation"]
    assert len(rain) == 37
    assert rain["2024-01-07"] == 0.0
    assert [(i.file, i.variable, i.month, i.count, i.value) for i in told] == [
        ("a.nc", "precipitation", "2024-01", 2, -4.0),
        ("a.nc", "precipitation", "2024-02", 1, 3000.0),
    ]
    assert told[0].first == "2024-01-04T00:00 at 2 N 101 E"
    assert told[0].reason == "is outside 0 to 2000 mm d-1"


@pytest.mark.parametrize("fill", [-999.0, -9999.0, 1e20, 9.96921e36])
def test_an_undeclared_fill_is_missing_and_told_in_its_first_month_only(fill: float) -> None:
    values = np.full((70, 1, 2), 5.0)
    values[[2, 4, 50], 0, 0] = fill
    got, told = grid_to_plantations(grid(precipitation=values), places(Point(101.0, 2.0)))
    assert len(got) == 67
    assert [(i.month, i.count, i.reason) for i in told] == [
        ("2024-01", 2, "is a fill value that the file does not declare")
    ]


def test_a_minimum_above_the_maximum_takes_both_away_and_is_told() -> None:
    low, high, rain = np.full((3, 1, 2), 23.0), np.full((3, 1, 2), 31.0), np.full((3, 1, 2), 1.0)
    low[1, 0, 0] = 40.0
    got, told = grid_to_plantations(grid(t2m_min=low, t2m_max=high, precipitation=rain), places(Point(101.0, 2.0)))
    assert got["t2m_min"].isna().tolist() == got["t2m_max"].isna().tolist() == [False, True, False]
    assert got["precipitation"].notna().all()
    assert [(i.variable, i.reason) for i in told] == [("t2m_min", "exceeds the maximum of the day; both left out")]


@pytest.mark.parametrize(("unit", "shift", "scale"), [("Kelvin", 273.15, 1.0), ("Fahrenheit", 32.0, 1.8)])
def test_temperatures_in_another_unit_than_declared_are_converted_and_told(
    unit: str, shift: float, scale: float
) -> None:
    low, high = np.full((40, 1, 2), 23.0), np.full((40, 1, 2), 31.0)
    high[5, 0, 0] = 99.9 / scale  # one odd value says nothing about the unit
    given = {"t2m_min": low, "t2m_max": high * scale + shift}
    got, told = grid_to_plantations(grid(precipitation=low * 0.0, **given), places(Point(101.0, 2.0)))
    assert got["t2m_min"].to_numpy() == pytest.approx(23.0)
    assert got["t2m_max"].drop(5).to_numpy() == pytest.approx(31.0)
    said = [(i.variable, i.month, i.reason) for i in told if i.reason.endswith("converted")]
    assert said == [("t2m_max", "2024-01", f"is in {unit}, not degC: converted")]
