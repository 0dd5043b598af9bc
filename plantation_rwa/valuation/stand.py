"""What the register says of a plantation that its price hangs on: pricing scheme and age of the palms."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pandas as pd

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.periods import year_fraction
from plantation_rwa.valuation.rights import missing


def scheme_of(row: Mapping[str, Any], assumptions: Assumptions) -> str:
    """Pricing scheme of a plantation: the register's, else the usual one of its country."""
    if not missing(row.get("scheme")):
        return str(row["scheme"])
    country = "" if missing(row.get("country")) else str(row["country"]).upper()
    return str(assumptions.table("scheme.by_country").get(country, assumptions.text("scheme.default")))


def palm_age(row: Mapping[str, Any], model: Mapping[str, Any] | None, as_of: dt.date) -> float | None:
    """Mean age at the valuation date: of the forecast's stand if it has one, else from the register."""
    if model is not None and not missing(model.get("age_mean_years")):
        return float(model["age_mean_years"])
    if missing(row.get("planted_date")):
        return None
    planted = pd.Timestamp(row["planted_date"])
    return year_fraction(planted.date(), as_of) * 365.0 / 365.25
