"""A right's row has the same bits alone, among ten and among a thousand, in any order, on any runner."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.executor import Runner
from plantation_rwa.valuation.cashflows import Shock
from plantation_rwa.valuation.linear import month_sums, path_sums
from plantation_rwa.valuation.rights import Right
from plantation_rwa.valuation.run import Book, Part, Unit, value
from tests.valuation.conftest import AS_OF

#: rights whose rows are compared: linear, with a floor, with a minimum payment
WATCHED = ("P00003", "P00005", "P00007")


def portfolio_of(make: SimpleNamespace, assumptions: Assumptions, count: int, *, paths: int = 64) -> Book:
    """Plantations of five regions and three sponsors; what a plantation is depends on its number only."""
    numbers = range(max(count, 10))
    ids = [f"P{i:05d}" for i in numbers]
    chosen = ids[:count] if count >= 10 else list(WATCHED[:count])
    base = make.forecast("X", 36)
    forecasts = pd.concat([base] * len(ids), ignore_index=True)
    forecasts["plantation_id"] = np.repeat(ids, len(base))
    forecasts["area_mature_ha"] = np.repeat([50.0 + 3 * i for i in numbers], len(base))
    register = pd.concat([make.register().iloc[[i % 3]] for i in numbers], ignore_index=True).assign(
        plantation_id=ids, region=[f"R{i % 5}" for i in numbers], sponsor_id=[f"S{i % 3}" for i in numbers]
    )
    rights = make.rights(tuple(ids), tenor_months=24).assign(
        tenor_months=[24 if i in {3, 5, 7} else 12 + i % 20 for i in numbers],
        price_floor=[700.0 if i == 5 else None for i in numbers],
        min_payment=[9000.0 if i == 7 else None for i in numbers],
    )
    keep = set(chosen)
    return Book(
        *(t[t["plantation_id"].isin(keep)] for t in (
            forecasts, pd.DataFrame([make.model(i, region=f"R{k % 5}") for k, i in enumerate(ids)]), register, rights)),
        make.market(), AS_OF, 7, paths, "MYR", assumptions,
    )  # fmt: skip


def rows(book: Book, **options: Any) -> dict[str, dict[str, Any]]:
    frame = value(book, full=False, **options).valuations.drop(columns="es_contribution_pool")
    return {str(r["plantation_id"]): r for r in frame.to_dict("records")}


def same(found: dict[str, dict[str, Any]], expected: dict[str, dict[str, Any]]) -> None:
    for plantation, row in expected.items():
        for column, number in row.items():
            other = found[plantation][column]
            assert other == number or (pd.isna(other) and pd.isna(number)), (plantation, column)


def test_alone_among_ten_and_in_any_order(make: SimpleNamespace, assumptions: Assumptions) -> None:
    ten = portfolio_of(make, assumptions, 10)
    expected = {k: v for k, v in rows(ten).items() if k in WATCHED}
    for plantation in WATCHED:
        only = {"forecasts", "forecast_model", "register", "rights"}
        alone = {n: getattr(ten, n)[getattr(ten, n)["plantation_id"] == plantation] for n in only}
        same(rows(dataclasses.replace(ten, **alone)), {plantation: expected[plantation]})
    shuffled = dataclasses.replace(
        ten, rights=ten.rights.sample(frac=1, random_state=1), register=ten.register.iloc[::-1],
        forecasts=ten.forecasts.sample(frac=1, random_state=2),
    )  # fmt: skip
    same(rows(shuffled), expected)


def spread(runner: Runner) -> Callable[[Callable[[Unit], Part], Sequence[Unit]], list[Part]]:
    def run(function: Callable[[Unit], Part], units: Sequence[Unit]) -> list[Part]:
        return [outcome.value for outcome in runner.map(function, units) if outcome.value is not None]

    return run


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["threads", pytest.param("processes", marks=pytest.mark.long), "dask"])
def test_a_thousand_on_threads_processes_and_dask(make: SimpleNamespace, assumptions: Assumptions, kind: str) -> None:
    expected = {k: v for k, v in rows(portfolio_of(make, assumptions, 10)).items() if k in WATCHED}
    many = portfolio_of(make, assumptions, 1000)
    same(rows(many, spread=spread(Runner(kind, 2))), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_row_of_the_product_knows_no_neighbour(dtype: type) -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(25, 3, 700)).astype(dtype)
    coefficients = rng.normal(size=(50, 25, 3)).astype(dtype)
    whole = path_sums(features, coefficients)
    assert (path_sums(features, coefficients[7:8]) == whole[7]).all()
    assert (path_sums(features, coefficients[::-1].copy())[-1] == whole[0]).all()
    longer = np.concatenate([features, rng.normal(size=(11, 3, 700)).astype(dtype)])
    padded = np.concatenate([coefficients, np.zeros((50, 11, 3), dtype=dtype)], axis=1)
    assert (path_sums(longer, padded) == whole).all()
    exact = np.einsum("rtf,tfn->rn", coefficients.astype(np.float64), features.astype(np.float64))
    assert whole == pytest.approx(exact, abs=1e-4 if dtype is np.float32 else 1e-11)


def test_single_precision_is_harmless_for_sums_of_money() -> None:
    """Twenty years of positive cash flows: relative error below a hundred thousandth of the noise of 10,000 paths."""
    rng = np.random.default_rng(2)
    features = rng.lognormal(6, 0.3, size=(240, 1, 500))
    coefficients = rng.uniform(1, 100, size=(4, 240, 1))
    double = path_sums(features, coefficients)
    single = path_sums(features.astype(np.float32), coefficients.astype(np.float32))
    assert np.abs(single / double - 1).max() < 3e-6


def test_sums_by_month_on_some_paths_are_those_on_all() -> None:
    rng = np.random.default_rng(3)
    features, coefficients = rng.normal(size=(12, 9, 300)), rng.normal(size=(12, 9))
    some = np.array([0, 17, 299])
    whole = month_sums(features, coefficients, np.arange(300))
    assert (month_sums(features, coefficients, some) == whole[:, some]).all()
    assert whole == pytest.approx(np.einsum("tf,tfn->tn", coefficients, features))


def test_shocks_asked_once_are_forgotten(make: SimpleNamespace, assumptions: Assumptions) -> None:
    """Breakevens try hundreds of prices on large portfolios: what is kept of them is bounded, the values the same."""
    valuer = portfolio_of(make, assumptions, 10).valuer(36)
    right = Right.of(make.rights(("P00003",)).to_dict("records")[0], AS_OF)
    before = valuer.fair(right)
    for i in range(80):
        valuer.fair(right, Shock(f"once {i}", times={"cpo": ((0, 1 + i / 100),)}))
    assert valuer.fair(right) == before
    assert len(valuer._defaults) <= 50
