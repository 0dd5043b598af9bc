"""The filter on the data of Schwartz and Smith (2000), and against statsmodels. Source: domain/valuation.md 9, KAT-13.

``wti_1990_1995.csv`` holds weekly NYMEX crude oil settlements, 1990-01-02 to 1995-02-14, of the 1st, 5th, 9th, 13th and
17th contract: facts, as the data set SS_oil of the R package NFCP lists them.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.valuation.kalman import Panel, kalman_filter
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith
from tests.valuation.panels import TRUTH, by_statsmodels, drawn

OIL = SchwartzSmith(1.49, 0.286, 0.145, 0.300, 0.157, -0.0125, 0.0115)
ERRORS = np.array([0.042, 0.006, 0.003, 0.000, 0.004])
YEARS = np.array([1, 5, 9, 13, 17]) / 12
SPREAD = 100.0


@pytest.fixture(scope="module")
def oil() -> Panel:
    table = pd.read_csv(Path(__file__).with_name("wti_1990_1995.csv"), index_col="date")
    shape = table.shape
    assert shape == (268, 5)
    groups = np.tile(np.arange(5), (shape[0], 1))
    return Panel(np.full(shape[0], 5 / 265), np.log(table.to_numpy()), np.tile(YEARS, (shape[0], 1)), groups)


def test_kat_13_log_likelihood_and_final_state(oil: Panel) -> None:
    # 40 digits: 4018.630415839424; statsmodels 4018.630415847
    found = kalman_filter(OIL, ERRORS, oil, SPREAD)
    assert found.log_likelihood == pytest.approx(4018.6304158, abs=1e-6)
    assert found.xi == pytest.approx(2.92057535202, abs=1e-8)
    assert found.chi == pytest.approx(-0.01480354389, abs=1e-8)


def test_kat_13_implied_settlements(oil: Panel) -> None:
    found = kalman_filter(OIL, ERRORS, oil, SPREAD)
    implied = [OIL.forward(t, found.chi, found.xi) for t in YEARS]
    assert implied == pytest.approx([18.192765, 17.933630, 17.800269, 17.760000, 17.782635], abs=1e-6)
    assert np.exp(oil.log_prices[-1]) == pytest.approx([18.32, 17.95, 17.77, 17.76, 17.81])


def test_kat_13_against_statsmodels(oil: Panel) -> None:
    likelihood, states = by_statsmodels(OIL, ERRORS, oil, SPREAD)
    found = kalman_filter(OIL, ERRORS, oil, SPREAD)
    assert found.log_likelihood == pytest.approx(likelihood, abs=1e-6)
    assert (found.xi, found.chi) == pytest.approx(tuple(states[:, -1]), abs=1e-8)


@pytest.mark.parametrize(("seed", "tenors", "error"), [(1, 12, 0.004), (2, 6, 0.001), (3, 1, 0.01)])
def test_missing_tenors_and_changing_maturities_against_statsmodels(seed: int, tenors: int, error: float) -> None:
    panel = drawn(TRUTH, seed, days=120, tenors=tenors)
    errors = np.array([error])
    likelihood, states = by_statsmodels(TRUTH, errors, panel, 1.0)
    found = kalman_filter(TRUTH, errors, panel, 1.0)
    assert found.log_likelihood == pytest.approx(likelihood, abs=1e-6)
    assert (found.xi, found.chi) == pytest.approx(tuple(states[:, -1]), abs=1e-8)


def test_one_settlement_by_hand() -> None:
    """One price, no step: mean ``x0 + A(T)``, variance ``P (1 + z^2) + h^2``, with z = exp(-kappa T)."""
    panel = Panel(np.zeros(1), np.array([[8.3]]), np.array([[0.5]]), np.zeros((1, 1), dtype=np.int64))
    found = kalman_filter(OIL, np.array([0.1]), panel, 4.0)
    z = math.exp(-1.49 * 0.5)
    variance, gap = 4.0 * (1 + z * z) + 0.01, 8.3 - (8.3 + OIL.a_term(0.5))
    assert found.log_likelihood == pytest.approx(-0.5 * (math.log(2 * math.pi * variance) + gap**2 / variance))
    assert found.xi == pytest.approx(8.3 + 4.0 / variance * gap)
    assert found.chi == pytest.approx(4.0 * z / variance * gap)


def test_a_day_without_settlements_only_moves_the_state() -> None:
    nothing = np.array([[8.3], [math.nan]])
    panel = Panel(np.array([0.0, 0.25]), nothing, np.full((2, 1), 0.5), np.zeros((2, 1), dtype=np.int64))
    before = kalman_filter(
        OIL, np.array([0.01]), Panel(*(a[:1] for a in (panel.steps, nothing, panel.maturities, panel.groups)))
    )
    after = kalman_filter(OIL, np.array([0.01]), panel)
    assert after.log_likelihood == before.log_likelihood
    assert after.chi == pytest.approx(before.chi * math.exp(-1.49 * 0.25))
    assert after.xi == pytest.approx(before.xi - 0.0125 * 0.25)
