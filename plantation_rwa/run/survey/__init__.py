"""``check``: every configured input opened, one line each, and all of them held against each other."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from plantation_rwa.config import Config
from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.run.inputs import read_inputs
from plantation_rwa.run.scenes import require_files, scenes_by_month
from plantation_rwa.run.session import Session
from plantation_rwa.run.survey import imagery, lines
from plantation_rwa.run.survey.crossing import cross_checks, in_grid
from plantation_rwa.run.survey.findings import Finding, counted
from plantation_rwa.run.survey.imagery import ByPlantation, ImageryLine
from plantation_rwa.run.survey.land import evidence_lines
from plantation_rwa.run.survey.lines import Line
from plantation_rwa.sources.base import Inputs
from plantation_rwa.sources.climate_headers import GridHeader, grid_headers, merged
from plantation_rwa.sources.scenes import RasterReader

__all__ = ["Finding", "ImageryLine", "Line", "Survey", "survey"]


@dataclass(frozen=True)
class Survey:
    """What was found.

    Parameters
    ----------
    lines
        One per configured input.
    imagery, grids
        One per collection and tile; one per file and variable.
    findings
        Cross-checks, errors first.
    problems
        Inputs that cannot be read.
    quarantine
        Records that a run would set aside.
    """

    lines: tuple[Line, ...]
    imagery: tuple[ImageryLine, ...]
    grids: tuple[GridHeader, ...]
    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    quarantine: pd.DataFrame


def survey(config: Config, as_of: dt.date) -> Survey:
    """Open every input and hold them against each other; nothing is written and few pixels' headers are read.

    Parameters
    ----------
    as_of
        Date that inputs should reach, less their lags.
    """
    inputs, problems = read_inputs(config)
    scenes, unanswered = _scenes(config, inputs, as_of)
    problems += unanswered
    unreadable = [p.where.split(": ", 1)[0] for p in problems]
    seen, faults = imagery.imagery_lines(scenes or {}, RasterReader())
    quarantine = inputs.quarantine.frame()  # after the search, which adds to it
    found = list(lines.table_lines(config, inputs, unreadable))
    found += [_grid_line(config, inputs, unreadable)]
    found += [_other_grids(config, "climate.monthly", inputs.climate_monthly, unreadable)]
    found += [_other_grids(config, "climate.seasonal", inputs.climate_seasonal, unreadable)]
    found += [_imagery_line(config, inputs, scenes, unreadable)]
    found += evidence_lines(config, inputs, quarantine, unreadable)
    findings = cross_checks(config, inputs, scenes, quarantine, unreadable, as_of)
    if scenes is not None:
        findings += imagery.coverage(scenes, inputs.register) + faults
        findings += imagery.contradictions(scenes) + imagery.missing_assets(scenes)
    findings = [dataclasses.replace(f, file=f.file or _file(config, f.input)) for f in findings]
    order = {"error": 0, "warning": 1, "note": 2}
    return Survey(
        lines=tuple(found),
        imagery=tuple(seen),
        grids=tuple(_headers(config, unreadable)),
        findings=tuple(sorted(findings, key=lambda f: order[f.severity])),
        problems=tuple(problems),
        quarantine=quarantine,
    )


def _scenes(config: Config, inputs: Inputs, as_of: dt.date) -> tuple[ByPlantation | None, list[Problem]]:
    """Scenes by plantation and local month; None if no imagery is configured or it does not answer."""
    if inputs.imagery is None or inputs.register.empty:
        return None, []
    register = inputs.register
    keys = pd.Series([(p,) for p in register["plantation_id"]], index=register.index, dtype="object")
    outlines = pd.DataFrame({"key": keys, "geometry": register["geometry"], "timezone": register["timezone"]})
    session = Session(config, as_of, inputs, Path(), ())
    found: dict[str, dict[str, Any]] = {}
    try:
        by_month = scenes_by_month(session, outlines)
        require_files(session, outlines, by_month)
        for ((plantation,), month), group in by_month.items():
            found.setdefault(plantation, {})[month] = group
    except SourceError as error:
        return None, [Problem(_within(imagery.KEY, p.where), p.what, p.value, p.remedy) for p in error.problems]
    return found, []


def _within(key: str, where: str) -> str:
    return where if where.startswith(key) else f"{key}: {where}"


def _grid_line(config: Config, inputs: Inputs, unreadable: Sequence[str]) -> Line:
    key = "climate.grid"
    paths = lines.paths_of(config, key)
    grid = inputs.climate_grid
    if grid is None or config.climate is None:
        return Line(key, lines.files_text(paths), state=lines.state_text(key, paths, 0, {}, unreadable))
    days = pd.DatetimeIndex(grid["time"].to_numpy())
    lattices = dict.fromkeys(f"{p.sizes['latitude']} x {p.sizes['longitude']}" for p in grid.parts)
    ends = [d + pd.offsets.MonthEnd(0) + pd.Timedelta(days=config.climate.known_lag_days) for d in (days[0], days[-1])]
    aside = lines.set_aside(inputs.quarantine.frame(), key, paths)
    return Line(
        input=key,
        files=lines.files_text(paths),
        format=lines.format_text(paths),
        rows=f"{len(days)} days of {' and '.join(lattices)} cells",
        plantations=f"{len(in_grid(inputs))} of {len(inputs.register)}",
        first=str(days[0].date()),
        last=str(days[-1].date()),
        units="as listed below",
        crs="degrees",
        known_at=f"{ends[0].date()} to {ends[1].date()}",
        state=lines.state_text(key, paths, len(days), aside, unreadable),
    )


def _other_grids(config: Config, key: str, grids: Sequence[Any], unreadable: Sequence[str]) -> Line:
    """Monthly grids and seasonal forecasts: opened, and not looked into further."""
    paths = lines.paths_of(config, key)
    state = lines.state_text(key, paths, len(grids or ()), {}, unreadable)
    if not grids:
        return Line(key, lines.files_text(paths), lines.format_text(paths), state=state)
    rows = counted(len(grids), "grid")
    return Line(key, lines.files_text(paths), lines.format_text(paths), rows, crs="degrees", state=state)


def _imagery_line(config: Config, inputs: Inputs, scenes: ByPlantation | None, unreadable: Sequence[str]) -> Line:
    paths = lines.paths_of(config, imagery.KEY)
    aside = lines.set_aside(inputs.quarantine.frame(), imagery.KEY, paths)
    every = {(s.collection, s.id): s for months in (scenes or {}).values() for group in months.values() for s in group}
    state = lines.state_text(imagery.KEY, paths, len(every), aside, unreadable)
    if not every:
        return Line(imagery.KEY, lines.files_text(paths), state=state)
    ordered = sorted(every.values(), key=lambda s: s.acquired)
    known_at = sorted(s.known_at for s in ordered)
    return Line(
        input=imagery.KEY,
        files=lines.files_text(paths),
        format="STAC",
        rows=f"{len(every)} scenes",
        plantations=f"{len(scenes or {})} of {len(inputs.register)}",
        first=str(ordered[0].acquired.date()),
        last=str(ordered[-1].acquired.date()),
        units="as listed below",
        crs="as listed below",
        known_at=f"{known_at[0].date()} to {known_at[-1].date()}",
        state=state,
    )


def _headers(config: Config, unreadable: Sequence[str]) -> list[GridHeader]:
    found: list[GridHeader] = []
    for path in lines.paths_of(config, "climate.grid"):
        try:
            found += grid_headers(path)
        except SourceError:  # told by the reader of the input
            continue
    return merged(found)


def _file(config: Config, key: str) -> str:
    return lines.files_text(lines.paths_of(config, key)) if key.count(".") == 1 and "," not in key else ""
