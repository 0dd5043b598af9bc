"""The frame of every page: head, banner of simulated data, style, footer."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

from plantation_rwa.publish.report import appendix
from plantation_rwa.publish.report.markup import DASH, clean, esc

GRADES = ("A", "B", "C", "D")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(
    meta: Mapping[str, Any], title: str, subtitle: str, body: str, *, scripts: Sequence[str] = (), block: str = ""
) -> str:
    """A whole page as text: nothing loaded from elsewhere, no script but those given.

    Parameters
    ----------
    meta
        As in :class:`~plantation_rwa.publish.report.data.SummaryData`.
    title, subtitle
        Plain text.
    body
        Markup.
    scripts
        Run in this order; the policy names their hashes.
    block
        JSON that they read from the element ``report-data``.
    """
    name, as_of = esc(title), esc(meta["as_of"])
    simulated = bool(meta.get("simulated", False))
    banner = (
        '<aside class="simulated" aria-label="Simulated data">SIMULATED INPUTS: no number on this page '
        "describes a real plantation or a real payment.</aside>"
        if simulated
        else ""
    )
    mark = '<div class="watermark" aria-hidden="true"><span></span></div>' if simulated else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{esc(_policy(scripts))}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{name}, {as_of}{' (simulated)' if simulated else ''}</title><style>{_style()}</style></head>\n<body>"
        f'<header><div class="in"><h1><bdi>{name}</bdi></h1><p>{esc(subtitle)}, valued as of '
        f"{as_of} (end of the day, UTC)</p></div></header>\n{banner}{mark}<main>\n"
        + body
        + f"\n</main>\n{appendix.footer(meta)}{_run(scripts, block)}</body></html>\n"
    )


def _policy(scripts: Sequence[str]) -> str:
    """What the browser may do: nothing from elsewhere, inline styles, the icons of the charts, these scripts."""
    if not scripts:
        return _POLICY
    return f"{_POLICY}; img-src data:; script-src {' '.join(sorted({_hash(s) for s in scripts}))}"


@lru_cache(maxsize=8)
def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _run(scripts: Sequence[str], block: str) -> str:
    if not scripts:
        return ""
    data = f'<script type="application/json" id="report-data">{block}</script>\n'
    return data + "".join(f"<script>{script}</script>\n" for script in scripts)


@lru_cache(maxsize=1)
def _style() -> str:
    return resources.files("plantation_rwa.publish.report").joinpath("style.css").read_text("utf-8")


def grade_badge(grade: object) -> str:
    """The confidence grade as a coloured letter."""
    letter = clean(grade)
    style = f" g{letter}" if letter in GRADES else ""
    return f'<span class="grade{style}">{esc(letter) or DASH}</span>'
