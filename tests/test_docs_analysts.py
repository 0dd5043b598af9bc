"""The answers that docs/analysts.md prints are those its snippets give on the sample at two dates.

``WRITE_ANSWERS=1 pytest -m slow tests/test_docs_analysts.py`` writes new ones into the page after numbers have moved;
look at them before they are committed.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path

import pytest

from plantation_rwa.cli import run_command

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "analysts.md"
SNIPPET = re.compile(r"```(sql|python)\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)


def answer(language: str, code: str) -> str:
    """What a snippet prints; of a query its rows."""
    if language == "sql":
        import duckdb

        return str(duckdb.sql(code).df().to_string(index=False)) + "\n"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, PAGE.name, "exec"), {})
    return said.getvalue()


def test_every_snippet_of_the_page_has_an_answer() -> None:
    text = PAGE.read_text("utf-8")
    runnable = re.findall(r"^```(?:sql|python)$", text, flags=re.MULTILINE)
    answered = SNIPPET.findall(text)
    assert len(runnable) == len(answered) >= 8
    assert all(told.strip() for *_, told in answered)
    assert re.findall(r"^```(\w+)$", text, flags=re.MULTILINE).count("r") == 1  # marked as not run


@pytest.mark.long
@pytest.mark.slow
def test_the_answers_are_those_of_the_snippets(tmp_path: Path) -> None:
    config = str(ROOT / "configs" / "sample.yaml")
    out = str(tmp_path / "out" / "sample")
    assert run_command(["run", config, "--as-of", "2026-04-30", "--out", out]) == 0
    assert run_command(["run", config, "--out", out]) == 0
    text, wrong = PAGE.read_text("utf-8"), []
    with contextlib.chdir(tmp_path):
        for language, code, told in SNIPPET.findall(text):
            found = answer(language, code)
            text = text.replace(f"{code}```\n\n```text\n{told}```", f"{code}```\n\n```text\n{found}```")
            wrong += [] if found == told else [f"{code}\ngives\n{found}\nand not\n{told}"]
    if os.environ.get("WRITE_ANSWERS"):
        PAGE.write_text(text, "utf-8")
    assert not wrong, "\n\n".join(wrong)
