"""Supplied maps and lists: what they say, what they do not show, what is refused."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from affine import Affine
from shapely.geometry import Point, box
from shapely.geometry.base import BaseGeometry

from plantation_rwa.assumptions import packaged
from plantation_rwa.config_compliance import ComplianceConfig, LayerConfig
from plantation_rwa.errors import SourceError
from plantation_rwa.run.land import layer_shares
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.compliance import known_evidence, read_evidence
from plantation_rwa.sources.land_layers import open_layers

PLOT = box(103.0005, 2.0005, 103.0105, 2.0105)
IDS = ["A", "B"]


def raster(
    path: Path, pixels: np.ndarray, *, west: float = 103.0, north: float = 2.02, size: float = 0.001, **profile: Any
) -> str:
    settings = {
        "driver": "GTiff", "count": 1, "dtype": pixels.dtype, "height": pixels.shape[0], "width": pixels.shape[1],
        "crs": "EPSG:4326", "transform": Affine(size, 0, west, 0, -size, north), **profile,
    }  # fmt: skip
    with rasterio.open(path, "w", **settings) as file:
        file.write(pixels, 1)
    return str(path)


def layer(path: str | list[str], **changes: Any) -> LayerConfig:
    paths = [path] if isinstance(path, str) else path
    return LayerConfig.model_validate({"name": "map", "class": "treecover_2020", "path": paths, **changes})


def share(config: LayerConfig, plot: BaseGeometry = PLOT) -> tuple[float, float]:
    found = layer_shares(open_layers([config], Quarantine()), {"A": plot}, packaged())["A"][0]
    return found.share, found.seen


def test_covered_parts_of_pixels_count_by_their_area(tmp_path: Path) -> None:
    """Ten by ten pixels of a plot that begins half a pixel in; its southern half says yes: 50 of 100 pixel areas."""
    pixels = np.zeros((20, 20), dtype="uint8")
    pixels[14:] = 1  # south of 2.006, of which the plot holds 5.5 of 10 rows
    found = share(layer(raster(tmp_path / "m.tif", pixels)))
    assert found == pytest.approx((0.55, 1.0), abs=1e-4)


def test_values_and_bounds_choose_the_pixels(tmp_path: Path) -> None:
    """Loss years as Hansen codes them: 0 none, 1 to 20 up to 2020, 21 and more after it."""
    pixels = np.zeros((20, 20), dtype="uint8")
    pixels[:, 2:5], pixels[:, 5:7] = 20, 23
    path = raster(tmp_path / "m.tif", pixels)
    found = [share(layer(path, **c))[0] for c in ({"lower": 1, "upper": 20}, {"lower": 21}, {"values": [20, 23]}, {})]
    assert found == pytest.approx([0.3, 0.2, 0.5, 0.5], abs=1e-4)


def test_ground_without_data_is_not_seen(tmp_path: Path) -> None:
    pixels = np.ones((20, 20), dtype="uint8")
    pixels[:, 6:] = 255
    path = raster(tmp_path / "m.tif", pixels, nodata=255)
    assert share(layer(path)) == pytest.approx((1.0, 0.55), abs=1e-4)
    beyond = shapely.affinity.translate(PLOT, 5, 0)
    assert share(layer(path), beyond) == (0.0, 0.0)


def test_tiles_in_two_systems_are_one_map(tmp_path: Path) -> None:
    west = raster(tmp_path / "w.tif", np.ones((20, 5), dtype="uint8"))
    east = raster(
        tmp_path / "e.tif", np.zeros((300, 300), dtype="uint8"),
        crs="EPSG:32648", transform=Affine(10, 0, 277000, 0, -10, 223500),
    )  # fmt: skip
    assert share(layer([west, east])) == pytest.approx((0.45, 1.0), abs=2e-3)


def test_a_point_asks_one_pixel(tmp_path: Path) -> None:
    pixels = np.zeros((20, 20), dtype="uint8")
    pixels[9, 5] = 1
    path = raster(tmp_path / "m.tif", pixels)
    assert share(layer(path), Point(103.0055, 2.0105)) == (1.0, 1.0)
    assert share(layer(path), Point(103.0065, 2.0105)) == (0.0, 1.0)
    assert share(layer(path), Point(104, 2.0105)) == (0.0, 0.0)


def vectors(path: Path, *shapes: BaseGeometry, **columns: Any) -> str:
    frame = gpd.GeoDataFrame({"n": range(len(shapes)), **columns}, geometry=list(shapes), crs="EPSG:4326")
    frame.to_file(path)
    return str(path)


def test_polygons_speak_for_their_bounds_or_what_is_declared(tmp_path: Path) -> None:
    inside = box(103.0005, 2.0005, 103.0055, 2.0105)
    far = box(103.2, 2.2, 103.21, 2.21)
    whole = vectors(tmp_path / "a.geojson", inside, far, box(103, 2, 103.0005, 2.0005))
    assert share(layer(whole)) == pytest.approx((0.5, 1.0), abs=1e-4)
    near = vectors(tmp_path / "b.geojson", inside)
    assert share(layer(near)) == pytest.approx((1.0, 0.5), abs=1e-4)
    assert share(layer(near, extent=[100.0, 0.0, 105.0, 5.0])) == pytest.approx((0.5, 1.0), abs=1e-4)
    twice = vectors(tmp_path / "c.geojson", inside, inside, far, box(103, 2, 103.0005, 2.0005))
    assert share(layer(twice)) == pytest.approx((0.5, 1.0), abs=1e-4)
    assert share(layer(whole), Point(103.001, 2.001)) == (1.0, 1.0)


def test_maps_that_are_none_are_refused_with_what_and_remedy(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("no raster")
    real = raster(tmp_path / "real.tif", np.zeros((2, 2), dtype="uint8"))
    remote = (
        '<VRTDataset rasterXSize="2" rasterYSize="2"><SRS>EPSG:4326</SRS><GeoTransform>103,0.001,0,2,0,-0.001'
        f'</GeoTransform><VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename>{real}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    (tmp_path / "other.tif").write_text(remote)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        nowhere = raster(tmp_path / "bare.tif", np.zeros((2, 2), dtype="uint8"), crs=None, transform=Affine.identity())
    upside = raster(tmp_path / "up.tif", np.zeros((2, 2), dtype="uint8"), transform=Affine(1, 0, 5, 0, 1, 5))
    paths = [str(tmp_path / "text.tif"), str(tmp_path / "other.tif"), nowhere, upside]
    with pytest.raises(SourceError) as caught:
        open_layers([layer(p) for p in [*paths, "https://example.org/m.tif"]], Quarantine())
    said = str(caught.value).splitlines()
    assert [line.split(" (got")[0].split(". ")[0] for line in said] == [
        "text.tif: is not a readable GeoTIFF",
        "other.tif: is not a readable GeoTIFF",
        "bare.tif: has no place on the ground",
        "up.tif: is not north up",
        "map: is not a local file",
    ]


# lists ---------------------------------------------------------------------------------------------------------------


def evidence(quarantine: Quarantine | None = None, **sections: Any) -> Any:
    config = ComplianceConfig.model_validate(sections)
    return read_evidence(config, IDS, Quarantine() if quarantine is None else quarantine)


def write(path: Path, text: str) -> list[str]:
    path.write_text(text)
    return [str(path)]


def test_a_whisp_result_as_whisp_writes_it(tmp_path: Path) -> None:
    head = "plotId,external_id,Ind_01_treecover,Ind_02_commodities,Ind_03_disturbance_before_2020,"
    head += "Ind_04_disturbance_after_2020,risk_pcrop,EUFO_2020\n"
    paths = write(
        tmp_path / "w.csv", head + "1,A,yes,no,no,Yes,high,12.3\n2,B,no,,no,maybe,low,0\n3,C,no,no,no,no,low,0\n"
    )
    bad = Quarantine()
    found = evidence(bad, whisp={"path": paths, "version": "v3"}).whisp
    assert list(found["plantation_id"]) == ["A", "B"]
    assert list(found["ind_04_disturbance_after_2020"]) == ["yes", ""]
    assert list(found["risk_pcrop"]) == ["high", "low"]
    assert sorted(bad.frame()["action"]) == ["nulled", "rejected"]


def test_documents_are_hashed_beside_their_list_and_nowhere_else(tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    (folder / "title.pdf").write_bytes(b"deed")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.pdf").symlink_to(tmp_path / "secret.txt")
    names = [
        "title.pdf",
        "none.pdf",
        "../secret.txt",
        str(tmp_path / "secret.txt"),
        "link.pdf",
        ".",
        "a/../../secret.txt",
    ]
    rows = "".join(f"A,doc {n},{name},{'F' * 64}\n" for n, name in enumerate(names))
    found = evidence(documents=write(folder / "list.csv", "plantation_id,document,path,sha256\n" + rows)).documents
    assert found["found"].iloc[0] == hashlib.sha256(b"deed").hexdigest()
    assert list(found["sha256"].unique()) == ["f" * 64]
    assert list(found["found"].iloc[1:].unique()) == [""]
    outside = "path leads out of the folder of the list; not opened"
    assert list(found["fault"]) == ["", "file is missing", outside, outside, outside, "file is missing", outside]


def test_what_was_known_later_is_not_seen_earlier(tmp_path: Path) -> None:
    paths = write(tmp_path / "c.csv", "country,risk,known_at\nMY,standard,\nMY,high,2026-06-01\nID,low,2026-01-01\n")
    pixels = raster(tmp_path / "m.tif", np.zeros((2, 2), dtype="uint8"))
    layers = [{"name": "m", "class": "treecover_2020", "path": [pixels], "known_at": dt.date(2026, 6, 1)}]
    whole = evidence(countries=paths, layers=layers)
    early = known_evidence(whole, pd.Timestamp("2026-05-31T23:59:59Z"))
    late = known_evidence(whole, pd.Timestamp("2026-06-30T23:59:59Z"))
    assert dict(zip(early.countries["country"], early.countries["risk"], strict=True)) == {
        "MY": "standard",
        "ID": "low",
    }
    assert dict(zip(late.countries["country"], late.countries["risk"], strict=True)) == {"MY": "high", "ID": "low"}
    assert (len(early.layers), len(late.layers)) == (0, 1)


def test_all_lists_that_cannot_be_read_are_named_at_once(tmp_path: Path) -> None:
    bad = write(tmp_path / "x.csv", "nothing\n1\n")
    with pytest.raises(SourceError) as caught:
        evidence(tenure=bad, sanctions=bad, documents=bad, countries=bad, whisp={"path": bad})
    keys = {line.split(":")[0] for line in str(caught.value).splitlines()}
    assert keys == {f"compliance.{k}" for k in ("tenure", "sanctions", "documents", "countries", "whisp")}
