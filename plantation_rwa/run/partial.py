"""``--only``: fit on all plantations, publish the chosen ones under ``<out>/partial``."""

from __future__ import annotations

import difflib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from plantation_rwa.errors import ConfigError, Problem, StageError
from plantation_rwa.publish.files import SharedFolder, host_mark, is_alive
from plantation_rwa.publish.geoparquet import read_part
from plantation_rwa.publish.manifest import load, manifest_path, save
from plantation_rwa.publish.working_copy import PARTIAL, shared
from plantation_rwa.run.ahead import ImageryOfDates
from plantation_rwa.run.imagery import Work
from plantation_rwa.run.outcome import RunReport, counted
from plantation_rwa.run.partitions import Published
from plantation_rwa.run.progress import Progress
from plantation_rwa.run.publishing import Target, publish_part, remove_tree, remove_unnamed
from plantation_rwa.run.session import Session, identity
from plantation_rwa.run.walk import run_date
from plantation_rwa.schema.tables import TABLES, table

FOLDER = PARTIAL
#: the machine is missing in names that version 1.0 gave
_WORKING = re.compile(r"^\.work-(?:(?P<host>[0-9a-f]{8})-)?(?P<process>\d+)$")


def working_folder(out: Path) -> Path:
    """Where the whole portfolio is computed before the chosen plantations are copied out."""
    return out / FOLDER / f".work-{host_mark()}-{os.getpid()}"


def abandoned_work(out: Path) -> list[Path]:
    """Working folders of runs on this machine that were killed, sorted; those of living processes are none."""
    found = []
    for folder in sorted((out / FOLDER).glob(".work-*")):
        match = _WORKING.match(folder.name)
        if match and match["host"] in {None, host_mark()} and not is_alive(int(match["process"])):
            found.append(folder)
    return found


def remove_abandoned(out: Path) -> list[Path]:
    """Delete :func:`abandoned_work`.

    Returns
    -------
    list of pathlib.Path
        What was deleted, sorted.
    """
    removed = abandoned_work(out)
    for folder in removed:
        remove_tree(folder)
    return removed


def check_ids(session_ids: Sequence[str], chosen: Sequence[str]) -> None:
    """Raise :class:`ConfigError` for ids the register does not have, with suggestions."""
    problems = []
    for plantation in chosen:
        if plantation not in set(session_ids):
            close = difflib.get_close_matches(plantation, list(session_ids), n=1)
            remedy = f"Did you mean '{close[0]}'?" if close else "See the register for the ids."
            problems.append(Problem("--only", "no such plantation", repr(plantation), remedy))
    if problems:
        raise ConfigError(problems)


def run_only(
    session: Session,
    chosen: Sequence[str],
    *,
    out: Path,
    stages: Sequence[str],
    work: Work,
    progress: Progress,
    imagery: ImageryOfDates | None = None,
) -> RunReport:
    """Run on all, publish the rows of ``chosen``; ``session.root`` must be :func:`working_folder`.

    Stages left out are read from what ``out`` has published for the date, as without ``--only``.
    """
    check_ids(list(session.known.register["plantation_id"]), chosen)
    remove_abandoned(out)
    whole = [s for s in stages if s not in ("attest", "report")]
    try:
        with SharedFolder(out):
            _lay_out(session, out)
        try:
            report = run_date(session, stages=whole, work=work, progress=progress, imagery=imagery)
        except StageError as error:  # the reader knows the output folder, not where this works
            raise StageError(str(error).replace(f"{session.root.name}/", f"{out.name}/")) from None
        with shared(out / FOLDER) as folder:
            with folder.turn():
                _copy_out(session, report, chosen, out / FOLDER)
            report.read_tables()
            if folder.last():
                remove_unnamed(out / FOLDER, report.as_of)
        return report
    finally:
        remove_tree(session.root)


def _copy_out(session: Session, report: RunReport, chosen: Sequence[str], root: Path) -> None:
    """Publish the chosen plantations' rows of a run on all of them, and make the report that of the copy."""
    assert report.manifest is not None
    published: list[Published] = []
    report.quarantined = {}
    named = {output.path for output in report.manifest.outputs}
    for part in report.parts:
        # a text of the whole portfolio, or of a stage left out what no longer is of these inputs
        if part.output.table not in TABLES or part.output.path not in named:
            continue
        spec = table(part.output.table)
        if "plantation_id" not in spec.columns:
            continue
        frame = read_part(part.path)
        nobodys = frame["plantation_id"].fillna("") == ""  # a price that was set aside may concern the chosen
        kept = frame[frame["plantation_id"].isin(chosen) | nobodys]
        if kept.empty:
            continue
        if spec.name == "quarantine":
            report.quarantined = counted(kept)
        fingerprint = identity({"whole": part.output.fingerprint, "only": "|".join(sorted(set(chosen)))})
        copied = publish_part(
            Target(root, session.config.simulated),
            kept,
            stage=part.output.stage,
            table=spec.name,
            folder="/".join(part.output.path.split("/")[1:-1]),
            partition=part.output.partition,
            fingerprint=fingerprint,
            components=part.output.components,
        )
        published.append(copied)
    manifest = report.manifest.with_outputs(p.output for p in published)
    save(root, manifest)
    report.root, report.manifest, report.parts = root, manifest, published


def _lay_out(session: Session, out: Path) -> None:
    """Put what is published for the date into the working folder; parts that are damaged are made again there."""
    found = load(out, session.as_of.isoformat())
    if found is None:
        return
    for output in found.outputs:
        source, target = out / output.path, session.root / output.path
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    manifest = manifest_path(session.root, found.as_of)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(manifest_path(out, found.as_of), manifest)
