"""Rows of the features tables: vegetation, climate, index and sensors of each plantation and block side by side."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.features.climate import LOCAL, PUBLISHED, monthly_climate, oni_known
from plantation_rwa.features.encoded import Encoded
from plantation_rwa.features.month_part import MonthPart
from plantation_rwa.features.sensors import VALUES as SENSOR_VALUES
from plantation_rwa.features.sensors import monthly_sensors
from plantation_rwa.periods import Month, month_range
from plantation_rwa.run.features import FeatureWork
from plantation_rwa.run.imagery_rows import RowsOfDate
from plantation_rwa.run.partitions import Key, PartitionPlan
from plantation_rwa.run.session import Session
from plantation_rwa.schema.checks import finalise
from plantation_rwa.schema.texts import chosen

#: rows of the features tables that are made and checked together: each check has a fixed cost
LOT = 40_000
_DAY = "datetime64[D]"
_UNKNOWN = np.datetime64("NaT", "D")


def feature_rows(
    session: Session, work: FeatureWork, imagery: RowsOfDate
) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Finalised rows to publish with (table, month), for the partitions that must be computed, some months at a time.

    Parameters
    ----------
    imagery
        Vegetation columns; units that failed are absent and their rows are left out.
    """
    todo = [p for p in work.plans if p.todo]
    if not todo:
        return
    tables = _Tables.of(session, work)
    for lot in _lots(todo):
        frames: dict[str, list[pd.DataFrame]] = {}
        for month in sorted({p.partition.removeprefix("month=") for p in lot}):
            found = imagery.of(month)
            for plan in (p for p in lot if p.partition == f"month={month}"):
                trail = plan.table == "features_scenes"
                made = tables.scenes(plan, month, found) if trail else [tables.rows(plan, month, found)]
                frames.setdefault(plan.table, []).extend(frame for frame in made if len(frame))
        for name, own in frames.items():
            if own:
                yield from (((name, month), frame) for month, frame in _split(name, own))


def _lots(plans: Sequence[PartitionPlan]) -> Iterator[list[PartitionPlan]]:
    """Partitions that are made together, whole months in order: as many as hold the rows of a lot."""
    lot: list[PartitionPlan] = []
    count = 0
    for _, group in itertools.groupby(sorted(plans, key=lambda p: p.partition), key=lambda p: p.partition):
        month = list(group)
        more = sum(len(p.todo) for p in month)
        if lot and count + more > LOT:
            yield lot
            lot, count = [], 0
        lot, count = lot + month, count + more
    yield lot


def _split(name: str, frames: Sequence[pd.DataFrame]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Finalised rows of one table, month by month; checked together because each check has a fixed cost."""
    frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    if name != "features_scenes":
        frame = frame.drop(columns=[*SENSOR_VALUES, LOCAL] if name == "features_blocks" else ["block_id"])
        frame = gpd.GeoDataFrame(frame, geometry="geometry", crs="EPSG:4326")
    made, start = finalise(frame, name, partition="month"), 0
    months = made.pop("month")
    for month, count in sorted(months.value_counts(sort=False).items()):  # the table is in order of them
        yield str(month), made.iloc[start : start + count].reset_index(drop=True)
        start += count


@dataclass(frozen=True)
class _ByMonth:
    """Rows of plantations and months, some of them absent.

    Parameters
    ----------
    columns
        Those that are published.
    place
        Row by month and plantation.
    flags, known
        Of each row.
    """

    columns: Mapping[str, NDArray[Any]]
    place: Mapping[str, Mapping[str, int]]
    flags: Encoded[str]
    known: NDArray[np.datetime64]

    @classmethod
    def of(cls, frame: pd.DataFrame, names: Sequence[str]) -> _ByMonth:
        columns = {name: frame[name].to_numpy("float64", na_value=np.nan) for name in names}
        place: dict[str, dict[str, int]] = {}
        keys = zip(frame["plantation_id"].tolist(), frame["month"].tolist(), strict=True)
        for n, (plantation, month) in enumerate(keys):
            place.setdefault(month, {})[plantation] = n
        return cls(columns, place, _texts(frame["flags"]), _days(frame["known_at"]))

    def rows(self, month: str, keys: Sequence[Key]) -> NDArray[np.intp]:
        """Row of each plantation, or of a block's plantation, in a month; -1 where there is none."""
        place = self.place.get(month, {})
        return np.array([place.get(key[0], -1) for key in keys], np.intp)


def _texts(column: pd.Series) -> Encoded[str]:
    return Encoded.by(column.tolist(), lambda text: text)


def _days(times: pd.Series) -> NDArray[np.datetime64]:
    values = times.tolist()
    days = {t: t.date() for t in dict.fromkeys(values)}
    return np.array([days[t] for t in values], "datetime64[D]")


@dataclass(frozen=True)
class _Outlines:
    """Plantations and blocks of a session, column by column; ``place`` is the row of each."""

    place: Mapping[Key, int]
    plantations: Sequence[str]
    blocks: Sequence[str]
    geometry: NDArray[Any]
    flags: Encoded[str]
    points: NDArray[np.bool_]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> _Outlines:
        place = {key: n for n, key in enumerate(frame["key"])}
        plantations, blocks = frame["plantation_id"].tolist(), frame["block_id"].tolist()
        points, geometry = frame["is_point"].to_numpy(bool), frame["geometry"].to_numpy(object)
        return cls(place, plantations, blocks, geometry, _texts(frame["flags"]), points)


@dataclass(frozen=True)
class _Tables:
    """What the rows are made of."""

    session: Session
    work: FeatureWork
    outlines: _Outlines
    climate: _ByMonth
    sensors: _ByMonth
    index: Mapping[str, Any]

    @classmethod
    def of(cls, session: Session, work: FeatureWork) -> _Tables:
        known = session.known
        span = [Month.parse(p.partition.removeprefix("month=")) for p in work.plans]
        months = [str(m) for m in month_range(min(span), max(span))]
        measured = monthly_sensors(
            known.sensors,
            known.register,
            daily=known.climate_daily,
            assumptions=session.assumptions,
            flagged=session.flagged,
        )
        weather = monthly_climate(
            known.climate_daily, known.register, session.assumptions, known.climate_monthly, measured
        )
        return cls(
            session,
            work,
            _Outlines.of(work.outlines),
            _ByMonth.of(weather, (*PUBLISHED, LOCAL)),
            _ByMonth.of(measured, SENSOR_VALUES),
            {row.month: row for row in oni_known(known.climate_index, months).itertuples(index=False)},
        )

    def rows(self, plan: PartitionPlan, month: str, imagery: Sequence[tuple[list[Key], MonthPart]]) -> pd.DataFrame:
        """Rows of ``features`` or ``features_blocks``."""
        at = {key: n for n, key in enumerate(key for keys, _ in imagery for key in keys)}
        outlines, scenes = self.outlines, self.work.scenes
        keys = [k for k in plan.todo if k in at or outlines.points[outlines.place[k]] or not scenes.get((k, month))]
        own = np.array([outlines.place[key] for key in keys], np.intp)
        seen = np.array([at.get(key, -1) for key in keys], np.intp)
        # columns of a mapping become a table at once: put in one by one each costs as much as all of them
        frame: dict[str, Any] = {
            "month": chosen([month], np.zeros(len(keys), np.intp)),
            "plantation_id": chosen(outlines.plantations, own),
            "block_id": chosen(outlines.blocks, own),
            "geometry": outlines.geometry[own],
        }
        parts = [part for _, part in imagery]
        for name in parts[0].columns if parts else ():
            frame[name] = _taken(np.concatenate([p.columns[name] for p in parts]), seen)
        latest = [np.full(len(p), _UNKNOWN if p.known_at is None else p.known_at.date(), _DAY) for p in parts]
        dates = [_taken(np.concatenate(latest or [np.empty(0, _DAY)]), seen)]
        imaged = Encoded.joined([p.flags for p in parts], lambda flags: flags)
        raised: list[Encoded[Any]] = [
            outlines.flags.take(own),
            imaged.take(seen),
            Encoded((True, False), np.where(outlines.points[own], 0, 1)),
        ]
        for table in (self.climate, self.sensors):
            of = table.rows(month, keys)
            for name, values in table.columns.items():
                frame[name] = _taken(values, of)
            dates.append(_taken(table.known, of))
            raised.append(table.flags.take(of))
        oni = self.index.get(month)
        if oni is not None and pd.notna(oni.oni_known):
            frame["oni_known"] = np.full(len(keys), oni.oni_known)
            dates.append(np.full(len(keys), oni.known_at.date(), _DAY))
        days = np.fmax.reduce(dates)
        days[np.isnat(days)] = np.datetime64(Month.parse(month).first)
        frame["known_at"] = days.astype(object)
        told = Encoded.together(*raised)
        frame["quality_flag"] = chosen([self._flag(*flags) for flags in told.values], told.places)
        return pd.DataFrame(frame)

    def _flag(
        self, outline: str, imagery: Sequence[str] | None, point: bool, weather: str | None, sensors: str | None
    ) -> str:
        raised = {*outline.split(";")} & {"point", "geometry_repaired"}
        seen = imagery if imagery is not None else () if point else ("no_imagery",)
        raised |= {*seen}
        for codes, silent in ((weather, "no_climate"), (sensors, "no_sensors")):
            raised |= {silent} if codes is None else {*codes.split(";")} - {""}
        return ";".join(sorted(raised | ({"simulated"} if self.session.config.simulated else set())))

    def scenes(
        self, plan: PartitionPlan, month: str, imagery: Sequence[tuple[list[Key], MonthPart]]
    ) -> Iterator[pd.DataFrame]:
        """Rows of ``features_scenes``: known when the last scene that judged them was.

        Where no scene reaches the outline, as items without a footprint may turn out, when the last of them was.
        """
        todo = set(plan.todo)
        for keys, part in imagery:
            rows = [n for n, key in enumerate(keys) if key in todo and self.work.scenes.get((key, month))]
            if part.trail is None or not rows:
                continue
            trail = part.trail if len(rows) == len(part) else part.trail.take(np.array(rows, np.intp))
            known = [
                part.known_at or max(s.known_at for s in self.work.scenes[(keys[n], month)])
                for n in (rows[:1] if part.known_at is not None else rows)
            ]
            lines = len(trail.heads)
            count = len(rows) * lines
            days = np.array([k.date() for k in known], object)
            yield pd.DataFrame(
                {
                    "month": chosen([month], np.zeros(count, np.intp)),
                    "plantation_id": chosen([keys[n][0] for n in rows], np.arange(len(rows)).repeat(lines)),
                    **{n: chosen(*c) if isinstance(c, Encoded) else c for n, c in trail.columns().items()},
                    "known_at": np.broadcast_to(days, len(rows)).repeat(lines),
                }
            )


def _taken(values: NDArray[Any], places: NDArray[np.intp]) -> NDArray[Any]:
    """Values by place; unknown where there is none."""
    absent = places < 0
    if not absent.any():
        return values[places]
    unknown = _UNKNOWN if values.dtype.kind == "M" else None if values.dtype.kind in "bO" else np.nan
    out = np.full(len(places), unknown, values.dtype if values.dtype.kind in "fM" else object)
    out[~absent] = values[places[~absent]]
    return out
