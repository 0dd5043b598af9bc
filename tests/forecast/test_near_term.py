from __future__ import annotations

import dataclasses
import datetime as dt

import numpy as np
import pandas as pd
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.forecast import near_term
from plantation_rwa.forecast.cube import build_cube
from plantation_rwa.forecast.near_term import fitting_rows
from plantation_rwa.forecast.run import STACK_ID, ForecastResult, forecast
from tests.forecast.portfolio import portfolio

DATE = dt.date(2025, 12, 31)
ASSUMPTIONS = packaged().override({"boosting.max_iter": 10}, where="tests")
MADE = portfolio(5, plantations=7, months=72, unharvested=1)
CUBE = build_cube(MADE.panel, MADE.stand, DATE, 12, ASSUMPTIONS)
STACKED = np.isfinite(CUBE.yields).sum(axis=1) >= 24


@pytest.fixture(scope="module")
def whole() -> ForecastResult:
    """The forecast fitted on all plantations, told at once."""
    return forecast(MADE.panel, MADE.stand, as_of=DATE, horizons=14, assumptions=ASSUMPTIONS)


def test_all_plantations_are_fitted_on_up_to_the_limit() -> None:
    assert fitting_rows(CUBE, STACKED, 7).tolist() == list(range(7))


def test_a_larger_portfolio_is_sampled_in_proportion_to_its_strata() -> None:
    """Regions of 5, 1 and 1: of four places 2.86, 0.57 and 0.57, the largest remainders rounded up."""
    cube = dataclasses.replace(CUBE, region=("c", "a", "a", "b", "a", "a", "a"))
    chosen = fitting_rows(cube, np.ones(7, dtype=np.bool_), 4)
    assert (np.diff(chosen) > 0).all()
    assert sorted(cube.region[p] for p in chosen) == ["a", "a", "a", "b"]
    assert fitting_rows(cube, np.ones(7, dtype=np.bool_), 4).tolist() == chosen.tolist()
    # those whose records carry the stack are a stratum of their own
    apart = fitting_rows(cube, np.array([False, True, False, False, True, True, True]), 4)
    assert {1, 4, 5, 6} - set(apart.tolist())
    assert len({1, 4, 5, 6} & set(apart.tolist())) == 2


def test_a_plantation_outside_the_sample_is_forecast_like_the_others(whole: ForecastResult) -> None:
    few = ASSUMPTIONS.override({"fitting.max_plantations": 4}, where="tests")
    past = near_term.near_term(CUBE, 36, few)
    assert past.calibration_forecast.shape == (4, 36, 12)
    assert past.mean.shape == (7, 12)
    made = forecast(MADE.panel, MADE.stand, as_of=DATE, horizons=14, assumptions=few).forecasts
    everyone = whole.forecasts
    assert made["model_id"].equals(everyone["model_id"])
    assert (made["model_id"] == STACK_ID).sum() == 6 * 14
    # what all plantations share in time is taken from all of them: the prior does not move
    assert made["prior_t_ha"].equals(everyone["prior_t_ha"])
    ratio = (made["yield_mean_t_ha"] / everyone["yield_mean_t_ha"]).to_numpy()
    assert np.abs(np.log(ratio)).max() < 0.35
    assert (ratio != 1.0).any()


@pytest.mark.parametrize("chunk", [1, 3])
def test_chunks_of_plantations_change_nothing(
    chunk: int, whole: ForecastResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_term, "CHUNK", chunk)
    made = forecast(MADE.panel, MADE.stand, as_of=DATE, horizons=14, assumptions=ASSUMPTIONS)
    pd.testing.assert_frame_equal(made.forecasts, whole.forecasts, rtol=0, atol=0)
    pd.testing.assert_frame_equal(made.model, whole.model, rtol=0, atol=0)
