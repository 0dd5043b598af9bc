"""``--quiet`` and ``--json`` of every command: nothing but errors; one document, whatever came of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from plantation_rwa import __version__
from plantation_rwa.attest.checking import end_of_day
from plantation_rwa.cli import app, console, documents, run_command
from plantation_rwa.errors import Problem
from plantation_rwa.run import sign, signers
from plantation_rwa.testing import edit_config
from tests.cli.test_help_and_usage import COMMANDS, ESCAPE, ROOT, on_a_terminal

TEXTS = ROOT / "data/sample/real/texts"
KEY = "AUDITOR_KEY"
Words = Callable[[Path, Path], list[str]]


def short(world: Path, out: Path) -> str:
    """The world's configuration with few months to forecast, beside the results."""
    folder = out.parent / "short"
    if not folder.exists():
        shutil.copytree(world, folder)
        edit_config(folder / "config.yaml", {"forecast.backtest_start": "2026-03", "imagery": None, "sensors": None})
    return f"{folder}/config.yaml"


#: a call of each command that succeeds, from a folder with a world and one with its results
DONE: dict[str, Words] = {
    "run": lambda world, out: ["run", f"{world}/config.yaml", "--out", f"{out}"],
    "backfill": lambda world, out: [
        *("backfill", f"{world}/config.yaml", "--out", f"{out}", "--from", "2026-05", "--to", "2026-05")
    ],
    "plan": lambda world, out: ["plan", f"{world}/config.yaml", "--out", f"{out}", "--geojson", f"{out}/../p.json"],
    "check": lambda world, out: ["check", f"{world}/config.yaml"],
    "backtest": lambda world, out: ["backtest", short(world, out), "--out", f"{out}/../b", "--runner", "threads"],
    "verify": lambda world, out: ["verify", f"{out}", "--at", "2026-06-15"],
    "prove": lambda world, out: ["prove", f"{out}", "SIM-001", "--out", f"{out}/../proof.json"],
    "sign": lambda world, out: ["sign", f"{out}", "--role", "auditor", "--env", KEY],
    "report": lambda world, out: ["report", f"{out}"],
    "signals": lambda world, out: ["signals", f"{TEXTS}", "--labels", f"{TEXTS}/labels.csv"],
    "describe": lambda world, out: ["describe", "curves"],
    "doctor": lambda world, out: ["doctor", f"{world}/config.yaml"],
    "prune": lambda world, out: ["prune", f"{out}"],
    "simulate": lambda world, out: [
        *("simulate", f"{out}/../made", "--plantations", "1", "--months", "1", "--imagery-plantations", "0")
    ],
}
#: what a program finds in the document of each
FOUND: dict[str, tuple[str, ...]] = {
    "run": ("portfolio", "as_of", "simulated", "computed", "quarantined", "results", "page", "rights"),
    "backfill": ("portfolio", "simulated", "dates", "not_tried", "results"),
    "plan": ("portfolio", "dates", "map"),
    "check": ("as_of", "usable", "inputs", "imagery", "climate_grids", "findings", "records"),
    "backtest": ("as_of", "origins", "metrics", "pooled", "notes", "leak_checks", "files"),
    "verify": ("verified", "checked", "noted", "not_checked"),
    "prove": ("plantation_id", "right_id", "as_of", "file"),
    "sign": ("digest", "signatures"),
    "report": ("page", "memos"),
    "signals": ("not_read", "leave_one_out", "all_words"),
    "describe": ("tables",),
    "doctor": ("findings",),
    "prune": ("deleted", "bytes", "files", "work_folders"),
    "simulate": ("directory", "config", "seed", "plantations"),
}
#: a call of each that does not, with the place that its error names and a part of its remedy
FAILED: dict[str, tuple[list[str], int, str, str]] = {
    "run": (["run", "confg.yaml"], 2, "confg.yaml", "Did you mean 'config.yaml'?"),
    "backfill": (["backfill", "config.yaml", "--from", "may"], 2, "--from", "Give --from and --to together"),
    "plan": (["plan", "config.yaml", "--geo", "x"], 2, "plantation-rwa plan", "Did you mean --geojson?"),
    "check": (["check", "broken.yaml"], 2, "broken.yaml: climat", "Did you mean 'climate'?"),
    "backtest": (["backtest", "light.yaml"], 2, "harvest.path", "configure harvest.path"),
    "verify": (["verify", "out"], 1, "valuations/", "See 'plantation-rwa verify --help'."),
    "prove": (["prove", "out", "SIM-00", "--right", "R9"], 2, "SIM-00'", "Did you mean 'SIM-00"),
    "sign": (["sign", "out", "--role", "auditor"], 2, "sign", "Give --role (valuer, auditor, oracle_operator) and"),
    "report": (["report", "nothing"], 2, "nothing", "Give an output folder of 'run'."),
    "signals": (["signals", "nothing"], 2, "nothing", "Give a document, or a folder of documents."),
    "describe": (["describe", "curve"], 2, "describe", "Did you mean 'curves'?"),
    "doctor": (["doctor", "greedy.yaml"], 1, "memory", "Lower compute.workers or compute.memory_limit."),
    "prune": (["prune", "world"], 2, "prune", "Give the folder that holds manifests/, "),
    "simulate": (["simulate", "world"], 2, "simulate", "Choose another one."),
}


@pytest.fixture
def calls(
    small_world: Path, run_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], list[str]]:
    """The call of a command that succeeds."""
    monkeypatch.setenv(KEY, "0x" + "11" * 32)
    for module in (signers, sign):  # what has expired is not signed
        monkeypatch.setattr(module, "seconds_now", lambda: end_of_day("2026-06-10"))
    return lambda name: DONE[name](small_world, run_copy)


@pytest.fixture
def wrong(world_copy: Path, run_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which the calls that fail do so."""
    text = (world_copy / "config.yaml").read_text("utf-8")
    for name, changes in (
        ("light", {"harvest": None, "imagery": None, "climate": None, "sensors": None}),
        ("broken", {"climat": {}}),
        ("greedy", {"compute.memory_limit": "900000GB"}),
    ):
        (world_copy / f"{name}.yaml").write_text(text, "utf-8")
        edit_config(world_copy / f"{name}.yaml", changes).rename(world_copy / f"{name}.yaml")
    next((run_copy / "valuations").rglob("*.parquet")).write_bytes(b"PAR1")
    (world_copy / "out").mkdir()
    (world_copy / "world").mkdir()
    (world_copy / "world" / "mine.txt").write_text("mine")
    (world_copy / "out").rmdir()
    (world_copy / "out").symlink_to(run_copy)
    monkeypatch.chdir(world_copy)


def test_every_command_is_tried() -> None:
    named = {name for name in app if not name.startswith("-")}
    assert named == set(COMMANDS) == set(DONE) == set(FOUND) == set(FAILED)


def test_both_options_where_nothing_else_is_needed(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command(["describe", "curves", "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")
    assert run_command(["describe", "curves", "--json"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("{"), "not even an empty line before it"
    assert [c["column"] for c in json.loads(out)["result"]["tables"][0]["columns"]][:2] == ["as_of", "symbol"]
    assert err == ""
    assert run_command(["describe", "curves"]) == 0
    assert capfd.readouterr().out.startswith("curves: "), "what one command was told does not bind the next"


def test_progress_is_apart_from_results(capfd: pytest.CaptureFixture[str]) -> None:
    progress = console.StageProgress()
    progress.started("features", 3)
    progress.advanced("features", 2)
    progress.ended("features", "3 computed", 1.25)
    assert capfd.readouterr() == ("", "features   3 computed  1.2 s\n")


def marked(name: str) -> Any:
    return pytest.param(name, marks=pytest.mark.long) if name == "backtest" else name


@pytest.mark.parametrize("name", [marked(n) for n in DONE])
def test_a_command_that_succeeds(
    name: str, calls: Callable[[str], list[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    words = calls(name)
    assert run_command([*words, "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")
    if name == "simulate":
        words[1] += "-again"
    assert run_command([*words, "--json"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("{"), "not even an empty line before it"
    found = json.loads(out)
    assert set(found) == {"command", "exit_code", "errors", "result"}
    assert (found["command"], found["exit_code"], found["errors"]) == (name, 0, [])
    assert set(FOUND[name]) <= set(found["result"])
    assert ESCAPE not in err
    assert "\r" not in err


@pytest.mark.parametrize("name", FAILED)
@pytest.mark.usefixtures("wrong")
def test_a_command_that_fails(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    words, code, where, remedy = FAILED[name]
    assert run_command([*words, "--quiet"]) == code
    out, told = capfd.readouterr()
    assert out == ""
    assert told
    assert all(line.startswith("error: ") for line in told.splitlines())
    assert run_command([*words, "--json"]) == code
    out, err = capfd.readouterr()
    assert err == told
    found = json.loads(out)
    assert (found["command"], found["exit_code"]) == (name, code)
    for error in found["errors"]:
        assert set(error) == {"message", "where", "value", "remedy"}
        assert all(error[k] for k in ("message", "where", "remedy"))
    assert any(where in e["where"] and remedy in e["remedy"] for e in found["errors"]), found["errors"]


@pytest.mark.parametrize(
    "words", [["--json", "nonsense"], ["--json", "run", "x.yaml"], ["plna", "--json"], ["run", "--json"]]
)
def test_what_is_not_understood_is_told_as_a_document_too(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command(words) == 2
    found = json.loads(capfd.readouterr().out)
    assert found["exit_code"] == 2
    assert [set(e) for e in found["errors"]] == [{"message", "where", "value", "remedy"}]


def test_a_defect_ends_with_a_document_and_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(name: str | None) -> int:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("plantation_rwa.cli.describing.describe", broken)
    with pytest.raises(RuntimeError, match="broken on purpose"):
        run_command(["describe", "--json"])
    found = json.loads(capfd.readouterr().out)
    assert found["exit_code"] == 1
    assert found["errors"][0]["message"] == "RuntimeError: broken on purpose"
    with pytest.raises(RuntimeError):
        run_command(["describe"])
    assert capfd.readouterr().out == ""


def test_a_command_that_is_stopped_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def stopped(name: str | None) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("plantation_rwa.cli.describing.describe", stopped)
    assert run_command(["describe"]) == 130
    told = "error: stopped by Ctrl-C. What was published stays; run it again to go on."
    assert capfd.readouterr().err.startswith(told)


def test_numbers_of_a_document_are_those_of_the_tables(
    calls: Callable[[str], list[str]], run_copy: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import pandas as pd

    assert run_command([*calls("run"), "--json"]) == 0
    rights = json.loads(capfd.readouterr().out)["result"]["rights"]
    table = pd.read_parquet(run_copy / "latest" / "valuations.parquet").sort_values(["plantation_id", "right_id"])
    columns = ["plantation_id", "right_id", "npv_fair", "npv_q10", "npv_q90", "confidence_grade"]
    assert [[r[c] for c in columns] for r in rights] == table[columns].values.tolist()
    yields = [r[c] for r in rights for c in ("yield12_mean", "yield12_q05", "yield12_q95")]
    assert yields
    assert yields == [round(v, 6) for v in yields], "a yield has the decimals of the monthly ones"


def test_the_document_holds_nothing_that_json_does_not_know() -> None:
    import datetime as dt
    from decimal import Decimal

    import numpy as np
    import pandas as pd

    value = {"a": np.nan, "b": np.int64(3), "c": dt.date(2026, 5, 31), "d": Decimal("1.5"), "e": pd.NaT, "f": ["é"]}
    text = documents.document("run", 1, [Problem("", "no"), Problem("x", "y", "z", "Do.")], value)
    assert text.isascii()
    found = json.loads(text)
    assert found["result"] == {"a": None, "b": 3, "c": "2026-05-31", "d": "1.5", "e": None, "f": ["é"]}
    assert found["errors"] == [
        {"message": "no", "where": "run", "value": "", "remedy": "See 'plantation-rwa run --help'."},
        {"message": "y", "where": "x", "value": "z", "remedy": "Do."},
    ]
    assert documents.plain(np.datetime64("2026-05-31", "ns")) == "2026-05-31T00:00:00"
    assert documents.plain(float("inf")) is None


def test_on_a_terminal_nothing_is_escaped_without_colour(calls: Callable[[str], list[str]]) -> None:
    words = calls("run")
    assert ESCAPE not in on_a_terminal(*words, NO_COLOR="1")
    assert ESCAPE not in on_a_terminal("run", "--help", NO_COLOR="1")
    assert ESCAPE in on_a_terminal("run", "--help"), "a terminal that wants colour gets it"


@pytest.mark.slow
def test_progress_of_a_log_file_is_lines(small_world: Path, tmp_path: Path) -> None:
    """A first run as a process of its own: stages one per line, results apart from them, no control characters."""
    words = [sys.executable, "-m", "plantation_rwa", "run", f"{small_world}/config.yaml", "--out", f"{tmp_path}/out"]
    environment = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, env=environment, capture_output=True, timeout=300, check=True)
    log = done.stderr.decode()
    assert [line.split()[0] for line in log.splitlines()] == ["features", "forecast", "valuation", "attest", "report"]
    assert all(re.search(r"  \d+\.\d s$", line) for line in log.splitlines())
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", log + done.stdout.decode())
    assert "results: " in done.stdout.decode()


@pytest.mark.parametrize(
    ("argv", "command", "key", "begins"),
    [
        (["--version", "--json"], "--version", "version", f"{__version__}"),
        (["--json", "--version"], "--version", "version", f"{__version__}"),
        (["describe", "curves", "--json", "--version"], "describe", "version", f"{__version__}"),
        (["--json"], "", "help", "Usage: plantation-rwa COMMAND"),
        (["prune", "--help", "--json"], "prune", "help", "Usage: plantation-rwa prune "),
    ],
)
def test_version_and_help_are_one_document_too(
    argv: list[str], command: str, key: str, begins: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(argv) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["command"], told["exit_code"], list(told["result"])) == (command, 0, [key])
    assert told["result"][key].startswith(begins)


def test_how_it_is_told_may_stand_before_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for argv in (["describe", "curves", "--json"], ["--json", "describe", "curves"]):
        assert run_command(argv) == 0
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert json.loads(told[0])["command"] == "describe"
    assert run_command(["--quiet", "describe", "curves"]) == 0
    assert capsys.readouterr().out == ""
