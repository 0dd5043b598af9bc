"""What all sources share: the point-in-time filter, the quarantine, and the imagery Protocols."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from plantation_rwa.grid import GridSpec, Window
from plantation_rwa.periods import Month
from plantation_rwa.sources.holdings import Holdings

Action = Literal["rejected", "nulled", "repaired"]
#: signs with which a spreadsheet begins a formula, and what is a number all the same
_SIGNS, _NUMBER = tuple("=@+-\t\r"), re.compile(r"^[+-]?[0-9.eE+-]+$")


class Quarantine:
    """Collects every record that was rejected, nulled or repaired while inputs are read."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []

    def add(
        self,
        input: str,
        file: str,
        reason: str,
        action: Action,
        *,
        row: int | None = None,
        column: str = "",
        value: object = "",
        plantation_id: str = "",
        known_at: pd.Timestamp | None = None,
        known_until: pd.Timestamp | None = None,
    ) -> None:
        """Record one problem.

        Parameters
        ----------
        input
            Configured input, e.g. ``harvest``.
        file
            File name without folder, so that outputs do not depend on where inputs lie.
        reason
            What is wrong and what was done, in words a reader can act on.
        action
            ``rejected`` (row left out), ``nulled`` (value left out) or ``repaired``.
        row
            1-based data row; None for a whole record such as a scene.
        known_at
            When the record became known, if that can be told; a later ``as_of`` only sees it from then.
        known_until
            From when on it is no problem any more, by what became known later; None if it stays one.
        """
        text = "" if value is None else str(value)
        column, text = _inert(column), _inert(text)
        text = text if len(text) <= 200 else text[:197] + "..."
        self._rows.append((input, file, row, column, text, reason, action, plantation_id, known_at, known_until))

    def __len__(self) -> int:
        return len(self._rows)

    def copy(self) -> Quarantine:
        """An independent collector with the same rows."""
        other = Quarantine()
        other._rows = list(self._rows)
        return other

    def frame(self, instant: pd.Timestamp | None = None) -> pd.DataFrame:
        """Rows known at ``instant`` (None: by all that is known) as table ``quarantine``, in a fixed order."""
        columns = ["input", "file", "row", "column", "value", "reason", "action", "plantation_id"]
        columns += ["known_at", "known_until"]
        frame = pd.DataFrame(self._rows, columns=columns)
        for name in ("known_at", "known_until"):
            frame[name] = pd.to_datetime(frame[name], utc=True)
        if instant is not None:
            frame = frame[frame["known_at"].isna() | (frame["known_at"] <= instant)]
        frame = frame[frame["known_until"].isna() | (False if instant is None else instant < frame["known_until"])]
        frame = frame.drop(columns=["known_at", "known_until"]).drop_duplicates()
        frame["row"] = frame["row"].astype("Int64")
        order = ["input", "file", "row", "column", "reason", "plantation_id", "value"]
        return frame.sort_values(order, kind="stable").reset_index(drop=True)


def _inert(text: str) -> str:
    """A text as it was found, that does not run where a spreadsheet opens the list."""
    return f"'{text}" if text[:1] in _SIGNS and not _NUMBER.match(text) else text


def known(table: pd.DataFrame, instant: pd.Timestamp) -> pd.DataFrame:
    """Rows with ``known_at <= instant``, index reset."""
    return table[table["known_at"] <= instant].reset_index(drop=True)


def believed(table: pd.DataFrame, instant: pd.Timestamp) -> pd.DataFrame:
    """Rows not set aside by ``instant``, without their ``known_until``, index reset; a table already cut stays."""
    if "known_until" not in table:
        return table
    until = table["known_until"]
    return table[until.isna() | (until > instant)].drop(columns="known_until").reset_index(drop=True)


def latest_revision(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Per key the row with the latest ``known_at``, sorted by key.

    Apply it after :func:`known`: a revision replaces its predecessor from the day it became known on.
    """
    ordered = table.sort_values([*keys, "known_at"], kind="stable", na_position="first")
    return ordered.drop_duplicates(subset=list(keys), keep="last").reset_index(drop=True)


@dataclass(frozen=True)
class Asset:
    """One band of a scene as it can be opened.

    Parameters
    ----------
    href
        Absolute path or URL that a reader opens.
    band
        1-based band inside the file.
    nodata
        Pixel value that means no data, before scale and offset.
    crs, shape, transform
        What the item says of the file: ``EPSG:...``, rows and columns, six numbers; empty or None where it says
        nothing. Files are read by their own grid; these are only held against it.
    name
        The href as the item writes it, which messages name; empty: the file's name.
    absent
        Whether it was looked for where its item says and is not there; what lies on a web server is found out when it
        is read.
    """

    href: str
    band: int = 1
    nodata: float | None = 0.0
    crs: str = ""
    shape: tuple[int, int] | None = None
    transform: tuple[float, ...] | None = None
    name: str = ""
    absent: bool = False


@dataclass(frozen=True)
class Scene:
    """One acquisition of one tile, provider differences removed.

    Parameters
    ----------
    assets
        By canonical band name ``B02 .. B12, B8A, SCL``; a missing band is absent. A source without scene
        classification (radar, say) has no ``SCL``: then only nodata masks.
    datatake
        Identity of the acquisition across tiles; equal datatakes count once per plantation.
    tile
        MGRS tile, or the provider's grid code.
    baseline
        Processing baseline as a number, None if unknown.
    scale, offset
        Reflectance = (DN + offset) * scale, DN before nodata masking; ``offset_reason`` says which rule decided.
    footprint
        Outline on WGS84, None if the item has none.
    fingerprint
        Hash of the item as published, independent of where it lies.
    datastrip
        Sensing start of the datastrip, empty if unknown: two strips of one datatake can share a tile.
    twins
        Other items of the same product, the best first, known no sooner: read where the one before cannot be.
    """

    id: str
    collection: str
    platform: str
    datatake: str
    tile: str
    baseline: float | None
    acquired: pd.Timestamp
    created: pd.Timestamp | None
    known_at: pd.Timestamp
    cloud_cover: float | None
    footprint: BaseGeometry | None
    assets: Mapping[str, Asset]
    scale: float = 1e-4
    offset: float = 0.0
    offset_reason: str = ""
    fingerprint: str = ""
    file: str = ""
    datastrip: str = ""
    twins: tuple[Scene, ...] = ()

    @property
    def versions(self) -> tuple[Scene, ...]:
        """The scene and its twins."""
        return (self, *self.twins)


class ImagerySource(Protocol):
    """Where scenes come from."""

    def scenes(self, bbox: tuple[float, float, float, float], first: Month, last: Month) -> list[Scene]:
        """Scenes that touch a WGS84 box, acquired in the months (UTC, one day of slack), sorted by (acquired, id)."""
        ...

    def holdings(self) -> Holdings:
        """The items seen so far, the refused ones too: asked where no scene can be used."""
        ...


class BlockReader(Protocol):
    """How pixels are read; ``features.imagery`` decides what."""

    def grid(self, asset: Asset) -> GridSpec:
        """Grid of the asset's full-resolution band, read from the file itself."""
        ...

    def read(self, asset: Asset, window: Window) -> NDArray[np.generic]:
        """Raw pixels of a window, shape ``(height, width)``, the file's dtype; raise ``ReadError`` naming the href."""
        ...

    def edge(self, asset: Asset) -> int:
        """Edge in pixels of the squares that cost no more one by one than together; 0 if there are none."""
        ...


@dataclass(frozen=True)
class Inputs:
    """Everything read from the configured inputs, each time-dependent row with its ``known_at``.

    Optional inputs that are not configured are empty tables (``imagery``: None).
    """

    register: pd.DataFrame
    blocks: pd.DataFrame
    rights: pd.DataFrame
    sponsors: pd.DataFrame
    mills: pd.DataFrame
    harvest: pd.DataFrame
    climate_daily: pd.DataFrame
    climate_grid: Any
    climate_index: pd.DataFrame
    sensors: pd.DataFrame
    futures: pd.DataFrame
    prices: pd.DataFrame
    fx: pd.DataFrame
    rates: pd.DataFrame
    fiscal: pd.DataFrame
    imagery: ImagerySource | None
    quarantine: Quarantine = field(default_factory=Quarantine)
    climate_monthly: Any = ()
    climate_seasonal: Any = ()
    evidence: Any = None
    overlays: pd.DataFrame = field(default_factory=pd.DataFrame)
    reports: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"known_at": pd.to_datetime([], utc=True)}))


_PRICE_KEYS = ("series", "region", "currency", "frequency", "date")


def known_market(inputs: Inputs, instant: pd.Timestamp) -> Inputs:
    """The inputs with the market tables as they could be seen at ``instant``: later rows gone, revisions applied."""
    tables = {name: known(getattr(inputs, name), instant) for name in ("futures", "prices", "fx", "rates", "fiscal")}
    tables["futures"] = believed(tables["futures"], instant)
    tables["prices"] = latest_revision(tables["prices"], _PRICE_KEYS)
    return dataclasses.replace(inputs, **tables)
