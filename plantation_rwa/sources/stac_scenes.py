"""STAC item dictionaries to scenes: parsing, fingerprints, and which of several twins counts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from plantation_rwa.assumptions import packaged
from plantation_rwa.config import ImageryConfig
from plantation_rwa.grid import is_mgrs
from plantation_rwa.sources import providers
from plantation_rwa.sources.base import Asset, Quarantine, Scene
from plantation_rwa.sources.cells import is_formula
from plantation_rwa.sources.contents import contents_of
from plantation_rwa.sources.guards import href_fault, outline_fault, too_tangled
from plantation_rwa.sources.holdings import TOO_CLOUDY, Held, Holdings, box_of
from plantation_rwa.sources.items import RawItem, file_name, is_url, resolve
from plantation_rwa.sources.providers import UnusableItemError
from plantation_rwa.stores import is_store

#: providers time an item by the start of the datatake or by the middle of its tile
_SAME_PASS = pd.Timedelta(hours=1)
_ISO = re.compile(r"^\d{4}-\d{2}-\d{2}")


def scenes_of(raw: Iterable[RawItem], config: ImageryConfig, quarantine: Quarantine, holdings: Holdings) -> list[Scene]:
    """Scenes of raw items: configured collections only, products listed twice once, sorted by (acquired, id).

    Items of other collections are passed over; an item of a configured collection that cannot become a
    scene goes to quarantine (input ``imagery``, column = item id). Cloudier scenes than ``max_cloud_cover``
    are left out. ``holdings`` learns of every item.
    """
    parsed: list[Scene] = []
    records: list[Held] = []
    for entry in raw:
        held = _held(entry)
        holdings.items[(entry.base, entry.row)] = held
        if not _wanted(entry.data, config):
            continue
        try:
            made = _parse(entry, config)
        except UnusableItemError as error:
            held.refused = _reject(entry, error, config, quarantine)
            continue
        except (AttributeError, TypeError, ValueError, KeyError, IndexError) as error:
            # a field of the item has another kind than STAC gives it: this item is unusable, not the run
            fault = UnusableItemError(f"item does not follow STAC ({type(error).__name__}: {error})")
            held.refused = _reject(entry, fault, config, quarantine)
            continue
        cover, stated = made.cloud_cover, entry.data["properties"].get("eo:cloud_cover")
        if cover is None and stated is not None:
            quarantine.add(
                "imagery",
                entry.file,
                f"eo:cloud_cover of {made.id} is no percentage of 0 to 100; taken as unknown, the scene is kept",
                "nulled",
                row=entry.row,
                column="eo:cloud_cover",
                value=stated,
                known_at=made.known_at,
            )
        if cover is None or cover <= config.max_cloud_cover:
            parsed.append(made)
            records.append(held)
        else:
            held.refused = TOO_CLOUDY
    parsed = _with_files(parsed)
    left = _consistent(parsed, quarantine)
    kept = {id(scene) for scene in left}
    for scene, held in zip(parsed, records, strict=True):
        if id(scene) not in kept:
            held.refused = "names the same files as an item of another time or tile"
    return distinct(left, config)


def _held(entry: RawItem) -> Held:
    item = entry.data if isinstance(entry.data, Mapping) else {}
    properties = item.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    acquired = _time(properties.get("datetime") or properties.get("start_datetime"))
    return Held(str(item.get("collection") or ""), acquired, box_of(item))


def _wanted(item: Any, config: ImageryConfig) -> bool:
    """Whether the configuration asks for the item: by its collection, or an L2A item that names none."""
    if (
        not isinstance(item, Mapping)
        or not isinstance(item.get("properties"), Mapping)
        or not isinstance(item.get("assets"), Mapping)
    ):
        return True
    collection = item.get("collection")
    return collection in config.collections if collection else providers.is_level_2a(item)


def _parse(entry: RawItem, config: ImageryConfig) -> Scene:
    item = entry.data
    if not isinstance(item, Mapping) or not item.get("id"):
        raise UnusableItemError("item has no id", value=item if isinstance(item, str) else "")
    if is_formula(str(item["id"])):
        raise UnusableItemError("id of the item begins like a spreadsheet formula", value=str(item["id"]))
    if not isinstance(item.get("properties"), Mapping) or not isinstance(item.get("assets"), Mapping):
        raise UnusableItemError("item has no properties or no assets")
    if not providers.is_level_2a(item):
        kind = item["properties"].get("s2:product_type") or item["properties"].get("platform") or ""
        raise UnusableItemError(
            "item of a configured collection is no Sentinel-2 L2A product; scene left out. Give its L2A", value=kind
        )
    provider = providers.provider_of(item) if config.provider == "auto" else config.provider
    bands = providers.assets_of(item)
    if not bands:
        raise UnusableItemError(
            "item has no asset of a known band", value=", ".join(sorted(map(str, item["assets"])))[:150]
        )
    acquired, created = _acquired(item), _created(item)
    _check_sensing(item, acquired)
    offset = providers.offset_of(item, provider)
    # nobody knows a scene before it is taken, whatever its item says
    start = max(created, acquired) if config.known_at == "created" and created is not None else acquired
    for asset in bands.values():
        if fault := href_fault(str(asset["href"]), entry.base):
            raise UnusableItemError(f"{fault}; scene left out", value=str(asset["href"]))
    assets = {band: _asset(asset, entry.base, item["properties"]) for band, asset in bands.items()}
    return Scene(
        id=str(item["id"]),
        collection=str(item.get("collection") or ""),
        platform=str(item["properties"].get("platform") or ""),
        datatake=providers.datatake_of(item),
        tile=providers.tile_of(item),
        baseline=providers.baseline_of(item),
        acquired=acquired,
        created=created,
        known_at=start + pd.Timedelta(days=config.known_lag_days),
        cloud_cover=_percentage(item["properties"].get("eo:cloud_cover")),
        footprint=_footprint(item),
        assets=assets,
        scale=offset.scale,
        offset=offset.offset,
        offset_reason=offset.reason,
        fingerprint=_identity(item),
        file=entry.file,
        datastrip=providers.datastrip_of(item),
    )


def _acquired(item: Mapping[str, Any]) -> pd.Timestamp:
    text = item["properties"].get("datetime") or item["properties"].get("start_datetime")
    time = _time(text)
    if time is None:
        raise UnusableItemError("item has no readable datetime", value=text or "")
    return time


def _check_sensing(item: Mapping[str, Any], acquired: pd.Timestamp) -> None:
    """Refuse an item whose time is not that of the acquisition its own names tell."""
    limit = pd.Timedelta(days=packaged().number("plausibility.item_time_off_max_days"))
    for name, start in providers.sensing_starts(item):
        sensed = _time(f"{start[:4]}-{start[4:6]}-{start[6:8]}")
        # to the whole day: the clock within it differs between providers
        if sensed is not None and abs(acquired.normalize() - sensed) > limit:
            raise UnusableItemError(
                f"item's datetime {acquired.isoformat()} is more than {limit.days} d off the acquisition of its own"
                f" {name}, {sensed.date()}; scene left out. Mend the datetime, or take the item of that day",
                value=acquired.isoformat(),
            )


def _created(item: Mapping[str, Any]) -> pd.Timestamp | None:
    """When the item appeared: ``created``, else the generation time of the product."""
    return _time(item["properties"].get("created")) or _time(item["properties"].get("s2:generation_time"))


def _time(text: Any) -> pd.Timestamp | None:
    if not _ISO.match(str(text)):  # pandas would read "5 March" as a day of the current year
        return None
    try:
        time = pd.Timestamp(text)
    except (ValueError, TypeError):
        return None
    if pd.isna(time):
        return None
    return (time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")).as_unit("us")


def _asset(asset: Mapping[str, Any], base: str, properties: Mapping[str, Any]) -> Asset:
    entries = asset.get("raster:bands") or asset.get("bands") or [{}]
    nodata = entries[0].get("nodata", 0) if isinstance(entries[0], Mapping) else 0
    shape, transform = (providers.numbers_of(asset.get(f"proj:{k}"), n) for k, n in (("shape", 2), ("transform", 6)))
    return Asset(
        resolve(str(asset["href"]), base),
        1,
        0.0 if nodata is None else float(nodata),
        providers.crs_of(asset) or providers.crs_of(properties),
        (int(shape[0]), int(shape[1])) if shape else None,
        transform,
        "" if is_url(str(asset["href"])) else str(asset["href"]),
    )


def _percentage(value: Any) -> float | None:
    """Cloud cover in percent; None if it is unknown, or no such number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        return None
    return float(value)


def _footprint(item: Mapping[str, Any]) -> BaseGeometry | None:
    """Outline on WGS84, of an item without geometry its bbox; rings that jump over the antimeridian are cut there.

    None if it is unknown, or spans more than half the globe however it is read: then the files say where they lie.
    """
    geometry, box = item.get("geometry"), box_of(item)
    if not geometry:
        if box is None:
            return None
        west, south, east, north = box
        if west > east:  # as GeoJSON writes a box over the antimeridian
            return shapely.union(shapely.box(west, south, 180, north), shapely.box(-180, south, east, north))
        return shapely.box(*box)
    try:
        shape = shapely.from_geojson(json.dumps(geometry))
    except (shapely.errors.ShapelyError, TypeError, ValueError):
        return None
    if shape.is_empty:
        return None
    if fault := outline_fault(shape):
        raise UnusableItemError(f"footprint {fault}; scene left out")
    if too_tangled(shape):
        raise UnusableItemError("footprint crosses itself too often to be mended; scene left out")
    west, _, east, _ = shape.bounds
    if east - west > 180:
        turned = shapely.make_valid(
            shapely.transform(
                shape,
                lambda xy: np.column_stack([np.where(xy[:, 0] < 0, xy[:, 0] + 360, xy[:, 0]), xy[:, 1]]),
            )
        )
        west, _, east, _ = turned.bounds
        if turned.area == 0 or east - west > 180:
            return None
        beyond = shapely.transform(
            turned.intersection(shapely.box(180, -90, 360, 90)), lambda xy: xy - np.array([360.0, 0.0])
        )
        shape = turned.intersection(shapely.box(0, -90, 180, 90)).union(beyond)
    return shape if shape.is_valid else shapely.make_valid(shape)


def _reject(entry: RawItem, error: UnusableItemError, config: ImageryConfig, quarantine: Quarantine) -> str:
    """Put an item into quarantine; returns the reason."""
    known, name = None, ""
    if isinstance(entry.data, Mapping):
        name = str(entry.data.get("id") or "")
        properties = entry.data.get("properties")
        if isinstance(properties, Mapping):
            known = _time(properties.get("datetime") or properties.get("start_datetime"))
            created = _time(properties.get("created")) if config.known_at == "created" else None
            known = max((t for t in (known, created) if t is not None), default=None)
    known = None if known is None else known + pd.Timedelta(days=config.known_lag_days)
    quarantine.add(
        "imagery",
        entry.file,
        str(error),
        "rejected",
        row=entry.row,
        column=name,
        value=error.value,
        known_at=known,
    )
    return str(error)


def _identity(item: Mapping[str, Any]) -> str:
    """Hash of an item without its links."""
    content = {k: v for k, v in item.items() if k != "links"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def _with_files(scenes: Sequence[Scene]) -> list[Scene]:
    """The scenes with what their files hold in their fingerprints: local ones, and those that lie beside their items.

    A file to which an item gives a whole address is somebody's archive: then the item tells what it is.
    """
    held = contents_of(a.href for s in scenes for a in s.assets.values() if _is_beside(a))
    found = []
    for scene in scenes:
        beside = sorted((band, asset) for band, asset in scene.assets.items() if _is_beside(asset))
        digest = hashlib.sha256(scene.fingerprint.encode())
        for band, asset in beside:
            digest.update(f"{band}:{held.get(asset.href) or f'{file_name(asset.href)} unreadable'}".encode())
        assets = {band: replace(a, absent=_is_beside(a) and a.href not in held) for band, a in scene.assets.items()}
        found.append(replace(scene, assets=assets, fingerprint=digest.hexdigest()) if beside else scene)
    return found


def _is_beside(asset: Asset) -> bool:
    return not is_url(asset.href) or bool(asset.name and is_store(asset.href))


def distinct(scenes: Sequence[Scene], config: ImageryConfig) -> list[Scene]:
    """Each product once: one whose local files are there, newest baseline, first configured collection, latest created.

    Those it replaces go with it as ``twins``; only one that is known no later replaces another, so that a run at an
    earlier date still finds the version of that date. Two datastrips, or two cuts, of one tile and datatake that cover
    different ground stay. The very same item twice is one.
    """
    rank = {name: n for n, name in enumerate(config.collections)}

    def order(scene: Scene) -> tuple[Any, ...]:
        created = scene.created.timestamp() if scene.created is not None else 0.0
        collection = rank.get(scene.collection, len(rank))
        return (_absent(scene), -(scene.baseline or 0.0), collection, -created, scene.id, scene.fingerprint)

    every = {(v.fingerprint, hrefs_of(v)): replace(v, twins=()) for s in scenes for v in s.versions}
    kept: dict[tuple[str, str], list[list[Scene]]] = {}
    for _, scene in sorted(every.items(), key=lambda e: (order(e[1]), e[0])):
        groups = kept.setdefault((scene.tile, scene.datatake), [])
        for group in groups:
            if _same_product(group[0], scene) and group[0].known_at <= scene.known_at:
                group.append(scene)
                break
        else:
            groups.append([scene])
    left = [replace(group[0], twins=tuple(group[1:])) for groups in kept.values() for group in groups]
    return sorted(left, key=lambda s: (s.acquired, s.id, s.collection, s.fingerprint, hrefs_of(s)))


def hrefs_of(scene: Scene) -> tuple[str, ...]:
    """Where the files of a scene are, by band."""
    return tuple(asset.href for _, asset in sorted(scene.assets.items()))


def _consistent(scenes: Sequence[Scene], quarantine: Quarantine) -> list[Scene]:
    """Scenes without those that name another's pixels as of another time or tile.

    An item that was known before is believed, one that contradicts it is not; of two known at once neither is, since
    nothing tells which of them lies.
    """
    owners: dict[str, Scene] = {}
    left = []
    for _, group in groupby(sorted(scenes, key=lambda s: (s.known_at, s.id, s.fingerprint)), key=lambda s: s.known_at):
        claims = dict(owners)
        refused: dict[int, tuple[Scene, Scene]] = {}
        members = list(group)
        for scene in members:
            for href in hrefs_of(scene):
                other = claims.setdefault(href, scene)
                if _at_odds(other, scene):
                    refused[id(scene)] = (scene, other)
                    if href not in owners:
                        refused[id(other)] = (other, scene)
        for scene, other in refused.values():
            what = "tile" if abs(scene.acquired - other.acquired) <= _SAME_PASS else "time"
            told = (
                f"names the same files as {other.id} ({other.file}), but as of another {what}: {_told(other, what)};"
                " one file is of one acquisition. Mend the item's hrefs"
            )
            known = max(scene.known_at, other.known_at)
            quarantine.add(
                "imagery", scene.file, told, "rejected", column=scene.id, value=_told(scene, what), known_at=known
            )
        for scene in members:
            if id(scene) not in refused:
                left.append(scene)
                owners.update(dict.fromkeys(hrefs_of(scene), scene))
    return left


def _at_odds(a: Scene, b: Scene) -> bool:
    tiles = {s.tile for s in (a, b) if is_mgrs(s.tile)}
    return abs(a.acquired - b.acquired) > _SAME_PASS or len(tiles) > 1


def _told(scene: Scene, what: str) -> str:
    return scene.tile if what == "tile" else scene.acquired.isoformat()


def _absent(scene: Scene) -> int:
    """Files of a scene that are not there."""
    return sum(a.absent for a in scene.assets.values())


def _same_product(a: Scene, b: Scene) -> bool:
    if a.datastrip and b.datastrip and a.datastrip != b.datastrip:
        return False
    one, two = a.footprint, b.footprint
    if one is None or two is None:
        return True
    return bool(one.intersection(two).area > 0.5 * min(one.area, two.area))
