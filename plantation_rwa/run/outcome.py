"""What came of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import Manifest
from plantation_rwa.run.partitions import Published

#: tables that the closing lines of a run show
SHOWN = ("forecasts", "forecast_model", "valuations")


@dataclass
class RunReport:
    """What a run did, for the command line and the flows.

    Parameters
    ----------
    computed, skipped
        Partitions per stage.
    failures
        Partition and reason of what could not be computed.
    quarantined
        Records of the published table ``quarantine`` by what became of them.
    tables
        Rows of :data:`SHOWN` as published, if all of them are: kept here because the files may be replaced as soon
        as the run is over.
    profile
        Folder of the publication profile, None for the profile ``full``.
    """

    as_of: str
    root: Path
    computed: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    quarantined: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    manifest: Manifest | None = None
    parts: list[Published] = field(default_factory=list)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    profile: Path | None = None

    def read_tables(self) -> None:
        """Read :attr:`tables` from the published parts."""
        parts = {p.output.table: p.path for p in self.parts if p.output.partition.startswith("as_of=")}
        found = set(SHOWN) <= set(parts)
        self.tables = {name: read_part(parts[name]) for name in SHOWN} if found else {}

    @property
    def recomputed_nothing(self) -> bool:
        """Whether every partition was already published."""
        return not any(self.computed.values())


def counted(quarantine: pd.DataFrame) -> dict[str, int]:
    """Records of the table ``quarantine`` by what became of them."""
    return {str(k): int(v) for k, v in quarantine["action"].value_counts().sort_index().items()}
