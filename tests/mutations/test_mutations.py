"""Rules that must hold: each is taken out of a copy of the code, and the test that guards it must fail.

The lists beside this file name the rule, the text that holds it, what stands in its place, and the tests that then
fail. A rule whose text has moved is an error here, so the lists cannot fall behind the code.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LISTS = sorted(Path(__file__).parent.glob("*.yaml"))
MUTATIONS = [
    pytest.param(
        entry, id=f"{path.stem}-{entry['rule']}", marks=[] if entry.get("representative") else pytest.mark.long
    )
    for path in LISTS
    for entry in yaml.safe_load(path.read_text("utf-8"))
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The code and its tests, to be spoiled and mended again."""
    place = tmp_path_factory.mktemp("mutant")
    for name in ("plantation_rwa", "pipelines", "tests"):
        # with what is compiled already: of a file that is spoiled the time tells that it must be compiled again
        shutil.copytree(ROOT / name, place / name)
    for name in ("data", "configs"):
        os.symlink(ROOT / name, place / name)
    shutil.copy(ROOT / "pyproject.toml", place)
    yield place
    shutil.rmtree(place, ignore_errors=True)


Run = Callable[[list[str]], tuple[int, str]]


@pytest.fixture(scope="module")
def run(copy: Path) -> Iterator[Run]:
    """Runs tests on the copy: what pytest returns and says."""
    said = copy / "said.txt"
    command = [sys.executable, "-B", str(copy / "tests" / "mutations" / "forked.py"), str(copy), str(said)]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def tested(tests: list[str]) -> tuple[int, str]:
            process.stdin.write(json.dumps(tests) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline()), said.read_text("utf-8")

        yield tested
        process.stdin.close()


def test_every_text_stands_once() -> None:
    """All entries, also those that only the long suite runs: a rule or a test that moved is seen at once."""
    moved = []
    for entry in (p.values[0] for p in MUTATIONS):
        times = (ROOT / entry["file"]).read_text("utf-8").count(entry["old"])
        if times != 1:
            moved.append(f"{entry['rule']}: {entry['file']} holds it {times} times")
        for test in entry["tests"]:
            place, _, name = test.split("[")[0].partition("::")
            if f"def {name}(" not in (ROOT / place).read_text("utf-8") and name:
                moved.append(f"{entry['rule']}: {place} has no {name}")
    assert not moved, "\n".join(moved)


@pytest.mark.parametrize("entry", MUTATIONS)
def test_a_rule_taken_out_is_missed(entry: dict[str, Any], copy: Path, run: Run) -> None:
    path = copy / entry["file"]
    text = path.read_text("utf-8")
    assert text.count(entry["old"]) == 1, f"{entry['file']} holds {entry['old']!r} {text.count(entry['old'])} times"
    path.write_text(text.replace(entry["old"], entry["new"]), "utf-8")
    try:
        for test in entry["tests"]:
            returned, said = run([test])
            assert returned == 1, f"{test} does not notice:\n{said[-3000:]}"
            assert " failed" in said, said[-2000:]
    finally:
        path.write_text(text, "utf-8")


def test_every_rule_is_guarded_as_the_code_stands(run: Run) -> None:
    """The same tests pass on the unspoiled copy, so that a failure above is the mutation's."""
    tests = sorted({t for p in MUTATIONS for t in p.values[0]["tests"] if p.values[0].get("representative")})
    returned, said = run(tests)
    assert returned == 0, said[-3000:]
