"""The 68 real dates over Slovenia: monthly composites and clear counts, pixel by pixel, against numpy alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray

from plantation_rwa.features.imagery import monthly_composite
from plantation_rwa.sources.base import Asset, Scene
from plantation_rwa.sources.scenes import RasterReader

SERIES = Path(__file__).parents[2] / "data" / "sample" / "real" / "sentinel2" / "slovenia"
_ARRAYS = np.load(SERIES / "series.npz")
NDVI: NDArray[np.float64] = _ARRAYS["ndvi"].astype(float)
CLOUD: NDArray[np.bool_] = _ARRAYS["cloud"] == 1
TIMES = [pd.Timestamp(t, tz="UTC") for t in json.loads((SERIES / "timestamps.json").read_text("utf-8"))]
MONTHS = np.array([t.strftime("%Y-%m") for t in TIMES])
#: near infrared plus red, so that their difference in whole digital numbers is the NDVI to 5e-5
TOTAL = 20_000
NIR = np.round(TOTAL / 2 * (1 + NDVI)).astype("uint16")


def write(folder: Path, n: int, pixel: float) -> Scene:
    """Date n as a scene: red and near infrared with that NDVI, class 9 where the mask says cloud, else 4."""
    profile: dict[str, Any] = {"driver": "GTiff", "width": 100, "height": 101, "count": 1, "crs": "EPSG:32633"}
    transform = Affine(pixel, 0, 465_180, 0, -pixel, 5_080_250)
    bands = {"B04": TOTAL - NIR[n], "B08": NIR[n], "SCL": np.where(CLOUD[n], 9, 4).astype("uint8")}
    assets = {}
    for name, pixels in bands.items():
        path = folder / f"{n:02d}_{name}.tif"
        with rasterio.open(path, "w", dtype=pixels.dtype, transform=transform, **profile) as out:
            out.write(pixels, 1)
        assets[name] = Asset(str(path))
    return Scene(
        id=f"S2_{n:02d}",
        collection="sentinel-2-l2a",
        platform="sentinel-2a",
        datatake=f"S2A_{TIMES[n]:%Y%m%dT%H%M%S}_{n}",
        tile="33TVM",
        baseline=2.04,
        acquired=TIMES[n],
        created=None,
        known_at=TIMES[n],
        cloud_cover=None,
        footprint=None,
        assets=assets,
    )


def grown(cloud: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cloud less specks, grown by 60 m of 10 m pixels, by shifting arrays: the rule of the contract once more."""

    def shifted(mask: NDArray[np.bool_], offsets: list[tuple[int, int]], outside: bool) -> list[NDArray[np.bool_]]:
        reach = max(max(abs(r), abs(c)) for r, c in offsets)
        wide = np.pad(mask, reach, constant_values=outside)
        height, width = mask.shape
        return [wide[reach + r : reach + r + height, reach + c : reach + c + width] for r, c in offsets]

    cross = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    disk = [(r, c) for r in range(-6, 7) for c in range(-6, 7) if r * r + c * c <= 36]
    padded = np.pad(cloud, 2, mode="edge")
    left = np.logical_and.reduce(shifted(padded, cross, False))
    opened = np.logical_or.reduce(shifted(left, cross, False))[2:-2, 2:-2]
    return np.asarray(np.logical_or.reduce(shifted(opened, disk, False)) | cloud)


@pytest.mark.parametrize(("pixel", "mask"), [(100.0, CLOUD), (10.0, np.stack([grown(c) for c in CLOUD]))])
def test_monthly_composites_and_clear_counts(pixel: float, mask: NDArray[np.bool_], tmp_path: Path) -> None:
    """At 100 m nothing grows; at 10 m clouds grow by six pixels."""
    scenes = [write(tmp_path, n, pixel) for n in range(len(TIMES))]
    reader = RasterReader()
    grid = reader.grid(scenes[0].assets["B04"])
    whole = (2.0 * NIR - TOTAL) / TOTAL
    clear = np.where(mask, np.nan, whole)
    difference, counts, seen = 0.0, 0, 0
    for month in sorted(set(MONTHS)):
        of_month = np.flatnonzero(month == MONTHS)
        made = monthly_composite([scenes[n] for n in of_month], reader, grid, ("ndvi",)).compute(
            scheduler="synchronous"
        )
        count = (~mask[of_month]).sum(axis=0)
        expected = np.full(count.shape, np.nan)
        some = count > 0
        expected[some] = np.nanmedian(clear[of_month][:, some], axis=0)
        assert (np.isnan(made["ndvi"].to_numpy()) == ~some).all(), month
        difference = max(difference, float(np.nanmax(np.abs(made["ndvi"].to_numpy() - expected), initial=0.0)))
        counts += int((made["n_clear"].to_numpy() != count).sum())
        seen += int(some.sum())
    print(
        f"{len(set(MONTHS))} months of {pixel:g} m: largest NDVI difference {difference:.1e},"
        f" {counts} clear counts differ, {seen} composite pixels; digital numbers hold the series' NDVI to"
        f" {np.abs(whole - NDVI).max():.1e}"
    )
    assert len(TIMES) == 68
    assert seen > 100_000
    assert difference <= 1e-7
    assert counts == 0
    assert np.abs(whole - NDVI).max() <= 5.1e-5


def test_clouds_matter() -> None:
    """Without the mask the same series gives other composites: the comparison above can fail."""
    assert 0.39 < CLOUD.mean() < 0.40
    masked = np.where(CLOUD, np.nan, NDVI)
    assert np.abs(np.median(NDVI, axis=0) - np.nanmedian(masked, axis=0)).min() > 0.02
