"""Bytes to STAC item dictionaries: item collections, static catalogs, stac-geoparquet."""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urljoin, urlsplit

from plantation_rwa.errors import SourceError
from plantation_rwa.sources.base import Quarantine

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


def resolve(href: str, base: str) -> str:
    """An href relative to the file ``base`` that holds it; absolute hrefs stay."""
    if is_url(href):
        return href.removeprefix("file://") if href.startswith("file://") else href
    if is_url(base):
        scheme, rest = base.split("://", 1)
        joined = urljoin(f"https://{rest}", href)
        return f"{scheme}://{joined.removeprefix('https://')}"
    return os.path.normpath(os.path.join(os.path.dirname(base), href))


def read_json(place: str) -> Any:
    """Parse a JSON document; :class:`SourceError` names the file or URL."""
    name = place if is_url(place) else file_name(place)
    try:
        if is_url(place):
            text = _get(place)
        else:
            with open(place, encoding="utf-8-sig") as stream:
                text = stream.read()
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise SourceError.of(
            f"imagery: {name}", "cannot be read as JSON", _short(error), "Check the path and the file."
        ) from None


def _get(url: str) -> str:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util import Retry

    with requests.Session() as session:
        session.mount(
            "https://", HTTPAdapter(max_retries=Retry(4, backoff_factor=0.5, status_forcelist=[429, 502, 503, 504]))
        )
        answer = session.get(url, timeout=60)
        answer.raise_for_status()
        return str(answer.text)


def iter_items(document: Any, place: str, quarantine: Quarantine) -> Iterator[RawItem]:
    """Items of a parsed document: FeatureCollection, Feature, or Catalog / Collection walked by its links.

    An item file that cannot be read goes to quarantine; a catalog that cannot be read raises, because a
    whole branch would be missing.
    """
    kind = document.get("type") if isinstance(document, dict) else None
    if kind == "FeatureCollection":
        for n, feature in enumerate(document.get("features") or [], start=1):
            yield RawItem(feature, place, n)
    elif kind == "Feature":
        yield RawItem(document, place)
    elif kind in {"Catalog", "Collection"} or (isinstance(document, dict) and "links" in document):
        yield from _walk(document, place, quarantine, {place})
    else:
        raise SourceError.of(
            f"imagery: {file_name(place)}",
            "is no STAC document",
            repr(kind),
            "Give a STAC API, a catalog, an item collection, an item or a stac-geoparquet file.",
        )


def _walk(catalog: Mapping[str, Any], place: str, quarantine: Quarantine, seen: set[str]) -> Iterator[RawItem]:
    for link in catalog.get("links") or []:
        if link.get("rel") not in {"item", "child"} or not link.get("href"):
            continue
        target = resolve(str(link["href"]), place)
        if target in seen:
            continue
        seen.add(target)
        try:
            document = read_json(target)
        except SourceError as error:
            if link["rel"] == "child":
                raise
            quarantine.add("imagery", file_name(target), f"item cannot be read: {error.problems[0].value}", "rejected")
            continue
        if link["rel"] == "item":
            yield from iter_items(document, target, quarantine)
        else:
            yield from _walk(document, target, quarantine, seen)


def read_geoparquet(path: str) -> Iterator[RawItem]:
    """Items of a stac-geoparquet file: properties are columns, assets a struct, the geometry WKB.

    Times become ISO texts in UTC; absent struct members and null properties are left out.
    """
    import pyarrow.parquet as pq
    from pyarrow.lib import ArrowException

    try:
        table = pq.read_table(path)
    except (OSError, ArrowException) as error:
        raise SourceError.of(
            f"imagery: {file_name(path)}", "cannot be read as Parquet", _short(error), "Check the file."
        ) from None
    missing = [c for c in ("id", "geometry", "assets") if c not in table.column_names]
    if missing:
        raise SourceError.of(
            f"imagery: {file_name(path)}",
            "lacks the columns of stac-geoparquet",
            ", ".join(missing),
            "Write it with rustac or stac-geoparquet.",
        )
    for n, row in enumerate(table.to_pylist(), start=1):
        yield RawItem(_from_row(row), path, n)


def _from_row(row: Mapping[str, Any]) -> dict[str, Any]:
    import shapely

    item = {key: _plain(row.get(key)) for key in _ITEM_KEYS if key not in {"geometry", "bbox"}}
    item["type"] = "Feature"
    wkb = row.get("geometry")
    try:
        item["geometry"] = None if wkb is None else json.loads(shapely.to_geojson(shapely.from_wkb(wkb)))
    except (shapely.errors.ShapelyError, TypeError):
        item["geometry"] = None
    properties = _plain(row.get("properties")) or {}
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


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 160 else text[:157] + "..."
