"""Each example that a ``--help`` shows: understood, and run as printed against the sample where that takes seconds."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from plantation_rwa.cli import app, run_command
from tests.cli.test_help_and_usage import COMMANDS, ROOT

#: run without any results, in this order
SHORT = ("describe", "doctor", "check", "plan", "signals")
#: run one after another on the results of the first; what prune deletes comes last
CHAIN = ("run", "verify", "prove", "sign", "report", "simulate", "prune")
#: minutes to hours on the sample: 24 dates; every past month end
PARSED = ("backfill", "backtest")


def example(name: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Words of the example of a command, as its help prints it."""
    assert run_command([name, "--help"]) == 0
    shown = re.findall(r"^Example: plantation-rwa (.*(?:\n(?! *\n|╭).+)*)", capsys.readouterr().out, flags=re.MULTILINE)
    assert len(shown) == 1, name
    return shlex.split(" ".join(shown[0].split()))


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with configurations and data as a clone has them, to write results into."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDITOR_KEY", "0x" + "11" * 32)
    return tmp_path


def test_every_example_is_understood_and_belongs_to_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted((*SHORT, *CHAIN, *PARSED)) == sorted(COMMANDS)
    for name in COMMANDS:
        words = example(name, capsys)
        assert words[0] == name
        app.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHORT)
@pytest.mark.usefixtures("checkout")
def test_an_example_runs(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(example(name, capsys)) == 0


@pytest.mark.long
@pytest.mark.slow
def test_the_other_examples_run_one_after_another(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in CHAIN:
        words = example(name, capsys)
        if name == "simulate":
            words[1] = str(checkout / "made")
        assert run_command(words) == 0, (name, capsys.readouterr().err)
    assert list(checkout.glob("*.proof.json"))
