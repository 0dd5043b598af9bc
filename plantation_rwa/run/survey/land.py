"""One line per supplied piece of land evidence."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from plantation_rwa.config import Config
from plantation_rwa.run.survey.lines import Line, actions, files_text, format_text
from plantation_rwa.sources.base import Inputs
from plantation_rwa.sources.compliance import Evidence


def evidence_lines(config: Config, inputs: Inputs, quarantine: pd.DataFrame, unreadable: Sequence[str]) -> list[Line]:
    """Lines of what is configured under ``compliance``; maps one by one, named with their question.

    Parameters
    ----------
    unreadable
        Configuration keys of inputs that could not be read.
    """
    section, evidence = config.compliance, inputs.evidence or Evidence()
    found = [
        Line(
            f"compliance.layers: {layer.name} ({layer.kind})",
            files_text(layer.path),
            "GeoTIFF" if layer.path[0].lower().endswith((".tif", ".tiff")) else format_text(layer.path),
            crs=next((x.tiles[0].grid.crs for x in evidence.layers if x.label.startswith(layer.name) and x.tiles), ""),
            known_at=str(layer.known_at or ""),
            state="cannot be used" if "compliance.layers" in unreadable else "ok",
        )
        for layer in section.layers
    ]
    named = {"whisp": section.whisp.path if section.whisp else None}
    named |= {
        n: getattr(section, n) for n in ("published", "boundaries", "countries", "tenure", "sanctions", "documents")
    }
    for name, paths in named.items():
        if not paths:
            continue
        key, table = f"compliance.{name}", evidence.tables.get(name)
        aside = actions(quarantine[quarantine["input"] == key])
        told = ", ".join(f"{n} {action}" for action, n in aside.items()) or "ok"
        covered = "" if table is None or "plantation_id" not in table or name == "published" else table["plantation_id"]
        found.append(
            Line(
                key,
                files_text(paths),
                format_text(paths),
                rows="" if table is None else str(len(table)),
                plantations="" if isinstance(covered, str) else f"{covered.nunique()} of {len(inputs.register)}",
                state="cannot be used" if key in unreadable else told,
            )
        )
    return found
