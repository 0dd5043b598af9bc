"""Pixels: raster windows read through GDAL, with bounded open handles and provider access rules."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
import urllib.request
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from plantation_rwa.errors import ReadError
from plantation_rwa.grid import GridSpec, Window
from plantation_rwa.sources.base import Asset
from plantation_rwa.sources.items import file_name, is_url

#: open files kept per thread; each costs a header and GDAL's block cache is shared and capped below
_HANDLES = 32
_GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_CACHEMAX": 64,
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "VSI_CACHE": "TRUE",
    "VSI_CACHE_SIZE": "5000000",
}
_STORES = {"s3://": "/vsis3/", "gs://": "/vsigs/", "az://": "/vsiaz/"}
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")
_SAS_API = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
_BLOB = ".blob.core.windows.net"


class RasterReader:
    """Block reader over rasterio: local paths, ``http(s)://`` and ``s3://``.

    Safe to share between threads (each keeps its own handles) and to pickle (handles stay behind). Public
    buckets are read unsigned unless AWS credentials are in the environment; Planetary Computer blobs get a
    short-lived token.

    Parameters
    ----------
    token_api
        Address of the Planetary Computer token service; an account and container are appended.
    """

    def __init__(self, token_api: str = _SAS_API) -> None:
        self._token_api = token_api
        self._local = threading.local()
        self._tokens: dict[str, tuple[str, dt.datetime]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"token_api": self._token_api}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__init__(state["token_api"])  # type: ignore[misc]

    def grid(self, asset: Asset) -> GridSpec:
        """Grid of the asset's full-resolution band, read from the file itself.

        Raises
        ------
        ReadError
            If the file cannot be opened, has no CRS, or is not north-up with square pixels.
        """
        source, grid = self._open(asset)
        if not 1 <= asset.band <= source.count:
            raise ReadError(f"{file_name(asset.href)}: has {source.count} bands, band {asset.band} was asked for")
        return grid

    def read(self, asset: Asset, window: Window) -> NDArray[np.generic]:
        """Raw pixels of a window, shape ``(height, width)``, in the file's dtype.

        Raises
        ------
        ReadError
            Naming the file.
        """
        from rasterio.errors import RasterioError
        from rasterio.windows import Window as RasterWindow

        try:
            source, _ = self._open(asset)
            with self._env():
                pixels: NDArray[np.generic] = source.read(
                    asset.band, window=RasterWindow(window.col, window.row, window.width, window.height)
                )
        except (RasterioError, OSError, IndexError) as error:
            raise _unreadable(asset, error) from None
        if pixels.shape != (window.height, window.width):
            raise ReadError(
                f"{file_name(asset.href)}: window of {window.height} x {window.width} pixels gave {pixels.shape}"
            )
        return pixels

    def _env(self) -> Any:
        import rasterio

        signed = any(os.environ.get(key) for key in _CREDENTIALS)
        return rasterio.Env(**_GDAL, **({} if signed else {"AWS_NO_SIGN_REQUEST": "YES"}))

    def _open(self, asset: Asset) -> tuple[Any, GridSpec]:
        """Open file and its grid, the least recently used file beyond the limit closed."""
        import rasterio
        from rasterio.errors import RasterioError

        handles: OrderedDict[str, tuple[Any, GridSpec]] = self._local.__dict__.setdefault("handles", OrderedDict())
        path = self._path(asset.href)
        found = handles.pop(path, None)
        if found is None:
            try:
                with self._env():
                    source = rasterio.open(path)
            except (RasterioError, OSError) as error:
                raise _unreadable(asset, error) from None
            found = source, _grid(source, file_name(asset.href))
        handles[path] = found
        while len(handles) > _HANDLES:
            handles.popitem(last=False)[1][0].close()
        return found

    def _path(self, href: str) -> str:
        """What GDAL opens: an object store's path, an access token where the Planetary Computer asks for one."""
        for scheme, prefix in _STORES.items():
            if href.startswith(scheme):
                return prefix + href.removeprefix(scheme)
        parts = urlsplit(href) if is_url(href) else None
        if parts is None or not parts.netloc.endswith(_BLOB) or parts.query:
            return href
        place = f"{parts.netloc.removesuffix(_BLOB)}/{parts.path.strip('/').split('/')[0]}"
        token, until = self._tokens.get(place, ("", dt.datetime.min.replace(tzinfo=dt.UTC)))
        if until < dt.datetime.now(dt.UTC) + dt.timedelta(minutes=2):
            try:
                with urllib.request.urlopen(f"{self._token_api}/{place}", timeout=30) as answer:
                    document = json.load(answer)
                token, until = (
                    document["token"],
                    dt.datetime.fromisoformat(document["msft:expiry"].replace("Z", "+00:00")),
                )
            except (OSError, ValueError, KeyError) as error:
                raise ReadError(
                    f"{file_name(href)}: no access token from {self._token_api}/{place}: {_text(error)}"
                ) from None
            self._tokens[place] = (token, until)
        return f"{href}?{token}"


def _grid(source: Any, name: str) -> GridSpec:
    crs, transform = source.crs, source.transform
    if crs is None:
        raise ReadError(f"{name}: raster has no CRS")
    if transform.b or transform.d or transform.a <= 0 or abs(transform.a + transform.e) > 1e-9 * transform.a:
        raise ReadError(f"{name}: raster is not north-up with square pixels ({tuple(transform)[:6]})")
    code = crs.to_epsg()
    return GridSpec(f"EPSG:{code}" if code else crs.to_wkt(), transform, source.height, source.width)


def _unreadable(asset: Asset, error: BaseException) -> ReadError:
    return ReadError(f"{file_name(asset.href)}: cannot be read: {_text(error)}")


def _text(error: BaseException) -> str:
    """An error's text without folders or access tokens."""
    text = " ".join(str(error).split())
    words = ["/".join(w.split("?")[0].rsplit("/", 1)[-1:]) if "/" in w else w for w in text.split(" ")]
    return " ".join(words)[:160]
