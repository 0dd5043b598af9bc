"""The filter against statsmodels and by hand. Source: domain/valuation.md 9, KAT-10 and KAT-13.

The published oil panel of KAT-13 may not be redistributed here; a panel of its shape (268 weeks of five stitched
contracts) is drawn from its parameters instead.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from plantation_rwa.streams import stream
from plantation_rwa.valuation.kalman import Panel, kalman_filter
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith
from tests.valuation.panels import TRUTH, by_statsmodels, drawn

OIL = SchwartzSmith(1.49, 0.286, 0.145, 0.300, 0.157, -0.0125, 0.0115)
ERRORS = np.array([0.042, 0.006, 0.003, 0.000, 0.004])
YEARS = np.array([1, 5, 9, 13, 17]) / 12
SPREAD = 100.0
WEEKS, STEP = 268, 5 / 265


@pytest.fixture(scope="module")
def oil() -> Panel:
    """Weekly log settlements of the 1st, 5th, 9th, 13th and 17th contract under the parameters of KAT-10."""
    normals = stream(13, "oil").standard_normal((WEEKS, 2 + len(YEARS)))
    var_chi, var_xi, covariance = OIL.step_covariance(STEP)
    root = np.linalg.cholesky(np.array([[var_chi, covariance], [covariance, var_xi]]))
    chi, xi = 0.0, math.log(22.89)
    prices = np.empty((WEEKS, len(YEARS)))
    for week, (draw, noise) in enumerate(zip(normals[:, :2], normals[:, 2:], strict=True)):
        shock = root @ draw
        chi, xi = math.exp(-OIL.kappa * STEP) * chi + shock[0], xi + OIL.mu_xi * STEP + shock[1]
        prices[week] = [math.log(OIL.forward(t, chi, xi)) for t in YEARS] + ERRORS * noise
    groups = np.tile(np.arange(len(YEARS)), (WEEKS, 1))
    return Panel(np.full(WEEKS, STEP), prices, np.tile(YEARS, (WEEKS, 1)), groups)


def test_kat_13_against_statsmodels(oil: Panel) -> None:
    likelihood, states = by_statsmodels(OIL, ERRORS, oil, SPREAD)
    found = kalman_filter(OIL, ERRORS, oil, SPREAD)
    assert found.log_likelihood == pytest.approx(likelihood, abs=1e-6)
    assert (found.xi, found.chi) == pytest.approx(tuple(states[:, -1]), abs=1e-8)


def test_a_contract_without_error_is_met_exactly(oil: Panel) -> None:
    """The 13th contract has no measurement error: its forward is its settlement; the others are within theirs."""
    found = kalman_filter(OIL, ERRORS, oil, SPREAD)
    gap = np.log([OIL.forward(t, found.chi, found.xi) for t in YEARS]) - oil.log_prices[-1]
    assert gap[3] == pytest.approx(0.0, abs=1e-9)
    assert (np.abs(gap) <= 4 * ERRORS + 1e-9).all()


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
