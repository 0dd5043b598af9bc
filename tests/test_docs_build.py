"""What is generated is up to date, and is written when it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from plantation_rwa.docs_build import generated, main, outdated

ROOT = Path(__file__).parents[1]


def test_generated_files_are_up_to_date() -> None:
    assert outdated(ROOT) == [], "run: make docs"


def test_outdated_files_are_written_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/data-dictionary.md").write_text("old")
    names = ["docs/data-dictionary.md", "docs/assumptions.md", "configs/schema.json"]
    assert outdated(tmp_path) == names
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "".join(f"wrote {name}\n" for name in names)
    assert {name: (tmp_path / name).read_text("utf-8") for name in generated()} == generated()
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "all generated files are up to date\n"


def test_no_assumption_is_missing_from_its_page_nor_any_of_its_words() -> None:
    """Read from the files themselves, apart from what makes the page."""
    page = generated()["docs/assumptions.md"]
    rows = {line.split("`")[1]: line for line in page.splitlines() if line.startswith("| `")}
    keys = set()
    for file in sorted((ROOT / "plantation_rwa/data/assumptions").glob("*.yaml")):
        assert f"## {file.name}\n" in page
        for section, entries in yaml.safe_load(file.read_text("utf-8")).items():
            for name, entry in entries.items():
                keys.add(f"{section}.{name}")
                row = rows[f"{section}.{name}"]
                for word in str(entry["source"]).split() + str(entry["unit"]).split():
                    assert word.replace("|", "\\|") in row, (section, name, word)
                if isinstance(entry["value"], int | float):
                    assert f"| {entry['value']} |" in row
    assert set(rows) == keys
    assert len(keys) > 200


def test_elsewhere_it_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "has no pyproject.toml. Run it in a checkout of the source." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
