"""The command ``report``."""

from __future__ import annotations

import datetime as dt

from plantation_rwa.cli.console import result, say
from plantation_rwa.errors import SourceError
from plantation_rwa.publish.working_copy import shared
from plantation_rwa.run.reading import load_date
from plantation_rwa.run.report import rebuild
from plantation_rwa.run.session import ready


def report(uri: str, as_of: dt.date | None) -> int:
    """Write the page and the memos again and say where; see ``plantation-rwa report --help``."""
    root = ready(uri)
    if not root.is_dir():
        raise SourceError.of(uri, "no such folder", "", "Give an output folder of 'run'.")
    date = None if as_of is None else as_of.isoformat()
    load_date(root, date)  # before a turn, which leaves its mark in the folder
    with shared(root) as folder, folder.turn():
        page = rebuild(root, date)
    place = f"{uri.rstrip('/')}/{page.relative_to(root).as_posix()}"
    memos = f"{place.rsplit('/', 1)[0]}/memos"
    result(page=place, memos=memos)
    say(f"page: {place}")
    say(f"memos: {memos}")
    return 0
