"""The command line: every command explains itself, says what it did, and ends with the contract's exit code."""

from __future__ import annotations

import datetime as dt
import gc
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from plantation_rwa import __version__
from plantation_rwa.cli import console
from plantation_rwa.cli.options import (
    AsOf,
    ConfigPath,
    Force,
    Many,
    Only,
    Out,
    RunnerText,
    Stage,
    Strict,
    begin_untyped,
    behind_command,
    day,
    spoken,
    usage_problem,
)
from plantation_rwa.errors import PlantationError, Problem

OK, PARTIAL, USAGE, STOPPED = 0, 1, 2, 130

app = cyclopts.App(
    name="plantation-rwa",
    version=__version__,
    help="Oil-palm yield forecasts from space and the value of the future revenue right, per plantation.",
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the ``plantation-rwa`` command."""
    code = run_command(sys.argv[1:] if argv is None else list(argv))
    gc.freeze()  # before it ends the interpreter would look for cycles in everything once more: half a second
    sys.exit(code)


def run_command(argv: Sequence[str]) -> int:
    """Exit code of a command: 0 done, 1 partly, 2 usage, configuration or unreadable input, 130 stopped by Ctrl-C."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # what a command makes lives to its end: looking for cycles in it again and again took a tenth of a run
    gc.set_threshold(200_000, 50, 100)
    # threads that read and compute hold the interpreter for moments: none is to wait the usual five milliseconds for it
    sys.setswitchinterval(0.0005)
    begin_untyped(argv, list(app))
    try:
        code = _called(behind_command(argv, list(app)))
    except Exception as fault:  # a defect of ours: the traceback follows the document
        remedy = "This is a defect of the program: report it with the traceback on standard error."
        console.close(PARTIAL, Problem("", f"{type(fault).__name__}: {fault}", remedy=remedy))
        raise
    console.close(code)
    return code


def _called(argv: list[str]) -> int:
    # help and version, which are no commands of ours; a document has them inside
    written = io.StringIO() if console.is_document() else None
    try:
        result = app(
            argv,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
            console=console.console(soft_wrap=False, file=written),
        )
        console.parsed(written, __version__)
    except cyclopts.CycloptsError as fault:
        console.error(usage_problem(fault, [name for name in app if not name.startswith("-")]))
        return USAGE
    except PlantationError as fault:
        for problem in fault.told:
            console.error(problem)
        return USAGE
    except KeyboardInterrupt:
        console.error(Problem("", "stopped by Ctrl-C", remedy="What was published stays; run it again to go on."))
        return STOPPED
    return int(result) if isinstance(result, int) else OK


@app.command
@spoken
def run(
    config: ConfigPath,
    /,
    *,
    as_of: AsOf = None,
    out: Out = None,
    only: Only = None,
    stage: Stage = None,
    runner: RunnerText = "threads",
    force: Force = False,
    strict: Strict = False,
) -> int:
    """Value a portfolio at one date; recomputes only what its inputs changed.

    Example: plantation-rwa run configs/sample.yaml --as-of 2026-05-31
    """
    from plantation_rwa.cli import valuing as command

    return command.run(config, as_of, out, only or [], stage or [], runner, force=force, strict=strict)


@app.command
@spoken
def backfill(
    config: ConfigPath,
    /,
    *,
    from_: Annotated[str | None, Parameter(name="--from", help="First month, YYYY-MM.")] = None,
    to: Annotated[str | None, Parameter(help="Last month, YYYY-MM.")] = None,
    out: Out = None,
    only: Only = None,
    stage: Stage = None,
    runner: RunnerText = "threads",
    force: Force = False,
    strict: Strict = False,
) -> int:
    """Value a portfolio at every month end of a range, in order, each as known then; can be stopped and resumed.

    Example: plantation-rwa backfill configs/sample.yaml --from 2024-06 --to 2026-05
    """
    from plantation_rwa.cli import backfilling as command

    return command.backfill(config, from_, to, out, only or [], stage or [], runner, force=force, strict=strict)


@app.command
@spoken
def plan(
    config: ConfigPath,
    /,
    *,
    as_of: AsOf = None,
    from_: Annotated[str | None, Parameter(name="--from", help="First month, YYYY-MM, of a backfill.")] = None,
    to: Annotated[str | None, Parameter(help="Last month, YYYY-MM, of a backfill.")] = None,
    out: Out = None,
    geojson: Annotated[Path | None, Parameter(help="Also write the plan as GeoJSON.")] = None,
    force: Annotated[bool, Parameter(negative=(), help="Plan as if everything had to be recomputed.")] = False,
) -> int:
    """Show what a run would do: partition, new / skip / recompute, and why. Writes nothing else.

    Example: plantation-rwa plan configs/sample.yaml --geojson plan.geojson
    """
    from plantation_rwa.cli import planning as command

    return command.plan(config, as_of, from_, to, out, geojson, force=force)


@app.command
@spoken
def check(config: ConfigPath, /) -> int:
    """Check the configuration and every input's header, schema, CRS and dates; all problems at once.

    Example: plantation-rwa check configs/sample.yaml
    """
    from plantation_rwa.cli import checking as command

    return command.check(config)


@app.command
@spoken
def backtest(
    config: ConfigPath,
    /,
    *,
    out: Annotated[Path | None, Parameter(help="Folder for the tables; default: backtest under publish.out.")] = None,
    value: Annotated[bool, Parameter(negative=(), help="Score the valuation too.")] = False,
    leak_checks: Annotated[
        bool, Parameter(negative=(), help="Also look for forecasts that know the future; exit 1 if one does.")
    ] = False,
    runner: RunnerText = "processes",
) -> int:
    """Evaluate the forecast on the past: at every month end, as known then, against what was harvested.

    Writes scores and forecasts (Parquet), figures (SVG) and model_card.md.

    Example: plantation-rwa backtest configs/sample.yaml --out backtest --leak-checks
    """
    from plantation_rwa.cli import backtesting as command

    return command.backtest(config, out, runner, value=value, leak_checks=leak_checks)


@app.command
@spoken
def verify(
    uri: Annotated[str, Parameter(help="Output folder, or a file that 'prove' wrote.")],
    /,
    *,
    replay: Annotated[
        Path | None, Parameter(help="Configuration to recompute every stage from, and compare every record hash.")
    ] = None,
    signer: Annotated[
        list[str] | None, Many, Parameter(help="ROLE=ADDRESS of who may sign; roles: valuer auditor oracle_operator.")
    ] = None,
    threshold: Annotated[int | None, Parameter(help="Roles that must have signed; default: all given.")] = None,
    at: Annotated[dt.date | None, Parameter(help="Day on which it must be valid; default: now.", converter=day)] = None,
    runner: Annotated[str, Parameter(help="Of the replay: threads, processes, dask or dask=ADDRESS.")] = "threads",
) -> int:
    """Check hashes, Merkle root, proofs, signatures, history; 0 all good, 1 something failed, 2 could not check.

    What is of another version is not checked in full and ends with 2; what was not looked at is named either way.

    Example: plantation-rwa verify out/sample --replay configs/sample.yaml
    """
    from plantation_rwa.cli import attesting as command

    return command.verify(uri, replay, signer or [], threshold, at, runner)


@app.command
@spoken
def prove(
    uri: Annotated[str, Parameter(help="Output folder of the profile 'full'.")],
    plantation: Annotated[str, Parameter(help="Plantation id.")],
    /,
    *,
    right: Annotated[str | None, Parameter(help="Right id; needed where the plantation has several.")] = None,
    as_of: Annotated[dt.date | None, Parameter(help="Valuation date; default: the newest.", converter=day)] = None,
    out: Annotated[Path | None, Parameter(help="File to write; default: named after the right, here.")] = None,
) -> int:
    """Write one right's record, salt, Merkle proof and attestation as one JSON file that 'verify' takes alone.

    Example: plantation-rwa prove out/sample SIM-MY-05 --right R2
    """
    from plantation_rwa.cli import attesting as command

    return command.prove(uri, plantation, right, as_of, out)


@app.command
@spoken
def sign(
    uri: Annotated[str, Parameter(help="Output folder, or a copy of nav_attestation.json.")],
    /,
    *,
    role: Annotated[str | None, Parameter(help="Role of who signs: valuer, auditor or oracle_operator.")] = None,
    env: Annotated[str | None, Parameter(help="Name of the environment variable that holds the private key.")] = None,
    keystore: Annotated[Path | None, Parameter(help="Web3 secret storage file.")] = None,
    password_env: Annotated[
        str | None, Parameter(help="Name of the environment variable that holds the keystore's password.")
    ] = None,
    command: Annotated[list[str] | None, Many, Parameter(help="Program that signs, and its arguments.")] = None,
    add: Annotated[list[Path] | None, Many, Parameter(help="Copies that others signed: take their signatures.")] = None,
    as_of: Annotated[dt.date | None, Parameter(help="Valuation date; default: the newest.", converter=day)] = None,
) -> int:
    """Sign a published attestation, or a copy of it at another machine; --add brings copies together.

    Example: plantation-rwa sign out/sample --role auditor --env AUDITOR_KEY
    """
    from plantation_rwa.cli import attesting

    return attesting.sign(uri, role, env, keystore, password_env, command or [], add or [], as_of)


@app.command
@spoken
def report(
    uri: Annotated[str, Parameter(help="Output folder.")],
    /,
    *,
    as_of: Annotated[dt.date | None, Parameter(help="Valuation date; default: the newest.", converter=day)] = None,
) -> int:
    """Rebuild the HTML page and the memos of a date from published files alone.

    Example: plantation-rwa report out/sample --as-of 2026-05-31
    """
    from plantation_rwa.cli import reporting as command

    return command.report(uri, as_of)


@app.command
@spoken
def signals(
    documents: Annotated[list[str], Parameter(help="Documents (.txt .md .html .pdf), or folders of them.")],
    /,
    *,
    labels: Annotated[Path | None, Parameter(help="CSV of labelled facts to hold what is read against.")] = None,
) -> int:
    """Show the facts that trade reports hold; with --labels count what is read right, wrong and not at all.

    Example: plantation-rwa signals data/sample/real/texts --labels data/sample/real/texts/labels.csv
    """
    from plantation_rwa.cli import reading as command

    return command.signals(documents, labels)


@app.command
@spoken
def describe(table: Annotated[str | None, Parameter(help="Table name; all tables without it.")] = None, /) -> int:
    """Print the data dictionary: column, type, unit, meaning.

    Example: plantation-rwa describe valuations
    """
    from plantation_rwa.cli import describing as command

    return command.describe(table)


@app.command
@spoken
def doctor(config: Annotated[Path | None, Parameter(help="Configuration file to look at too.")] = None, /) -> int:
    """Look at the installation: versions, GDAL and PROJ, credentials, disk, cluster and Prefect.

    Example: plantation-rwa doctor configs/sample.yaml
    """
    from plantation_rwa.cli import installation as command

    return command.doctor(config)


@app.command
@spoken
def prune(
    out: Annotated[str, Parameter(help="Output folder.")],
    /,
    *,
    delete: Annotated[bool, Parameter(negative=(), help="Delete what is listed.")] = False,
) -> int:
    """List what no published date needs: parts no manifest names, and what killed runs left; with --delete it goes.

    Example: plantation-rwa prune out/sample --delete
    """
    from plantation_rwa.cli import pruning as command

    return command.prune(out, delete=delete)


@app.command
@spoken
def simulate(
    directory: Annotated[Path, Parameter(help="Folder to write; must be empty or absent.")],
    /,
    *,
    seed: Annotated[int, Parameter(help="Seed; the same seed gives the same bytes.")] = 1,
    plantations: Annotated[int, Parameter(help="Number of plantations.")] = 12,
    months: Annotated[int, Parameter(help="Months of scenes, the last of them 2026-05.")] = 36,
    imagery_plantations: Annotated[int, Parameter(help="Plantations that get scenes, the first ones.")] = 2,
    coupling: Annotated[
        float, Parameter(help="Link from vegetation to harvest: 0 none at all, 1 as in yield studies.")
    ] = 1.0,
    drought: Annotated[float, Parameter(help="Loss by water deficit: 0 none, 1 = 10 % per 100 mm a year.")] = 1.0,
    traps: Annotated[bool, Parameter(help="Lay traps in scenes and station logs, listed in truth/.")] = False,
    atlas: Annotated[
        bool,
        Parameter(help="Estates on the equator, on a zone edge and in two tiles; 200 to 3,000 ha, 10 to 40 blocks."),
    ] = False,
    land: Annotated[
        bool, Parameter(help="Give the first four plantations land histories: forest, clearing, replanting.")
    ] = False,
    without_harvest: Annotated[int, Parameter(help="Plantations without harvests, the last ones.")] = 0,
    without_sensors: Annotated[int, Parameter(help="Plantations without stations, the last ones.")] = 0,
    without_climate: Annotated[int, Parameter(help="Plantations without daily climate, the last ones.")] = 0,
) -> int:
    """Write a synthetic portfolio with known truth and a ready config.yaml, in the input formats.

    truth/truth.json repeats every option; truth/ holds every factor of every yield, the noise-free indices, and each
    fault and trap with what should become of it.

    Example: plantation-rwa simulate /tmp/world --seed 7 --plantations 6 --months 24 --coupling 0
    """
    from plantation_rwa.cli import simulating as command

    return command.simulate(
        directory,
        seed=seed,
        plantations=plantations,
        months=months,
        imagery_plantations=imagery_plantations,
        coupling=coupling,
        drought=drought,
        traps=traps,
        atlas=atlas,
        land=land,
        without_harvest=without_harvest,
        without_sensors=without_sensors,
        without_climate=without_climate,
    )
