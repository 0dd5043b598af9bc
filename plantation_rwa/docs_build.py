"""Regenerate what is generated: data dictionary and assumptions below ``docs/``, and ``configs/schema.json``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from plantation_rwa.assumptions import packaged_files
from plantation_rwa.config import json_schema
from plantation_rwa.publish.files import write_text_atomically
from plantation_rwa.schema.dictionary import dictionary_markdown


def generated() -> dict[str, str]:
    """Path below the repository -> text as it must be."""
    return {
        "docs/data-dictionary.md": dictionary_markdown(),
        "docs/assumptions.md": assumptions_markdown(),
        "configs/schema.json": json_schema(),
    }


def assumptions_markdown() -> str:
    """Every packaged assumption with value, unit and source as the page ``docs/assumptions.md``."""
    lines = [
        "# Assumptions",
        "",
        "Generated from `plantation_rwa/data/assumptions/` by `make docs`; do not edit. [V] read in a source, [C]",
        "computed from published data, [K] domain knowledge not re-checked, [A] assumption of this program. What each",
        "is used for: [method.md](method.md). The configuration overrides them by key (`forecast.assumptions`,",
        "`valuation.assumptions`); the page of a run prints what it used. Taxes, levies and holidays are dated data",
        "beside them: `fiscal.csv`, `holidays_my.csv`.",
        "",
    ]
    for name, entries in packaged_files().items():
        lines += [f"## {name}", "", "| key | value | unit | source |", "| --- | --- | --- | --- |"]
        for entry in entries:
            cells = (f"`{entry.key}`", _value(entry.value), entry.unit or "-", entry.source)
            lines.append("| " + " | ".join(" ".join(c.replace("|", "\\|").split()) for c in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _value(value: object) -> str:
    """A value as it would stand in a configuration, on one line."""
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else str(value)


def outdated(root: Path) -> list[str]:
    """Generated files below ``root`` that are missing or not what :func:`generated` gives."""
    return [
        name
        for name, text in generated().items()
        if not (root / name).is_file() or (root / name).read_bytes() != text.encode("utf-8")
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the outdated files below a folder (default: the current one) and say which.

    Returns
    -------
    int
        0, or 2 if the folder is not a checkout of this program.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    root = Path(given[0]) if given else Path.cwd()
    if not (root / "pyproject.toml").is_file():
        print(f"{root}: has no pyproject.toml. Run it in a checkout of the source.", file=sys.stderr)
        return 2
    names, texts = outdated(root), generated()
    for name in names:
        write_text_atomically(root / name, texts[name])
        print(f"wrote {name}")
    if not names:
        print("all generated files are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
