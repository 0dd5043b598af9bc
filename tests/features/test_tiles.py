"""Ground shared between tiles, zones and files: each piece once, checked with rasters that the tests write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from plantation_rwa.features.imagery import Checks, plantation_month
from plantation_rwa.grid import area_ha, reproject
from plantation_rwa.sources.base import Asset, Scene
from plantation_rwa.sources.scenes import RasterReader
from tests.features.scene_factory import RULES

#: digital numbers of red that make NDVI with a near infrared of 3000: 0.5, 0.8, 0.6
HALF, HIGH, MIDDLE = 1000, 333.33333, 750
NIR = 3000


def raster(
    path: Path, value: Any, *, crs: str, west: float, north: float, rows: int = 40, cols: int = 40, pixel: float = 10.0,
    **profile: Any,
) -> Asset:  # fmt: skip
    transform = profile.pop("transform", Affine(pixel, 0, west, 0, -pixel, north))
    dtype = profile.pop("dtype", "uint16")
    options: dict[str, Any] = {"driver": "GTiff", **profile}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", height=rows, width=cols, count=1, dtype=dtype, crs=crs, transform=transform, **options
    ) as out:
        out.write(np.broadcast_to(np.asarray(value), (rows, cols)).astype(dtype), 1)
    return Asset(str(path))


def scene(
    folder: Path, name: str, red: Any, *, tile: str, datatake: str = "D", day: str = "2024-03-05",
    bands: dict[str, Any] | None = None, **place: Any,
) -> Scene:  # fmt: skip
    """A scene of red, near infrared and class 4; ``bands`` replaces an asset (None removes it)."""
    assets: dict[str, Any] = {
        "B04": raster(folder / name / "B04.tif", red, **place),
        "B08": raster(folder / name / "B08.tif", NIR, **place),
        "SCL": raster(folder / name / "SCL.tif", 4, **{**place, "dtype": "uint8"}),
    }
    assets = {k: v for k, v in {**assets, **(bands or {})}.items() if v is not None}
    acquired = pd.Timestamp(f"{day}T03:10:00", tz="UTC")
    return Scene(
        id=name,
        collection="sentinel-2-l2a",
        platform="sentinel-2a",
        datatake=datatake,
        tile=tile,
        baseline=3.01,
        acquired=acquired,
        created=None,
        known_at=acquired,
        cloud_cover=None,
        footprint=None,
        assets=assets,
    )


def month(outline: BaseGeometry, scenes: list[Scene]) -> dict[str, Any]:
    return plantation_month(outline, "2024-03", scenes, RasterReader(), checks=Checks(RULES), edge_buffer=0.0)


def on_map(crs: str, west: float, south: float, east: float, north: float) -> BaseGeometry:
    return reproject(box(west, south, east, north), crs, "EPSG:4326")


NORTH, SOUTH = "EPSG:32648", "EPSG:32748"


def test_an_estate_on_the_equator_has_two_false_northings(tmp_path: Path) -> None:
    """300 x 400 m, a quarter south of the equator: northings 0..300 of EPSG:32648 and 9,999,900.. of EPSG:32748.

    NDVI 0.5 north and 0.8 south: mean (3 x 0.5 + 0.8) / 4 = 0.575.
    """
    outline = on_map(NORTH, 500_000, -100, 500_300, 300)
    upper = scene(tmp_path, "n", HALF, tile="48NXA", crs=NORTH, west=499_900, north=400)
    lower = scene(tmp_path, "s", np.round(HIGH), tile="48MXV", crs=SOUTH, west=499_900, north=10_000_000)
    row = month(outline, [upper, lower])
    south = (NIR - 333) / (NIR + 333)
    assert row["ndvi_mean"] == pytest.approx((3 * 0.5 + south) / 4, abs=1e-4)
    assert row["ndvi"] == pytest.approx(0.5)
    assert (row["scenes"], row["n_clear"]) == (1, pytest.approx(1.0, abs=1e-4))
    assert row["valid_fraction"] == pytest.approx(1.0, abs=1e-4)
    # one tile alone sees its own part
    assert month(outline, [upper])["valid_fraction"] == pytest.approx(0.75, abs=1e-3)
    assert month(outline, [lower])["valid_fraction"] == pytest.approx(0.25, abs=1e-3)
    assert month(outline, [lower])["ndvi"] == pytest.approx(south, abs=1e-7)


def test_overlap_of_both_hemispheres_belongs_to_one(tmp_path: Path) -> None:
    """The southern tile reaches 100 m over the equator, as real tiles do: the ground there counts once."""
    outline = on_map(NORTH, 500_000, -100, 500_300, 300)
    upper = scene(tmp_path, "n", HALF, tile="48NXA", crs=NORTH, west=499_900, north=400)
    lower = scene(tmp_path, "s", MIDDLE, tile="48MXV", crs=SOUTH, west=499_900, north=10_000_100)
    for given in ([upper, lower], [lower, upper]):
        row = month(outline, given)
        assert row["ndvi_mean"] == pytest.approx((3 * 0.5 + 0.6) / 4, abs=1e-4)
        assert row["n_clear"] == pytest.approx(1.0, abs=1e-4)
        assert row["scenes"] == 1


def test_two_zones_meet_inside_an_estate(tmp_path: Path) -> None:
    """At 108 E zones 48 and 49 meet; grids are turned against each other and the share of ground decides.

    Zone 48's raster ends 200 m east of the west edge of an estate 400 m wide: half and half, (0.5 + 0.6) / 2.
    """
    outline = on_map("EPSG:32748", 833_800, 9_889_600, 834_200, 9_890_000)
    west = scene(tmp_path, "w", HALF, tile="48MZE", crs="EPSG:32748", west=833_600, north=9_890_200, rows=80, cols=40)
    there = reproject(box(833_600, 9_889_400, 834_400, 9_890_200), "EPSG:32748", "EPSG:32749").bounds
    east = scene(
        tmp_path, "e", MIDDLE, tile="49MAV", crs="EPSG:32749", west=round(there[0], -1) - 10,
        north=round(there[3], -1) + 10, rows=90, cols=90,
    )  # fmt: skip
    row = month(outline, [west, east])
    # the eastern tile covers all of the estate and goes first; the western one has nothing left
    assert row["ndvi_mean"] == pytest.approx(0.6, abs=1e-7)
    assert (row["n_clear"], row["scenes"]) == (pytest.approx(1.0, abs=1e-4), 1)
    half = reproject(box(834_000, 9_889_400, 834_400, 9_890_200), "EPSG:32748", "EPSG:32749").bounds
    east = scene(
        tmp_path, "f", MIDDLE, tile="49MAV", crs="EPSG:32749", west=round(half[0], -1), north=round(half[3], -1) + 10,
        rows=90, cols=60,
    )  # fmt: skip
    row = month(outline, [west, east])
    assert row["ndvi_mean"] == pytest.approx(0.55, abs=0.005)
    assert row["valid_fraction"] == pytest.approx(1.0, abs=0.02)
    assert row["n_clear"] == pytest.approx(1.0, abs=0.02)


def test_areas_are_geodesic() -> None:
    """A square kilometre of UTM ground: 100 ha / k0^2 on the central meridian, less at the zone's edge."""
    middle = area_ha(on_map(SOUTH, 499_500, 9_900_000, 500_500, 9_901_000))
    assert middle == pytest.approx(100 / 0.9996**2, abs=1e-3)
    assert area_ha(on_map(SOUTH, 833_500, 9_900_000, 834_500, 9_901_000)) == pytest.approx(99.81, abs=0.05)


PLACE: dict[str, Any] = {"crs": SOUTH, "west": 300_000, "north": 9_800_000}
OUTLINE = on_map(SOUTH, 300_050, 9_799_650, 300_350, 9_799_950)


@pytest.mark.parametrize("overlap", [True, False])
def test_split_datastrips_are_a_union(overlap: bool, tmp_path: Path) -> None:
    """Two items of one tile and datatake, each with data in a half: no pixel twice, none missing, no mean of both."""
    upper, lower = np.full((40, 40), HALF), np.full((40, 40), HALF)
    upper[20:], lower[: 15 if overlap else 20] = 0, 0
    one, two = (
        scene(
            tmp_path,
            name,
            red,
            tile="48MXX",
            bands={"SCL": raster(tmp_path / f"{name}.tif", np.where(red, 4, 0), dtype="uint8", **PLACE)},
            **PLACE,
        )
        for name, red in (("u", upper), ("l", lower))
    )
    row = month(OUTLINE, [one, two])
    assert (row["ndvi"], row["scenes"]) == (pytest.approx(0.5), 1)
    assert (row["valid_fraction"], row["n_clear"]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert month(OUTLINE, [one])["valid_fraction"] == pytest.approx(0.5, abs=1e-3)


FORMATS: dict[str, dict[str, Any]] = {
    "plain, untiled": {},
    "tiled without overviews": {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"},
    "big-endian": {"ENDIANNESS": "BIG"},
    "strips, no compression, striped interleave": {"blockysize": 1, "tiled": False},
    "JPEG 2000, lossless": {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"},
    "nodata tag 65535": {"nodata": 65535},
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_give_the_same_pixels(name: str, tmp_path: Path) -> None:
    red = np.arange(1600).reshape(40, 40) + 400
    plain = month(OUTLINE, [scene(tmp_path, "p", red, tile="48MXX", **PLACE)])
    suffix = "jp2" if "JPEG" in name else "tif"
    other = {
        "B04": raster(tmp_path / f"o4.{suffix}", red, **PLACE, **FORMATS[name]),
        "B08": raster(tmp_path / f"o8.{suffix}", NIR, **PLACE, **FORMATS[name]),
    }
    row = month(OUTLINE, [scene(tmp_path, "q", red, tile="48MXX", bands=other, **PLACE)])
    values = ("ndvi", "ndvi_mean", "ndvi_p10", "ndvi_p90", "valid_fraction", "n_clear")
    assert {k: row[k] for k in values} == {k: plain[k] for k in values}
    assert plain["ndvi_p90"] > plain["ndvi"] > plain["ndvi_p10"]


def test_the_files_nodata_tag_counts_beside_the_items(tmp_path: Path) -> None:
    """The item says 0 (or nothing), the file 65535: half of the pixels hold 65535 and are no reflectance of 6.5."""
    red = np.full((40, 40), HALF)
    red[:20] = 65535
    tagged = raster(tmp_path / "t.tif", red, nodata=65535, **PLACE)
    row = month(OUTLINE, [scene(tmp_path, "t", HALF, tile="48MXX", bands={"B04": tagged}, **PLACE)])
    assert row["ndvi_mean"] == pytest.approx(0.5)
    assert row["valid_fraction"] == pytest.approx(0.5, abs=1e-3)
    impossible = Asset(tagged.href, 1, -9999.0)
    row = month(OUTLINE, [scene(tmp_path, "i", HALF, tile="48MXX", bands={"B04": impossible}, **PLACE)])
    (problem,) = row["problems"]
    assert problem == ("i", "B04", "t.tif: declares 65535 as no data, its item -9999, which uint16 cannot hold")


def test_bands_on_shifted_grids_go_by_their_own_georeference(tmp_path: Path) -> None:
    """Near infrared starts 100 m further west and north: the same ground, ten pixels further on in its array."""
    nir = np.full((60, 60), NIR)
    nir[10:50, 10:50] = np.arange(1600).reshape(40, 40) + 2000
    far = raster(
        tmp_path / "far.tif", nir, rows=60, cols=60, crs=SOUTH, west=PLACE["west"] - 100, north=PLACE["north"] + 100
    )
    same = raster(tmp_path / "same.tif", nir[10:50, 10:50], **PLACE)
    rows = [
        month(OUTLINE, [scene(tmp_path, n, HALF, tile="48MXX", bands={"B08": b}, **PLACE)])
        for n, b in (("a", far), ("b", same))
    ]
    for name in ("ndvi", "ndvi_mean", "ndvi_p10", "ndvi_p90", "valid_fraction", "n_clear"):
        assert rows[0][name] == rows[1][name], name


TURNED = {
    "south-up": Affine(10, 0, 300_000, 0, 10, 9_799_600),
    "rotated": Affine(10, 1, 300_000, 1, -10, 9_800_000),
    "no square pixels": Affine(10, 0, 300_000, 0, -20, 9_800_000),
}


@pytest.mark.parametrize("name", TURNED)
def test_a_turned_raster_loses_its_scene_only(name: str, tmp_path: Path) -> None:
    good = scene(tmp_path, "good", HALF, tile="48MXX", **PLACE)
    turned = raster(tmp_path / "turned.tif", HALF, transform=TURNED[name], **PLACE)
    bad = scene(tmp_path, "bad", MIDDLE, tile="48MXX", datatake="E", day="2024-03-15", bands={"B08": turned}, **PLACE)
    row = month(OUTLINE, [good, bad])
    assert (row["ndvi"], row["scenes"], row["flags"]) == (pytest.approx(0.5), 1, ["scene_unreadable"])
    ((lost, band, message),) = row["problems"]
    assert (lost, band) == ("bad", "B08")
    assert message.startswith("turned.tif: raster is not north-up with square pixels ((10.0, ")
