"""What stands where: one row per block (or per plantation without blocks), and the mature area by month."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plantation_rwa.periods import Month

STAND_COLUMNS = (
    "plantation_id",
    "block_id",
    "planted_date",
    "area_ha",
    "soil_class",
    "is_peat",
    "management_factor",
    "region",
    "country",
    "state",
    "scheme",
    "planting_year_observed",
    "replanting_date",
)
_TEXTS = ("soil_class", "region", "country", "state", "scheme")


def stand_table(register: pd.DataFrame, blocks: pd.DataFrame | None = None) -> pd.DataFrame:
    """One row per block; a plantation without blocks gets one row with an empty ``block_id``.

    Blocks stand for the whole plantation: its declared area is then the sum of theirs. A block without a
    planting date, soil class, observed planting year or replanting date takes the plantation's.

    Parameters
    ----------
    register
        Plantations; columns of the register, ``area_geodesic_ha`` where no area is declared.
    blocks
        Blocks, or None; blocks of unknown plantations and without positive area are left out.

    Returns
    -------
    pandas.DataFrame
        :data:`STAND_COLUMNS` (ha, fractions, naive dates; ``''`` for missing text, ``NaN``/``NaT``
        otherwise), sorted by plantation and block whatever the order of the inputs.
    """
    own = _plantations(register)
    if blocks is None or len(blocks) == 0:
        return own
    part = pd.DataFrame({c: blocks[c].to_numpy() for c in ("plantation_id", "block_id", "planted_date", "area_ha")})
    part["soil_class"] = _text(blocks, "soil_class")
    part = part.astype({"plantation_id": str, "block_id": str})
    part["planted_date"] = pd.to_datetime(part["planted_date"], errors="coerce").astype("datetime64[us]")
    part["area_ha"] = pd.to_numeric(part["area_ha"], errors="coerce")
    kept = ((part["area_ha"] > 0) & part["plantation_id"].isin(own["plantation_id"])).to_numpy(np.bool_)
    part = part[kept]
    part["planting_year_observed"] = _number(blocks, "planting_year_observed")[kept]
    part["replanting_date"] = _dates(blocks, "replanting_date")[kept]
    merged = part.merge(own.drop(columns=["block_id", "area_ha"]), on="plantation_id", suffixes=("", "_plantation"))
    merged["planted_date"] = merged["planted_date"].fillna(merged["planted_date_plantation"])
    merged["replanting_date"] = merged["replanting_date"].fillna(merged["replanting_date_plantation"])
    seen = merged["planting_year_observed"]
    merged["planting_year_observed"] = seen.fillna(merged["planting_year_observed_plantation"])
    has_class = merged["soil_class"] != ""
    merged["soil_class"] = merged["soil_class"].where(has_class, merged["soil_class_plantation"])
    whole = own[~own["plantation_id"].isin(merged["plantation_id"])]
    out = pd.concat([merged[list(STAND_COLUMNS)], whole], ignore_index=True)
    return out.sort_values(["plantation_id", "block_id"], kind="stable").reset_index(drop=True)


def mature_area(stand: pd.DataFrame, months: Sequence[str], mature_age_months: float) -> pd.DataFrame:
    """Mature area and mean age of each plantation in each month.

    A stand row is mature from ``mature_age_months`` calendar months after its planting month on; without a
    planting date it counts as mature throughout.

    Parameters
    ----------
    stand
        Result of :func:`stand_table`.
    months
        Months ``YYYY-MM``.
    mature_age_months
        Age at which harvest starts, months.

    Returns
    -------
    pandas.DataFrame
        ``plantation_id, month, area_mature_ha, age_mean_years`` (ha; years, mean over the area whose
        planting date is known, young palms included, 0 before planting; NaN if no date is known), sorted by
        plantation and month.
    """
    ordinals = np.array([Month.parse(m).ordinal for m in months], dtype=np.int64)
    ids, rows = np.unique(stand["plantation_id"].to_numpy(dtype=str), return_inverse=True)
    area = stand["area_ha"].to_numpy(dtype=np.float64)
    age = age_months(stand, ordinals)
    mature = np.isnan(age) | (age >= mature_age_months)
    dated = ~np.isnan(age) & np.isfinite(area)[:, None]
    total = _sum_by(rows, len(ids), np.where(mature, np.nan_to_num(area)[:, None], 0.0))
    weight = _sum_by(rows, len(ids), np.where(dated, area[:, None], 0.0))
    years = _sum_by(rows, len(ids), np.where(dated, area[:, None] * np.maximum(age, 0.0) / 12.0, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_age = np.where(weight > 0, years / weight, np.nan)
    return pd.DataFrame(
        {
            "plantation_id": np.repeat(ids, len(ordinals)).astype(str),
            "month": np.tile(np.asarray(list(months), dtype=object), len(ids)).astype(str),
            "area_mature_ha": total.ravel(),
            "age_mean_years": mean_age.ravel(),
        }
    )


def age_months(stand: pd.DataFrame, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
    """Calendar months since planting, or replanting from its month on, ``(stand rows, months)``; NaN if not known."""
    planted, again = planted_ordinals(stand["planted_date"]), planted_ordinals(stand["replanting_date"])
    since = np.where(ordinals[None, :] >= again[:, None], again[:, None], planted[:, None])
    return np.asarray(ordinals[None, :] - since)


def planted_ordinals(dates: pd.Series) -> NDArray[np.float64]:
    """Month ordinals (see :class:`plantation_rwa.periods.Month`) of planting dates, NaN where missing."""
    stamps = pd.to_datetime(dates, errors="coerce")
    return np.asarray((stamps.dt.year * 12 + stamps.dt.month - 1).to_numpy(dtype=np.float64, na_value=np.nan))


def _plantations(register: pd.DataFrame) -> pd.DataFrame:
    """The register's rows in stand columns, one per plantation."""
    out = pd.DataFrame({"plantation_id": register["plantation_id"].astype(str).to_numpy()})
    out["block_id"] = ""
    out["planted_date"] = _dates(register, "planted_date")
    out["replanting_date"] = _dates(register, "replanting_date")
    out["planting_year_observed"] = _number(register, "planting_year_observed")
    declared = _number(register, "planted_area_ha")
    geodesic = _number(register, "area_geodesic_ha")
    out["area_ha"] = np.where(declared > 0, declared, geodesic)
    out["management_factor"] = _number(register, "management_factor")
    for name in _TEXTS:
        out[name] = _text(register, name)
    peat = register["is_peat"].to_numpy(dtype=object) if "is_peat" in register else [False] * len(register)
    out["is_peat"] = [bool(v) if pd.notna(v) else False for v in peat]
    out = out[list(STAND_COLUMNS)].drop_duplicates("plantation_id")
    return out.sort_values("plantation_id", kind="stable").reset_index(drop=True)


def _number(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    if name not in frame:
        return np.full(len(frame), np.nan)
    return np.asarray(
        pd.to_numeric(pd.Series(frame[name].to_numpy()), errors="coerce").to_numpy(np.float64, na_value=np.nan)
    )


def _dates(frame: pd.DataFrame, name: str) -> Any:
    values = frame[name] if name in frame else pd.Series([pd.NaT] * len(frame))
    return pd.to_datetime(pd.Series(values.to_numpy()), errors="coerce").astype("datetime64[us]").to_numpy()


def _text(frame: pd.DataFrame, name: str) -> Any:
    values = frame[name].to_numpy(dtype=object) if name in frame else [""] * len(frame)
    return np.array([str(v).strip() if pd.notna(v) else "" for v in values], dtype=object)


def _sum_by(rows: NDArray[np.intp], count: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum rows of ``values`` by group, in row order."""
    out = np.zeros((count, values.shape[1]))
    np.add.at(out, rows, values)
    return out
