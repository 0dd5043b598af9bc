"""The answers that pages print are those their snippets give on the sample at two dates, and no snippet is left out.

``WRITE_ANSWERS=1 pytest -m slow tests/test_docs_answers.py`` writes new ones into the pages after numbers have moved;
look at them before they are committed.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from plantation_rwa.cli import run_command

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "data/sample/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
ANSWERED = [ROOT / "README.md", ROOT / "docs" / "analysts.md", ROOT / "docs" / "add-a-source.md"]
SNIPPET = re.compile(r"```(sql|python)\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)
#: blocks that are no question with an answer: page, language, number, and what holds them against the program
OTHERS = {
    ("README.md", "python"): (1, "tests/pipelines/test_flow.py"),
    ("docs/add-a-source.md", "csv"): (1, "tests/sources/test_sensors_vendor.py"),
    ("docs/add-a-source.md", "bash"): (1, "tests/test_docs_answers.py"),
    ("docs/add-a-source.md", "python"): (1, "tests/test_docs_answers.py"),
    ("docs/operations.md", "sh"): (4, "tests/test_docs_operations.py"),
}
#: blocks that nothing runs; the page says so in these words
NOT_RUN = {("docs/analysts.md", "r"): "Not run here", ("docs/operations.md", "ini"): "the unit of systemd"}


def answer(language: str, code: str) -> str:
    """What a snippet prints; of a query its rows."""
    if language == "sql":
        import duckdb

        # a machine without a network has no extension to load
        duckdb.sql("SET autoinstall_known_extensions = false")
        return str(duckdb.sql(code).df().to_string(index=False)) + "\n"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(code, "snippet", "exec"), {})
    return said.getvalue()


def test_every_block_of_every_page_is_run_or_says_that_it_is_not() -> None:
    found: Counter[tuple[str, str]] = Counter()
    for page in PAGES:
        text, name = page.read_text("utf-8"), page.relative_to(ROOT).as_posix()
        found.update((name, language) for language in re.findall(r"^```(\w+)$", text, flags=re.MULTILINE))
        if page in ANSWERED:
            answered = SNIPPET.findall(text)
            assert all(told.strip() for *_, told in answered)
            for language, *_ in answered:
                found.subtract([(name, language), (name, "text")])
    left = {key: n for key, n in found.items() if n}
    for key, told in NOT_RUN.items():
        assert told in (ROOT / key[0]).read_text("utf-8")
        assert left.pop(key) == 1
    for key, (number, test) in OTHERS.items():
        assert left.pop(key) == number, key
        assert (ROOT / test).is_file()
    assert left == {}


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """A folder with the sample's results at two dates and the examples, as a checkout has them."""
    config, out = str(ROOT / "configs" / "sample.yaml"), str(tmp_path / "out" / "sample")
    assert run_command(["run", config, "--as-of", "2026-04-30", "--out", out, "--quiet"]) == 0
    assert run_command(["run", config, "--out", out, "--quiet"]) == 0
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


@pytest.mark.long
@pytest.mark.slow
def test_the_answers_are_those_of_the_snippets(questions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    wrong = []
    for page in ANSWERED:
        text = page.read_text("utf-8")
        with contextlib.chdir(questions):
            for language, code, told in SNIPPET.findall(text):
                found = answer(language, code)
                text = text.replace(f"{code}```\n\n```text\n{told}```", f"{code}```\n\n```text\n{found}```")
                wrong += [] if found == told else [f"{page.name}: {code}\ngives\n{found}\nand not\n{told}"]
        if os.environ.get("WRITE_ANSWERS"):
            page.write_text(text, "utf-8")
    assert not wrong, "\n\n".join(wrong)


def test_the_answer_of_the_sources_page_needs_no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "add-a-source.md").read_text("utf-8")
    assert [answer(language, code) for language, code, _ in SNIPPET.findall(page)] == [
        told for *_, told in SNIPPET.findall(page)
    ]


def test_the_commands_of_the_sources_page_run(light_world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As typed, from a folder with the configuration and the examples."""
    monkeypatch.chdir(light_world.parent)
    shutil.copytree(ROOT / "examples", "examples")
    block = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "add-a-source.md").read_text("utf-8"), re.DOTALL)
    convert, check = block[0].splitlines()
    assert convert.split()[0] == "python"
    subprocess.run([sys.executable, *convert.split()[1:]], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert len(Path("sensors/estate_met.csv").read_text("utf-8").splitlines()) == 16
    assert check.split()[0] == "plantation-rwa"
    assert run_command(check.split()[1:]) == 0


def test_the_protocols_that_the_sources_page_shows_are_those_in_use() -> None:
    page = (ROOT / "docs" / "add-a-source.md").read_text("utf-8")
    source = " ".join((ROOT / "plantation_rwa" / "sources" / "base.py").read_text("utf-8").split())
    (block,) = (b for b in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "Protocol" in b)
    signatures = re.findall(r"(class .*|def .*): ?\.*$", block, flags=re.MULTILINE)
    assert len(signatures) == 5
    for signature in signatures:
        assert f"{signature}:" in source, signature
