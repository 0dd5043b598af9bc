"""Pixels over HTTP and S3 on loopback: every fault at every request, nothing wrong taken for right."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray

from plantation_rwa.errors import ReadError
from plantation_rwa.grid import GridSpec, Window
from plantation_rwa.simulate.cogs import write_cog
from plantation_rwa.sources import network, scenes
from plantation_rwa.sources.base import Asset
from plantation_rwa.sources.network import Patience
from plantation_rwa.sources.scenes import RasterReader
from tests.loopback import ALWAYS, LoopbackServer, Rule

pytestmark = pytest.mark.server
_TRANSFORM = Affine(10, 0, 300000, 0, -10, 200000)
_GRID = GridSpec("EPSG:32748", _TRANSFORM, 600, 500)
_WINDOW = Window(90, 70, 400, 300)
#: seconds are too long to wait; what is tested is the number of tries
_HASTY = Patience(first_s=0.01, longest_s=0.02)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A silent server is left after a second; nothing is remembered of other tests' servers."""
    monkeypatch.setitem(scenes._GDAL, "GDAL_HTTP_LOW_SPEED_TIME", "1")
    network.UNREADABLE.clear()
    network.tokens_of.cache_clear()
    yield
    network.UNREADABLE.clear()


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint16]:
    return np.random.default_rng(5).integers(1000, 4000, (600, 500), dtype=np.uint16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pixels: NDArray[np.uint16]) -> Path:
    """A folder with one raster of 30 blocks, its georeference at the end of the header."""
    place = tmp_path_factory.mktemp("served")
    profile: dict[str, Any] = {"driver": "GTiff", "height": 600, "width": 500, "count": 1, "dtype": "uint16"}
    with rasterio.open(
        place / "B04.tif", "w", crs="EPSG:32748", transform=_TRANSFORM, nodata=0, compress="deflate", predictor=2,
        tiled=True, blockxsize=128, blockysize=128, **profile,
    ) as out:  # fmt: skip
        out.write(pixels, 1)
    return place


def assert_read(server: LoopbackServer, pixels: NDArray[np.uint16], *, query: str = "") -> None:
    """Grid, header and window of the file are right."""
    asset, reader = Asset(f"{server.url}/B04.tif{query}"), RasterReader(patience=_HASTY)
    assert reader.grid(asset) == _GRID
    assert reader.header(asset).nodata == 0
    assert (reader.read(asset, _WINDOW) == pixels[90:490, 70:370]).all()


@pytest.mark.parametrize("fault", ["status", "page", "reset", "truncate", "short", "late"])
def test_faults_at_every_request(fault: Any, folder: Path, pixels: NDArray[np.uint16]) -> None:
    """The fault wanders from the first request of the file to beyond the last."""
    hurt = 0
    for skip in range(8 if fault != "late" else 3):
        with LoopbackServer(folder, (Rule(fault, skip=skip),)) as server:
            assert_read(server, pixels)
            hurt += server.counts.faults[fault]
            assert server.counts.endured == 0
    assert hurt >= 3


@pytest.mark.parametrize("fault", ["status", "page", "reset", "truncate", "short"])
def test_a_fault_that_stays_is_an_error_with_the_same_words(fault: Any, folder: Path) -> None:
    """Words that change from run to run would change what is published."""
    said = set()
    for _ in range(2):
        with LoopbackServer(folder, (Rule(fault, skip=1, times=ALWAYS),)) as server:
            asset, reader = Asset(f"{server.url}/B04.tif"), RasterReader(patience=_HASTY)
            with pytest.raises(ReadError, match=r"^B04.tif: cannot be read: ") as caught:
                reader.read(asset, _WINDOW)
            said.add(str(caught.value))
            assert server.host not in str(caught.value)
            assert sum(server.counts.methods.values()) < 100
    assert len(said) == 1


def test_a_header_that_lost_a_part_is_fetched_again(tmp_path: Path) -> None:
    """GDAL opens a file whose georeference could not be fetched, with a warning: the pixels would lie nowhere.

    The answer ends at every twentieth of a file that is all header; in the third quarter it does so.
    """
    write_cog(tmp_path / "B04.tif", np.full((60, 50), 4, np.uint8), "EPSG:32748", 300000.0, 200000.0, 10)
    for cut in range(1, 20):
        with LoopbackServer(tmp_path, (Rule("truncate", skip=1, share=cut / 20),)) as server:
            grid = RasterReader(patience=_HASTY).grid(Asset(f"{server.url}/B04.tif"))
            assert grid == GridSpec("EPSG:32748", _TRANSFORM, 60, 50), cut


def test_a_web_page_in_place_of_the_file_is_not_remembered(folder: Path, pixels: NDArray[np.uint16]) -> None:
    """It has a length, which GDAL would keep for as long as the process lives."""
    with LoopbackServer(folder, (Rule("page", times=3),)) as server:
        assert_read(server, pixels)


def test_a_token_that_is_refused_is_replaced_and_told_nobody(
    folder: Path,
    pixels: NDArray[np.uint16],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with LoopbackServer(folder, signed="/B04.tif", token_uses=4) as server:
        monkeypatch.setattr(scenes, "_BLOB", server.host)
        monkeypatch.setenv("PC_SDK_SAS_URL", f"{server.url}/token")
        asset, reader = Asset(f"{server.url}/B04.tif"), RasterReader(patience=_HASTY)
        for row in range(0, 600, 128):  # a block each: more requests than a token admits
            assert (reader.read(asset, Window(row, 0, 16, 16)) == pixels[row : row + 16, :16]).all()
        assert server.counts.statuses[403] > 0
        assert server.counts.tokens > 1
    assert "(B04.tif: cannot be read: HTTP 403); again" in caplog.text
    assert "SECRET" not in caplog.text


def test_a_signature_of_the_item_that_expired_is_final(folder: Path) -> None:
    with LoopbackServer(folder, signed="/B04.tif") as server:
        with pytest.raises(ReadError, match=r"^B04.tif: cannot be read: HTTP 403$"):
            RasterReader(patience=_HASTY).grid(Asset(f"{server.url}/B04.tif?se=1&sig=SECRET1"))
        assert server.counts.statuses[403] <= 2


def test_a_bucket_is_signed_for_with_the_keys_of_the_environment(
    folder: Path, pixels: NDArray[np.uint16], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Copernicus Data Space and buckets whose requester pays."""
    shutil.copytree(folder, tmp_path / "eodata")
    with LoopbackServer(tmp_path) as server:
        for name, value in {
            "AWS_S3_ENDPOINT": server.host,
            "AWS_HTTPS": "NO",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_ACCESS_KEY_ID": "KEY",
            "AWS_SECRET_ACCESS_KEY": "WORD",
            "AWS_REQUEST_PAYER": "requester",
        }.items():
            monkeypatch.setenv(name, value)
        asset = Asset("s3://eodata/B04.tif")
        assert (RasterReader(patience=_HASTY).read(asset, _WINDOW) == pixels[90:490, 70:370]).all()
        heads = [{k.lower(): v for k, v in h.items()} for h in server.counts.heads]
    assert heads
    assert all("Credential=KEY/" in h["authorization"] for h in heads)
    assert {h["x-amz-request-payer"] for h in heads} == {"requester"}
