"""Pixels: raster windows read through GDAL, with bounded open handles and provider access rules."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.assumptions import packaged
from plantation_rwa.errors import ReadError
from plantation_rwa.grid import GEOD, GridSpec, Window
from plantation_rwa.sources.base import Asset
from plantation_rwa.sources.blocks import Blocks
from plantation_rwa.sources.gdal_faults import OVERHEARD, unreadable
from plantation_rwa.sources.items import file_name, is_url, named
from plantation_rwa.sources.network import Patience, RemoteError, persist, sas_api, tokens_of
from plantation_rwa.stores import gdal_options

T = TypeVar("T")
#: what Sentinel-2 products write where the detector was blinded (Special_Values of their metadata), not a reflectance
SATURATED = 65535
#: open files kept; each costs a header and GDAL's block cache is shared and capped below
_HANDLES = 128
#: files whose blocks' places are kept; 8 kB each where a band of Sentinel-2 has blocks of 512 pixels
_LAYOUTS = 1024
_GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_CACHEMAX": 64,
    # tries are counted and logged here, by ``persist``: GDAL's own do not see resets and short answers
    "GDAL_HTTP_MAX_RETRY": "0",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    # a request that brings less than a kilobyte per second for so long hangs; a slow one may take its time
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",
    "GDAL_HTTP_LOW_SPEED_TIME": "20",
    "GDAL_HTTP_TIMEOUT": "300",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
}
_STORES = {"s3://": "/vsis3/", "gs://": "/vsigs/", "az://": "/vsiaz/"}
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")
#: formats of Sentinel-2 bands; a text that names other files or servers is none of them, whatever it is called
_FORMATS = ["GTiff", "JP2OpenJPEG"]
_BLOB = ".blob.core.windows.net"


@dataclass(frozen=True)
class RasterHeader:
    """What a raster file says of one of its bands.

    Parameters
    ----------
    driver
        GDAL's name of the format.
    grid
        Of the full resolution.
    dtype, nodata
        Of the band; nodata None if the file declares none.
    overviews
        Factors of its reduced copies, empty if it has none.
    block
        Rows and columns of the blocks it is read in.
    """

    driver: str
    grid: GridSpec
    dtype: str
    nodata: float | None
    overviews: tuple[int, ...]
    block: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Open:
    """An open file: what GDAL opened (an access token may be in it), the file and its grid."""

    href: str
    path: str
    source: Any
    grid: GridSpec


class RasterReader:
    """Block reader over rasterio: local paths, ``http(s)://`` and ``s3://``.

    Safe to share between threads (an open file is lent to one at a time) and to pickle (files stay behind). Public
    buckets are read unsigned unless AWS credentials are in the environment; Planetary Computer blobs get a
    short-lived token just before each read. A remote read that fails is tried again from the opening of the file on.

    Parameters
    ----------
    token_api
        Address of the Planetary Computer token service, an account and container are appended; empty means that of the
        environment.
    patience
        How often remote reads are tried.
    """

    def __init__(self, token_api: str = "", patience: Patience | None = None) -> None:
        self._token_api, self._patience = token_api or sas_api(), patience or Patience()
        self._local, self._lock = threading.local(), threading.Lock()
        self._idle: list[_Open] = []
        self._layouts: dict[tuple[str, int], Blocks | None] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"token_api": self._token_api, "patience": self._patience}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def grid(self, asset: Asset) -> GridSpec:
        """Grid of the asset's full-resolution band, read from the file itself.

        Raises
        ------
        ReadError
            If the file cannot be opened, has no CRS, or is not north-up with square pixels.
        """
        held = self._insist(asset, lambda: self._borrow(asset))
        if not is_url(asset.href):
            self._lay_out(asset, held)
        self._give(held)
        if not 1 <= asset.band <= held.source.count:
            raise ReadError(f"{named(asset)}: has {held.source.count} bands, band {asset.band} was asked for")
        return held.grid

    def edge(self, asset: Asset) -> int:
        """Edge in pixels of the squares that cost no more one by one than together; 0 if there are none.

        Those are the blocks of a local file that GDAL is not needed for.
        """
        layout = self._layouts.get((asset.href, asset.band))
        return layout.block[0] if layout and layout.block[0] == layout.block[1] else 0

    def header(self, asset: Asset) -> RasterHeader:
        """What the asset's file says of itself; no pixel is read. Raises as :meth:`grid`."""
        grid = self.grid(asset)
        held = self._insist(asset, lambda: self._borrow(asset))
        source = held.source
        self._give(held)
        return RasterHeader(
            driver=source.driver,
            grid=grid,
            dtype=str(source.dtypes[asset.band - 1]),
            nodata=source.nodatavals[asset.band - 1],
            overviews=tuple(source.overviews(asset.band)),
            block=tuple(source.block_shapes[asset.band - 1]),
        )

    def read(self, asset: Asset, window: Window) -> NDArray[np.generic]:
        """Raw pixels of a window, shape ``(height, width)``, in the file's dtype.

        Where the file declares a nodata value of its own, its pixels become the asset's; so do saturated ones.

        Raises
        ------
        ReadError
            Naming the file.
        """
        pixels, tag = self._insist(asset, lambda: self._pixels(asset, window))
        if pixels.shape != (window.height, window.width):
            raise ReadError(f"{named(asset)}: window of {window.height} x {window.width} pixels gave {pixels.shape}")
        if tag is not None and asset.nodata is not None and tag != asset.nodata:
            empty = np.isnan(pixels) if np.isnan(tag) else pixels == tag
            if empty.any():
                if not float(asset.nodata).is_integer() or not np.can_cast(
                    np.min_scalar_type(int(asset.nodata)), pixels.dtype
                ):
                    raise ReadError(
                        f"{named(asset)}: declares {tag:g} as no data, its item {asset.nodata:g}, which"
                        f" {pixels.dtype} cannot hold"
                    )
                pixels[empty] = asset.nodata
        fill = asset.nodata
        if (
            fill is not None
            and float(fill).is_integer()
            and 0 <= fill <= SATURATED
            and pixels.dtype == np.uint16
            and np.max(pixels, initial=0) == SATURATED  # looking for the largest makes no copy
        ):
            saturated = pixels == SATURATED
            pixels[saturated] = fill
        return pixels

    def _pixels(self, asset: Asset, window: Window) -> tuple[NDArray[np.generic], float | None]:
        """Pixels of a window as the file has them, and the nodata value that the file declares."""
        from rasterio.errors import RasterioError
        from rasterio.windows import Window as RasterWindow

        layout = self._layouts.get((asset.href, asset.band))
        if layout and (whole := layout.read(window)) is not None:
            return whole, layout.nodata
        held = self._borrow(asset)
        try:
            with self._env():
                pixels: NDArray[np.generic] = held.source.read(
                    asset.band, window=RasterWindow(window.col, window.row, window.width, window.height)
                )
            nodata = held.source.nodatavals[asset.band - 1]
        except (RasterioError, OSError, IndexError) as error:
            held.source.close()
            raise unreadable(asset, error) from None
        self._give(held)
        return pixels, nodata

    def _lay_out(self, asset: Asset, held: _Open) -> None:
        """Keep where the blocks of a local file lie, None where GDAL is to read them."""
        found = Blocks.of(held.source, held.path, asset.band)
        with self._lock:
            kept = [*self._layouts.items(), ((asset.href, asset.band), found)]
            self._layouts = dict(kept[-_LAYOUTS:])

    def _insist(self, asset: Asset, action: Callable[[], T]) -> T:
        """Read a local file, or a remote one with patience: each try opens the file anew."""
        if not is_url(asset.href):
            return action()

        def mend(error: RemoteError) -> bool:
            self._close(asset.href)
            self._suspects.add(asset.href)
            place = _place(asset.href)
            if not (place and error.denied):
                return False
            tokens_of(self._token_api).drop(place, self._local.asked.partition("?")[2])
            return True

        found = persist(asset.href, action, patience=self._patience, mend=mend)
        self._suspects.discard(asset.href)
        return found

    @property
    def _suspects(self) -> set[str]:
        """This thread's hrefs whose last try failed: what GDAL remembers of them must not outlive the next."""
        found: set[str] = self._local.__dict__.setdefault("suspects", set())
        return found

    def _env(self, **options: str) -> Any:
        import rasterio

        signed = any(os.environ.get(key) for key in _CREDENTIALS)
        unsigned = {} if signed else {"AWS_NO_SIGN_REQUEST": "YES"}
        return rasterio.Env(**_GDAL, **unsigned, **gdal_options(), **options)

    def _borrow(self, asset: Asset) -> _Open:
        """An open file that nobody else uses; give it back, or close it if reading it failed."""
        from rasterio.errors import RasterioError
        from rasterio.io import DatasetReader

        OVERHEARD.forget()
        path = self._local.asked = self._path(asset.href)
        with self._lock:
            found = next((h for h in reversed(self._idle) if h.href == asset.href and h.path == path), None)
            if found is not None:
                self._idle.remove(found)
                return found
        self._close(asset.href, but=path)  # tokens that are about to expire
        held = path if path.startswith("/vsi") else f"/vsicurl/{path}"
        options = {"CPL_VSIL_CURL_NON_CACHED": held} if asset.href in self._suspects else {}
        try:
            with self._env(**options):
                source = DatasetReader(path, driver=_FORMATS, sharing=False)
        except (RasterioError, OSError) as error:
            raise unreadable(asset, error) from None
        if OVERHEARD.lost:
            source.close()
            raise unreadable(asset, OSError("a part of its header is missing"))
        try:
            return _Open(asset.href, path, source, _grid(source, named(asset)))
        except ReadError:
            source.close()
            raise

    def _give(self, held: _Open) -> None:
        """Take an open file back, the ones given back longest ago closed beyond the limit."""
        with self._lock:
            self._idle.append(held)
            surplus = self._idle[:-_HANDLES]
            del self._idle[:-_HANDLES]
        for old in surplus:
            old.source.close()

    def _close(self, href: str, but: str = "") -> None:
        """Close what nobody uses of a file, unless it was opened under the path ``but``."""
        with self._lock:
            gone = [h for h in self._idle if h.href == href and h.path != but]
            self._idle = [h for h in self._idle if h not in gone]
        for held in gone:
            held.source.close()

    def _path(self, href: str) -> str:
        """What GDAL opens: an object store's path, an access token where the Planetary Computer asks for one."""
        for scheme, prefix in _STORES.items():
            if href.startswith(scheme):
                return prefix + href.removeprefix(scheme)
        if href.startswith(("http://", "https://")):
            href = quote(href, safe="%/:=&?~#+!$,;'@()*[]")
        place = _place(href)
        if not place:
            return href
        try:
            return f"{href}?{tokens_of(self._token_api).token(place, self._patience)}"
        except RemoteError as error:
            # the token was waited for with patience; trying the file again would ask for it again
            raise ReadError(f"{file_name(href)}: no access token from {self._token_api}/{place}: {error}") from None


def _place(href: str) -> str:
    """``account/container`` of a blob that needs a token of the Planetary Computer, else empty."""
    parts = urlsplit(href)
    if not is_url(href) or not parts.netloc.endswith(_BLOB) or parts.query:
        return ""
    return f"{parts.netloc.removesuffix(_BLOB)}/{parts.path.strip('/').split('/')[0]}"


def _grid(source: Any, name: str) -> GridSpec:
    crs, transform = source.crs, source.transform
    if crs is None:
        raise ReadError(f"{name}: raster has no CRS")
    if transform.b or transform.d or transform.a <= 0 or abs(transform.a + transform.e) > 1e-9 * transform.a:
        raise ReadError(f"{name}: raster is not north-up with square pixels ({tuple(transform)[:6]})")
    size, least = transform.a * _metres(crs), packaged().number("plausibility.pixel_size_min_m")
    if size < least:
        raise ReadError(f"{name}: its pixels are {size:.3g} m wide, less than {least:g} m: no pixels of Sentinel-2")
    code = crs.to_epsg()
    return GridSpec(f"EPSG:{code}" if code else crs.to_wkt(), transform, source.height, source.width)


def _metres(crs: Any) -> float:
    """Metres of a unit of the map, one of longitude taken on the equator."""
    if crs.is_geographic:
        return math.radians(GEOD.a)
    return float(crs.linear_units_factor[1]) if crs.is_projected else 1.0
