"""Publishes which sensor readings carry a quality flag, as known at the date."""

from __future__ import annotations

from plantation_rwa.features.sensor_flags import flag_intervals
from plantation_rwa.run.partitions import History, Published, plan_whole
from plantation_rwa.run.publishing import Target, publish_part
from plantation_rwa.run.session import Session, code_hash, identity, short
from plantation_rwa.schema.checks import finalise

TABLE = "sensor_flags"
_ASSUMPTIONS = ("sensor_features", "sensor_flags")


def publish_flags(session: Session, history: History, target: Target) -> list[Published]:
    """The part of this date: made if anything it depends on has changed, none where there are no readings."""
    known = session.known
    if known.sensors.empty:
        return []
    numbers = {k: v for k, v in session.assumptions.resolved().items() if k.split(".")[0] in _ASSUMPTIONS}
    inputs = {k: session.snapshots[k]["sha256"][:16] for k in ("climate_daily", "register", "sensors")}
    shared = {"assumptions": short(numbers), "code": code_hash("features")[:16], "simulated": short(target.simulated)}
    needed = {**inputs, **shared}
    plan = plan_whole(
        history, stage=TABLE, tables=(TABLE,), partition=session.tag, components=needed, force=session.force
    )
    if not plan.todo:
        return list(plan.reuse)
    part = publish_part(
        target,
        finalise(flag_intervals(session.flagged), TABLE),
        stage=TABLE,
        table=TABLE,
        folder=session.tag,
        partition=session.tag,
        fingerprint=identity(needed),
        components=needed,
    )
    return [part]
