"""Exchange rates: quotes in rows or one column a currency, turned-round quotes set right, jumps set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from plantation_rwa.assumptions import Assumptions, packaged
from plantation_rwa.errors import Problem, SourceError
from plantation_rwa.sources.base import Quarantine
from plantation_rwa.sources.cells import ColumnSpec
from plantation_rwa.sources.files import RawFile, load
from plantation_rwa.sources.fx_layouts import as_rows
from plantation_rwa.sources.tables import Sheet, sheet_of

_CURRENCY = "use the ISO 4217 code, such as MYR"

FX_COLUMNS: Mapping[str, ColumnSpec] = {
    "date": ColumnSpec("date", required=True),
    "base": ColumnSpec("text", required=True, pattern="[A-Z]{3}", hint=_CURRENCY),
    "quote": ColumnSpec("text", required=True, pattern="[A-Z]{3}", hint=_CURRENCY),
    "rate": ColumnSpec("float", required=True, above=0.0, lower=1e-9, upper=1e9),
    "kind": ColumnSpec("text"),
    "tenor_years": ColumnSpec("float", above=0.0, upper=30.0),
    "known_at": ColumnSpec("instant"),
}
KINDS = ("spot", "onshore_fwd", "ndf")


def read_fx(
    paths: Sequence[str] | None, quarantine: Quarantine, *, assumptions: Assumptions | None = None
) -> pd.DataFrame:
    """Exchange rates.

    Two layouts are read as they are published: see :mod:`plantation_rwa.sources.fx_layouts`.

    Parameters
    ----------
    assumptions
        ``check.units_per_usd``, ``market.fx_jump_max`` and ``market.monthly_rate_known_lag_days``; the packaged ones if
        None.

    Returns
    -------
    pandas.DataFrame
        ``date, base, quote, rate`` (quote per base), ``kind`` (``spot`` where not given), ``tenor_years`` (of
        forwards, NaN for spot), ``known_at`` (the date where not given), in file order.

    Raises
    ------
    SourceError
        If a file cannot be read or lacks a required column.
    """
    limits = assumptions or packaged()
    raws, problems = list[RawFile](), list[Problem]()
    lag = int(limits.number("market.monthly_rate_known_lag_days"))
    for path in paths or ():
        try:
            raws.append(as_rows(load(path, "fx", FX_COLUMNS, quarantine), lag))
        except SourceError as error:
            problems += error.problems
    sheet = sheet_of(raws, input="fx", columns=FX_COLUMNS, quarantine=quarantine, problems=problems)
    frame = sheet.frame
    _settle_known(sheet)
    sheet.reject(
        (frame["base"] == frame["quote"]) & (frame["base"] != ""), "quote", "base and quote are the same currency"
    )
    kinds = frame["kind"].str.strip().str.lower()
    frame["kind"] = kinds.where(kinds != "", "spot")
    # what is not known may be a forward: never take it for spot
    sheet.reject(~frame["kind"].isin(KINDS), "kind", f"kind is not known; use one of {', '.join(KINDS)}")
    spot = (frame["kind"] == "spot").to_numpy(bool)
    sheet.reject(~spot & frame["tenor_years"].isna().to_numpy(bool), "tenor_years", "a forward rate needs tenor_years")
    frame.loc[spot, "tenor_years"] = np.nan
    _settle_sizes(sheet, limits.table("check.units_per_usd"))
    sheet.reject_duplicates(["date", "base", "quote", "kind", "tenor_years"], column="quote")
    _reject_jumps(sheet, limits.number("market.fx_jump_max"))
    return sheet.result()[list(FX_COLUMNS)]


def _settle_known(sheet: Sheet) -> None:
    """A rate is known on its date where the row does not say; one that says before it is taken at its date."""
    frame = sheet.frame
    own = frame["date"].dt.tz_localize("UTC").astype("datetime64[us, UTC]")
    early = (frame["known_at"] < own).to_numpy(bool)
    given = [v.date().isoformat() for v in frame["known_at"][early]]
    frame["known_at"] = frame["known_at"].mask(early, pd.NaT).fillna(own).astype("datetime64[us, UTC]")
    sheet.fault(early, "known_at", "known_at lies before the date; the date is used", "nulled", given)


def _settle_sizes(sheet: Sheet, per_usd: Mapping[str, Sequence[float]]) -> None:
    """Turn a quote round that only the other way round any such rate has been; reject one that neither way has.

    Currencies whose rates have passed through one cannot be told apart from their inverse, and are left alone.
    """
    frame = sheet.frame
    ranges = {**{c: (float(r[0]), float(r[1])) for c, r in per_usd.items()}, "USD": (1.0, 1.0)}
    rate = frame["rate"].to_numpy(float)
    turned, wrong = np.zeros(len(frame), dtype=bool), np.zeros(len(frame), dtype=bool)
    told: dict[int, str] = {}
    accepted = np.flatnonzero(sheet.accepted)
    for (base, quote), places in frame[sheet.accepted].groupby(["base", "quote"], sort=True).indices.items():
        if base not in ranges or quote not in ranges:
            continue
        low, high = ranges[quote][0] / ranges[base][1], ranges[quote][1] / ranges[base][0]
        rows = accepted[places]
        rows = rows[(rate[rows] < low) | (rate[rows] > high)]
        inverse = (low <= 1.0 / rate[rows]) & (1.0 / rate[rows] <= high)
        turned[rows[inverse]], wrong[rows[~inverse]] = True, True
        upside = f"the quote is turned round: it is {base} per {quote}; 1/rate was used"
        size = f"{base}/{quote} lies outside {_short(low)} to {_short(high)} {quote} per {base}; check its unit"
        told |= {int(r): upside if i else size for r, i in zip(rows, inverse, strict=True)}
    sheet.fault(turned, "rate", [told[i] for i in np.flatnonzero(turned).tolist()], "repaired")
    sheet.reject(wrong, "rate", [told[i] for i in np.flatnonzero(wrong).tolist()])
    frame.loc[turned, "rate"] = 1.0 / frame.loc[turned, "rate"]


def _reject_jumps(sheet: Sheet, factor: float) -> None:
    """Reject a rate many times off the one accepted before it: a quote turned round, or in another unit.

    Each rate is held against earlier ones only, so that later rows change nothing of what was accepted before.
    """
    frame = sheet.frame
    rows = frame[sheet.accepted].sort_values(["base", "quote", "kind", "date"], kind="stable")
    jumps, told = np.zeros(len(frame), dtype=bool), {}
    for _, group in rows.groupby(["base", "quote", "kind"], sort=True):
        last = float("nan")
        for position, rate in zip(group.index, group["rate"], strict=True):
            if last / factor <= rate <= last * factor or last != last:
                last = float(rate)
                continue
            jumps[position] = True
            told[position] = (
                f"rate {rate:g} is more than {factor:g} times off the {last:g} before it; "
                "is the quote turned round, or in another unit?"
            )
    sheet.reject(jumps, "rate", [told[i] for i in np.flatnonzero(jumps).tolist()])


def _short(value: float) -> str:
    return f"{float(f'{value:.4g}'):,.10g}"
