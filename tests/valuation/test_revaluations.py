"""Every published sensitivity and named stress against the whole valuation with moved inputs, same random numbers.

What is moved and what is held is said in ``schema.shocks``; nothing here knows how a shock is applied.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.calendars import last_trading_day, packaged_holidays
from plantation_rwa.periods import Month
from plantation_rwa.schema.shocks import DRIVERS, STRESSES
from plantation_rwa.valuation.run import Book, ValuationResult

Portfolio = Callable[..., ValuationResult]
Move = Callable[[dict[str, Any], float], dict[str, Any]]
AS_OF = dt.date(2026, 1, 31)
IDS = ("P1", "P2")
#: factors by month after the valuation date: a straight line between the knots, level after the last
GFC, BAN = ((0, 1.0), (7, 0.42), (24, 0.71)), ((0, 1.0), (5, 0.45), (12, 0.53))


@pytest.fixture(scope="module", params=["domestic", "dollar"])
def inputs(request: pytest.FixtureRequest, make: SimpleNamespace) -> dict[str, Any]:
    """P1 in Johor, P2 in Riau by its domestic price or by the dollar price alone; a long liquid curve.

    Rights: plain; with floor and cap, net of levies; with a least payment; net of costs.
    """
    first = Month(2026, 2)
    settles = {str(first + k): 4066.0 + 3 * k - k * k / 8 for k in range(26)}
    days = [make.futures(day, settles) for day in ("2026-01-12", "2026-01-20")]
    prices = make.prices()
    if request.param == "dollar":
        dollar = make.prices(hr_cpo_usd=("2026-01-13", 880.03, "USD"))
        prices = pd.concat([prices[~prices["series"].isin(["cpo_id", "pk_id"])], dollar], ignore_index=True)
    rights = [
        make.rights(IDS),
        make.rights(IDS, right_id="R2").assign(
            price_floor=[830.0, 2.9e6], price_cap=[900.0, 3.3e6], base="net_of_levies"
        ),
        make.rights(IDS, right_id="R3").assign(min_payment=[80e3, 280e6]),
        make.rights(IDS, right_id="R4", base="net_operating"),
    ]
    return {
        "ids": IDS,
        "register": make.register().iloc[:2],
        "rights": pd.concat(rights, ignore_index=True),
        "market": make.market(futures=pd.concat(days, ignore_index=True).assign(open_interest=1000.0), prices=prices),
        "override": {},
        "kind": request.param,
    }


def fair(result: ValuationResult) -> pd.Series:
    return result.valuations.set_index(["plantation_id", "right_id"])["npv_fair"]


@pytest.fixture(scope="module")
def base(portfolio: Portfolio, inputs: dict[str, Any]) -> ValuationResult:
    return valued(portfolio, inputs)


def valued(portfolio: Portfolio, given: dict[str, Any], *, full: bool = True) -> ValuationResult:
    return portfolio(full=full, **{k: v for k, v in given.items() if k != "kind"})


def table(given: dict[str, Any], name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> dict[str, Any]:
    """The inputs with one market table changed."""
    market = given["market"]
    tables = {n: getattr(market, n) for n in ("futures", "prices", "fx", "rates", "fiscal")}
    return given | {"market": type(market)(**(tables | {name: change(tables[name])}))}


def assumed(given: dict[str, Any], **values: Any) -> dict[str, Any]:
    return given | {"override": given["override"] | {k.replace("__", "."): v for k, v in values.items()}}


def priced(given: dict[str, Any], factor: float, *series: str) -> dict[str, Any]:
    """The inputs with some physical price series times a factor."""
    hit = given["market"].prices["series"].isin(series)
    return table(given, "prices", lambda p: p.assign(value=np.where(hit, p["value"] * factor, p["value"])))


def oil(given: dict[str, Any], factor: float) -> dict[str, Any]:
    moved = table(given, "futures", lambda f: f.assign(settle=f["settle"] * factor))
    return priced(moved, factor, "cpo_my", "pk_my", "cpo_id", "pk_id", "hr_cpo_usd")


def kernel(given: dict[str, Any], factor: float) -> dict[str, Any]:
    return assumed(priced(given, factor, "pk_my", "pk_id"), pk__ratio_mean=0.65 * factor)


def harvest(given: dict[str, Any], factors: Any, make: SimpleNamespace) -> dict[str, Any]:
    """Yields times a factor, or one per month."""
    frame = pd.concat([make.forecast(i) for i in IDS], ignore_index=True)
    by = np.tile(np.broadcast_to(factors, 24), len(IDS))
    scaled = [c for c in frame if c.startswith(("yield_", "ffb_"))]
    return given | {"forecasts": frame.assign(**{c: frame[c] * by for c in scaled})}


def extraction(given: dict[str, Any], points: float, assumptions: Assumptions) -> dict[str, Any]:
    tables = {
        f"extraction__{s}": [[age, o + points, k] for age, o, k in assumptions.table(f"extraction.{s}")]
        for s in ("id_plasma", "id_swadaya")
    }
    tables["extraction__my_oer"] = 0.20 + points
    register = given["register"]
    return assumed(given | {"register": register.assign(oer=register["oer"] + points)}, **tables)


def pass_through(given: dict[str, Any], points: float) -> dict[str, Any]:
    """The K index, its spread and its range by the share that the points are of 0.92."""
    factor = 1 + points / 0.92
    numbers = {"sd": 0.012, "lower": 0.88, "upper": 0.935}
    return assumed(priced(given, factor, "k_id"), **{f"k_index__{n}": v * factor for n, v in numbers.items()})


def currency(given: dict[str, Any], factor: float) -> dict[str, Any]:
    """A rupiah worth a factor of what it was against all others, quoted on the valuation date."""
    new = given["market"].fx.iloc[:1].assign(date=pd.Timestamp("2026-01-31"), rate=4100.0 / factor)
    return table(given, "fx", lambda fx: pd.concat([fx, new], ignore_index=True))


def intensity(given: dict[str, Any], points: float) -> dict[str, Any]:
    return assumed(given, discount__hazard=0.02 + points)


def spread(given: dict[str, Any], points: float) -> dict[str, Any]:
    return assumed(given, discount__spread_production=0.02 + points)


def curve(given: dict[str, Any], knots: Any) -> dict[str, Any]:
    """The newest curve times a factor that holds on the 15th of each month; what was observed before holds."""

    def change(futures: pd.DataFrame) -> pd.DataFrame:
        last = [last_trading_day(Month.parse(c), packaged_holidays("MY")) for c in futures["contract"]]
        months = [(d.year - 2026) * 12 + d.month - 1 + (d.day - 15) / 30 for d in last]
        new = futures["settle_date"] == futures["settle_date"].max()
        return futures.assign(
            settle=futures["settle"] * np.where(new, np.interp(months, *zip(*knots, strict=True)), 1.0)
        )

    return table(given, "futures", change)


@pytest.mark.parametrize("driver", sorted(DRIVERS))
def test_a_sensitivity_is_what_the_whole_valuation_gives_with_the_moved_input(
    portfolio: Portfolio,
    inputs: dict[str, Any],
    base: ValuationResult,
    make: SimpleNamespace,
    assumptions: Assumptions,
    driver: str,
) -> None:
    moves: dict[str, tuple[float, Callable[[float], dict[str, Any]]]] = {
        "cpo": (0.10, lambda s: oil(inputs, 1 + s)),
        "pk": (0.10, lambda s: kernel(inputs, 1 + s)),
        "yield": (0.01, lambda s: harvest(inputs, 1 + s, make)),
        "oer": (0.01, lambda s: extraction(inputs, s, assumptions)),
        "k": (0.01, lambda s: pass_through(inputs, s)),
        "fx": (0.10, lambda s: currency(inputs, 1 + s)),
        "discount": (0.005, lambda s: spread(inputs, s)),
        "hazard": (0.01, lambda s: intensity(inputs, s)),
    }
    bump, moved = moves[driver]
    values = fair(base)
    told = {key: next(e for e in found if e.driver == driver) for key, found in base.effects.items()}
    for sign, name in ((1, "up"), (-1, "down")):
        again = fair(valued(portfolio, moved(sign * bump), full=False)) - values
        effects = pd.Series({key: getattr(effect, name) for key, effect in told.items()})
        assert effects.to_numpy() == pytest.approx(again.loc[effects.index].to_numpy(), abs=2e-6 * values.max())


@pytest.mark.parametrize("stress", sorted(set(STRESSES) - {"credit", "freeze", "exportban2022"}))
def test_a_stress_is_what_the_whole_valuation_gives_with_the_moved_inputs(
    portfolio: Portfolio, inputs: dict[str, Any], base: ValuationResult, make: SimpleNamespace, stress: str
) -> None:
    month = np.arange(1, 25)
    cost = {"costs__field_cost_per_t": {"MYR": 300 * 1.18, "IDR": 1150000 * 1.18}}
    levy = {"windfall_levy": -500.0}

    def fiscal(frame: pd.DataFrame) -> pd.DataFrame:
        hit = (frame["schedule"] == "windfall_levy") & (frame["key"] == "threshold_myr_t")
        return frame.assign(value=frame["value"] + np.where(hit, levy["windfall_levy"], 0.0))

    moved = {
        "gfc2008": lambda: assumed(curve(inputs, GFC), **cost),
        "elnino2016": lambda: harvest(inputs, np.where((month >= 10) & (month <= 21), 0.86, 1.0), make),
        "labour2021": lambda: harvest(inputs, 0.90, make),
        "combo": lambda: harvest(pass_through(inputs, -0.02), 0.80, make),
        "policy": lambda: table(priced(inputs, 0.949, "cpo_id", "pk_id"), "fiscal", fiscal),
        "rates_fx": lambda: priced(spread(currency(inputs, 0.85), 0.02), 0.85, "cpo_id", "pk_id"),
    }[stress]()
    told = base.valuations.set_index(["plantation_id", "right_id"])[f"stress_{stress}"]
    again = fair(valued(portfolio, moved, full=False))
    if inputs["kind"] == "dollar" and stress in {"policy", "rates_fx"}:
        # there is no domestic price in the tables that could be moved
        told, again = told.drop("P2"), again.drop("P2")
    # between two last trading days the curve's logarithm is a line, the stress itself
    off = 2e-3 if stress == "gfc2008" else 2e-6
    assert told.to_numpy() == pytest.approx(again.loc[told.index].to_numpy(), abs=off * fair(base).max())
    assert (told != fair(base).loc[told.index]).any()


def test_the_export_ban_takes_the_set_price_from_the_mills_of_indonesia_alone(
    inputs: dict[str, Any], base: ValuationResult, book: Callable[..., Book]
) -> None:
    """Months 1 and 2 pay 30 % of what the moved curve alone would make them pay; Malaysia has the curve alone."""
    told = base.valuations.set_index(["plantation_id", "right_id"])["stress_exportban2022"]
    moved = curve(inputs, BAN)
    given = book(**{k: v for k, v in moved.items() if k != "kind"})
    rights = given.terms()
    valuer = given.valuer(given.months(rights))
    plain = next(r for r in rights if (r.plantation_id, r.right_id) == ("P2", "R1"))
    found = valuer.monthly(plain)
    assert found is not None
    share = np.array([0.3, 0.3, *[1.0] * 22])
    assert told["P2", "R1"] == pytest.approx(float((found[1] * share).sum()), rel=2e-3)
    malaysian = next(r for r in rights if (r.plantation_id, r.right_id) == ("P1", "R1"))
    assert told["P1", "R1"] == pytest.approx(valuer.fair(malaysian), rel=2e-3)


def test_a_failing_sponsor_and_a_freeze_move_money_in_time_by_hand(
    portfolio: Portfolio, inputs: dict[str, Any], book: Callable[..., Book]
) -> None:
    """Without intensity a payment is worth its mean discounted: what fails comes a year later at 40 %, what is frozen
    in month 13."""
    calm = {k: v for k, v in assumed(inputs, discount__hazard=0.0).items() if k != "kind"}
    told = portfolio(**calm).valuations.set_index(["plantation_id", "right_id"])
    given = book(**calm)
    rights = given.terms()
    valuer = given.valuer(given.months(rights))
    for right in rights:
        found = valuer.monthly(right)
        assert found is not None
        months, values = found
        due = [right.cash_month(m) for m in months]
        at = np.array([d - Month(2026, 1) for d in due])

        def factor(month: Month, later: float = 0.0) -> float:
            return valuer.factor("MYR", (month.last - AS_OF).days / 365 + later)

        late = np.array([0.4 * factor(d, 1.0) / factor(d) for d in due])
        frozen = np.array([factor(Month(2027, 2)) / factor(d) if k < 13 else 1.0 for d, k in zip(due, at, strict=True)])
        key = (right.plantation_id, right.right_id)
        assert told.loc[key, "stress_credit"] == pytest.approx((values * np.where(at >= 24, late, 1.0)).sum(), rel=1e-6)
        assert told.loc[key, "stress_freeze"] == pytest.approx((values * frozen).sum(), rel=1e-6)
