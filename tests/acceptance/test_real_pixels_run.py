"""Real pixels through the command line: NDVI against a computation of one's own, null where bands are missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
import yaml
from pyproj import Geod, Transformer
from shapely.geometry import shape

from plantation_rwa.cli import run_command

REAL = Path(__file__).parents[2] / "data" / "sample" / "real" / "sentinel2"
POLYGONS = {
    f["properties"]["plantation_id"]: shape(f["geometry"])
    for f in json.loads((REAL / "polygons.geojson").read_text("utf-8"))["features"]
}
#: folder of the pixels and month of the only scene, by what the plantation's id holds
SCENES = {"TYROL": ("southtyrol", "2022-06"), "29RKH": ("29RKH", "2020-02")}
#: indices whose bands the two scenes lack
MISSING = {"TYROL": {"ndmi", "ndmi_mean", "ndre", "cire", "nbr"}, "29RKH": {"cire"}}
INDICES = {"ndvi", "evi", "ndmi", "ndre", "cire", "nirv", "kndvi", "nbr", "ndvi_mean", "ndmi_mean", "ndvi_p10"}
#: published indices are rounded to 7 decimals
TOLERANCE = 1e-6


def place(plantation: str) -> str:
    return plantation.split("-")[1]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The features stage over both scenes, with no market file, climate, sensors or harvests at all."""
    folder = tmp_path_factory.mktemp("real")
    config = {
        "as_of": "2022-07-31",
        "portfolio": {"name": "real pixels", "register": str(REAL / "polygons.geojson")},
        "imagery": {"source": str(REAL / "items.json")},
        "market": {},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config).replace("'", ""), "utf-8")
    assert run_command(["run", str(folder / "config.yaml"), "--stage", "features", "--out", str(folder / "out")]) == 0
    return folder / "out"


def row_of(out: Path, plantation: str) -> dict[str, Any]:
    """The published row as pyarrow reads it: null is None, and NaN would be NaN."""
    month = SCENES[place(plantation)][1]
    (path,) = (out / "features" / f"month={month}").rglob("*.parquet")
    rows = pq.ParquetFile(path).read().to_pylist()
    return next(r for r in rows if r["plantation_id"] == plantation)


def band(folder: str, name: str) -> tuple[np.ndarray[Any, np.dtype[np.float64]], Any, Any, float]:
    with rasterio.open(REAL / folder / f"{name}.tif") as source:
        return source.read(1).astype(float), source.transform, source.crs, source.res[0]


def independent(polygon: Any, folder: str, first: str, second: str) -> dict[str, float]:
    """Coverage-weighted mean of (second - first) / (second + first): rasterio for pixels, shapely for every weight."""
    low, transform, crs, size = band(folder, first)
    high, *_ = band(folder, second)
    scl, _, _, scl_size = band(folder, "SCL")
    step = round(scl_size / size)
    scl = scl.repeat(step, 0).repeat(step, 1)
    assert not np.isin(scl, (3, 8, 9, 10)).any()  # nothing that the mask would grow
    to_map = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    flat = shapely.transform(polygon, lambda xy: np.column_stack(to_map.transform(xy[:, 0], xy[:, 1])))
    area, length = Geod(ellps="WGS84").geometry_area_perimeter(polygon)
    flat = flat.buffer(-min(20.0, 0.15 * 2 * abs(area) / length))
    xmin, ymin, xmax, ymax = flat.bounds
    columns = np.arange(int((xmin - transform.c) // size), int((xmax - transform.c) // size) + 1)
    rows = np.arange(int((transform.f - ymax) // size), int((transform.f - ymin) // size) + 1)
    c, r = (a.ravel() for a in np.meshgrid(columns, rows))
    left, top = transform.c + c * size, transform.f - r * size
    weight = shapely.area(shapely.intersection(shapely.box(left, top - size, left + size, top), flat)) / size**2
    a, b = low[r, c], high[r, c]
    good = np.isin(scl[r, c], (4, 5)) & (a > 0) & (b > 0) & (weight > 0)
    index = (b[good] - a[good]) / (b[good] + a[good])
    return {
        "mean": float((weight[good] * index).sum() / weight[good].sum()),
        "valid": float(weight[good].sum() / weight.sum()),
        "pixels": float(weight.sum()),
    }


@pytest.mark.parametrize("plantation", POLYGONS)
def test_published_ndvi_is_that_of_an_independent_computation(
    out: Path, plantation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = SCENES[place(plantation)][0]
    row, own = row_of(out, plantation), independent(POLYGONS[plantation], folder, "B04", "B08")
    with capsys.disabled():
        print(f"\n  {plantation}: ndvi_mean {row['ndvi_mean']:.7f}, own {own['mean']:.9f}, {own['pixels']:.1f} pixels")
    assert row["ndvi_mean"] == pytest.approx(own["mean"], abs=TOLERANCE)
    assert row["valid_fraction"] == pytest.approx(own["valid"], abs=TOLERANCE)
    assert own["pixels"] > 100
    assert (row["scenes"], row["n_clear"]) == (1, pytest.approx(own["valid"], abs=TOLERANCE))


@pytest.mark.parametrize("plantation", POLYGONS)
def test_an_index_without_its_band_is_null_and_the_others_are_there(out: Path, plantation: str) -> None:
    row = row_of(out, plantation)
    assert {name for name in INDICES if row[name] is None} == MISSING[place(plantation)]
    present = [row[name] for name in INDICES if row[name] is not None]
    assert all(np.isfinite(v) for v in present)
    assert all(abs(v) > 1e-9 for v in present)
    assert set(row["quality_flag"].split(";")) >= {"no_climate", "no_sensors"}


def test_months_without_a_scene_are_null_and_say_so(out: Path) -> None:
    """A row stands for every plantation and month from the first scene on; it holds no number that was not seen."""
    rows = [r for p in sorted((out / "features").rglob("*.parquet")) for r in pq.ParquetFile(p).read().to_pylist()]
    months = len(list((out / "features").glob("month=*")))
    assert (months, len(rows)) == (30, 30 * len(POLYGONS))
    without = [r for r in rows if "no_imagery" in r["quality_flag"].split(";")]
    assert len(without) == len(rows) - len(POLYGONS)
    assert {r[name] for r in without for name in INDICES} == {None}


def test_ndmi_where_its_bands_are_there(out: Path) -> None:
    """The desert crop holds B8A and B11 on a grid twice as coarse; each lies exactly on 2 x 2 fine pixels."""
    plantations = [p for p in POLYGONS if place(p) == "29RKH"]
    assert plantations
    for plantation in plantations:
        own = independent_coarse(POLYGONS[plantation])
        assert row_of(out, plantation)["ndmi_mean"] == pytest.approx(own, abs=TOLERANCE)


def independent_coarse(polygon: Any) -> float:
    """NDMI straight from the 20 m bands: cell weights are the same areas, whatever the fine grid is."""
    dry, transform, crs, size = band("29RKH", "B11")
    infrared, *_ = band("29RKH", "B8A")
    scl, *_ = band("29RKH", "SCL")
    to_map = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    flat = shapely.transform(polygon, lambda xy: np.column_stack(to_map.transform(xy[:, 0], xy[:, 1])))
    area, length = Geod(ellps="WGS84").geometry_area_perimeter(polygon)
    flat = flat.buffer(-min(20.0, 0.15 * 2 * abs(area) / length))
    r, c = (a.ravel() for a in np.indices(dry.shape))
    left, top = transform.c + c * size, transform.f - r * size
    weight = shapely.area(shapely.intersection(shapely.box(left, top - size, left + size, top), flat))
    a, b = dry[r, c], infrared[r, c]
    good = np.isin(scl[r, c], (4, 5)) & (a > 0) & (b > 0) & (weight > 0)
    return float((weight[good] * (b[good] - a[good]) / (b[good] + a[good])).sum() / weight[good].sum())


def test_an_empty_market_is_enough_for_features_but_the_section_is_required(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"as_of: 2022-07-31\nportfolio: {{register: {REAL / 'polygons.geojson'}}}\n", "utf-8")
    assert run_command(["run", str(config), "--stage", "features", "--out", str(tmp_path / "out")]) == 2
    assert "config.yaml: market: is required and missing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    config.write_text(config.read_text("utf-8") + "market: {}\n", "utf-8")
    assert run_command(["run", str(config), "--stage", "features", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "manifests" / "as_of=2022-07-31.json").exists()
