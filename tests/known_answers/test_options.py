"""Black (1976), and price paths against it. Source: domain/valuation.md 9 (KAT-15, 16); Hull, Haug as named there."""

from __future__ import annotations

import math

import numpy as np
import pytest
import QuantLib as ql
from scipy.stats import norm

from plantation_rwa.valuation.drivers import antithetic
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith

#: a single lognormal factor of 28 % a year
GEOMETRIC = SchwartzSmith(1.0, 1e-12, 0.28, 0.0, 0.0, 0.0, -(0.28**2) / 2)
TWO_FACTORS = SchwartzSmith(1.2, 0.2072, 0.15, 0.30, 0.0, 0.0, -0.01125)


def black76(forward: float, strike: float, sd: float, discount: float, sign: int) -> float:
    """Call (sign 1) or put (-1) on a forward whose log price has standard deviation ``sd`` at expiry."""
    d1 = (math.log(forward / strike) + sd * sd / 2) / sd
    value = sign * (forward * norm.cdf(sign * d1) - strike * norm.cdf(sign * (d1 - sd)))
    return float(discount * value)


@pytest.mark.parametrize(
    ("forward", "strike", "rate", "years", "vol", "call", "put"),
    [
        (20, 20, 0.09, 4 / 12, 0.25, 1.1166414566, 1.1166414566),
        (19, 19, 0.10, 0.75, 0.28, 1.7010507252, 1.7010507252),
        (3900, 3200, 0.036, 2, 0.28, 906.4517104327, 255.0800833649),
    ],
)
def test_kat_15_published_options(
    forward: float, strike: float, rate: float, years: float, vol: float, call: float, put: float
) -> None:
    discount, sd = math.exp(-rate * years), vol * math.sqrt(years)
    found = [black76(forward, strike, sd, discount, sign) for sign in (1, -1)]
    assert found == pytest.approx([call, put], abs=1e-9)
    assert found[0] - found[1] == pytest.approx(discount * (forward - strike), abs=1e-9)
    assert found == pytest.approx(
        [ql.blackFormula(kind, strike, forward, sd, discount) for kind in (ql.Option.Call, ql.Option.Put)], abs=1e-9
    )


STRIP = (122.989607, 250.423948, 349.537651, 428.587367, 492.681857)


def test_kat_16_a_floor_on_the_price_is_a_strip_of_puts() -> None:
    years = np.arange(1.0, 6.0)
    forwards = 4000 * np.exp(-0.01 * years)
    exact = [
        black76(float(f), 3200, 0.28 * math.sqrt(t), math.exp(-0.036 * t), -1)
        for f, t in zip(forwards, years, strict=True)
    ]
    assert exact == pytest.approx(STRIP, abs=1e-6)
    assert sum(exact) == pytest.approx(1644.220430, abs=1e-6)


@pytest.mark.parametrize("model", [GEOMETRIC, TWO_FACTORS])
def test_paths_price_the_strip_of_puts(model: SchwartzSmith) -> None:
    """The mean discounted payoff of the exact paths is Black's price with the model's variance, call and put."""
    years, paths = np.arange(1.0, 6.0), 40_000
    log_price, _ = model.simulate(years, antithetic(17, "price", "", 5, paths, 2))
    for i, t in enumerate(years.tolist()):
        variance, forward, discount = model.log_variance(t), 4000 * math.exp(-0.01 * t), math.exp(-0.036 * t)
        price = forward * np.exp(log_price[i] - variance / 2)
        for sign in (1, -1):
            payoff = discount * np.maximum(sign * (price - 3200), 0.0)
            pairs = (payoff[: paths // 2] + payoff[paths // 2 :]) / 2
            error = pairs.std(ddof=1) / math.sqrt(pairs.size)
            exact = black76(forward, 3200, math.sqrt(variance), discount, sign)
            assert abs(pairs.mean() - exact) < 4 * error
