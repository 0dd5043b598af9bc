"""What is generated is up to date, and is written when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from plantation_rwa.docs_build import generated, main, outdated

ROOT = Path(__file__).parents[1]


def test_generated_files_are_up_to_date() -> None:
    assert outdated(ROOT) == [], "run: make docs"


def test_outdated_files_are_written_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/data-dictionary.md").write_text("old")
    assert outdated(tmp_path) == ["docs/data-dictionary.md", "configs/schema.json"]
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "wrote docs/data-dictionary.md\nwrote configs/schema.json\n"
    assert {name: (tmp_path / name).read_text("utf-8") for name in generated()} == generated()
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "all generated files are up to date\n"


def test_elsewhere_it_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "has no pyproject.toml. Run it in a checkout of the source." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
