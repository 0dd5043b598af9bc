"""The user's cache folder: what lies there may be deleted at any time."""

from __future__ import annotations

import os
from pathlib import Path

#: folder of the cache instead of the user's own; empty: nothing is kept
VARIABLE = "PLANTATION_RWA_CACHE"


def cache_folder() -> Path | None:
    """The folder that the environment names, else ``plantation-rwa`` in the user's cache folder; None: keep nothing."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "plantation-rwa"
