"""Seasonal forecasts over plantations, member by member."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from plantation_rwa.features.climate_cells import cell_weights, weighted_mean

if TYPE_CHECKING:
    import xarray as xr

#: Columns of :func:`seasonal_to_plantations`.
COLUMNS = ("plantation_id", "issue_month", "target_month", "member", "variable", "value", "known_at")


def seasonal_to_plantations(grid: xr.Dataset, register: pd.DataFrame, release_days: int) -> pd.DataFrame:
    """Forecast months of each plantation.

    Parameters
    ----------
    grid
        As ``sources.climate.open_seasonal`` gives it.
    register
        ``plantation_id`` and ``geometry`` on WGS84.
    release_days
        Days after the first of the issue month on which its forecasts are released.

    Returns
    -------
    pandas.DataFrame
        :data:`COLUMNS`: months ``YYYY-MM``; ``variable`` is ``p_sum_mm`` (mm in the target month) or ``tmean_c``;
        coverage-weighted mean of the cells. A forecast is known from its release on.
    """
    places = register.drop_duplicates("plantation_id").sort_values("plantation_id", kind="stable")
    outlines = np.asarray(places["geometry"], dtype=object)
    weights = cell_weights(grid["latitude"].to_numpy(), grid["longitude"].to_numpy(), outlines)
    issue = pd.Series(grid["issue"].to_numpy().astype(str), dtype="str")
    released = pd.to_datetime(issue + "-01", utc=True) + pd.Timedelta(days=release_days)
    parts = [empty_seasonal()]
    for name in sorted(str(v) for v in grid.data_vars):
        cells = grid[name].to_numpy().reshape(len(issue), -1)
        for plantation, weight in zip(places["plantation_id"], weights, strict=True):
            if len(weight.cells):
                part = pd.DataFrame(
                    {
                        "plantation_id": pd.Series([plantation] * len(issue), dtype="str"),
                        "issue_month": issue,
                        "target_month": pd.Series(grid["target"].to_numpy().astype(str), dtype="str"),
                        "member": grid["member"].to_numpy().astype("int64"),
                        "variable": pd.Series([name] * len(issue), dtype="str"),
                        "value": weighted_mean(cells[:, weight.cells], weight),
                        "known_at": released.astype("datetime64[us, UTC]"),
                    }
                )
                parts.append(part[part["value"].notna()])
    out = pd.concat(parts, ignore_index=True)
    keys = ["plantation_id", "issue_month", "target_month", "variable", "member"]
    return out.sort_values(keys, kind="stable").reset_index(drop=True)


def empty_seasonal() -> pd.DataFrame:
    """The table without rows."""
    texts = {"plantation_id", "issue_month", "target_month", "variable"}
    types = {c: "str" if c in texts else "float64" for c in COLUMNS} | {
        "member": "int64",
        "known_at": "datetime64[us, UTC]",
    }
    return pd.DataFrame({c: pd.Series(dtype=t) for c, t in types.items()})
