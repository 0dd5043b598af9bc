"""Whole blocks read past GDAL: the same pixels, the same errors, and GDAL wherever anything is unusual."""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window as RasterWindow

from plantation_rwa.errors import ReadError
from plantation_rwa.grid import Window
from plantation_rwa.sources.base import Asset
from plantation_rwa.sources.block_kernels import summed
from plantation_rwa.sources.blocks import Blocks
from plantation_rwa.sources.scenes import RasterReader

#: no multiple of the block of 64 pixels: the last row and column of blocks are cut
HEIGHT, WIDTH, BLOCK = 150, 200, 64


@dataclass(frozen=True)
class Layout:
    """How a file is written, and whether its blocks are read past GDAL."""

    name: str
    direct: bool
    dtype: str = "uint16"
    bands: int = 1
    nodata: float | None = None
    options: dict[str, Any] = field(default_factory=dict)
    overviews: bool = False
    empty: bool = False

    def write(self, folder: Path) -> Path:
        """The file; the first row of blocks is left out of it if it is sparse."""
        path = folder / f"{self.name}.tif"
        rng = np.random.default_rng(7)
        shape = self.bands, HEIGHT, WIDTH
        top = 1.0 if self.dtype == "float32" else np.iinfo(self.dtype).max
        pixels = (np.cumsum(rng.integers(0, 3, shape), axis=2) * (top / 500)).astype(self.dtype)
        options = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", **self.options}
        profile: dict[str, Any] = {"driver": "GTiff", "height": HEIGHT, "width": WIDTH, "count": self.bands}
        profile |= {"dtype": self.dtype, "nodata": self.nodata, "crs": "EPSG:32748"}
        with rasterio.open(path, "w", transform=Affine(10, 0, 300000, 0, -10, 200000), **profile, **options) as out:
            first = BLOCK if self.empty else 0
            out.write(pixels[:, first:], window=RasterWindow(0, first, WIDTH, HEIGHT - first))
        if self.overviews:
            with rasterio.Env(TIFF_USE_OVR=True), rasterio.open(path, "r+") as out:
                out.build_overviews([2, 4])
            assert path.with_suffix(".tif.ovr").exists()
        return path


LAYOUTS = [
    Layout("differences", True, options={"predictor": 2}),
    Layout("plain", True, options={"predictor": 1}),
    Layout("no-predictor", True),
    Layout("bytes", True, "uint8", options={"predictor": 2}),
    Layout("big-offsets", True, options={"predictor": 2, "bigtiff": "yes"}),
    Layout("planes", True, bands=3, options={"predictor": 2, "interleave": "band"}),
    Layout("one-plane", True, options={"interleave": "pixel"}),
    Layout("tag", True, nodata=500.0, options={"predictor": 2}),
    Layout("overviews-beside", True, options={"predictor": 2}, overviews=True),
    Layout("fastest", True, options={"predictor": 2, "zlevel": 1}),
    Layout("sparse", True, options={"predictor": 2, "sparse_ok": "true"}, empty=True),
    Layout("sparse-tag", True, nodata=9.0, options={"sparse_ok": "true"}, empty=True),
    Layout("mixed", False, bands=2, options={"predictor": 2, "interleave": "pixel"}),
    Layout("strips", True, options={"predictor": 2, "tiled": False, "blockysize": 50}),
    Layout("cut-strips", True, options={"predictor": 2, "tiled": False, "blockysize": 64}),
    Layout("signed", False, "int16", options={"predictor": 2}),
    Layout("wide", False, "uint32", options={"predictor": 2}),
    Layout("floats", False, "float32", options={"predictor": 3}),
    Layout("twelve-bits", False, options={"nbits": 12}),
    Layout("big-endian", False, options={"predictor": 2, "endianness": "big"}),
    Layout("zstd", False, options={"compress": "zstd", "predictor": 2}),
    Layout("lzw", False, options={"compress": "lzw", "predictor": 2}),
    Layout("raw", False, options={"compress": "none"}),
]
NAMES = [layout.name for layout in LAYOUTS]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("layouts")
    return {layout.name: layout.write(folder) for layout in LAYOUTS}


def told(path: Path, window: Window, band: int = 1) -> np.ndarray[Any, Any]:
    """The window as rasterio reads it."""
    with rasterio.open(path) as source:
        return source.read(band, window=RasterWindow(window.col, window.row, window.width, window.height))


def direct(path: Path, band: int = 1) -> Blocks | None:
    with rasterio.open(path) as source:
        return Blocks.of(source, str(path), band)


@pytest.mark.parametrize("layout", LAYOUTS, ids=NAMES)
def test_which_layouts_are_read_past_gdal(files: dict[str, Path], layout: Layout) -> None:
    found = direct(files[layout.name])
    assert (found is not None) == layout.direct
    if found is not None:
        rows = found.block[0]
        window = Window(rows, 0, rows, WIDTH)
        pixels = found.read(window)
        assert pixels is not None
        assert pixels.dtype == layout.dtype
        assert np.array_equal(pixels, told(files[layout.name], window))
        assert found.nodata == layout.nodata


def test_edges_of_the_file_and_cut_blocks(files: dict[str, Path]) -> None:
    """The last blocks are stored whole and read as far as the file reaches; half a block is left to GDAL."""
    found = direct(files["differences"])
    assert found is not None
    for window in (Window(128, 192, 22, 8), Window(0, 0, HEIGHT, WIDTH), Window(64, 128, 86, 72)):
        assert np.array_equal(found.read(window), told(files["differences"], window))
    for row, col, height, width in ((1, 0, 64, 64), (0, 0, 63, 64), (0, 1, 64, 64), (0, 0, 64, 65), (128, 0, 21, 64)):
        assert found.read(Window(row, col, height, width)) is None
    for row, col, height, width in ((-64, 0, 64, 64), (128, 0, 64, 64), (0, 192, 64, 64), (0, 0, 0, 64)):
        assert found.read(Window(row, col, height, width)) is None  # not in the file


def test_blocks_that_are_not_stored_are_left_to_gdal(files: dict[str, Path]) -> None:
    for name, value in (("sparse", 0), ("sparse-tag", 9)):
        found = direct(files[name])
        assert found is not None
        assert found.read(Window(0, 0, 64, 64)) is None
        assert set(np.unique(told(files[name], Window(0, 0, 64, 64))).tolist()) == {value}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_window_of_any_layout_is_what_rasterio_reads(files: dict[str, Path], data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from(LAYOUTS))
    edges = st.integers(0, HEIGHT) | st.sampled_from([0, 64, 128, HEIGHT])
    across = st.integers(0, WIDTH) | st.sampled_from([0, 64, 128, 192, WIDTH])
    top, bottom = sorted(data.draw(st.lists(edges, min_size=2, max_size=2, unique=True)))
    left, right = sorted(data.draw(st.lists(across, min_size=2, max_size=2, unique=True)))
    band, window = data.draw(st.integers(1, layout.bands)), Window(top, left, bottom - top, right - left)
    asset, reader = Asset(str(files[layout.name]), band=band, nodata=layout.nodata), RasterReader()
    assert reader.grid(asset).height == HEIGHT
    found = reader.read(asset, window)
    assert found.dtype == layout.dtype
    assert np.array_equal(found, told(files[layout.name], window, band))


def test_sums_wrap_around() -> None:
    """5, -1, 65533 as differences: 5, 4, then 65537 which is 1; the lower right of the block is not needed."""
    block = np.array([[5, 65535, 65533, 9], [7, 0, 0, 9], [1, 1, 1, 1]], np.uint16)
    out = np.zeros((2, 3), np.uint16)
    summed(block, out)
    assert out.tolist() == [[5, 4, 1], [7, 7, 7]]


class Fault:
    """One fault in a file, and what reading says with GDAL alone."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.path = folder / "a.tif"
        self.path.write_bytes(source.read_bytes())
        with rasterio.open(source) as file:
            where = [int(file.get_tag_item(f"BLOCK_{what}_1_1", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE")]
        self.offset, self.size = where

    def put(self, at: int, data: bytes) -> None:
        content = bytearray(self.path.read_bytes())
        content[at : at + len(data)] = data
        self.path.write_bytes(bytes(content))

    def entry(self, value: int) -> int:
        """Where the header holds a 32-bit number."""
        at = self.path.read_bytes().index(struct.pack("<I", value))
        return at


def _message(path: Path, *, layouts: bool) -> str:
    reader, asset = RasterReader(), Asset(str(path))
    if layouts:
        reader.grid(asset)
    with pytest.raises(ReadError) as caught:
        reader.read(asset, Window(64, 64, 64, 64))
    return str(caught.value)


@pytest.mark.parametrize("fault", ["flipped", "checksum", "cut", "beyond", "short"])
def test_damage_is_told_in_gdals_words(files: dict[str, Path], tmp_path: Path, fault: str) -> None:
    """A block that is not what it should be fails as it does without this reader: an error that names the file."""
    damaged = Fault(files["differences"], tmp_path)
    if fault == "flipped":
        damaged.put(damaged.offset + damaged.size // 2, b"\xff" * 40)
    elif fault == "checksum":
        damaged.put(damaged.offset + damaged.size - 4, b"\0\0\0\0")
    elif fault == "cut":
        damaged.path.write_bytes(damaged.path.read_bytes()[: damaged.offset + damaged.size // 2])
    elif fault == "beyond":
        damaged.put(damaged.entry(damaged.offset), struct.pack("<I", 1 << 30))
    else:
        few = zlib.compress(bytes(1000))
        damaged.put(damaged.offset, few + bytes(damaged.size - len(few)))
    found = _message(damaged.path, layouts=True)
    assert found.startswith("a.tif: cannot be read: ")
    assert found == _message(damaged.path, layouts=False)


def test_a_file_that_changed_since_is_left_to_gdal(files: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(files["differences"].read_bytes())
    found, window = direct(path), Window(0, 0, 64, 64)
    assert found is not None
    assert found.read(window) is not None
    os.utime(path, ns=(1, 1))  # written again at another time, of the same size
    assert found.read(window) is None
    path.unlink()
    assert found.read(window) is None


def test_a_block_of_absurd_size_is_not_asked_for(files: dict[str, Path], tmp_path: Path) -> None:
    """The header may tell any size: no memory is taken for it."""
    damaged = Fault(files["differences"], tmp_path)
    damaged.put(damaged.entry(damaged.size), struct.pack("<I", 0xFFFFFFF0))
    found = direct(damaged.path)
    assert found is None or found.read(Window(64, 64, 64, 64)) is None
