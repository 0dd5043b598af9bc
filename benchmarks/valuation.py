"""What valuing many rights costs, beside a plain numpy array of cash flows: python benchmarks/valuation.py [--quick]

Prints CPU seconds and ratios of one process; other load on the machine moves seconds more than ratios.

linear          revenue = price x regional yield, 8 regions; the peer builds paths x months x rights by blocks of paths
linear, own     the product's model: kernel, quantile functions, own noise, defaults and disasters; the peer draws own
                monthly noise and evaluates each month's quantile function cell by cell, no default, no disaster
bent            floor, cap and defaults on top; the peer clips and kills cell by cell too
fast mark       base measures of many plantations through ``value``: two processes, prices, terms, risk, pools
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from plantation_rwa.assumptions import packaged
from plantation_rwa.distributions import extended_knots, mean_from_quantiles
from plantation_rwa.executor import Runner
from plantation_rwa.periods import Month
from plantation_rwa.valuation.drivers import Drivers, antithetic, autoregressive
from plantation_rwa.valuation.linear import path_sums
from plantation_rwa.valuation.market import MarketTables
from plantation_rwa.valuation.run import Book, Part, Unit, value

AS_OF, REGIONS, BLOCK = dt.date(2026, 1, 31), 8, 250
SHAPE = np.array([0.55, 0.65, 0.82, 1.0, 1.18, 1.36, 1.48])
Clock = dict[str, float]


def draws(rights: int, paths: int, months: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Price ``(months, paths)``, yields of the regions ``(regions, months, paths)``, tonnes at level 1 by right."""
    grid = Drivers(7, AS_OF, months, paths, packaged())
    price = (0.2 * (4000 * grid.price - 56) + 110).astype(np.float32)
    noise = antithetic(7, "bench_region", "", months, paths, REGIONS)
    shared = np.stack([1 + 0.15 * autoregressive(noise[:, r], 0.35) for r in range(REGIONS)]).astype(np.float32)
    tonnes = np.random.default_rng(0).uniform(5, 100, (rights, months)).astype(np.float32)
    return price, shared, tonnes


def linear(price: np.ndarray, shared: np.ndarray, tonnes: np.ndarray, discount: np.ndarray) -> np.ndarray:
    """One matrix product per region."""
    out = np.empty((len(tonnes), price.shape[1]), dtype=price.dtype)
    for r in range(REGIONS):
        out[r::REGIONS] = path_sums((price * shared[r])[:, None, :], (tonnes[r::REGIONS] * discount)[:, :, None])
    return out


def cash_array(
    price: np.ndarray, shared: np.ndarray, tonnes: np.ndarray, discount: np.ndarray, alive: np.ndarray | None = None
) -> np.ndarray:
    """The array of cash flows, by blocks of paths that fit the memory."""
    rights, paths = len(tonnes), price.shape[1]
    region = np.arange(rights) % REGIONS
    out = np.empty((rights, paths), dtype=np.float32)
    for start in range(0, paths, BLOCK):
        at = slice(start, min(start + BLOCK, paths))
        cash = tonnes[:, :, None] * shared[region, :, at] * price[None, :, at]
        if alive is not None:
            cash *= alive[region, :, at]
        out[:, at] = (cash * discount[None, :, None]).sum(axis=1)
    return out


def own_array(
    paths: int, months: int, rights: int, price: np.ndarray, shared: np.ndarray, *, bent: bool = False
) -> np.ndarray:
    """The product's yields cell by cell: own AR(1) noise, normal score, quantile function.

    Where bent, each plantation has its own pass-through, the price a floor and a cap, and sponsors default.
    """
    p, v = extended_knots(1.6 * SHAPE)
    rng, out = np.random.default_rng(1), np.empty((rights, paths), dtype=np.float32)
    for i in range(rights):
        own, cash = np.zeros(paths, dtype=np.float32), np.zeros(paths, dtype=np.float32)
        if bent:
            through = np.exp(np.float32(0.05) * rng.standard_normal(paths, dtype=np.float32))
            end = 12 * rng.standard_exponential(paths, dtype=np.float32) / np.float32(0.025)
        for t in range(months):
            own = 0.2 * own + np.float32(0.98) * rng.standard_normal(paths, dtype=np.float32)
            score = np.float32(0.7071) * ((shared[i % REGIONS, t] - 1) / np.float32(0.15) + own)
            earned = np.interp(ndtr(score), p, v).astype(np.float32)
            if bent:
                earned *= np.clip(price[t] * through, 700, 1100)
                earned[end <= t] = 0
                cash += earned
            else:
                cash += price[t] * earned
        out[i] = cash
    return out


def book(rights: int, paths: int, tenor: int, **terms: Any) -> Book:
    """A portfolio of Malaysian plantations with one right each, every number invented."""
    first, ids = Month.of(AS_OF) + 1, [f"P{i:05d}" for i in range(rights)]
    months, rng = 12 * (-(-tenor // 12) + 1), np.random.default_rng(0)
    q = 1.6 * SHAPE
    forecasts = pd.DataFrame(
        {"plantation_id": np.repeat(ids, months), "target_month": [str(first + i) for i in range(months)] * rights,
         "area_mature_ha": np.repeat(rng.uniform(20, 400, rights), months)}
    )  # fmt: skip
    for name, number in zip((5, 10, 25, 50, 75, 90, 95), q, strict=True):
        forecasts[f"yield_q{name:02d}_t_ha"] = number
    forecasts["ffb_mean_t"] = float(mean_from_quantiles(q)) * forecasts["area_mature_ha"]
    regions = [f"R{i % REGIONS}" for i in range(rights)]
    model = pd.DataFrame(
        {"plantation_id": ids, "region": regions, "loading_common": 0.5, "loading_region": 0.5,
         "loading_own": np.sqrt(0.5), "ar1_common": 0.4, "ar1_region": 0.3, "ar1_own": 0.2, "age_mean_years": 11.5}
    )  # fmt: skip
    register = pd.DataFrame(
        {"plantation_id": ids, "country": "MY", "state": "Johor", "region": regions, "scheme": None,
         "oer": rng.uniform(0.18, 0.22, rights), "ker": 0.05, "planted_date": pd.Timestamp("2014-01-01"),
         "planted_area_ha": 300.0, "tenure_end": pd.NaT, "sponsor_id": [f"S{i % 200}" for i in range(rights)]}
    )  # fmt: skip
    row: dict[str, Any] = {
        "right_id": "R1", "share": 0.2, "base": "gross_mill_gate", "tenor_months": tenor, "start_month": None,
        "step_up": 1.0, "price_floor": None, "price_cap": None, "price_basis": "ffb", "min_payment": None,
        "max_payment": None, "payment_lag_months": 1, "frequency_months": 3, "first_loss": None, "reserve_months": 3,
        "issue_price": None, "units": 1_000_000, "pool_id": None, "payor_id": None, "collection_route": "mill_direct",
    }  # fmt: skip
    prices = {"cpo_my": 4030.0, "pk_my": 2600.0}
    market = MarketTables(
        futures=pd.DataFrame({"settle_date": pd.to_datetime([]), "symbol": [], "contract": [], "settle": [],
                              "currency": [], "open_interest": []}),
        prices=pd.DataFrame({"date": pd.Timestamp(AS_OF), "series": list(prices), "value": list(prices.values()),
                             "currency": "MYR", "region": None, "known_at": pd.Timestamp(AS_OF, tz="UTC")}),
        fx=pd.DataFrame({"date": pd.to_datetime([]), "base": [], "quote": [], "rate": [], "kind": []}),
        rates=pd.DataFrame({"date": [pd.Timestamp(AS_OF)], "currency": "MYR", "tenor_years": 5.0, "zero_rate": 0.033}),
        fiscal=pd.DataFrame({"schedule": [], "jurisdiction": [], "effective_from": pd.to_datetime([]),
                             "effective_to": pd.to_datetime([]), "key": [], "value": []}),
    )  # fmt: skip
    table = pd.DataFrame([{"plantation_id": i} | row | terms for i in ids])
    return Book(forecasts, model, register, table, market, AS_OF, 7, paths, "MYR", packaged())


def spread(runner: Runner, function: Callable[[Unit], Part], units: list[Unit]) -> list[Part]:
    """Units in parallel, results in their order."""
    return [outcome.value for outcome in runner.map(function, units) if outcome.value is not None]


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """CPU seconds of this process and its children, and wall seconds; the first call's compilation is not in them."""

    def cpu() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(u.ru_utime + u.ru_stime for u in both)

    start, wall = cpu(), time.perf_counter()
    work()
    return cpu() - start, time.perf_counter() - wall


def main() -> None:
    """Run all and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rights and paths")
    few = 10 if parser.parse_args().quick else 1
    rights, paths, months = 1000 // few, 10_000 // few, 120
    discount = np.exp(-0.068 * np.arange(1, months + 1) / 12).astype(np.float32)
    linear(*draws(16, 512, 12), discount[:12])
    say = partial(print, flush=True)

    def ours() -> None:
        linear(*draws(rights, paths, months), discount)

    def peer() -> None:
        cash_array(*draws(rights, paths, months), discount)

    say(f"{rights} rights x {paths} paths x {months} months")
    a, b = (timed(f)[0] for f in (ours, peer))
    say(f"linear, draw included   {a:8.2f} s CPU   plain float32 array {b:8.2f} s   ratio {a / b:.3f}")
    price, shared, tonnes = draws(rights, paths, months)
    single = linear(price, shared, tonnes, discount)
    double = linear(*(x.astype(np.float64) for x in (price, shared, tonnes, discount)))
    say(f"float32 against float64 on the same draws: at most {np.abs(single / double - 1).max():.1e} of a value")

    portfolio, tenor = book(rights, paths, months - 12), months - 12
    value(book(16, 200, 24), full=False)
    c, _ = timed(lambda: value(portfolio, full=False))
    sample = max(rights // 20, 5)
    d, _ = timed(lambda: own_array(paths, tenor, sample, price, shared))
    d *= rights / sample
    say(f"linear, own noise       {c:8.2f} s CPU   plain float32 array {d:8.2f} s   ratio {c / d:.3f} ({tenor} months)")

    clipped = book(rights, paths, months - 12, price_floor=700.0, price_cap=1100.0)
    value(book(16, 200, 24, price_floor=700.0, price_cap=1100.0), full=False)
    e, _ = timed(lambda: value(clipped, full=False))
    d, _ = timed(lambda: own_array(paths, tenor, sample, price, shared, bent=True))
    d *= rights / sample
    say(f"floor, cap, defaults    {e:8.2f} s CPU   plain float32 array {d:8.2f} s   ratio {e / d:.3f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"peak memory {peak:.0f} MiB")

    many = 10_000 // few
    runner = Runner("processes", 2)
    f, wall = timed(lambda: value(book(many, 2000, 60), full=False, spread=partial(spread, runner)))
    say(f"fast mark of {many} plantations, 2,000 paths, 60 months: {wall:.1f} s wall, {f:.1f} s CPU on two processes")


if __name__ == "__main__":
    main()
