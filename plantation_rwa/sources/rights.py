"""Terms of the revenue rights, and the parties behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd

from plantation_rwa.assumptions import Assumptions, packaged
from plantation_rwa.config import RightsConfig
from plantation_rwa.periods import Month
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.cells import ColumnSpec
from plantation_rwa.sources.geometry import WGS84
from plantation_rwa.sources.tables import Sheet, read_sheet, sheet_of
from plantation_rwa.sources.vectors import read_vectors

#: Columns of the rights table. All but the first are optional: a missing or unusable value takes the default term.
RIGHTS_COLUMNS: Mapping[str, ColumnSpec] = {
    "plantation_id": ColumnSpec("id", required=True),
    "right_id": ColumnSpec("id"),
    "share": ColumnSpec("float", above=0.0, upper=1.0, hint="write a fraction, 0.2 for 20 %"),
    "base": ColumnSpec("choice", values=("gross_mill_gate", "net_of_levies", "net_operating")),
    "tenor_months": ColumnSpec("int", lower=1, upper=360),
    "start_month": ColumnSpec("month"),
    "step_up": ColumnSpec("float", above=0.0, upper=10.0),
    "price_floor": ColumnSpec("float", above=0.0, upper=1e15),
    "price_cap": ColumnSpec("float", above=0.0, upper=1e15),
    "price_basis": ColumnSpec("choice", values=("ffb", "cpo")),
    "min_payment": ColumnSpec("float", lower=0.0, upper=1e15),
    "max_payment": ColumnSpec("float", above=0.0, upper=1e15),
    "payment_lag_months": ColumnSpec("int", lower=0, upper=24),
    "frequency_months": ColumnSpec("int", lower=1, upper=12),
    "first_loss": ColumnSpec("float", lower=0.0, upper=1.0, hint="write a fraction, 0.2 for 20 %"),
    "reserve_months": ColumnSpec("float", lower=0.0, upper=120.0),
    "issue_price": ColumnSpec("float", above=0.0, upper=1e15),
    "units": ColumnSpec("int", lower=1, upper=1e15),
    "pool_id": ColumnSpec("id"),
    "payor_id": ColumnSpec("id"),
    "collection_route": ColumnSpec("choice", values=("mill_direct", "controlled_account", "sponsor")),
}

_PARTY: Mapping[str, ColumnSpec] = {
    "name": ColumnSpec("text"),
    "hazard_per_year": ColumnSpec("float", lower=0.0, upper=10.0, hint="write a rate per year, 0.02 for 2 %"),
    "lgd": ColumnSpec("float", lower=0.0, upper=1.0, hint="write a fraction, 0.6 for 60 %"),
}

#: Columns of the party tables.
PARTY_COLUMNS: Mapping[str, Mapping[str, ColumnSpec]] = {
    "sponsors": {"sponsor_id": ColumnSpec("id", required=True), **_PARTY},
    "mills": {"mill_id": ColumnSpec("id", required=True), **_PARTY, "capacity_t_h": ColumnSpec("float", above=0.0)},
}


def read_rights(
    paths: Sequence[str] | None,
    defaults: RightsConfig,
    register: pd.DataFrame,
    quarantine: Quarantine,
    *,
    assumptions: Assumptions | None = None,
) -> pd.DataFrame:
    """Terms of every right, all columns resolved.

    Parameters
    ----------
    paths
        CSV or Parquet; None for none.
    defaults
        Section ``rights`` of the configuration; terms it does not have come from the assumptions
        ``rights_default.*``.
    register
        As :func:`~plantation_rwa.sources.register.read_register` returns it.

    Returns
    -------
    pandas.DataFrame
        One row per right in register order, then file order: the contract's columns. A plantation that the file does
        not name has the default right; one whose rows are all rejected has none.
        ``start_month`` is None where accrual starts with the month after as_of;
        ``price_floor, price_cap, min_payment, max_payment, issue_price`` are NaN where there is none (money
        per the right's currency, prices per t); ``payor_id`` defaults to the plantation's mill, ``pool_id``
        to ''. Integer columns are int64. ``flags`` names ``terms_default`` where a term given could not be used.

    Raises
    ------
    SourceError
        If a file cannot be read or has no ``plantation_id``.
    """
    sheet = read_sheet(paths, input="rights", columns=RIGHTS_COLUMNS, quarantine=quarantine)
    frame = sheet.frame
    registered = list(register["plantation_id"])
    sheet.reject_unknown("plantation_id", registered, "plantation_id is not in the register, or was rejected there")
    for low, high in (("price_floor", "price_cap"), ("min_payment", "max_payment")):
        crossed = (frame[low] > frame[high]).to_numpy(bool)
        told = [
            f"{low} {a:g} lies above {high} {b:g}"
            for a, b in zip(frame[low][crossed], frame[high][crossed], strict=True)
        ]
        sheet.null(crossed, low, told)
        sheet.null(crossed, high, told)
    limits = assumptions or packaged()
    _leave_out_prices(sheet, register, limits)
    terms = _default_terms(defaults, limits)
    for column in ("right_id", "share"):
        frame[column] = _filled(frame[column], terms[column])
    sheet.reject_duplicates(
        ["plantation_id", "right_id"], column="right_id", hint="; give each right of a plantation its own right_id"
    )
    _reject_oversold(sheet, terms)
    frame["flags"] = pd.Series(np.where(sheet.nulled, "terms_default", ""), index=frame.index, dtype="str")
    given = sheet.result()[[*RIGHTS_COLUMNS, "flags"]]
    # where a contract was named and rejected, the default terms are not its own
    without = [p for p in registered if p not in set(frame["plantation_id"])]
    rest = pd.DataFrame({c: _empty(c, len(without)) for c in RIGHTS_COLUMNS})
    rest["plantation_id"] = pd.Series(without, dtype="str")
    rights = pd.concat([given, rest.assign(flags="")], ignore_index=True)
    for column, default in terms.items():
        rights[column] = _filled(rights[column], default)
    mills = dict(zip(register["plantation_id"], register["mill_id"], strict=True)) if "mill_id" in register else {}
    own_mill = rights["plantation_id"].map(mills).fillna("").astype("str")
    rights["payor_id"] = rights["payor_id"].where(rights["payor_id"] != "", own_mill)
    starts = [m or None for m in rights["start_month"]]
    rights["start_month"] = pd.Series(starts, index=rights.index, dtype="object")
    for column, spec in RIGHTS_COLUMNS.items():
        if spec.kind == "int":
            rights[column] = rights[column].astype("int64")
    places = {p: i for i, p in enumerate(registered)}
    order = np.argsort([places[p] for p in rights["plantation_id"]], kind="stable")
    return rights.take(order).reset_index(drop=True)


def read_parties(
    paths: Sequence[str] | None, kind: Literal["sponsors", "mills"], quarantine: Quarantine
) -> pd.DataFrame:
    """Sponsors or mills.

    Parameters
    ----------
    paths
        CSV or Parquet; mills also in the formats of the register, a ``geometry`` column of a CSV as WKT. None
        for none.
    kind
        Which table.

    Returns
    -------
    pandas.DataFrame
        ``sponsor_id`` or ``mill_id``, ``name``, ``hazard_per_year`` (1/a), ``lgd`` (fraction), NaN where not
        given; mills also ``capacity_t_h`` and ``geometry`` (a GeoDataFrame on EPSG:4326, None where not
        given).

    Raises
    ------
    SourceError
        If a file cannot be read or has no id column.
    """
    columns = PARTY_COLUMNS[kind]
    key = next(iter(columns))
    if kind == "sponsors":
        sheet = read_sheet(paths, input=kind, columns=columns, quarantine=quarantine)
        sheet.reject_duplicates([key])
        return sheet.result().loc[:, list(columns)]
    if paths:
        sheet, outlines = read_vectors(
            paths, input=kind, columns=columns, quarantine=quarantine, geometry_required=False
        )
    else:
        sheet, outlines = sheet_of([], input=kind, columns=columns, quarantine=quarantine), []
    told = [o.refused for o in outlines]
    bad = np.array([t not in {"", "is missing or empty"} for t in told], dtype=bool)
    sheet.fault(
        bad, "geometry", [f"geometry {t}; value left out" for t, b in zip(told, bad, strict=True) if b], "nulled"
    )
    sheet.reject_duplicates([key])
    kept = [o.geometry for o, accepted in zip(outlines, sheet.accepted, strict=True) if accepted]
    frame = sheet.result()[list(columns)]
    parties: pd.DataFrame = gpd.GeoDataFrame(
        frame, geometry=gpd.GeoSeries(kept, index=frame.index, crs=WGS84), crs=WGS84
    )
    return parties


def _default_terms(defaults: RightsConfig, assumptions: Assumptions) -> dict[str, object]:
    terms: dict[str, object] = {k: getattr(defaults, k) for k in ("right_id", "share", "tenor_months", "base", "units")}
    for name in ("step_up", "payment_lag_months", "frequency_months", "first_loss", "reserve_months"):
        terms[name] = assumptions.number(f"rights_default.{name}")
    for name in ("price_basis", "collection_route"):
        terms[name] = assumptions.text(f"rights_default.{name}")
    return terms


def _filled(values: pd.Series, default: object) -> pd.Series:
    if isinstance(default, str):
        return values.where(values != "", default)
    return values.fillna(float(str(default)))


def _empty(column: str, n: int) -> pd.Series:
    return (
        pd.Series(np.full(n, np.nan))
        if RIGHTS_COLUMNS[column].kind in {"float", "int"}
        else pd.Series([""] * n, dtype="str")
    )


def _leave_out_prices(sheet: Sheet, register: pd.DataFrame, limits: Assumptions) -> None:
    """Leave out floors and caps per t that no palm oil price has come near: another currency or unit.

    Fruit is worth its oil at most, and a tenth of it (``plausibility.oer_min``) at least.
    """
    bounds, least = limits.table("check.price_per_t"), limits.number("plausibility.oer_min")
    scheme = register.get("scheme", pd.Series("", index=register.index)).fillna("").astype(str)
    indonesian = scheme.str.startswith("id_") | ((scheme == "") & (register.get("country", "") == "ID"))
    series = dict(zip(register["plantation_id"], np.where(indonesian, "cpo_id", "cpo_my"), strict=True))
    own = [series.get(p, "cpo_my") for p in sheet.frame["plantation_id"]]
    low, high = (np.array([float(bounds[s][k]) for s in own]) for k in (0, 1))
    for column in ("price_floor", "price_cap"):
        value = sheet.frame[column].to_numpy(float)
        with np.errstate(invalid="ignore"):
            odd = (value < least * low) | (value > high)
        told = [
            f"{column} lies outside {least * a:,.10g} to {b:,.10g} {'IDR' if s == 'cpo_id' else 'MYR'} per t; check "
            "currency and unit"
            for a, b, s in zip(low[odd], high[odd], np.array(own, dtype=object)[odd], strict=True)
        ]
        sheet.null(odd, column, told)


@dataclass(frozen=True)
class _Sold:
    """What a right takes of a plantation's revenue month by month; without a start it rolls on and takes its most."""

    share: float
    step_up: float
    tenor: int
    start: int | None

    @classmethod
    def of(cls, right: pd.Series, terms: Mapping[str, Any]) -> _Sold:
        """From a row of the table; missing terms take the default."""
        step, tenor = (float(terms[n] if pd.isna(right[n]) else right[n]) for n in ("step_up", "tenor_months"))
        month = str(right["start_month"] or "")
        return cls(float(right["share"]), step, int(tenor), Month.parse(month).ordinal if month else None)

    @property
    def most(self) -> float:
        """Largest share ever taken: it steps up once a year."""
        return float(self.share * max(1.0, self.step_up) ** ((self.tenor - 1) // 12))

    def months(self) -> list[int]:
        """Its months as ordinals; none where it rolls on."""
        return [] if self.start is None else list(range(self.start, self.start + self.tenor))

    def taken(self, month: int) -> float:
        """Share taken in a month."""
        if self.start is None:
            return self.most
        passed = month - self.start
        return float(self.share * self.step_up ** (passed // 12)) if 0 <= passed < self.tenor else 0.0


def _reject_oversold(sheet: Sheet, terms: Mapping[str, Any]) -> None:
    """Reject in file order what would sell more than all of a plantation's revenue in some month."""
    frame, sold = sheet.frame, dict[str, list[_Sold]]()
    over, told = np.zeros(len(frame), dtype=bool), []
    for row in np.flatnonzero(sheet.accepted):
        before, right = sold.setdefault(frame["plantation_id"].iloc[row], []), _Sold.of(frame.iloc[row], terms)
        months = right.months() or sorted({m for other in before for m in other.months()}) or [0]
        taken = [(sum(other.taken(m) for other in before), right.taken(m), m) for m in months]
        most, own, month = max(taken, key=lambda t: t[0] + t[1])
        if most + own > 1.0 + 1e-9:
            over[row] = True
            when = f" in {Month.from_ordinal(month)}" if month else ""
            told.append(
                f"rights before it take {most:g} of the plantation's revenue{when}; this one takes up to {own:g} "
                "and would oversell it"
            )
        else:
            before.append(right)
    sheet.reject(over, "share", told)
