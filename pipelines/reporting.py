"""Run report to Prefect logs and artifacts."""

from __future__ import annotations

from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from plantation_rwa.run import RunReport


class LoggedProgress:
    """Progress as log lines of the flow run."""

    def __init__(self, logger: Any) -> None:
        self._logger = logger

    def started(self, stage: str, total: int) -> None:
        """A stage begins."""
        self._logger.info("%s: %d units to do", stage, total)

    def advanced(self, stage: str, done: int) -> None:
        """Units finished: the task runs tell."""

    def ended(self, stage: str, text: str, seconds: float) -> None:
        """A stage is over."""
        self._logger.info("%s: %s, %.1f s", stage, text, seconds)


def publish_report(report: RunReport) -> None:
    """Leave the outcome of a run as a table and a text artifact."""
    rows = [
        {
            "stage": stage,
            "computed": report.computed[stage],
            "unchanged": report.skipped[stage],
            "seconds": round(report.seconds.get(stage, 0.0), 1),
        }
        for stage in report.computed
    ]
    create_table_artifact(table=rows, key="run-summary", description=f"Valuation date {report.as_of}")
    lines = [f"# Valuation date {report.as_of}", ""]
    lines += [f"- quarantine: {n} records {action}" for action, n in report.quarantined.items()]
    lines += [f"- FAILED {failure}" for failure in report.failures] or ["- no partition failed"]
    create_markdown_artifact(markdown="\n".join(lines), key="run-notes", description="Quarantine and failures")
