"""Reading pixels: grids, windows, broken files, access rules."""

from __future__ import annotations

import json
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from plantation_rwa.errors import ReadError
from plantation_rwa.grid import GridSpec, Window
from plantation_rwa.sources.base import Asset
from plantation_rwa.sources.network import Patience
from plantation_rwa.sources.scenes import RasterReader

_TRANSFORM = Affine(10, 0, 300000, 0, -10, 200000)


def _raster(path: Path, *, transform: Affine = _TRANSFORM, crs: str | None = "EPSG:32748", bands: int = 1) -> Asset:
    pixels = np.arange(bands * 300 * 200, dtype="uint16").reshape(bands, 300, 200)
    profile: dict[str, Any] = {"driver": "GTiff", "height": 300, "width": 200, "count": bands, "dtype": "uint16"}
    with rasterio.open(
        path, "w", crs=crs, transform=transform, compress="zstd", tiled=True, blockxsize=64, blockysize=64, **profile
    ) as out:
        out.write(pixels)
    return Asset(str(path))


def test_grid_comes_from_the_file(tmp_path: Path) -> None:
    assert RasterReader().grid(_raster(tmp_path / "a.tif")) == GridSpec("EPSG:32748", _TRANSFORM, 300, 200)


def test_window(tmp_path: Path) -> None:
    asset = _raster(tmp_path / "a.tif", bands=2)
    found = RasterReader().read(Asset(asset.href, band=2), Window(100, 50, 3, 4))
    assert found.dtype == np.uint16
    assert found.tolist() == [[(60000 + (100 + r) * 200 + 50 + c) % 65536 for c in range(4)] for r in range(3)]


def test_saturated_pixels_are_no_data(tmp_path: Path) -> None:
    """65535 would be a reflectance of 6.55; where it is the nodata of the asset it stays what it is."""
    asset = _raster(tmp_path / "a.tif", bands=2)
    window = Window(27, 134, 1, 3)  # band 2 counts on from 60000: 65534, 65535, then 0
    assert RasterReader().read(Asset(asset.href, band=2, nodata=7.0), window).tolist() == [[65534, 7, 0]]
    assert RasterReader().read(Asset(asset.href, band=2, nodata=65535.0), window).tolist() == [[65534, 65535, 0]]


def test_object_stores_are_opened_by_gdal() -> None:
    reader = RasterReader()
    assert reader._path("s3://eodata/a/B04.jp2") == "/vsis3/eodata/a/B04.jp2"
    assert reader._path("gs://bucket/B04.tif") == "/vsigs/bucket/B04.tif"
    assert reader._path("/data/B04.tif") == "/data/B04.tif"


def test_many_files_keep_few_handles(tmp_path: Path) -> None:
    assets = [_raster(tmp_path / f"{n}.tif") for n in range(40)]
    reader = RasterReader()
    for _ in range(2):
        assert [int(reader.read(a, Window(0, 5, 1, 1))[0, 0]) for a in assets] == [5] * 40


def test_threads_share_a_reader(tmp_path: Path) -> None:
    asset, reader = _raster(tmp_path / "a.tif"), RasterReader()
    windows = [Window(r, 0, 1, 1) for r in range(200)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda w: int(reader.read(asset, w)[0, 0]), windows))
    assert found == [r * 200 for r in range(200)]


def test_pickled_reader_reads(tmp_path: Path) -> None:
    asset, reader = _raster(tmp_path / "a.tif"), RasterReader()
    reader.read(asset, Window(0, 0, 1, 1))
    again = pickle.loads(pickle.dumps(reader))
    assert int(again.read(asset, Window(1, 0, 1, 1))[0, 0]) == 200


def test_missing_file_is_named_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"^gone.tif: cannot be read: ") as caught:
        RasterReader().grid(Asset(str(tmp_path / "gone.tif")))
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("keep", [200, 3000])
def test_cut_file(tmp_path: Path, keep: int) -> None:
    """A file cut in its header or in its pixels is a ReadError, whichever call meets it."""
    asset, reader = _raster(tmp_path / "a.tif"), RasterReader()
    path = Path(asset.href)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ReadError, match=r"a.tif: cannot be read: "):
        reader.read(asset, Window(0, 0, reader.grid(asset).height, 200))


def test_scrambled_blocks(tmp_path: Path) -> None:
    asset, reader = _raster(tmp_path / "a.tif"), RasterReader()
    path = Path(asset.href)
    content = bytearray(path.read_bytes())
    content[2000:] = b"\x5a" * (len(content) - 2000)
    path.write_bytes(bytes(content))
    with pytest.raises(ReadError, match=r"a.tif: cannot be read: "):
        reader.read(asset, Window(0, 0, 300, 200))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crs": None}, "raster has no CRS"),
        ({"transform": Affine(10, 1, 300000, 1, -10, 200000)}, "not north-up with square pixels"),
        ({"transform": Affine(10, 0, 300000, 0, -20, 200000)}, "not north-up with square pixels"),
    ],
)
def test_grids_that_are_not_supported(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ReadError, match=rf"a.tif: .*{message}"):
        RasterReader().grid(_raster(tmp_path / "a.tif", **options))


@pytest.mark.parametrize(("crs", "size", "metres"), [("EPSG:32748", 0.5, "0.5"), ("EPSG:4326", 5e-6, "0.557")])
def test_pixels_too_small_for_the_satellite_are_refused(tmp_path: Path, crs: str, size: float, metres: str) -> None:
    asset = _raster(tmp_path / "a.tif", crs=crs, transform=Affine(size, 0, 100, 0, -size, 2))
    with pytest.raises(ReadError, match=f"a.tif: its pixels are {metres} m wide, less than 1 m"):
        RasterReader().grid(asset)


def test_band_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"a.tif: has 1 bands, band 3 was asked for"):
        RasterReader().grid(Asset(_raster(tmp_path / "a.tif").href, band=3))


def test_unreachable_url_is_a_read_error() -> None:
    with pytest.raises(ReadError, match=r"^B04.tif: cannot be read: "):
        RasterReader(patience=Patience(tries=1)).grid(Asset("http://127.0.0.1:9/x/B04.tif"))


def test_blob_storage_without_token_service() -> None:
    reader = RasterReader(token_api="http://127.0.0.1:9/token", patience=Patience(tries=1))
    with pytest.raises(
        ReadError, match=r"B04.tif: no access token from http://127.0.0.1:9/token/sentinel2l2a01/sentinel2-l2: "
    ):
        reader.grid(Asset("https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/24/B04.tif"))


def test_token_is_asked_once_and_not_told_in_errors() -> None:
    asked: list[str] = []

    class Tokens(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps({"token": "sig=SECRET", "msft:expiry": "2999-01-01T00:00:00Z"}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    reader = RasterReader(token_api=f"http://127.0.0.1:{server.server_port}/token")
    for name in ("B04", "B08"):
        signed = reader._path(f"https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/24/{name}.tif")
        assert signed == f"https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2/24/{name}.tif?sig=SECRET"
    server.shutdown()
    server.server_close()
    assert asked == ["/token/sentinel2l2a01/sentinel2-l2"]
    assert reader._path("https://example.org/B04.tif") == "https://example.org/B04.tif"
