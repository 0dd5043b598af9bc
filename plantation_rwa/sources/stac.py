"""STAC items to scenes: one imagery source over APIs, static catalogs, item collections and stac-geoparquet."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import shapely

from plantation_rwa.config import ImageryConfig
from plantation_rwa.errors import SourceError
from plantation_rwa.periods import Month
from plantation_rwa.sources.base import ImagerySource, Quarantine, Scene
from plantation_rwa.sources.holdings import Holdings
from plantation_rwa.sources.items import RawItem, is_url, iter_items, links_of, read_geoparquet, read_json
from plantation_rwa.sources.remote import addresses, local_files
from plantation_rwa.sources.stac_scenes import distinct, scenes_of
from plantation_rwa.stores import is_store

_SLACK = pd.Timedelta(days=1)


def open_source(config: ImageryConfig, quarantine: Quarantine) -> ImagerySource:
    """Open the configured imagery.

    Static documents and stac-geoparquet files are read and turned into scenes at once; an API is contacted
    to see that it answers and is searched when scenes are asked for.

    Parameters
    ----------
    config
        ``imagery`` section; ``source`` entries are local paths or URLs.
    quarantine
        Receives every item that cannot become a scene.

    Raises
    ------
    SourceError
        If a document, catalog, file or API cannot be read; names the file or URL.
    """
    parts: list[ImagerySource] = []
    raw: list[RawItem] = []
    for place in addresses(config.source):
        if place.endswith((".parquet", ".geoparquet")):
            if is_store(place):
                raw += [item for file in local_files([place]) or [] for item in read_geoparquet(file, place)]
                continue
            if is_url(place):
                raise SourceError.of(
                    "imagery.source",
                    "stac-geoparquet is read from local files and object stores only",
                    place,
                    "Download the file first.",
                )
            raw += list(read_geoparquet(place))
            continue
        if os.path.isdir(place) or (is_store(place) and place.endswith("/")):
            place = os.path.join(place, "catalog.json")
        document = read_json(place)
        if is_url(place) and _is_api(document):
            parts.append(ApiSource(place, config, quarantine))
        else:
            raw += list(iter_items(document, place, quarantine))
    if raw or not parts:
        holdings = Holdings()
        scenes = scenes_of(raw, config, quarantine, holdings)
        parts.insert(0, StaticSource(scenes, config, holdings))
    return parts[0] if len(parts) == 1 else CombinedSource(parts, config)


def _is_api(document: Any) -> bool:
    return isinstance(document, dict) and (
        bool(document.get("conformsTo")) or any(link.get("rel") == "search" for link in links_of(document))
    )


class StaticSource:
    """Scenes that are all in memory."""

    def __init__(self, scenes: Sequence[Scene], config: ImageryConfig, holdings: Holdings) -> None:
        self._scenes, self._holdings = list(scenes), holdings
        self._start = config.start
        self._acquired = np.array([s.acquired.timestamp() for s in self._scenes])

    def scenes(self, bbox: tuple[float, float, float, float], first: Month, last: Month) -> list[Scene]:
        """Scenes that touch a WGS84 box and were acquired in the months, as :class:`ImagerySource` says."""
        begin, end = _period(first, last, self._start)
        wanted = np.flatnonzero((self._acquired >= begin.timestamp()) & (self._acquired < end.timestamp()))
        area = shapely.box(*bbox)
        found = [self._scenes[i] for i in wanted]
        return [s for s in found if any(v.footprint is None or v.footprint.intersects(area) for v in s.versions)]

    def holdings(self) -> Holdings:
        """See :class:`ImagerySource`."""
        return self._holdings


class ApiSource:
    """Scenes of a STAC API, searched per box and period."""

    def __init__(self, url: str, config: ImageryConfig, quarantine: Quarantine) -> None:
        self._url, self._config, self._quarantine = url, config, quarantine
        self._cache: dict[tuple[Any, ...], list[Scene]] = {}
        self._holdings = Holdings()
        self._search(None)

    def scenes(self, bbox: tuple[float, float, float, float], first: Month, last: Month) -> list[Scene]:
        """Scenes that touch a WGS84 box and were acquired in the months, as :class:`ImagerySource` says.

        Pages are followed to the end; an item that several pages hold counts once.
        """
        key = (bbox, first, last)
        if key not in self._cache:
            begin, end = _period(first, last, self._config.start)
            if begin >= end:  # a date before the configured start: APIs refuse a period that ends before it begins
                return []
            found = self._search(
                {
                    "collections": list(self._config.collections),
                    "bbox": list(bbox),
                    "datetime": f"{begin.isoformat()}/{end.isoformat()}".replace("+00:00", "Z"),
                    "limit": 100,
                }
            )
            raw = [RawItem(item, _self_href(item) or f"{self._url}#{item.get('id')}") for item in found]
            scenes = scenes_of(raw, self._config, self._quarantine, self._holdings)
            self._cache[key] = StaticSource(scenes, self._config, self._holdings).scenes(bbox, first, last)
        return self._cache[key]

    def holdings(self) -> Holdings:
        """See :class:`ImagerySource`; with the collections that the API lists."""
        return Holdings(self._holdings.items, self._collections())

    def _collections(self) -> tuple[str, ...]:
        """Ids of the API's collections; none where it does not list them."""
        try:
            document = read_json(f"{self._url.rstrip('/')}/collections")
        except SourceError:
            return ()
        listed = document.get("collections") if isinstance(document, dict) else None
        found = [c for c in listed if isinstance(c, dict)] if isinstance(listed, list) else []
        return tuple(sorted(str(c["id"]) for c in found if c.get("id")))

    def _search(self, parameters: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        """Items of a search, or with None only the check that the API answers."""
        from pystac_client import Client
        from pystac_client.exceptions import APIError
        from pystac_client.stac_api_io import StacApiIO
        from requests.exceptions import RequestException

        try:
            client = Client.open(self._url, stac_io=StacApiIO(timeout=60, max_retries=5))
            return [] if parameters is None else list(client.search(**parameters).items_as_dicts())
        except (APIError, RequestException, OSError, ValueError, KeyError, NotImplementedError) as error:
            text = " ".join(str(error).split())[:160]
            raise SourceError.of(
                self._url, "the STAC API does not answer as expected", text, "Check the URL and the network."
            ) from None


class CombinedSource:
    """Several sources seen as one; a product that two of them hold counts once."""

    def __init__(self, parts: Sequence[ImagerySource], config: ImageryConfig) -> None:
        self._parts, self._config = list(parts), config

    def scenes(self, bbox: tuple[float, float, float, float], first: Month, last: Month) -> list[Scene]:
        """Scenes of all parts, sorted by (acquired, id)."""
        found = [scene for part in self._parts for scene in part.scenes(bbox, first, last)]
        return distinct(found, self._config)

    def holdings(self) -> Holdings:
        """Those of all parts."""
        return functools.reduce(Holdings.merged, (part.holdings() for part in self._parts))


def _self_href(item: Mapping[str, Any]) -> str:
    return next(
        (str(link["href"]) for link in links_of(item) if link.get("rel") == "self" and link.get("href")),
        "",
    )


def _period(first: Month, last: Month, start: str | None) -> tuple[pd.Timestamp, pd.Timestamp]:
    begin = max(first, Month.parse(start)) if start else first
    return pd.Timestamp(begin.first, tz="UTC") - _SLACK, pd.Timestamp(last.last, tz="UTC") + 2 * _SLACK
