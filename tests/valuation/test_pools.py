from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.pools import Pool, pool_name, pool_rows
from plantation_rwa.valuation.run import ValuationResult

Portfolio = Callable[..., ValuationResult]


def test_names() -> None:
    assert pool_name(None, "MYR", "MYR") == "portfolio:MYR"
    assert pool_name("A", "MYR", "MYR") == "A"
    assert pool_name("A", "IDR", "MYR") == "A:IDR"


def test_tranches_of_a_pool_by_hand(assumptions: Assumptions) -> None:
    pool = Pool("A", "MYR", np.zeros(4), np.zeros(4))
    paths = np.array([40.0, 80.0, 120.0, 160.0])
    pool.add(100.0, 10000, 0.2, paths, paths)
    whole, senior, junior = pool_rows(pool, assumptions)
    assert [r["tranche"] for r in (whole, senior, junior)] == ["whole", "senior", "junior"]
    assert (whole["npv_fair"], senior["npv_fair"], junior["npv_fair"]) == (100.0, 70.0, 30.0)
    assert [r["nav_total_int"] for r in (whole, senior, junior)] == [10000, 7000, 3000]
    assert (senior["npv_q05"], junior["npv_q05"], junior["npv_q95"]) == (40.0, 0.0, 80.0)


def test_whole_is_the_integer_sum_and_quantiles_are_joint(portfolio: Portfolio) -> None:
    result = portfolio()
    pool = result.pools.iloc[0]
    assert list(result.pools["tranche"]) == ["whole"]
    assert pool["n_rights"] == 3
    assert pool["nav_total_int"] == result.valuations["nav_total_int"].sum()
    # quantiles do not add: the pool is less risky than its parts
    assert pool["npv_q05"] > result.valuations["npv_q05"].sum()
    assert pool["es95"] < result.valuations["es95"].sum()
    assert pool["npv_mean_p"] == pytest.approx(result.valuations["npv_mean_p"].sum())
    assert pool["effective_n"] == pytest.approx(1 / pool["hhi"])


def test_named_pools_and_first_loss(portfolio: Portfolio, make: SimpleNamespace) -> None:
    rights = make.rights().assign(pool_id=["A", "", "A"], first_loss=[0.2, np.nan, 0.2])
    pools = portfolio(rights=rights).pools.set_index(["pool_id", "tranche"])
    assert list(pools.index) == [("A", "whole"), ("A", "senior"), ("A", "junior"), ("portfolio:MYR", "whole")]
    parts = pools.loc[("A", "senior"), "npv_fair"] + pools.loc[("A", "junior"), "npv_fair"]
    assert parts == pytest.approx(pools.loc[("A", "whole"), "npv_fair"], abs=2e-4)
    integers = pools["nav_total_int"]
    assert integers[("A", "senior")] + integers[("A", "junior")] == integers[("A", "whole")]
    assert pools.loc[("A", "senior"), "es95"] < pools.loc[("A", "whole"), "es95"]
