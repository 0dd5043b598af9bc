"""Bytes to STAC item dictionaries: item collections, static catalogs, stac-geoparquet."""

from __future__ import annotations

import datetime as dt
import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from plantation_rwa.errors import SourceError
from plantation_rwa.json_text import parsed
from plantation_rwa.sources.base import Asset, Quarantine
from plantation_rwa.sources.guards import check_parquet, href_fault, limit, unpacked, wkb_fault
from plantation_rwa.sources.remote import get
from plantation_rwa.stores import StoreError

_ITEM_KEYS = (
    "type",
    "stac_version",
    "stac_extensions",
    "id",
    "bbox",
    "geometry",
    "links",
    "assets",
    "collection",
)
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class RawItem:
    """An item as published: the dictionary, and the place its relative hrefs resolve against."""

    data: Mapping[str, Any]
    base: str
    row: int | None = None

    @property
    def file(self) -> str:
        """File name without folder."""
        return file_name(self.base)


def is_url(place: str) -> bool:
    """Whether a place is a URL with a scheme rather than a local path."""
    return "://" in place


def file_name(place: str) -> str:
    """Last part of a path or URL."""
    return PurePosixPath(urlsplit(place).path if is_url(place) else place.replace(os.sep, "/")).name or place


def named(asset: Asset) -> str:
    """How messages name a file: by the href that its item writes, without the folders of this machine."""
    return asset.name or file_name(asset.href)


def links_of(document: Any) -> list[Mapping[str, Any]]:
    """The links of a STAC document that are objects."""
    links = document.get("links") if isinstance(document, Mapping) else None
    return [link for link in links if isinstance(link, Mapping)] if isinstance(links, list) else []


def resolve(href: str, base: str) -> str:
    """An href relative to the file ``base`` that holds it; absolute hrefs stay.

    STAC hrefs are URI references, in which a blank is ``%20``; but many files hold plain paths. So of a local path
    the name as it stands counts if such a file exists, else the decoded one.
    """
    if is_url(href):
        return unquote(urlsplit(href).path) if href.startswith("file://") else href
    if is_url(base):
        scheme, rest = base.split("://", 1)
        joined = urljoin(f"https://{rest}", href)
        return f"{scheme}://{joined.removeprefix('https://')}"
    folder = os.path.dirname(base)
    path = os.path.normpath(os.path.join(folder, href))
    if "%" in href and not os.path.exists(path):
        return os.path.normpath(os.path.join(folder, unquote(href)))
    return path


def read_json(place: str) -> Any:
    """Parse a JSON document, gzipped or not, with or without a byte order mark.

    Raises
    ------
    SourceError
        Naming the file or URL.
    """
    name = place if is_url(place) else file_name(place)
    try:
        content = _content(place, name)
        if content.startswith(_GZIP):
            content = unpacked(content, name)
        return parsed(content.decode("utf-8-sig"))
    except StoreError as error:
        raise SourceError.of(name, "cannot be read", str(error)) from None
    except (OSError, EOFError, ValueError, zlib.error, RecursionError) as error:
        raise SourceError.of(name, "cannot be read as JSON", _short(error), "Check the path and the file.") from None


def _content(place: str, name: str) -> bytes:
    """Bytes of a file, an object, or what a web server gives."""
    if not is_url(place):
        with open(place, "rb") as stream:
            return stream.read()
    import requests  # takes long to load, and most items lie on disk

    try:
        return get(place)
    except requests.RequestException as error:
        cause: BaseException = error
        while (inner := cause.__cause__ or cause.__context__) is not None:
            cause = inner
        status = getattr(error.response, "status_code", None)
        said = f"HTTP {status}" if status is not None else _short(cause)
        raise SourceError.of(name, "does not answer", said, "Check the address and the network.") from None


def iter_items(document: Any, place: str, quarantine: Quarantine) -> Iterator[RawItem]:
    """Items of a parsed document: FeatureCollection, Feature, or Catalog / Collection walked by its links.

    In a catalog an item file that cannot be read, or holds no STAC, goes to quarantine, and so does a link that is
    none; a catalog that cannot be read raises, because a whole branch would be missing.

    Raises
    ------
    SourceError
        If the document, or a catalog below it, is no STAC; names the file.
    """
    # catalogs not finished yet, the innermost last: a deep tree must not meet the interpreter's limit of calls
    branches: list[tuple[str, Iterator[Any]]] = []
    seen = {place}
    yield from _opened(document, place, branches)
    while branches:
        base, links = branches[-1]
        link = next(links, None)
        if link is None:
            branches.pop()
            continue
        if not isinstance(link, Mapping):
            reason = "link of a catalog is no object; left out. Correct the catalog"
            quarantine.add("imagery", file_name(base), reason, "rejected", column="links", value=link)
            continue
        if link.get("rel") not in {"item", "child"} or not link.get("href"):
            continue
        fault = href_fault(str(link["href"]), base)
        if fault:
            quarantine.add("imagery", file_name(base), fault, "rejected", column="links", value=link["href"])
            continue
        target = resolve(str(link["href"]), base)
        if target in seen:
            continue
        seen.add(target)
        try:
            yield from _opened(read_json(target), target, branches)
        except SourceError as error:
            if link["rel"] == "child":
                raise
            problem = error.problems[0]
            reason = f"item cannot be read: it {problem.what} ({problem.value})"
            quarantine.add("imagery", file_name(target), reason, "rejected")


def _opened(document: Any, place: str, branches: list[tuple[str, Iterator[Any]]]) -> list[RawItem]:
    """Items that a document holds itself; a catalog is put on the branches."""
    found = document if isinstance(document, dict) else {}
    kind, features, links = found.get("type"), found.get("features"), found.get("links") or []
    if kind == "FeatureCollection" and isinstance(features, list):
        return [RawItem(feature, place, n) for n, feature in enumerate(features, start=1)]
    if kind == "Feature":
        return [RawItem(found, place)]
    if kind != "FeatureCollection" and (kind in {"Catalog", "Collection"} or "links" in found):
        if isinstance(links, list):
            branches.append((place, iter(links)))
            return []
        raise SourceError.of(
            file_name(place), "has links that are no list", _short(repr(links)), "Correct the catalog."
        )
    if kind == "FeatureCollection":
        raise SourceError.of(
            file_name(place),
            "has features that are no list",
            _short(repr(features)),
            "Give an item collection as a STAC API or rustac writes it.",
        )
    raise SourceError.of(
        file_name(place),
        "is no STAC document",
        repr(kind),
        "Give a STAC API, a catalog, an item collection, an item or a stac-geoparquet file.",
    )


def read_geoparquet(path: str, place: str = "") -> Iterator[RawItem]:
    """Items of a stac-geoparquet file: properties are columns, assets a struct, the geometry WKB.

    Times become ISO texts in UTC; absent struct members and null properties are left out. Relative hrefs resolve
    against ``place``, from where the file was fetched, if it was.
    """
    import pyarrow.parquet as pq
    from pyarrow.lib import ArrowException

    try:
        file = pq.ParquetFile(path)
        check_parquet(file, file_name(path), limit("vector_rows_max"))
        table = file.read()
    except (OSError, ArrowException) as error:
        raise SourceError.of(file_name(path), "cannot be read as Parquet", _short(error), "Check the file.") from None
    missing = [c for c in ("id", "geometry", "assets") if c not in table.column_names]
    if missing:
        raise SourceError.of(
            file_name(path),
            "lacks the columns of stac-geoparquet",
            ", ".join(missing),
            "Write it with rustac or stac-geoparquet.",
        )
    for n, row in enumerate(table.to_pylist(), start=1):
        yield RawItem(_from_row(row), place or path, n)


def _from_row(row: Mapping[str, Any]) -> dict[str, Any]:
    import shapely

    item = {key: _plain(row.get(key)) for key in _ITEM_KEYS if key not in {"geometry", "bbox"}}
    item["type"] = "Feature"
    wkb = row.get("geometry")
    try:
        outline = None if wkb is None or wkb_fault(wkb) else shapely.from_wkb(wkb)
        item["geometry"] = None if outline is None else json.loads(shapely.to_geojson(outline))
    except (shapely.errors.ShapelyError, TypeError):
        item["geometry"] = None
    given = row.get("properties")
    properties = _plain(given) if isinstance(given, Mapping) else {}
    properties.update({k: _plain(v) for k, v in row.items() if k not in (*_ITEM_KEYS, "properties") and v is not None})
    item["properties"] = properties
    item["assets"] = item["assets"] or {}
    return item


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dt.datetime):
        utc = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
        return utc.isoformat().replace("+00:00", "Z")
    return value


def _short(error: BaseException | str) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else text[:157] + "..."
