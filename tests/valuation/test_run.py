from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.schema.checks import finalise
from plantation_rwa.schema.flags import FLAGS
from plantation_rwa.valuation.run import ValuationResult

Portfolio = Callable[..., ValuationResult]

#: Nothing but revenue: no noise, no credit, no spreads, flat rates
CALM = {
    "price_model.sigma_chi": 1e-9, "price_model.sigma_xi": 1e-9, "price_model.mu_xi_star": 0.0, "pk.sigma": 0.0,
    "fx.vol": 0.0, "k_index.sd": 0.0, "discount.hazard": 0.0, "farm_gate.realised_sd": 0.0,
    "disaster.rate_per_year": 0.0, "discount.spread_production": 0.0, "discount.spread_liquidity": 0.0,
}  # fmt: skip


def row_of(result: ValuationResult, plantation: str) -> pd.Series:
    return result.valuations.set_index("plantation_id").loc[plantation]


def certain(make: SimpleNamespace, plantation: str, months: int = 24, level: float = 2.0) -> pd.DataFrame:
    frame = make.forecast(plantation, months)
    frame[[c for c in frame if c.startswith("yield_")]] = level
    return frame.assign(ffb_mean_t=level * 100)


def test_right_without_any_uncertainty_by_hand(portfolio: Portfolio, make: SimpleNamespace) -> None:
    """20 % of 2 t/ha x 100 ha x the netback of a flat price, paid at the end of the cash month."""
    market = make.market(
        futures=make.futures().iloc[:0],
        prices=make.prices(cpo_my=("2025-12-31", 4000.0, "MYR"), pk_my=("2025-12-31", 2600.0, "MYR")),
        rates=make.rates().iloc[:2].assign(zero_rate=0.03),
    )
    result = portfolio(("P1",), forecasts=certain(make, "P1"), market=market, override=CALM, paths=100)
    monthly = 0.2 * 200 * (0.2 * (4000 - 56) + 0.05 * 2600 - 90)
    paid = [dt.date(2026, 5, 31), dt.date(2026, 8, 31), dt.date(2026, 11, 30), dt.date(2027, 2, 28),
            dt.date(2027, 5, 31), dt.date(2027, 8, 31), dt.date(2027, 11, 30), dt.date(2028, 2, 29)]  # fmt: skip
    expected = sum(3 * monthly * math.exp(-0.03 * (d - dt.date(2026, 1, 31)).days / 365) for d in paid)
    value = row_of(result, "P1")
    assert value["npv_fair"] == pytest.approx(expected, rel=1e-7)
    assert value["npv_q05"] == pytest.approx(expected, rel=1e-7)
    assert value["npv_q95"] == pytest.approx(expected, rel=1e-7)
    assert value["es975"] == pytest.approx(0.0, abs=0.01)
    # the worst stress is the sponsor's default at month 24, which only the last payment does not escape
    assert value["advance_rate"] == pytest.approx(
        min(value[[c for c in value.index if c.startswith("stress_")]]) / expected
    )
    assert value["share_npv_extrapolated"] == pytest.approx(1.0)
    assert value["nav_total_int"] == math.floor(value["npv_fair"] * 100)
    assert int(value["unit_nav_int"]) == value["nav_total_int"] * 10**10
    assert result.cash_flows["mean"].tolist() == pytest.approx([monthly] * 48, rel=1e-7)
    assert set(result.cash_flows["ffb_mean_t"]) == {200.0}


def test_a_right_alone_in_a_batch_or_in_another_order_has_the_same_bits(
    portfolio: Portfolio, make: SimpleNamespace
) -> None:
    """The other rights have another tenor, so that the grid of months differs too."""
    alone = portfolio(("P2",))
    more = pd.concat([make.rights(("P2",)), make.rights(("P1", "P3"), tenor_months=31)], ignore_index=True)
    batch = portfolio(rights=more)
    reverse = portfolio(
        rights=more.iloc[::-1],
        register=make.register().iloc[::-1],
        forecasts=pd.concat([make.forecast(i) for i in ("P3", "P2", "P1")]),
    )
    for result in (batch, reverse):
        mine, other = (row_of(r, "P2").drop("es_contribution_pool").to_dict() for r in (result, alone))
        assert mine == other
        flows = result.cash_flows[result.cash_flows["plantation_id"] == "P2"].reset_index(drop=True)
        pd.testing.assert_frame_equal(flows, alone.cash_flows, check_exact=True)
    pd.testing.assert_frame_equal(batch.valuations, reverse.valuations, check_exact=True)
    pd.testing.assert_frame_equal(batch.pools, reverse.pools, check_exact=True)


def test_another_seed_gives_other_numbers(portfolio: Portfolio) -> None:
    assert row_of(portfolio(("P1",)), "P1")["npv_q05"] != row_of(portfolio(("P1",), seed=8), "P1")["npv_q05"]


def test_tables_pass_the_registry(portfolio: Portfolio) -> None:
    result = portfolio()
    for name in ("valuations", "cash_flows", "curves", "pools"):
        table = getattr(result, name)
        assert len(finalise(table, name)) == len(table) > 0


def test_kat_36_value_is_homogeneous_in_yield(portfolio: Portfolio, make: SimpleNamespace) -> None:
    base = row_of(portfolio(("P1",)), "P1")
    more = row_of(portfolio(("P1",), forecasts=make.forecast("P1", area=101.0)), "P1")
    assert more["npv_fair"] == pytest.approx(1.01 * base["npv_fair"], rel=1e-9)
    assert more["npv_q10"] == pytest.approx(1.01 * base["npv_q10"], rel=1e-9)


def test_mean_cash_flow_is_forward_price_times_yield(portfolio: Portfolio) -> None:
    """Under q and without price-yield correlation the mean payment is share x tonnes x netback of the forward."""
    result = portfolio(("P1",), paths=4000, override={"yield.price_correlation": 0.0})
    flows = result.cash_flows[result.cash_flows["measure"] == "q"]
    expected = 0.2 * flows["ffb_mean_t"] * flows["ffb_price_mean"]
    assert (flows["mean"] / expected - 1).abs().max() < 0.02
    assert flows["ffb_price_mean"].iloc[0] == pytest.approx(860, rel=0.02)


def test_real_world_prices_exceed_forwards_by_the_stated_premium(portfolio: Portfolio) -> None:
    result = portfolio(("P1",), override={"price_model.mu_xi": 0.05})
    price = result.cash_flows.pivot(index="accrual_month", columns="measure", values="ffb_price_mean")
    assert (price["p"] > price["q"]).all()
    calm = row_of(portfolio(("P1",)), "P1")
    assert row_of(result, "P1")["npv_fair"] == calm["npv_fair"]
    assert row_of(result, "P1")["npv_mean_p"] > calm["npv_mean_p"]


def test_floor_adds_value_and_cap_takes_some(portfolio: Portfolio, make: SimpleNamespace) -> None:
    plain = row_of(portfolio(("P1",)), "P1")["npv_fair"]
    floored = row_of(portfolio(("P1",), rights=make.rights(("P1",), price_floor=850.0)), "P1")["npv_fair"]
    capped = row_of(portfolio(("P1",), rights=make.rights(("P1",), price_cap=850.0)), "P1")["npv_fair"]
    assert capped < plain < floored


def test_net_bases_are_worth_less(portfolio: Portfolio, make: SimpleNamespace) -> None:
    bases = ("gross_mill_gate", "net_of_levies", "net_operating")
    gross, levied, operating = (
        row_of(portfolio(("P1",), rights=make.rights(("P1",), base=b)), "P1")["npv_fair"] for b in bases
    )
    assert operating < levied < gross
    assert levied / gross == pytest.approx(1 - 27 / 860, abs=0.02)


def test_costs_above_the_price_pay_nothing_and_owe_nothing(portfolio: Portfolio, make: SimpleNamespace) -> None:
    """A share of a loss is no debt: net bases pay the months and paths with a margin, and are worth zero without."""
    costly = {"costs.field_cost_per_t": {"MYR": 5000, "IDR": 1e8}}
    row = row_of(portfolio(("P1",), rights=make.rights(("P1",), base="net_operating"), override=costly), "P1")
    assert (row["npv_fair"], row["npv_q05"], row["nav_total_int"], row["es95"]) == (0.0, 0.0, 0, 0.0)
    assert math.isnan(row["advance_rate"] if row["advance_rate"] is not None else math.nan)
    thin = {"costs.field_cost_per_t": {"MYR": 800, "IDR": 1e8}}
    row = row_of(portfolio(("P1",), rights=make.rights(("P1",), base="net_operating"), override=thin), "P1")
    assert row["npv_q05"] < row["npv_q50"] < row["npv_fair"], "a margin near zero is an option: its mean lies high"


def test_tenure_end_inside_the_term(portfolio: Portfolio, make: SimpleNamespace) -> None:
    register = make.register(tenure_end=pd.Timestamp("2026-08-15"))
    right = make.rights(("P1",), min_payment=1.0)
    result = portfolio(("P1",), register=register, rights=right)
    flows = result.cash_flows[result.cash_flows["measure"] == "q"]
    assert flows["accrual_month"].max() == "2026-08"
    assert flows["ffb_mean_t"].iloc[-1] == pytest.approx(flows["ffb_mean_t"].iloc[0] * 15 / 31)
    assert "tenure_end" in row_of(result, "P1")["quality_flag"]


def test_no_mature_area_is_worth_nothing_yet(portfolio: Portfolio, make: SimpleNamespace) -> None:
    young = row_of(portfolio(("P1",), forecasts=make.forecast("P1", area=0.0)), "P1")
    assert young["npv_fair"] == 0.0
    assert young["nav_total_int"] == 0
    assert young["advance_rate"] is None or math.isnan(young["advance_rate"])
    assert "immature" in young["quality_flag"]


@pytest.mark.parametrize(
    ("replaced", "flag", "worth"),
    [
        ({"forecasts": "none"}, "no_forecast", False),
        ({"forecasts": "short"}, "forecast_short", True),
        ({"rights": {"start_month": "2020-01", "tenor_months": 12}}, "expired", False),
        ({"market": "no rates"}, "rates_missing", True),
        ({"market": "nothing"}, "no_price", False),
    ],
)
def test_gaps_are_flagged_and_never_stop_the_run(
    portfolio: Portfolio, make: SimpleNamespace, replaced: dict[str, Any], flag: str, worth: bool
) -> None:
    empty = {k: getattr(make, k)().iloc[:0] for k in ("futures", "prices", "fx", "rates", "fiscal")}
    inputs: dict[str, Any] = {
        "none": make.forecast("P1").iloc[:0],
        "short": make.forecast("P1", 6),
        "no rates": make.market(rates=empty["rates"]),
        "nothing": make.market(**empty),
    }
    changed = {k: inputs[v] if isinstance(v, str) else make.rights(("P1",), **v) for k, v in replaced.items()}
    result = portfolio(("P1",), **changed)
    row = row_of(result, "P1")
    assert flag in row["quality_flag"].split(";")
    if flag in {"no_price", "no_forecast"}:
        unknown = ["npv_fair", "npv_mean_p", "npv_q10", "es95", "advance_rate", "nav_total_int", "unit_nav_int"]
        assert all(pd.isna(row[name]) for name in unknown), "unknown is null, never zero"
        assert result.cash_flows.empty
        assert result.pools.empty
    else:
        assert bool(row["npv_fair"] > 0) is worth
    assert worth or row["confidence_grade"] == "D" or flag == "expired"
    for name in ("valuations", "cash_flows", "curves", "pools"):
        finalise(getattr(result, name), name)


def test_costs_above_every_price_are_worth_zero_and_say_so(
    portfolio: Portfolio, make: SimpleNamespace, assumptions: Assumptions
) -> None:
    """3,000 MYR of field cost a tonne: nothing is left to share, nothing is owed."""
    dear = assumptions.override({"costs.field_cost_per_t": {"MYR": 3000.0, "IDR": 9e6}}, where="test")
    row = row_of(portfolio(("P1",), rights=make.rights(("P1",), base="net_operating"), assumptions=dear), "P1")
    assert row["npv_fair"] == row["npv_q90"] == row["nav_total_int"] == 0
    assert "no_margin" in row["quality_flag"].split(";")
    plain = row_of(portfolio(("P1",), rights=make.rights(("P1",), base="net_operating")), "P1")
    assert "no_margin" not in plain["quality_flag"].split(";")
    young = row_of(portfolio(("P1",), forecasts=make.forecast("P1", area=0.0)), "P1")
    assert "no_margin" not in young["quality_flag"].split(";"), "no harvest is another reason"


def test_no_rights_at_all(portfolio: Portfolio, make: SimpleNamespace) -> None:
    result = portfolio(rights=make.rights().iloc[:0])
    for name in ("valuations", "cash_flows", "pools"):
        assert len(finalise(getattr(result, name), name)) == 0
    assert len(result.curves) == 120


def test_missing_exchange_rate_keeps_the_right_in_its_own_currency_and_pool(
    portfolio: Portfolio, make: SimpleNamespace
) -> None:
    result = portfolio(market=make.market(fx=make.fx().iloc[:0]))
    assert row_of(result, "P2")["currency"] == "IDR"
    assert row_of(result, "P1")["currency"] == "MYR"
    assert list(result.pools["pool_id"]) == ["portfolio:IDR", "portfolio:MYR"]
    assert list(result.pools["quality_flag"]) == ["fx_missing", ""]


def test_currencies_agree_to_the_exchange_rate(portfolio: Portfolio) -> None:
    """Without rate differentials and spreads of currency paths, a value in USD is the value in MYR converted."""
    calm = {"fx.vol": 0.0}
    myr = row_of(portfolio(("P1",), override=calm), "P1")["npv_fair"]
    usd = row_of(portfolio(("P1",), currency="USD", override=calm), "P1")
    assert usd["currency"] == "USD"
    assert usd["npv_fair"] * 4.05 == pytest.approx(myr, rel=0.02)


def test_what_fails_with_the_sponsor_and_what_with_the_mill(
    portfolio: Portfolio, make: SimpleNamespace, assumptions: Assumptions
) -> None:
    """Harvests end with the sponsor whoever collects; the route decides about cash under way, the mill its own."""
    parties = {
        "sponsors": pd.DataFrame({"sponsor_id": ["S1"], "hazard_per_year": [0.10], "lgd": [1.0]}),
        "mills": pd.DataFrame(
            {"mill_id": ["M0", "M1", "M2"], "hazard_per_year": [0.0, 0.05, np.nan], "lgd": [0.6, 1.0, 0.6]}
        ),
    }

    def fair(**terms: Any) -> float:
        rights = make.rights(("P1",), **terms)
        return float(row_of(portfolio(("P1",), rights=rights, full=False, **parties), "P1")["npv_fair"])

    collects, account, direct = (
        fair(payor_id="M0", collection_route=route) for route in ("sponsor", "controlled_account", "mill_direct")
    )
    assert collects < row_of(portfolio(("P1",), full=False), "P1")["npv_fair"]
    assert collects < account < direct
    # cash under way for two months on average: a quarter's earnings, paid a month after its end
    assert direct / collects == pytest.approx(math.exp(0.10 * 2 / 12), rel=2e-3)
    assert (account - collects) / (direct - collects) == pytest.approx(0.75)
    assert fair(payor_id="M1", collection_route="mill_direct") / direct == pytest.approx(
        math.exp(-0.05 * 2 / 12), rel=1e-3
    )
    assert fair(payor_id="M2", collection_route="mill_direct") < direct
    assert fair(payor_id="S1") == fair()


def test_probability_of_loss_against_the_issue_price(portfolio: Portfolio, make: SimpleNamespace) -> None:
    median = row_of(portfolio(("P1",)), "P1")["npv_q50"]
    row = row_of(portfolio(("P1",), rights=make.rights(("P1",), issue_price=median)), "P1")
    assert row["prob_loss"] == pytest.approx(0.5, abs=0.01)
    assert math.isnan(float(row_of(portfolio(("P1",)), "P1")["prob_loss"] or math.nan))


def test_evidence_makes_the_grade(portfolio: Portfolio) -> None:
    evidence = pd.DataFrame(
        {
            "plantation_id": ["P1", "P2"],
            "own_inputs": [3, 1],
            "data_age_days_max": [30.0, np.nan],
            "months_harvest": [60, 0],
            "valid_fraction_12m": [0.9, np.nan],
            "quarantined": [False, True],
            "flags": ["point;no_age", ""],
        }
    )
    result = portfolio(evidence=evidence)
    grades = result.valuations.set_index("plantation_id")["confidence_grade"]
    assert grades.to_dict() == {"P1": "A", "P2": "D", "P3": "D"}
    assert row_of(result, "P1")["data_age_days_max"] == 30
    assert {"point", "no_age"} <= set(row_of(result, "P1")["quality_flag"].split(";"))


def test_palms_that_pass_the_replanting_age_are_flagged(portfolio: Portfolio, make: SimpleNamespace) -> None:
    def flags(age: float) -> str:
        return str(
            row_of(portfolio(("P1",), forecast_model=pd.DataFrame([make.model("P1", age=age)])), "P1")["quality_flag"]
        )

    assert "over_age" in flags(23.5)
    assert "over_age" not in flags(22.9)


def test_every_flag_is_in_the_dictionary(portfolio: Portfolio, make: SimpleNamespace) -> None:
    empty = {k: getattr(make, k)().iloc[:0] for k in ("futures", "prices", "fx", "rates", "fiscal")}
    register = make.register(tenure_end=pd.Timestamp("2026-08-15"), oer=np.nan)
    forecasts = pd.concat([make.forecast("P1", 6, area=0.0), make.forecast("P2", 6, area=0.0)])
    texts = [portfolio(forecasts=forecasts, register=register, market=make.market(**empty)).valuations["quality_flag"]]
    texts += [portfolio(rights=make.rights(start_month="2020-01", tenor_months=1)).valuations["quality_flag"]]
    codes = {code for column in texts for text in column for code in text.split(";") if code}
    assert {"expired", "fiscal_missing", "forecast_short", "no_price", "oer_default", "tenure_end"} <= codes
    assert codes <= set(FLAGS)


def test_a_right_beyond_all_arithmetic_has_no_value_and_leaves_its_neighbour_alone(
    portfolio: Portfolio, make: SimpleNamespace
) -> None:
    ids = ("P1", "P2")
    forecasts = pd.concat([make.forecast(i) for i in ids], ignore_index=True)
    rights = make.rights(ids)
    spoilt = rights.assign(
        price_floor=[
            1e300 if p == "P1" else f for p, f in zip(rights["plantation_id"], rights["price_floor"], strict=True)
        ]
    )
    result, sound = (
        portfolio(ids, rights=spoilt, forecasts=forecasts),
        portfolio(ids, rights=rights, forecasts=forecasts),
    )
    broken = row_of(result, "P1")
    assert pd.isna(broken["npv_fair"])
    assert pd.isna(broken["nav_total_int"])
    assert broken["confidence_grade"] == "D"
    assert "not_computable" in broken["quality_flag"].split(";")
    assert row_of(result, "P2")["npv_fair"] == row_of(sound, "P2")["npv_fair"]
    for name in ("valuations", "cash_flows", "curves", "pools"):
        finalise(getattr(result, name), name)


def test_a_least_payment_is_in_the_currency_of_the_mill(portfolio: Portfolio, make: SimpleNamespace) -> None:
    """4,100 rupiah a ringgit: a least payment of 410 million rupiah a quarter is 100,000 ringgit, and binds."""
    bound = make.rights(("P2",), min_payment=410e6, frequency_months=3)
    flows = portfolio(("P2",), rights=bound, override=CALM, paths=100).cash_flows
    paid = flows[flows["measure"] == "q"].groupby("cash_month")["mean"].sum()
    # forwards of the rupiah by interest parity: 24 months at 5.5 to 6 % against 3.05 to 3.12 %
    assert paid.iloc[0] == pytest.approx(100_000, rel=0.02)
    assert paid.min() > 90_000
    plain = portfolio(("P2",), override=CALM, paths=100).cash_flows
    assert plain[plain["measure"] == "q"].groupby("cash_month")["mean"].sum().max() < 90_000


def test_least_payments_beyond_what_the_plantation_earns_have_no_value_and_say_so(
    portfolio: Portfolio, make: SimpleNamespace
) -> None:
    """All of P1's harvest fetches some 413,000 a quarter: a promise of 500,000 is somebody else's money."""
    for least, valued in ((300e3, True), (500e3, False), (1e12, False)):
        result = portfolio(("P1",), rights=make.rights(("P1",), min_payment=least))
        row = row_of(result, "P1")
        assert ("minimum_beyond" in row["quality_flag"].split(";")) is not valued
        assert pd.notna(row["npv_fair"]) is valued
        assert pd.notna(row["nav_total_int"]) is valued
        assert (row["confidence_grade"] == "D") is True
        assert (len(result.cash_flows) > 0) is valued
        assert (len(result.pools) > 0) is valued


def test_a_default_in_place_of_a_term_is_told_with_the_value(portfolio: Portfolio, make: SimpleNamespace) -> None:
    told = portfolio(("P1", "P3"), rights=make.rights(("P1", "P3")).assign(flags=["terms_default", ""]))
    assert "terms_default" in row_of(told, "P1")["quality_flag"].split(";")
    assert "terms_default" not in row_of(told, "P3")["quality_flag"]
