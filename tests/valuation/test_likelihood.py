"""Calibration: truth found again, standard errors that hold, and panels that tell too little."""

from __future__ import annotations

import time

import numpy as np
import pytest

from plantation_rwa.valuation.kalman import Panel
from plantation_rwa.valuation.likelihood import PARAMETERS, Estimate, maximise
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith
from tests.valuation.panels import TRUTH, drawn

START = SchwartzSmith(2.0, 0.3, 0.25, 0.0, 0.0, 0.0, 0.0)
HELD = ("kappa", "sigma_chi", "sigma_xi", "rho", "mu_xi_star")
#: not used while the search was built
SEEDS = {20: range(7001, 7021), 100: range(8001, 8101)}


def fitted(panel: Panel, start: SchwartzSmith = START) -> Estimate:
    return maximise(panel, start, error_start=0.01, error_floor=1e-4)


def within_two(estimate: Estimate) -> dict[str, bool]:
    return {n: abs(getattr(estimate.model, n) - getattr(TRUTH, n)) <= 2 * estimate.std_error(n) for n in PARAMETERS}


@pytest.fixture(scope="module")
def panel() -> Panel:
    return drawn(TRUTH, 11, days=250, tenors=8)


def test_the_top_does_not_depend_on_the_start(panel: Panel) -> None:
    one, other = fitted(panel), fitted(panel, TRUTH)
    assert one.converged
    assert one.agreeing == one.starts
    for name in PARAMETERS:
        assert getattr(one.model, name) == pytest.approx(getattr(other.model, name), abs=2e-3 * one.std_error(name))
    assert one.filtered.log_likelihood == pytest.approx(other.filtered.log_likelihood, abs=1e-6)


def test_the_measurement_error_is_found(panel: Panel) -> None:
    found = fitted(panel)
    assert found.errors[0] == pytest.approx(0.004, abs=3 * found.std_errors[-1])


def test_settlements_without_error_end_at_its_least_value() -> None:
    exact = drawn(TRUTH, 12, days=250, tenors=8, error=0.0)
    found = fitted(exact)
    assert found.errors[0] == pytest.approx(1e-4, rel=0.01)


def test_a_flat_panel_does_not_converge_to_anything() -> None:
    """Settlements that never move say nothing of two factors."""
    still = drawn(TRUTH, 13, days=260, tenors=6)
    flat = Panel(still.steps, np.where(np.isnan(still.log_prices), np.nan, 8.3), still.maturities, still.groups)
    assert not fitted(flat).converged


def test_one_contract_alone_leaves_wide_errors_or_none() -> None:
    near = drawn(TRUTH, 14, days=260, tenors=1)
    found = fitted(near)
    assert not found.converged or found.std_error("rho") > 0.3


@pytest.mark.long
@pytest.mark.slow
def test_500_days_of_12_tenors_take_less_than_30_seconds() -> None:
    large = drawn(TRUTH, 15)
    fitted(drawn(TRUTH, 16, days=60, tenors=3))  # compiled before the clock runs
    began = time.process_time()
    assert fitted(large).converged
    assert time.process_time() - began < 30.0


@pytest.mark.slow
@pytest.mark.parametrize(("panels", "least"), [(20, 16), pytest.param(100, 88, marks=pytest.mark.long)])
def test_truth_lies_within_two_standard_errors(panels: int, least: int) -> None:
    found = [fitted(drawn(TRUTH, seed)) for seed in SEEDS[panels]]
    assert all(f.converged for f in found)
    hits = {n: sum(within_two(f)[n] for f in found) for n in HELD}
    assert min(hits.values()) >= least, hits
