"""Ghost issuance: scores by hand, a vintage whose future is known, and worlds nothing was tuned on."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.periods import Month
from plantation_rwa.schema.checks import finalise
from plantation_rwa.valuation.ghost import Later, crps_of_paths, ghost_book, issue, monthly_means, tonnes_of
from plantation_rwa.valuation.ghost_scores import block_draws, loss_table, pit_band, score
from plantation_rwa.valuation.run import Book
from tests.valuation.conftest import AS_OF


@pytest.fixture(scope="module")
def book(make: SimpleNamespace, assumptions: Assumptions) -> Book:
    forecasts = pd.concat([make.forecast(i) for i in ("P1", "P2")], ignore_index=True)
    models = pd.DataFrame([make.model(i) for i in ("P1", "P2")])
    register = make.register().iloc[:2]
    return Book(forecasts, models, register, make.rights(), make.market(), AS_OF, 7, 400, "MYR", assumptions)


def months(count: int, first: int = 1) -> list[str]:
    return [str(Month.of(AS_OF) + (first + i)) for i in range(count)]


def later(make: SimpleNamespace, oil: float, tonnes: float) -> Later:
    """Every month the same harvest, palm oil price and kernel price of 3,000; only Malaysian prices come."""
    rows = [("cpo_my", m, oil) for m in months(12)] + [("pk_my", m, 3000.0) for m in months(12)]
    table = pd.DataFrame(rows, columns=["series", "month", "value"])
    prices = table.assign(date=pd.to_datetime(table["month"] + "-28"), currency="MYR", region=None)
    market = make.market(prices=prices)
    return Later.of({p: dict.fromkeys(months(12), tonnes) for p in ("P1", "P2")}, market, AS_OF)


def test_a_vintage_by_hand(book: Book, make: SimpleNamespace, assumptions: Assumptions) -> None:
    """20 % of 150 t at 0.20 (4000 - 56) + 0.05 x 3000 - 90 = 848.8 MYR/t; the Indonesian price never came."""
    record = {p: dict.fromkeys(months(36, -35), 140.0) for p in ("P1", "P2")}
    values, losses = issue(ghost_book(book, 0.20, assumptions), record, later(make, 4000.0, 150.0))
    assert list(values["plantation_id"]) == ["P1"]
    row = values.iloc[0]
    sheet = 140.0 * (0.2 * (4030 - 56) + 0.05 * 3000 - 90) * 0.20 * 12
    assert row["sheet"] == pytest.approx(sheet * 0.9)
    assert row["realised"] / row["sheet_discounted"] == pytest.approx(150 * 848.8 / (140 * 854.8))
    assert 0.9 < row["sheet_discounted"] / sheet < 0.97, "a year's money at some seven percent"
    assert 0 < row["pit"] < 1
    assert row["q05"] < row["q50"] < row["q95"]
    owed = losses.set_index("advance_rate")
    assert (owed.loc[0.4, ["missed", "owed"]] == 0).all()
    assert owed.loc[0.6, "advance"] == pytest.approx(0.6 * row["npv_fair"])


def test_a_collapse_is_a_low_rank_and_a_loss_of_high_advances(
    book: Book, make: SimpleNamespace, assumptions: Assumptions
) -> None:
    record = {"P1": dict.fromkeys(months(36, -35), 160.0)}
    values, losses = issue(ghost_book(book, 0.20, assumptions), record, later(make, 2200.0, 110.0))
    assert values["pit"].iloc[0] < 0.01
    owed = losses.set_index("advance_rate")["owed"]
    assert owed[0.8] > owed[0.5] > 0
    assert owed.is_monotonic_increasing


def test_ghosts_know_no_default_and_need_every_month(
    book: Book, make: SimpleNamespace, assumptions: Assumptions
) -> None:
    ghosts = ghost_book(dataclasses.replace(book, sponsors=pd.DataFrame()), 0.2, assumptions)
    assert ghosts.assumptions.number("discount.hazard") == 0.0
    assert ghosts.sponsors is None
    paid = ghosts.valuer(12).model.prices("P1").paid
    assert (paid == 1.0).all(), "what came is counted at the formula's prices, so no mill's spread is said either"
    came = later(make, 4000.0, 150.0)
    del came.tonnes["P1"][months(12)[5]]
    values, losses = issue(ghosts, {"P1": dict.fromkeys(months(36, -35), 140.0)}, came)
    assert values.empty
    assert losses.empty


def test_means_by_month_region_before_none_before_any() -> None:
    table = pd.DataFrame(
        {
            "series": "cpo_id", "value": [1.0, 3.0, 10.0], "region": ["Riau", "riau", None],
            "date": pd.to_datetime(["2026-01-03", "2026-01-20", "2026-01-31"]),
        }
    )  # fmt: skip
    assert monthly_means(table) == {("cpo_id", "2026-01"): {"": 10.0, "riau": 2.0}}
    harvest = pd.DataFrame({"plantation_id": ["A", "A"], "month": ["2026-01", "2026-02"], "ffb_t": [5.0, np.nan]})
    assert tonnes_of(harvest) == {"A": {"2026-01": 5.0}}


def invented(rng: np.random.Generator, spread: float = 1.0, vintages: int = 60) -> pd.DataFrame:
    """Independent vintages of two plantations: truth N(100, 10), said N(100, 10 x spread); sheets are off by 10."""
    rows = []
    quantiles = {5: -1.645, 10: -1.2816, 25: -0.6745, 50: 0.0, 75: 0.6745, 90: 1.2816, 95: 1.645}
    ensemble = np.sort(100 + 10 * spread * rng.normal(size=2000))
    for v in range(vintages):
        for plantation in ("A", "B"):
            realised = 100 + 10 * rng.normal()
            rows.append(
                {"plantation_id": plantation, "region": "", "origin": f"V{v:03d}", "npv_fair": 100.0, "mean": 100.0,
                 **{f"q{q:02d}": 100 + 10 * spread * z for q, z in quantiles.items()}, "realised": realised,
                 "pit": float(np.searchsorted(ensemble, realised)) / 2000, "crps": crps_of_paths(ensemble, realised),
                 "sheet": 90.0, "sheet_discounted": 110.0}
            )  # fmt: skip
    return pd.DataFrame(rows)


def test_a_calibrated_forecaster_is_inside_its_band_and_a_boastful_one_is_not() -> None:
    honest = score(invented(np.random.default_rng(1)), 1, 7).set_index("metric")
    boastful = score(invented(np.random.default_rng(1), 0.3), 1, 7).set_index("metric")
    assert honest.loc["pit_distance", "value"] < honest.loc["pit_distance", "hi"]
    assert boastful.loc["pit_distance", "value"] > boastful.loc["pit_distance", "hi"]
    assert honest.loc["coverage80", "lo"] < 0.8 < honest.loc["coverage80", "hi"]
    assert boastful.loc["coverage80", "hi"] < 0.6
    assert honest.loc["crps", "value"] == pytest.approx(10 / np.sqrt(np.pi) / 110, rel=0.15)
    assert honest.loc["crps_gain_over_sheet", "lo"] > 0.3
    assert (honest["blocks"] == 60).all()
    finalise(honest.reset_index(), "ghost_metrics")


def test_blocks_are_as_long_as_the_term_and_count_as_one() -> None:
    draws = block_draws(40, 12, 7)
    assert draws.shape == (1000, 40)
    assert ((np.diff(draws[:, :12], axis=1) % 40) == 1).all()
    assert score(invented(np.random.default_rng(2), vintages=36), 12, 7)["blocks"].iloc[0] == 3.0


def test_the_band_of_a_short_dependent_record_is_wide() -> None:
    """Three blocks whose plantations all hit the same rank: nearly nothing can be said against uniformity."""
    at = np.repeat(np.arange(36), 2)
    pit = np.repeat([0.2, 0.5, 0.8], 24)
    distance, band = pit_band(pit, at, 36, 12, 7)
    assert distance < band
    assert band > 0.25


def overlapping(rng: np.random.Generator, vintages: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Monthly vintages of a twelve-month term on four plantations: half of the variance is the market all share.

    A right sums what twelve months of shocks do to the months after them, so a shock j months into the term counts
    12 - j times. Truth is normal, and what is said of it exact where ``spread`` is 1.
    """
    weights = np.arange(12, 0, -1.0)
    weights /= np.sqrt((weights**2).sum())
    shocks = rng.standard_normal((5, vintages + 11))
    sums = np.array([np.convolve(row, weights, "valid") for row in shocks])
    scores = np.sqrt(0.5) * sums[0] + np.sqrt(0.5) * sums[1:]
    return ndtr(scores / spread).ravel(), np.tile(np.arange(vintages), 4)


def test_the_band_holds_a_forecaster_who_tells_the_truth_as_often_as_it_says() -> None:
    """Known answer: 76 overlapping monthly vintages are worth six; truth is told, so 90 of 100 records are inside."""
    rng = np.random.default_rng(3)

    def inside(vintages: int, spread: float, records: int) -> float:
        found = [pit_band(*overlapping(rng, vintages, spread), vintages, 12, 7) for _ in range(records)]
        return float(np.mean([distance <= band for distance, band in found]))

    assert 0.86 <= inside(76, 1.0, 300) <= 0.97
    assert inside(240, 0.5, 60) < 0.1, "twenty years show intervals half as wide as they should be"
    assert inside(240, 2.0, 60) < 0.1, "and twice as wide"
    assert inside(76, 3.0, 60) < 0.4, "six years only worse ones"


def test_losses_by_vintage() -> None:
    losses = pd.DataFrame(
        {"plantation_id": ["A", "B", "A"], "origin": ["V1", "V1", "V2"], "advance_rate": 0.6,
         "advance": [100.0, 100.0, 100.0], "missed": [0.0, 0.1, 0.0], "owed": [0.0, 10.0, 0.2]}
    )  # fmt: skip
    table = loss_table(losses).set_index("origin")
    assert table.loc["V1", ["n", "shortfall_frequency", "missed_share"]].tolist() == [2, 0.5, 0.05]
    assert table.loc["V1", ["loss_frequency", "loss_share"]].tolist() == [0.5, 0.05]
    assert table.loc["V2", "loss_frequency"] == 0.0, "half a percent still owed is no loss"
    assert table.loc["all", "n"] == 3
    finalise(loss_table(losses), "ghost_losses")
