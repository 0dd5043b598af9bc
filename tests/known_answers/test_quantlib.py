"""Calendars, curves, discounting and the one-factor model against QuantLib. Source: domain/valuation.md 2.5, 9."""

from __future__ import annotations

import datetime as dt
import math

import pytest
import QuantLib as ql

from plantation_rwa.calendars import is_business_day, last_trading_day, packaged_holidays
from plantation_rwa.periods import Month, year_fraction
from plantation_rwa.valuation.curve import ForwardCurve
from plantation_rwa.valuation.discounting import ZeroCurve, forward_fx
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith

NODES = [(0, 0.030), (1, 0.0305), (2, 0.0312), (3, 0.0318), (5, 0.033), (10, 0.035)]
START = dt.date(2025, 12, 31)


def date(day: dt.date) -> ql.Date:
    return ql.Date(day.day, day.month, day.year)


@pytest.mark.parametrize("year", [2022, 2023, 2024, 2025, 2026])
def test_kat_08_every_business_day_and_last_trading_day(year: int) -> None:
    calendar, closed = ql.Malaysia(), packaged_holidays("MY")
    days = [dt.date(year, 1, 1) + dt.timedelta(days=d) for d in range(365)]
    assert [d for d in days if is_business_day(d, closed) != calendar.isBusinessDay(date(d))] == []
    for number in range(1, 13):
        expected = calendar.adjust(ql.Date(15, number, year), ql.Preceding)
        assert date(last_trading_day(Month(year, number), closed)) == expected


def test_kat_09_log_linear_in_time() -> None:
    days, prices = (
        [date(dt.date(2026, m, d)).serialNumber() for m, d in ((3, 13), (4, 15), (5, 15))],
        [4084.0, 4094.0, 4096.0],
    )
    oracle = ql.LogLinearInterpolation([float(d) for d in days], prices)
    nodes = tuple(dt.date(2026, m, d).toordinal() for m, d in ((3, 13), (4, 15), (5, 15)))
    months = (Month(2026, 3), Month(2026, 4), Month(2026, 5))
    curve = ForwardCurve("FCPO", "MYR", nodes, tuple(prices), months, dt.date(2026, 1, 20))
    for offset in range(63):
        day = dt.date(2026, 3, 13) + dt.timedelta(days=offset)
        assert curve.at(day) == pytest.approx(oracle(float(date(day).serialNumber())), rel=1e-13)
    assert curve.at(dt.date(2026, 4, 1)) == pytest.approx(4089.7545888, abs=5e-8)


def test_kat_14_the_one_factor_model_is_the_two_factor_one_without_the_long_factor() -> None:
    """Schwartz (1997), model 1: chi = ln S - alpha*, xi = alpha*; mean and variance by QuantLib's process."""
    kappa, alpha, sigma, log_price = 0.27, math.log(3900), 0.28, math.log(4200)
    model = SchwartzSmith(kappa, sigma, 0.0, 0.0, 0.0, 0.0, 0.0)
    process = ql.OrnsteinUhlenbeckProcess(kappa, sigma, log_price, alpha)
    published = {0.25: 4218.22582234, 1.0: 4253.90951324, 2.0: 4272.09063439, 5.0: 4254.18112455, 10.0: 4213.19699049}
    for t, forward in published.items():
        found = model.forward(t, log_price - alpha, alpha)
        assert found == pytest.approx(forward, abs=1e-7)
        exact = process.expectation(0.0, log_price, t) + process.variance(0.0, log_price, t) / 2
        assert found == pytest.approx(math.exp(exact), rel=1e-12)


def test_kat_20_discount_factors() -> None:
    ql.Settings.instance().evaluationDate = date(START)
    ends = [dt.date(START.year + n, 12, 31) for n, _ in NODES]
    oracle = ql.ZeroCurve([date(d) for d in ends], [r for _, r in NODES], ql.Actual365Fixed())
    oracle.enableExtrapolation()
    curve = ZeroCurve.of_tenors("MYR", START, NODES)
    for offset in range(1, 3600, 61):
        day = START + dt.timedelta(days=offset)
        assert curve.discount(day) == pytest.approx(oracle.discount(date(day)), rel=1e-13)


COUNTS = {
    "ACT/365F": ql.Actual365Fixed(), "ACT/360": ql.Actual360(), "ACT/ACT": ql.ActualActual(ql.ActualActual.ISDA),
    "30/360": ql.Thirty360(ql.Thirty360.BondBasis),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTS)
def test_kat_21_day_counts(name: str) -> None:
    first = dt.date(2025, 11, 15)
    assert year_fraction(first, dt.date(2028, 2, 15), name) == pytest.approx(
        COUNTS[name].yearFraction(date(first), date(dt.date(2028, 2, 15))), abs=1e-14
    )
    for offset in range(0, 1500, 7):
        start = dt.date(2023, 12, 25) + dt.timedelta(days=offset)
        for days in (0, 1, 30, 61, 366, 3700):
            end = start + dt.timedelta(days=days)
            assert year_fraction(start, end, name) == pytest.approx(
                COUNTS[name].yearFraction(date(start), date(end)), abs=1e-12
            )


def test_kat_23_forward_exchange_rate() -> None:
    # domestic and foreign discount factors make the forward
    flat = [ql.FlatForward(date(START), r, ql.Actual365Fixed(), ql.Continuous) for r in (0.033, 0.042)]
    ratio = flat[1].discount(2.0) / flat[0].discount(2.0)
    assert forward_fx(4.20, 0.033, 0.042, 2.0) == pytest.approx(4.20 * ratio, rel=1e-13)
    assert forward_fx(4.20, 0.033, 0.042, 2.0) == pytest.approx(4.1250763359, abs=1e-10)
