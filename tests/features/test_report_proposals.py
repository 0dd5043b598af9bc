"""Levies and duties as rows that a person can move into the fiscal table."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from plantation_rwa.features.report_proposals import COLUMNS, fiscal_proposals, proposals_text
from plantation_rwa.features.report_signals import signals
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.market import FISCAL_COLUMNS, read_fiscal

RAISED = "Indonesia will raise the export levy on crude palm oil from 10 percent to 12.5 percent from March 1, 2026."


def facts(text: str, country: str = "ID", published: str = "2026-02-20") -> pd.DataFrame:
    known = pd.Timestamp(published, tz="UTC")
    row = {
        "doc_id": "d",
        "file": "d.md",
        "title": "",
        "country": country,
        "commodity": "palm oil",
        "text": text,
        "aside": (),
    }
    found, refused = signals(pd.DataFrame([row | {"published_at": known.date(), "known_at": known}]))
    assert refused.empty
    return found


def proposed(text: str, country: str = "ID") -> list[list[object]]:
    rows = fiscal_proposals(facts(text, country), read_fiscal(None, Quarantine()))
    return rows[["schedule", "jurisdiction", "effective_from", "key", "value"]].values.tolist()


def test_an_announced_levy_becomes_a_row_with_its_day_and_its_words() -> None:
    rows = fiscal_proposals(facts(RAISED), read_fiscal(None, Quarantine()))
    assert list(rows.columns) == list(COLUMNS)
    assert list(COLUMNS[:9]) == list(FISCAL_COLUMNS)
    assert len(rows) == 1
    row = rows.iloc[0]
    assert row[["schedule", "jurisdiction", "effective_from", "key", "value", "known_at"]].tolist() == [
        "export_levy", "ID", "2026-03-01", "share_of_hr", 0.125, "2026-02-20",
    ]  # fmt: skip
    assert RAISED in row["source"]
    assert row["state"] == "in table"
    changed = fiscal_proposals(facts(RAISED.replace("12.5", "15")), read_fiscal(None, Quarantine())).iloc[0]
    assert (changed["state"], changed["in_force"]) == ("new", 0.125)


def test_the_file_is_read_as_a_fiscal_table(tmp_path: Path) -> None:
    text = proposals_text(fiscal_proposals(facts(RAISED), read_fiscal(None, Quarantine())))
    (tmp_path / "accepted.csv").write_text(text, "utf-8")
    bad = Quarantine()
    table = read_fiscal([str(tmp_path / "accepted.csv")], bad)
    assert bad.frame().empty
    assert table[["schedule", "value"]].values.tolist() == [["export_levy", 0.125]]
    assert table["known_at"].item() == pd.Timestamp("2026-02-20", tz="UTC")


@pytest.mark.parametrize(
    "text",
    [
        "Indonesia is considering raising the export levy on crude palm oil to 15 percent from March 1, 2026.",
        "Indonesia will not raise the export levy on crude palm oil to 15 percent from March 1, 2026.",
        "It is false that Indonesia raised the export levy on crude palm oil to 15 percent from March 1, 2026.",
        "Indonesia withdrew its decision that the levy on crude palm oil rises to 15 percent from March 1, 2026.",
        "Indonesia raised the export levy on crude palm oil to 15 percent.",
        "Indonesia will set the export levy at 9.5 percent for refined products from March 1, 2026.",
        "Indonesia could raise the export levy to 15 percent on March 1, 2026.",
        "Indonesia will raise the levy on crude palm oil by 5 percent from March 1, 2026.",
        "India raised its import duty on crude palm oil to 27.5 percent on March 1, 2026.",
    ],
)
def test_what_is_tentative_denied_undated_refined_or_a_change_is_not_proposed(text: str) -> None:
    assert proposed(text) == []


def test_other_schedules() -> None:
    assert proposed("The MPOB cess on palm oil was raised to RM 18 per tonne from January 1, 2027.", "MY") == [
        ["cess", "MY", "2027-01-01", "cpo", 18.0]
    ]
    assert proposed(
        "The threshold of the windfall profit levy was raised to RM 3,300 per tonne effective January 1, 2027.", "MY"
    ) == [["windfall_levy", "MY", "2027-01-01", "threshold_myr_t", 3300.0]]
    assert proposed("Malaysia set its export duty for crude palm oil at 9.5 percent for March 2026.", "MY") == [
        ["export_duty", "MY", "2026-03-01", "", 0.095]
    ]


def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless() -> None:
    rows = fiscal_proposals(facts(RAISED), read_fiscal(None, Quarantine())).assign(doc_id="=cmd()")
    assert pd.read_csv(io.StringIO(proposals_text(rows)))["doc_id"].item() == "'=cmd()"
