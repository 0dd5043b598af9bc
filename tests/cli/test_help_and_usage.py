"""What a person sees who asks for help or types something wrong."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from plantation_rwa.cli import app, run_command
from plantation_rwa.schema.tables import TABLES
from plantation_rwa.testing import edit_config

ROOT = Path(__file__).parents[2]
COMMANDS = (
    *(
        "backfill",
        "backtest",
        "run",
        "plan",
        "check",
        "describe",
        "signals",
        "doctor",
        "prove",
        "sign",
        "prune",
        "report",
        "simulate",
        "verify",
    ),
)
ESCAPE = "\x1b["


def said(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = run_command([str(a) for a in argv])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def on_a_terminal(*argv: str, **variables: str) -> str:
    """What the command writes to a terminal of 80 columns."""
    parent, child = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR", "CI"}}
    environment |= {"TERM": "xterm-256color", "COLUMNS": "80", "PYTHONPATH": str(ROOT), **variables}
    process = subprocess.Popen(
        [sys.executable, "-m", "plantation_rwa", *argv], stdin=child, stdout=child, stderr=child, env=environment
    )
    os.close(child)
    chunks = []
    while True:
        try:
            chunk = os.read(parent, 65536)
        except OSError:  # the terminal is closed when its last writer ends
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(parent)
    process.wait(timeout=60)
    return b"".join(chunks).decode()


def test_help_lists_every_command_and_each_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = said(capsys, "--help")
    assert code == 0
    assert set(re.findall(r"^│ ([a-z]+) ", text, re.M)) == set(COMMANDS)
    for command in COMMANDS:
        code, text, _ = said(capsys, command, "--help")
        assert code == 0
        assert f"Example: plantation-rwa {command}" in text
        assert ESCAPE not in text


def test_the_examples_name_existing_files(capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS:
        for name in re.findall(r"configs/\S+\.yaml", said(capsys, command, "--help")[1]):
            assert (ROOT / name).is_file(), name


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    from plantation_rwa import __version__

    assert said(capsys, "--version")[:2] == (0, f"{__version__}\n")


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["plna"], 'Unknown command "plna". Did you mean "plan"?'),
        (["xyzzy"], f'Unknown command "xyzzy". Commands: {", ".join(name for name in app if name[0] != "-")}. Try '),
        (
            ["--force", "run", "x.yaml"],
            "--force stands before the command. Write it behind. Try 'plantation-rwa --help'.",
        ),
        (["run", "x.yaml", "--asof", "2026-05-31"], "Unknown option: --asof. Did you mean --as-of?"),
        (["run"], 'Command "run" parameter CONFIG requires an argument.'),
        (
            ["run", "x.yaml", "--as-of", "2026-13-31"],
            "Invalid value for --as-of: '2026-13-31' is not a date; write YYYY-MM-DD, for example 2026-05-31",
        ),
        (["simulate", "x", "--plantations", "many"], 'unable to convert "many" into int'),
        (["describe", "valuation"], "describe: no table 'valuation'. Did you mean 'valuations'?"),
        (["describe", "nothing"], f"Tables: {', '.join(sorted(TABLES))}."),
        (["check", "nowhere.yaml"], "nowhere.yaml: cannot be read"),
        (["plan", "nowhere.yaml"], "Give the path of a YAML file."),
        (["run", "nowhere.yaml", "--stage", "feature"], "--stage: unknown stage 'feature'. Choose from features, "),
        (["verify", "."], "holds no manifest. Give an output folder of 'run', or a file that 'prove' wrote."),
        (["verify", "ftp://x"], "publish.out: is neither a folder nor an object store (got ftp://x)."),
        (["verify", ".", "--signer", "valuer=0x12"], "'valuer=0x12' is not ROLE=ADDRESS"),
        (["verify", ".", "--threshold", "2"], "--threshold: 2 is impossible, --signer gives 0 roles."),
        (["prove", ".", "P1"], "holds no manifest. Give an output folder of 'run'."),
        (["run", "x.yaml", "--as-of", "31/05/2026"], "'31/05/2026' is not a date; write YYYY-MM-DD, for example"),
    ],
)
def test_a_usage_error_ends_with_2_and_says_what_was_meant(
    argv: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, *argv)
    assert code == 2
    assert err.startswith("error: ")
    assert text in err
    assert out == ""


@pytest.mark.parametrize(
    ("option", "value", "text"),
    [
        ("--as-of", "2999-12-31", "--as-of: lies in the future (got 2999-12-31). Choose a past date."),
        ("--runner", "thread", "--runner: unknown runner (got 'thread'). Use threads, processes, dask or dask="),
        ("--out", "ftp://host/out", "publish.out: is neither a folder nor an object store (got ftp://host/out)."),
    ],
)
def test_an_option_that_cannot_be_is_refused_before_anything_is_read(
    small_world: Path, option: str, value: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = said(capsys, "run", small_world / "config.yaml", option, value)
    assert code == 2
    assert text in err
    assert not (small_world / "out").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--from", "2026-01"], "--to: is missing. Give --from and --to together, as YYYY-MM."),
        (["--from", "2026-1", "--to", "x"], "--from: '2026-1' is not a month"),
        (["--from", "2026-05", "--to", "2026-04"], "--from: is later than --to (got 2026-05 > 2026-04). Swap them."),
    ],
)
def test_a_range_of_months_that_cannot_be_is_refused(
    small_world: Path, options: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = said(capsys, "plan", small_world / "config.yaml", *options)
    assert code == 2
    assert text in err


@pytest.mark.parametrize("command", ["check", "run", "plan", "doctor"])
def test_all_problems_of_a_configuration_are_shown_at_once(
    command: str, world_copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = edit_config(
        world_copy / "config.yaml",
        {"valuation.path": 100, "market.futures": "market/future.csv", "seed": "seven", "publish.profile": "secret"},
    )
    code, _, err = said(capsys, command, config)
    assert code == 2
    lines = [line.removeprefix("error: ") for line in err.splitlines()]
    assert len(lines) == 4
    for start, remedy in (
        ("config.yaml: valuation.path: unknown key (got 100)", "Did you mean 'paths'?"),
        ("config.yaml: market.futures: no such file (got market/future.csv)", "Paths are relative to world/"),
        ("config.yaml: seed: should be a valid integer (got 'seven')", "See configs/schema.json"),
        ("config.yaml: publish.profile: should be 'full', 'investor' or 'public' (got 'secret')", "schema.json"),
    ):
        assert any(line.startswith(start) and remedy in line for line in lines), (start, lines)
    assert not (world_copy / "out").exists()


@pytest.mark.parametrize("name", TABLES)
def test_describe_prints_every_column_with_type_unit_and_meaning(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "describe", name)
    assert code == 0
    assert out.startswith(f"{name}: {TABLES[name].description}\n")
    lines = out.splitlines()
    for field in TABLES[name].fields:
        line = next(row for row in lines[2:] if row.split()[:1] == [field.name])
        assert field.description in line
        assert f" {field.unit or '-'} " in line


def test_describe_without_a_name_prints_all_tables(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "describe")
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines() if re.match(r"[a-z_]+: ", line)] == list(TABLES)


def test_output_that_is_no_terminal_has_no_escape_codes_and_no_cut_lines(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "describe", "valuations")
    assert code == 0
    assert ESCAPE not in out + err
    assert "…" not in out
    assert max(len(line) for line in out.splitlines()) > 120, "a log file is not 80 columns wide"
    assert not any(line.endswith(" ") for line in out.splitlines())
    assert ESCAPE not in said(capsys, "describe", "x")[2]


def test_colour_is_for_terminals_that_want_it() -> None:
    coloured = on_a_terminal("describe", "x")
    assert f"{ESCAPE}1;31m" in coloured, "an error is red on a terminal"
    assert ESCAPE not in on_a_terminal("describe", "x", NO_COLOR="1"), "neither colour nor bold"


def test_a_narrow_terminal_wraps_the_last_column_and_loses_nothing() -> None:
    shown = re.sub(r"\x1b\[[0-9;]*m", "", on_a_terminal("describe", "curves", NO_COLOR="1"))
    words = shown.split()
    for field in TABLES["curves"].fields:
        missing = [w for w in field.description.split() if w not in words]
        assert not missing, (field.name, missing)
    assert max(len(line) for line in shown.splitlines()[1:]) <= 80


def test_what_was_typed_reaches_no_terminal_as_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = said(capsys, "run", "evil\x1b[31m\n.yaml")
    assert code == 2
    assert ESCAPE not in out + err
    assert "evil\ufffd[31m" in err
