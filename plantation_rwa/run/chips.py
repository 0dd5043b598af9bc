"""Pictures beside the stages: one scene per plantation, chosen by the published trail of its scenes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from plantation_rwa.executor import lanes
from plantation_rwa.features.chips import chip, chosen
from plantation_rwa.features.scene_trail import item_hash
from plantation_rwa.grid import area_ha
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.run.partitions import History, Key, Published, plan_whole
from plantation_rwa.run.publishing import Target, publish_part
from plantation_rwa.run.session import Session, code_hash, identity, short
from plantation_rwa.schema.checks import finalise
from plantation_rwa.sources.base import Scene
from plantation_rwa.sources.scenes import RasterReader

STAGE = TABLE = "chips"
_TRAIL = ["plantation_id", "scene_id", "item_hash", "tile", "acquired", "outcome", "offset_dn", "clear_share"]
Scenes = Mapping[tuple[Key, str], tuple[Scene, ...]]


def publish_chips(
    session: Session, history: History, target: Target, scenes: Scenes, parts: Sequence[Published]
) -> list[Published]:
    """The part of this date: made if anything it depends on has changed.

    Parameters
    ----------
    scenes
        Known at the date, by outline and local month.
    parts
        Published features; without any there are no pictures.
    """
    if not parts:
        return []
    numbers = {k: v for k, v in session.assumptions.resolved().items() if k.startswith(f"{TABLE}.")}
    needed = {
        "assumptions": short(numbers),
        "code": code_hash(TABLE)[:16],
        "register": str(session.snapshots["register"]["sha256"])[:16],
        "scenes": short([o.fingerprint for o in _trail_parts(parts)]),
        "simulated": short(target.simulated),
    }
    plan = plan_whole(
        history, stage=STAGE, tables=(TABLE,), partition=session.tag, components=needed, force=session.force
    )
    if not plan.todo:
        return list(plan.reuse)
    part = publish_part(
        target,
        chip_rows(session, scenes, parts, simulated=target.simulated),
        stage=STAGE,
        table=TABLE,
        folder=session.tag,
        partition=session.tag,
        fingerprint=identity(needed),
        components=needed,
    )
    return [part]


def chip_rows(session: Session, scenes: Scenes, parts: Sequence[Published], *, simulated: bool) -> pd.DataFrame:
    """Table ``chips``: pictures of the largest plantations, for all others a reason why there are none."""
    register, numbers = session.known.register, session.assumptions
    most, least = int(numbers.number("chips.count_max")), numbers.number("chips.clear_share_min")
    rows: dict[str, dict[str, Any]] = {}
    sized: list[tuple[float, str, Any]] = []
    for row in register.itertuples(index=False):
        name = str(row.plantation_id)
        if row.is_point:
            rows[name] = {"reason": "the register gives a point, no outline"}
        else:
            sized.append((-area_ha(row.geometry), name, row.geometry))
    outlines = {name: shape for _, name, shape in sorted(sized, key=lambda s: s[:2])}
    for name in list(outlines)[most:]:
        rows[name] = {"reason": f"pictures are made of the {most} largest plantations"}
        del outlines[name]
    trails = _trails(parts, set(outlines), least)
    shots = []
    for name, shape in outlines.items():
        best = chosen(trails.get(name, []), least)
        scene = _scene(scenes, name, best) if best is not None else None
        if best is None or scene is None:
            rows[name] = {"reason": _why_none(trails.get(name, []), least)}
        else:
            shots.append(_Shot(name, shape, best, scene))
    # neighbours in one scene share its blocks, which the reader keeps for a while
    shots.sort(key=lambda s: (s.scene.tile, s.scene.id, -s.outline.centroid.y, s.outline.centroid.x))
    reader = RasterReader()
    for shot, made in zip(shots, lanes().map(lambda s: s.taken(reader, simulated=simulated), shots), strict=True):
        rows[shot.name] = made
    return finalise(pd.DataFrame([{"plantation_id": name, **row} for name, row in rows.items()]), TABLE)


@dataclass(frozen=True)
class _Shot:
    """A plantation and the scene of its pictures."""

    name: str
    outline: Any
    row: Mapping[str, Any]
    scene: Scene

    def taken(self, reader: RasterReader, *, simulated: bool) -> dict[str, Any]:
        """Columns of the table without the plantation."""
        told = {"clear_month": self.row["month"], **{k: self.row[k] for k in _TOLD}}
        made = chip(self.outline, self.scene, reader, float(self.row["offset_dn"]), simulated=simulated)
        return told | made


_TOLD = ("scene_id", "acquired", "tile", "clear_share")


def _trail_parts(parts: Iterable[Published]) -> list[Any]:
    """Entries of the manifest of ``features_scenes``, the newest month first."""
    own = [p.output for p in parts if p.output.table == "features_scenes"]
    return sorted(own, key=lambda o: (o.partition, o.path), reverse=True)


def _trails(parts: Sequence[Published], names: set[str], least: float) -> dict[str, list[dict[str, Any]]]:
    """Rows of ``features_scenes`` of some plantations, each from the newest month back to its first clear one."""
    root = {p.output.path: p.path for p in parts}
    found: dict[str, list[dict[str, Any]]] = {}
    wanted, month = set(names), ""
    for output in _trail_parts(parts):
        if output.partition != month:
            wanted = {n for n in wanted if chosen(found.get(n, []), least) is None}
            month = output.partition
        if not wanted:
            break
        rows = read_part(root[output.path], _TRAIL)
        for row in rows[rows["plantation_id"].isin(wanted)].to_dict("records"):
            line = {"month": month.removeprefix("month="), **row}
            found.setdefault(str(row["plantation_id"]), []).append({str(k): v for k, v in line.items()})
    return found


def _scene(scenes: Scenes, name: str, row: Mapping[str, Any]) -> Scene | None:
    """The scene of a row of the trail, or the version of it that was read."""
    known = scenes.get(((name,), str(row["month"])), ())
    return next((v for s in known for v in s.versions if item_hash(v) == row["item_hash"]), None)


def _why_none(trail: Sequence[Mapping[str, Any]], least: float) -> str:
    used = [r for r in trail if r["outcome"] == "used"]
    if not trail:
        return "no satellite scene of it is known"
    if (best := chosen(trail, least)) is not None:
        return f"the scene of {best['acquired'][:10]}, its clearest, is not among the items any more"
    if not used:
        return f"none of its {len(trail)} scenes shows the ground"
    best = max(used, key=lambda r: (r["clear_share"], r["acquired"]))
    shown = f"{100 * best['clear_share']:.0f} %"
    return f"no scene shows {100 * least:.0f} % of it clearly; the clearest, of {best['acquired'][:10]}, {shown}"
