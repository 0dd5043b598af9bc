"""Manual adjustments of values: who, why, how much, from when until when, and the signature under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.cells import ColumnSpec
from plantation_rwa.sources.tables import read_sheet

OVERLAY_COLUMNS: Mapping[str, ColumnSpec] = {
    "plantation_id": ColumnSpec("id", required=True),
    "right_id": ColumnSpec("id", required=True),
    "amount_minor": ColumnSpec("int", required=True, lower=-1e15, upper=1e15, hint="write minor units of the currency"),
    "currency": ColumnSpec("text", required=True, pattern=r"[A-Z]{3}", hint="write the ISO 4217 code of the value"),
    "author": ColumnSpec("text", required=True),
    "reason": ColumnSpec("text", required=True),
    "valid_from": ColumnSpec("date", required=True),
    "expires": ColumnSpec("date", required=True),
    "signature": ColumnSpec("text", required=True),
}


def read_overlays(paths: Sequence[str] | None, register: pd.DataFrame, quarantine: Quarantine) -> pd.DataFrame:
    """Rows of the overlays as they stand; who signed is looked at where the domain of the signatures is known.

    Parameters
    ----------
    paths
        CSV or Parquet; None for none.
    register
        As :func:`~plantation_rwa.sources.register.read_register` returns it.

    Returns
    -------
    pandas.DataFrame
        Columns of :data:`OVERLAY_COLUMNS`, one row per adjustment; those of one right add up.

    Raises
    ------
    SourceError
        If a file cannot be read or lacks a column.
    """
    sheet = read_sheet(paths, input="overlays", columns=OVERLAY_COLUMNS, quarantine=quarantine)
    reason = "plantation_id is not in the register, or was rejected there"
    sheet.reject_unknown("plantation_id", list(register["plantation_id"]), reason)
    frame = sheet.frame
    sheet.reject((frame["expires"] < frame["valid_from"]).to_numpy(bool), "expires", "lies before valid_from")
    return sheet.result()[list(OVERLAY_COLUMNS)].reset_index(drop=True)
