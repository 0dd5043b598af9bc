"""Cross-checks of units and sizes: what is declared against what is measured, one series against another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from plantation_rwa.run.survey.findings import Finding, Severity, counted, some

#: factor between declared and measured area -> the unit that explains it
_AREA_UNITS = {2.471: "acres", 0.01: "square kilometres", 10_000.0: "square metres"}
#: exchange rates of three pairs must agree to this part: quotes of one month by different sources
_TRIANGLE = 0.10
#: from one price to the next; the largest monthly move of palm oil on record is below 2
_JUMP = 10.0
#: how the readers of the market say that a number is out of all proportion: what, and how
_OUTSIDE = r"^(\S+) (lies outside .*); row rejected$"


def percentages(quarantine: pd.DataFrame) -> list[Finding]:
    """Extraction rates of the register that are percentages rather than fractions."""
    rows = quarantine[(quarantine["input"] == "register") & quarantine["column"].isin(["oer", "ker"])]
    number = pd.to_numeric(rows["value"], errors="coerce")
    rows = rows[(number > 1) & (number <= 100)]
    found = []
    for (column, file), group in rows.groupby(["column", "file"], sort=True):
        shown = some(f"{p} {v}" for p, v in zip(group["plantation_id"], group["value"], strict=True))
        told = f"{column} of {counted(len(group), 'plantation')} is written in percent and was left out"
        found.append(
            Finding("warning", "portfolio.register", str(column), shown, told, "Write 0.2 for 20 %.", str(file))
        )
    return found


def areas(register: pd.DataFrame) -> list[Finding]:
    """Declared areas that the outline contradicts."""
    rows = register[register["flags"].str.contains("area_mismatch", regex=False)]
    if rows.empty:
        return []
    ratio = (rows["declared_area_ha"] / rows["area_geodesic_ha"]).to_numpy(float)
    units = {u for u in (_area_unit(r) for r in ratio) if u}
    shown = some(
        f"{p} {a:,.1f} declared, {m:,.1f} measured"
        for p, a, m in zip(rows["plantation_id"], rows["declared_area_ha"], rows["area_geodesic_ha"], strict=True)
    )
    told = (
        f"planted_area_ha of {counted(len(rows), 'plantation')} differs from the outline's hectares by more than 10 %"
    )
    hint = f" The size of the difference looks like {' and '.join(sorted(units))}." if units else ""
    remedy = "Check the area and the outline." + hint
    return [Finding("warning", "portfolio.register", "planted_area_ha", shown, told, remedy)]


def yields(harvest: pd.DataFrame, register: pd.DataFrame, least: float, most: float) -> list[Finding]:
    """Plantations whose harvest per hectare and year no oil palm gives.

    Parameters
    ----------
    least, most
        t FFB per ha and year.
    """
    if harvest.empty:
        return []
    latest = harvest.sort_values("known_at").drop_duplicates(["plantation_id", "block_id", "month"], keep="last")
    sums = latest.groupby(["plantation_id", "month"], sort=True).agg(
        ffb_t=("ffb_t", "sum"), area=("area_mature_ha", lambda a: a.sum(min_count=1))
    )
    planted = sums.index.get_level_values(0).map(register.set_index("plantation_id")["planted_area_ha"])
    sums["per_ha"] = sums["ffb_t"] / sums["area"].where(sums["area"] > 0, pd.Series(planted, index=sums.index))
    yearly = sums.groupby(level=0)["per_ha"].mean() * 12.0
    found = []
    for odd, word, hint in (
        (yearly[yearly < least], f"less than {least:g}", "Check t against 10 t or bunches, and the hectares."),
        (yearly[yearly > most], f"more than {most:g}", "Check kilograms against t, yearly against monthly sums."),
    ):
        if len(odd):
            shown = some(f"{p} {v:.3g} t/ha" for p, v in odd.items())
            told = f"harvest of {counted(len(odd), 'plantation')} makes {word} t per ha and year on average"
            found.append(Finding("warning", "harvest.path", "ffb_t", shown, told, hint))
    return found


def sizes(quarantine: pd.DataFrame, kept: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Prices and rates set aside because none has ever been so large or small: another unit, or a quote turned round.

    Parameters
    ----------
    kept
        Input -> series, symbol or pair -> rows that were not set aside.
    """
    rows = quarantine[quarantine["input"].isin(list(kept)) & (quarantine["action"] == "rejected")]
    parts = rows["reason"].str.extract(_OUTSIDE)
    found = []
    for (name, file, size), group in rows[parts[0].notna()].groupby(
        ["input", "file", parts[0].dropna() + " " + parts[1].dropna()], sort=True
    ):
        key, told = str(size).split(" ", 1)
        rest = int(kept[str(name)].get(key, 0))
        # a series that is mostly of another unit leaves nothing to go by
        severity: Severity = "error" if len(group) > rest else "warning"
        what = f"{len(group)} of {len(group) + rest} values {told.replace('lies', 'lie', 1)}"
        first = group.iloc[0]
        shown = f"{first['value']} in row {first['row']}"
        remedy = "Check unit and decimal point."
        found.append(Finding(severity, f"market.{name}", key, shown, what, remedy, str(file)))
    return found


def price_jumps(prices: pd.DataFrame, key: str) -> list[Finding]:
    """Series of prices that jump by a power of ten within what is possible.

    Parameters
    ----------
    prices
        ``series, date, value, region``, value per t.
    """
    found = []
    for (name, _), group in prices.groupby(["series", "region"], sort=True):
        line = group.sort_values("date", kind="stable")
        steps = line["value"] / line["value"].shift()
        jumps = line[(steps > _JUMP) | (steps < 1 / _JUMP)]
        if len(jumps):
            told = f"{counted(len(jumps), 'value')} more than {_JUMP:g} times off the one before"
            shown = some(f"{v:,.10g} on {d.date()}" for v, d in zip(jumps["value"], jumps["date"], strict=True))
            found.append(Finding("warning", key, str(name), shown, told, "Check unit and decimal point."))
    return found


def fx_triangles(fx: pd.DataFrame) -> list[Finding]:
    """Pairs of currencies that contradict the others: a over b times b over c must be a over c."""
    monthly = _monthly(fx)
    found = []
    for (base, quote), rates in monthly.items():
        other = monthly.get((quote, base))
        if other is None or base > quote:
            continue
        off = (rates * other).dropna()
        bad = off[(off - 1.0).abs() > _TRIANGLE]
        if len(bad):
            told = f"the pair is quoted both ways, and the two disagree in {counted(len(bad), 'month')}"
            shown = f"{rates[bad.index[0]]:g} and {other[bad.index[0]]:g} in {bad.index[0]}"
            remedy = "One of the two is turned round or of another currency; keep the right one."
            found.append(Finding("error", "market.fx", f"{base}/{quote}", shown, told, remedy))
    found += _contradictions(monthly)
    return found


def currency_paths(needed: Iterable[str], reporting: str, rate: Callable[[str, str], float | None]) -> list[Finding]:
    """Currencies that plantations are paid in and that no exchange rate leads from to the reporting currency.

    Parameters
    ----------
    needed
        Currencies the plantations are paid in.
    rate
        Units of the second currency per unit of the first, None if there is no way: ``FxRates.spot``.
    """
    lost = [c for c in sorted(set(needed)) if rate(c, reporting) is None]
    if not lost:
        return []
    told = f"no exchange rate leads to the reporting currency {reporting}; values stay in the other currency"
    remedy = "Give the pair itself, or both currencies against USD."
    return [Finding("warning", "market.fx", "base", some(f"{c} to {reporting}" for c in lost), told, remedy)]


def schemes(register: pd.DataFrame, by_country: Mapping[str, str], default: str) -> list[str]:
    """Pricing scheme of each plantation: its own, else its country's, else the default."""
    return [
        str(scheme or by_country.get(country, default))
        for scheme, country in zip(register["scheme"], register["country"], strict=True)
    ]


def price_series(schemes: Sequence[str], available: Collection[str]) -> list[Finding]:
    """Price series that the pricing schemes of the plantations need and nothing gives.

    Parameters
    ----------
    available
        Price series and futures symbols that have rows.
    """
    found = []
    for country, name in (("my", "Malaysian"), ("id", "Indonesian")):
        users = sum(s.startswith(f"{country}_") for s in schemes)
        needed = {
            "my": (("cpo_my", "FCPO"), ("pk_my",)),
            "id": (("cpo_id", "hr_cpo_usd", "FCPO"), ("pk_id",), ("k_id",)),
        }[country]
        lost = [" or ".join(choice) for choice in needed if users and not set(choice) & set(available)]
        if lost:
            told = f"{counted(users, 'plantation')} on {name} prices without a series that they need"
            remedy = "Give the series; an assumed ratio or basis stands in for it."
            found.append(Finding("warning", "market.prices", "series", ", ".join(lost), told, remedy))
    return found


def _contradictions(monthly: Mapping[tuple[str, str], pd.Series]) -> list[Finding]:
    suspects: dict[tuple[str, str], list[str]] = {}
    broken: list[tuple[str, str]] = []
    for trio in combinations(sorted({c for pair in monthly for c in pair}), 3):
        sides = [_side(monthly, a, b) for a, b in ((trio[0], trio[1]), (trio[1], trio[2]), (trio[0], trio[2]))]
        if any(s is None for s in sides):
            continue
        (pair_ab, ab), (pair_bc, bc), (pair_ac, ac) = [s for s in sides if s is not None]
        ring = np.log((ab * bc / ac).dropna())
        bad = ring[ring.abs() > np.log1p(_TRIANGLE)]
        if bad.empty:
            continue
        broken.append((" ".join(trio), str(bad.index[0])))
        for pair, log in ((pair_ab, np.log(ab)), (pair_bc, np.log(bc)), (pair_ac, -np.log(ac))):
            # turning the pair round takes its logarithm away twice
            if ((bad - 2 * log.reindex(bad.index)).abs() <= np.log1p(_TRIANGLE)).all():
                suspects.setdefault(pair, []).append(str(bad.index[0]))
    remedy = "Swap base and quote, or write 1/rate."
    found = [
        Finding(
            "error",
            "market.fx",
            f"{base}/{quote}",
            f"{monthly[base, quote][month[0]]:g} in {month[0]}",
            "the rate contradicts the other pairs, and agrees with them turned round",
            remedy,
        )
        for (base, quote), month in sorted(suspects.items())
    ]
    if found or not broken:
        return found
    told = "the exchange rates of these currencies contradict each other by more than 10 %"
    shown = some(f"{trio} in {month}" for trio, month in broken)
    return [Finding("error", "market.fx", "rate", shown, told, "Check which pair is wrong, and its unit.")]


def _side(monthly: Mapping[tuple[str, str], pd.Series], a: str, b: str) -> tuple[tuple[str, str], pd.Series] | None:
    """Units of ``b`` per ``a`` by month, and the pair as the file quotes it."""
    if (a, b) in monthly:
        return (a, b), monthly[a, b]
    return ((b, a), 1.0 / monthly[b, a]) if (b, a) in monthly else None


def _monthly(fx: pd.DataFrame) -> dict[tuple[str, str], pd.Series]:
    rows = _spot(fx)
    month = rows["date"].dt.strftime("%Y-%m")
    return {
        (str(base), str(quote)): group.groupby(month.loc[group.index])["rate"].median()
        for (base, quote), group in rows.groupby(["base", "quote"], sort=True)
    }


def _spot(fx: pd.DataFrame) -> pd.DataFrame:
    return fx[fx["kind"] == "spot"].sort_values("date", kind="stable")


def _area_unit(ratio: float) -> str:
    return next((unit for factor, unit in _AREA_UNITS.items() if abs(ratio / factor - 1.0) < 0.05), "")
