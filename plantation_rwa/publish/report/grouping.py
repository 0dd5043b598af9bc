"""Quarantined records that differ only by row and value, on one line: for the page and for ``check``."""

from __future__ import annotations

import re

import pandas as pd

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_SAME = ["input", "file", "column", "action", "_reason"]


def grouped(quarantine: pd.DataFrame) -> pd.DataFrame:
    """Records of the same input, file, column, action and reason as one row; numbers in reasons are not compared.

    Parameters
    ----------
    quarantine
        Table ``quarantine`` in any order.

    Returns
    -------
    pandas.DataFrame
        ``input, file, column, action, records`` (how many), ``plantations`` (distinct ids, 0 if none is known),
        and of the record with the lowest row ``row, value, reason, plantation_id``; sorted by input, file and row.
    """
    names = ["input", "file", "column", "action", "records", "plantations", "row", "value", "reason", "plantation_id"]
    if quarantine.empty:
        return pd.DataFrame(columns=names)
    frame = quarantine.astype({"row": "Int64"})
    for name in ("file", "column", "value", "reason", "plantation_id"):
        frame[name] = frame[name].fillna("").astype("str")
    frame["_reason"] = frame["reason"].str.replace(_NUMBER, "#", regex=True)
    frame = frame.sort_values([*_SAME, "row", "plantation_id", "value", "reason"], kind="stable", na_position="last")
    groups = frame.groupby(_SAME, sort=False)
    found = groups.head(1).set_index(_SAME)
    found["records"] = groups.size()
    known = frame[frame["plantation_id"] != ""].groupby(_SAME, sort=False)["plantation_id"].nunique()
    found["plantations"] = known.reindex(found.index).fillna(0).astype("int64")
    order = ["input", "file", "row", "column", "action", "reason"]
    return found.reset_index().sort_values(order, kind="stable", na_position="last")[names].reset_index(drop=True)
