from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.measures import expected_shortfall
from plantation_rwa.valuation.pools import Member, Pool, contributions, pool_name, pool_rows
from plantation_rwa.valuation.run import ValuationResult

Portfolio = Callable[..., ValuationResult]


def test_names() -> None:
    assert pool_name(None, "MYR", "MYR") == "portfolio:MYR"
    assert pool_name("A", "MYR", "MYR") == "A"
    assert pool_name("A", "IDR", "MYR") == "A:IDR"


def pool_of(*members: Member) -> Pool:
    return Pool("A", "MYR", list(members))


def member(name: str, paths: list[float], **changed: Any) -> Member:
    pv = np.array(paths)
    terms: dict[str, Any] = {"region": "south", "sponsor_id": "S1", "mill_id": "M1", "first_loss": 0.2} | changed
    fair = float(pv.mean())
    return Member(name, "R1", npv_fair=fair, nav_int=round(fair * 100), reserve_months=0.0, pv_p=pv, **terms)


def test_tranches_of_a_pool_by_hand(assumptions: Assumptions) -> None:
    """One payment in a year: 100 owed less 20 % = 80 senior, which grows by its interest; no fees, no discount."""
    free = {
        "pool.fee_servicing": 0.0, "pool.fee_verification": 0.0, "pool.fee_trustee_per_year": {},
        "pool.senior_rate": float(np.log(1.1)),
    }  # fmt: skip
    paths = np.array([40.0, 80.0, 120.0, 160.0])
    pool = pool_of(member("P1", paths.tolist()))
    for measure in ("q", "p"):
        pool.receive(measure, 1.0, paths, 1.0)
    pool.agreed.add(1.0)
    rows = {r["tranche"]: r for r in pool_rows(pool, assumptions.override(free, where="test"))}
    assert list(rows) == ["whole", "fees", "senior", "reserve", "junior"]
    # 80 x 1.1 = 88: paid 40, 80, 88, 88
    assert [rows[t]["npv_fair"] for t in rows] == [100.0, 0.0, 74.0, 0.0, 26.0]
    assert [rows[t]["nav_total_int"] for t in rows] == [10000, 0, 7400, 0, 2600]
    assert rows["senior"]["prob_shortfall"] == 0.5
    assert rows["senior"]["advance_rate"] == 0.8
    # the whole is expected to bring 100, so the scheduled service is 88: the worst path covers 40 / 88
    assert rows["senior"]["dscr_min_q05"] == pytest.approx(40 / 88)
    assert (rows["senior"]["npv_q05"], rows["junior"]["npv_q05"], rows["junior"]["npv_q95"]) == (40.0, 0.0, 72.0)


def test_contributions_add_up_to_the_pools_shortfall(assumptions: Assumptions) -> None:
    rng = np.random.default_rng(3)
    common = rng.normal(size=1000)
    pool = pool_of(
        *(member(f"P{i}", (100 * i + 20 * common + 5 * i * rng.normal(size=1000)).tolist()) for i in (1, 2, 3))
    )
    parts = contributions(pool)
    (row, *_) = pool_rows(pool, assumptions)
    losses = sum(m.npv_fair - m.pv_p for m in pool.members)
    assert sum(parts.values()) == pytest.approx(expected_shortfall(losses, 0.95), rel=1e-12)
    assert sum(parts.values()) == pytest.approx(row["es95"], abs=1e-4)
    assert parts[("P3", "R1")] > parts[("P1", "R1")]
    assert 0 < float(str(row["diversification_ratio"])) < 1


def test_concentration_limits_are_flagged(assumptions: Assumptions) -> None:
    rights = [member(f"P{i}", [10.0], region="north" if i < 4 else f"R{i}", sponsor_id=f"S{i}") for i in range(10)]
    (row, *_) = pool_rows(pool_of(*rights), assumptions)
    assert (row["max_share_plantation"], row["max_share_region"], row["top5_share"]) == (0.1, 0.4, 0.5)
    assert row["quality_flag"] == ""
    rights[0] = member("P0", [90.0], region="north", sponsor_id="S0")
    (row, *_) = pool_rows(pool_of(*rights), assumptions)
    assert row["quality_flag"] == "limit_plantation;limit_region;limit_sponsor"


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
    result = portfolio(rights=rights)
    pools = result.pools.set_index(["pool_id", "tranche"])
    tranches = ["whole", "fees", "senior", "reserve", "junior"]
    assert list(pools.index) == [*(("A", t) for t in tranches), ("portfolio:MYR", "whole")]
    whole, parts = pools.loc[("A", "whole")], pools.loc["A"].drop("whole")
    assert parts["npv_fair"].sum() == pytest.approx(whole["npv_fair"], abs=1e-3)
    assert parts["nav_total_int"].sum() == whole["nav_total_int"]
    inside = result.valuations.set_index("plantation_id").loc[["P1", "P3"]]
    assert whole["nav_total_int"] == inside["nav_total_int"].sum()
    assert inside["es_contribution_pool"].sum() == pytest.approx(whole["es95"], rel=1e-6)
    assert parts.loc["senior", "es95"] < whole["es95"]
    assert 0.005 < parts.loc["fees", "npv_fair"] / whole["npv_fair"]
    assert parts.loc["senior", "npv_fair"] / (0.8 * whole["npv_fair"]) == pytest.approx(1.0, abs=0.1)
    assert 0 < parts.loc["senior", "prob_shortfall"] < 0.6
