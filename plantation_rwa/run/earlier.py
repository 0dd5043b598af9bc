"""The valuation published last before a date, from which its values are explained."""

from __future__ import annotations

from dataclasses import dataclass

from plantation_rwa.run.partitions import Published
from plantation_rwa.run.session import Session

TABLES = ("valuations", "forecasts", "forecast_model")


@dataclass(frozen=True)
class Earlier:
    """Published parts of an earlier date by table, and their identities."""

    as_of: str
    parts: dict[str, list[Published]]

    @property
    def fingerprints(self) -> list[str]:
        """Identities of the parts."""
        return sorted({p.output.fingerprint for parts in self.parts.values() for p in parts})


def earlier(session: Session) -> Earlier | None:
    """The newest date before the session's whose forecasts and values lie in the output folder; None without any."""
    root = session.reuse[-1]
    for manifest in reversed(session.published_before(root)):
        parts = {name: [Published(root, o) for o in manifest.tables(name)] for name in TABLES}
        if all(found and all(p.path.exists() for p in found) for found in parts.values()):
            return Earlier(manifest.as_of, parts)
    return None
