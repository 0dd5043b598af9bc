"""The partitions of a date, planned and held: what another run has made meanwhile is used, not made again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from plantation_rwa.publish.leases import Leases
from plantation_rwa.publish.manifest import manifest_stamp
from plantation_rwa.run.features import FeatureWork, plan_features
from plantation_rwa.run.partitions import History
from plantation_rwa.run.session import Session


def claim(session: Session, stages: Sequence[str], leases: Leases) -> tuple[History, FeatureWork]:
    """What is published and what is to be done, with a lease on the date and on every month to be computed.

    The plan is made anew if another run has published while this one waited; months that are no longer to be done are
    given back.
    """
    leases.take([session.tag])
    while True:
        stamp = _stamp(session.reuse)
        history = History(session)
        work = plan_features(session, history)
        months = {p.partition for p in work.plans if p.todo} if "features" in stages else set()
        if months <= leases.held:
            leases.keep([session.tag, *months])
            return history, work
        leases.keep([session.tag])  # none is waited for while others are held out of order
        leases.take(months)
        if _stamp(session.reuse) == stamp:
            return history, work


def _stamp(roots: Sequence[Path]) -> tuple[object, ...]:
    return tuple(manifest_stamp(root) for root in roots)
