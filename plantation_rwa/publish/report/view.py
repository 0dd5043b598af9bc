"""What the page knows about each plantation, gathered once from the tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
import shapely

from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.maps import Site
from plantation_rwa.publish.report.markup import clean, is_missing

#: in place of a yield where nothing bears
NO_PALMS = "none: no mature palms"


@dataclass(frozen=True)
class Plantation:
    """One plantation as the page shows it; tables are its own rows, possibly none.

    Parameters
    ----------
    records
        The rows of ``values``.
    npv_fair, npv_per_ha
        Of all its rights, NaN where it has rights in several currencies.
    anomaly
        Expected yield of the next twelve months / the region's usual harvest of those months - 1.
    grade
        The lowest of its rights, empty without any.
    """

    number: int
    name: str
    site: Site | None
    values: pd.DataFrame
    records: tuple[dict[Any, Any], ...]
    forecasts: pd.DataFrame
    history: pd.DataFrame
    features: pd.DataFrame
    outlook: dict[str, Any]
    area_ha: float
    npv_fair: float
    npv_per_ha: float
    anomaly: float
    grade: str

    @property
    def bare(self) -> bool:
        """No mature palms and so no harvest in the next twelve months: a zero that is known, not forecast."""
        mean: Any = self.outlook.get("yield12_mean")
        return self.area_ha == 0 and not is_missing(mean) and float(mean) == 0


@dataclass(frozen=True)
class View:
    """All plantations by number, and the currencies their values are in."""

    plantations: tuple[Plantation, ...]
    currencies: tuple[str, ...]

    @property
    def money(self) -> str:
        """The one currency of all values, empty if there are several or none."""
        return self.currencies[0] if len(self.currencies) == 1 else ""


def gather(data: SummaryData) -> View:
    """Number the plantations by id and split the tables among them."""
    tables = (data.geometry, data.valuations, data.forecasts, data.outlook)
    names = sorted({str(name) for frame in tables for name in frame["plantation_id"].dropna()})
    parts = {
        "values": _split(data.valuations, "right_id"),
        "forecasts": _split(data.forecasts, "target_month"),
        "history": _split(with_yield(data.history), "month"),
        "features": _split(data.features, "month"),
        "outlook": _split(data.outlook, "plantation_id"),
    }
    empty = {key: frame.iloc[:0] for key, frame in vars(data).items() if isinstance(frame, pd.DataFrame)}
    empty["history"] = with_yield(empty["history"])
    currencies = tuple(sorted({str(c) for c in data.valuations.get("currency", pd.Series(dtype="object")).dropna()}))

    shapes = dict(zip(data.geometry["plantation_id"].astype("str"), data.geometry["geometry"], strict=True))

    records: dict[str, list[dict[Any, Any]]] = {}
    for record in pd.concat(parts["values"].values()).to_dict("records") if parts["values"] else ():
        records.setdefault(str(record["plantation_id"]), []).append(record)

    plantations = []
    for number, name in enumerate(names, start=1):
        shape = shapes.get(name)
        drawable = shape is not None and not shapely.is_missing(shape) and not shape.is_empty
        outlook = parts["outlook"].get(name)
        values = parts["values"].get(name, empty["valuations"])
        forecasts = parts["forecasts"].get(name, empty["forecasts"])
        area, total = _first_area(forecasts), _total(values)
        plantations.append(
            Plantation(
                number,
                name,
                Site(number, name, shape) if drawable else None,
                values,
                tuple(records.get(name, ())),
                forecasts,
                parts["history"].get(name, empty["history"]),
                parts["features"].get(name, empty["features"]),
                {} if outlook is None else {str(k): v for k, v in outlook.iloc[0].items()},
                area,
                total,
                total / area if area > 0 else math.nan,
                _anomaly(forecasts),
                max((clean(g) for g in values.get("confidence_grade", ())), default=""),
            )
        )
    return View(tuple(plantations), currencies)


def with_yield(history: pd.DataFrame) -> pd.DataFrame:
    """History with ``yield_t_ha``; months without an area have none."""
    if "yield_t_ha" in history:
        return history
    area = history["area_mature_ha"].astype("float64")
    return history.assign(yield_t_ha=history["ffb_t"].astype("float64") / area.where(area > 0))


def _first_area(forecasts: pd.DataFrame) -> float:
    """Mature area of the first forecast month, rows in order of the month; NaN if there is none."""
    if not len(forecasts) or "area_mature_ha" not in forecasts:
        return math.nan
    value = forecasts["area_mature_ha"].iloc[0]
    return math.nan if is_missing(value) else float(value)


def _total(values: pd.DataFrame) -> float:
    """Fair value of a plantation's rights; NaN without one, or if they are in several currencies."""
    if "npv_fair" not in values or values["currency"].nunique() > 1:
        return math.nan
    return float(values["npv_fair"].sum(min_count=1))


def _anomaly(forecasts: pd.DataFrame) -> float:
    """Next twelve months against the region's usual harvest; NaN where either is unknown."""
    if "climatology_region_t_ha" not in forecasts:
        return math.nan
    year = forecasts[forecasts["horizon_months"] <= 12]
    usual = float(year["climatology_region_t_ha"].sum(min_count=1))
    return float(year["yield_mean_t_ha"].sum()) / usual - 1 if usual > 0 else math.nan


def _split(frame: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    """Rows of each plantation in the order of a column, without the outline that each of them repeats."""
    if not len(frame):
        return {}
    plain = pd.DataFrame(frame.drop(columns="geometry", errors="ignore"))
    ordered = plain.sort_values(["plantation_id", column] if column in plain else ["plantation_id"], kind="stable")
    return {str(name): rows for name, rows in ordered.groupby("plantation_id", sort=False)}
