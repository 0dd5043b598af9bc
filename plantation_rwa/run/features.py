"""The features stage: inputs to monthly rows per plantation and block, published by month and vintage."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import geopandas as gpd
import pandas as pd

from plantation_rwa.features.climate import LOCAL, PUBLISHED, monthly_climate, oni_known
from plantation_rwa.features.scene_checks import Rules
from plantation_rwa.features.sensors import VALUES as SENSOR_VALUES
from plantation_rwa.features.sensors import monthly_sensors, reading_months
from plantation_rwa.periods import Month, month_range
from plantation_rwa.run.climate import climate_hashes
from plantation_rwa.run.imagery_rows import RowsOfDate
from plantation_rwa.run.partitions import History, Key, PartitionPlan, Published, plan_rows, rows_identity, summary
from plantation_rwa.run.scenes import SceneWindows, Unit, require_files, scenes_by_month
from plantation_rwa.run.session import Session, code_hash, short, table_hash
from plantation_rwa.schema.checks import finalise
from plantation_rwa.sources.base import Scene

#: keys that a row's identity is planned by; ``features_scenes`` has a row per scene of each
TABLES = {
    "features": ("plantation_id",),
    "features_blocks": ("plantation_id", "block_id"),
    "features_scenes": ("plantation_id",),
}
#: sections of the assumptions that features depend on
ASSUMPTIONS = (
    *("climate_features", "drought", "imagery", "local_rain", "sensor_features", "sensor_flags", "water_balance"),
)
#: rows of the features tables that are made and checked together: each check has a fixed cost
LOT = 20_000
#: what a unit of imagery gives besides columns of the features
_NOT_COLUMNS = {"known_at", "flags", "problems", "trail"}


@dataclass(frozen=True)
class FeatureWork:
    """What the plan of the features stage found, so that running it asks nothing twice."""

    plans: tuple[PartitionPlan, ...]
    outlines: pd.DataFrame
    scenes: Mapping[tuple[Key, str], tuple[Scene, ...]]


def plan_features(session: Session, history: History) -> FeatureWork:
    """Partitions of the features tables with the identity of each row."""
    outlines = _outlines(session)
    scenes = scenes_by_month(session, outlines)
    require_files(session, outlines, scenes)
    months = [str(m) for m in _months(session, scenes)]
    shared = {"code": code_hash("features")[:16], "configuration": short(_settings(session))}
    climate, sensors = climate_hashes(session.known), _sensor_hashes(session, months)
    index = _index_by_month(session, months)
    seen = SceneWindows(scenes, Rules.of(session.assumptions))
    plans = []
    for table, keys in TABLES.items():
        trail = table == "features_scenes"
        rows = outlines[outlines["table"] == ("features" if trail else table)]
        for month in months if table == "features" else _scene_months(scenes):
            components = {}
            for row in rows.itertuples(index=False):
                parts = {**shared, "register": row.identity, "imagery": seen.identity(row.key, month)}
                if trail and (row.is_point or (row.key, month) not in scenes):
                    continue
                if not trail:
                    parts["climate"] = climate.get((row.plantation_id, month), "")
                    parts["index"] = short(index.get(month))
                if table == "features":
                    parts["sensors"] = sensors.get((row.plantation_id, month), "")
                components[row.key] = parts
            if components:
                plans.append(
                    plan_rows(
                        history,
                        stage="features",
                        table=table,
                        partition=f"month={month}",
                        components=components,
                        keys=keys,
                        force=session.force,
                    )
                )
    return FeatureWork(tuple(plans), outlines, scenes)


def plans_as_read(
    plans: Sequence[PartitionPlan], lost: Collection[tuple[str, ...]] | None, parts: Sequence[Published]
) -> list[PartitionPlan]:
    """The plans with the rows that later stages really read, so that what they make of them is identified by it.

    Parameters
    ----------
    lost
        (month, key) of rows that could not be made now; None if the stage was not run: then what was to be done is
        not there, and older parts are read in its place.
    parts
        Published parts that are read.
    """
    found = []
    for plan in plans:
        month = plan.partition.removeprefix("month=")
        gone = {key for key in plan.todo if lost is None or (month, *key) in lost}
        rows: dict[Key, Mapping[str, str]] = {k: v for k, v in plan.components.items() if k not in gone}
        if gone and lost is None:
            old = [p.output for p in parts if (p.output.table, p.output.partition) == (plan.table, plan.partition)]
            rows |= {("published", o.fingerprint): {} for o in old}
        found.append(replace(plan, components=rows) if gone else plan)
    return found


def units_to_do(session: Session, work: FeatureWork) -> list[Unit]:
    """Imagery units of the partitions that must be computed, in a fixed order."""
    config = session.config.imagery
    if config is None:
        return []
    outlines = {row.key: row.geometry.wkb for row in work.outlines.itertuples(index=False) if not row.is_point}
    seen = SceneWindows(work.scenes, Rules.of(session.assumptions))
    units: dict[tuple[Key, str], Unit] = {}
    for plan in work.plans:
        month = plan.partition.removeprefix("month=")
        for key in plan.todo:
            found = work.scenes.get((key, month))
            if found and key in outlines and (key, month) not in units:
                known = seen.known_at(key, month)
                units[(key, month)] = Unit(
                    key,
                    month,
                    outlines[key],
                    found,
                    config.scl_profile,
                    config.edge_buffer,
                    known,
                    seen.seen(key, month),
                )
    return [units[at] for at in sorted(units)]


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
    known = session.known
    months = [str(m) for m in month_range(*_span([p.partition.removeprefix("month=") for p in work.plans]))]
    measured = monthly_sensors(
        known.sensors,
        known.register,
        daily=known.climate_daily,
        assumptions=session.assumptions,
        flagged=session.flagged,
    )
    sensors = _by_key(measured)
    climate = _by_key(
        monthly_climate(known.climate_daily, known.register, session.assumptions, known.climate_monthly, measured)
    )
    index = {row.month: row for row in oni_known(known.climate_index, months).itertuples(index=False)}
    outlines = {row.key: row for row in work.outlines.itertuples(index=False)}
    for lot in _lots(todo):
        rows: dict[str, list[dict[str, Any]]] = {}
        for month in sorted({p.partition.removeprefix("month=") for p in lot}):
            found = imagery.of(month)
            for plan in (p for p in lot if p.partition == f"month={month}"):
                for key in plan.todo:
                    vegetation, scenes = found.get(key), work.scenes.get((key, month))
                    if scenes and vegetation is None and not outlines[key].is_point:
                        continue
                    if plan.table != "features_scenes":
                        row = _row(session, outlines[key], month, vegetation, climate, sensors, index.get(month))
                        rows.setdefault(plan.table, []).append(row)
                    elif vegetation is not None and scenes:
                        rows.setdefault(plan.table, []).extend(_trail(key[0], month, vegetation, scenes))
        for name, own in rows.items():
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


def _split(name: str, rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Finalised rows of one table, month by month; checked together because each check has a fixed cost."""
    frame = pd.DataFrame(rows)
    if name != "features_scenes":
        frame = frame.drop(columns=[*SENSOR_VALUES, LOCAL] if name == "features_blocks" else ["block_id"])
        frame = gpd.GeoDataFrame(frame, geometry="geometry", crs="EPSG:4326")
    for month, part in finalise(frame, name, partition="month").groupby("month", sort=True):
        yield str(month), part.drop(columns="month").reset_index(drop=True)


def _trail(plantation: str, month: str, imagery: Mapping[str, Any], scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """Rows of ``features_scenes``: known when the last scene that judged them was.

    Where no scene reaches the outline, as items without a footprint may turn out, when the last of them was.
    """
    known = imagery["known_at"] if imagery["known_at"] is not None else max(s.known_at for s in scenes)
    shared = {"month": month, "plantation_id": plantation, "known_at": known.date()}
    return [{**shared, **row} for row in imagery["trail"]]


def part_identity(plan: PartitionPlan, frame: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """Fingerprint and component summary of the rows a new part really holds."""
    keys = TABLES[plan.table]
    rows = {tuple(row): plan.components[tuple(row)] for row in frame[list(keys)].itertuples(index=False)}
    return rows_identity(rows), summary(rows)


def _row(
    session: Session,
    outline: Any,
    month: str,
    imagery: dict[str, Any] | None,
    climate: Any,
    sensors: Any,
    oni: Any,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "month": month,
        "plantation_id": outline.plantation_id,
        "block_id": outline.block_id,
        "geometry": outline.geometry,
    }
    flags: set[str] = set(filter(None, str(outline.flags).split(";"))) & {"point", "geometry_repaired"}
    dates: list[dt.date] = []
    if imagery is not None:
        row.update({k: v for k, v in imagery.items() if k not in _NOT_COLUMNS})
        flags.update(imagery["flags"])
        if imagery["known_at"] is not None:
            dates.append(imagery["known_at"].date())
    elif not outline.is_point:
        flags.add("no_imagery")
    weather = climate.get((outline.plantation_id, month))
    if weather is None:
        flags.add("no_climate")
    else:
        row.update({c: getattr(weather, c) for c in (*PUBLISHED, LOCAL)})
        flags.update(filter(None, weather.flags.split(";")))
        dates.append(weather.known_at.date())
    if oni is not None and pd.notna(oni.oni_known):
        row["oni_known"] = oni.oni_known
        dates.append(oni.known_at.date())
    record = sensors.get((outline.plantation_id, month))
    if record is None:
        flags.add("no_sensors")
    else:
        row.update({c: getattr(record, c) for c in SENSOR_VALUES})
        flags.update(filter(None, record.flags.split(";")))
        dates.append(record.known_at.date())
    row.update({c: row.get(c) for c in (*SENSOR_VALUES, LOCAL)})
    if session.config.simulated:
        flags.add("simulated")
    row["known_at"] = max(dates) if dates else Month.parse(month).first
    row["quality_flag"] = ";".join(sorted(flags))
    return row


def _outlines(session: Session) -> pd.DataFrame:
    columns = [
        "table",
        "key",
        "plantation_id",
        "block_id",
        "geometry",
        "timezone",
        "is_point",
        "flags",
        "identity",
    ]
    register, blocks = session.known.register, session.known.blocks
    rows: list[tuple[Any, ...]] = [
        (
            "features",
            (r.plantation_id,),
            r.plantation_id,
            "",
            r.geometry,
            r.timezone,
            bool(r.is_point),
            r.flags,
            short([r.geometry.wkb_hex, r.timezone, r.flags]),
        )
        for r in register.itertuples(index=False)
    ]
    zones = dict(zip(register["plantation_id"], register["timezone"], strict=True))
    for b in blocks.itertuples(index=False):
        if b.geometry is not None and not b.geometry.is_empty and b.plantation_id in zones:
            rows.append(
                (
                    "features_blocks",
                    (b.plantation_id, b.block_id),
                    b.plantation_id,
                    b.block_id,
                    b.geometry,
                    zones[b.plantation_id],
                    b.geometry.geom_type == "Point",
                    "",
                    short([b.geometry.wkb_hex, zones[b.plantation_id]]),
                )
            )
    return pd.DataFrame(rows, columns=columns)


def _months(session: Session, scenes: Mapping[tuple[Key, str], Any]) -> list[Month]:
    starts = [Month.parse(month) for _, month in scenes]
    if len(session.known.climate_daily):
        starts.append(Month.of(session.known.climate_daily["date"].min().date()))
    if len(session.known.climate_monthly):
        starts.append(Month.parse(session.known.climate_monthly["month"].min()))
    if len(session.known.sensors):
        starts.append(Month.of(session.known.sensors["time"].min().date()))
    return month_range(min([*starts, session.month + -11]), session.month)


def _scene_months(scenes: Mapping[tuple[Key, str], Any]) -> list[str]:
    """Months from the first to the last scene: before and after, a block has nothing its plantation has not."""
    months = sorted({month for _, month in scenes})
    return [str(m) for m in month_range(*_span(months))] if months else []


def _span(months: Sequence[str]) -> tuple[Month, Month]:
    return Month.parse(min(months)), Month.parse(max(months))


def _settings(session: Session) -> dict[str, Any]:
    imagery = session.config.imagery
    chosen = imagery.model_dump(mode="json", exclude={"source", "start"}) if imagery else None
    numbers = {k: v for k, v in session.assumptions.resolved().items() if k.split(".")[0] in ASSUMPTIONS}
    return {
        "imagery": chosen,
        "assumptions": numbers,
        "simulated": session.config.simulated,
    }


def _sensor_hashes(session: Session, months: Sequence[str]) -> dict[tuple[str, str], str]:
    """Per plantation and month a hash of all its readings up to the end of that month.

    Tests look back, and the water balance remembers rain of gauges that have fallen silent since.
    """
    readings, found = session.known.sensors, dict[tuple[str, str], str]()
    if readings.empty:
        return found
    counted = reading_months(readings, session.known.register, session.assumptions)
    for plantation, group in counted.groupby("plantation_id", sort=True):
        chain = hashlib.sha256()
        by_month = {str(month): rows for month, rows in group.groupby("month", sort=True)}
        for month in sorted({*by_month, *(m for m in months if m >= min(by_month))}):
            if month in by_month:
                chain.update(table_hash(by_month[month]).encode())
            found[(str(plantation), month)] = chain.hexdigest()[:16]
    return found


def _index_by_month(session: Session, months: Sequence[str]) -> dict[str, Any]:
    frame = oni_known(session.known.climate_index, months)
    return {
        r.month: [None if pd.isna(r.oni_known) else r.oni_known, str(r.known_at)] for r in frame.itertuples(index=False)
    }


def _by_key(frame: pd.DataFrame) -> dict[tuple[str, str], Any]:
    return {(row.plantation_id, row.month): row for row in frame.itertuples(index=False)}
