"""Facts of trade reports beside the stages: table ``signals`` and proposed fiscal rows; no value rests on them."""

from __future__ import annotations

from plantation_rwa.publish.files import write_text_atomically
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import Output
from plantation_rwa.run.partitions import History, Published, plan_whole
from plantation_rwa.run.publishing import Target, publish_part
from plantation_rwa.run.session import Session, code_hash, identity, short
from plantation_rwa.schema.checks import finalise

STAGE = TABLE = "signals"
PROPOSALS = "fiscal_proposals"


def components(session: Session) -> dict[str, str]:
    """What the facts of a date depend on; the fiscal table is what proposals are held against."""
    inputs = {name: str(session.snapshots[name]["sha256"])[:16] for name in ("reports", "fiscal")}
    return {**inputs, "code": code_hash("signals")[:16], "simulated": short(session.config.simulated)}


def publish_signals(session: Session, history: History, target: Target) -> list[Published]:
    """Table and proposals of this date: made if anything they depend on has changed, none without documents."""
    if not session.config.reports.path:
        return []
    needed = components(session)
    plan = plan_whole(
        history, stage=STAGE, tables=(TABLE, PROPOSALS), partition=session.tag, components=needed, force=session.force
    )
    parts = _made(session, target, needed) if plan.todo else list(plan.reuse)
    for part in parts:
        for file, value, reason in part.output.problems:
            session.known.quarantine.add("reports", file, reason, "rejected", value=value)
    return parts


def _made(session: Session, target: Target, needed: dict[str, str]) -> list[Published]:
    # the patterns of its grammar are compiled where documents are read, not at every start
    from plantation_rwa.features.report_proposals import fiscal_proposals, proposals_text
    from plantation_rwa.features.report_signals import signals

    found, refused = signals(session.known.reports)
    fingerprint = identity(needed)
    part = publish_part(
        target,
        finalise(found, TABLE),
        stage=STAGE,
        table=TABLE,
        folder=session.tag,
        partition=session.tag,
        fingerprint=fingerprint,
        components=needed,
        problems=[
            (r.file, r.value, f"a fact of {r.quantity} was refused: it {r.reason}")
            for r in refused.itertuples(index=False)
        ],
    )
    rows = fiscal_proposals(read_part(part.path), session.known.fiscal)
    relative = f"{TABLE}/{session.tag}/fiscal-proposals-{fingerprint[:12]}.csv"
    file = write_text_atomically(target.root / relative, proposals_text(rows))
    output = Output(
        STAGE, PROPOSALS, session.tag, relative, file.sha256, file.bytes, len(rows), fingerprint, dict(needed)
    )
    return [part, Published(target.root, output)]
