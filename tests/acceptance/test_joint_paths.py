"""Sums of joint yield paths over years against harvests of simulated portfolios, on seeds no number was tuned on."""

from __future__ import annotations

import pytest

from benchmarks.forecast_paths import coverage, evaluate

#: five standard errors of a share of 1,000 paths: the largest of 40,000 such gaps lies at 4.2 by chance
FIVE_ERRORS = 5 * (0.25 / 1000) ** 0.5


@pytest.mark.slow
@pytest.mark.long
def test_sums_over_one_three_and_five_years_cover_what_was_harvested() -> None:
    found = coverage(evaluate(range(7101, 7105), ["2020-12"], paths=1000), ("law", "months"))
    told = found.to_string()
    paths, one = found.loc["level and noise"], found.loc["one AR(1)"]
    # months keep the published quantiles whatever the law of the shocks
    assert found["marginal"].max() < FIVE_ERRORS, told
    for months in (12, 36, 60):
        assert 0.72 <= paths.loc[months, "cover80"] <= 0.88, told
        assert 0.83 <= paths.loc[months, "cover90"] <= 0.97, told
    # one AR(1) forgets a level within a year
    assert one.loc[60, "cover80"] < paths.loc[60, "cover80"] - 0.05, told
    assert one.loc[60, "width"] < paths.loc[60, "width"], told
