"""Whole blocks of local deflate GeoTIFFs straight from the disk: libdeflate inflates, the predictor goes in cache.

GDAL opens the file, judges its header and says where its blocks lie. Whatever is not as expected here, another layout
as well as damage, is left to GDAL: it reads every layout, and words every fault.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.grid import Window

_DTYPES = ("uint8", "uint16")
#: bytes of the largest block, and blocks of the largest band, that are read here: a damaged header may tell any number
_BYTES, _BLOCKS = 1 << 26, 1 << 14


@dataclass(frozen=True, eq=False)
class Blocks:
    """Where the blocks of one band lie in a local file.

    Parameters
    ----------
    path
        The file.
    state
        Its number, size and time of change: under another one nothing here is true.
    shape, block
        Rows and columns of the band, and of its blocks.
    dtype
        Of the numbers, little-endian.
    differenced
        Whether rows hold differences to the left neighbour (TIFF 6.0, section 14: predictor 2).
    nodata
        That the file declares.
    places
        Offset and size in bytes by row and column of blocks, shape (rows, columns, 2); size 0 for none.
    """

    path: str
    state: tuple[int, int, int]
    shape: tuple[int, int]
    block: tuple[int, int]
    dtype: np.dtype[Any]
    differenced: bool
    nodata: float | None
    places: NDArray[np.uint64]

    @classmethod
    def of(cls, source: Any, path: str, band: int) -> Blocks | None:
        """Of a band of an open file; None for any layout but tiles of single bands of whole bytes, deflate."""
        if source.driver != "GTiff" or not 1 <= band <= source.count or sys.byteorder != "little":
            return None
        tags, kind = source.tags(ns="IMAGE_STRUCTURE"), source.dtypes[band - 1]
        alone = source.count == 1 or tags.get("INTERLEAVE") == "BAND"
        whole = kind in _DTYPES and "NBITS" not in source.tags(band, ns="IMAGE_STRUCTURE")
        predictor = tags.get("PREDICTOR", "1")
        if tags.get("COMPRESSION") != "DEFLATE" or not alone or not whole or predictor not in {"1", "2"}:
            return None
        block, dtype = source.block_shapes[band - 1], np.dtype(kind)
        down, across = (-(-n // b) for n, b in zip(source.shape, block, strict=True))
        if block[0] * block[1] * dtype.itemsize > _BYTES or down * across > _BLOCKS:
            return None
        try:
            with open(path, "rb") as file:
                little, state = file.read(2) == b"II", _state(file.fileno())
        except OSError:
            return None
        if not little:
            return None
        places = np.zeros((down, across, 2), np.uint64)
        for row, col in np.ndindex(down, across):
            told = [source.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", bidx=band) for what in ("OFFSET", "SIZE")]
            places[row, col] = 0 if None in told else [int(t) for t in told]
        nodata = source.nodatavals[band - 1]
        return cls(path, state, source.shape, block, dtype, predictor == "2", nodata, places)

    def read(self, window: Window) -> NDArray[np.generic] | None:
        """Pixels of a window as rasterio gives them, shape (height, width).

        None if the window cuts a block (GDAL keeps what it inflated for the neighbour's window), or a block is
        missing, damaged, cut short, or of another size than a tile.
        """
        (height, width), (rows, cols) = self.shape, self.block
        bottom, right = window.row + window.height, window.col + window.width
        inside = 0 <= window.row < bottom <= height and 0 <= window.col < right <= width
        begun = window.row % rows == 0 and window.col % cols == 0
        ended = (bottom == height or bottom % rows == 0) and (right == width or right % cols == 0)
        if not (inside and begun and ended):
            return None
        out = np.empty((window.height, window.width), self.dtype)
        try:
            file = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError:
            return None
        try:
            if _state(file) != self.state:
                return None
            for row in range(window.row, bottom, rows):
                for col in range(window.col, right, cols):
                    corner = out[row - window.row :, col - window.col :][:rows, :cols]
                    if not self._put(file, row // rows, col // cols, corner):
                        return None
        finally:
            os.close(file)
        return out

    def _put(self, file: int, row: int, col: int, out: NDArray[np.generic]) -> bool:
        """Inflate the upper left corner of one block into an array; whether it could be."""
        import deflate

        from plantation_rwa.sources import block_kernels

        offset, size = self.places[row, col].tolist()
        wanted = self.block[0] * self.block[1] * self.dtype.itemsize
        if not 0 < size <= 2 * wanted:  # deflate never swells so much
            return False
        try:
            plain = deflate.zlib_decompress(os.pread(file, size, offset), wanted)
        except (OSError, OverflowError, deflate.DeflateError):
            return False
        if len(plain) != wanted:
            return False
        pixels = np.frombuffer(plain, self.dtype).reshape(self.block)
        if self.differenced:
            block_kernels.summed(pixels, out)
        else:
            out[:] = pixels[: out.shape[0], : out.shape[1]]
        return True


def _state(file: int) -> tuple[int, int, int]:
    found = os.fstat(file)
    return found.st_ino, found.st_size, found.st_mtime_ns
