"""The report of a date: its sections in order, and the memos beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from plantation_rwa.publish.files import OutputFile, write_text_atomically
from plantation_rwa.publish.report import (
    appendix,
    change,
    detail,
    evidence,
    level3,
    library,
    market,
    market_facts,
    overview,
    reproduce,
    rights,
    sensitivity,
    where,
)
from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.embedded import json_block, text
from plantation_rwa.publish.report.memo import memo_name, render_memo
from plantation_rwa.publish.report.page import page
from plantation_rwa.publish.report.view import View, gather

__all__ = ["SummaryData", "render_summary", "write_memos", "write_summary"]

_CONTENTS = (
    ("map", "Map"),
    ("values", "Values"),
    ("plantation", "One plantation"),
    ("distribution", "Distribution"),
    ("change", "What changed"),
    ("market", "Market"),
    ("facts", "Trade reports"),
    ("sensitivity", "What would move it"),
    ("land", "Land"),
    ("ages", "Age of the data"),
    ("quality", "Data quality"),
    ("level3", "Level 3 note"),
    ("assumptions", "Assumptions"),
    ("reproduce", "Same numbers again"),
)


def write_summary(path: str | Path, data: SummaryData) -> OutputFile:
    """Write the page atomically; see :func:`render_summary`.

    Parameters
    ----------
    path
        Usually ``reports/as_of=YYYY-MM-DD/index.html``.
    data
        The tables of one valuation date.
    """
    return write_text_atomically(path, render_summary(data))


def write_memos(folder: Path, data: SummaryData) -> list[OutputFile]:
    """Write a memo per valued right, see :func:`~plantation_rwa.publish.report.memo.render_memo`.

    Returns
    -------
    list of OutputFile
        In the order of plantation and right; paths as below ``folder``.
    """
    written = []
    for plantation in gather(data).plantations:
        for record in plantation.records:
            name = memo_name(plantation.name, str(record["right_id"]))
            file = write_text_atomically(folder / name, render_memo(data, plantation, record))
            written.append(replace(file, path=name))
    return written


def render_summary(data: SummaryData) -> str:
    """The whole page as text: nothing loaded from elsewhere, the same text for the same tables.

    Every text of the inputs is escaped, and control and direction characters are replaced. The page's scripts are
    named in its policy by their hashes: no other one is run.
    """
    view = gather(data)
    sections = [
        overview.tiles(view, data),
        where.where(view),
        rights.rights_table(view),
        detail.detail(view, data),
        overview.distribution(view, data),
        change.change(data),
        market.market(data),
        market_facts.market_facts(data.signals, data.forecasts),
        sensitivity.sensitivity(data),
        evidence.screening(data),
        evidence.ages(view, data),
        # where nothing else is left to show, the reasons are what the page is about
        appendix.quarantine(data.quarantine, opened=not view.plantations),
        level3.level3(data),
        appendix.assumptions(data.assumptions),
        appendix.inputs(data.inputs),
        reproduce.reproduce(data),
    ]
    body = "\n".join(s for s in sections if s)
    links = "".join(f'<a href="#{ident}">{words}</a>' for ident, words in _CONTENTS if f'id="{ident}"' in body)
    return page(
        data.meta,
        str(data.meta.get("portfolio", "portfolio")),
        "Plantation yields and revenue rights",
        f'<nav aria-label="Contents">{links}</nav>\n{body}',
        scripts=library.scripts(),
        block=json_block(_embedded(view, data)),
    )


def _embedded(view: View, data: SummaryData) -> dict[str, object]:
    """What the page's script draws from."""
    return {
        "as_of": text(data.meta["as_of"]),
        "simulated": bool(data.meta.get("simulated", False)),
        "money": text(view.money),
        "map": where.map_data(view),
        "bridge": change.change_data(data),
        "curve": market.market_data(data),
        **sensitivity.sensitivity_data(data),
        **detail.detail_data(view, data),
    }
