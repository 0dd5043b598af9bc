"""What a run would do, partition by partition, with the reason; nothing is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shapely.geometry import mapping

from plantation_rwa.publish.manifest import Output
from plantation_rwa.run import attest as attest_stage
from plantation_rwa.run import features as features_stage
from plantation_rwa.run import forecast as forecast_stage
from plantation_rwa.run import screening
from plantation_rwa.run import valuation as valuation_stage
from plantation_rwa.run.earlier import Earlier
from plantation_rwa.run.partitions import Expected, History, PartitionPlan, Published, changed, plan_whole
from plantation_rwa.run.session import Session, identity


@dataclass
class Foreseen:
    """What the dates of a range that were planned before will have published when the next one is run."""

    parts: list[Expected] = field(default_factory=list)
    values: Earlier | None = None


def make_plan(session: Session, foreseen: Foreseen | None = None) -> list[PartitionPlan]:
    """Partitions of one date in the order they would be made.

    A partition downstream of one that changes is said to be recomputed because of it.

    Parameters
    ----------
    foreseen
        Shared by the dates of a range, which are planned in order.
    """
    foreseen = foreseen or Foreseen()
    history = History(session)
    history.expect(foreseen.parts)
    plans = list(features_stage.plan_features(session, history).plans)
    for plan in plans:
        for part in plan.reuse:
            for file, scene, band, message, plantation in part.output.problems:
                session.known.quarantine.add(
                    "imagery", file, message, "rejected", column=band, value=scene, plantation_id=plantation
                )
    fitted = forecast_stage.components(session, plans)
    forecast = plan_whole(
        history,
        stage="forecast",
        tables=forecast_stage.TABLES,
        partition=session.tag,
        components=fitted,
        force=session.force,
    )
    looked = identity(screening.components(session, plans))
    priced = valuation_stage.components(session, identity(fitted), looked, foreseen.values)
    valuation = plan_whole(
        history,
        stage="valuation",
        tables=valuation_stage.TABLES,
        partition=session.tag,
        components=priced,
        force=session.force,
    )
    foreseen.parts += [p.expected(session.root) for p in plans if p.todo]
    foreseen.values = _published_as(session, {"forecasts": identity(fitted), "valuations": identity(priced)})
    made = [*plans, forecast, valuation]
    return [*made, *(_closing(session, history, stage, made) for stage in ("attest", "report"))]


def _published_as(session: Session, identities: Mapping[str, str]) -> Earlier:
    """The date as the next one will find it."""
    outputs = {t: Output("", t, session.tag, "", "", 0, 0, found) for t, found in identities.items()}
    return Earlier(session.as_of.isoformat(), {t: [Published(session.root, o)] for t, o in outputs.items()})


def counts(plans: Sequence[PartitionPlan]) -> dict[tuple[str, str], int]:
    """Partitions by (stage, status)."""
    return dict(Counter((p.stage, p.status) for p in plans))


def geojson(dated: Iterable[tuple[Session, Sequence[PartitionPlan]]]) -> str:
    """The plans of one or more dates on a map: each outline with the months still to be computed for it."""
    features = []
    for session, plans in dated:
        months = {
            (key[0], p.partition) for p in plans if (p.stage, p.table) == ("features", "features") for key in p.todo
        }
        todo = Counter(plantation for plantation, _ in months)
        for row in session.known.register.itertuples(index=False):
            properties = {
                "plantation_id": row.plantation_id,
                "as_of": session.as_of.isoformat(),
                "months_to_compute": todo[row.plantation_id],
                "status": "compute" if todo[row.plantation_id] else "skip",
            }
            features.append({"type": "Feature", "geometry": mapping(row.geometry), "properties": properties})
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1) + "\n"


def _closing(session: Session, history: History, stage: str, before: Sequence[PartitionPlan]) -> PartitionPlan:
    """Attestation or page, which are made anew whenever something before them is."""
    found = history.manifest(session.as_of.isoformat())
    table = "records" if stage == "attest" else stage
    changing = [p for p in before if p.status != "skip"]
    if found is None or not found[1].of(stage):
        return PartitionPlan(stage, table, session.tag, "new", "never computed")
    if session.force or changing:
        reason = "forced" if session.force else f"{len(changing)} partitions before it change"
        return PartitionPlan(stage, table, session.tag, "recompute", reason)
    if stage == "attest":
        needed = attest_stage.components(session, found[1])
        if any(o.fingerprint != identity(needed) for o in found[1].of(stage)):
            reason = changed(found[1].of(stage)[0].components, needed)
            return PartitionPlan(stage, table, session.tag, "recompute", reason)
    return PartitionPlan(stage, table, session.tag, "skip", "nothing it depends on has changed")
