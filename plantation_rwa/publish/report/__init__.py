"""The report: one self-contained HTML page per valuation date."""

from __future__ import annotations

from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.summary import render_summary, write_summary

__all__ = ["SummaryData", "render_summary", "write_summary"]
