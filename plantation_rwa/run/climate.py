"""Climate of all origins to tables per plantation, each row with the instant it became known."""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
import pandas as pd

from plantation_rwa.config import ClimateConfig, Config
from plantation_rwa.features.climate_grid import Impossible, grid_to_plantations
from plantation_rwa.features.climate_layers import best_known, final_known_at, preliminary_known_at
from plantation_rwa.features.climate_seasonal import empty_seasonal, seasonal_to_plantations
from plantation_rwa.periods import end_of_month_utc
from plantation_rwa.sources.base import Action, Inputs, Quarantine, known

_MONTHLY = ("p_sum_mm", "tmean_c", "tmin_c", "tmax_c")


def with_climate_per_plantation(inputs: Inputs, config: Config) -> Inputs:
    """Daily, monthly and seasonal climate per plantation from the grids, in place of them.

    A supplied table wins over the grids, variable by variable and day by day, because a table that starts later must
    not change what was known of the days before; of grids the finest wins, finals over preliminaries. Inputs that went
    through here come back as they are, so that many dates may share the work.
    """
    if isinstance(inputs.climate_monthly, pd.DataFrame):
        return inputs
    settings, bad = config.climate or ClimateConfig(), inputs.quarantine
    parts = [inputs.climate_daily]
    for layer, grid in enumerate(inputs.climate_grid.parts if inputs.climate_grid is not None else (), start=1):
        frame, impossible = grid_to_plantations(grid, inputs.register)
        _report(bad, "climate", impossible, settings.known_lag_days)
        preliminary = bool(grid.attrs["preliminary"])
        instants = (
            preliminary_known_at(frame["date"], settings.preliminary_lag_days)
            if preliminary
            else final_known_at(frame["date"], settings.known_lag_days)
        )
        parts.append(frame.assign(known_at=instants, preliminary=preliminary, layer=layer))
    daily = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    return dataclasses.replace(
        inputs,
        climate_daily=daily.reindex(columns=parts[0].columns),
        climate_grid=None,
        climate_monthly=_monthly(inputs, settings, bad),
        climate_seasonal=_seasonal(inputs, int(config.assumptions().number("climate_sources.seasonal_release_days"))),
    )


def known_climate(inputs: Inputs, instant: pd.Timestamp) -> Inputs:
    """The tables of :func:`with_climate_per_plantation` as they could be seen at ``instant``."""
    return dataclasses.replace(
        inputs,
        climate_daily=best_known(known(inputs.climate_daily, instant)),
        climate_monthly=known(inputs.climate_monthly, instant),
        climate_seasonal=known(inputs.climate_seasonal, instant),
    )


def climate_hashes(inputs: Inputs) -> dict[tuple[str, str], str]:
    """Per plantation and month a hash of all its weather, daily and monthly, up to the end of that month."""
    daily, monthly = inputs.climate_daily, inputs.climate_monthly
    columns = sorted(c for c in daily.columns if c not in {"plantation_id", "date", "known_at"})
    tables = {
        "daily": (daily, columns, daily["date"].dt.strftime("%Y-%m")),
        "monthly": (monthly, list(_MONTHLY), monthly["month"]),
    }
    parts: dict[str, dict[str, list[bytes]]] = {}
    for name, (table, names, months) in tables.items():
        label = f"{name}|{'|'.join(names)}".encode()
        for plantation, rows in table.groupby("plantation_id", sort=True).indices.items():
            of_month = months.to_numpy(dtype=str)[rows]
            values = np.ascontiguousarray(table[names].to_numpy(dtype=np.float64)[rows])
            instants = table["known_at"].dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)[rows]
            days = table["date"].to_numpy("datetime64[D]").astype(np.int64)[rows] if name == "daily" else rows * 0
            starts = np.flatnonzero(np.r_[True, of_month[1:] != of_month[:-1]])
            for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
                held = parts.setdefault(str(plantation), {}).setdefault(str(of_month[start]), [])
                held += [label, *(a[start:end].tobytes() for a in (days, instants, values))]
    found: dict[tuple[str, str], str] = {}
    for plantation, by_month in parts.items():
        chain = hashlib.sha256()
        for month, pieces in sorted(by_month.items()):
            chain.update(month.encode() + b"".join(pieces))
            found[(plantation, month)] = chain.hexdigest()[:16]
    return found


def _monthly(inputs: Inputs, settings: ClimateConfig, bad: Quarantine) -> pd.DataFrame:
    """``plantation_id, month, p_sum_mm, tmean_c, tmin_c, tmax_c, known_at``; of several lattices the first."""
    columns = ["plantation_id", "month", *_MONTHLY, "known_at"]
    types = {c: "float64" if c in _MONTHLY else "str" for c in columns} | {"known_at": "datetime64[us, UTC]"}
    parts = [pd.DataFrame({c: pd.Series(dtype=t) for c, t in types.items()})]
    for grid in inputs.climate_monthly:
        frame, impossible = grid_to_plantations(grid, inputs.register)
        _report(bad, "climate_monthly", impossible, settings.monthly_known_lag_days)
        month = frame["date"].dt.strftime("%Y-%m").astype("str")
        lag = pd.Timedelta(days=settings.monthly_known_lag_days)
        parts.append(frame.assign(month=month, known_at=end_of_month_utc(month) + lag).reindex(columns=columns))
    out = pd.concat([p for p in parts if len(p)] or parts[:1], ignore_index=True)
    return out.drop_duplicates(["plantation_id", "month"]).sort_values(["plantation_id", "month"], ignore_index=True)


def _seasonal(inputs: Inputs, release_days: int) -> pd.DataFrame:
    parts = [seasonal_to_plantations(grid, inputs.register, release_days) for grid in inputs.climate_seasonal]
    return pd.concat(parts, ignore_index=True) if parts else empty_seasonal()


def _report(bad: Quarantine, name: str, impossible: list[Impossible], lag: int) -> None:
    for one in impossible:
        converted = one.reason.endswith("converted")
        done = "concerned" if converted else "left out"
        told = f"{one.variable} {one.reason}; {one.count} of the month's values where plantations lie {done}"
        known_at = end_of_month_utc(pd.Series([one.month])).iloc[0] + pd.Timedelta(days=lag)
        shown = f"{one.value:g} on {one.first}"
        action: Action = "repaired" if converted else "nulled"
        bad.add(name, one.file, told, action, column=one.variable, value=shown, known_at=known_at)
