"""What GDAL says of a read that failed, as an error of this program; access tokens are cut off."""

from __future__ import annotations

import logging
import re
import threading

from plantation_rwa.errors import ReadError
from plantation_rwa.sources.base import Asset
from plantation_rwa.sources.items import file_name, is_url, named
from plantation_rwa.sources.network import RemoteError, status_of

_LOST = re.compile("IO error|Read error|HTTP response code|CURL error|^CPLE_AppDefined.Request for .* failed")
_QUERY = re.compile(r"\?[^\s'\"]+")
_KINDS = (
    (re.compile("timed out|too slow", re.I), "no answer, or none to its end, for too long"),
    (re.compile(r"got \d+ bytes, expected|Read error|Read failed"), "answers were cut short"),
)


class Overheard(logging.Filter):
    """Listens to what rasterio logs of GDAL's errors.

    They name URLs, and the query of a URL is an access token: it is cut off. And a part of a header that cannot be
    read, the place of the raster on the ground say, is left out by GDAL with no more than a warning: the thread that
    meets one remembers it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._local = threading.local()
        for name in ("rasterio._env", "rasterio._err"):
            logging.getLogger(name).setLevel(logging.WARNING)  # another level would make it deaf
        for name in ("rasterio._env", "rasterio._err", "rasterio._base", "rasterio._io", "rasterio.env", "rasterio"):
            logging.getLogger(name).addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        record.msg, record.args = _QUERY.sub("?...", text), None
        if _LOST.search(text) is None:
            return True
        self._local.lost = True  # an error or a further try follows and is told with the file's name
        self._local.status = status_of(text) or self._local.__dict__.get("status")
        return False

    def forget(self) -> None:
        """Begin to listen in this thread."""
        self._local.lost, self._local.status = False, None

    @property
    def lost(self) -> bool:
        """Whether this thread met a failed fetch."""
        return bool(self._local.__dict__.get("lost"))

    @property
    def status(self) -> int | None:
        """Status of the last HTTP answer that this thread met a failed fetch with."""
        found: int | None = self._local.__dict__.get("status")
        return found


OVERHEARD = Overheard()


def unreadable(asset: Asset, error: BaseException) -> ReadError:
    """What GDAL said as an error that names the file; of a remote one the first cause decides whether to try again."""
    if not is_url(asset.href):
        # GDAL names the file too
        said = _text(error).removeprefix(f"{file_name(asset.href)}: ")
        return ReadError(f"{named(asset)}: cannot be read: {said}")
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    status = next((s for c in causes if (s := status_of(str(c))) is not None), OVERHEARD.status)
    said = f"HTTP {status}" if status is not None else _kind(_text(causes[-1]))
    return RemoteError(f"{named(asset)}: cannot be read: {said}", status)


def _kind(text: str) -> str:
    """The kind of failure where GDAL's text tells times and places: another one each time, and these are published."""
    return next((words for pattern, words in _KINDS if pattern.search(text)), text)


def _text(error: BaseException) -> str:
    """An error's text without folders or access tokens."""
    text = " ".join(str(error).split())
    words = ["/".join(w.split("?")[0].rsplit("/", 1)[-1:]) if "/" in w else w for w in text.split(" ")]
    return " ".join(words)[:160]
