"""What came of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from plantation_rwa.publish.manifest import Manifest
from plantation_rwa.run.partitions import Published


@dataclass
class RunReport:
    """What a run did, for the command line and the flows.

    Parameters
    ----------
    computed, skipped
        Partitions per stage.
    failures
        Partition and reason of what could not be computed.
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

    @property
    def recomputed_nothing(self) -> bool:
        """Whether every partition was already published."""
        return not any(self.computed.values())
