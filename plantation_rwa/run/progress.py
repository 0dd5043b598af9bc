"""What a run says while it goes: stages, counts, elapsed time. The clock lives here and nowhere near a number."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol


class Progress(Protocol):
    """Receives the course of a run; the command line and the flows each have one."""

    def started(self, stage: str, total: int) -> None:
        """A stage begins; ``total`` units of work are to be done."""
        ...

    def advanced(self, stage: str, done: int) -> None:
        """``done`` units are finished."""
        ...

    def ended(self, stage: str, text: str, seconds: float) -> None:
        """A stage is over; ``text`` says with which result."""
        ...


class Silent:
    """Says nothing."""

    def started(self, stage: str, total: int) -> None:
        """Nothing."""

    def advanced(self, stage: str, done: int) -> None:
        """Nothing."""

    def ended(self, stage: str, text: str, seconds: float) -> None:
        """Nothing."""


@dataclass
class StageClock:
    """Elapsed wall seconds per stage, for people only."""

    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)
    _since: float = 0.0

    def start(self, stage: str, total: int) -> None:
        """A stage begins."""
        self._since = time.perf_counter()
        self.progress.started(stage, total)

    def end(self, stage: str, text: str) -> None:
        """A stage is over."""
        self.seconds[stage] = time.perf_counter() - self._since
        self.progress.ended(stage, text, self.seconds[stage])
