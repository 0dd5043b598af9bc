"""The features stage: inputs to monthly rows per plantation and block, published by month and vintage."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import shapely

from plantation_rwa.features.climate import oni_known
from plantation_rwa.features.scene_checks import Rules
from plantation_rwa.features.sensors import reading_months
from plantation_rwa.periods import Month, month_range
from plantation_rwa.run.climate import climate_hashes
from plantation_rwa.run.partitions import History, Key, PartitionPlan, Published, identified, plan_rows
from plantation_rwa.run.scenes import SceneWindows, Unit, require_files, scenes_by_month
from plantation_rwa.run.session import Session, code_hash, short, table_hash
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


@dataclass(frozen=True)
class FeatureWork:
    """What the plan of the features stage found, so that running it asks nothing twice."""

    plans: tuple[PartitionPlan, ...]
    outlines: pd.DataFrame
    scenes: Mapping[tuple[Key, str], tuple[Scene, ...]]
    windows: SceneWindows


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
    return FeatureWork(tuple(plans), outlines, scenes, seen)


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
    sized = work.outlines[~work.outlines["is_point"].astype(bool)]
    outlines = dict(zip(sized["key"], shapely.to_wkb(sized["geometry"].to_numpy(object)).tolist(), strict=True))
    months: dict[str, dict[Key, Unit]] = {}
    for plan in work.plans:
        month = plan.partition.removeprefix("month=")
        units = months.setdefault(month, {})
        for key in plan.todo:
            if key in units or key not in outlines:
                continue
            found = work.scenes.get((key, month))
            if found:
                seen, known = work.windows.judging(key, month)
                units[key] = Unit(key, month, outlines[key], found, config.scl_profile, config.edge_buffer, known, seen)
    in_time = [units for _, units in sorted(months.items())]
    return [units[key] for key in sorted(set().union(*in_time)) for units in in_time if key in units]


def part_identity(plan: PartitionPlan, frame: pd.DataFrame) -> tuple[str, dict[str, str]]:
    """Fingerprint and component summary of the rows a new part really holds."""
    # each name is taken out of its column once, however many rows say it
    columns = [frame[name].unique() if len(TABLES[plan.table]) == 1 else frame[name] for name in TABLES[plan.table]]
    keys = dict.fromkeys(zip(*(column.tolist() for column in columns), strict=True))
    return identified({key: plan.components[key] for key in keys})


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
