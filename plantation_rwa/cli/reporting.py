"""The command ``report``."""

from __future__ import annotations

import datetime as dt

from plantation_rwa.cli.attesting import local_folder
from plantation_rwa.cli.console import say
from plantation_rwa.run.report import rebuild


def report(uri: str, as_of: dt.date | None) -> int:
    """Write the page and the memos again and say where; see ``plantation-rwa report --help``."""
    page = rebuild(local_folder(uri), None if as_of is None else as_of.isoformat())
    say(f"page: {page}")
    say(f"memos: {page.parent / 'memos'}")
    return 0
