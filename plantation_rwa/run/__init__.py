"""Walk one valuation date through the rooms: sources, features, panel, forecast, valuation, publish."""

from __future__ import annotations

from plantation_rwa.run.imagery import Work
from plantation_rwa.run.inputs import load_inputs
from plantation_rwa.run.outcome import RunReport
from plantation_rwa.run.session import STAGES, open_session, resolve_as_of
from plantation_rwa.run.walk import run_date

__all__ = ["STAGES", "RunReport", "Work", "load_inputs", "open_session", "resolve_as_of", "run_date"]
