"""What the page knows about each plantation, gathered once from the tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd
import shapely

from plantation_rwa.publish.report.data import SummaryData
from plantation_rwa.publish.report.maps import NO_VALUE, Site, colours
from plantation_rwa.publish.report.markup import is_missing

#: Plantations that get a card of their own; further ones stand in the tables only.
MAX_CARDS = 48


@dataclass(frozen=True)
class Plantation:
    """One plantation as the page shows it; tables are its own rows, possibly none."""

    number: int
    name: str
    site: Site | None
    values: pd.DataFrame
    forecasts: pd.DataFrame
    history: pd.DataFrame
    features: pd.DataFrame
    outlook: dict[str, Any]
    area_ha: float
    npv_per_ha: float


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
        key: {str(name): rows for name, rows in frame.groupby("plantation_id", sort=True)} if len(frame) else {}
        for key, frame in {
            "values": data.valuations,
            "forecasts": data.forecasts,
            "history": _with_yield(data.history),
            "features": data.features,
            "outlook": data.outlook,
        }.items()
    }
    empty = {key: frame.iloc[:0] for key, frame in vars(data).items() if isinstance(frame, pd.DataFrame)}
    empty["history"] = _with_yield(empty["history"])
    currencies = tuple(sorted({str(c) for c in data.valuations.get("currency", pd.Series(dtype="object")).dropna()}))

    areas, per_ha = {}, {}
    for name in names:
        rows = parts["forecasts"].get(name, empty["forecasts"])
        areas[name] = _first_area(rows)
        values = parts["values"].get(name)
        total = float(values["npv_fair"].sum(min_count=1)) if values is not None else math.nan
        per_ha[name] = total / areas[name] if areas[name] > 0 else math.nan
    # one colour scale needs one currency
    fills = colours(per_ha) if len(currencies) == 1 else dict.fromkeys(names, NO_VALUE)
    shapes = dict(zip(data.geometry["plantation_id"].astype("str"), data.geometry["geometry"], strict=True))

    plantations = []
    for number, name in enumerate(names, start=1):
        shape = shapes.get(name)
        drawable = shape is not None and not shapely.is_missing(shape) and not shape.is_empty
        outlook = parts["outlook"].get(name)
        plantations.append(
            Plantation(
                number,
                name,
                Site(number, name, shape, fills[name]) if drawable else None,
                _sorted(parts["values"].get(name, empty["valuations"]), "right_id"),
                _sorted(parts["forecasts"].get(name, empty["forecasts"]), "target_month"),
                _sorted(parts["history"].get(name, empty["history"]), "month"),
                _sorted(parts["features"].get(name, empty["features"]), "month"),
                {} if outlook is None else {str(k): v for k, v in outlook.iloc[0].items()},
                areas[name],
                per_ha[name],
            )
        )
    return View(tuple(plantations), currencies)


def _with_yield(history: pd.DataFrame) -> pd.DataFrame:
    """History with ``yield_t_ha``; months without an area have none."""
    if "yield_t_ha" in history:
        return history
    area = history["area_mature_ha"].astype("float64")
    return history.assign(yield_t_ha=history["ffb_t"].astype("float64") / area.where(area > 0))


def _first_area(forecasts: pd.DataFrame) -> float:
    """Mature area of the first forecast month; NaN if there is none."""
    if not len(forecasts) or "area_mature_ha" not in forecasts:
        return math.nan
    value = forecasts.sort_values("target_month", kind="stable")["area_mature_ha"].iloc[0]
    return math.nan if is_missing(value) else float(value)


def _sorted(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.sort_values(column, kind="stable") if column in frame else frame
